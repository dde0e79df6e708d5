//! Z-Image against diffusers and transformers: tokens, text encoder, denoiser and whole runs.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, IndexOp, Tensor};
use model::ImageRequest;
use paint::json_tokenizer::JsonTokenizer;
use paint::pipeline::{Drawing, Loading, Pipeline, StepTaken, Watch};
use paint::qwen3::{Qwen3Config, Qwen3Encoder};
use paint::schedule::{ScheduleFile, SchedulerConfig};
use paint::scheduler::{FlowLevels, Sampler, SamplerOptions};
use paint::vae::{Vae, VaeConfig};
use paint::z_image::{ZImageConfig, ZImageModels, ZImageTransformer};
use paint::{PaintError, Painter, Stop};
use serde_json::Value;
use tiny::Model;
use tiny::integers::fnv;

use crate::folders::same_by_heads;
use crate::models::{off, tensor};
use crate::painter::{drawn, request};
use crate::pipelines::{self, agrees, flow_drawing};
use crate::references::{self, References, described, description, error};
use crate::sources::flow_agrees_from;
use crate::tokenizer::strings;

const PART: &str = "z_image";

fn text(name: &str, key: &str) -> String {
    described(PART, name)[key].as_str().expect("a text").to_owned()
}

fn model(name: &str) -> Model {
    Model::described(name, &description(PART))
}

fn tokenizer() -> PathBuf {
    references::folder("qwen-tokenizer")
}

fn transformer(name: &str) -> (Model, ZImageTransformer) {
    let model = model(name);
    let config = ZImageConfig::parse(&model.config).expect("a configuration");
    let loaded = ZImageTransformer::load(&config, &model.weights).expect("a denoiser");
    (model, loaded)
}

fn encoder() -> (Model, Qwen3Encoder) {
    let model = model("qwen3");
    let config = Qwen3Config::parse(&model.config).expect("a configuration");
    let loaded = Qwen3Encoder::load(&config, &model.weights).expect("an encoder");
    (model, loaded)
}

fn vae() -> (Model, Vae) {
    let model = model("z-image-vae");
    let config = VaeConfig::parse(&model.config).expect("a configuration");
    let loaded = Vae::load(&config, &model.weights).expect("an autoencoder");
    (model, loaded)
}

fn models() -> ZImageModels {
    ZImageModels {
        tokenizer: JsonTokenizer::open(&tokenizer()).expect("a tokenizer"),
        encoder: encoder().1,
        transformer: transformer("z-image").1,
    }
}

fn pipeline(run: &str) -> Pipeline {
    Pipeline {
        denoiser: Box::new(models()),
        vae: vae().1,
        schedule: ScheduleFile::parse(&text(run, "config")).expect("a configuration"),
        weight_bytes: 0,
        device: Device::Cpu,
    }
}

fn drawing(pipeline: &Pipeline, run: &str) -> Drawing {
    let guidance = described(PART, run)["guidance"].as_f64().expect("a number");
    // The reference counts it from zero.
    flow_drawing(pipeline, &text("request", "prompt"), &text("request", "negative"), guidance + 1.0)
}

#[test]
fn tokens_are_the_same_for_every_string() {
    let expected = References::open(PART).numbers("ids");
    let tokenizer = JsonTokenizer::open(&tokenizer()).unwrap();
    let strings = strings();
    assert!(strings.len() >= 2_000 && strings.len() == expected.len());
    for (string, expected) in strings.iter().zip(expected) {
        let ids: Vec<String> = tokenizer.tokens(string).unwrap().iter().map(u32::to_string).collect();
        assert_eq!((fnv(ids.join(",").as_bytes()) & 0xff_ffff) as f32, expected, "{string:?}: {ids:?}");
    }
}

#[test]
fn text_encoder_agrees() {
    let references = References::open(PART);
    encoder().0.asked_for_all();
    let models = models();
    let prompt = text("request", "prompt");
    for (name, prompt) in [("prompt", prompt.clone()), ("empty", String::new()), ("long", prompt.repeat(40))] {
        let states = models.states(&prompt).unwrap();
        let length = states.dim(0).unwrap();
        assert_eq!(references.numbers(&format!("states/{name}/length")), [length as f32], "{name}");
        let kept = [0, 1, 2, length / 2, length - 2, length - 1].map(|at| at as u32);
        let kept = states.index_select(&Tensor::new(&kept, &Device::Cpu).unwrap(), 0).unwrap();
        println!("text encoder, {name}: {:.2e}", off(&kept, &references, &format!("states/{name}")));
    }
    for ids in [vec![], vec![1_000_000], vec![0; 1_025]] {
        assert!(matches!(encoder().1.encode(&ids), Err(PaintError::BadRequest(_))));
    }
}

