//! The layers that every model here is made of, loaded by name with their shapes checked.
//!
//! Refuses: the faster GELU. Where a model was trained with the exact one, so it is computed.

mod image;

use candle_core::{D, DType, Device, Tensor};
use candle_nn::Module;

use crate::cpu;
use crate::error::PaintError;
use crate::stop::Room;
use crate::weights::Weights;

pub(crate) use image::{Conv2d, GroupNorm, conv, group_norm};

/// A linear layer; weight `(outputs, inputs)`.
pub(crate) fn linear(
    weights: &Weights,
    inputs: usize,
    outputs: usize,
    bias: bool,
) -> Result<candle_nn::Linear, PaintError> {
    let weight = weights.tensor("weight", &[outputs, inputs])?;
    let bias = if bias { Some(weights.tensor("bias", &[outputs])?) } else { None };
    Ok(candle_nn::Linear::new(weight, bias))
}

/// Normalisation over the last axis.
pub(crate) fn layer_norm(weights: &Weights, size: usize, eps: f64) -> Result<candle_nn::LayerNorm, PaintError> {
    let weight = weights.tensor("weight", &[size])?;
    let bias = weights.tensor("bias", &[size])?;
    Ok(candle_nn::LayerNorm::new(weight, bias, eps))
}

/// Normalisation over the last axis by its root mean square, with factors (Zhang and Sennrich, 2019).
pub(crate) fn rms_norm(weights: &Weights, size: usize, eps: f64) -> Result<candle_nn::RmsNorm, PaintError> {
    Ok(candle_nn::RmsNorm::new(weights.tensor("weight", &[size])?, eps))
}

/// Normalisation over the last axis without factors and offsets.
pub(crate) fn plain_norm(x: &Tensor, eps: f64) -> Result<Tensor, PaintError> {
    let size = x.dim(D::Minus1)?;
    let ones = Tensor::ones(size, x.dtype(), x.device())?;
    Ok(candle_nn::ops::layer_norm(&x.contiguous()?, &ones, &ones.zeros_like()?, eps as f32)?)
}

/// Minus infinity above the diagonal: no token sees those after it.
pub(crate) fn causal_mask(length: usize, dtype: DType, device: &Device) -> Result<Tensor, PaintError> {
    let row = |row: usize| (0..length).map(move |column| if column > row { f32::NEG_INFINITY } else { 0.0 });
    let mask: Vec<f32> = (0..length).flat_map(row).collect();
    Ok(Tensor::from_vec(mask, (length, length), device)?.to_dtype(dtype)?)
}

/// Softmax of `query * key / sqrt(size)`, plus a mask, times `value`. All are `(batch, heads, length, size)`; a mask is
/// `(queries, keys)`. The result is `(batch, length, heads * size)`. Queries are taken in parts whose scores have room.
pub(crate) fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: Option<&Tensor>,
    room: Room,
) -> Result<Tensor, PaintError> {
    let (batch, heads, queries, size) = query.dims4()?;
    let keys = key.dim(2)?;
    let scale = 1.0 / (size as f64).sqrt();
    if cpu::takes(query) && mask.is_none() {
        return Ok(query.apply_op3_no_bwd(key, value, &cpu::Attention { scale: scale as f32 })?);
    }
    let key = key.transpose(2, 3)?.contiguous()?;
    let value = value.contiguous()?;
    let bytes_per_query = (batch * heads * keys * query.dtype().size_in_bytes()) as u64;
    let part = (room.score_bytes_max / bytes_per_query.max(1)).clamp(1, queries.max(1) as u64) as usize;
    let mut parts = Vec::new();
    for start in (0..queries).step_by(part) {
        let length = part.min(queries - start);
        let scores = (query.narrow(2, start, length)?.contiguous()?.matmul(&key)? * scale)?;
        let scores = match mask {
            Some(mask) => scores.broadcast_add(&mask.narrow(0, start, length)?)?,
            None => scores,
        };
        parts.push(candle_nn::ops::softmax_last_dim(&scores)?.matmul(&value)?);
    }
    join_heads(&if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(&parts, 2)? })
}

/// `(batch, length, heads * size)` to `(batch, heads, length, size)`, without moving anything.
pub(crate) fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor, PaintError> {
    let (batch, length, width) = x.dims3()?;
    Ok(x.reshape((batch, length, heads, width / heads))?.transpose(1, 2)?)
}

/// `(batch, heads, length, size)` to `(batch, length, heads * size)`.
pub(crate) fn join_heads(x: &Tensor) -> Result<Tensor, PaintError> {
    let (batch, heads, length, size) = x.dims4()?;
    Ok(x.transpose(1, 2)?.reshape((batch, length, heads * size))?)
}

/// The gate of a linear layer: the first half of the last axis times the exact GELU of the second.
pub(crate) fn gated_gelu(x: &Tensor) -> Result<Tensor, PaintError> {
    if cpu::takes(x) {
        return Ok(x.contiguous()?.apply_op1_no_bwd(&cpu::GatedGelu)?);
    }
    let (value, gate) = halves(x)?;
    Ok((value * gate.contiguous()?.gelu_erf()?)?)
}

/// Two linear layers with `silu` between them, as embeddings of times have them.
pub(crate) struct EmbeddingMlp {
    first: candle_nn::Linear,
    second: candle_nn::Linear,
}

impl EmbeddingMlp {
    pub(crate) fn load(weights: &Weights, inputs: usize, width: usize) -> Result<Self, PaintError> {
        Ok(Self {
            first: linear(&weights.at("linear_1"), inputs, width, true)?,
            second: linear(&weights.at("linear_2"), width, width, true)?,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, PaintError> {
        Ok(self.second.forward(&candle_nn::ops::silu(&self.first.forward(x)?)?)?)
    }
}

/// Sines and cosines of numbers at falling frequencies (Vaswani et al., 2017, section 3.5), `(numbers, width)` in f32,
/// whatever type the model has: in half precision the angles would be off by whole turns.
pub(crate) fn sinusoids(
    numbers: &[f32],
    width: usize,
    cosine_first: bool,
    frequency_shift: f64,
    device: &Device,
) -> Result<Tensor, PaintError> {
    const PERIOD_MAX: f64 = 10_000.0;
    let half = width / 2;
    let frequency =
        |at: usize| (-(PERIOD_MAX.ln() as f32) * at as f32 / (half as f64 - frequency_shift) as f32).exp();
    let frequencies: Vec<f32> = (0..half).map(frequency).collect();
    let mut rows = Vec::with_capacity(numbers.len() * width);
    for number in numbers {
        let sines = frequencies.iter().map(|frequency| (number * frequency).sin());
        let cosines = frequencies.iter().map(|frequency| (number * frequency).cos());
        let start = rows.len();
        if cosine_first {
            rows.extend(cosines.chain(sines));
        } else {
            rows.extend(sines.chain(cosines));
        }
        rows.resize(start + width, 0.0);
    }
    Ok(Tensor::from_vec(rows, (numbers.len(), width), device)?)
}

/// `x * sigmoid(1.702 * x)`, the activation of the first CLIP.
pub(crate) fn quick_gelu(x: &Tensor) -> Result<Tensor, PaintError> {
    Ok((x * candle_nn::ops::sigmoid(&(x * 1.702)?)?)?)
}

/// The halves of the last axis.
fn halves(x: &Tensor) -> Result<(Tensor, Tensor), PaintError> {
    let half = x.dim(D::Minus1)? / 2;
    Ok((x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?))
}
