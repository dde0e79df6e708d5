//! The models of one folder and the way from a prompt to pixels: Stable Diffusion 1.x, 2.x and SDXL.
//!
//! Each image has its own noise and its own sampler, so it comes out as it would alone. Refuses: sizes that the model
//! cannot have, numbers that are not finite, and to go on once the caller says stop.

pub(crate) mod folder;
mod start;
mod text;

use std::ops::{ControlFlow, Range};

use candle_core::{DType, Device, Tensor};

use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{ScheduleFile, SchedulerConfig};
use crate::scheduler::{Sampler, SamplerOptions};
use crate::stop::Stop;
use crate::unet::{SizeCondition, UNet};
use crate::vae::Vae;
use start::{Beginning, Kept, Origin};

pub use folder::Loading;
pub use start::Start;
pub use text::{TextEncoder, TextEncoders};

/// Longest side of an image, in pixels.
pub const SIDE_PIXELS_MAX: usize = model::IMAGE_SIDE_PIXELS_MAX as usize;

/// The models of one folder.
pub struct Pipeline {
    /// One text encoder, or two for SDXL.
    pub text: TextEncoders,
    /// The denoiser.
    pub unet: UNet,
    /// The autoencoder.
    pub vae: Vae,
    /// The model's own schedule, and what others can be made of it.
    pub schedule: ScheduleFile,
    /// Whether an empty negative prompt stands for no text at all, as SDXL's folder says.
    pub zero_for_empty: bool,
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
    /// `(sides, tokens, width)`: the negative side first, where there is one.
    text: Tensor,
    /// `(sides, size)`.
    pooled: Tensor,
    guided: bool,
    origin: Option<Origin>,
}

