//! Euler's method over noise levels (Karras et al., 2022, algorithm 2 without churn; `EulerDiscreteScheduler`).
//!
//! Refuses: churn, which no model folder can ask for.

use super::latents::zip;
use super::levels::{Levels, initial_noise_scale, of_euler};
use super::scale::{Growing, Scale};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::SchedulerConfig;

struct Euler {
    scale: Growing,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let Levels { timesteps, sigmas } = of_euler(config, options.steps);
    Planned {
        timesteps,
        initial_noise_scale: initial_noise_scale(config, &sigmas),
        solver: Box::new(Euler { scale: Growing { sigmas, prediction: config.prediction_type } }),
    }
}

impl Solver for Euler {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, .. }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let (sigma, next) = (self.scale.sigmas[index], self.scale.sigmas[index + 1]);
        let image = self.scale.image(index, output, sample);
        let distance = next - sigma;
        Ok(zip(sample, &image, |sample, image| sample + (sample - image) / sigma * distance))
    }
}
