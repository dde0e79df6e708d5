//! The inverse of the regularised incomplete beta function with two equal parameters: quantiles of a symmetric beta
//! distribution.
//!
//! Refuses: nothing; arguments outside of 0 to 1 count as 0 or 1.

/// Terms of the continued fraction; for parameters around one half some dozen suffice.
const TERMS_MAX: usize = 300;

/// Halvings of the interval, enough for every bit of an f64.
const HALVINGS: usize = 1_100;

/// The `x` with `I_x(shape, shape) = p`.
pub(super) fn inverse_regularized_beta(p: f64, shape: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return 1.0;
    }
    // The distribution is symmetric, and near zero an f64 is finest.
    if p > 0.5 {
        return 1.0 - inverse_regularized_beta(1.0 - p, shape);
    }
    let (mut low, mut high) = (0.0f64, 0.5f64);
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if regularized_beta(middle, shape) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// `I_x(a, a)` for `0 < x <= 1/2`, from its continued fraction (Abramowitz and Stegun, 26.5.8) by Lentz's method.
fn regularized_beta(x: f64, a: f64) -> f64 {
    const TINY: f64 = 1e-300;
    // 1 / B(a, a) is fixed by I_1/2 = 1/2, so no gamma function is needed.
    let body = |x: f64| {
        let front = (x * (1.0 - x)).powf(a) / a;
        let (mut c, mut d) = (1.0, 1.0 / nonzero(1.0 - 2.0 * a * x / (a + 1.0), TINY));
        let mut fraction = d;
        for term in 1..TERMS_MAX {
            let m = term as f64;
            let even = m * (a - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
            let odd = -(a + m) * (2.0 * a + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
            let mut change = 1.0;
            for factor in [even, odd] {
                d = 1.0 / nonzero(1.0 + factor * d, TINY);
                c = nonzero(1.0 + factor / c, TINY);
                fraction *= d * c;
                change = d * c;
            }
            if (change - 1.0).abs() < 1e-16 {
                break;
            }
        }
        front * fraction
    };
    0.5 * body(x) / body(0.5)
}

fn nonzero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

#[cfg(test)]
mod tests {
    use super::{inverse_regularized_beta, regularized_beta};

    #[test]
    fn the_arcsine_distribution_has_a_closed_form() {
        for at in [1e-6, 0.01, 0.1, 0.25, 0.3, 0.5, 0.7, 0.99] {
            let expected = (std::f64::consts::FRAC_PI_2 * at).sin().powi(2);
            let got = inverse_regularized_beta(at, 0.5);
            assert!((got - expected).abs() <= 1e-13 * expected.max(0.01), "{at}: {got} {expected}");
        }
    }

    #[test]
    fn it_inverts() {
        for at in [0.001, 0.2, 0.4, 0.5] {
            assert!((regularized_beta(inverse_regularized_beta(at, 0.6), 0.6) - at).abs() < 1e-14);
        }
        assert!(inverse_regularized_beta(-1.0, 0.6).abs() < 1e-300);
        assert!((inverse_regularized_beta(2.0, 0.6) - 1.0).abs() < 1e-300);
    }
}
