//! Euler's method over noise levels (Karras et al., 2022, algorithm 2 without churn; `EulerDiscreteScheduler`).
//!
//! Refuses: churn, which no model folder can ask for.

use super::latents::zip;
use super::levels::{Levels, initial_noise_scale, input_divisor, of_euler, predicted_image};
use super::{Planned, SamplerOptions, Solver};
use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{Prediction, SchedulerConfig};

struct Euler {
    sigmas: Vec<f32>,
    prediction: Prediction,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let Levels { timesteps, sigmas } = of_euler(config, options.steps);
    Planned {
        timesteps,
        initial_noise_scale: initial_noise_scale(config, &sigmas),
        solver: Box::new(Euler { sigmas, prediction: config.prediction_type }),
    }
}

impl Solver for Euler {
    fn input_divisor(&self, index: usize) -> f32 {
        input_divisor(self.sigmas[index])
    }

    fn mixture(&self, index: usize) -> (f32, f32) {
        (1.0, self.sigmas[index])
    }

    fn step(
        &mut self,
        index: usize,
        output: &[f32],
        sample: &[f32],
        _noise: &mut Generator,
    ) -> Result<Vec<f32>, PaintError> {
        let (sigma, next) = (self.sigmas[index], self.sigmas[index + 1]);
        let image = predicted_image(self.prediction, sigma, output, sample);
        let distance = next - sigma;
        Ok(zip(sample, &image, |sample, image| sample + (sample - image) / sigma * distance))
    }
}
