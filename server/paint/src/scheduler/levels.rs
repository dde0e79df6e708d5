//! The noise levels of samplers that count in them: a table with one more entry than there are steps.
//!
//! Refuses: the terms of alphas; samplers that count in those read `schedule::alphas_cumprod`.

use super::scale::signal_and_noise;
use crate::schedule::{
    FinalSigma, SchedulerConfig, SigmaSpacing, Spacing, Trained, alphas_cumprod, descending_exact, one_more,
    respace,
};

/// What stands for a product of zero where it would be divided by: the smallest step of f16 below one.
const ZERO_SNR_PRODUCT: f32 = 1.0 / 16_777_216.0;

/// Timesteps and noise levels; the level after the last step ends the list.
pub(super) struct Levels {
    pub(super) timesteps: Vec<f32>,
    pub(super) sigmas: Vec<f32>,
}

fn products(config: &SchedulerConfig) -> Vec<f32> {
    let mut products = alphas_cumprod(config);
    if config.rescale_betas_zero_snr
        && let Some(last) = products.last_mut()
    {
        *last = ZERO_SNR_PRODUCT;
    }
    products
}

fn final_sigma(config: &SchedulerConfig, trained: &Trained) -> f64 {
    match config.final_sigmas_type {
        FinalSigma::Zero => 0.0,
        FinalSigma::Lowest => trained.lowest(),
    }
}

fn finish(timesteps: impl IntoIterator<Item = f64>, sigmas: Vec<f64>, last: f64) -> Levels {
    Levels {
        timesteps: timesteps.into_iter().map(|timestep| timestep as f32).collect(),
        sigmas: sigmas.into_iter().chain([last]).map(|sigma| sigma as f32).collect(),
    }
}

/// Levels of the Euler family: timesteps may lie between trained ones, and other spacings keep the ends of the visited
/// range.
pub(super) fn of_euler(config: &SchedulerConfig, steps: usize) -> Levels {
    let trained = Trained::new(&products(config));
    // The reference rounds these to f32 before it looks their levels up.
    let timesteps: Vec<f64> =
        descending_exact(config, steps).into_iter().map(|timestep| f64::from(timestep as f32)).collect();
    let sigmas: Vec<f64> = timesteps.iter().map(|timestep| trained.at(*timestep)).collect();
    let last = final_sigma(config, &trained);
    let (highest, lowest) = (sigmas[0], sigmas[sigmas.len() - 1]);
    match respace(config, highest, lowest, steps) {
        None => finish(timesteps, sigmas, last),
        Some(sigmas) => {
            let timesteps: Vec<f64> = sigmas.iter().map(|sigma| trained.timestep_of(*sigma)).collect();
            finish(timesteps, sigmas, last)
        }
    }
}

/// Levels of the multistep family: timesteps are whole, and other spacings cover the whole trained range.
pub(super) fn of_multistep(config: &SchedulerConfig, steps: usize, rounds: Rounding, last: usize) -> Levels {
    let trained = Trained::new(&products(config));
    let final_sigma = final_sigma(config, &trained);
    match respace(config, trained.highest(), trained.lowest(), steps) {
        None => {
            let timesteps = one_more(config, last, steps);
            let sigmas = timesteps.iter().map(|timestep| trained.at(*timestep)).collect();
            finish(timesteps, sigmas, final_sigma)
        }
        Some(sigmas) => {
            let whole = |sigma: &f64| {
                let timestep = trained.timestep_of(*sigma);
                if rounds == Rounding::Nearest { timestep.round_ties_even() } else { timestep.trunc() }
            };
            let timesteps: Vec<f64> = sigmas.iter().map(whole).collect();
            let lowest = sigmas.last().copied().unwrap_or(0.0);
            let last = if rounds.keeps_own_last(config) { lowest } else { final_sigma };
            finish(timesteps, sigmas, last)
        }
    }
}

/// How a multistep class makes whole timesteps from noise levels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the nearest.
    Nearest,
    /// Towards zero.
    Down,
}

impl Rounding {
    fn keeps_own_last(self, config: &SchedulerConfig) -> bool {
        config.class == crate::schedule::SchedulerClass::UniPc && config.final_sigmas_type == FinalSigma::Lowest
    }
}

/// How many timesteps have a logarithm of signal to noise above `lambda_min_clipped`.
pub(super) fn timesteps_above_lambda(config: &SchedulerConfig) -> usize {
    let lambda = |product: &f32| ln(product.sqrt()) - ln((1.0 - product).sqrt());
    let lowest = config.lambda_min_clipped;
    let below = products(config).iter().filter(|product| f64::from(lambda(product)) < lowest).count();
    config.num_train_timesteps - below
}

/// The factor for the first latent of samplers whose latents grow with the noise.
pub(super) fn initial_noise_scale(config: &SchedulerConfig, sigmas: &[f32]) -> f32 {
    let highest = sigmas.iter().copied().fold(0.0, f32::max);
    match config.timestep_spacing {
        Spacing::Linspace | Spacing::Trailing => highest,
        Spacing::Leading => (highest * highest + 1.0).sqrt(),
    }
}

/// The logarithm of signal to noise at a level.
pub(super) fn half_log_snr(sigma: f32) -> f32 {
    let (signal, noise) = signal_and_noise(sigma);
    ln(signal) - ln(noise)
}

/// The natural logarithm, rounded correctly but for the rarest cases; two of them are nearly equal before they are
/// subtracted.
fn ln(x: f32) -> f32 {
    f64::from(x).ln() as f32
}

/// Rounding of whole timesteps, for the class and its noise table.
pub(super) fn rounding(config: &SchedulerConfig, nearest_for_cosine: bool) -> Rounding {
    let cosine = config.beta_schedule == crate::schedule::BetaSchedule::SquaredCosCapV2;
    if config.sigma_spacing == SigmaSpacing::Karras && (nearest_for_cosine || !cosine) {
        Rounding::Nearest
    } else {
        Rounding::Down
    }
}