#[test]
fn denoisers_agree() {
    let references = References::open(PART);
    let mut worst = 0.0f64;
    for (name, lengths) in [("z-image", [33, 5]), ("z-image-plain", [32, 7])] {
        let (model, denoiser) = transformer(name);
        model.asked_for_all();
        let config = denoiser.config();
        for ((height, width), length) in [(16, 12), (6, 10)].into_iter().zip(lengths) {
            let states = tensor(&format!("{name} caption {length}"), &[length, config.caption_width]);
            let caption = denoiser.caption(&states).unwrap();
            let latents = tensor(&format!("{name} latents {height}"), &[2, config.channels, height, width]);
            for (time, at) in [(0.001, "0.001"), (0.75, "0.75"), (1.0, "1.0")] {
                let both = denoiser.forward(&latents, time, &caption, Stop::NEVER).unwrap();
                let second = both.i(1..2).unwrap();
                worst = worst.max(off(&second, &references, &format!("{name}/{height}/{at}")));
                let alone = denoiser.forward(&latents.i(1..2).unwrap(), time, &caption, Stop::NEVER).unwrap();
                let numbers = |x: &Tensor| x.flatten_all().and_then(|x| x.to_vec1::<f32>()).unwrap();
                assert!(
                    error(&numbers(&alone), &numbers(&second)) <= 1e-5,
                    "it depends on the others of its batch"
                );
            }
        }
        let caption = denoiser.caption(&tensor("short", &[3, config.caption_width])).unwrap();
        for (height, width) in [(7, 6), (0, 2), (66, 2), (2, 66)] {
            let latents = Tensor::zeros((1, config.channels, height, width), DType::F32, &Device::Cpu).unwrap();
            let refused = denoiser.forward(&latents, 0.5, &caption, Stop::NEVER);
            assert!(matches!(refused, Err(PaintError::BadRequest(_))), "{height} x {width}");
        }
        for length in [0, 160] {
            let states = Tensor::zeros((length, config.caption_width), DType::F32, &Device::Cpu).unwrap();
            assert!(matches!(denoiser.caption(&states), Err(PaintError::BadRequest(_))), "{length} tokens");
        }
    }
    println!("denoisers of Z-Image: largest difference {worst:.2e}");
}

#[test]
fn timesteps_are_the_same_for_every_number_of_steps() {
    for run in ["turbo", "by-size"] {
        let expected = References::open(PART).numbers(&format!("{run}/timesteps"));
        let config = SchedulerConfig::parse(&text(run, "config")).unwrap();
        let mut got = Vec::new();
        for steps in 1..=50 {
            let options = SamplerOptions {
                image_tokens: Some(48),
                flow_levels: FlowLevels::EvenFromOneSingle,
                ..SamplerOptions::new(steps)
            };
            got.extend_from_slice(Sampler::new(&config, &options).unwrap().timesteps());
        }
        assert_eq!(got, expected, "{run}");
    }
}

#[test]
fn runs_and_pictures_agree() {
    let references = References::open(PART);
    vae().0.asked_for_all();
    for run in ["turbo", "guided", "by-size"] {
        let pipeline = pipeline(run);
        let drawing = drawing(&pipeline, run);
        let (latents, off) = agrees(&pipeline, &drawing, &references, run);
        let from = flow_agrees_from(&pipeline, &drawing, &references, run);
        println!("Z-Image {run}: {off:.2e}, from an image {from:.2e}");
        let alone = pipelines::latents(&pipeline, &drawing, 1..2).unwrap();
        assert!(error(&latents[1], &alone[0]) <= 1e-5);
    }
}

#[test]
fn stopping_and_drawings_that_cannot_be() {
    let pipeline = pipeline("turbo");
    let plain = drawing(&pipeline, "turbo");
    let prepared = pipeline.prepare(&plain, Stop::NEVER).unwrap();
    let mut step = |taken: StepTaken<'_>| {
        if taken.done == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut watch = Watch { step: &mut step, stop: Stop::NEVER };
    assert_eq!(pipeline.latents(&prepared, 0..2, &mut watch), Err(PaintError::Cancelled));
    for drawing in [
        Drawing { width: 26, ..plain.clone() },
        Drawing { height: 0, ..plain.clone() },
        Drawing { width: 4_096 + 4, ..plain.clone() },
        Drawing { guidance: f64::NAN, ..plain.clone() },
        Drawing { sampling: pipeline.sampling(0, 24, 32), ..plain.clone() },
        Drawing { prompt: "x".repeat(100_000), ..plain.clone() },
    ] {
        assert!(matches!(pipeline.prepare(&drawing, Stop::NEVER), Err(PaintError::BadRequest(_))), "{drawing:?}");
    }
    // Within what this program makes, but beyond the model's table of places.
    let wide = Drawing { width: 128, ..drawing(&pipeline, "turbo") };
    assert!(matches!(pipelines::latents(&pipeline, &wide, 0..1), Err(PaintError::BadRequest(_))));
}

