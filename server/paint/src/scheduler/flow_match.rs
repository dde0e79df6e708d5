//! Euler's method along a straight flow from noise to image (Lipman et al., 2023; `FlowMatchEulerDiscreteScheduler`).
//!
//! Refuses: a schedule that depends on the image's size without being told it.

use super::latents::{combine, zip};
use super::scale::{Line, Scale};
use super::{FlowLevels, Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{SchedulerConfig, flow_factor, linspace, respace, shift_flow};

struct FlowMatch {
    scale: Line,
    stochastic: bool,
}

/// # Errors
/// `BadRequest` when the configuration shifts by size and no size is given.
pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Result<Planned, PaintError> {
    let mu = shift_of_size(config, options)?;
    let train = config.num_train_timesteps as f64;
    let mut sigmas: Vec<f64> = match options.flow_levels {
        FlowLevels::Trained => {
            // The ends of the trained range are shifted already, in f32, and once more below, like all between them.
            let trained = |step: f64| {
                let sigma = step as f32 / train as f32;
                if config.use_dynamic_shifting { sigma } else { shift_f32(config, None, sigma) }
            };
            let (high, low) = (f64::from(trained(train)), f64::from(trained(1.0)));
            let even = linspace(high * train, low * train, options.steps).into_iter();
            even.map(|timestep| shift_flow(config, mu, timestep / train)).collect()
        }
        FlowLevels::EvenFromOne => {
            let even = linspace(1.0, 1.0 / options.steps as f64, options.steps).into_iter();
            even.map(|sigma| f64::from(shift_f32(config, mu, sigma as f32))).collect()
        }
        FlowLevels::EvenFromOneSingle => {
            let even = even_single(options.steps).into_iter();
            even.map(|sigma| f64::from(shift_f32(config, mu, sigma))).collect()
        }
    };
    if let (Some(terminal), Some(last)) = (config.shift_terminal, sigmas.last().copied()) {
        let stretch = (1.0 - last) / (1.0 - terminal);
        let stretch_f32 = (1.0 - last as f32) / (1.0 - terminal) as f32;
        for sigma in &mut sigmas {
            // The levels that a pipeline gives are f32 throughout.
            *sigma = match options.flow_levels {
                FlowLevels::Trained => 1.0 - (1.0 - *sigma) / stretch,
                FlowLevels::EvenFromOne | FlowLevels::EvenFromOneSingle => {
                    f64::from(1.0 - (1.0 - *sigma as f32) / stretch_f32)
                }
            };
        }
    }
    let (highest, lowest) = (sigmas[0], sigmas[sigmas.len() - 1]);
    let sigmas = respace(config, highest, lowest, options.steps).unwrap_or(sigmas);
    let sigmas: Vec<f32> = sigmas.into_iter().map(|sigma| sigma as f32).collect();
    Ok(Planned {
        timesteps: sigmas.iter().map(|sigma| sigma * train as f32).collect(),
        initial_noise_scale: 1.0,
        solver: Box::new(FlowMatch {
            scale: Line { sigmas: sigmas.into_iter().chain([0.0]).collect() },
            stochastic: config.stochastic_sampling,
        }),
    })
}

/// From 1 to one part in `steps`, counted from the nearer end, as torch does it.
fn even_single(steps: usize) -> Vec<f32> {
    let last = (1.0 / steps as f64) as f32;
    let step = (last - 1.0) / steps.saturating_sub(1).max(1) as f32;
    let level = |at: usize| {
        // torch rounds product and sum at once.
        if at < steps / 2 { step.mul_add(at as f32, 1.0) } else { (-step).mul_add((steps - at - 1) as f32, last) }
    };
    (0..steps).map(level).collect()
}

/// The shift of an image's size, on the line through the two sizes of the configuration.
fn shift_of_size(config: &SchedulerConfig, options: &SamplerOptions) -> Result<Option<f64>, PaintError> {
    if !config.use_dynamic_shifting {
        return Ok(None);
    }
    let tokens = options.image_tokens.ok_or_else(|| {
        PaintError::Bug("the schedule of this model depends on the image's size, which was not given".to_owned())
    })?;
    let span = (config.max_image_seq_len - config.base_image_seq_len) as f64;
    let slope = (config.max_shift - config.base_shift) / span;
    let base = config.base_shift - slope * config.base_image_seq_len as f64;
    Ok(Some(tokens as f64 * slope + base))
}

/// [`shift_flow`] where the reference computes in f32.
fn shift_f32(config: &SchedulerConfig, mu: Option<f64>, sigma: f32) -> f32 {
    match mu {
        None => config.shift as f32 * sigma / (1.0 + (config.shift - 1.0) as f32 * sigma),
        Some(mu) => {
            let shift = flow_factor(config, mu) as f32;
            shift / (shift + (1.0 / sigma - 1.0))
        }
    }
}

impl Solver for FlowMatch {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, noise }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let (sigma, next) = (self.scale.sigmas[index], self.scale.sigmas[index + 1]);
        if self.stochastic {
            let image = zip(sample, output, |sample, output| sample - sigma * output);
            let fresh = noise.normal(sample.len())?;
            return Ok(combine(&[(1.0 - next, &image), (next, &fresh)]));
        }
        let distance = next - sigma;
        Ok(zip(sample, output, |sample, output| sample + distance * output))
    }
}
