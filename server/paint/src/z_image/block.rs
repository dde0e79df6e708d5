//! One layer of Z-Image: attention over all tokens and a gated pair of linear layers, normalised before and after.
//!
//! Refuses: other smallest variances in the normalisations of heads than the class has.

use candle_core::Tensor;
use candle_nn::{Linear, Module, RmsNorm};

use super::ZImageConfig;
use crate::error::PaintError;
use crate::layers::{attention, linear, rms_norm, split_heads};
use crate::rotary::Rotary;
use crate::stop::Room;
use crate::weights::Weights;

/// The normalisations of queries and keys have this smallest variance; the configuration does not name it.
const HEAD_EPS: f64 = 1e-5;

struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    /// Of queries and of keys, where the model has them.
    norms: Option<(RmsNorm, RmsNorm)>,
    heads: usize,
}

impl Attention {
    fn load(weights: &Weights, config: &ZImageConfig) -> Result<Self, PaintError> {
        let layer = |name: &str| linear(&weights.at(name), config.width, config.width, false);
        let norm = |name: &str| rms_norm(&weights.at(name), config.head_size(), HEAD_EPS);
        Ok(Self {
            query: layer("to_q")?,
            key: layer("to_k")?,
            value: layer("to_v")?,
            out: layer("to_out.0")?,
            norms: if config.norms_of_heads { Some((norm("norm_q")?, norm("norm_k")?)) } else { None },
            heads: config.heads,
        })
    }

    fn forward(&self, x: &Tensor, rotary: &Rotary, room: Room) -> Result<Tensor, PaintError> {
        let split = |layer: &Linear| split_heads(&layer.forward(x)?, self.heads);
        let (mut query, mut key) = (split(&self.query)?, split(&self.key)?);
        if let Some((of_query, of_key)) = &self.norms {
            query = of_query.forward(&query.contiguous()?)?;
            key = of_key.forward(&key.contiguous()?)?;
        }
        let (query, key) = (rotary.turn_neighbours(&query)?, rotary.turn_neighbours(&key)?);
        let mixed = attention(&query, &key, &split(&self.value)?, None, room)?;
        Ok(self.out.forward(&mixed)?)
    }
}

/// What the time does to one half of a layer, `(1, 1, width)` each.
struct Change {
    scale: Tensor,
    gate: Tensor,
}

pub(super) struct Block {
    attention: Attention,
    attention_norms: [RmsNorm; 2],
    gate: Linear,
    up: Linear,
    down: Linear,
    feed_norms: [RmsNorm; 2],
    time: Option<Linear>,
}

impl Block {
    /// `time` is the width of the time, where the layer depends on it.
    pub(super) fn load(weights: &Weights, config: &ZImageConfig, time: Option<usize>) -> Result<Self, PaintError> {
        let (width, inner) = (config.width, config.inner());
        let norm = |name: &str| rms_norm(&weights.at(name), width, config.eps);
        let feed = weights.at("feed_forward");
        let time = time.map(|size| linear(&weights.at("adaLN_modulation").at(0), size, 4 * width, true));
        Ok(Self {
            attention: Attention::load(&weights.at("attention"), config)?,
            attention_norms: [norm("attention_norm1")?, norm("attention_norm2")?],
            gate: linear(&feed.at("w1"), width, inner, false)?,
            up: linear(&feed.at("w3"), width, inner, false)?,
            down: linear(&feed.at("w2"), inner, width, false)?,
            feed_norms: [norm("ffn_norm1")?, norm("ffn_norm2")?],
            time: time.transpose()?,
        })
    }

    /// `x` is `(batch, tokens, width)`, `time` is `(1, size)`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        rotary: &Rotary,
        time: Option<&Tensor>,
        room: Room,
    ) -> Result<Tensor, PaintError> {
        let changes = match (&self.time, time) {
            (Some(layer), Some(time)) => Some(changes(&layer.forward(time)?)?),
            (None, None) => None,
            _ => return Err(PaintError::Bug("a layer of the denoiser and the time do not fit".to_owned())),
        };
        let (of_attention, of_feed) = changes.unzip();
        let normed =
            times(self.attention_norms[0].forward(x)?, of_attention.as_ref().map(|change| &change.scale))?;
        let mixed = self.attention_norms[1].forward(&self.attention.forward(&normed, rotary, room)?)?;
        let x = (x + times(mixed, of_attention.as_ref().map(|change| &change.gate))?)?;
        let normed = times(self.feed_norms[0].forward(&x)?, of_feed.as_ref().map(|change| &change.scale))?;
        let inner = (self.gate.forward(&normed)?.silu()? * self.up.forward(&normed)?)?;
        let inner = self.feed_norms[1].forward(&self.down.forward(&inner)?)?;
        Ok((&x + times(inner, of_feed.as_ref().map(|change| &change.gate))?)?)
    }
}

fn times(x: Tensor, factor: Option<&Tensor>) -> Result<Tensor, PaintError> {
    Ok(match factor {
        Some(factor) => x.broadcast_mul(factor)?,
        None => x,
    })
}

/// Scale and gate of attention, then of the rest.
fn changes(all: &Tensor) -> Result<(Change, Change), PaintError> {
    let parts = all.unsqueeze(1)?.chunk(4, 2)?;
    let change = |at: usize| -> Result<Change, PaintError> {
        Ok(Change { scale: (&parts[at] + 1.0)?, gate: parts[at + 1].tanh()? })
    };
    Ok((change(0)?, change(2)?))
}
