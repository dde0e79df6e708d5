//! What the pipelines of flow models share: the loop over noise levels, and the picture of a latent.
//!
//! Each image of a batch has its own noise and its own sampler, so it comes out as it would alone. Refuses: sizes that the
//! model cannot have, numbers that are not finite, and to go on once the caller says stop.

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};

use crate::error::PaintError;
use crate::noise::Generator;
use crate::pipeline::{Image, SIDE_PIXELS_MAX};
use crate::schedule::{SchedulerClass, SchedulerConfig};
use crate::scheduler::{FlowLevels, Sampler, SamplerOptions};
use crate::stop::Stop;
use crate::vae::Vae;

/// Most images of one request.
pub const BATCH_MAX: usize = 16;

/// What is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowRequest {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen, where the family reads it.
    pub negative: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Steps from noise to image.
    pub steps: usize,
    /// How far the image is pushed to the prompt; what 1 means is said by the family.
    pub guidance: f64,
    /// The first image's seed; the others have the next ones.
    pub seed: u64,
    /// Images.
    pub batch: usize,
}

/// # Errors
/// `BadModel` when the schedule is not that of a flow.
pub(crate) fn checked_schedule(config: SchedulerConfig) -> Result<SchedulerConfig, PaintError> {
    if config.class == SchedulerClass::FlowMatchEuler {
        return Ok(config);
    }
    let reason = format!("its class {:?} is not one for a flow", config.class);
    Err(PaintError::bad_model(crate::schedule::config::FILE, reason))
}

/// # Errors
/// `BadRequest` when the request is out of range for a model whose sides are multiples of `multiple` pixels.
pub(crate) fn check(request: &FlowRequest, multiple: usize) -> Result<(), PaintError> {
    let fits = |side: usize| (multiple..=SIDE_PIXELS_MAX).contains(&side) && side.is_multiple_of(multiple);
    let reason = if !fits(request.width) || !fits(request.height) {
        let (width, height) = (request.width, request.height);
        format!(
            "{width} x {height} pixels were asked for; each side must be a multiple of {multiple} up to {SIDE_PIXELS_MAX}"
        )
    } else if !(1..=BATCH_MAX).contains(&request.batch) {
        format!("{} images were asked for; 1 to {BATCH_MAX} are made at once", request.batch)
    } else if !request.guidance.is_finite() {
        "the guidance is no number".to_owned()
    } else {
        return Ok(());
    };
    Err(PaintError::BadRequest(reason))
}

/// Latents of a request's images, `count` numbers each. `levels` are those that the family visits and the
/// tokens of the image, on which they may depend. `denoise` gives the outputs for all of them at a timestep.
///
/// # Errors
/// `BadRequest` for steps that cannot be, `Cancelled` when `progress` says stop, and those of `denoise`.
pub(crate) fn latents(
    scheduler: &SchedulerConfig,
    request: &FlowRequest,
    count: usize,
    levels: (FlowLevels, usize),
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    denoise: impl Fn(&[f32], f32) -> Result<Vec<f32>, PaintError>,
) -> Result<Vec<Vec<f32>>, PaintError> {
    let options = SamplerOptions {
        flow_levels: levels.0,
        image_tokens: Some(levels.1),
        ..SamplerOptions::new(request.steps)
    };
    let mut images = Vec::with_capacity(request.batch);
    for image in 0..request.batch {
        let sampler = Sampler::new(scheduler, &options)?;
        let mut noise = Generator::of_image(request.seed, image as u64);
        let latent = noise.normal(count)?;
        images.push((sampler, noise, latent));
    }
    let timesteps = images.first().map_or_else(Vec::new, |(sampler, ..)| sampler.timesteps().to_vec());
    for (at, timestep) in timesteps.iter().enumerate() {
        let seen: Vec<f32> = images.iter().flat_map(|(_, _, latent)| latent.iter().copied()).collect();
        let outputs = denoise(&seen, *timestep)?;
        for ((sampler, noise, latent), output) in images.iter_mut().zip(outputs.chunks(count)) {
            *latent = sampler.step(output, latent, noise)?;
        }
        if progress(at + 1, timesteps.len()).is_break() {
            return Err(PaintError::Cancelled);
        }
    }
    Ok(images.into_iter().map(|(_, _, latent)| latent).collect())
}

/// The picture of a latent of this shape.
///
/// # Errors
/// `NotFinite` when the autoencoder's numbers are not, `Compute` when the device fails.
pub(crate) fn picture(
    vae: &Vae,
    latent: &[f32],
    [channels, height, width]: [usize; 3],
    device: &Device,
    dtype: DType,
) -> Result<Image, PaintError> {
    let config = vae.config();
    let latent = Tensor::from_slice(latent, (1, channels, height, width), device)?.to_dtype(dtype)?;
    let latent = ((latent / config.scaling_factor)? + config.shift_factor)?;
    let pixels = vae.decode(&latent, Stop::NEVER)?.to_dtype(DType::F32)?;
    let numbers: Vec<f32> = pixels.squeeze(0)?.permute((1, 2, 0))?.flatten_all()?.to_vec1()?;
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err(PaintError::NotFinite { place: "the decoded image".to_owned() });
    }
    let byte = |number: f32| ((number / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    let factor = config.factor();
    Ok(Image { width: width * factor, height: height * factor, rgb: numbers.into_iter().map(byte).collect() })
}
