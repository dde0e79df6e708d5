//! The two halves of the autoencoder: from pixels down and from latents up.
//!
//! Refuses: anything about scaling and about the random part; that is the caller's.

use candle_core::Tensor;
use candle_nn::{Linear, Module};

use super::VaeConfig;
use crate::error::PaintError;
use crate::layers::{Conv2d, GroupNorm, attention, conv, group_norm, linear};
use crate::resnet::{Downsample, Norms, ResnetBlock, Upsample};
use crate::stop::{Room, Stop};
use crate::weights::Weights;

/// Attention with one head over all places of a latent.
struct Attention {
    norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
}

impl Attention {
    /// Older files have other names for the four layers.
    fn load(weights: &Weights, channels: usize, norms: Norms) -> Result<Self, PaintError> {
        let layer = |names: &[&str]| linear(&weights.at_any(names), channels, channels, true);
        Ok(Self {
            norm: group_norm(&weights.at("group_norm"), norms.groups, channels, norms.eps)?,
            query: layer(&["to_q", "query"])?,
            key: layer(&["to_k", "key"])?,
            value: layer(&["to_v", "value"])?,
            out: layer(&["to_out.0", "proj_attn"])?,
        })
    }

    fn forward(&self, x: &Tensor, room: Room) -> Result<Tensor, PaintError> {
        let (batch, channels, height, width) = x.dims4()?;
        let rows =
            self.norm.forward(x)?.reshape((batch, channels, height * width))?.transpose(1, 2)?.contiguous()?;
        let one_head = |layer: &Linear| -> Result<Tensor, PaintError> { Ok(layer.forward(&rows)?.unsqueeze(1)?) };
        let mixed =
            attention(&one_head(&self.query)?, &one_head(&self.key)?, &one_head(&self.value)?, None, room)?;
        let mixed = self.out.forward(&mixed)?;
        Ok((x + mixed.transpose(1, 2)?.reshape((batch, channels, height, width))?)?)
    }
}

struct Middle {
    first: ResnetBlock,
    attention: Option<Attention>,
    second: ResnetBlock,
}

impl Middle {
    fn load(weights: &Weights, channels: usize, config: &VaeConfig) -> Result<Self, PaintError> {
        let block =
            |at: usize| ResnetBlock::load(&weights.at("resnets").at(at), channels, channels, None, config.norms);
        let attention = config
            .attention
            .then(|| Attention::load(&weights.at("attentions").at(0), channels, config.norms))
            .transpose()?;
        Ok(Self { first: block(0)?, attention, second: block(1)? })
    }

    fn forward(&self, x: &Tensor, stop: Stop<'_>) -> Result<Tensor, PaintError> {
        stop.check()?;
        let x = self.first.forward(x, None)?;
        stop.check()?;
        let x = self.attention.as_ref().map_or(Ok(x.clone()), |attention| attention.forward(&x, stop.room()))?;
        self.second.forward(&x, None)
    }
}

fn resnets(
    weights: &Weights,
    inputs: usize,
    outputs: usize,
    count: usize,
    norms: Norms,
) -> Result<Vec<ResnetBlock>, PaintError> {
    let block = |at: usize| {
        let inputs = if at == 0 { inputs } else { outputs };
        ResnetBlock::load(&weights.at("resnets").at(at), inputs, outputs, None, norms)
    };
    (0..count).map(block).collect()
}

pub(super) struct Encoder {
    conv_in: Conv2d,
    blocks: Vec<(Vec<ResnetBlock>, Option<Downsample>)>,
    middle: Middle,
    norm: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    pub(super) fn load(weights: &Weights, config: &VaeConfig) -> Result<Self, PaintError> {
        let (first, last) = (config.channels[0], config.channels[config.channels.len() - 1]);
        let mut blocks = Vec::new();
        let mut inputs = first;
        for (at, outputs) in config.channels.iter().copied().enumerate() {
            let weights = weights.at("down_blocks").at(at);
            let layers = resnets(&weights, inputs, outputs, config.layers, config.norms)?;
            let smaller = (at + 1 < config.channels.len())
                .then(|| Downsample::load(&weights.at("downsamplers").at(0), outputs, true));
            blocks.push((layers, smaller.transpose()?));
            inputs = outputs;
        }
        Ok(Self {
            conv_in: conv(&weights.at("conv_in"), config.image_channels, first, 3, 1, 1)?,
            blocks,
            middle: Middle::load(&weights.at("mid_block"), last, config)?,
            norm: group_norm(&weights.at("conv_norm_out"), config.norms.groups, last, config.norms.eps)?,
            conv_out: conv(&weights.at("conv_out"), last, 2 * config.latent_channels, 3, 1, 1)?,
        })
    }

    pub(super) fn forward(&self, image: &Tensor, stop: Stop<'_>) -> Result<Tensor, PaintError> {
        let mut x = self.conv_in.forward(image)?;
        for (layers, smaller) in &self.blocks {
            for layer in layers {
                stop.check()?;
                x = layer.forward(&x, None)?;
            }
            if let Some(smaller) = smaller {
                x = smaller.forward(&x)?;
            }
        }
        let x = self.middle.forward(&x, stop)?;
        self.conv_out.forward(&self.norm.forward_silu(&x)?)
    }
}

pub(super) struct Decoder {
    conv_in: Conv2d,
    middle: Middle,
    blocks: Vec<(Vec<ResnetBlock>, Option<Upsample>)>,
    norm: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    pub(super) fn load(weights: &Weights, config: &VaeConfig) -> Result<Self, PaintError> {
        let (first, last) = (config.channels[0], config.channels[config.channels.len() - 1]);
        let mut blocks = Vec::new();
        let mut inputs = last;
        for (at, outputs) in config.channels.iter().rev().copied().enumerate() {
            let weights = weights.at("up_blocks").at(at);
            let layers = resnets(&weights, inputs, outputs, config.layers + 1, config.norms)?;
            let larger =
                (at + 1 < config.channels.len()).then(|| Upsample::load(&weights.at("upsamplers").at(0), outputs));
            blocks.push((layers, larger.transpose()?));
            inputs = outputs;
        }
        Ok(Self {
            conv_in: conv(&weights.at("conv_in"), config.latent_channels, last, 3, 1, 1)?,
            middle: Middle::load(&weights.at("mid_block"), last, config)?,
            blocks,
            norm: group_norm(&weights.at("conv_norm_out"), config.norms.groups, first, config.norms.eps)?,
            conv_out: conv(&weights.at("conv_out"), first, config.image_channels, 3, 1, 1)?,
        })
    }

    pub(super) fn forward(&self, latent: &Tensor, stop: Stop<'_>) -> Result<Tensor, PaintError> {
        let mut x = self.middle.forward(&self.conv_in.forward(latent)?, stop)?;
        for (layers, larger) in &self.blocks {
            for layer in layers {
                stop.check()?;
                x = layer.forward(&x, None)?;
            }
            if let Some(larger) = larger {
                let (_, _, height, width) = x.dims4()?;
                x = larger.forward(&x, 2 * height, 2 * width)?;
            }
        }
        self.conv_out.forward(&self.norm.forward_silu(&x)?)
    }
}
