//! Pseudo linear multistep (Liu et al., 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds"; the part of
//! `PNDMScheduler` that Stable Diffusion's own files ask for).
//!
//! Refuses: the Runge-Kutta steps in front, which cost three times as many outputs of the model.

use super::latents::{combine, zip};
use super::scale::{Products, Scale};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{Prediction, SchedulerConfig, descending};

/// Outputs that the longest formula weighs.
const HISTORY: usize = 4;

struct Pndm {
    scale: Products,
    stride: i64,
    /// The latest output last.
    outputs: Vec<Vec<f32>>,
    /// The latent of the first step, which the second one repeats with a better slope.
    first_sample: Option<Vec<f32>>,
    taken: usize,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let mut timesteps = descending(config, options.steps);
    // The second timestep comes twice: its first output makes up for the missing history.
    if let Some(second) = timesteps.get(1).copied() {
        timesteps.insert(1, second);
    }
    Planned {
        timesteps: timesteps.iter().map(|timestep| *timestep as f32).collect(),
        initial_noise_scale: 1.0,
        solver: Box::new(Pndm {
            scale: Products::new(config, &timesteps),
            stride: (config.num_train_timesteps / options.steps) as i64,
            outputs: Vec::new(),
            first_sample: None,
            taken: 0,
        }),
    }
}

impl Pndm {
    /// The slope from the outputs so far (Adams-Bashforth).
    fn slope(&self) -> Vec<f32> {
        let back = |by: usize| self.outputs[self.outputs.len() - by].as_slice();
        let over = |sum: Vec<f32>, divisor: f32| sum.into_iter().map(|value| value / divisor).collect();
        match self.outputs.len() {
            0 | 1 => back(1).to_vec(),
            2 => over(combine(&[(3.0, back(1)), (-1.0, back(2))]), 2.0),
            3 => over(combine(&[(23.0, back(1)), (-16.0, back(2)), (5.0, back(3))]), 12.0),
            _ => {
                let parts = [(55.0, back(1)), (-59.0, back(2)), (37.0, back(3)), (-9.0, back(4))];
                combine(&parts).into_iter().map(|value| value * (1.0 / 24.0)).collect()
            }
        }
    }

    /// Equation 11 of the paper.
    fn transfer(&self, from: i64, to: i64, slope: &[f32], sample: &[f32]) -> Vec<f32> {
        let (now, next) = (self.scale.at(from), self.scale.at(to));
        let (beta_now, beta_next) = (1.0 - now, 1.0 - next);
        let of_sample = (next / now).sqrt();
        let divisor = now * beta_next.sqrt() + (now * beta_now * next).sqrt();
        let (signal, deviation) = (now.sqrt(), beta_now.sqrt());
        let step = |sample: f32, slope: f32| {
            let epsilon = match self.scale.prediction {
                Prediction::Velocity => signal * slope + deviation * sample,
                Prediction::Epsilon | Prediction::Sample => slope,
            };
            of_sample * sample - (next - now) * epsilon / divisor
        };
        zip(sample, slope, step)
    }
}

impl Solver for Pndm {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, .. }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let timestep = self.scale.timesteps[index];
        let taken = self.taken;
        self.taken += 1;
        if taken == 1 {
            let slope = self.outputs.last().map(|first| zip(output, first, |now, first| (now + first) / 2.0));
            let first_sample = self.first_sample.take();
            let (Some(slope), Some(first_sample)) = (slope, first_sample) else {
                return Err(PaintError::Bug("the second step of PNDM came without its first".to_owned()));
            };
            return Ok(self.transfer(timestep + self.stride, timestep, &slope, &first_sample));
        }
        if self.outputs.len() == HISTORY {
            self.outputs.remove(0);
        }
        self.outputs.push(output.to_vec());
        if taken == 0 {
            self.first_sample = Some(sample.to_vec());
        }
        let slope = self.slope();
        Ok(self.transfer(timestep, timestep - self.stride, &slope, sample))
    }
}
