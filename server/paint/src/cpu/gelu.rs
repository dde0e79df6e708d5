//! The gate of the linear layers: half of the numbers times the exact GELU of the other half.
//!
//! Refuses: the faster GELU; see `layers.rs`.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::contiguous;
use super::exp::exp;

/// Numbers of the result that one thread takes at a time, at least.
const PART: usize = 1 << 14;

/// `(..., 2 size)` to `(..., size)`.
pub(crate) struct GatedGelu;

impl CustomOp1 for GatedGelu {
    fn name(&self) -> &'static str {
        "gated-gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = contiguous(x, layout)?;
        let mut dims = layout.shape().dims().to_vec();
        let Some(last) = dims.last_mut().filter(|last| **last > 0 && last.is_multiple_of(2)) else {
            candle_core::bail!("a gate without two halves")
        };
        *last /= 2;
        let size = *last;
        let mut out = vec![0.0; x.len() / 2];
        let arch = Arch::new();
        let rows = PART.div_ceil(size);
        out.par_chunks_mut(rows * size).zip(x.par_chunks(2 * rows * size)).for_each(|(out, x)| {
            arch.dispatch(Rows { size, x, out });
        });
        Ok((CpuStorage::F32(out), Shape::from(dims)))
    }
}

/// The work on some rows.
struct Rows<'a> {
    size: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, x) in self.out.chunks_mut(self.size).zip(self.x.chunks(2 * self.size)) {
            let (values, gates) = x.split_at(self.size);
            for (out, (value, gate)) in out.iter_mut().zip(values.iter().zip(gates)) {
                *out = value * gelu(*gate);
            }
        }
    }
}

/// `x` times the normal distribution's share below it (Hendrycks and Gimpel, 2016), the error function by Abramowitz and
/// Stegun, 7.1.26, which is off by at most 1.5e-7.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / 0.327_591_1f32.mul_add(z, 1.0);
    let mut sum = 1.061_405_4f32;
    for term in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = t.mul_add(sum, term);
    }
    // Half of what the error function lacks to one.
    let rest = 0.5 * t * sum * exp(-z * z);
    x * if x < 0.0 { rest } else { 1.0 - rest }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn it_is_the_exact_one() {
        let gates: Vec<f32> = (-6_000..6_000).map(|at| at as f32 * 1e-3).collect();
        let exact = Tensor::new(gates.as_slice(), &Device::Cpu).and_then(|x| x.gelu_erf()).expect("numbers");
        for (gate, exact) in gates.iter().zip(exact.to_vec1::<f32>().expect("numbers")) {
            assert!((gelu(*gate) - exact).abs() <= 5e-7, "{gate}: {} {exact}", gelu(*gate));
        }
    }
}
