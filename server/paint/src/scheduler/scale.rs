//! How much of the image and how much noise a latent holds at each step, in the four ways in which samplers count, and the
//! image that a model's output stands for there.
//!
//! Refuses: to take a step; a sampler has one of these and asks it.

use super::latents::{combine, zip};
use crate::schedule::{Prediction, SchedulerConfig, alphas_cumprod};

/// Amounts of image and noise, by step.
pub(super) trait Scale {
    /// Weights of the image and of the noise in a latent at this step.
    fn mixture(&self, index: usize) -> (f32, f32);

    /// What the latent is divided by before a model sees it.
    fn input_divisor(&self, _index: usize) -> f32 {
        1.0
    }
}

/// Latents that are the image plus `sigma` times noise (Karras et al., 2022); the level after the last step ends the list.
pub(super) struct Growing {
    pub(super) sigmas: Vec<f32>,
    pub(super) prediction: Prediction,
}

/// Latents of constant variance, counted by noise levels; the level after the last step ends the list.
pub(super) struct Unit {
    pub(super) sigmas: Vec<f32>,
    pub(super) prediction: Prediction,
}

/// Latents of constant variance, counted by training timesteps.
pub(super) struct Products {
    pub(super) timesteps: Vec<i64>,
    table: Vec<f32>,
    /// The product after the last step.
    last: f32,
    pub(super) prediction: Prediction,
}

/// Latents on the straight line from noise to the image; the level after the last step ends the list.
pub(super) struct Line {
    pub(super) sigmas: Vec<f32>,
}

impl Growing {
    /// The image without noise (Karras et al., 2022, table 1).
    pub(super) fn image(&self, index: usize, output: &[f32], sample: &[f32]) -> Vec<f32> {
        let sigma = self.sigmas[index];
        match self.prediction {
            Prediction::Sample => output.to_vec(),
            Prediction::Epsilon => zip(sample, output, |sample, output| sample - sigma * output),
            Prediction::Velocity => {
                let square = sigma * sigma + 1.0;
                let of_output = -sigma / square.sqrt();
                zip(sample, output, |sample, output| output * of_output + sample / square)
            }
        }
    }
}

impl Scale for Growing {
    fn mixture(&self, index: usize) -> (f32, f32) {
        (1.0, self.sigmas[index])
    }

    fn input_divisor(&self, index: usize) -> f32 {
        norm(self.sigmas[index])
    }
}

impl Unit {
    pub(super) fn image(&self, index: usize, output: &[f32], sample: &[f32]) -> Vec<f32> {
        image_of_unit(self.prediction, self.mixture(index), output, sample)
    }
}

impl Scale for Unit {
    fn mixture(&self, index: usize) -> (f32, f32) {
        signal_and_noise(self.sigmas[index])
    }
}

impl Products {
    pub(super) fn new(config: &SchedulerConfig, timesteps: &[f64]) -> Self {
        let table = alphas_cumprod(config);
        let last = if config.set_alpha_to_one { 1.0 } else { table[0] };
        let timesteps = timesteps.iter().map(|timestep| *timestep as i64).collect();
        Self { timesteps, table, last, prediction: config.prediction_type }
    }

    /// The product at a timestep; before the first one, that after the last step.
    pub(super) fn at(&self, timestep: i64) -> f32 {
        let inside = usize::try_from(timestep).ok();
        // A timestep behind the table comes from an offset that does not fit; the nearest one serves as well.
        inside.map_or(self.last, |timestep| self.table[timestep.min(self.table.len() - 1)])
    }

    pub(super) fn image(&self, index: usize, output: &[f32], sample: &[f32]) -> Vec<f32> {
        image_of_unit(self.prediction, self.mixture(index), output, sample)
    }
}

impl Scale for Products {
    fn mixture(&self, index: usize) -> (f32, f32) {
        let product = self.at(self.timesteps[index]);
        (product.sqrt(), (1.0 - product).sqrt())
    }
}

impl Scale for Line {
    fn mixture(&self, index: usize) -> (f32, f32) {
        (1.0 - self.sigmas[index], self.sigmas[index])
    }
}

/// The image without noise, for latents of constant variance.
fn image_of_unit(prediction: Prediction, (signal, noise): (f32, f32), output: &[f32], sample: &[f32]) -> Vec<f32> {
    match prediction {
        Prediction::Sample => output.to_vec(),
        Prediction::Epsilon => zip(sample, output, |sample, output| (sample - noise * output) / signal),
        Prediction::Velocity => combine(&[(signal, sample), (-noise, output)]),
    }
}

/// Weights of image and noise at a level, for latents of constant variance.
pub(super) fn signal_and_noise(sigma: f32) -> (f32, f32) {
    let signal = 1.0 / norm(sigma);
    (signal, sigma * signal)
}

/// The deviation of an image plus `sigma` times noise.
fn norm(sigma: f32) -> f32 {
    (sigma * sigma + 1.0).sqrt()
}
