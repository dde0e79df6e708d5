//! Layers of images: convolution and normalisation of `(batch, channels, height, width)`.
//!
//! Refuses: kernels that are not square, which no model here has.

use candle_core::Tensor;
use candle_nn::{Conv2dConfig, Module};

use crate::cpu;
use crate::error::PaintError;
use crate::weights::Weights;

/// A convolution with a square kernel.
pub(crate) struct Conv2d(candle_nn::Conv2d);

/// A convolution; weight `(outputs, inputs, kernel, kernel)`.
pub(crate) fn conv(
    weights: &Weights,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<Conv2d, PaintError> {
    let weight = weights.tensor("weight", &[outputs, inputs, kernel, kernel])?;
    let bias = weights.tensor("bias", &[outputs])?;
    let config = Conv2dConfig { stride, padding, ..Conv2dConfig::default() };
    Ok(Conv2d(candle_nn::Conv2d::new(weight, Some(bias), config)))
}

impl Conv2d {
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, PaintError> {
        let (weight, config) = (self.0.weight(), self.0.config());
        match self.0.bias().filter(|_| cpu::takes(x) && cpu::takes(weight)) {
            Some(bias) => {
                let conv = cpu::Conv { stride: config.stride, padding: config.padding };
                Ok(x.contiguous()?.apply_op3_no_bwd(weight, bias, &conv)?)
            }
            None => Ok(self.0.forward(x)?),
        }
    }
}

/// Normalisation over groups of channels, each with a factor and an offset.
pub(crate) struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
    eps: f64,
    other: candle_nn::GroupNorm,
}

/// Normalisation over groups of channels, with smallest variance `eps`.
pub(crate) fn group_norm(
    weights: &Weights,
    groups: usize,
    channels: usize,
    eps: f64,
) -> Result<GroupNorm, PaintError> {
    let weight = weights.tensor("weight", &[channels])?;
    let bias = weights.tensor("bias", &[channels])?;
    let other = candle_nn::GroupNorm::new(weight.clone(), bias.clone(), channels, groups, eps)?;
    Ok(GroupNorm { weight, bias, groups, eps, other })
}

impl GroupNorm {
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, PaintError> {
        self.normalised(x, false)
    }

    /// With `x * sigmoid(x)` behind it.
    pub(crate) fn forward_silu(&self, x: &Tensor) -> Result<Tensor, PaintError> {
        self.normalised(x, true)
    }

    fn normalised(&self, x: &Tensor, silu: bool) -> Result<Tensor, PaintError> {
        if cpu::takes(x) && cpu::takes(&self.weight) {
            let norm = cpu::GroupNorm { groups: self.groups, eps: self.eps, silu };
            return Ok(x.contiguous()?.apply_op3_no_bwd(&self.weight, &self.bias, &norm)?);
        }
        let normed = self.other.forward(x)?;
        Ok(if silu { normed.silu()? } else { normed })
    }
}
