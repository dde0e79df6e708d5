//! Latent consistency models: the image in one step, then noise again (Luo et al., 2023, algorithm 3; `LCMScheduler`).
//!
//! Refuses: more steps than the model was distilled at.

use super::ddim::Products;
use super::latents::{clip, combine, zip};
use super::{Planned, SamplerOptions, Solver};
use crate::error::PaintError;
use crate::noise::Generator;
use crate::schedule::{Prediction, SchedulerConfig, lcm};

/// The deviation of the data in the boundary condition of the paper.
const SIGMA_DATA: f32 = 0.5;

struct Lcm {
    timesteps: Vec<i64>,
    products: Products,
    prediction: Prediction,
    clip_range: Option<f32>,
    timestep_scaling: f32,
}

/// # Errors
/// `BadRequest` when more steps are asked for than the model was distilled at.
pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Result<Planned, PaintError> {
    let timesteps = lcm(config, options.steps)?;
    Ok(Planned {
        timesteps: timesteps.iter().map(|timestep| *timestep as f32).collect(),
        initial_noise_scale: 1.0,
        solver: Box::new(Lcm {
            timesteps: timesteps.into_iter().map(|timestep| timestep as i64).collect(),
            products: Products::new(config),
            prediction: config.prediction_type,
            clip_range: config.clip_sample_range,
            timestep_scaling: config.timestep_scaling as f32,
        }),
    })
}

impl Solver for Lcm {
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
        let (signal, deviation) = self.products.mixture(timestep);
        let mut image = match self.prediction {
            Prediction::Epsilon => zip(sample, output, |sample, output| (sample - deviation * output) / signal),
            Prediction::Sample => output.to_vec(),
            Prediction::Velocity => combine(&[(signal, sample), (-deviation, output)]),
        };
        clip(&mut image, self.clip_range);
        let scaled = timestep as f32 * self.timestep_scaling;
        let square = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        let (of_sample, of_image) = (SIGMA_DATA * SIGMA_DATA / square, scaled / square.sqrt());
        let denoised = combine(&[(of_image, &image), (of_sample, sample)]);
        let Some(next) = self.timesteps.get(index + 1) else { return Ok(denoised) };
        let (signal, deviation) = self.products.mixture(*next);
        let fresh = noise.normal(sample.len())?;
        Ok(combine(&[(signal, &denoised), (deviation, &fresh)]))
    }
}
