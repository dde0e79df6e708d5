//! A model folder in the layout of diffusers: `model_index.json` and a folder for each part.
//!
//! Refuses: pipelines of another class, parts that the class does not have, and parts that do not fit each other.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde_json::Value;

use super::sources::{self, Sources};
use super::{Denoiser, Pipeline, StableDiffusion};
use crate::error::PaintError;
use crate::flux::FluxModels;
use crate::schedule::{ScheduleFile, SchedulerClass, config::FILE};
use crate::stop::Stop;
use crate::vae::{Vae, VaeConfig};
use crate::weights::{Reading, Weights};
use crate::z_image::ZImageModels;

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How a folder is loaded.
pub struct Loading<'a> {
    /// Where the models are put.
    pub device: Device,
    /// Told the share that was read, 0..=1, now and then.
    pub progress: &'a mut dyn FnMut(f32),
    /// Asked at every tensor.
    pub stop: Stop<'a>,
}

/// The classes of pipelines that are ours. The tasks of a class share their parts; which one a folder was published for
/// does not matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    StableDiffusion,
    StableDiffusionXl,
    Flux,
    ZImage,
}

/// The parts of a folder.
pub(crate) struct Parts<'a> {
    folder: &'a Path,
    device: &'a Device,
    dtype: DType,
    sources: RefCell<Sources>,
    reading: Reading<'a>,
    /// Whether no numbers are read.
    heads_only: bool,
}

impl Pipeline {
    /// Loads the models of a folder. Text encoders and denoiser are in half precision where the device is quick at it; the
    /// autoencoder is in f32, because that of SDXL overflows in f16.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over or damaged; `Cancelled`.
    pub fn open(folder: &Path, loading: Loading<'_>) -> Result<Self, PaintError> {
        Self::of_folder(folder, loading, false)
    }

    fn of_folder(folder: &Path, loading: Loading<'_>, heads_only: bool) -> Result<Self, PaintError> {
        let Loading { device, progress, stop } = loading;
        let index = index(folder)?;
        let class = Class::of(&index)?;
        let schedule = within("scheduler", ScheduleFile::parse(&text(folder, &format!("scheduler/{FILE}"))?))?;
        within("scheduler", class.check_schedule(schedule.own().class))?;
        // All headers are read before the first tensor: they give the size of the whole, and a missing file is told soon.
        let sources = sources::open(folder, class.parts())?;
        let dtype = class.dtype(device.is_cpu());
        let weight_bytes = sources::bytes(&sources, dtype);
        let all = sources.values().map(|source| source.elements).fold(0, u64::saturating_add).max(1);
        let (read, progress) = (Cell::new(0u64), RefCell::new(progress));
        let reading = |elements: u64| {
            stop.check()?;
            read.set(read.get() + elements);
            (progress.borrow_mut())(read.get() as f32 / all as f32);
            Ok(())
        };
        let sources = RefCell::new(sources);
        let parts = Parts { folder, device: &device, dtype, sources, reading: &reading, heads_only };
        let vae = parts.config("vae", VaeConfig::parse)?;
        if vae.image_channels != 3 {
            let reason = format!("its images have {} channels, not 3", vae.image_channels);
            return Err(PaintError::bad_model("vae/config.json", reason));
        }
        let denoiser: Box<dyn Denoiser> = match class {
            Class::StableDiffusion | Class::StableDiffusionXl => {
                let two = class == Class::StableDiffusionXl;
                let zero_for_empty = index["force_zeros_for_empty_prompt"].as_bool().unwrap_or(two);
                let encoders: &[&str] = if two { &["", "_2"] } else { &[""] };
                Box::new(StableDiffusion::load(&parts, encoders, zero_for_empty, &vae)?)
            }
            Class::Flux => Box::new(FluxModels::load(&parts, &vae)?),
            Class::ZImage => Box::new(ZImageModels::load(&parts, &vae)?),
        };
        let vae = within("vae", Vae::load(&vae, &parts.weights("vae")?))?;
        Ok(Self { denoiser, vae, schedule, weight_bytes, device: device.clone() })
    }
}

/// Whether the models of a folder can be loaded, as far as all but the numbers in their weights tell: everything that loading
/// checks, in the time that headers take.
///
/// # Errors
/// As [`Pipeline::open`].
pub fn check(folder: &Path) -> Result<(), PaintError> {
    let loading = Loading { device: Device::Cpu, progress: &mut |_| {}, stop: Stop::NEVER };
    Pipeline::of_folder(folder, loading, true).map(drop)
}

/// Bytes that the models of a folder take where this build loads them, by the headers of their files.
///
/// # Errors
/// `BadModel` with the file that is missing or damaged.
pub fn weight_bytes(folder: &Path) -> Result<u64, PaintError> {
    let on_cpu = !candle_core::utils::cuda_is_available() && !candle_core::utils::metal_is_available();
    weight_bytes_on(folder, on_cpu)
}

