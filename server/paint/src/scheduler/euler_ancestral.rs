//! Euler's method with fresh noise at every step (`EulerAncestralDiscreteScheduler`).
//!
//! Refuses: other spacings of noise levels than that of the timesteps, which the reference does not have for it.

use super::latents::zip;
use super::levels::{Levels, initial_noise_scale, input_divisor, of_euler, predicted_image};
use super::{Planned, SamplerOptions, Solver};
use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{FinalSigma, Prediction, SchedulerConfig, SigmaSpacing};

struct EulerAncestral {
    sigmas: Vec<f32>,
    prediction: Prediction,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let plain = SchedulerConfig {
        sigma_spacing: SigmaSpacing::OfTimesteps,
        final_sigmas_type: FinalSigma::Zero,
        ..config.clone()
    };
    let Levels { timesteps, sigmas } = of_euler(&plain, options.steps);
    Planned {
        timesteps,
        initial_noise_scale: initial_noise_scale(config, &sigmas),
        solver: Box::new(EulerAncestral { sigmas, prediction: config.prediction_type }),
    }
}

impl Solver for EulerAncestral {
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
        noise: &mut Generator,
    ) -> Result<Vec<f32>, PaintError> {
        let (from, to) = (self.sigmas[index], self.sigmas[index + 1]);
        let image = predicted_image(self.prediction, from, output, sample);
        let (from_square, to_square) = (from * from, to * to);
        // What is taken down further than the next level comes back as fresh noise.
        let up = (to_square * (from_square - to_square) / from_square).sqrt();
        let down = (to_square - up * up).sqrt();
        let distance = down - from;
        let fresh = noise.normal(sample.len())?;
        let calm = zip(sample, &image, |sample, image| sample + (sample - image) / from * distance);
        Ok(zip(&calm, &fresh, |calm, fresh| calm + fresh * up))
    }
}
