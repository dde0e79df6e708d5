//! A model folder in the layout of diffusers: `model_index.json` and a folder for each part.
//!
//! Refuses: pipelines of another class, parts that the class does not have, and parts that do not fit each other.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Device};
use serde_json::Value;

use super::{Pipeline, TextEncoder, TextEncoders};
use crate::clip::{ClipConfig, ClipTextEncoder};
use crate::error::PaintError;
use crate::schedule::{ScheduleFile, config::FILE};
use crate::stop::Stop;
use crate::tokenizer::ClipTokenizer;
use crate::unet::{UNet, UNetConfig};
use crate::vae::{Vae, VaeConfig};
use crate::weights::{Reading, SafetensorFiles, Weights};

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The name of the weights of denoisers and autoencoders.
const STEM: &str = "diffusion_pytorch_model";

/// How a folder is loaded.
pub struct Loading<'a> {
    /// Where the models are put.
    pub device: Device,
    /// The type of text encoders and denoiser; the autoencoder is in f32, because that of SDXL overflows in f16.
    pub dtype: DType,
    /// Told the share that was read, 0..=1, now and then.
    pub progress: &'a mut dyn FnMut(f32),
    /// Asked at every tensor.
    pub stop: Stop<'a>,
}

/// The weights of a folder, whose headers were read.
struct Files {
    text: Vec<SafetensorFiles>,
    unet: SafetensorFiles,
    vae: SafetensorFiles,
}

impl Pipeline {
    /// Loads the models of a folder.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over or damaged; `Cancelled`.
    pub fn open(folder: &Path, loading: Loading<'_>) -> Result<Self, PaintError> {
        let Loading { device, dtype, progress, stop } = loading;
        let index: Value = serde_json::from_str(&text(folder, "model_index.json")?)
            .map_err(|error| PaintError::bad_model("model_index.json", format!("it is no JSON: {error}")))?;
        let two = has_two_encoders(&index)?;
        let schedule = within("scheduler", ScheduleFile::parse(&text(folder, &format!("scheduler/{FILE}"))?))?;
        let unet = within("unet", UNetConfig::parse(&text(folder, "unet/config.json")?))?;
        let vae = within("vae", VaeConfig::parse(&text(folder, "vae/config.json")?))?;
        let numbers: &[&str] = if two { &["", "_2"] } else { &[""] };
        // All headers are read before the first tensor: they give the size of the whole, and a missing file is told soon.
        let files = Files::open(folder, numbers)?;
        let all = files.elements().max(1);
        let (read, progress) = (Cell::new(0u64), RefCell::new(progress));
        let reading = |elements: u64| {
            stop.check()?;
            read.set(read.get() + elements);
            (progress.borrow_mut())(read.get() as f32 / all as f32);
            Ok(())
        };
        let weights = |files: SafetensorFiles, dtype| {
            Weights::watched(Box::new(files), &device, dtype, &reading as Reading<'_>)
        };
        let mut encoders = Vec::new();
        for (number, files) in numbers.iter().zip(files.text) {
            let part = format!("text_encoder{number}");
            let config = within(&part, ClipConfig::parse(&text(folder, &format!("{part}/config.json"))?))?;
            let tokenizer = ClipTokenizer::open(&folder.join(format!("tokenizer{number}")));
            encoders.push(TextEncoder {
                tokenizer: within(&format!("tokenizer{number}"), tokenizer)?,
                encoder: within(&part, ClipTextEncoder::load(&config, &weights(files, dtype)))?,
            });
        }
        let unet = within("unet", UNet::load(&unet, &weights(files.unet, dtype)))?;
        let before_vae = read.get();
        let vae = within("vae", Vae::load(&vae, &weights(files.vae, DType::F32)))?;
        let in_single = (read.get() - before_vae) * DType::F32.size_in_bytes() as u64;
        let pipeline = Self {
            text: TextEncoders::of(encoders)?,
            unet,
            vae,
            weight_bytes: before_vae * dtype.size_in_bytes() as u64 + in_single,
            schedule,
            zero_for_empty: index["force_zeros_for_empty_prompt"].as_bool().unwrap_or(two),
            device: device.clone(),
        };
        pipeline.check_parts()?;
        Ok(pipeline)
    }
}

impl Files {
    fn open(folder: &Path, numbers: &[&str]) -> Result<Self, PaintError> {
        let open = |part: &str, stem: &str| within(part, SafetensorFiles::open(&folder.join(part), stem));
        let text = numbers.iter().map(|number| open(&format!("text_encoder{number}"), "model"));
        Ok(Self { text: text.collect::<Result<_, _>>()?, unet: open("unet", STEM)?, vae: open("vae", STEM)? })
    }

    fn elements(&self) -> u64 {
        let all = self.text.iter().chain([&self.unet, &self.vae]);
        all.map(SafetensorFiles::elements).fold(0, u64::saturating_add)
    }
}

/// Whether the pipeline's class is one of SDXL.
fn has_two_encoders(index: &Value) -> Result<bool, PaintError> {
    match index["_class_name"].as_str() {
        // The tasks share their parts; which ones a folder was published for does not matter.
        Some("StableDiffusionPipeline" | "StableDiffusionImg2ImgPipeline" | "StableDiffusionInpaintPipeline") => {
            Ok(false)
        }
        Some(
            "StableDiffusionXLPipeline" | "StableDiffusionXLImg2ImgPipeline" | "StableDiffusionXLInpaintPipeline",
        ) => Ok(true),
        other => {
            let reason = format!("its class {} is not among ours", other.unwrap_or("(none)"));
            Err(PaintError::bad_model("model_index.json", reason))
        }
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
