//! Attention over blocks of queries: their scores never leave the cache.
//!
//! Refuses: masks; the text encoders that have one are small.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::exp::exp;
use super::numbers;
use super::product::{Matrix, Workers, product};

/// Queries whose scores are held at once.
const BLOCK: usize = 64;
/// Sums run side by side, so that adding does not wait for adding.
const LANES: usize = 16;

/// Softmax of `scale * query * key` times `value`; all `(batch, heads, length, size)` with neighbours in a head, however
/// heads and places lie. The result lies as `(batch, length, heads * size)`.
pub(crate) struct Attention {
    pub(crate) scale: f32,
}

/// Where the heads of one operand lie.
struct Operand<'a> {
    numbers: &'a [f32],
    steps: [usize; 3],
    length: usize,
    size: usize,
}

impl<'a> Operand<'a> {
    fn of(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<Self> {
        let (_, _, length, size) = layout.shape().dims4()?;
        match *layout.stride() {
            [batch, head, place, 1] => {
                Ok(Self { numbers: numbers(storage, layout)?, steps: [batch, head, place], length, size })
            }
            _ => candle_core::bail!("attention was given heads with gaps"),
        }
    }

    fn head(&self, batch: usize, head: usize, first: usize, length: usize) -> (&'a [f32], Matrix) {
        let [of_batch, of_head, of_place] = self.steps;
        let start = batch * of_batch + head * of_head + first * of_place;
        (&self.numbers[start..], Matrix::of_rows(length, self.size, of_place))
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        query_layout: &Layout,
        key: &CpuStorage,
        key_layout: &Layout,
        value: &CpuStorage,
        value_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (batch, heads, queries, _) = query_layout.shape().dims4()?;
        let [query, key, value] = [(query, query_layout), (key, key_layout), (value, value_layout)]
            .map(|(storage, layout)| Operand::of(storage, layout));
        let (query, key, value) = (query?, key?, value?);
        let (_, _, keys, size) = key_layout.shape().dims4()?;
        let fits = key_layout.shape() == value_layout.shape()
            && key_layout.shape().dims() == [batch, heads, keys, size]
            && size == query.size;
        if !fits {
            candle_core::bail!("attention was given operands that do not fit")
        }
        let width = heads * query.size;
        let mut out = vec![0.0; batch * queries * width];
        let arch = Arch::new();
        out.par_chunks_mut((queries * width).max(1)).enumerate().for_each(|(batch, out)| {
            let blocks = out.par_chunks_mut((BLOCK * width).max(1)).enumerate();
            blocks.for_each_init(
                || vec![0.0; BLOCK * key.length],
                |scores, (block, out)| {
                    let rows = out.len() / width;
                    let scores = &mut scores[..rows * key.length];
                    let shape = Matrix::of_rows(rows, key.length, key.length);
                    for head in 0..heads {
                        let (keys, keys_shape) = key.head(batch, head, 0, key.length);
                        let keys = (keys, keys_shape.transposed());
                        let queries = query.head(batch, head, block * BLOCK, rows);
                        product((scores, shape), false, self.scale, queries, keys, Workers::One);
                        for row in scores.chunks_mut(key.length.max(1)) {
                            arch.dispatch(Softmax(row));
                        }
                        let into = (&mut out[head * query.size..], Matrix::of_rows(rows, query.size, width));
                        let values = value.head(batch, head, 0, value.length);
                        product(into, false, 1.0, (scores, shape), values, Workers::One);
                    }
                },
            );
        });
        Ok((CpuStorage::F32(out), Shape::from((batch, queries, width))))
    }
}

/// The softmax of one row, in place.
struct Softmax<'a>(&'a mut [f32]);

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        softmax(self.0);
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (most, number) in most.iter_mut().zip(chunk) {
            *most = if *number > *most { *number } else { *most };
        }
    }
    let most = most.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (sum, number) in sums.iter_mut().zip(chunk) {
            *number = exp(*number - most);
            *sum += *number;
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for number in rest {
        *number = exp(*number - most);
        sum += *number;
    }
    let factor = 1.0 / sum;
    row.iter_mut().for_each(|number| *number *= factor);
}