/// The same on the processor, or on another device.
pub(crate) fn weight_bytes_on(folder: &Path, on_cpu: bool) -> Result<u64, PaintError> {
    let class = Class::of(&index(folder)?)?;
    Ok(sources::bytes(&sources::open(folder, class.parts())?, class.dtype(on_cpu)))
}

fn index(folder: &Path) -> Result<Value, PaintError> {
    serde_json::from_str(&text(folder, "model_index.json")?)
        .map_err(|error| PaintError::bad_model("model_index.json", format!("it is no JSON: {error}")))
}

impl Class {
    fn of(index: &Value) -> Result<Self, PaintError> {
        match index["_class_name"].as_str() {
            Some(
                "StableDiffusionPipeline" | "StableDiffusionImg2ImgPipeline" | "StableDiffusionInpaintPipeline",
            ) => Ok(Self::StableDiffusion),
            Some(
                "StableDiffusionXLPipeline"
                | "StableDiffusionXLImg2ImgPipeline"
                | "StableDiffusionXLInpaintPipeline",
            ) => Ok(Self::StableDiffusionXl),
            Some("FluxPipeline" | "FluxImg2ImgPipeline" | "FluxInpaintPipeline") => Ok(Self::Flux),
            Some("ZImagePipeline" | "ZImageImg2ImgPipeline" | "ZImageInpaintPipeline") => Ok(Self::ZImage),
            other => {
                let reason = format!("its class {} is not among ours", other.unwrap_or("(none)"));
                Err(PaintError::bad_model("model_index.json", reason))
            }
        }
    }

    /// The parts that have weights.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::StableDiffusion => &["text_encoder", "unet", "vae"],
            Self::StableDiffusionXl => &["text_encoder", "text_encoder_2", "unet", "vae"],
            Self::Flux => &["text_encoder", "text_encoder_2", "transformer", "vae"],
            Self::ZImage => &["text_encoder", "transformer", "vae"],
        }
    }

    /// A processor has no fast arithmetic in half precision; the large transformers overflow in that of Stable Diffusion.
    fn dtype(self, on_cpu: bool) -> DType {
        match self {
            _ if on_cpu => DType::F32,
            Self::StableDiffusion | Self::StableDiffusionXl => DType::F16,
            Self::Flux | Self::ZImage => DType::BF16,
        }
    }

    /// # Errors
    /// `BadModel` when the models cannot be sampled so.
    fn check_schedule(self, class: SchedulerClass) -> Result<(), PaintError> {
        let is_flow = matches!(self, Self::Flux | Self::ZImage);
        if is_flow == (class == SchedulerClass::FlowMatchEuler) {
            return Ok(());
        }
        Err(PaintError::bad_model(FILE, format!("its class {class:?} is not one for this model")))
    }
}

/// The type of a part's weights; the autoencoder of SDXL overflows in f16.
pub(super) fn part_type(part: &str, dtype: DType) -> DType {
    if part == "vae" { DType::F32 } else { dtype }
}

impl<'a> Parts<'a> {
    /// The configuration of a part.
    ///
    /// # Errors
    /// `BadModel` with the file and what is wrong with it.
    pub(crate) fn config<T>(
        &self,
        part: &str,
        parse: impl Fn(&str) -> Result<T, PaintError>,
    ) -> Result<T, PaintError> {
        config(self.folder, part, parse)
    }

    /// The folder of a part.
    pub(crate) fn place(&self, part: &str) -> PathBuf {
        self.folder.join(part)
    }

    /// The weights of a part, which are taken once.
    ///
    /// # Errors
    /// `Bug` when the class does not name the part.
    pub(crate) fn weights(&self, part: &str) -> Result<Weights<'a>, PaintError> {
        let source = self.sources.borrow_mut().remove(part);
        let source = source.ok_or_else(|| PaintError::Bug(format!("{part} has no weights")))?;
        let weights = Weights::watched(source.tensors, self.device, part_type(part, self.dtype), self.reading);
        Ok(if self.heads_only { weights.heads_only() } else { weights })
    }
}

/// The configuration of a part.
///
/// # Errors
/// `BadModel` with the file and what is wrong with it.
pub(super) fn config<T>(
    folder: &Path,
    part: &str,
    parse: impl Fn(&str) -> Result<T, PaintError>,
) -> Result<T, PaintError> {
    within(part, parse(&text(folder, &format!("{part}/config.json"))?))
}

/// An error of a part with the part's folder in front of its file, unless it names a folder already.
pub(crate) fn within<T>(part: &str, result: Result<T, PaintError>) -> Result<T, PaintError> {
    result.map_err(|error| match error {
        PaintError::BadModel { file, reason } if file == part || file.contains('/') => {
            PaintError::BadModel { file, reason }
        }
        PaintError::BadModel { file, reason } => PaintError::BadModel { file: format!("{part}/{file}"), reason },
        other => other,
    })
}

/// A small file of the folder.
///
/// # Errors
/// `BadModel` when it is missing or too large.
pub(super) fn text(folder: &Path, name: &str) -> Result<String, PaintError> {
    let wrong = |reason: String| PaintError::bad_model(name, reason);
    let file = File::open(folder.join(name)).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}
