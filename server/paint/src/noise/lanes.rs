//! Logarithm, sine and cosine as torch's eight-lane code computes them, one number at a time.
//!
//! The polynomials are those of Cephes (`logf`, `sinf`, `cosf`). Their last bit differs from the C library's, and a seed
//! must give the same noise on every machine, so no function of the system is called. Where torch's compiler joins a
//! product and a sum into one rounding, `mul_add` does the same. Refuses: arguments outside of what Box-Muller needs.

#![expect(clippy::excessive_precision, reason = "the constants are written as they were published")]

/// Natural logarithm for `0 < x <= 1`, smallest normal number for zero.
pub(super) fn ln(x: f32) -> f32 {
    const COEFFICIENTS: [f32; 8] = [
        -1.151_461_031_0e-1,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ];
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    // Mantissa in [0.5, 1) and the exponent that goes with it, both moved so that the mantissa lies around one.
    let mut exponent = (bits >> 23) as i32 - 126;
    let mantissa = f32::from_bits((bits & 0x807f_ffff) | 0.5f32.to_bits());
    let mut m = mantissa - 1.0;
    if mantissa < std::f32::consts::FRAC_1_SQRT_2 {
        exponent -= 1;
        m += mantissa;
    }
    let e = exponent as f32;
    let square = m * m;
    let series = COEFFICIENTS.iter().fold(7.037_683_629_2e-2f32, |sum, next| sum.mul_add(m, *next)) * m;
    let series = series.mul_add(square, e * -2.121_944_40e-4);
    let series = square.mul_add(-0.5, series);
    e.mul_add(0.693_359_375, m + series)
}

const FOUR_OVER_PI: f32 = 1.273_239_544_735_16;

/// Sine and cosine for `0 <= x < 8192`.
pub(super) fn sin_cos(x: f32) -> (f32, f32) {
    // The octant, rounded up to an even one; what is left lies within an eighth of a turn of it.
    let octant = ((x * FOUR_OVER_PI) as i32 + 1) & !1;
    let y = octant as f32;
    let x = y.mul_add(-0.785_156_25, x);
    let x = y.mul_add(-2.418_756_484_985_351_562_5e-4, x);
    let x = y.mul_add(-3.774_894_977_445_941_08e-8, x);
    let z = x * x;
    let c = 2.443_315_711_809_948e-5f32.mul_add(z, -1.388_731_625_493_765e-3);
    let c = c.mul_add(z, 4.166_664_568_298_827e-2) * z;
    let c = c.mul_add(z, z * -0.5) + 1.0;
    let s = (-1.951_529_589_1e-4f32).mul_add(z, 8.332_160_873_6e-3);
    let s = s.mul_add(z, -1.666_665_461_1e-1) * z;
    let s = s.mul_add(x, x);
    let (sine, cosine) = if octant & 2 == 0 { (s, c) } else { (c, s) };
    let sine = if octant & 4 == 0 { sine } else { -sine };
    let cosine = if (octant - 2) & 4 == 0 { -cosine } else { cosine };
    (sine, cosine)
}
