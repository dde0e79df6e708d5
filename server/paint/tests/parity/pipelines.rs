//! Whole runs against diffusers' pipelines: prompt in, latents and pictures out.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use paint::PaintError;
use paint::clip::{ClipConfig, ClipTextEncoder};
use paint::pipeline::{ImageRequest, Pipeline, Progress, TextEncoder, TextEncoders};
use paint::schedule::{SchedulerClass, SchedulerConfig};
use paint::scheduler::SamplerOptions;
use paint::tokenizer::ClipTokenizer;
use paint::unet::{UNet, UNetConfig};
use paint::vae::{Vae, VaeConfig};

use crate::models::Model;
use crate::references::{References, description, error};

/// The bar of a guided loop of 20 steps.
pub(crate) const LATENTS_BAR: f64 = 1e-4;

fn encoder(name: &str) -> TextEncoder {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "references", "tokenizer"].iter().collect();
    let model = Model::of(name);
    let config = ClipConfig::parse(&model.config).expect("a configuration");
    TextEncoder {
        tokenizer: ClipTokenizer::open(&folder).expect("a tokenizer"),
        encoder: ClipTextEncoder::load(&config, &model.weights).expect("an encoder"),
    }
}

fn pipeline(family: &str, scheduler: &str) -> Pipeline {
    let (unet, vae) = (Model::of(&format!("unet-{family}")), Model::of("vae"));
    let unet_config = UNetConfig::parse(&unet.config).expect("a configuration");
    let vae_config = VaeConfig::parse(&vae.config).expect("a configuration");
    Pipeline {
        text: if family == "xl" {
            TextEncoders::Two(Box::new([encoder("clip-quick"), encoder("clip-exact")]))
        } else {
            TextEncoders::One(Box::new(encoder("clip-quick")))
        },
        unet: UNet::load(&unet_config, &unet.weights).expect("a denoiser"),
        vae: Vae::load(&vae_config, &vae.weights).expect("an autoencoder"),
        scheduler: SchedulerConfig::parse(scheduler).expect("a configuration"),
        zero_for_empty: family == "xl",
        device: Device::Cpu,
    }
}

fn request() -> ImageRequest {
    let description = description("pipelines");
    let text = |key: &str| description[key].as_str().expect("a text").to_owned();
    ImageRequest {
        prompt: text("prompt"),
        negative: text("negative"),
        width: 16,
        height: 24,
        sampling: SamplerOptions::new(20),
        guidance: 7.5,
        seed: 77,
        batch: 2,
        clip_skip: 0,
    }
}

