//! CLIP's text encoder (Radford et al., 2021; `CLIPTextModel` and `CLIPTextModelWithProjection`).
//!
//! Refuses: prompts of another length than the model's positions, and activations other than its two.

use candle_core::{Device, Tensor};
use candle_nn::{Embedding, LayerNorm, Linear, Module};
use serde_json::json;

use crate::error::PaintError;
use crate::layers::{attention, causal_mask, layer_norm, linear, quick_gelu, split_heads};
use crate::model_config::ModelConfig;
use crate::stop::Room;
use crate::weights::Weights;

/// Most layers; the largest published encoder has 32.
const LAYERS_MAX: usize = 128;

/// Keys that say nothing about the computation.
const OF_NO_CONSEQUENCE: &[&str] = &[
    "architectures",
    "attention_dropout",
    "bos_token_id",
    "dropout",
    "dtype",
    "gradient_checkpointing",
    "initializer_factor",
    "initializer_range",
    "model_type",
    "pad_token_id",
    "torch_dtype",
    "transformers_version",
];

/// What a text encoder is, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipConfig {
    /// Numbers for each token.
    pub hidden_size: usize,
    /// Numbers within a layer's second half.
    pub intermediate_size: usize,
    /// Numbers of the projected text, where the model projects it.
    pub projection_dim: Option<usize>,
    heads: usize,
    pub(crate) layers: usize,
    vocabulary: usize,
    positions: usize,
    quick_gelu: bool,
    layer_norm_eps: f64,
    end: u32,
}

impl ClipConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `BadModel` with the key that is missing, unknown or out of range.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let keys = ModelConfig::parse("config.json", text)?;
        let projection = keys.size("projection_dim", Some(512))?;
        let quick_gelu = match keys.word("hidden_act")?.unwrap_or("quick_gelu") {
            "quick_gelu" => true,
            "gelu" => false,
            other => return Err(keys.wrong(format!("`hidden_act` is {other}, which we do not do"))),
        };
        let config = Self {
            hidden_size: keys.size("hidden_size", Some(512))?,
            intermediate_size: keys.size("intermediate_size", Some(2_048))?,
            projection_dim: projects(text).then_some(projection),
            heads: keys.size("num_attention_heads", Some(8))?,
            layers: keys.size("num_hidden_layers", Some(12))?,
            vocabulary: keys.size("vocab_size", Some(49_408))?,
            positions: keys.size("max_position_embeddings", Some(77))?,
            quick_gelu,
            layer_norm_eps: keys.number("layer_norm_eps", Some(1e-5))?,
            end: keys.size("eos_token_id", Some(49_407))? as u32,
        };
        keys.only("use_cache", &[json!(true), json!(false)])?;
        keys.finish(OF_NO_CONSEQUENCE)?;
        if config.layers > LAYERS_MAX {
            return Err(keys.wrong("`num_hidden_layers` is out of range"));
        }
        if !config.hidden_size.is_multiple_of(config.heads) {
            return Err(keys.wrong("`hidden_size` is no multiple of `num_attention_heads`"));
        }
        if config.layer_norm_eps <= 0.0 {
            return Err(keys.wrong("`layer_norm_eps` is out of range"));
        }
        Ok(config)
    }
}

/// Whether the file names the class that projects; both have the same keys.
fn projects(text: &str) -> bool {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    json["architectures"][0].as_str() == Some("CLIPTextModelWithProjection")
}

struct Layer {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
    heads: usize,
    quick_gelu: bool,
}

impl Layer {
    fn load(weights: &Weights, config: &ClipConfig) -> Result<Self, PaintError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let attention = weights.at("self_attn");
        Ok(Self {
            norm1: layer_norm(&weights.at("layer_norm1"), width, config.layer_norm_eps)?,
            query: linear(&attention.at("q_proj"), width, width, true)?,
            key: linear(&attention.at("k_proj"), width, width, true)?,
            value: linear(&attention.at("v_proj"), width, width, true)?,
            out: linear(&attention.at("out_proj"), width, width, true)?,
            norm2: layer_norm(&weights.at("layer_norm2"), width, config.layer_norm_eps)?,
            up: linear(&weights.at("mlp").at("fc1"), width, inner, true)?,
            down: linear(&weights.at("mlp").at("fc2"), inner, width, true)?,
            heads: config.heads,
            quick_gelu: config.quick_gelu,
        })
    }

    fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor, PaintError> {
        let normed = self.norm1.forward(x)?;
        let split = |linear: &Linear| split_heads(&linear.forward(&normed)?, self.heads);
        let mixed =
            attention(&split(&self.query)?, &split(&self.key)?, &split(&self.value)?, Some(mask), Room::AMPLE)?;
        let x = (x + self.out.forward(&mixed)?)?;
        let inner = self.up.forward(&self.norm2.forward(&x)?)?;
        let inner = if self.quick_gelu { quick_gelu(&inner)? } else { inner.gelu_erf()? };
        Ok((x + self.down.forward(&inner)?)?)
    }
}

