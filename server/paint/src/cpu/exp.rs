//! The exponential function, so that a loop over it becomes vector instructions.
//!
//! Refuses: exact results for what overflows or is almost zero; it is held at the ends of f32's range.

/// `e^x`, off by at most two units of the last place between -87 and 88, and held there beyond.
///
/// `x = n ln 2 + r` with `r` within half of `ln 2`; of `e^r` the first terms of its series, of `2^n` the exponent's bits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.0;
    const HIGHEST: f32 = 88.0;
    // `ln 2` in two parts, of which the first has so few bits that its products are exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and taking away 1.5 * 2^23 rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(LOWEST, HIGHEST);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let mut sum = 1.0 / 5_040.0;
    for term in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = r.mul_add(sum, term);
    }
    // The whole number stands in the last bits of `shifted`; the exponent begins at bit 23.
    let power = shifted.to_bits().wrapping_shl(23).wrapping_add(1.0f32.to_bits());
    sum * f32::from_bits(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential_function() {
        for at in -870_000..=880_000 {
            let x = at as f32 * 1e-4;
            let exact = f64::from(x).exp();
            let off = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(off <= 2.4e-7, "{x}: {off:e}");
        }
        assert_eq!((exp(f32::NEG_INFINITY), exp(0.0)), (exp(-87.0), 1.0));
        assert!(exp(1e30).is_finite() && exp(f32::NAN).is_nan());
    }
}
