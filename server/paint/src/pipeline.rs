//! The models of one folder and the way from a prompt to pixels, the same for every family.
//!
//! Each image has its own noise and its own sampler, so it comes out as it would alone. Refuses: sizes that the model
//! cannot have, numbers that are not finite, and to go on once the caller says stop.

mod denoiser;
pub(crate) mod folder;
mod sources;
mod stable_diffusion;
mod start;
mod text;

use std::ops::{ControlFlow, Range};

use candle_core::{DType, Device, Tensor};

use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{ScheduleFile, SchedulerConfig};
use crate::scheduler::{Sampler, SamplerOptions};
use crate::stop::Stop;
use crate::vae::Vae;
use start::{Beginning, Kept, Origin};

pub use denoiser::{Denoiser, Family, OwnSide, Prompted};
pub use folder::{Loading, check, weight_bytes};
pub use stable_diffusion::StableDiffusion;
pub use start::Start;
pub use text::{TextEncoder, TextEncoders};

/// Longest side of an image, in pixels.
pub const SIDE_PIXELS_MAX: usize = model::IMAGE_SIDE_PIXELS_MAX as usize;

/// Side of the images that the families of transformers are used with; their files do not say it.
pub(crate) const TRANSFORMER_SIDE_PIXELS: usize = 1_024;

/// The models of one folder.
pub struct Pipeline {
    /// Text encoders and denoiser.
    pub denoiser: Box<dyn Denoiser>,
    /// The autoencoder.
    pub vae: Vae,
    /// The model's own schedule, and what others can be made of it.
    pub schedule: ScheduleFile,
    /// Bytes of all weights in memory.
    pub weight_bytes: u64,
    /// Where the models are.
    pub device: Device,
}

/// What is to be drawn, however many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// How steps are taken.
    pub schedule: SchedulerConfig,
    /// Steps and the like.
    pub sampling: SamplerOptions,
    /// How far the image is pushed from the negative prompt to the prompt; at 1 and below the negative one costs nothing
    /// and does nothing.
    pub guidance: f64,
    /// The first image's seed; the others have the next ones.
    pub seed: u64,
    /// Layers of the text encoders that are left out at the end.
    pub clip_skip: usize,
    /// What the images start from; `None` is noise alone.
    pub start: Option<Start>,
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepTaken<'a> {
    /// Steps taken.
    pub done: usize,
    /// Steps in all.
    pub all: usize,
    /// The latent of the group's first image without noise, as far as it is known.
    pub image: &'a [f32],
}

/// Who watches the steps of a group.
pub struct Watch<'a> {
    /// Called after each step; it may end the request.
    pub step: &'a mut dyn FnMut(StepTaken<'_>) -> ControlFlow<()>,
    /// Asked between the blocks of the models.
    pub stop: Stop<'a>,
}

/// A drawing whose prompt was read, ready for any number of images.
pub struct Prepared<'a> {
    drawing: &'a Drawing,
    /// Channels, height and width of a latent.
    shape: [usize; 3],
    prompted: Box<dyn Prompted + 'a>,
    origin: Option<Origin>,
}

/// One image of a group on its way.
struct InMaking {
    sampler: Sampler,
    noise: Generator,
    latent: Vec<f32>,
    /// What the denoiser reads after the latent's channels.
    told: Vec<f32>,
    kept: Option<Kept>,
}

impl Pipeline {
    /// What holds for all its images.
    #[must_use]
    pub fn family(&self) -> Family {
        self.denoiser.family(self.schedule.own())
    }

    /// Both sides of an image are multiples of so many pixels.
    #[must_use]
    pub fn side_multiple(&self) -> usize {
        self.vae.config().factor() * self.family().patch
    }

    /// Steps through the noise levels that this model visits for an image of this size in pixels.
    #[must_use]
    pub fn sampling(&self, steps: usize, width: usize, height: usize) -> SamplerOptions {
        let side = self.side_multiple();
        SamplerOptions {
            flow_levels: self.family().flow_levels,
            image_tokens: Some((width / side) * (height / side)),
            ..SamplerOptions::new(steps)
        }
    }

