//! Where an image starts when there is another one before it: that one's latent mixed with noise, and kept where a mask
//! says so.
//!
//! Random numbers are taken in the order in which the reference takes them for one image: the latent of the source, the
//! noise, the latent of what a mask leaves. Refuses: sources of another size, and strengths that leave no step.

use candle_core::{DType, Tensor};

use super::{Drawing, Pipeline};
use crate::error::PaintError;
use crate::noise::Generator;
use crate::scheduler::Sampler;
use crate::stop::Stop;

/// An image to start from.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// `width * height * 3` bytes of the drawing's size, rows from the top.
    pub rgb: Vec<u8>,
    /// Share of the steps that are taken, above 0 and up to 1.
    pub strength: f64,
    /// Which of the `width * height` pixels may change; `None` is all of them.
    pub mask: Option<Vec<bool>>,
}

/// What the encoder says a latent is: its mean and its deviation, in the denoiser's units.
struct Encoded {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

/// What all images of a drawing start from.
pub(super) struct Origin {
    strength: f64,
    /// Pure noise comes first, as where everything under a mask is drawn anew.
    from_noise: bool,
    source: Option<Encoded>,
    /// For each place of the latent 1 where it may change and 0 where not.
    mask: Option<Vec<f32>>,
    /// What a denoiser that knows of masks is told of the rest of the image.
    left: Option<Encoded>,
}

/// How one image starts.
pub(super) struct Beginning {
    /// The first latent.
    pub(super) latent: Vec<f32>,
    /// What the denoiser reads after the latent's channels.
    pub(super) told: Vec<f32>,
    pub(super) kept: Option<Kept>,
}

/// What stays where a mask is black.
pub(super) struct Kept {
    source: Vec<f32>,
    noise: Vec<f32>,
    mask: Vec<f32>,
}

impl Encoded {
    fn sample(&self, noise: &mut Generator) -> Result<Vec<f32>, PaintError> {
        let random = noise.normal(self.mean.len())?;
        let pairs = self.mean.iter().zip(&self.deviation).zip(random);
        Ok(pairs.map(|((mean, deviation), random)| mean + deviation * random).collect())
    }
}

impl Kept {
    /// The latent with what stays as it is at the noise level of the next step.
    pub(super) fn restore(&self, sampler: &Sampler, latent: &mut [f32]) -> Result<(), PaintError> {
        let kept = sampler.add_noise(&self.source, &self.noise)?;
        let places = self.mask.len();
        for (at, (value, kept)) in latent.iter_mut().zip(kept).enumerate() {
            let may_change = self.mask[at % places];
            *value = (1.0 - may_change) * kept + may_change * *value;
        }
        Ok(())
    }
}

impl Pipeline {
    /// What the images of a drawing start from; `None` is noise alone.
    pub(super) fn origin(
        &self,
        drawing: &Drawing,
        shape: [usize; 3],
        stop: Stop<'_>,
    ) -> Result<Option<Origin>, PaintError> {
        let knows_masks = self.family().channels != shape[0];
        let pixels = drawing.width * drawing.height;
        let grey = vec![0.0; 3 * pixels];
        let Some(start) = &drawing.start else {
            // Such a denoiser draws from nothing when all of a grey image may change.
            return knows_masks
                .then(|| {
                    let left = Some(self.encoded(grey, drawing, stop)?);
                    let mask = Some(vec![1.0; shape[1] * shape[2]]);
                    Ok(Origin { strength: 1.0, from_noise: true, source: None, mask, left })
                })
                .transpose();
        };
        if start.rgb.len() != 3 * pixels || start.mask.as_ref().is_some_and(|mask| mask.len() != pixels) {
            return Err(PaintError::Bug("the source of a drawing has another size than the drawing".to_owned()));
        }
        let mut sampler = Sampler::new(&drawing.schedule, &drawing.sampling)?;
        sampler.start_from_image(start.strength)?;
        if sampler.timesteps().is_empty() {
            return Err(PaintError::BadRequest(format!(
                "a strength of {} leaves none of {} steps; raise one of them",
                start.strength, drawing.sampling.steps
            )));
        }
        let image = planes(&start.rgb);
        let under_mask = start.mask.is_some() || knows_masks;
        let from_noise = under_mask && start.strength >= 1.0;
        let left = knows_masks.then(|| {
            let may_change = |at: usize| start.mask.as_ref().is_none_or(|mask| mask[at % pixels]);
            let left = image.iter().enumerate().map(|(at, value)| if may_change(at) { 0.0 } else { *value });
            self.encoded(left.collect(), drawing, stop)
        });
        let source = (!(knows_masks && from_noise)).then(|| self.encoded(image.clone(), drawing, stop));
        let mask = under_mask.then(|| smaller(start.mask.as_deref(), drawing, shape));
        Ok(Some(Origin {
            strength: start.strength,
            from_noise,
            source: source.transpose()?,
            mask,
            left: left.transpose()?,
        }))
    }

