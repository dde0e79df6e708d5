//! FLUX against diffusers and transformers: tokens, text encoders, denoiser and whole runs.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, IndexOp, Tensor};
use model::{ImageEvent, ImageRequest, ImageSampler};
use paint::clip::{ClipConfig, ClipTextEncoder};
use paint::flux::{FluxConfig, FluxModels, FluxText, FluxTransformer};
use paint::json_tokenizer::JsonTokenizer;
use paint::pipeline::{Drawing, Loading, Pipeline};
use paint::schedule::ScheduleFile;
use paint::t5::{T5Config, T5Encoder};
use paint::tokenizer::ClipTokenizer;
use paint::vae::{Vae, VaeConfig};
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

const PART: &str = "flux";

fn text(name: &str, key: &str) -> String {
    described(PART, name)[key].as_str().expect("a text").to_owned()
}

fn model(name: &str) -> Model {
    Model::described(name, &description(PART))
}

fn tokenizer() -> PathBuf {
    references::folder("t5-tokenizer")
}

fn transformer(name: &str) -> (Model, FluxTransformer) {
    let model = model(name);
    let config = FluxConfig::parse(&model.config).expect("a configuration");
    let loaded = FluxTransformer::load(&config, &model.weights).expect("a denoiser");
    (model, loaded)
}

fn t5() -> (Model, T5Encoder) {
    let model = model("t5");
    let config = T5Config::parse(&model.config).expect("a configuration");
    let loaded = T5Encoder::load(&config, &model.weights).expect("an encoder");
    (model, loaded)
}

fn clip() -> (Model, ClipTextEncoder) {
    let model = Model::of("clip-quick");
    let config = ClipConfig::parse(&model.config).expect("a configuration");
    let loaded = ClipTextEncoder::load(&config, &model.weights).expect("an encoder");
    (model, loaded)
}

fn vae() -> (Model, Vae) {
    let model = model("flux-vae");
    let config = VaeConfig::parse(&model.config).expect("a configuration");
    let loaded = Vae::load(&config, &model.weights).expect("an autoencoder");
    (model, loaded)
}

fn models(name: &str) -> FluxModels {
    FluxModels {
        clip_tokenizer: ClipTokenizer::open(&references::folder("tokenizer")).expect("a tokenizer"),
        clip: clip().1,
        t5_tokenizer: JsonTokenizer::open(&tokenizer()).expect("a tokenizer"),
        t5: t5().1,
        t5_tokens: described(PART, "request")["tokens"].as_u64().expect("a count") as usize,
        transformer: transformer(name).1,
    }
}

fn pipeline(name: &str, models: FluxModels) -> Pipeline {
    Pipeline {
        denoiser: Box::new(models),
        vae: vae().1,
        schedule: ScheduleFile::parse(&text(&format!("{name} run"), "config")).expect("a configuration"),
        weight_bytes: 0,
        device: Device::Cpu,
    }
}