/// What an encoder makes of some windows of tokens.
pub struct Encoded {
    /// The input of the first layer and the output of each, `(windows, tokens, hidden)`, not normalised.
    pub hidden: Vec<Tensor>,
    /// The last output, normalised.
    pub last: Tensor,
    /// The normalised output at the end of the text, projected where the model projects, `(windows, size)`.
    pub pooled: Tensor,
}

/// A text encoder with its weights.
pub struct ClipTextEncoder {
    tokens: Embedding,
    positions: Tensor,
    layers: Vec<Layer>,
    norm: LayerNorm,
    projection: Option<Linear>,
    config: ClipConfig,
    device: Device,
}

impl ClipTextEncoder {
    /// Loads an encoder; all tensors of `weights` must belong to it.
    ///
    /// # Errors
    /// `BadModel` with the tensors that are missing, left over or of another shape.
    pub fn load(config: &ClipConfig, weights: &Weights) -> Result<Self, PaintError> {
        // Files of older and newer versions of the library differ in this prefix.
        let old = weights.has("text_model.embeddings.token_embedding.weight");
        let root = if old { weights.at("text_model") } else { weights.clone() };
        let (width, vocabulary, count) = (config.hidden_size, config.vocabulary, config.positions);
        let embeddings = root.at("embeddings");
        let tokens = embeddings.at("token_embedding").tensor("weight", &[vocabulary, width])?;
        let positions = embeddings.at("position_embedding").tensor("weight", &[count, width])?;
        let layers = root.at("encoder").at("layers");
        let layers: Result<Vec<_>, _> = (0..config.layers).map(|at| Layer::load(&layers.at(at), config)).collect();
        let layers = layers?;
        let norm = layer_norm(&root.at("final_layer_norm"), width, config.layer_norm_eps)?;
        let projection = config
            .projection_dim
            .map(|size| linear(&weights.at("text_projection"), width, size, false))
            .transpose()?;
        // Old files keep the row of position numbers.
        weights.finish(|name| name.ends_with("embeddings.position_ids"))?;
        Ok(Self {
            tokens: Embedding::new(tokens, width),
            positions,
            layers,
            norm,
            projection,
            config: config.clone(),
            device: weights.device(),
        })
    }

    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// What the model makes of windows of tokens, all of the same length.
    ///
    /// # Errors
    /// `BadRequest` when a token or a length is out of the model's range.
    pub fn encode(&self, windows: &[Vec<u32>]) -> Result<Encoded, PaintError> {
        let length = windows.first().map_or(0, Vec::len);
        if length == 0 || length > self.config.positions || windows.iter().any(|window| window.len() != length) {
            let positions = self.config.positions;
            return Err(PaintError::BadRequest(format!(
                "the text encoder reads windows of 1 to {positions} tokens"
            )));
        }
        let flat: Vec<u32> = windows.concat();
        if let Some(id) = flat.iter().find(|id| **id as usize >= self.config.vocabulary) {
            return Err(PaintError::BadRequest(format!("token {id} is not in the text encoder's vocabulary")));
        }
        let ids = Tensor::from_vec(flat, (windows.len(), length), &self.device)?;
        let positions = self.positions.narrow(0, 0, length)?;
        let mut x = self.tokens.forward(&ids)?.broadcast_add(&positions)?;
        let mask = causal_mask(length, x.dtype(), &self.device)?;
        let mut hidden = vec![x.clone()];
        for layer in &self.layers {
            x = layer.forward(&x, &mask)?;
            hidden.push(x.clone());
        }
        let last = self.norm.forward(&x)?;
        let rows: Result<Vec<Tensor>, PaintError> = windows
            .iter()
            .enumerate()
            .map(|(row, window)| Ok(last.get(row)?.narrow(0, self.end_of(window), 1)?))
            .collect();
        let mut pooled = Tensor::cat(&rows?, 0)?;
        if let Some(projection) = &self.projection {
            pooled = projection.forward(&pooled)?;
        }
        Ok(Encoded { hidden, last, pooled })
    }

    /// An output some layers before the last, normalised like the last one ("clip skip" of Stable Diffusion; 0 is the
    /// last).
    ///
    /// # Errors
    /// `BadRequest` when the model has fewer layers.
    pub fn normalised(&self, encoded: &Encoded, skipped: usize) -> Result<Tensor, PaintError> {
        Ok(self.norm.forward(before_last(encoded, skipped)?)?)
    }

    /// The place of the token that ends a window's text.
    fn end_of(&self, window: &[u32]) -> usize {
        // The first files of these models named 2 by mistake, and the highest token was meant.
        let highest = window.iter().copied().max().unwrap_or(0);
        let end = if self.config.end == 2 { highest } else { self.config.end };
        window.iter().position(|id| *id == end).unwrap_or(0)
    }
}

/// The output so many layers before the last, not normalised; SDXL reads the one before the last.
///
/// # Errors
/// `BadRequest` when the model has fewer layers.
pub fn before_last(encoded: &Encoded, skipped: usize) -> Result<&Tensor, PaintError> {
    let count = encoded.hidden.len();
    let found = count.checked_sub(skipped + 1).and_then(|at| encoded.hidden.get(at));
    found.ok_or_else(|| PaintError::BadRequest(format!("the text encoder has {} layers to skip", count - 1)))
}
