//! Euler's method with fresh noise at every step (`EulerAncestralDiscreteScheduler`).
//!
//! Refuses: other spacings of noise levels than that of the timesteps, which the reference does not have for it.

use super::latents::zip;
use super::levels::{Levels, initial_noise_scale, of_euler};
use super::scale::{Growing, Scale};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{FinalSigma, SchedulerConfig, SigmaSpacing};

struct EulerAncestral {
    scale: Growing,
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
        solver: Box::new(EulerAncestral { scale: Growing { sigmas, prediction: config.prediction_type } }),
    }
}

impl Solver for EulerAncestral {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, noise }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let (from, to) = (self.scale.sigmas[index], self.scale.sigmas[index + 1]);
        let image = self.scale.image(index, output, sample);
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
