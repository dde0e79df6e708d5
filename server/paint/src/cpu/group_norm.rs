//! Normalisation over groups of channels, with the activation behind it where there is one.
//!
//! Refuses: groups without numbers.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::contiguous;
use super::exp::exp;

/// Sums run side by side; after so many numbers they go over into f64, so that large groups lose nothing.
const LANES: usize = 16;
const RUN: usize = 1_024;

/// Normalises `(batch, channels, ...)` by groups, times a factor and plus an offset for each channel, both `(channels,)`.
pub(crate) struct GroupNorm {
    pub(crate) groups: usize,
    pub(crate) eps: f64,
    /// Whether `x * sigmoid(x)` follows.
    pub(crate) silu: bool,
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        "group-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        factors: &CpuStorage,
        factors_layout: &Layout,
        offsets: &CpuStorage,
        offsets_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = x_layout.shape().clone();
        let (x, factors, offsets) =
            (contiguous(x, x_layout)?, contiguous(factors, factors_layout)?, contiguous(offsets, offsets_layout)?);
        let [batch, channels, ..] = *shape.dims() else { candle_core::bail!("an image without channels") };
        let is_wrong =
            factors.len() != channels || offsets.len() != channels || !channels.is_multiple_of(self.groups);
        if is_wrong || x.is_empty() {
            candle_core::bail!("{channels} channels cannot be normalised in {} groups", self.groups)
        }
        let of_group = channels / self.groups;
        let size = x.len() / (batch * self.groups);
        let arch = Arch::new();
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(size).zip(x.par_chunks(size)).enumerate().for_each(|(at, (out, x))| {
            let first = at % self.groups * of_group;
            let (factors, offsets) = (&factors[first..][..of_group], &offsets[first..][..of_group]);
            arch.dispatch(Group { norm: self, x, out, factors, offsets });
        });
        Ok((CpuStorage::F32(out), shape))
    }
}

/// The work on one group.
struct Group<'a> {
    norm: &'a GroupNorm,
    x: &'a [f32],
    out: &'a mut [f32],
    factors: &'a [f32],
    offsets: &'a [f32],
}

impl WithSimd for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { norm, x, out, factors, offsets } = self;
        let count = x.len() as f64;
        let mean = sum(x, |number| number) / count;
        let about = mean as f32;
        // Around the rounded mean; the difference to the mean itself is taken off again.
        let variance =
            sum(x, |number| (number - about) * (number - about)) / count - (mean - f64::from(about)).powi(2);
        let scale = 1.0 / (variance.max(0.0) + norm.eps).sqrt();
        let channel = x.len() / factors.len();
        let channels = x.chunks(channel).zip(out.chunks_mut(channel));
        for ((x, out), (factor, offset)) in channels.zip(factors.iter().zip(offsets)) {
            let factor = (f64::from(*factor) * scale) as f32;
            if norm.silu {
                for (out, number) in out.iter_mut().zip(x) {
                    let normed = (number - about).mul_add(factor, *offset);
                    *out = normed / (1.0 + exp(-normed));
                }
            } else {
                for (out, number) in out.iter_mut().zip(x) {
                    *out = (number - about).mul_add(factor, *offset);
                }
            }
        }
    }
}

#[inline(always)]
fn sum(x: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let mut all = 0.0;
    for run in x.chunks(RUN) {
        let mut sums = [0.0f32; LANES];
        let (chunks, rest) = run.as_chunks::<LANES>();
        for chunk in chunks {
            for (sum, number) in sums.iter_mut().zip(chunk) {
                *sum += of(*number);
            }
        }
        let rest: f32 = rest.iter().map(|number| of(*number)).sum();
        all += f64::from(sums.iter().sum::<f32>() + rest);
    }
    all
}
