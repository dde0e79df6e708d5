//! What a schedule is made of: the model's own `scheduler_config.json`, the table of noise it was trained with, the
//! timesteps that a request visits and the noise level at each.
//!
//! Numbers are f32 or f64 exactly where the reference implementation has f32 or f64, because the low noise levels come
//! from differences of nearly equal numbers. Refuses: to touch an image; that is what `scheduler` does.

mod betas;
pub mod config;
mod exchange;
mod inverse_beta;
mod json;
mod sigmas;
mod timesteps;

pub use config::{
    Algorithm, BetaSchedule, FinalSigma, Prediction, SchedulerClass, SchedulerConfig, SigmaSpacing, SolverType,
    Spacing, TimeShift,
};

pub use exchange::ScheduleFile;

pub(crate) use betas::alphas_cumprod;
pub(crate) use sigmas::{Trained, flow_factor, respace, shift_flow};
pub(crate) use timesteps::{descending, descending_exact, lcm, linspace, one_more};

/// Most timesteps a model may have been trained with; published ones have 1,000.
pub const TRAIN_TIMESTEPS_MAX: usize = 10_000;

/// Most steps of one request.
pub const STEPS_MAX: usize = 1_000;
