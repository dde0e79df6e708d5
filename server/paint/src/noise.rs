//! Normal noise, made on the CPU in f32 and equal to `torch.randn` with a CPU generator, bit for bit.
//!
//! One generator belongs to one image, so a seed gives the same picture on every device and in every batch. Refuses:
//! the global generators of any tensor library, whose state other jobs change.

mod lanes;
mod twister;

use crate::error::PaintError;
use twister::Twister;

/// Most numbers one call makes: a batch of none of our models needs more for one image.
pub const NOISE_ELEMENTS_MAX: usize = 1 << 26;

/// From this size on torch fills whole blocks and pairs numbers within them.
const BLOCK: usize = 16;
const HALF: usize = BLOCK / 2;

/// The source of one image's noise: `torch.Generator("cpu").manual_seed(seed)`.
#[derive(Clone)]
pub struct Generator {
    twister: Twister,
    /// The second number of the last pair that was made one at a time.
    spare: Option<f64>,
}

impl Generator {
    /// Starts at a seed. As in torch only its lower 32 bits count.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { twister: Twister::new(seed), spare: None }
    }

    /// The generator of an image in a batch: its seed is the batch's seed plus its place, counted from zero.
    #[must_use]
    pub fn of_image(seed: u64, image: u64) -> Self {
        Self::new(seed.wrapping_add(image))
    }

    /// The next `len` numbers with mean 0 and deviation 1, as `torch.randn(len, generator=...)` gives them. What a
    /// generator gives depends on how it is divided into calls, as it does in torch.
    ///
    /// # Errors
    /// When more than [`NOISE_ELEMENTS_MAX`] are asked for.
    pub fn normal(&mut self, len: usize) -> Result<Vec<f32>, PaintError> {
        if len > NOISE_ELEMENTS_MAX {
            return Err(PaintError::BadRequest(format!("{len} numbers of noise are over {NOISE_ELEMENTS_MAX}")));
        }
        if len < BLOCK {
            return Ok((0..len).map(|_| self.one() as f32).collect());
        }
        let mut out: Vec<f32> = (0..len).map(|_| self.uniform()).collect();
        for block in out.chunks_exact_mut(BLOCK) {
            box_muller(block);
        }
        if !len.is_multiple_of(BLOCK) {
            // The last whole block is made anew from fresh numbers, over what was there.
            let last = &mut out[len - BLOCK..];
            last.fill_with(|| self.uniform());
            box_muller(last);
        }
        Ok(out)
    }

    /// Uniform in `[0, 1)` with 24 bits.
    fn uniform(&mut self) -> f32 {
        (self.twister.next_u32() & 0x00ff_ffff) as f32 / 16_777_216.0
    }

    /// Uniform in `[0, 1)` with 53 bits.
    fn uniform_f64(&mut self) -> f64 {
        (self.twister.next_u64() & ((1 << 53) - 1)) as f64 / 9_007_199_254_740_992.0
    }

    /// One normal number, in f64, the other of its pair kept for the next call (`at::normal_distribution`).
    fn one(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let angle = 2.0 * std::f64::consts::PI * self.uniform_f64();
        let radius = (-2.0 * (-self.uniform_f64()).ln_1p()).sqrt();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// Turns sixteen uniform numbers into normal ones: number `i` gives the radius and `i + 8` the angle of a pair.
fn box_muller(block: &mut [f32]) {
    let (first, second) = block.split_at_mut(HALF);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0 * lanes::ln(1.0 - *a)).sqrt();
        let (sine, cosine) = lanes::sin_cos(std::f32::consts::TAU * *b);
        *a = radius * cosine;
        *b = radius * sine;
    }
}

#[cfg(test)]
mod tests {
    use super::{Generator, NOISE_ELEMENTS_MAX};

    #[test]
    fn an_image_has_the_noise_of_its_own_seed() {
        let alone = Generator::new(44).normal(64).unwrap();
        assert_eq!(Generator::of_image(42, 2).normal(64).unwrap(), alone);
    }

    #[test]
    fn seeds_wrap_and_sizes_are_bounded() {
        assert_eq!(Generator::of_image(u64::MAX, 1).normal(3).unwrap(), Generator::new(0).normal(3).unwrap());
        assert!(Generator::new(0).normal(NOISE_ELEMENTS_MAX + 1).is_err());
        assert!(Generator::new(0).normal(0).unwrap().is_empty());
    }

    #[test]
    fn the_numbers_are_normal() {
        let numbers = Generator::new(1).normal(100_003).unwrap();
        let mean = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() / 100_003.0;
        let variance = numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 100_003.0;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert!(numbers.iter().all(|x| x.is_finite()));
    }
}
