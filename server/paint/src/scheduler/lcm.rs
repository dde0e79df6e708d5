//! Latent consistency models: the image in one step, then noise again (Luo et al., 2023, algorithm 3; `LCMScheduler`).
//!
//! Refuses: more steps than the model was distilled at.

use super::latents::{clip, combine};
use super::scale::{Products, Scale};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{SchedulerConfig, lcm};

/// The deviation of the data in the boundary condition of the paper.
const SIGMA_DATA: f32 = 0.5;

struct Lcm {
    scale: Products,
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
            scale: Products::new(config, &timesteps),
            clip_range: config.clip_sample_range,
            timestep_scaling: config.timestep_scaling as f32,
        }),
    })
}

impl Solver for Lcm {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, noise }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let mut image = self.scale.image(index, output, sample);
        clip(&mut image, self.clip_range);
        let scaled = self.scale.timesteps[index] as f32 * self.timestep_scaling;
        let square = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        let (of_sample, of_image) = (SIGMA_DATA * SIGMA_DATA / square, scaled / square.sqrt());
        let denoised = combine(&[(of_image, &image), (of_sample, sample)]);
        if index + 1 == self.scale.timesteps.len() {
            return Ok(denoised);
        }
        let (signal, deviation) = self.scale.mixture(index + 1);
        let fresh = noise.normal(sample.len())?;
        Ok(combine(&[(signal, &denoised), (deviation, &fresh)]))
    }
}
