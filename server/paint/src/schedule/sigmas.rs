//! Noise levels: those a model was trained at, those between them, and other ways of spacing them.
//!
//! Refuses: levels that are not finite; a table with one of them fails where it is made.

use super::config::{SchedulerConfig, SigmaSpacing, TimeShift};
use super::inverse_beta::inverse_regularized_beta;
use super::timesteps::linspace;

/// Exponent of the spacing of Karras et al., 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
/// equation 5.
const KARRAS_RHO: f64 = 7.0;

/// Both parameters of the beta distribution of Lee et al., 2024, "Beta Sampling is All You Need".
const BETA_SHAPE: f64 = 0.6;

/// The noise levels of the training timesteps, ascending, and their logarithms.
pub(crate) struct Trained {
    sigmas: Vec<f32>,
    logarithms: Vec<f32>,
}

impl Trained {
    /// `sqrt((1 - a) / a)` for every product `a`.
    pub(crate) fn new(alphas_cumprod: &[f32]) -> Self {
        let sigmas: Vec<f32> = alphas_cumprod.iter().map(|a| ((1.0 - a) / a).sqrt()).collect();
        let logarithms = sigmas.iter().map(|sigma| f64::from(*sigma).ln() as f32).collect();
        Self { sigmas, logarithms }
    }

    /// The lowest trained level.
    pub(crate) fn lowest(&self) -> f64 {
        self.sigmas.first().copied().map_or(0.0, f64::from)
    }

    /// The highest trained level.
    pub(crate) fn highest(&self) -> f64 {
        self.sigmas.last().copied().map_or(0.0, f64::from)
    }

    /// The level at a timestep that may lie between two trained ones; outside of them the nearest (`numpy.interp`).
    pub(crate) fn at(&self, timestep: f64) -> f64 {
        let last = self.sigmas.len() - 1;
        let below = timestep.clamp(0.0, last as f64).floor();
        let index = below as usize;
        let low = f64::from(self.sigmas[index]);
        if index == last || timestep <= below {
            return low;
        }
        (f64::from(self.sigmas[index + 1]) - low) * (timestep - below) + low
    }

    /// The timestep of a level, interpolated between the logarithms of the trained ones.
    pub(crate) fn timestep_of(&self, sigma: f64) -> f64 {
        let logarithm = sigma.max(1e-10).ln();
        let not_above = self.logarithms.partition_point(|trained| f64::from(*trained) <= logarithm);
        let low = not_above.saturating_sub(1).min(self.logarithms.len().saturating_sub(2));
        let (below, above) = (self.logarithms[low], self.logarithms[(low + 1).min(self.logarithms.len() - 1)]);
        let weight = ((f64::from(below) - logarithm) / f64::from(below - above)).clamp(0.0, 1.0);
        (1.0 - weight) * low as f64 + weight * (low + 1) as f64
    }
}

/// `steps` levels from the highest to the lowest, spaced as the configuration says; `None` when it names no spacing of
/// its own. `sigma_max` and `sigma_min` of the configuration replace the ends.
pub(crate) fn respace(config: &SchedulerConfig, highest: f64, lowest: f64, steps: usize) -> Option<Vec<f64>> {
    let (high, low) = (config.sigma_max.unwrap_or(highest), config.sigma_min.unwrap_or(lowest));
    match config.sigma_spacing {
        SigmaSpacing::OfTimesteps => None,
        SigmaSpacing::Karras => {
            let (start, end) = (high.powf(1.0 / KARRAS_RHO), low.powf(1.0 / KARRAS_RHO));
            let ramp = linspace(0.0, 1.0, steps).into_iter();
            Some(ramp.map(|at| (start + at * (end - start)).powf(KARRAS_RHO)).collect())
        }
        SigmaSpacing::Exponential => {
            Some(linspace(high.ln(), low.ln(), steps).into_iter().map(f64::exp).collect())
        }
        SigmaSpacing::Beta => {
            let places = linspace(0.0, 1.0, steps).into_iter().map(|at| 1.0 - at);
            let quantile = |at| inverse_regularized_beta(at, BETA_SHAPE);
            Some(places.map(|at| low + quantile(at) * (high - low)).collect())
        }
    }
}

/// Moves the levels of a flow towards noise, for larger images (Esser et al., 2024, "Scaling Rectified Flow
/// Transformers", equation 23; `FlowMatchEulerDiscreteScheduler`). `mu` is the logarithm of the shift for the
/// exponential form and the shift itself for the linear one; without it the configuration's `shift` counts.
pub(crate) fn shift_flow(config: &SchedulerConfig, mu: Option<f64>, sigma: f64) -> f64 {
    match mu {
        None => config.shift * sigma / (1.0 + (config.shift - 1.0) * sigma),
        Some(mu) => {
            let shift = flow_factor(config, mu);
            shift / (shift + (1.0 / sigma - 1.0))
        }
    }
}

/// The shift that `mu` stands for.
pub(crate) fn flow_factor(config: &SchedulerConfig, mu: f64) -> f64 {
    if config.time_shift_type == TimeShift::Exponential { mu.exp() } else { mu }
}
