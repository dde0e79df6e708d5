//! DPM-Solver++ with one step of memory, plain and stochastic (Lu et al., 2022, algorithm 2; `DPMSolverMultistepScheduler`
//! of order 1 and 2), known to users as DPM++ 2M and DPM++ 2M SDE.
//!
//! Refuses: order 3, and the variants that predict noise.

use super::latents::{combine, zip};
use super::levels::{Levels, half_log_snr, of_multistep, rounding, timesteps_above_lambda};
use super::scale::{Scale, Unit, signal_and_noise};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{Algorithm, FinalSigma, SchedulerConfig, SolverType};

/// Below this number of steps the reference ends with a step of lower order.
const FEW_STEPS: usize = 15;

struct DpmSolver {
    scale: Unit,
    algorithm: Algorithm,
    solver: SolverType,
    order: usize,
    last_is_first_order: bool,
    previous_image: Option<Vec<f32>>,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let last = timesteps_above_lambda(config);
    let Levels { timesteps, sigmas } = of_multistep(config, options.steps, rounding(config, false), last);
    let few = timesteps.len() < FEW_STEPS;
    let last_is_first_order =
        config.euler_at_final || (config.lower_order_final && few) || config.final_sigmas_type == FinalSigma::Zero;
    Planned {
        timesteps,
        initial_noise_scale: 1.0,
        solver: Box::new(DpmSolver {
            scale: Unit { sigmas, prediction: config.prediction_type },
            algorithm: config.algorithm_type,
            solver: config.solver_type,
            order: config.solver_order,
            last_is_first_order,
            previous_image: None,
        }),
    }
}

/// Weights of one step.
struct Weights {
    of_sample: f32,
    of_image: f32,
    /// Of the change of the predicted image, for steps of second order.
    of_change: f32,
    of_noise: f32,
}

/// The exponential, rounded correctly but for the rarest cases.
fn exp(x: f32) -> f32 {
    f64::from(x).exp() as f32
}

impl DpmSolver {
    fn weights(&self, index: usize) -> Weights {
        let (from, to) = (self.scale.sigmas[index], self.scale.sigmas[index + 1]);
        let (signal, deviation) = signal_and_noise(to);
        let ratio = deviation / signal_and_noise(from).1;
        let h = half_log_snr(to) - half_log_snr(from);
        match self.algorithm {
            Algorithm::DpmSolverPlusPlus => {
                let decay = exp(-h) - 1.0;
                let of_change = match self.solver {
                    SolverType::Heun => signal * (decay / h + 1.0),
                    _ => -(0.5 * (signal * decay)),
                };
                Weights { of_sample: ratio, of_image: -(signal * decay), of_change, of_noise: 0.0 }
            }
            Algorithm::SdeDpmSolverPlusPlus => {
                let decay = 1.0 - exp(-2.0 * h);
                let of_change = match self.solver {
                    SolverType::Heun => signal * (decay / (-2.0 * h) + 1.0),
                    _ => 0.5 * (signal * decay),
                };
                Weights {
                    of_sample: ratio * exp(-h),
                    of_image: signal * decay,
                    of_change,
                    of_noise: deviation * decay.sqrt(),
                }
            }
        }
    }

    /// How fast the predicted image changes, over the width of the step to come.
    fn change(&self, index: usize, image: &[f32], previous: &[f32]) -> Vec<f32> {
        let at = |index: usize| half_log_snr(self.scale.sigmas[index]);
        let (before, now, after) = (at(index - 1), at(index), at(index + 1));
        let inverse = 1.0 / ((now - before) / (after - now));
        zip(image, previous, |image, previous| inverse * (image - previous))
    }
}

impl Solver for DpmSolver {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, noise }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let image = self.scale.image(index, output, sample);
        let weights = self.weights(index);
        let is_last = index + 2 == self.scale.sigmas.len();
        let previous = self.previous_image.take().filter(|_| self.order > 1);
        let change = previous
            .filter(|_| !(is_last && self.last_is_first_order))
            .map(|previous| self.change(index, &image, &previous));
        let mut parts = vec![(weights.of_sample, sample), (weights.of_image, image.as_slice())];
        parts.extend(change.as_ref().map(|change| (weights.of_change, change.as_slice())));
        let fresh = match self.algorithm {
            Algorithm::DpmSolverPlusPlus => None,
            Algorithm::SdeDpmSolverPlusPlus => Some(noise.normal(sample.len())?),
        };
        parts.extend(fresh.as_ref().map(|fresh| (weights.of_noise, fresh.as_slice())));
        let next = combine(&parts);
        self.previous_image = Some(image);
        Ok(next)
    }
}