/// A tiny Z-Image as a folder, in the layout of diffusers.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |part: &str| folder.path().join(part);
    encoder().0.save("qwen3", &at("text_encoder"), "model");
    transformer("z-image").0.save("z-image", &at("transformer"), "diffusion_pytorch_model");
    vae().0.save("z-image-vae", &at("vae"), "diffusion_pytorch_model");
    for part in ["tokenizer", "scheduler"] {
        fs::create_dir(at(part)).expect("a folder");
    }
    fs::copy(tokenizer().join("tokenizer.json"), at("tokenizer/tokenizer.json")).expect("a copy");
    fs::write(at("scheduler/scheduler_config.json"), text("turbo", "config")).expect("written");
    fs::write(folder.path().join("model_index.json"), r#"{"_class_name": "ZImagePipeline"}"#).expect("written");
    folder
}

fn open(folder: &Path) -> Result<Pipeline, PaintError> {
    let (device, progress) = (Device::Cpu, &mut |_| {});
    Pipeline::open(folder, Loading { device, progress, stop: Stop::NEVER })
}

#[test]
fn a_folder_makes_what_its_parts_make() {
    let folder = folder();
    let from_parts = pipeline("turbo");
    let drawing = drawing(&from_parts, "turbo");
    let from_folder = open(folder.path()).unwrap();
    let latents = pipelines::latents(&from_folder, &drawing, 0..2).unwrap();
    assert_eq!(latents, pipelines::latents(&from_parts, &drawing, 0..2).unwrap());
    let painter = Painter::open(folder.path(), &Device::Cpu, &mut |_| {}, &|| false).unwrap();
    let info = painter.info();
    assert_eq!((info.family.as_str(), info.steps, info.guidance), ("Z-Image Turbo", 9, 1.0));
    let request = ImageRequest { width_pixels: 24, height_pixels: 32, steps: 8, guidance: 1.0, ..request() };
    assert_eq!(drawn(&painter, &request).unwrap().1.len(), 2);
}

#[test]
fn damaged_folders_are_refused_by_name() {
    let folder = folder();
    let refused = |file: &str, bytes: &[u8], said: &str| {
        let at = folder.path().join(file);
        let sound = fs::read(&at).expect("it is there");
        fs::write(&at, bytes).expect("written");
        let Err(error) = open(folder.path()) else { panic!("{file} was taken") };
        assert!(error.to_string().contains(said), "{file}: {error}");
        same_by_heads(folder.path(), &error);
        fs::write(&at, sound).expect("written");
    };
    let changed = |part: &str, key: &str, value: Value| {
        let mut config: Value = serde_json::from_str(&model(part).config).expect("it is JSON");
        config[key] = value;
        config.to_string()
    };
    let weights = |part: &str| fs::read(folder.path().join(part)).expect("they are there");
    for (key, value) in [
        ("brand_new", Value::Bool(true)),
        ("siglip_feat_dim", 8.into()),
        ("n_kv_heads", 1.into()),
        ("axes_dims", serde_json::json!([4, 6])),
        ("axes_dims", serde_json::json!([4, 6, 8])),
        ("all_patch_size", serde_json::json!([1, 2])),
        ("rope_theta", 0.into()),
        ("cap_feat_dim", 16.into()),
        ("in_channels", 4.into()),
    ] {
        refused("transformer/config.json", changed("z-image", key, value).as_bytes(), "transformer");
    }
    for (key, value) in [
        ("hidden_act", "gelu".into()),
        ("use_sliding_window", Value::Bool(true)),
        ("rope_parameters", serde_json::json!({"rope_type": "yarn"})),
        ("layer_types", serde_json::json!(["sliding_attention"])),
        ("num_hidden_layers", 1.into()),
        ("num_key_value_heads", 3.into()),
        ("odd", 1.into()),
    ] {
        refused("text_encoder/config.json", changed("qwen3", key, value).as_bytes(), "text_encoder/config.json");
    }
    let file = "transformer/diffusion_pytorch_model.safetensors";
    let other = weights("vae/diffusion_pytorch_model.safetensors");
    refused(file, &other, "tensors are missing");
    refused(file, &other, "belong to no part");
    refused("text_encoder/model.safetensors", &other, "embed_tokens.weight");
    refused("scheduler/scheduler_config.json", br#"{"_class_name": "EulerDiscreteScheduler"}"#, "Euler");
    refused("tokenizer/tokenizer.json", b"{}", "tokenizer/tokenizer.json");
    let without = fs::read_to_string(tokenizer().join("tokenizer.json")).unwrap().replace("<|im_end|>", "<|end|>");
    refused("tokenizer/tokenizer.json", without.as_bytes(), "<|im_end|>");
    assert!(open(folder.path()).is_ok(), "each was restored");
}