/// Texts and sizes as the denoiser reads them for a group of images.
struct Conditions {
    text: Tensor,
    sizes: Option<SizeCondition>,
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
    /// Checks a drawing and reads its prompts.
    ///
    /// # Errors
    /// `BadRequest` for sizes, steps and prompts that cannot be.
    pub fn prepare<'a>(&self, drawing: &'a Drawing, stop: Stop<'_>) -> Result<Prepared<'a>, PaintError> {
        let shape = self.latent_shape(drawing)?;
        // Steps that cannot be are told before the prompt is read.
        Sampler::new(&drawing.schedule, &drawing.sampling)?;
        let guided = drawing.guidance > 1.0;
        let (wanted, unwanted) = self.text.encode(drawing, guided, self.zero_for_empty, stop)?;
        let origin = self.origin(drawing, shape, stop)?;
        let sides: Vec<_> = unwanted.into_iter().chain([wanted]).collect();
        let text: Vec<&Tensor> = sides.iter().map(|side| &side.tokens).collect();
        let pooled: Vec<&Tensor> = sides.iter().map(|side| &side.pooled).collect();
        Ok(Prepared {
            drawing,
            shape,
            text: Tensor::cat(&text, 0)?,
            pooled: Tensor::cat(&pooled, 0)?,
            guided,
            origin,
        })
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
        let conditions = self.conditions(prepared, group.len())?;
        let count: usize = prepared.shape.iter().product();
        let timesteps = group.first().map_or_else(Vec::new, |image| image.sampler.timesteps().to_vec());
        for (at, timestep) in timesteps.iter().enumerate() {
            let seen = group.iter().flat_map(InMaking::seen).collect();
            let outputs = self.guided(prepared, &conditions, seen, *timestep, watch.stop)?;
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

    /// # Errors
    /// `BadModel` when the parts of a folder do not fit each other.
    fn check_parts(&self) -> Result<(), PaintError> {
        let (unet, vae) = (self.unet.config(), self.vae.config());
        let wrong = |reason: String| Err(PaintError::bad_model("unet/config.json", reason));
        let latent = vae.latent_channels;
        // A denoiser that knows of masks reads one more channel for the mask and a second latent.
        if ![latent, 2 * latent + 1].contains(&unet.in_channels) || unet.out_channels != latent {
            return wrong(
                "its channels are not those of the autoencoder; it is no model that draws images".to_owned(),
            );
        }
        if vae.image_channels != 3 {
            let channels = vae.image_channels;
            return Err(PaintError::bad_model(
                "vae/config.json",
                format!("its images have {channels} channels, not 3"),
            ));
        }
        let (tokens, pooled) = self.text.widths();
        if unet.text_width != tokens {
            let reads = unet.text_width;
            return wrong(format!("it reads texts of width {reads}, and the text encoders give {tokens}"));
        }
        match unet.pooled_width() {
            Some(reads) if Some(reads) != pooled => {
                wrong(format!("it reads a pooled text of width {reads}, which the text encoders do not give"))
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// `BadRequest` with what the sides have to be.
    pub(crate) fn check_size(&self, width: usize, height: usize) -> Result<(), PaintError> {
        let factor = self.vae.config().factor();
        let fits = |side: usize| (factor..=SIDE_PIXELS_MAX).contains(&side) && side.is_multiple_of(factor);
        if fits(width) && fits(height) {
            return Ok(());
        }
        Err(PaintError::BadRequest(format!(
            "{width} x {height} pixels were asked for; each side must be a multiple of {factor} up to {SIDE_PIXELS_MAX}"
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

    /// Each side's text once for every image of a group.
    fn conditions(&self, prepared: &Prepared<'_>, images: usize) -> Result<Conditions, PaintError> {
        let repeated = |sides: &Tensor| -> Result<Tensor, PaintError> {
            let sides: Vec<Tensor> = (0..sides.dim(0)?)
                .flat_map(|side| std::iter::repeat_n(side, images))
                .map(|side| sides.narrow(0, side, 1))
                .collect::<Result<_, _>>()?;
            Ok(Tensor::cat(&sides, 0)?)
        };
        let sizes = if self.unet.config().takes_sizes() {
            let (height, width) = (prepared.drawing.height as f32, prepared.drawing.width as f32);
            let text = repeated(&prepared.pooled)?;
            let sizes = vec![[height, width, 0.0, 0.0, height, width]; text.dim(0)?];
            Some(SizeCondition { text, sizes })
        } else {
            None
        };
        Ok(Conditions { text: repeated(&prepared.text)?, sizes })
    }

    /// The outputs for a group of latents, guided from the negative prompt to the prompt (Ho and Salimans, 2022).
    fn guided(
        &self,
        prepared: &Prepared<'_>,
        conditions: &Conditions,
        seen: Vec<f32>,
        timestep: f32,
        stop: Stop<'_>,
    ) -> Result<Vec<f32>, PaintError> {
        let ([_, height, width], channels) = (prepared.shape, self.unet.config().in_channels);
        let images = seen.len() / (channels * height * width);
        let latents = Tensor::from_vec(seen, (images, channels, height, width), &Device::Cpu)?;
        let latents = latents.to_device(&self.device)?.to_dtype(conditions.text.dtype())?;
        let latents = if prepared.guided { Tensor::cat(&[&latents, &latents], 0)? } else { latents };
        let output = self.unet.forward(&latents, timestep, &conditions.text, conditions.sizes.as_ref(), stop)?;
        let output = output.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        if !prepared.guided {
            return Ok(output.flatten_all()?.to_vec1()?);
        }
        let side = |at: usize| -> Result<Vec<f32>, PaintError> {
            Ok(output.narrow(0, at * images, images)?.flatten_all()?.to_vec1()?)
        };
        let guidance = prepared.drawing.guidance as f32;
        let guide = |(unwanted, wanted): (f32, f32)| unwanted + guidance * (wanted - unwanted);
        Ok(side(0)?.into_iter().zip(side(1)?).map(guide).collect())
    }
}

impl Prepared<'_> {
    /// Texts that the denoiser reads for each image: two with guidance, one without.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn sides(&self) -> Result<usize, PaintError> {
        Ok(self.text.dim(0)?)
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
