//! Attention between the places of a latent, and from them to the text (`Transformer2DModel`).
//!
//! Refuses: the faster GELU in its gated layer; these models have the exact one.

use candle_core::Tensor;
use candle_nn::{LayerNorm, Linear, Module};

use super::config::UNetConfig;
use crate::error::PaintError;
use crate::layers::{Conv2d, GroupNorm, attention, conv, gated_gelu, group_norm, layer_norm, linear, split_heads};
use crate::stop::{Room, Stop};
use crate::weights::Weights;

/// Smallest variances that the configuration does not name.
const GROUP_EPS: f64 = 1e-6;
const LAYER_EPS: f64 = 1e-5;

struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
}

impl Attention {
    fn load(weights: &Weights, width: usize, context: usize, heads: usize) -> Result<Self, PaintError> {
        Ok(Self {
            query: linear(&weights.at("to_q"), width, width, false)?,
            key: linear(&weights.at("to_k"), context, width, false)?,
            value: linear(&weights.at("to_v"), context, width, false)?,
            out: linear(&weights.at("to_out").at(0), width, width, true)?,
            heads,
        })
    }

    fn forward(&self, x: &Tensor, context: &Tensor, room: Room) -> Result<Tensor, PaintError> {
        let split = |layer: &Linear, x: &Tensor| split_heads(&layer.forward(x)?, self.heads);
        let (query, key, value) =
            (split(&self.query, x)?, split(&self.key, context)?, split(&self.value, context)?);
        Ok(self.out.forward(&attention(&query, &key, &value, None, room)?)?)
    }
}

/// One layer: to itself, to the text, and a gated linear layer (`BasicTransformerBlock`).
struct Layer {
    norm1: LayerNorm,
    to_itself: Attention,
    norm2: LayerNorm,
    to_text: Attention,
    norm3: LayerNorm,
    gated: Linear,
    down: Linear,
}

impl Layer {
    fn load(weights: &Weights, width: usize, text: usize, heads: usize) -> Result<Self, PaintError> {
        let inner = 4 * width;
        let net = weights.at("ff").at("net");
        Ok(Self {
            norm1: layer_norm(&weights.at("norm1"), width, LAYER_EPS)?,
            to_itself: Attention::load(&weights.at("attn1"), width, width, heads)?,
            norm2: layer_norm(&weights.at("norm2"), width, LAYER_EPS)?,
            to_text: Attention::load(&weights.at("attn2"), width, text, heads)?,
            norm3: layer_norm(&weights.at("norm3"), width, LAYER_EPS)?,
            gated: linear(&net.at(0).at("proj"), width, 2 * inner, true)?,
            down: linear(&net.at(2), inner, width, true)?,
        })
    }

    fn forward(&self, x: &Tensor, text: &Tensor, room: Room) -> Result<Tensor, PaintError> {
        let normed = self.norm1.forward(x)?;
        let x = (x + self.to_itself.forward(&normed, &normed, room)?)?;
        let x = (&x + self.to_text.forward(&self.norm2.forward(&x)?, text, room)?)?;
        let inner = gated_gelu(&self.gated.forward(&self.norm3.forward(&x)?)?)?;
        Ok((&x + self.down.forward(&inner)?)?)
    }
}

/// Older models project with a convolution, newer ones with a linear layer.
enum Projection {
    Conv(Conv2d),
    Linear(Linear),
}

impl Projection {
    fn load(weights: &Weights, channels: usize, is_linear: bool) -> Result<Self, PaintError> {
        Ok(if is_linear {
            Self::Linear(linear(weights, channels, channels, true)?)
        } else {
            Self::Conv(conv(weights, channels, channels, 1, 1, 0)?)
        })
    }
}

pub(super) struct SpatialTransformer {
    norm: GroupNorm,
    project_in: Projection,
    layers: Vec<Layer>,
    project_out: Projection,
}

impl SpatialTransformer {
    /// The transformer at the size `at` of the configuration.
    pub(super) fn load(weights: &Weights, config: &UNetConfig, at: usize) -> Result<Self, PaintError> {
        let channels = config.channels[at];
        let blocks = weights.at("transformer_blocks");
        let layer = |layer: usize| Layer::load(&blocks.at(layer), channels, config.text_width, config.heads[at]);
        let layers: Result<Vec<_>, _> = (0..config.transformers[at]).map(layer).collect();
        Ok(Self {
            norm: group_norm(&weights.at("norm"), config.norms.groups, channels, GROUP_EPS)?,
            project_in: Projection::load(&weights.at("proj_in"), channels, config.linear_projection)?,
            layers: layers?,
            project_out: Projection::load(&weights.at("proj_out"), channels, config.linear_projection)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, text: &Tensor, stop: Stop<'_>) -> Result<Tensor, PaintError> {
        let (batch, channels, height, width) = x.dims4()?;
        let to_rows = |x: &Tensor| -> Result<Tensor, PaintError> {
            Ok(x.reshape((batch, channels, height * width))?.transpose(1, 2)?.contiguous()?)
        };
        let to_image = |rows: &Tensor| -> Result<Tensor, PaintError> {
            Ok(rows.transpose(1, 2)?.contiguous()?.reshape((batch, channels, height, width))?)
        };
        let normed = self.norm.forward(x)?;
        let mut rows = match &self.project_in {
            Projection::Conv(layer) => to_rows(&layer.forward(&normed)?)?,
            Projection::Linear(layer) => layer.forward(&to_rows(&normed)?)?,
        };
        for layer in &self.layers {
            stop.check()?;
            rows = layer.forward(&rows, text, stop.room())?;
        }
        let out = match &self.project_out {
            Projection::Conv(layer) => layer.forward(&to_image(&rows)?)?,
            Projection::Linear(layer) => to_image(&layer.forward(&rows)?)?,
        };
        Ok((out + x)?)
    }
}
