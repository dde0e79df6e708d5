//! Rotary positions (Su et al., 2021): pairs of numbers are turned by angles that grow with a token's place.
//!
//! Tables are f32 and so is the turning, whatever type the model has; in half precision the angles of distant places would
//! be off by whole turns. Refuses: places that the model's tables do not have; that is the caller's to say.

use candle_core::{DType, Device, Tensor};

use crate::error::PaintError;

/// Cosines and sines for each token, `(tokens, size / 2)` each.
#[derive(Clone)]
pub(crate) struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// Tables of angles, `tokens` rows of them.
    pub(crate) fn of_angles(angles: &[f64], tokens: usize, device: &Device) -> Result<Self, PaintError> {
        let table = |function: fn(f64) -> f64| -> Result<Tensor, PaintError> {
            let numbers: Vec<f32> = angles.iter().map(|angle| function(*angle) as f32).collect();
            Ok(Tensor::from_vec(numbers, (tokens, angles.len() / tokens.max(1)), device)?)
        };
        Ok(Self { cos: table(f64::cos)?, sin: table(f64::sin)? })
    }

    /// The tokens of the one and then those of the other.
    pub(crate) fn then(&self, other: &Self) -> Result<Self, PaintError> {
        Ok(Self { cos: Tensor::cat(&[&self.cos, &other.cos], 0)?, sin: Tensor::cat(&[&self.sin, &other.sin], 0)? })
    }

    /// Turns pairs of neighbours; `x` is `(batch, heads, tokens, size)`.
    pub(crate) fn turn_neighbours(&self, x: &Tensor) -> Result<Tensor, PaintError> {
        self.turn(x, candle_nn::rotary_emb::rope_i)
    }

    /// Turns pairs of one number from each half; `x` is `(batch, heads, tokens, size)`.
    pub(crate) fn turn_halves(&self, x: &Tensor) -> Result<Tensor, PaintError> {
        self.turn(x, candle_nn::rotary_emb::rope)
    }

    fn turn(
        &self,
        x: &Tensor,
        turned: fn(&Tensor, &Tensor, &Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Tensor, PaintError> {
        let exact = x.to_dtype(DType::F32)?.contiguous()?;
        Ok(turned(&exact, &self.cos, &self.sin)?.to_dtype(x.dtype())?)
    }
}

/// Angles for one number of a place after the other at falling frequencies, `size / 2` of them.
pub(crate) fn angles(place: usize, size: usize, theta: f64) -> impl Iterator<Item = f64> {
    (0..size).step_by(2).map(move |at| place as f64 * (1.0 / theta.powf(at as f64 / size as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().and_then(|flat| flat.to_vec1()).unwrap()
    }

    #[test]
    fn a_quarter_turn_of_both_kinds() {
        let quarter = std::f64::consts::FRAC_PI_2;
        let rotary = Rotary::of_angles(&[0.0, 0.0, quarter, quarter], 2, &Device::Cpu).unwrap();
        let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0], &Device::Cpu).unwrap();
        let x = x.reshape((1, 1, 2, 4)).unwrap();
        for (turned, expected) in [
            (rotary.turn_neighbours(&x).unwrap(), [1.0, 2.0, 3.0, 4.0, -2.0, 1.0, -4.0, 3.0]),
            (rotary.turn_halves(&x).unwrap(), [1.0, 2.0, 3.0, 4.0, -3.0, -4.0, 1.0, 2.0]),
        ] {
            for (got, expected) in numbers(&turned).iter().zip(expected) {
                assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
            }
        }
    }

    #[test]
    fn angles_of_far_places_do_not_depend_on_the_type_of_the_model() {
        let rotary = Rotary::of_angles(&[1_000.5], 1, &Device::Cpu).unwrap();
        let x = Tensor::new(&[1.0f32, 0.0], &Device::Cpu).unwrap().reshape((1, 1, 1, 2)).unwrap();
        let exact = numbers(&rotary.turn_neighbours(&x).unwrap());
        let half = rotary.turn_neighbours(&x.to_dtype(DType::BF16).unwrap()).unwrap();
        let half = numbers(&half.to_dtype(DType::F32).unwrap());
        assert!((exact[0] - half[0]).abs() < 4e-3 && (exact[1] - half[1]).abs() < 4e-3);
    }

    #[test]
    fn frequencies_fall_from_one() {
        let found: Vec<f64> = angles(3, 4, 100.0).collect();
        assert!((found[0] - 3.0).abs() < 1e-12 && (found[1] - 0.3).abs() < 1e-12 && found.len() == 2);
    }
}
