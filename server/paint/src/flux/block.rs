//! The two kinds of layer of FLUX: one with a stream for the text and one for the image, and one for both together.
//!
//! Refuses: the exact GELU; this model was trained with the approximation (Hendrycks and Gimpel, 2016).

use candle_core::{Module, Tensor};
use candle_nn::RmsNorm;

use super::FluxConfig;
use super::projection::Projection;
use crate::error::PaintError;
use crate::layers::{attention, plain_norm, rms_norm, split_heads};
use crate::rotary::Rotary;
use crate::stop::Room;
use crate::weights::Weights;

/// All normalisations here have this smallest variance; the configuration does not name it.
pub(super) const NORM_EPS: f64 = 1e-6;

/// Width within a layer over the width between layers.
const INNER: usize = 4;

/// Queries, keys and values of one stream.
struct Heads {
    query: Projection,
    key: Projection,
    value: Projection,
    query_norm: RmsNorm,
    key_norm: RmsNorm,
    count: usize,
}

impl Heads {
    fn load(
        weights: &Weights,
        config: &FluxConfig,
        layers: [&str; 3],
        norms: [&str; 2],
    ) -> Result<Self, PaintError> {
        let layer = |name: &str| Projection::load(&weights.at(name), config.width(), config.width());
        let norm = |name: &str| rms_norm(&weights.at(name), config.head_size, NORM_EPS);
        Ok(Self {
            query: layer(layers[0])?,
            key: layer(layers[1])?,
            value: layer(layers[2])?,
            query_norm: norm(norms[0])?,
            key_norm: norm(norms[1])?,
            count: config.heads,
        })
    }

    /// Query, key and value of each head, the first two normalised.
    fn forward(&self, x: &Tensor) -> Result<[Tensor; 3], PaintError> {
        let split = |layer: &Projection| split_heads(&layer.forward(x)?, self.count);
        Ok([
            self.query_norm.forward(&split(&self.query)?.contiguous()?)?,
            self.key_norm.forward(&split(&self.key)?.contiguous()?)?,
            split(&self.value)?,
        ])
    }
}

fn mixed([query, key, value]: &[Tensor; 3], rotary: &Rotary, room: Room) -> Result<Tensor, PaintError> {
    let (query, key) = (rotary.turn_neighbours(query)?, rotary.turn_neighbours(key)?);
    attention(&query, &key, value, None, room)
}

/// Normalised, then scaled and moved by what time, guidance and text say; all but `x` are `(1, 1, width)`.
fn changed(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor, PaintError> {
    let normed = plain_norm(x, NORM_EPS)?;
    Ok(normed.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)?)
}

/// The parts of a change, `(1, 1, width)` each.
fn parts(layer: &Projection, change: &Tensor, count: usize) -> Result<Vec<Tensor>, PaintError> {
    Ok(layer.forward(change)?.unsqueeze(1)?.chunk(count, 2)?)
}

/// What a double layer has for one of its streams.
struct Stream {
    change: Projection,
    heads: Heads,
    out: Projection,
    up: Projection,
    down: Projection,
}

impl Stream {
    fn forward(&self, x: &Tensor, mixed: &Tensor, parts: &[Tensor]) -> Result<Tensor, PaintError> {
        let x = (x + self.out.forward(&mixed.contiguous()?)?.broadcast_mul(&parts[2])?)?;
        let inner = self.up.forward(&changed(&x, &parts[3], &parts[4])?)?.gelu()?;
        Ok((&x + self.down.forward(&inner)?.broadcast_mul(&parts[5])?)?)
    }
}

pub(super) struct DoubleBlock {
    text: Stream,
    image: Stream,
}

impl DoubleBlock {
    pub(super) fn load(weights: &Weights, config: &FluxConfig) -> Result<Self, PaintError> {
        let width = config.width();
        let attention = weights.at("attn");
        let stream = |norm: &str, feed: &str, out: &str, heads: Heads| -> Result<Stream, PaintError> {
            let net = weights.at(feed).at("net");
            Ok(Stream {
                change: Projection::load(&weights.at(norm).at("linear"), width, 6 * width)?,
                heads,
                out: Projection::load(&attention.at(out), width, width)?,
                up: Projection::load(&net.at("0.proj"), width, INNER * width)?,
                down: Projection::load(&net.at(2), INNER * width, width)?,
            })
        };
        let of_image = Heads::load(&attention, config, ["to_q", "to_k", "to_v"], ["norm_q", "norm_k"])?;
        let layers = ["add_q_proj", "add_k_proj", "add_v_proj"];
        let of_text = Heads::load(&attention, config, layers, ["norm_added_q", "norm_added_k"])?;
        Ok(Self {
            text: stream("norm1_context", "ff_context", "to_add_out", of_text)?,
            image: stream("norm1", "ff", "to_out.0", of_image)?,
        })
    }

    /// Text and image after this layer; `change` went through its activation already.
    pub(super) fn forward(
        &self,
        text: &Tensor,
        image: &Tensor,
        change: &Tensor,
        rotary: &Rotary,
        room: Room,
    ) -> Result<(Tensor, Tensor), PaintError> {
        let of_text = parts(&self.text.change, change, 6)?;
        let of_image = parts(&self.image.change, change, 6)?;
        let [text_query, text_key, text_value] =
            self.text.heads.forward(&changed(text, &of_text[0], &of_text[1])?)?;
        let [query, key, value] = self.image.heads.forward(&changed(image, &of_image[0], &of_image[1])?)?;
        let joined = [
            Tensor::cat(&[&text_query, &query], 2)?,
            Tensor::cat(&[&text_key, &key], 2)?,
            Tensor::cat(&[&text_value, &value], 2)?,
        ];
        let mixed = mixed(&joined, rotary, room)?;
        let words = text.dim(1)?;
        let places = image.dim(1)?;
        Ok((
            self.text.forward(text, &mixed.narrow(1, 0, words)?, &of_text)?,
            self.image.forward(image, &mixed.narrow(1, words, places)?, &of_image)?,
        ))
    }
}

pub(super) struct SingleBlock {
    change: Projection,
    heads: Heads,
    up: Projection,
    out: Projection,
}

impl SingleBlock {
    pub(super) fn load(weights: &Weights, config: &FluxConfig) -> Result<Self, PaintError> {
        let width = config.width();
        let heads = Heads::load(&weights.at("attn"), config, ["to_q", "to_k", "to_v"], ["norm_q", "norm_k"])?;
        Ok(Self {
            change: Projection::load(&weights.at("norm").at("linear"), width, 3 * width)?,
            heads,
            up: Projection::load(&weights.at("proj_mlp"), width, INNER * width)?,
            out: Projection::load(&weights.at("proj_out"), (1 + INNER) * width, width)?,
        })
    }

    /// Text and image, in this order, after this layer.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        change: &Tensor,
        rotary: &Rotary,
        room: Room,
    ) -> Result<Tensor, PaintError> {
        let parts = parts(&self.change, change, 3)?;
        let normed = changed(x, &parts[0], &parts[1])?;
        let inner = self.up.forward(&normed)?.gelu()?;
        let mixed = mixed(&self.heads.forward(&normed)?, rotary, room)?;
        let out = self.out.forward(&Tensor::cat(&[&mixed, &inner], 2)?)?;
        Ok((x + out.broadcast_mul(&parts[2])?)?)
    }
}
