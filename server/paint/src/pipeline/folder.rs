//! A model folder in the layout of diffusers: `model_index.json` and a folder for each part.
//!
//! Refuses: pipelines of another class, and parts that the class does not have.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Device};
use serde_json::Value;

use super::{Pipeline, TextEncoder, TextEncoders};
use crate::clip::{ClipConfig, ClipTextEncoder};
use crate::error::PaintError;
use crate::schedule::{SchedulerClass, SchedulerConfig, config::FILE};
use crate::tokenizer::ClipTokenizer;
use crate::unet::{UNet, UNetConfig};
use crate::vae::{Vae, VaeConfig};
use crate::weights::{SafetensorFiles, Weights};

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Pipeline {
    /// Loads the models of a folder; `class` takes another sampler than the folder's own.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over or damaged.
    pub fn open(
        folder: &Path,
        class: Option<SchedulerClass>,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, PaintError> {
        let index: Value = serde_json::from_str(&text(folder, "model_index.json")?)
            .map_err(|error| PaintError::bad_model("model_index.json", format!("it is no JSON: {error}")))?;
        let two = match index["_class_name"].as_str() {
            Some("StableDiffusionPipeline") => false,
            Some("StableDiffusionXLPipeline") => true,
            other => {
                let reason = format!("its class {} is not among ours", other.unwrap_or("(none)"));
                return Err(PaintError::bad_model("model_index.json", reason));
            }
        };
        let weights = |part: &str, stem: &str| -> Result<Weights, PaintError> {
            Ok(Weights::new(SafetensorFiles::open(&folder.join(part), stem)?, device, dtype))
        };
        let encoder = |number: &str| -> Result<TextEncoder, PaintError> {
            let part = format!("text_encoder{number}");
            let config = within(&part, ClipConfig::parse(&text(folder, &format!("{part}/config.json"))?))?;
            let tokenizer = ClipTokenizer::open(&folder.join(format!("tokenizer{number}")));
            Ok(TextEncoder {
                tokenizer: within(&format!("tokenizer{number}"), tokenizer)?,
                encoder: within(&part, ClipTextEncoder::load(&config, &weights(&part, "model")?))?,
            })
        };
        let scheduler = text(folder, &format!("scheduler/{FILE}"))?;
        let scheduler = class.map_or_else(
            || SchedulerConfig::parse(&scheduler),
            |class| SchedulerConfig::parse_for(&scheduler, class),
        );
        let scheduler = within("scheduler", scheduler)?;
        let unet = within("unet", UNetConfig::parse(&text(folder, "unet/config.json")?))?;
        let vae = within("vae", VaeConfig::parse(&text(folder, "vae/config.json")?))?;
        let stem = "diffusion_pytorch_model";
        Ok(Self {
            text: if two {
                TextEncoders::Two(Box::new([encoder("")?, encoder("_2")?]))
            } else {
                TextEncoders::One(Box::new(encoder("")?))
            },
            unet: within("unet", UNet::load(&unet, &weights("unet", stem)?))?,
            vae: within("vae", Vae::load(&vae, &weights("vae", stem)?))?,
            scheduler,
            zero_for_empty: index["force_zeros_for_empty_prompt"].as_bool().unwrap_or(two),
            device: device.clone(),
        })
    }
}

/// An error of a part with the part's folder in front of its file.
pub(crate) fn within<T>(part: &str, result: Result<T, PaintError>) -> Result<T, PaintError> {
    result.map_err(|error| match error {
        PaintError::BadModel { file, reason } if file == part => PaintError::BadModel { file, reason },
        PaintError::BadModel { file, reason } => PaintError::BadModel { file: format!("{part}/{file}"), reason },
        other => other,
    })
}

pub(crate) fn text(folder: &Path, name: &str) -> Result<String, PaintError> {
    let wrong = |reason: String| PaintError::bad_model(name, reason);
    let file = File::open(folder.join(name)).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}
