//! FLUX against diffusers and transformers: tokens, text encoders, denoiser and whole runs.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, IndexOp, Tensor};
use paint::PaintError;
use paint::clip::{ClipConfig, ClipTextEncoder};
use paint::flow::FlowRequest;
use paint::flux::{FluxConfig, FluxPipeline, FluxText, FluxTransformer};
use paint::json_tokenizer::JsonTokenizer;
use paint::schedule::SchedulerConfig;
use paint::t5::{T5Config, T5Encoder};
use paint::tokenizer::ClipTokenizer;
use paint::vae::{Vae, VaeConfig};
use serde_json::Value;

use crate::integers::fnv;
use crate::models::{Model, off, tensor};
use crate::pipelines::{LATENTS_BAR, same_pixels};
use crate::references::{self, References, described, description, error};
use crate::tokenizer::strings;
use crate::z_image::go_on;

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

fn pipeline(name: &str) -> FluxPipeline {
    FluxPipeline {
        clip_tokenizer: ClipTokenizer::open(&references::folder("tokenizer")).expect("a tokenizer"),
        clip: clip().1,
        t5_tokenizer: JsonTokenizer::open(&tokenizer()).expect("a tokenizer"),
        t5: t5().1,
        t5_tokens: described(PART, "request")["tokens"].as_u64().expect("a count") as usize,
        transformer: transformer(name).1,
        vae: vae().1,
        scheduler: SchedulerConfig::parse(&text(&format!("{name} run"), "config")).expect("a configuration"),
        device: Device::Cpu,
        dtype: DType::F32,
    }
}

fn request(name: &str) -> FlowRequest {
    FlowRequest {
        prompt: text("request", "prompt"),
        negative: String::new(),
        width: 24,
        height: 32,
        steps: 8,
        guidance: described(PART, &format!("{name} run"))["guidance"].as_f64().expect("a number"),
        seed: 77,
        batch: 2,
    }
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
    let pipeline = pipeline("flux-dev");
    let prompt = text("request", "prompt");
    for (name, prompt) in [("prompt", prompt.clone()), ("empty", String::new()), ("long", prompt.repeat(40))] {
        let text = pipeline.text(&prompt).unwrap();
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
                let second = denoiser.forward(&latents, time, 3.5, &text).unwrap().i(1..2).unwrap();
                worst = worst.max(off(&second, &references, &format!("{name}/{height}/{at}")));
                let alone = denoiser.forward(&latents.i(1..2).unwrap(), time, 3.5, &text).unwrap();
                let numbers = |x: &Tensor| x.flatten_all().and_then(|x| x.to_vec1::<f32>()).unwrap();
                assert!(
                    error(&numbers(&alone), &numbers(&second)) <= 1e-5,
                    "it depends on the others of its batch"
                );
                let other = denoiser.forward(&latents.i(1..2).unwrap(), time, 2.0, &text).unwrap();
                assert_eq!(numbers(&other) != numbers(&alone), name == "flux-dev", "guidance");
            }
        }
        for (height, width) in [(7, 6), (0, 2)] {
            let latents = Tensor::zeros((1, 4, height, width), DType::F32, &Device::Cpu).unwrap();
            let refused = denoiser.forward(&latents, 0.5, 3.5, &text);
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
        let (pipeline, request) = (pipeline(name), request(name));
        let latents = pipeline.latents(&request, &mut go_on).unwrap();
        let off = error(&latents.concat(), &references.numbers(&format!("{name}/latents")));
        assert!(off <= LATENTS_BAR, "{name}: {off:.2e}");
        let pixels: Vec<u8> =
            latents.iter().flat_map(|latent| pipeline.decode(&request, latent).unwrap().rgb).collect();
        let over_one = same_pixels(name, &pixels, &references.numbers(&format!("{name}/pixels")));
        println!("{name}: latents {off:.2e}, {over_one} of {} bytes off by more than 1", pixels.len());
    }
}

/// A tiny FLUX as a folder, in the layout of diffusers.
fn folder() -> tempfile::TempDir {
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
    folder
}

fn open(folder: &Path) -> Result<FluxPipeline, PaintError> {
    FluxPipeline::open(folder, &Device::Cpu, DType::F32)
}

#[test]
fn a_folder_makes_what_its_parts_make() {
    let folder = folder();
    let request = request("flux-dev");
    let from_folder = open(folder.path()).unwrap();
    assert_eq!((from_folder.t5_tokens, from_folder.side_multiple()), (512, 4));
    let mut from_parts = pipeline("flux-dev");
    from_parts.t5_tokens = 512;
    let images = from_folder.images(&request, &mut go_on).unwrap();
    assert_eq!(images, from_parts.images(&request, &mut go_on).unwrap());
    assert_eq!((images.len(), images[0].rgb.len()), (2, 32 * 24 * 3));
    for request in [
        FlowRequest { width: 26, ..request.clone() },
        FlowRequest { prompt: "x".repeat(100_000), ..request.clone() },
    ] {
        assert!(matches!(from_folder.latents(&request, &mut go_on), Err(PaintError::BadRequest(_))));
    }
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
