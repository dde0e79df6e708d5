//! Denoising diffusion implicit models (Song et al., 2021, equation 12; `DDIMScheduler`).
//!
//! Refuses: to correct the predicted noise after clipping, which the reference leaves to callers who ask.

use super::latents::{clip, combine, zip};
use super::scale::{Products, Scale};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{Prediction, SchedulerConfig, descending};

struct Ddim {
    scale: Products,
    stride: i64,
    clip_range: Option<f32>,
    eta: f64,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let timesteps = descending(config, options.steps);
    Planned {
        timesteps: timesteps.iter().map(|timestep| *timestep as f32).collect(),
        initial_noise_scale: 1.0,
        solver: Box::new(Ddim {
            scale: Products::new(config, &timesteps),
            stride: (config.num_train_timesteps / options.steps) as i64,
            clip_range: config.clip_sample_range,
            eta: options.eta,
        }),
    }
}

impl Solver for Ddim {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, noise }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let now = self.scale.at(self.scale.timesteps[index]);
        let next = self.scale.at(self.scale.timesteps[index] - self.stride);
        let (signal, deviation) = self.scale.mixture(index);
        let mut image = self.scale.image(index, output, sample);
        let epsilon = match self.scale.prediction {
            Prediction::Epsilon => output.to_vec(),
            Prediction::Sample => zip(sample, output, |sample, output| (sample - signal * output) / deviation),
            Prediction::Velocity => combine(&[(signal, output), (deviation, sample)]),
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
