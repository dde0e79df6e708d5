//! Small pictures of an image in the making: each place of the latent becomes one pixel by a linear rule.
//!
//! No table of published factors is needed: the rule is fitted, by least squares, to what the model's own encoder makes of
//! a field of colours, so that every family has one. Refuses: to run the decoder, to make more than a few a second, and to
//! fail an image because its preview cannot be made.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use candle_core::{DType, Tensor};
use model::Preview;

use crate::error::PaintError;
use crate::noise::Generator;
use crate::pipeline::Pipeline;
use crate::stop::Stop;
use crate::vae::Vae;

/// Shortest time between two previews.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest side of a preview, in pixels.
const SIDE_PIXELS_MAX: usize = 256;

/// Places along each side of the latent that the rule is fitted to.
const PLACES: usize = 16;

/// Colours along each side of the field; between them it goes over evenly, as most of a photograph does.
const COLOURS: usize = 6;

/// Keeps the rule small where the field says nothing about a channel, as a share of the channel's own square.
const RIDGE: f64 = 1e-4;

/// When the last preview was made.
#[derive(Default)]
pub(super) struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// Whether it is time for one; if so, the next has to wait.
    pub(super) fn is_due(&mut self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// The rule of one model, fitted when the first preview is wanted.
#[derive(Default)]
pub(super) struct Previews {
    rule: OnceLock<Option<Rule>>,
}

/// Red, green and blue from the channels of a latent, as the denoiser has them, and a constant at the end.
struct Rule {
    factors: Vec<[f64; 3]>,
}

impl Previews {
    /// The preview of a latent of this shape; nothing when the model gives no rule.
    ///
    /// # Errors
    /// `Cancelled` while the rule is being fitted.
    pub(super) fn of(
        &self,
        pipeline: &Pipeline,
        latent: &[f32],
        [_, height, width]: [usize; 3],
        stop: Stop<'_>,
    ) -> Result<Option<Preview>, PaintError> {
        let rule = match self.rule.get() {
            Some(rule) => rule,
            None => match Rule::fit(&pipeline.vae, stop) {
                Err(PaintError::Cancelled) => return Err(PaintError::Cancelled),
                fitted => self.rule.get_or_init(|| fitted.ok().flatten()),
            },
        };
        Ok(rule.as_ref().map(|rule| rule.preview(latent, height, width)))
    }
}

impl Rule {
    fn preview(&self, latent: &[f32], height: usize, width: usize) -> Preview {
        // Of a large latent only every so many-th place is taken.
        let stride = height.max(width).div_ceil(SIDE_PIXELS_MAX);
        let mut rgb = Vec::new();
        for y in (0..height).step_by(stride) {
            for x in (0..width).step_by(stride) {
                let channel = |at: usize| latent.get(at * height * width + y * width + x).copied();
                rgb.extend(self.colour(|at| channel(at).map_or(0.0, f64::from)));
            }
        }
        let side = |pixels: usize| pixels.div_ceil(stride) as u32;
        Preview { width_pixels: side(width), height_pixels: side(height), rgb }
    }

    fn colour(&self, channel: impl Fn(usize) -> f64) -> [u8; 3] {
        let constant = self.factors.len() - 1;
        let value = |at: usize| if at == constant { 1.0 } else { channel(at) };
        let sum = |colour: usize| {
            self.factors.iter().enumerate().map(|(at, factors)| factors[colour] * value(at)).sum::<f64>()
        };
        [0, 1, 2].map(|colour| ((sum(colour) / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8)
    }

    /// `None` when the encoder's numbers give no rule.
    fn fit(vae: &Vae, stop: Stop<'_>) -> Result<Option<Self>, PaintError> {
        let config = vae.config();
        let (factor, channels) = (config.factor(), config.latent_channels);
        let side = PLACES * factor;
        let field = field(side)?;
        let image = Tensor::from_slice(&field, (1, 3, side, side), vae.device())?;
        let (mean, _) = vae.encode(&image, stop)?;
        let mean = ((mean - config.shift_factor)? * config.scaling_factor)?.to_dtype(DType::F32)?;
        let latent: Vec<f32> = mean.flatten_all()?.to_vec1()?;
        let places = PLACES * PLACES;
        let row = |place: usize| -> Vec<f64> {
            (0..channels).map(|at| f64::from(latent[at * places + place])).chain([1.0]).collect()
        };
        // The colour of a place is that of the pixel in its middle.
        let pixel = |place: usize| {
            let (y, x) = (place / PLACES * factor + factor / 2, place % PLACES * factor + factor / 2);
            [0, 1, 2].map(|colour| f64::from(field[colour * side * side + y * side + x]))
        };
        let rows: Vec<(Vec<f64>, [f64; 3])> = (0..places).map(|place| (row(place), pixel(place))).collect();
        Ok(least_squares(&rows).map(|factors| Self { factors }))
    }
}

/// Colours from -1 to 1 in three planes, bilinear between a few that are chosen once and for all.
fn field(side: usize) -> Result<Vec<f32>, PaintError> {
    const SEED: u64 = 1;
    let chosen = Generator::new(SEED).normal(3 * COLOURS * COLOURS)?;
    let chosen = |colour: usize, y: usize, x: usize| chosen[(colour * COLOURS + y) * COLOURS + x].clamp(-1.0, 1.0);
    let mut field = Vec::with_capacity(3 * side * side);
    let place = |at: usize| {
        let exact = at as f32 / side as f32 * (COLOURS - 1) as f32;
        (exact as usize, exact.fract())
    };
    for colour in 0..3 {
        for (row, down) in (0..side).map(place) {
            for (column, right) in (0..side).map(place) {
                let across = |row: usize| {
                    chosen(colour, row, column) * (1.0 - right) + chosen(colour, row, column + 1) * right
                };
                field.push(across(row) * (1.0 - down) + across(row + 1) * down);
            }
        }
    }
    Ok(field)
}

/// Factors for which the rows come nearest to their colours; `None` when they are not finite. Normal equations in f64,
/// solved by elimination.
fn least_squares(rows: &[(Vec<f64>, [f64; 3])]) -> Option<Vec<[f64; 3]>> {
    let count = rows.first()?.0.len();
    let mut equations = vec![vec![0.0; count + 3]; count];
    for (row, colour) in rows {
        for (at, equation) in equations.iter_mut().enumerate() {
            let right = row.iter().chain(colour);
            equation.iter_mut().zip(right).for_each(|(sum, value)| *sum += row[at] * value);
        }
    }
    for (at, equation) in equations.iter_mut().enumerate() {
        equation[at] = equation[at] * (1.0 + RIDGE) + f64::MIN_POSITIVE;
    }
    for column in 0..count {
        let largest =
            (column..count).max_by(|a, b| equations[*a][column].abs().total_cmp(&equations[*b][column].abs()))?;
        equations.swap(column, largest);
        let pivot = equations[column].clone();
        for (_, equation) in equations.iter_mut().enumerate().filter(|(at, _)| *at != column) {
            let factor = equation[column] / pivot[column];
            equation.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    let factors: Vec<[f64; 3]> = equations
        .iter()
        .enumerate()
        .map(|(at, equation)| [0, 1, 2].map(|colour| equation[count + colour] / equation[at]))
        .collect();
    factors.iter().flatten().all(|factor| factor.is_finite()).then_some(factors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_previews_are_half_a_second_apart() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |ms: u64| start + Duration::from_millis(ms);
        let due: Vec<bool> = [0, 1, 499, 500, 999, 1_000, 5_000].map(|ms| pace.is_due_at(after(ms))).to_vec();
        assert_eq!(due, [true, false, false, true, false, true, true]);
    }

    #[test]
    fn a_linear_rule_is_found_again() {
        let numbers = Generator::new(5).normal(400).unwrap();
        let factors = [[0.3, -0.1, 0.5], [0.0, 0.7, 0.1], [-0.4, 0.2, 0.2], [0.05, 0.0, -0.05]];
        let rows: Vec<(Vec<f64>, [f64; 3])> = numbers
            .chunks(3)
            .filter(|row| row.len() == 3)
            .map(|row| {
                let row: Vec<f64> = row.iter().map(|number| f64::from(*number)).chain([1.0]).collect();
                let sum = |colour: usize| row.iter().zip(&factors).map(|(x, factor)| x * factor[colour]).sum();
                let colours = [0, 1, 2].map(sum);
                (row, colours)
            })
            .collect();
        let found = least_squares(&rows).unwrap();
        for (found, factor) in found.iter().flatten().zip(factors.iter().flatten()) {
            assert!((found - factor).abs() < 1e-3, "{found} {factor}");
        }
        assert!(least_squares(&[(vec![f64::NAN], [0.0; 3])]).is_none() && least_squares(&[]).is_none());
    }

    #[test]
    fn large_latents_make_small_previews() {
        let rule = Rule { factors: vec![[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]] };
        for (height, width, expected) in [(64, 48, (64, 48)), (512, 100, (256, 50)), (513, 512, (171, 171))] {
            let preview = rule.preview(&vec![1.0; height * width], height, width);
            assert_eq!((preview.height_pixels as usize, preview.width_pixels as usize), expected);
            assert_eq!(preview.rgb.len(), expected.0 * expected.1 * 3);
            assert_eq!(preview.rgb[..3], [255, 128, 128]);
        }
    }
}