fn scheduler(name: &str) -> String {
    let description = description("pipelines");
    let runs = description["runs"].as_array().expect("a list");
    let run = runs.iter().find(|run| run["name"] == name).expect("it is described");
    run["config"].as_str().expect("a text").to_owned()
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Of a thousand bytes one is off by more than 1, and none by more than 2. How many are off by more than 1.
pub(crate) fn pixels_agree(name: &str, pixels: &[u8], expected: &[f32]) -> usize {
    assert_eq!(pixels.len(), expected.len());
    let (mut over_one, mut largest) = (0, 0.0f32);
    for (got, expected) in pixels.iter().zip(expected) {
        let difference = (f32::from(*got) - expected).abs();
        over_one += usize::from(difference > 1.0);
        largest = largest.max(difference);
    }
    assert!(over_one * 1_000 <= pixels.len() && largest <= 2.0, "{name}");
    over_one
}

#[test]
fn guided_runs_and_pictures_agree() {
    let references = References::open("pipelines");
    let request = request();
    for family in ["sd", "xl"] {
        for sampler in ["ddim", "euler", "ancestral", "karras"] {
            let name = format!("{family}/{sampler}");
            let pipeline = pipeline(family, &scheduler(&name));
            let latents = pipeline.latents(&request, &mut go_on).unwrap();
            let off = error(&latents.concat(), &references.numbers(&format!("{name}/latents")));
            let pixels: Vec<u8> =
                latents.iter().flat_map(|latent| pipeline.decode(&request, latent).unwrap().rgb).collect();
            assert!(off <= LATENTS_BAR, "{name}: {off:.2e}");
            let over_one = pixels_agree(&name, &pixels, &references.numbers(&format!("{name}/pixels")));
            println!("{name}: latents {off:.2e}, {over_one} of {} bytes off by more than 1", pixels.len());
        }
    }
}

#[test]
fn an_image_is_the_same_alone_and_in_a_batch() {
    let pipeline = pipeline("sd", &scheduler("sd/ancestral"));
    let both = pipeline.latents(&request(), &mut go_on).unwrap();
    let alone = ImageRequest { batch: 1, seed: 78, ..request() };
    let alone = pipeline.latents(&alone, &mut go_on).unwrap();
    assert!(error(&both[1], &alone[0]) <= 1e-5);
    assert_eq!(both, pipeline.latents(&request(), &mut go_on).unwrap(), "the same seed twice");
}

#[test]
fn prompts_of_all_kinds_make_pictures() {
    let pipeline = pipeline("xl", &scheduler("xl/euler"));
    let short = ImageRequest { sampling: SamplerOptions::new(2), batch: 1, ..request() };
    let plain = pipeline.latents(&short, &mut go_on).unwrap();
    let mut seen = vec![plain];
    for (prompt, guidance) in
        [("", 7.5), ("a (cat:1.4) and [dog]", 7.5), (&"long words, ".repeat(60), 7.5), ("cat", 1.0)]
    {
        let request =
            ImageRequest { prompt: prompt.to_owned(), negative: String::new(), guidance, ..short.clone() };
        let latents = pipeline.latents(&request, &mut go_on).unwrap();
        assert!(!seen.contains(&latents), "{prompt} makes the same as another one");
        seen.push(latents);
    }
}

#[test]
fn stopping_and_requests_that_cannot_be() {
    let pipeline = pipeline("sd", &scheduler("sd/euler"));
    let mut steps = 0;
    let stopped = pipeline.latents(&request(), &mut |progress| {
        steps = progress.done;
        if progress.done == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((stopped, steps), (Err(PaintError::Cancelled), 3));
    for request in [
        ImageRequest { width: 13, ..request() },
        ImageRequest { height: 0, ..request() },
        ImageRequest { width: 1 << 20, ..request() },
        ImageRequest { batch: 0, ..request() },
        ImageRequest { batch: 1_000, ..request() },
        ImageRequest { guidance: f64::NAN, ..request() },
        ImageRequest { clip_skip: 9, ..request() },
        ImageRequest { sampling: SamplerOptions::new(0), ..request() },
        ImageRequest { prompt: "x".repeat(100_000), ..request() },
    ] {
        assert!(matches!(pipeline.latents(&request, &mut go_on), Err(PaintError::BadRequest(_))), "{request:?}");
    }
}

/// A tiny Stable Diffusion as a folder, in the layout of diffusers.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |part: &str| folder.path().join(part);
    let (clip, unet, vae) = (Model::of("clip-quick"), Model::of("unet-sd"), Model::of("vae"));
    ClipTextEncoder::load(&ClipConfig::parse(&clip.config).expect("keys"), &clip.weights).expect("an encoder");
    UNet::load(&UNetConfig::parse(&unet.config).expect("keys"), &unet.weights).expect("a denoiser");
    Vae::load(&VaeConfig::parse(&vae.config).expect("keys"), &vae.weights).expect("an autoencoder");
    clip.save("clip-quick", &at("text_encoder"), "model");
    unet.save("unet-sd", &at("unet"), "diffusion_pytorch_model");
    vae.save("vae", &at("vae"), "diffusion_pytorch_model.fp16");
    for part in ["tokenizer", "scheduler"] {
        fs::create_dir(at(part)).expect("a folder");
    }
    let vocabulary: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "references", "tokenizer"].iter().collect();
    for file in ["vocab.json", "merges.txt"] {
        fs::copy(vocabulary.join(file), at("tokenizer").join(file)).expect("a copy");
    }
    fs::write(at("scheduler/scheduler_config.json"), scheduler("sd/ddim")).expect("written");
    fs::write(at("model_index.json"), r#"{"_class_name": "StableDiffusionPipeline"}"#).expect("written");
    folder
}

fn open(folder: &Path) -> Result<Pipeline, PaintError> {
    Pipeline::open(folder, None, &Device::Cpu, DType::F32)
}

#[test]
fn a_folder_makes_what_its_parts_make() {
    let folder = folder();
    let from_folder = open(folder.path()).unwrap().images(&request(), &mut go_on).unwrap();
    let from_parts = pipeline("sd", &scheduler("sd/ddim")).images(&request(), &mut go_on).unwrap();
    assert_eq!(from_folder, from_parts);
    assert_eq!((from_folder.len(), from_folder[0].rgb.len()), (2, 16 * 24 * 3));
    let other = Pipeline::open(folder.path(), Some(SchedulerClass::Heun), &Device::Cpu, DType::F32).unwrap();
    assert_eq!(other.scheduler.class, SchedulerClass::Heun);
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
    refused("model_index.json", br#"{"_class_name": "FluxPipeline"}"#, "FluxPipeline");
    refused("unet/config.json", b"{}", "unet/config.json");
    refused("scheduler/scheduler_config.json", br#"{"_class_name": "DDIMScheduler", "odd": 1}"#, "`odd`");
    refused("vae/diffusion_pytorch_model.fp16.safetensors", b"short", "diffusion_pytorch_model.fp16.safetensors");
    // The weights of another part: nothing of it is there, and nothing that is there belongs to it.
    let other = fs::read(folder.path().join("text_encoder/model.safetensors")).unwrap();
    refused("unet/diffusion_pytorch_model.safetensors", &other, "tensors are missing");
    refused("unet/diffusion_pytorch_model.safetensors", &other, "belong to no part");
    fs::remove_file(folder.path().join("unet/diffusion_pytorch_model.safetensors")).unwrap();
    assert!(open(folder.path()).is_err());
}
