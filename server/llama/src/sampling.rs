//! A request's wishes for the draw, made safe.
//!
//! Refuses: numbers that native code would choke on, by taking the nearest sensible one.

use model::Sampling;

use crate::native::SamplerOptions;

const TEMPERATURE_MAX: f32 = 10.0;
const REPEAT_PENALTY_MAX: f32 = 10.0;
const TOP_K_MAX: u32 = 1_000_000;

/// Settings within their bounds.
pub(crate) fn checked(wish: &Sampling) -> SamplerOptions {
    let or = |value: f32, fallback: f32| if value.is_finite() { value } else { fallback };
    SamplerOptions {
        temperature: or(wish.temperature, 0.0).clamp(0.0, TEMPERATURE_MAX),
        top_p: or(wish.top_p, 1.0).clamp(0.0, 1.0),
        top_k: i32::try_from(wish.top_k.min(TOP_K_MAX)).unwrap_or_default(),
        min_p: or(wish.min_p, 0.0).clamp(0.0, 1.0),
        repeat_penalty: match or(wish.repeat_penalty, 1.0) {
            penalty if penalty > 0.0 => penalty.min(REPEAT_PENALTY_MAX),
            _ => 1.0,
        },
        // The highest number asks native code for a random seed, and answers would not repeat.
        seed: wish.seed.min(u32::MAX - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_wishes_become_sensible() {
        let wish = Sampling {
            temperature: f32::NAN,
            top_p: f32::INFINITY,
            top_k: u32::MAX,
            min_p: -1.0,
            repeat_penalty: -3.0,
            seed: u32::MAX,
        };
        let expected = SamplerOptions {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 1_000_000,
            min_p: 0.0,
            repeat_penalty: 1.0,
            seed: u32::MAX - 1,
        };
        assert_eq!(checked(&wish), expected);
        let wish = Sampling::default();
        let kept = checked(&wish);
        assert_eq!((kept.temperature, kept.top_p, kept.top_k), (wish.temperature, wish.top_p, 40));
    }
}
