//! The residual block of convolutions that UNet and autoencoder share (`ResnetBlock2D`), and the steps between sizes.
//!
//! Refuses: the variants with another place for the time embedding; no model here has them.

use candle_core::Tensor;
use candle_nn::{Linear, Module};

use crate::error::PaintError;
use crate::layers::{Conv2d, GroupNorm, conv, group_norm, linear};
use crate::weights::Weights;

/// Groups and smallest variance of the normalisations of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Norms {
    pub(crate) groups: usize,
    pub(crate) eps: f64,
}

pub(crate) struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    /// `time` is the width of the time embedding, where the model has one.
    pub(crate) fn load(
        weights: &Weights,
        inputs: usize,
        outputs: usize,
        time: Option<usize>,
        norms: Norms,
    ) -> Result<Self, PaintError> {
        let shortcut = (inputs != outputs).then(|| conv(&weights.at("conv_shortcut"), inputs, outputs, 1, 1, 0));
        let time = time.map(|width| linear(&weights.at("time_emb_proj"), width, outputs, true));
        Ok(Self {
            norm1: group_norm(&weights.at("norm1"), norms.groups, inputs, norms.eps)?,
            conv1: conv(&weights.at("conv1"), inputs, outputs, 3, 1, 1)?,
            time: time.transpose()?,
            norm2: group_norm(&weights.at("norm2"), norms.groups, outputs, norms.eps)?,
            conv2: conv(&weights.at("conv2"), outputs, outputs, 3, 1, 1)?,
            shortcut: shortcut.transpose()?,
        })
    }

    /// `x` is `(batch, inputs, height, width)`; `time` is the time embedding after its activation, `(batch, width)`.
    pub(crate) fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Result<Tensor, PaintError> {
        let mut inner = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        if let (Some(layer), Some(time)) = (&self.time, time) {
            let (batch, channels) = (inner.dim(0)?, inner.dim(1)?);
            let offset = layer.forward(time)?.reshape((batch, channels, 1, 1))?;
            inner = inner.broadcast_add(&offset)?;
        }
        let inner = self.conv2.forward(&self.norm2.forward_silu(&inner)?)?;
        Ok(match &self.shortcut {
            Some(shortcut) => (shortcut.forward(x)? + inner)?,
            None => (x + inner)?,
        })
    }
}

/// Half the size by a convolution with stride two.
pub(crate) struct Downsample {
    conv: Conv2d,
    /// The autoencoder adds its border at the right and at the bottom alone.
    one_sided: bool,
}

impl Downsample {
    pub(crate) fn load(weights: &Weights, channels: usize, one_sided: bool) -> Result<Self, PaintError> {
        let padding = usize::from(!one_sided);
        Ok(Self { conv: conv(&weights.at("conv"), channels, channels, 3, 2, padding)?, one_sided })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, PaintError> {
        if self.one_sided {
            let x = x.pad_with_zeros(3, 0, 1)?.pad_with_zeros(2, 0, 1)?;
            return self.conv.forward(&x);
        }
        self.conv.forward(x)
    }
}

/// Another size by repeating the nearest values, then a convolution.
pub(crate) struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    pub(crate) fn load(weights: &Weights, channels: usize) -> Result<Self, PaintError> {
        Ok(Self { conv: conv(&weights.at("conv"), channels, channels, 3, 1, 1)? })
    }

    pub(crate) fn forward(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor, PaintError> {
        self.conv.forward(&x.upsample_nearest2d(height, width)?)
    }
}
