//! Text to image with the models of one folder: Stable Diffusion 1.x, 2.x and SDXL.
//!
//! Each image of a batch has its own noise and its own sampler, so it comes out as it would alone. Refuses: sizes that the
//! model cannot have, numbers that are not finite, and to go on once the caller says stop.

pub(crate) mod folder;
mod text;

use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};

use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::SchedulerConfig;
use crate::scheduler::{Sampler, SamplerOptions};
use crate::unet::{SizeCondition, UNet};
use crate::vae::Vae;

pub use text::{TextEncoder, TextEncoders};

/// Longest side of an image, in pixels.
pub const SIDE_PIXELS_MAX: usize = 4_096;

/// Most images of one request.
pub const BATCH_MAX: usize = 16;

/// The models of one folder.
pub struct Pipeline {
    /// One text encoder, or two for SDXL.
    pub text: TextEncoders,
    /// The denoiser.
    pub unet: UNet,
    /// The autoencoder.
    pub vae: Vae,
    /// The model's own schedule, or the same for another sampler.
    pub scheduler: SchedulerConfig,
    /// Whether an empty negative prompt stands for no text at all, as SDXL's folder says.
    pub zero_for_empty: bool,
    /// Where the models are.
    pub device: Device,
}

/// What is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRequest {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Steps and the like.
    pub sampling: SamplerOptions,
    /// How far the image is pushed from the negative prompt to the prompt; at 1 and below the negative one costs nothing
    /// and does nothing.
    pub guidance: f64,
    /// The first image's seed; the others have the next ones.
    pub seed: u64,
    /// Images.
    pub batch: usize,
    /// Layers of the text encoders that are left out at the end.
    pub clip_skip: usize,
}

/// A finished image, eight bits for each of red, green and blue, rows from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps taken.
    pub done: usize,
    /// Steps in all.
    pub all: usize,
}

/// Texts and sizes as the denoiser reads them: the negative ones first, where there are any.
struct Conditions {
    text: Tensor,
    sizes: Option<SizeCondition>,
    guided: bool,
}

