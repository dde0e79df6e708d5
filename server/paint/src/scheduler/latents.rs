//! Arithmetic over whole latents, in f32 and in the order in which the reference computes.
//!
//! Refuses: slices of different lengths silently; the shortest one counts, and callers compare lengths before.

use crate::error::PaintError;

/// `first * a + second * b + ...`, summed from the left.
pub(super) fn combine(parts: &[(f32, &[f32])]) -> Vec<f32> {
    let Some(((factor, first), rest)) = parts.split_first() else { return Vec::new() };
    let mut sum: Vec<f32> = first.iter().map(|value| factor * value).collect();
    for (factor, part) in rest {
        for (sum, value) in sum.iter_mut().zip(*part) {
            *sum += factor * value;
        }
    }
    sum
}

/// A value from each pair.
pub(super) fn zip(a: &[f32], b: &[f32], join: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| join(*a, *b)).collect()
}

/// Holds every value to `-range..=range`, where there is a range.
pub(super) fn clip(values: &mut [f32], range: Option<f32>) {
    let Some(range) = range else { return };
    for value in values {
        *value = value.clamp(-range, range);
    }
}

/// # Errors
/// `NotFinite` with the place when a value is not.
pub(super) fn all_finite(values: &[f32], place: &str) -> Result<(), PaintError> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(PaintError::NotFinite { place: place.to_owned() })
}
