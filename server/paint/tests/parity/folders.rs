//! Tiny models as folders in the layout of diffusers, and safetensors files of made-up tensors.
//!
//! Refuses: weights of its own; they are those of `tests/tiny`.

use std::fs;
use std::path::Path;

use candle_core::Device;
use paint::clip::{ClipConfig, ClipTextEncoder};
use paint::pipeline::{Loading, Pipeline, check};
use paint::unet::{UNet, UNetConfig};
use paint::vae::{Vae, VaeConfig};
use paint::{PaintError, Stop};
use safetensors::tensor::{Dtype, TensorView};
use tiny::Model;

use crate::pipelines::scheduler;
use crate::references;

/// A tensor: its name, its shape and its numbers.
pub(crate) type Made = (String, Vec<usize>, Vec<f32>);

/// A tiny Stable Diffusion, `sd` or `xl`.
pub(crate) fn folder(family: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let schedule = scheduler(&format!("{family}/ddim"));
    if family == "sd" {
        tiny::stable_diffusion(folder.path(), &schedule);
        return folder;
    }
    let at = |part: &str| folder.path().join(part);
    for (name, part) in [("clip-quick", "text_encoder"), ("clip-exact", "text_encoder_2")] {
        let model = Model::of(name);
        ClipTextEncoder::load(&ClipConfig::parse(&model.config).expect("keys"), &model.weights)
            .expect("an encoder");
        model.save(name, &at(part), "model");
    }
    let (unet, vae) = (Model::of("unet-xl"), Model::of("vae"));
    UNet::load(&UNetConfig::parse(&unet.config).expect("keys"), &unet.weights).expect("a denoiser");
    Vae::load(&VaeConfig::parse(&vae.config).expect("keys"), &vae.weights).expect("an autoencoder");
    unet.save("unet-xl", &at("unet"), "diffusion_pytorch_model");
    vae.save("vae", &at("vae"), "diffusion_pytorch_model");
    for part in ["tokenizer", "tokenizer_2"] {
        fs::create_dir(at(part)).expect("a folder");
        for file in ["vocab.json", "merges.txt"] {
            fs::copy(references::folder("tokenizer").join(file), at(part).join(file)).expect("a copy");
        }
    }
    fs::create_dir(at("scheduler")).expect("a folder");
    fs::write(at("scheduler/scheduler_config.json"), schedule).expect("written");
    fs::write(at("model_index.json"), r#"{"_class_name": "StableDiffusionXLPipeline"}"#).expect("written");
    folder
}

pub(crate) fn open(folder: &Path) -> Result<Pipeline, PaintError> {
    let (device, progress) = (Device::Cpu, &mut |_| {});
    Pipeline::open(folder, Loading { device, progress, stop: Stop::NEVER })
}

/// Whether a look at the heads of a folder's files tells the same as loading it did; numbers alone are not looked at.
pub(crate) fn same_by_heads(folder: &Path, error: &PaintError) {
    match check(folder) {
        Ok(()) => assert!(error.to_string().contains("is not finite"), "{error}"),
        Err(looked) => assert_eq!(looked, *error),
    }
}

/// Why a folder is not loaded, which names all of `said`.
pub(crate) fn refused(folder: &Path, said: &[&str]) {
    match open(folder) {
        Err(error @ PaintError::BadModel { .. }) => {
            same_by_heads(folder, &error);
            let error = error.to_string();
            assert!(said.iter().all(|said| error.contains(said)), "{said:?}: {error}");
        }
        Err(other) => panic!("{said:?}: {other}"),
        Ok(_) => panic!("it was taken; {said:?} is wrong"),
    }
}

/// Writes a safetensors file.
pub(crate) fn write(path: &Path, tensors: &[Made]) {
    let bytes = |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_le_bytes()).collect() };
    let data: Vec<Vec<u8>> = tensors.iter().map(|(_, _, numbers)| bytes(numbers)).collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), data).expect("it fits"))
    });
    fs::write(path, safetensors::serialize(views, None).expect("serialised")).expect("written");
}

/// All tensors of a safetensors file.
pub(crate) fn read(path: &Path) -> Vec<Made> {
    let bytes = fs::read(path).expect("it is there");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("it is safetensors");
    let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let made = |(name, view): (String, TensorView<'_>)| {
        (name, view.shape().to_vec(), view.data().chunks_exact(4).map(number).collect())
    };
    file.tensors().into_iter().map(made).collect()
}