    fn encoded(&self, image: Vec<f32>, drawing: &Drawing, stop: Stop<'_>) -> Result<Encoded, PaintError> {
        let config = self.vae.config();
        let image = Tensor::from_vec(image, (1, 3, drawing.height, drawing.width), &self.device)?;
        let (mean, logarithm) = self.vae.encode(&image, stop)?;
        let numbers = |tensor: Tensor| -> Result<Vec<f32>, PaintError> {
            Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
        };
        let mean = numbers(((mean - config.shift_factor)? * config.scaling_factor)?)?;
        let deviation = numbers(((logarithm * 0.5)?.exp()? * config.scaling_factor)?)?;
        if mean.iter().chain(&deviation).any(|number| !number.is_finite()) {
            return Err(PaintError::NotFinite { place: "the encoded source".to_owned() });
        }
        Ok(Encoded { mean, deviation })
    }
}

impl Origin {
    /// How the next image starts; `sampler` leaves out what its strength leaves out.
    pub(super) fn begin(
        &self,
        sampler: &mut Sampler,
        noise: &mut Generator,
        count: usize,
    ) -> Result<Beginning, PaintError> {
        let source = self.source.as_ref().map(|encoded| encoded.sample(noise)).transpose()?;
        let fresh = noise.normal(count)?;
        sampler.start_from_image(self.strength)?;
        let latent = match &source {
            Some(source) if !self.from_noise => sampler.add_noise(source, &fresh)?,
            _ => scaled(&fresh, sampler.initial_noise_scale()),
        };
        let (told, kept) = match (&self.mask, &self.left, source) {
            (Some(mask), Some(left), _) => ([mask.clone(), left.sample(noise)?].concat(), None),
            (Some(mask), None, Some(source)) => {
                // The reference encodes what the mask leaves for every model, and noise within the steps comes after it.
                noise.normal(source.len())?;
                (Vec::new(), Some(Kept { source, noise: fresh, mask: mask.clone() }))
            }
            _ => (Vec::new(), None),
        };
        Ok(Beginning { latent, told, kept })
    }
}

/// How an image from nothing starts.
pub(super) fn from_nothing(
    sampler: &Sampler,
    noise: &mut Generator,
    count: usize,
) -> Result<Beginning, PaintError> {
    let latent = scaled(&noise.normal(count)?, sampler.initial_noise_scale());
    Ok(Beginning { latent, told: Vec::new(), kept: None })
}

fn scaled(noise: &[f32], scale: f32) -> Vec<f32> {
    noise.iter().map(|number| number * scale).collect()
}

/// Rows of pixels as planes of red, green and blue from -1 to 1.
fn planes(rgb: &[u8]) -> Vec<f32> {
    let plane =
        |colour: usize| rgb.iter().skip(colour).step_by(3).map(|byte| f32::from(*byte) / 255.0 * 2.0 - 1.0);
    (0..3).flat_map(plane).collect()
}

/// The mask of a latent: each place has the value of the pixel at its corner.
fn smaller(mask: Option<&[bool]>, drawing: &Drawing, [_, height, width]: [usize; 3]) -> Vec<f32> {
    let (down, right) = (drawing.height / height, drawing.width / width);
    let may_change = |at: usize| {
        let pixel = at / width * down * drawing.width + at % width * right;
        mask.is_none_or(|mask| mask[pixel])
    };
    (0..height * width).map(|at| f32::from(u8::from(may_change(at)))).collect()
}
