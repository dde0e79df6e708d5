//! The blocks of the denoiser at each size: on the way down, in the middle, and on the way up.
//!
//! Refuses: to know what the sizes mean; a block asks the configuration for its own.

use candle_core::Tensor;

use super::attention::SpatialTransformer;
use super::config::UNetConfig;
use crate::error::PaintError;
use crate::resnet::{Downsample, ResnetBlock, Upsample};
use crate::stop::Stop;
use crate::weights::Weights;

fn resnet(
    weights: &Weights,
    config: &UNetConfig,
    inputs: usize,
    outputs: usize,
) -> Result<ResnetBlock, PaintError> {
    ResnetBlock::load(weights, inputs, outputs, Some(config.time_width), config.norms)
}

/// What every block is given beside the latent.
pub(super) struct Given<'a> {
    /// The time embedding after its activation, `(batch, width)`.
    pub(super) time: &'a Tensor,
    /// `(batch, tokens, size)`.
    pub(super) text: &'a Tensor,
    pub(super) stop: Stop<'a>,
}

/// A residual block, with attention behind it where the size has any.
struct Pair {
    resnet: ResnetBlock,
    attention: Option<SpatialTransformer>,
}

impl Pair {
    fn forward(&self, x: &Tensor, given: &Given<'_>) -> Result<Tensor, PaintError> {
        given.stop.check()?;
        let x = self.resnet.forward(x, Some(given.time))?;
        self.attention.as_ref().map_or(Ok(x.clone()), |attention| attention.forward(&x, given.text, given.stop))
    }
}

pub(super) struct DownBlock {
    pairs: Vec<Pair>,
    smaller: Option<Downsample>,
}

impl DownBlock {
    pub(super) fn load(weights: &Weights, config: &UNetConfig, at: usize) -> Result<Self, PaintError> {
        let outputs = config.channels[at];
        let first_inputs = config.channels[at.saturating_sub(1)];
        let pair = |layer: usize| -> Result<Pair, PaintError> {
            let inputs = if layer == 0 { first_inputs } else { outputs };
            let attention = config.down_attention[at]
                .then(|| SpatialTransformer::load(&weights.at("attentions").at(layer), config, at));
            let resnet = resnet(&weights.at("resnets").at(layer), config, inputs, outputs)?;
            Ok(Pair { resnet, attention: attention.transpose()? })
        };
        let pairs: Result<Vec<_>, _> = (0..config.layers[at]).map(pair).collect();
        let smaller = (at + 1 < config.channels.len())
            .then(|| Downsample::load(&weights.at("downsamplers").at(0), outputs, false));
        Ok(Self { pairs: pairs?, smaller: smaller.transpose()? })
    }

    /// What is left for the way up is put behind `skipped`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        given: &Given<'_>,
        skipped: &mut Vec<Tensor>,
    ) -> Result<Tensor, PaintError> {
        let mut x = x.clone();
        for pair in &self.pairs {
            x = pair.forward(&x, given)?;
            skipped.push(x.clone());
        }
        if let Some(smaller) = &self.smaller {
            x = smaller.forward(&x)?;
            skipped.push(x.clone());
        }
        Ok(x)
    }
}

pub(super) struct MiddleBlock {
    first: ResnetBlock,
    attention: SpatialTransformer,
    second: ResnetBlock,
}

impl MiddleBlock {
    pub(super) fn load(weights: &Weights, config: &UNetConfig) -> Result<Self, PaintError> {
        let at = config.channels.len() - 1;
        let channels = config.channels[at];
        Ok(Self {
            first: resnet(&weights.at("resnets").at(0), config, channels, channels)?,
            attention: SpatialTransformer::load(&weights.at("attentions").at(0), config, at)?,
            second: resnet(&weights.at("resnets").at(1), config, channels, channels)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, given: &Given<'_>) -> Result<Tensor, PaintError> {
        given.stop.check()?;
        let x = self.first.forward(x, Some(given.time))?;
        let x = self.attention.forward(&x, given.text, given.stop)?;
        self.second.forward(&x, Some(given.time))
    }
}

pub(super) struct UpBlock {
    pairs: Vec<Pair>,
    larger: Option<Upsample>,
}

impl UpBlock {
    /// The block at place `at` on the way up, which is the size `last - at` of the configuration.
    pub(super) fn load(weights: &Weights, config: &UNetConfig, at: usize) -> Result<Self, PaintError> {
        let last = config.channels.len() - 1;
        let size = last - at;
        let outputs = config.channels[size];
        let below = config.channels[(size + 1).min(last)];
        let above = config.channels[size.saturating_sub(1)];
        let layers = config.layers[size] + 1;
        let pair = |layer: usize| -> Result<Pair, PaintError> {
            let inputs = if layer == 0 { below } else { outputs };
            let skipped = if layer + 1 == layers { above } else { outputs };
            let attention = config.up_attention[at]
                .then(|| SpatialTransformer::load(&weights.at("attentions").at(layer), config, size));
            let resnet = resnet(&weights.at("resnets").at(layer), config, inputs + skipped, outputs)?;
            Ok(Pair { resnet, attention: attention.transpose()? })
        };
        let pairs: Result<Vec<_>, _> = (0..layers).map(pair).collect();
        let larger = (size > 0).then(|| Upsample::load(&weights.at("upsamplers").at(0), outputs));
        Ok(Self { pairs: pairs?, larger: larger.transpose()? })
    }

    /// Takes what the way down left from the end of `skipped`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        given: &Given<'_>,
        skipped: &mut Vec<Tensor>,
    ) -> Result<Tensor, PaintError> {
        let mut x = x.clone();
        for pair in &self.pairs {
            let left = skipped
                .pop()
                .ok_or_else(|| PaintError::Bug("the way up has more layers than the way down".to_owned()))?;
            x = pair.forward(&Tensor::cat(&[&x, &left], 1)?, given)?;
        }
        match (&self.larger, skipped.last()) {
            // Sides that could not be halved evenly come back to the size they had.
            (Some(larger), Some(next)) => larger.forward(&x, next.dim(2)?, next.dim(3)?),
            (Some(_), None) => Err(PaintError::Bug("the way up is longer than the way down".to_owned())),
            (None, _) => Ok(x),
        }
    }
}
