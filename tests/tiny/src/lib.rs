//! Tiny image models with made-up weights, which need no download: what the image engine is compared with and what the
//! whole program draws with in tests.
//!
//! Their shapes are those of `server/paint/tests/references`. Refuses: to draw anything that looks like something.

pub mod integers;
mod model;

use std::fs;
use std::path::{Path, PathBuf};

use paint::clip::{ClipConfig, ClipTextEncoder};
use paint::unet::{UNet, UNetConfig};
use paint::vae::{Vae, VaeConfig};
use serde_json::Value;

pub use model::{Model, made_up};

/// A file or folder beside the references.
#[must_use]
pub fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/paint/tests/references").join(name)
}

/// What is written about the references of a part.
///
/// # Panics
/// When the part has none.
#[must_use]
pub fn description(part: &str) -> Value {
    let text = fs::read_to_string(reference(&format!("{part}.json"))).expect("the description is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// Writes a tiny Stable Diffusion with this `scheduler_config.json` to a folder, in the layout of diffusers. It draws in
/// sizes that are multiples of 2.
///
/// # Panics
/// When the folder cannot be written.
pub fn stable_diffusion(folder: &Path, scheduler: &str) {
    let at = |part: &str| folder.join(part);
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
    for file in ["vocab.json", "merges.txt"] {
        fs::copy(reference("tokenizer").join(file), at("tokenizer").join(file)).expect("a copy");
    }
    fs::write(at("scheduler/scheduler_config.json"), scheduler).expect("written");
    fs::write(at("model_index.json"), r#"{"_class_name": "StableDiffusionPipeline"}"#).expect("written");
}
