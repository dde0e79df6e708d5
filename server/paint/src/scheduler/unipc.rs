//! UniPC: each output first corrects the step that led to it, then predicts the next (Zhao et al., 2023, algorithms 1 and
//! 2; `UniPCMultistepScheduler` predicting images).
//!
//! Refuses: corrections left out at chosen steps, and another solver in its place.

use super::latents::{combine, zip};
use super::levels::{Levels, half_log_snr, of_multistep, rounding};
use super::scale::{Scale, Unit, signal_and_noise};
use super::{Planned, SamplerOptions, Solver, Step};
use crate::error::PaintError;
use crate::schedule::{SchedulerConfig, SolverType};

struct UniPc {
    scale: Unit,
    solver: SolverType,
    order: usize,
    lower_order_final: bool,
    /// Predicted images, the latest last, at most `order` of them.
    images: Vec<Vec<f32>>,
    last: Option<LastStep>,
}

/// The step that the next output corrects.
struct LastStep {
    sample: Vec<f32>,
    order: usize,
}

pub(super) fn plan(config: &SchedulerConfig, options: &SamplerOptions) -> Planned {
    let rounding = rounding(config, true);
    let Levels { timesteps, sigmas } = of_multistep(config, options.steps, rounding, config.num_train_timesteps);
    Planned {
        timesteps,
        initial_noise_scale: 1.0,
        solver: Box::new(UniPc {
            scale: Unit { sigmas, prediction: config.prediction_type },
            solver: config.solver_type,
            order: config.solver_order,
            lower_order_final: config.lower_order_final,
            images: Vec::new(),
            last: None,
        }),
    }
}

/// What prediction and correction of one step have in common: from level `from` to the level after it.
struct Interval {
    of_sample: f32,
    of_image: f32,
    of_differences: f32,
    /// Rows and right side of the equations for the weights of the differences.
    powers: Vec<f32>,
    right: Vec<f32>,
    /// Differences of earlier images to the latest, over their distance.
    differences: Vec<Vec<f32>>,
}

impl UniPc {
    /// `images` before the step, the latest last.
    fn interval(&self, from: usize, order: usize, images: &[Vec<f32>]) -> Interval {
        let (signal, deviation) = signal_and_noise(self.scale.sigmas[from + 1]);
        let now = half_log_snr(self.scale.sigmas[from]);
        let h = half_log_snr(self.scale.sigmas[from + 1]) - now;
        let latest = &images[images.len() - 1];
        let mut powers = Vec::new();
        let mut differences = Vec::new();
        for back in 1..order {
            let distance = (half_log_snr(self.scale.sigmas[from - back]) - now) / h;
            let earlier = &images[images.len() - 1 - back];
            powers.push(distance);
            differences.push(zip(earlier, latest, |earlier, latest| (earlier - latest) / distance));
        }
        powers.push(1.0);
        let growth = f64::from(-h).exp_m1() as f32;
        let base = if self.solver == SolverType::Bh1 { -h } else { growth };
        let mut phi = growth / -h - 1.0;
        let mut factorial = 1.0;
        let mut right = Vec::new();
        for row in 1..=order {
            right.push(phi * factorial / base);
            factorial *= (row + 1) as f32;
            phi = phi / -h - 1.0 / factorial;
        }
        Interval {
            of_sample: deviation / signal_and_noise(self.scale.sigmas[from]).1,
            of_image: -(signal * growth),
            of_differences: -(signal * base),
            powers,
            right,
            differences,
        }
    }

    /// The sample that the last step should have led to, now that the output there is known.
    fn correct(&self, index: usize, image: &[f32], last: &LastStep) -> Result<Vec<f32>, PaintError> {
        let Some(latest) = self.images.last() else {
            return Err(PaintError::Bug("UniPC was to correct a step without images".to_owned()));
        };
        let interval = self.interval(index - 1, last.order, &self.images);
        let weights = if last.order == 1 { vec![0.5] } else { solve(&interval.powers, &interval.right) };
        let mut sum = interval.weighted(&weights, image.len());
        let of_image = weights[weights.len() - 1];
        for ((sum, image), latest) in sum.iter_mut().zip(image).zip(latest) {
            *sum += of_image * (image - latest);
        }
        Ok(interval.step(&last.sample, latest, &sum))
    }

    fn predict(&self, index: usize, order: usize, sample: &[f32]) -> Vec<f32> {
        let interval = self.interval(index, order, &self.images);
        let latest = &self.images[self.images.len() - 1];
        let weights = match order {
            // Nothing to weigh; and at a last level of zero the factor of nothing may be infinite.
            1 => return combine(&[(interval.of_sample, sample), (interval.of_image, latest)]),
            2 => vec![0.5],
            _ => solve(&interval.powers[..order - 1], &interval.right[..order - 1]),
        };
        let sum = interval.weighted(&weights, sample.len());
        interval.step(sample, latest, &sum)
    }
}

impl Interval {
    fn weighted(&self, weights: &[f32], len: usize) -> Vec<f32> {
        let mut sum = vec![0.0; len];
        for (weight, difference) in weights.iter().zip(&self.differences) {
            for (sum, value) in sum.iter_mut().zip(difference) {
                *sum += weight * value;
            }
        }
        sum
    }

    fn step(&self, sample: &[f32], image: &[f32], sum: &[f32]) -> Vec<f32> {
        combine(&[(self.of_sample, sample), (self.of_image, image), (self.of_differences, sum)])
    }
}

/// Solves `sum_k weights[k] * powers[k]^row = right[row]`, at most three equations, by elimination in f64.
fn solve(powers: &[f32], right: &[f32]) -> Vec<f32> {
    let count = powers.len();
    let row = |row: usize| -> Vec<f64> {
        let power = |power: &f32| f64::from(power.powi(i32::try_from(row).unwrap_or(i32::MAX)));
        powers.iter().map(power).chain([f64::from(right[row])]).collect()
    };
    let mut rows: Vec<Vec<f64>> = (0..count).map(row).collect();
    for column in 0..count {
        let largest = (column..count).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        rows.swap(column, largest.unwrap_or(column));
        let pivot = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| *at != column) {
            let factor = row[column] / pivot[column];
            for (value, pivot) in row.iter_mut().zip(&pivot) {
                *value -= factor * pivot;
            }
        }
    }
    rows.iter().enumerate().map(|(at, row)| (row[count] / row[at]) as f32).collect()
}

impl Solver for UniPc {
    fn scale(&self) -> &dyn Scale {
        &self.scale
    }

    fn step(&mut self, Step { index, output, sample, .. }: Step<'_>) -> Result<Vec<f32>, PaintError> {
        let image = self.scale.image(index, output, sample);
        let sample = match self.last.take() {
            Some(last) => self.correct(index, &image, &last)?,
            None => sample.to_vec(),
        };
        if self.images.len() == self.order {
            self.images.remove(0);
        }
        self.images.push(image);
        let left = self.scale.sigmas.len() - 1 - index;
        let allowed = if self.lower_order_final { self.order.min(left) } else { self.order };
        let order = allowed.min(self.images.len());
        let next = self.predict(index, order, &sample);
        self.last = Some(LastStep { sample, order });
        Ok(next)
    }
}