pub(crate) fn drawing(pipeline: &Pipeline, name: &str) -> Drawing {
    let guidance = described(PART, &format!("{name} run"))["guidance"].as_f64().expect("a number");
    flow_drawing(pipeline, &text("request", "prompt"), "", guidance)
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
fn text_encoders_agree() {
    let references = References::open(PART);
    let (model, encoder) = t5();
    model.asked_for_all();
    let keep = |states: &Tensor, places: [u32; 6]| {
        states.index_select(&Tensor::new(&places, &Device::Cpu).unwrap(), 1).unwrap()
    };
    // Longer than the largest distance that has a bucket of its own.
    let vocabulary = serde_json::from_str::<Value>(&model.config).unwrap()["vocab_size"].as_u64().unwrap() as u32;
    let ids: Vec<u32> = (0..300).map(|at| at * 37 % vocabulary).collect();
    let states = encoder.encode(&ids).unwrap();
    println!("T5: {:.2e}", off(&keep(&states, [0, 1, 7, 150, 298, 299]), &references, "t5/states"));
    for ids in [vec![], vec![vocabulary]] {
        assert!(matches!(encoder.encode(&ids), Err(PaintError::BadRequest(_))));
    }
    let models = models("flux-dev");
    let prompt = text("request", "prompt");
    for (name, prompt) in [("prompt", prompt.clone()), ("empty", String::new()), ("long", prompt.repeat(40))] {
        let text = models.text(&prompt).unwrap();
        off(&keep(&text.tokens, [0, 1, 2, 20, 38, 39]), &references, &format!("text/{name}"));
        off(&text.pooled, &references, &format!("text/{name}/pooled"));
    }
}

#[test]
fn denoisers_agree() {
    let references = References::open(PART);
    let mut worst = 0.0f64;
    for name in ["flux-dev", "flux-schnell"] {
        let (model, denoiser) = transformer(name);
        model.asked_for_all();
        let text = FluxText {
            tokens: tensor(&format!("{name} text"), &[1, 7, 32]),
            pooled: tensor(&format!("{name} pooled"), &[1, 32]),
        };
        for (height, width) in [(16, 12), (6, 10)] {
            let latents = tensor(&format!("{name} latents {height}"), &[2, 4, height, width]);
            for (time, at) in [(1.0, "1.0"), (0.5, "0.5"), (0.001, "0.001")] {
                let second = denoiser.forward(&latents, time, 3.5, &text, Stop::NEVER).unwrap().i(1..2).unwrap();
                worst = worst.max(off(&second, &references, &format!("{name}/{height}/{at}")));
                let alone = denoiser.forward(&latents.i(1..2).unwrap(), time, 3.5, &text, Stop::NEVER).unwrap();
                let numbers = |x: &Tensor| x.flatten_all().and_then(|x| x.to_vec1::<f32>()).unwrap();
                assert!(
                    error(&numbers(&alone), &numbers(&second)) <= 1e-5,
                    "it depends on the others of its batch"
                );
                let other = denoiser.forward(&latents.i(1..2).unwrap(), time, 2.0, &text, Stop::NEVER).unwrap();
                assert_eq!(numbers(&other) != numbers(&alone), name == "flux-dev", "guidance");
            }
        }
        for (height, width) in [(7, 6), (0, 2)] {
            let latents = Tensor::zeros((1, 4, height, width), DType::F32, &Device::Cpu).unwrap();
            let refused = denoiser.forward(&latents, 0.5, 3.5, &text, Stop::NEVER);
            assert!(matches!(refused, Err(PaintError::BadRequest(_))), "{height} x {width}");
        }
    }
    println!("denoisers of FLUX: largest difference {worst:.2e}");
}

#[test]
fn runs_and_pictures_agree() {
    let references = References::open(PART);
    vae().0.asked_for_all();
    for name in ["flux-dev", "flux-schnell"] {
        let pipeline = pipeline(name, models(name));
        let drawing = drawing(&pipeline, name);
        let (_, off) = agrees(&pipeline, &drawing, &references, name);
        let from = flow_agrees_from(&pipeline, &drawing, &references, name);
        println!("{name}: {off:.2e}, from an image {from:.2e}");
    }
}

/// A tiny FLUX as a folder, in the layout of diffusers.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |part: &str| folder.path().join(part);
    clip().0.save("clip-quick", &at("text_encoder"), "model");
    t5().0.save("t5", &at("text_encoder_2"), "model");
    transformer("flux-dev").0.save("flux-dev", &at("transformer"), "diffusion_pytorch_model");
    vae().0.save("flux-vae", &at("vae"), "diffusion_pytorch_model");
    for part in ["tokenizer", "tokenizer_2", "scheduler"] {
        fs::create_dir(at(part)).expect("a folder");
    }
    for file in ["vocab.json", "merges.txt"] {
        fs::copy(references::folder("tokenizer").join(file), at("tokenizer").join(file)).expect("a copy");
    }
    fs::copy(tokenizer().join("tokenizer.json"), at("tokenizer_2/tokenizer.json")).expect("a copy");
    fs::write(at("scheduler/scheduler_config.json"), text("flux-dev run", "config")).expect("written");
    fs::write(folder.path().join("model_index.json"), r#"{"_class_name": "FluxPipeline"}"#).expect("written");
    folder
}

fn open(folder: &Path) -> Result<Pipeline, PaintError> {
    let (device, progress) = (Device::Cpu, &mut |_| {});
    Pipeline::open(folder, Loading { device, progress, stop: Stop::NEVER })
}

#[test]
fn a_folder_makes_what_its_parts_make() {
    let folder = folder();
    let from_folder = open(folder.path()).unwrap();
    assert_eq!(from_folder.side_multiple(), 4);
    assert!(from_folder.weight_bytes > 0);
    let from_parts = pipeline("flux-dev", FluxModels { t5_tokens: 512, ..models("flux-dev") });
    let drawing = drawing(&from_folder, "flux-dev");
    let latents = pipelines::latents(&from_folder, &drawing, 0..2).unwrap();
    assert_eq!(latents, pipelines::latents(&from_parts, &drawing, 0..2).unwrap());
    for drawing in [Drawing { width: 26, ..drawing.clone() }, Drawing { prompt: "x".repeat(100_000), ..drawing }] {
        assert!(matches!(from_folder.prepare(&drawing, Stop::NEVER), Err(PaintError::BadRequest(_))));
    }
}

/// The one door opens this family too: events, previews and pixels are those of the pipeline.
#[test]
fn the_painter_draws_with_it() {
    let folder = folder();
    let painter = Painter::open(folder.path(), &Device::Cpu, &mut |_| {}, &|| false).unwrap();
    let info = painter.info();
    assert_eq!((info.family.as_str(), info.steps, info.side_pixels), ("FLUX.1 dev", 28, 1_024));
    assert_eq!(info.samplers, [ImageSampler::Euler]);
    let request = ImageRequest { width_pixels: 24, height_pixels: 32, steps: 8, guidance: 3.5, ..request() };
    let (events, images) = drawn(&painter, &request).unwrap();
    assert!(events.iter().any(|event| matches!(event, ImageEvent::Step { preview: Some(_), .. })));
    assert!(images.len() == 2 && images[0] != images[1] && images[0].len() == 24 * 32 * 3);
    let refused = ImageRequest { sampler: Some(ImageSampler::Ddim), ..request };
    assert!(matches!(drawn(&painter, &refused), Err(PaintError::BadRequest(_))));
    fs::write(folder.path().join("transformer/odd.gguf"), "GGUF").unwrap();
    assert!(
        matches!(open(folder.path()), Err(PaintError::BadModel { file, .. }) if file == "transformer/odd.gguf")
    );
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
    for (key, value) in [
        ("brand_new", Value::Bool(true)),
        ("patch_size", 2.into()),
        ("out_channels", 8.into()),
        ("axes_dims_rope", serde_json::json!([4, 6])),
        ("axes_dims_rope", serde_json::json!([4, 6, 8])),
        ("in_channels", 8.into()),
        ("pooled_projection_dim", 16.into()),
        ("guidance_embeds", Value::Bool(false)),
    ] {
        refused("transformer/config.json", changed("flux-dev", key, value).as_bytes(), "transformer");
    }
    for (key, value) in [
        ("feed_forward_proj", "relu".into()),
        ("relative_attention_num_buckets", 6.into()),
        ("layer_norm_epsilon", 0.into()),
        ("odd", 1.into()),
    ] {
        refused("text_encoder_2/config.json", changed("t5", key, value).as_bytes(), "text_encoder_2/config.json");
    }
    let other = fs::read(folder.path().join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    refused("transformer/diffusion_pytorch_model.safetensors", &other, "tensors are missing");
    refused("text_encoder_2/model.safetensors", &other, "belong to no part");
    refused("scheduler/scheduler_config.json", br#"{"_class_name": "DDIMScheduler"}"#, "Ddim");
    refused("tokenizer_2/tokenizer.json", b"{}", "tokenizer_2/tokenizer.json");
    assert!(open(folder.path()).is_ok(), "each was restored");
}
