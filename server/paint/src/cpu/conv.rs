//! Convolution: the windows of a few rows at a time as a matrix, times the kernels. What there is a faster way for goes it.
//!
//! Refuses: dilation and groups of channels, which no model here has.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape};
use rayon::prelude::*;

use super::contiguous;
use super::product::{Matrix, Workers, product};
use super::winograd::{self, Images};

/// Most numbers of the matrix of windows: 8 MiB, which caches hold.
const WINDOW_NUMBERS_MAX: usize = 2 << 20;

/// The convolution of `(batch, inputs, height, width)` with `(outputs, inputs, size, size)`, plus `(outputs,)`.
pub(crate) struct Conv {
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

/// Sides of one image on the way in and out.
#[derive(Clone, Copy)]
struct Sides {
    height: usize,
    width: usize,
    kernel: usize,
    out_height: usize,
    out_width: usize,
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (batch, inputs, height, width) = x_layout.shape().dims4()?;
        let (outputs, kernel_inputs, kernel, _) = weight_layout.shape().dims4()?;
        let (x, weight, bias) =
            (contiguous(x, x_layout)?, contiguous(weight, weight_layout)?, contiguous(bias, bias_layout)?);
        let out_side =
            |side: usize| (side + 2 * self.padding).checked_sub(kernel).map(|rest| rest / self.stride + 1);
        let (Some(out_height), Some(out_width)) = (out_side(height), out_side(width)) else {
            candle_core::bail!("an image of {width} x {height} is smaller than the kernel")
        };
        if kernel_inputs != inputs || bias.len() != outputs {
            candle_core::bail!("a convolution of {kernel_inputs} channels was given {inputs}")
        }
        let sides = Sides { height, width, kernel, out_height, out_width };
        let (image, out_image) = (inputs * height * width, outputs * out_height * out_width);
        let mut out = vec![0.0; batch * out_image];
        let images = Images { inputs, height, width };
        if (kernel, self.stride, self.padding) == (3, 1, 1) && images.are_worth_it() {
            winograd::convolve(images, x, weight, bias, &mut out);
            return Ok((CpuStorage::F32(out), Shape::from((batch, outputs, out_height, out_width))));
        }
        for (x, out) in x.chunks(image.max(1)).zip(out.chunks_mut(out_image.max(1))) {
            self.one(x, weight, bias, out, sides, inputs);
        }
        Ok((CpuStorage::F32(out), Shape::from((batch, outputs, out_height, out_width))))
    }
}

impl Conv {
    /// The same for one image.
    fn one(&self, x: &[f32], weight: &[f32], bias: &[f32], out: &mut [f32], sides: Sides, inputs: usize) {
        let places = sides.out_height * sides.out_width;
        out.par_chunks_mut(places.max(1)).zip(bias).for_each(|(channel, bias)| channel.fill(*bias));
        let depth = inputs * sides.kernel * sides.kernel;
        let kernels = Matrix::of_rows(bias.len(), depth, depth);
        if sides.kernel == 1 && self.stride == 1 && self.padding == 0 {
            // The image is the matrix of its windows.
            let windows = Matrix::of_rows(depth, places, places);
            let into = Matrix::of_rows(bias.len(), places, places);
            return product((out, into), true, 1.0, (weight, kernels), (x, windows), Workers::All);
        }
        let rows_max = (WINDOW_NUMBERS_MAX / (depth * sides.out_width).max(1)).clamp(1, sides.out_height);
        let mut windows = vec![0.0; depth * rows_max * sides.out_width];
        for first in (0..sides.out_height).step_by(rows_max) {
            let rows = rows_max.min(sides.out_height - first);
            let count = rows * sides.out_width;
            let windows = &mut windows[..depth * count];
            windows.par_chunks_mut(count).enumerate().for_each(|(at, row)| self.gather(x, at, first, row, sides));
            let into = Matrix::of_rows(bias.len(), count, places);
            let windows = (&*windows, Matrix::of_rows(depth, count, count));
            product(
                (&mut out[first * sides.out_width..], into),
                true,
                1.0,
                (weight, kernels),
                windows,
                Workers::All,
            );
        }
    }

    /// What the kernels' number `at` meets in the rows from `first` on; zero beyond the border.
    fn gather(&self, x: &[f32], at: usize, first: usize, into: &mut [f32], sides: Sides) {
        let (square, size) = (sides.kernel * sides.kernel, sides.height * sides.width);
        let channel = &x[at / square * size..][..size];
        let (down, right) = (at % square / sides.kernel, at % sides.kernel);
        // The first place whose window has this number within the image, and the one after the last.
        let start = self.padding.saturating_sub(right).div_ceil(self.stride).min(sides.out_width);
        let reach = (sides.width + self.padding).saturating_sub(right);
        let end = reach.div_ceil(self.stride).clamp(start, sides.out_width);
        for (row, into) in into.chunks_mut(sides.out_width).enumerate() {
            let from = (first + row) * self.stride + down;
            let Some(from) = from.checked_sub(self.padding).filter(|from| *from < sides.height) else {
                into.fill(0.0);
                continue;
            };
            into[..start].fill(0.0);
            into[end..].fill(0.0);
            if start == end {
                continue;
            }
            let line = &channel[from * sides.width..][..sides.width];
            let line = &line[start * self.stride + right - self.padding..];
            if self.stride == 1 {
                into[start..end].copy_from_slice(&line[..end - start]);
            } else {
                for (into, number) in into[start..end].iter_mut().zip(line.iter().step_by(self.stride)) {
                    *into = *number;
                }
            }
        }
    }
}
