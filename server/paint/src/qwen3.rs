//! Qwen3 as a text encoder (Qwen team, 2025; `Qwen3Model`): what its last layer but one says of each token.
//!
//! Refuses: windows of attention that slide, and stretched positions; the last layer is neither kept nor computed.

mod config;

use candle_core::{Device, Tensor};
use candle_nn::{Embedding, Linear, Module, RmsNorm};

use crate::error::PaintError;
use crate::layers::{attention, causal_mask, linear, rms_norm, split_heads};
use crate::rotary::Rotary;
use crate::stop::Room;
use crate::weights::Weights;

pub use config::Qwen3Config;

struct Layer {
    norm1: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    query_norm: RmsNorm,
    key_norm: RmsNorm,
    norm2: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    heads: usize,
    key_heads: usize,
}

impl Layer {
    fn load(weights: &Weights, config: &Qwen3Config) -> Result<Self, PaintError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let (queries, keys) = (config.heads * config.head_size, config.key_heads * config.head_size);
        let (attention, mlp) = (weights.at("self_attn"), weights.at("mlp"));
        let projection = |name: &str, inputs: usize, outputs: usize| {
            linear(&attention.at(name), inputs, outputs, config.attention_bias)
        };
        Ok(Self {
            norm1: rms_norm(&weights.at("input_layernorm"), width, config.eps)?,
            query: projection("q_proj", width, queries)?,
            key: projection("k_proj", width, keys)?,
            value: projection("v_proj", width, keys)?,
            out: projection("o_proj", queries, width)?,
            query_norm: rms_norm(&attention.at("q_norm"), config.head_size, config.eps)?,
            key_norm: rms_norm(&attention.at("k_norm"), config.head_size, config.eps)?,
            norm2: rms_norm(&weights.at("post_attention_layernorm"), width, config.eps)?,
            gate: linear(&mlp.at("gate_proj"), width, inner, false)?,
            up: linear(&mlp.at("up_proj"), width, inner, false)?,
            down: linear(&mlp.at("down_proj"), inner, width, false)?,
            heads: config.heads,
            key_heads: config.key_heads,
        })
    }

    fn forward(&self, x: &Tensor, rotary: &Rotary, mask: &Tensor) -> Result<Tensor, PaintError> {
        let normed = self.norm1.forward(x)?;
        let query =
            self.query_norm.forward(&split_heads(&self.query.forward(&normed)?, self.heads)?.contiguous()?)?;
        let key =
            self.key_norm.forward(&split_heads(&self.key.forward(&normed)?, self.key_heads)?.contiguous()?)?;
        let value = split_heads(&self.value.forward(&normed)?, self.key_heads)?;
        let each = self.heads / self.key_heads;
        let (query, key) = (rotary.turn_halves(&query)?, rotary.turn_halves(&key)?);
        let mixed = attention(&query, &repeated(&key, each)?, &repeated(&value, each)?, Some(mask), Room::AMPLE)?;
        let x = (x + self.out.forward(&mixed)?)?;
        let normed = self.norm2.forward(&x)?;
        let inner = (self.gate.forward(&normed)?.silu()? * self.up.forward(&normed)?)?;
        Ok((x + self.down.forward(&inner)?)?)
    }
}

/// Each head as many times after itself, for the queries that share it.
fn repeated(x: &Tensor, times: usize) -> Result<Tensor, PaintError> {
    if times == 1 {
        return Ok(x.clone());
    }
    let (batch, heads, length, size) = x.dims4()?;
    let copies = x.unsqueeze(2)?.expand((batch, heads, times, length, size))?;
    Ok(copies.reshape((batch, heads * times, length, size))?)
}

/// A text encoder with its weights.
pub struct Qwen3Encoder {
    tokens: Embedding,
    layers: Vec<Layer>,
    config: Qwen3Config,
    device: Device,
}

impl Qwen3Encoder {
    /// Loads an encoder; all tensors of `weights` must belong to it.
    ///
    /// # Errors
    /// `BadModel` with the tensors that are missing, left over or of another shape.
    pub fn load(config: &Qwen3Config, weights: &Weights) -> Result<Self, PaintError> {
        // Files of the whole language model have this prefix, and a last layer that makes words.
        let prefix = if weights.has("model.embed_tokens.weight") { "model." } else { "" };
        let root = if prefix.is_empty() { weights.clone() } else { weights.at("model") };
        let width = config.hidden_size;
        let tokens = root.at("embed_tokens").tensor("weight", &[config.vocabulary, width])?;
        let last = config.layers - 1;
        let layers = root.at("layers");
        let layers: Result<Vec<_>, _> = (0..last).map(|at| Layer::load(&layers.at(at), config)).collect();
        let layers = layers?;
        let last = format!("{prefix}layers.{last}.");
        let norm = format!("{prefix}norm.weight");
        weights.finish(|name| name.starts_with(&last) || name == norm || name == "lm_head.weight")?;
        Ok(Self {
            tokens: Embedding::new(tokens, width),
            layers,
            config: config.clone(),
            device: weights.device(),
        })
    }

    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &Qwen3Config {
        &self.config
    }

    /// The last output but one for each token of a text, `(tokens, hidden)`.
    ///
    /// # Errors
    /// `BadRequest` when there is no token, when there are too many, or when one is not in the vocabulary.
    pub fn encode(&self, ids: &[u32]) -> Result<Tensor, PaintError> {
        let most = self.config.positions;
        if ids.is_empty() || ids.len() > most {
            return Err(PaintError::BadRequest(format!("the text encoder reads 1 to {most} tokens")));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.config.vocabulary) {
            return Err(PaintError::BadRequest(format!("token {id} is not in the text encoder's vocabulary")));
        }
        let tokens = Tensor::new(ids, &self.device)?;
        let mut x = self.tokens.forward(&tokens)?.unsqueeze(0)?;
        let rotary = self.rotary(ids.len())?;
        let mask = causal_mask(ids.len(), x.dtype(), &self.device)?;
        for layer in &self.layers {
            x = layer.forward(&x, &rotary, &mask)?;
        }
        Ok(x.squeeze(0)?)
    }

    /// The reference has frequencies and angles in f32.
    fn rotary(&self, length: usize) -> Result<Rotary, PaintError> {
        let (size, theta) = (self.config.head_size, self.config.theta as f32);
        let frequency = |at: usize| 1.0 / theta.powf(at as f32 / size as f32);
        let frequencies: Vec<f32> = (0..size).step_by(2).map(frequency).collect();
        let of_place = |place: usize| frequencies.iter().map(move |frequency| f64::from(place as f32 * frequency));
        let angles: Vec<f64> = (0..length).flat_map(of_place).collect();
        Rotary::of_angles(&angles, length, &self.device)
    }
}
