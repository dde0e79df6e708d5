//! Heun's method over noise levels: two outputs of the model for each step but the last (Karras et al., 2022, algorithm
//! 1; `HeunDiscreteScheduler`).
//!
//! Refuses: churn.

use super::latents::{clip, zip};
use super::levels::{Levels, initial_noise_scale, of_euler};
use super::scale::{Growing, Scale};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{FinalSigma, SchedulerConfig};

struct Heun {
    /// All levels but the first and last stand twice.
    scale: Growing,
    clip_range: Option<f32>,
    first: Option<FirstHalf>,
}

/// What is kept between the two outputs of a step.
struct FirstHalf {
    sample: Vec<f32>,
    derivative: Vec<f32>,
    distance: f32,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let to_zero = SchedulerConfig { final_sigmas_type: FinalSigma::Zero, ..config.clone() };
    let Levels { timesteps, sigmas } = of_euler(&to_zero, options.steps);
    let twice = |values: &[f32]| -> Vec<f32> { values.iter().flat_map(|value| [*value, *value]).collect() };
    let inner = twice(&sigmas[1..sigmas.len() - 1]);
    let sigmas = [&sigmas[..1], &inner, &sigmas[sigmas.len() - 1..]].concat();
    let timesteps = [&timesteps[..1], &twice(&timesteps[1..])].concat();
    Planned {
        timesteps,
        initial_noise_scale: initial_noise_scale(config, &sigmas),
        solver: Box::new(Heun {
            scale: Growing { sigmas, prediction: config.prediction_type },
            clip_range: config.clip_sample_range,
            first: None,
        }),
    }
}

impl Solver for Heun {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, .. }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let sigma = self.scale.sigmas[index];
        let mut image = self.scale.image(index, output, sample);
        clip(&mut image, self.clip_range);
        let derivative = zip(sample, &image, |sample, image| (sample - image) / sigma);
        if let Some(first) = self.first.take() {
            let mean = zip(&first.derivative, &derivative, |first, second| (first + second) / 2.0);
            return Ok(zip(&first.sample, &mean, |sample, slope| sample + slope * first.distance));
        }
        let distance = self.scale.sigmas[index + 1] - sigma;
        let next = zip(sample, &derivative, |sample, slope| sample + slope * distance);
        self.first = Some(FirstHalf { sample: sample.to_vec(), derivative, distance });
        Ok(next)
    }
}
