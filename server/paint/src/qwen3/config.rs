//! `config.json` of Qwen3, of older and newer versions of the library.
//!
//! Refuses: keys and values that our computation does not have, by their names.

use serde_json::json;

use crate::error::PaintError;
use crate::model_config::{ModelConfig, SIZE_MAX};

/// Most layers; the largest published model has 94.
const LAYERS_MAX: usize = 256;

/// Keys that say nothing about the computation.
const OF_NO_CONSEQUENCE: &[&str] = &[
    "architectures",
    "attention_dropout",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "initializer_range",
    "max_window_layers",
    "model_type",
    "pad_token_id",
    "sliding_window",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_version",
    "use_cache",
];

/// What a text encoder is, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Qwen3Config {
    /// Numbers for each token.
    pub hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    pub(super) head_size: usize,
    pub(super) layers: usize,
    pub(super) vocabulary: usize,
    pub(super) positions: usize,
    pub(super) eps: f64,
    pub(super) theta: f64,
    pub(super) attention_bias: bool,
}

impl Qwen3Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `BadModel` with the key that is missing, unknown or asks for something that we do not do.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let keys = ModelConfig::parse("config.json", text)?;
        keys.only("hidden_act", &[json!("silu")])?;
        keys.only("use_sliding_window", &[json!(false)])?;
        keys.only("rope_scaling", &[])?;
        let heads = keys.size("num_attention_heads", Some(32))?;
        let config = Self {
            hidden_size: keys.size("hidden_size", Some(4_096))?,
            intermediate_size: keys.size("intermediate_size", Some(22_016))?,
            heads,
            key_heads: keys.size("num_key_value_heads", Some(heads))?,
            head_size: keys.size("head_dim", Some(128))?,
            layers: keys.size("num_hidden_layers", Some(32))?,
            vocabulary: keys.size("vocab_size", Some(151_936))?,
            positions: keys.size("max_position_embeddings", Some(32_768))?,
            eps: keys.number("rms_norm_eps", Some(1e-6))?,
            theta: theta(&keys)?,
            attention_bias: keys.flag("attention_bias", false)?,
        };
        let all = vec![json!("full_attention"); config.layers.min(LAYERS_MAX)];
        keys.only("layer_types", &[json!(all)])?;
        keys.finish(OF_NO_CONSEQUENCE)?;
        let checks = [
            ((2..=LAYERS_MAX).contains(&config.layers), "`num_hidden_layers` is out of range"),
            (config.eps > 0.0, "`rms_norm_eps` is out of range"),
            (config.theta >= 1.0, "`rope_theta` is out of range"),
            (config.head_size.is_multiple_of(2), "`head_dim` is odd"),
            (config.heads.is_multiple_of(config.key_heads), "`num_key_value_heads` does not divide the heads"),
            (
                config.heads.checked_mul(config.head_size).is_some_and(|all| all <= SIZE_MAX),
                "`head_dim` is out of range",
            ),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(keys.wrong(*reason)),
            None => Ok(config),
        }
    }
}

/// Newer files have it in an object of its own.
fn theta(keys: &ModelConfig) -> Result<f64, PaintError> {
    const DEFAULT: f64 = 10_000.0;
    let outer = keys.number("rope_theta", Some(DEFAULT))?;
    let Some(inner) = keys.within("rope_parameters")? else { return Ok(outer) };
    inner.only("rope_type", &[json!("default")])?;
    let theta = inner.number("rope_theta", Some(outer))?;
    inner.finish(&[])?;
    Ok(theta)
}
