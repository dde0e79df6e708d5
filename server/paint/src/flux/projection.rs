//! A linear layer whose matrix may stay quantised.
//!
//! Refuses: to quantise anything itself.

use candle_core::quantized::QMatMul;
use candle_core::{DType, Module, Tensor};
use candle_nn::Linear;

use crate::error::PaintError;
use crate::layers::linear;
use crate::weights::Weights;

pub(super) enum Projection {
    Plain(Linear),
    Quantised { matrix: QMatMul, bias: Tensor },
}

impl Projection {
    /// A layer with a bias; weight `(outputs, inputs)`.
    pub(super) fn load(weights: &Weights, inputs: usize, outputs: usize) -> Result<Self, PaintError> {
        match weights.quantised("weight", &[outputs, inputs])? {
            None => Ok(Self::Plain(linear(weights, inputs, outputs, true)?)),
            Some(matrix) => Ok(Self::Quantised {
                matrix: QMatMul::from_qtensor(matrix)?,
                bias: weights.tensor("bias", &[outputs])?,
            }),
        }
    }
}

impl Module for Projection {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Plain(layer) => layer.forward(x),
            Self::Quantised { matrix, bias } => {
                let product = matrix.forward(&x.to_dtype(DType::F32)?.contiguous()?)?;
                product.to_dtype(x.dtype())?.broadcast_add(bias)
            }
        }
    }
}
