//! The encoder of T5 1.1 (Raffel et al., 2020; Shazeer, 2020; `T5EncoderModel`).
//!
//! Refuses: the first T5, whose layers have another activation; masks, since the pipelines of images read the filling too.

mod config;

use candle_core::{Device, Tensor};
use candle_nn::{Embedding, Linear, Module, RmsNorm};

use crate::error::PaintError;
use crate::layers::{join_heads, linear, rms_norm, split_heads};
use crate::weights::Weights;

pub use config::T5Config;

struct Layer {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    feed_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    heads: usize,
}

impl Layer {
    fn load(weights: &Weights, config: &T5Config) -> Result<Self, PaintError> {
        let (width, inner) = (config.hidden_size, config.heads * config.head_size);
        let (first, second) = (weights.at("layer").at(0), weights.at("layer").at(1));
        let attention = first.at("SelfAttention");
        let feed = second.at("DenseReluDense");
        Ok(Self {
            attention_norm: rms_norm(&first.at("layer_norm"), width, config.eps)?,
            query: linear(&attention.at("q"), width, inner, false)?,
            key: linear(&attention.at("k"), width, inner, false)?,
            value: linear(&attention.at("v"), width, inner, false)?,
            out: linear(&attention.at("o"), inner, width, false)?,
            feed_norm: rms_norm(&second.at("layer_norm"), width, config.eps)?,
            gate: linear(&feed.at("wi_0"), width, config.intermediate_size, false)?,
            up: linear(&feed.at("wi_1"), width, config.intermediate_size, false)?,
            down: linear(&feed.at("wo"), config.intermediate_size, width, false)?,
            heads: config.heads,
        })
    }

    /// `bias` is what the distance of two tokens adds to their score, `(1, heads, tokens, tokens)`.
    fn forward(&self, x: &Tensor, bias: &Tensor) -> Result<Tensor, PaintError> {
        let normed = self.attention_norm.forward(x)?;
        let split = |layer: &Linear| -> Result<Tensor, PaintError> {
            Ok(split_heads(&layer.forward(&normed)?, self.heads)?.contiguous()?)
        };
        // Scores are not divided here; the model was trained so.
        let scores = split(&self.query)?.matmul(&split(&self.key)?.t()?.contiguous()?)?;
        let shares = candle_nn::ops::softmax_last_dim(&scores.broadcast_add(bias)?)?;
        let mixed = shares.matmul(&split(&self.value)?)?;
        let x = (x + self.out.forward(&join_heads(&mixed)?)?)?;
        let normed = self.feed_norm.forward(&x)?;
        let inner = (self.gate.forward(&normed)?.gelu()? * self.up.forward(&normed)?)?;
        Ok((x + self.down.forward(&inner)?)?)
    }
}

/// A text encoder with its weights.
pub struct T5Encoder {
    tokens: Embedding,
    /// What each bucket of distances adds, `(buckets, heads)`.
    distances: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    config: T5Config,
    device: Device,
}

impl T5Encoder {
    /// Loads an encoder; all tensors of `weights` must belong to it.
    ///
    /// # Errors
    /// `BadModel` with the tensors that are missing, left over or of another shape.
    pub fn load(config: &T5Config, weights: &Weights) -> Result<Self, PaintError> {
        let width = config.hidden_size;
        let encoder = weights.at("encoder");
        let blocks = encoder.at("block");
        let first = blocks.at(0).at("layer").at(0).at("SelfAttention").at("relative_attention_bias");
        let tokens = weights.at("shared").tensor("weight", &[config.vocabulary, width])?;
        let distances = first.tensor("weight", &[config.buckets, config.heads])?;
        let layers: Result<Vec<_>, _> = (0..config.layers).map(|at| Layer::load(&blocks.at(at), config)).collect();
        let layers = layers?;
        let norm = rms_norm(&encoder.at("final_layer_norm"), width, config.eps)?;
        // Some files have the one table of tokens twice.
        weights.finish(|name| name == "encoder.embed_tokens.weight")?;
        Ok(Self {
            tokens: Embedding::new(tokens, width),
            distances,
            layers,
            norm,
            config: config.clone(),
            device: weights.device(),
        })
    }

    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// The normalised output for each token of a text, `(1, tokens, hidden)`.
    ///
    /// # Errors
    /// `BadRequest` when there is no token or one is not in the vocabulary.
    pub fn encode(&self, ids: &[u32]) -> Result<Tensor, PaintError> {
        if ids.is_empty() {
            return Err(PaintError::BadRequest("the text encoder reads at least one token".to_owned()));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.config.vocabulary) {
            return Err(PaintError::BadRequest(format!("token {id} is not in the text encoder's vocabulary")));
        }
        let tokens = Tensor::new(ids, &self.device)?;
        let mut x = self.tokens.forward(&tokens)?.unsqueeze(0)?;
        let bias = self.bias(ids.len())?;
        for layer in &self.layers {
            x = layer.forward(&x, &bias)?;
        }
        Ok(self.norm.forward(&x)?)
    }

    fn bias(&self, length: usize) -> Result<Tensor, PaintError> {
        let of_row = |row: usize| (0..length).map(move |column| self.config.bucket(row, column));
        let buckets: Vec<u32> = (0..length).flat_map(of_row).collect();
        let buckets = Tensor::from_vec(buckets, length * length, &self.device)?;
        let bias = self.distances.index_select(&buckets, 0)?;
        Ok(bias.t()?.reshape((1, self.config.heads, length, length))?)
    }
}