    /// Checks a drawing and reads its prompts.
    ///
    /// # Errors
    /// `BadRequest` for sizes, steps and prompts that cannot be.
    pub fn prepare<'a>(&'a self, drawing: &'a Drawing, stop: Stop<'_>) -> Result<Prepared<'a>, PaintError> {
        let shape = self.latent_shape(drawing)?;
        // Steps that cannot be are told before the prompt is read.
        Sampler::new(&drawing.schedule, &drawing.sampling)?;
        let prompted = self.denoiser.read(drawing, stop)?;
        let origin = self.origin(drawing, shape, stop)?;
        Ok(Prepared { drawing, shape, prompted, origin })
    }

    /// Latents of some images of a drawing, as the denoiser leaves them.
    ///
    /// # Errors
    /// `Cancelled` when the watcher says stop, `NotFinite` when the model's numbers are not.
    pub fn latents(
        &self,
        prepared: &Prepared<'_>,
        images: Range<u64>,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<Vec<f32>>, PaintError> {
        let mut group: Vec<InMaking> =
            images.map(|image| in_making(prepared, image)).collect::<Result<_, PaintError>>()?;
        let count: usize = prepared.shape.iter().product();
        let timesteps = group.first().map_or_else(Vec::new, |image| image.sampler.timesteps().to_vec());
        for (at, timestep) in timesteps.iter().enumerate() {
            let seen = group.iter().flat_map(InMaking::seen).collect();
            let outputs = self.outputs(prepared, seen, *timestep, watch.stop)?;
            let first = &group[0];
            let predicted = first.sampler.predicted_image(&outputs[..count], &first.latent);
            for (image, output) in group.iter_mut().zip(outputs.chunks(count)) {
                image.step(output)?;
            }
            let taken = StepTaken { done: at + 1, all: timesteps.len(), image: &predicted };
            if (watch.step)(taken).is_break() {
                return Err(PaintError::Cancelled);
            }
        }
        Ok(group.into_iter().map(|image| image.latent).collect())
    }

    /// The picture of a latent; what a mask leaves out is the source's.
    ///
    /// # Errors
    /// `NotFinite` when the autoencoder's numbers are not, `Compute` when the device fails, `Cancelled` when the caller
    /// wants no more.
    pub fn decode(&self, prepared: &Prepared<'_>, latent: &[f32], stop: Stop<'_>) -> Result<Image, PaintError> {
        let [channels, height, width] = prepared.shape;
        let config = self.vae.config();
        let latent = Tensor::from_slice(latent, (1, channels, height, width), &self.device)?;
        let latent = ((latent / config.scaling_factor)? + config.shift_factor)?;
        let pixels = self.vae.decode(&latent, stop)?.to_dtype(DType::F32)?;
        let numbers: Vec<f32> = pixels.squeeze(0)?.permute((1, 2, 0))?.flatten_all()?.to_vec1()?;
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(PaintError::NotFinite { place: "the decoded image".to_owned() });
        }
        let byte = |number: f32| ((number / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
        let mut rgb: Vec<u8> = numbers.into_iter().map(byte).collect();
        if let Some(Start { rgb: source, mask: Some(mask), .. }) = &prepared.drawing.start {
            put_back(&mut rgb, source, mask);
        }
        Ok(Image { width: prepared.drawing.width, height: prepared.drawing.height, rgb })
    }

    /// Waits until the device has done what it was told, so that memory which was given back can be had again.
    pub(crate) fn settle(&self) {
        // A device that fails here says so again at the next computation.
        let _ = self.device.synchronize();
    }

    /// # Errors
    /// `BadRequest` with what the sides have to be.
    pub(crate) fn check_size(&self, width: usize, height: usize) -> Result<(), PaintError> {
        let multiple = self.side_multiple();
        let fits = |side: usize| (multiple..=SIDE_PIXELS_MAX).contains(&side) && side.is_multiple_of(multiple);
        if fits(width) && fits(height) {
            return Ok(());
        }
        Err(PaintError::BadRequest(format!(
            "{width} x {height} pixels were asked for; each side must be a multiple of {multiple} up to {SIDE_PIXELS_MAX}"
        )))
    }

    fn latent_shape(&self, drawing: &Drawing) -> Result<[usize; 3], PaintError> {
        self.check_size(drawing.width, drawing.height)?;
        if !drawing.guidance.is_finite() {
            return Err(PaintError::BadRequest("the guidance is no number; 1 to 20 are usual".to_owned()));
        }
        let factor = self.vae.config().factor();
        Ok([self.vae.config().latent_channels, drawing.height / factor, drawing.width / factor])
    }

    /// The outputs for a group of latents, one after the other.
    fn outputs(
        &self,
        prepared: &Prepared<'_>,
        seen: Vec<f32>,
        timestep: f32,
        stop: Stop<'_>,
    ) -> Result<Vec<f32>, PaintError> {
        let ([_, height, width], channels) = (prepared.shape, self.family().channels);
        let images = seen.len() / (channels * height * width);
        let latents = Tensor::from_vec(seen, (images, channels, height, width), &Device::Cpu)?;
        prepared.prompted.outputs(&latents.to_device(&self.device)?, timestep, stop)
    }
}

impl Prepared<'_> {
    /// Texts that the denoiser reads for each image: two with guidance, one without.
    #[must_use]
    pub fn sides(&self) -> usize {
        self.prompted.sides()
    }

    /// Channels, height and width of a latent.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }
}

fn in_making(prepared: &Prepared<'_>, image: u64) -> Result<InMaking, PaintError> {
    let drawing = prepared.drawing;
    let mut sampler = Sampler::new(&drawing.schedule, &drawing.sampling)?;
    let mut noise = Generator::of_image(drawing.seed, image);
    let count = prepared.shape.iter().product();
    let Beginning { latent, told, kept } = match &prepared.origin {
        Some(origin) => origin.begin(&mut sampler, &mut noise, count)?,
        None => start::from_nothing(&sampler, &mut noise, count)?,
    };
    Ok(InMaking { sampler, noise, latent, told, kept })
}

impl InMaking {
    /// What the denoiser reads.
    fn seen(&self) -> Vec<f32> {
        let mut seen = self.sampler.scale_model_input(&self.latent);
        seen.extend(&self.told);
        seen
    }

    fn step(&mut self, output: &[f32]) -> Result<(), PaintError> {
        self.latent = self.sampler.step(output, &self.latent, &mut self.noise)?;
        self.kept.as_ref().map_or(Ok(()), |kept| kept.restore(&self.sampler, &mut self.latent))
    }
}

/// Where the mask says that nothing may change, the source's pixels.
fn put_back(rgb: &mut [u8], source: &[u8], mask: &[bool]) {
    let pixels = rgb.chunks_exact_mut(3).zip(source.chunks_exact(3)).zip(mask);
    for ((pixel, source), _) in pixels.filter(|(_, may_change)| !**may_change) {
        pixel.copy_from_slice(source);
    }
}
