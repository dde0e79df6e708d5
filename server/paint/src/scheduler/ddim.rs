//! Denoising diffusion implicit models (Song et al., 2021, equation 12; `DDIMScheduler`).
//!
//! Refuses: to correct the predicted noise after clipping, which the reference leaves to callers who ask.

use super::latents::{clip, combine, zip};
use super::{Planned, SamplerOptions, Solver};
use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{Prediction, SchedulerConfig, alphas_cumprod, descending};

/// The products of a schedule, and the one after its last step.
pub(super) struct Products {
    table: Vec<f32>,
    last: f32,
}

impl Products {
    pub(super) fn new(config: &SchedulerConfig) -> Self {
        let table = alphas_cumprod(config);
        let last = if config.set_alpha_to_one { 1.0 } else { table[0] };
        Self { table, last }
    }

    /// The product at a timestep; before the first one, that after the last step.
    pub(super) fn at(&self, timestep: i64) -> f32 {
        let inside = usize::try_from(timestep).ok();
        // A timestep behind the table comes from an offset that does not fit; the nearest one serves as well.
        inside.map_or(self.last, |timestep| self.table[timestep.min(self.table.len() - 1)])
    }

    /// Weights of image and noise at a timestep.
    pub(super) fn mixture(&self, timestep: i64) -> (f32, f32) {
        let product = self.at(timestep);
        (product.sqrt(), (1.0 - product).sqrt())
    }
}

struct Ddim {
    timesteps: Vec<i64>,
    stride: i64,
    products: Products,
    prediction: Prediction,
    clip_range: Option<f32>,
    eta: f64,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let timesteps = descending(config, options.steps);
    Planned {
        timesteps: timesteps.iter().map(|timestep| *timestep as f32).collect(),
        initial_noise_scale: 1.0,
        solver: Box::new(Ddim {
            timesteps: timesteps.into_iter().map(|timestep| timestep as i64).collect(),
            stride: (config.num_train_timesteps / options.steps) as i64,
            products: Products::new(config),
            prediction: config.prediction_type,
            clip_range: config.clip_sample_range,
            eta: options.eta,
        }),
    }
}

impl Solver for Ddim {
    fn mixture(&self, index: usize) -> (f32, f32) {
        self.products.mixture(self.timesteps[index])
    }

    fn step(
        &mut self,
        index: usize,
        output: &[f32],
        sample: &[f32],
        noise: &mut Generator,
    ) -> Result<Vec<f32>, PaintError> {
        let timestep = self.timesteps[index];
        let (now, next) = (self.products.at(timestep), self.products.at(timestep - self.stride));
        let (signal, deviation) = (now.sqrt(), (1.0 - now).sqrt());
        let (mut image, epsilon) = match self.prediction {
            Prediction::Epsilon => {
                (zip(sample, output, |sample, output| (sample - deviation * output) / signal), output.to_vec())
            }
            Prediction::Sample => {
                (output.to_vec(), zip(sample, output, |sample, output| (sample - signal * output) / deviation))
            }
            Prediction::Velocity => (
                combine(&[(signal, sample), (-deviation, output)]),
                combine(&[(signal, output), (deviation, sample)]),
            ),
        };
        clip(&mut image, self.clip_range);
        let variance = (1.0 - next) / (1.0 - now) * (1.0 - now / next);
        let fresh_deviation = self.eta as f32 * variance.sqrt();
        let direction = (1.0 - next - fresh_deviation * fresh_deviation).sqrt();
        let calm = combine(&[(next.sqrt(), &image), (direction, &epsilon)]);
        if self.eta <= 0.0 {
            return Ok(calm);
        }
        let fresh = noise.normal(sample.len())?;
        Ok(zip(&calm, &fresh, |calm, fresh| calm + fresh_deviation * fresh))
    }
}
