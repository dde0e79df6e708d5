//! Which training timesteps a request visits (Lin et al., 2023, table 2), in descending order.
//!
//! Refuses: to clean up. Where the customary rules give one step more than was asked for, because a quotient was rounded
//! up, so does this; a seed must give the picture that it gives elsewhere.

use super::config::{SchedulerConfig, Spacing};
use crate::error::PaintError;

/// Whole timesteps (`DDIMScheduler`, `PNDMScheduler`).
pub(crate) fn descending(config: &SchedulerConfig, steps: usize) -> Vec<f64> {
    let exact = descending_exact(config, steps);
    exact.into_iter().map(f64::round_ties_even).collect()
}

/// Timesteps that may lie between two training timesteps (`EulerDiscreteScheduler` and its relatives). With linspace
/// they are evenly spaced numbers; with the other two they are whole.
pub(crate) fn descending_exact(config: &SchedulerConfig, steps: usize) -> Vec<f64> {
    let count = config.num_train_timesteps;
    match config.timestep_spacing {
        Spacing::Linspace => reversed(linspace(0.0, (count - 1) as f64, steps)),
        Spacing::Leading => leading(count / steps, steps, config.steps_offset),
        Spacing::Trailing => trailing(count, count, steps),
    }
}

/// Whole timesteps for a sampler that leaves the last of `steps + 1` out (`DPMSolverMultistepScheduler`,
/// `UniPCMultistepScheduler`); only timesteps below `last` are visited.
pub(crate) fn one_more(config: &SchedulerConfig, last: usize, steps: usize) -> Vec<f64> {
    let mut all = match config.timestep_spacing {
        Spacing::Linspace => {
            let even = linspace(0.0, last as f64 - 1.0, steps + 1);
            reversed(even.into_iter().map(f64::round_ties_even).collect())
        }
        Spacing::Leading => leading(last / (steps + 1), steps + 1, config.steps_offset),
        Spacing::Trailing => return trailing(config.num_train_timesteps, last, steps),
    };
    all.pop();
    all
}

/// The timesteps of a distilled model: `steps` of the `original_inference_steps` it was distilled at (`LCMScheduler`).
///
/// # Errors
/// When more steps are asked for than it was distilled at.
pub(crate) fn lcm(config: &SchedulerConfig, steps: usize) -> Result<Vec<f64>, PaintError> {
    let original = config.original_inference_steps;
    if steps > original {
        return Err(PaintError::BadRequest(format!(
            "this model was made for at most {original} steps with the LCM sampler, {steps} were asked for"
        )));
    }
    let stride = config.num_train_timesteps / original;
    let distance = original as f64 / steps as f64;
    let index = |step: usize| (step as f64 * distance).floor() as usize;
    Ok((0..steps).map(|step| ((original - index(step)) * stride - 1) as f64).collect())
}

/// `numpy.linspace`: evenly spaced from `start` to `end`, which is met exactly.
pub(crate) fn linspace(start: f64, end: f64, count: usize) -> Vec<f64> {
    if count < 2 {
        return vec![start; count];
    }
    let step = (end - start) / (count - 1) as f64;
    let mut values: Vec<f64> = (0..count).map(|at| at as f64 * step + start).collect();
    values[count - 1] = end;
    values
}

fn leading(stride: usize, count: usize, offset: usize) -> Vec<f64> {
    (0..count).rev().map(|at| (at * stride + offset) as f64).collect()
}

/// `numpy.arange(last, 0, -count / steps)`, rounded, less one: its length is a quotient rounded up, and its stride the
/// difference of the first two numbers.
fn trailing(count: usize, last: usize, steps: usize) -> Vec<f64> {
    let (start, stride) = (last as f64, -(count as f64 / steps as f64));
    let length = (-start / stride).ceil() as usize;
    let stride = (start + stride) - start;
    (0..length).map(|at| (start + at as f64 * stride).round_ties_even() - 1.0).collect()
}

fn reversed(mut values: Vec<f64>) -> Vec<f64> {
    values.reverse();
    values
}