impl Pipeline {
    /// Makes the images of a request.
    ///
    /// # Errors
    /// As for [`Pipeline::latents`].
    pub fn images(
        &self,
        request: &ImageRequest,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Image>, PaintError> {
        let latents = self.latents(request, progress)?;
        latents.iter().map(|latent| self.decode(request, latent)).collect()
    }

    /// Latents of a request's images, as the denoiser leaves them.
    ///
    /// # Errors
    /// `BadRequest` for sizes, batches and prompts that cannot be, `Cancelled` when `progress` says stop, `NotFinite` when
    /// the model's numbers are not.
    pub fn latents(
        &self,
        request: &ImageRequest,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<f32>>, PaintError> {
        let shape = self.latent_shape(request)?;
        let conditions = self.conditions(request)?;
        let count = shape.iter().product();
        let mut images = Vec::with_capacity(request.batch);
        for image in 0..request.batch {
            let sampler = Sampler::new(&self.scheduler, &request.sampling)?;
            let mut noise = Generator::of_image(request.seed, image as u64);
            let scale = sampler.initial_noise_scale();
            let latent: Vec<f32> = noise.normal(count)?.into_iter().map(|number| number * scale).collect();
            images.push((sampler, noise, latent));
        }
        let timesteps = images.first().map_or_else(Vec::new, |(sampler, ..)| sampler.timesteps().to_vec());
        for (at, timestep) in timesteps.iter().enumerate() {
            let seen: Vec<f32> =
                images.iter().flat_map(|(sampler, _, latent)| sampler.scale_model_input(latent)).collect();
            let outputs = self.guided(&conditions, seen, request, &shape, *timestep)?;
            for ((sampler, noise, latent), output) in images.iter_mut().zip(outputs.chunks(count)) {
                *latent = sampler.step(output, latent, noise)?;
            }
            if progress(Progress { done: at + 1, all: timesteps.len() }).is_break() {
                return Err(PaintError::Cancelled);
            }
        }
        Ok(images.into_iter().map(|(_, _, latent)| latent).collect())
    }

    /// The picture of a latent.
    ///
    /// # Errors
    /// `NotFinite` when the autoencoder's numbers are not, `Compute` when the device fails.
    pub fn decode(&self, request: &ImageRequest, latent: &[f32]) -> Result<Image, PaintError> {
        let [channels, height, width] = self.latent_shape(request)?;
        let config = self.vae.config();
        let latent = Tensor::from_slice(latent, (1, channels, height, width), &self.device)?;
        let latent = ((latent / config.scaling_factor)? + config.shift_factor)?;
        let pixels = self.vae.decode(&latent)?.to_dtype(DType::F32)?;
        let numbers: Vec<f32> = pixels.squeeze(0)?.permute((1, 2, 0))?.flatten_all()?.to_vec1()?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(PaintError::NotFinite { place: "the decoded image".to_owned() });
        }
        let byte = |number: f32| ((number / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
        let rgb = numbers.into_iter().map(byte).collect();
        Ok(Image { width: request.width, height: request.height, rgb })
    }

    fn latent_shape(&self, request: &ImageRequest) -> Result<[usize; 3], PaintError> {
        let factor = self.vae.config().factor();
        let fits = |side: usize| (factor..=SIDE_PIXELS_MAX).contains(&side) && side.is_multiple_of(factor);
        if !fits(request.width) || !fits(request.height) {
            return Err(PaintError::BadRequest(format!(
                "{} x {} pixels were asked for; each side must be a multiple of {factor} up to {SIDE_PIXELS_MAX}",
                request.width, request.height
            )));
        }
        if !(1..=BATCH_MAX).contains(&request.batch) {
            return Err(PaintError::BadRequest(format!(
                "{} images were asked for; 1 to {BATCH_MAX} are made at once",
                request.batch
            )));
        }
        if !request.guidance.is_finite() {
            return Err(PaintError::BadRequest("the guidance is no number".to_owned()));
        }
        let (unet, vae) = (self.unet.config(), self.vae.config());
        if unet.in_channels != vae.latent_channels || unet.out_channels != vae.latent_channels {
            return Err(PaintError::bad_model(
                "unet/config.json",
                "its channels are not those of the autoencoder; it is no model for text to image",
            ));
        }
        Ok([vae.latent_channels, request.height / factor, request.width / factor])
    }

    fn conditions(&self, request: &ImageRequest) -> Result<Conditions, PaintError> {
        let guided = request.guidance > 1.0;
        let batch = request.batch;
        let (wanted, unwanted) = self.text.encode(request, guided, self.zero_for_empty)?;
        let sides: Vec<_> = unwanted.into_iter().chain([wanted]).collect();
        let repeated = |tensor: &Tensor| tensor.repeat((batch, 1, 1));
        let rows: Result<Vec<Tensor>, _> = sides.iter().map(|side| repeated(&side.tokens)).collect();
        let text = Tensor::cat(&rows?, 0)?;
        let sizes = if self.unet.config().takes_sizes() {
            let pooled: Result<Vec<Tensor>, _> = sides.iter().map(|side| side.pooled.repeat((batch, 1))).collect();
            let (height, width) = (request.height as f32, request.width as f32);
            let sizes = vec![[height, width, 0.0, 0.0, height, width]; batch * sides.len()];
            Some(SizeCondition { text: Tensor::cat(&pooled?, 0)?, sizes })
        } else {
            None
        };
        Ok(Conditions { text, sizes, guided })
    }

    /// The outputs for a batch of latents, guided from the negative prompt to the prompt (Ho and Salimans, 2022).
    fn guided(
        &self,
        conditions: &Conditions,
        seen: Vec<f32>,
        request: &ImageRequest,
        [channels, height, width]: &[usize; 3],
        timestep: f32,
    ) -> Result<Vec<f32>, PaintError> {
        let batch = request.batch;
        let latents = Tensor::from_vec(seen, (batch, *channels, *height, *width), &Device::Cpu)?;
        let latents = latents.to_device(&self.device)?.to_dtype(conditions.text.dtype())?;
        let latents = if conditions.guided { Tensor::cat(&[&latents, &latents], 0)? } else { latents };
        let output = self.unet.forward(&latents, timestep, &conditions.text, conditions.sizes.as_ref())?;
        let output = output.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        if !conditions.guided {
            return Ok(output.flatten_all()?.to_vec1()?);
        }
        let side = |at: usize| -> Result<Vec<f32>, PaintError> {
            Ok(output.narrow(0, at * batch, batch)?.flatten_all()?.to_vec1()?)
        };
        let guidance = request.guidance as f32;
        let guide = |(unwanted, wanted): (f32, f32)| unwanted + guidance * (wanted - unwanted);
        Ok(side(0)?.into_iter().zip(side(1)?).map(guide).collect())
    }
}
