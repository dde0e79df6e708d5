//! How much of the image is left at each training timestep: the running product of `1 - beta`.
//!
//! Refuses: tables whose values are no probabilities.

use super::config::{BetaSchedule, SchedulerConfig};

/// Products `alphas_cumprod` for timesteps `0..num_train_timesteps`, in f32 with the running product in f64, as torch's
/// `cumprod` on a CPU keeps it. With `rescale_betas_zero_snr` the last one is 0 (Lin et al., 2023, "Common Diffusion
/// Noise Schedules and Sample Steps Are Flawed", algorithm 1).
pub(crate) fn alphas_cumprod(config: &SchedulerConfig) -> Vec<f32> {
    let mut betas = betas(config);
    if config.rescale_betas_zero_snr {
        rescale_to_zero_snr(&mut betas);
    }
    running_product(&betas)
}

fn running_product(betas: &[f32]) -> Vec<f32> {
    let products = betas.iter().scan(1.0f64, |product, beta| {
        *product *= f64::from(1.0 - beta);
        Some(*product as f32)
    });
    products.collect()
}

fn betas(config: &SchedulerConfig) -> Vec<f32> {
    let count = config.num_train_timesteps;
    if let Some(trained) = &config.trained_betas {
        return trained.clone();
    }
    match config.beta_schedule {
        BetaSchedule::Linear => linspace_f32(config.beta_start as f32, config.beta_end as f32, count),
        BetaSchedule::ScaledLinear => {
            let roots = linspace_f32(config.beta_start.sqrt() as f32, config.beta_end.sqrt() as f32, count);
            roots.into_iter().map(|root| root * root).collect()
        }
        BetaSchedule::SquaredCosCapV2 => cosine(count),
    }
}

/// `torch.linspace` in f32: the first half is counted from the start and the second from the end, rounded once.
fn linspace_f32(start: f32, end: f32, count: usize) -> Vec<f32> {
    if count == 1 {
        return vec![start];
    }
    let step = (end - start) / (count - 1) as f32;
    let value = |at: usize| {
        if at < count / 2 { step.mul_add(at as f32, start) } else { (-step).mul_add((count - at - 1) as f32, end) }
    };
    (0..count).map(value).collect()
}

/// Nichol and Dhariwal, 2021, "Improved Denoising Diffusion Probabilistic Models", equation 17, capped at 0.999.
fn cosine(count: usize) -> Vec<f32> {
    let alpha_bar = |t: f64| ((t + 0.008) / 1.008 * std::f64::consts::PI / 2.0).cos().powi(2);
    let beta = |at: usize| {
        let (now, next) = (at as f64 / count as f64, (at + 1) as f64 / count as f64);
        (1.0 - alpha_bar(next) / alpha_bar(now)).min(0.999) as f32
    };
    (0..count).map(beta).collect()
}

fn rescale_to_zero_snr(betas: &mut [f32]) {
    let mut roots: Vec<f32> = running_product(betas).into_iter().map(f32::sqrt).collect();
    let (Some(&first), Some(&last)) = (roots.first(), roots.last()) else { return };
    let stretch = first / (first - last);
    for root in &mut roots {
        *root = (*root - last) * stretch;
    }
    let products: Vec<f32> = roots.into_iter().map(|root| root * root).collect();
    let mut before = 1.0;
    for (beta, product) in betas.iter_mut().zip(products) {
        *beta = 1.0 - product / before;
        before = product;
    }
}
