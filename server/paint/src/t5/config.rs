//! `config.json` of T5, and the buckets that distances between tokens fall into.
//!
//! Refuses: keys and values that our computation does not have, by their names.

use serde_json::json;

use crate::error::PaintError;
use crate::model_config::{ModelConfig, SIZE_MAX};

/// Most layers; the largest published encoder has 24.
const LAYERS_MAX: usize = 256;

/// Keys that say nothing about the encoder.
const OF_NO_CONSEQUENCE: &[&str] = &[
    "architectures",
    "classifier_dropout",
    "decoder_start_token_id",
    "dropout_rate",
    "dtype",
    "eos_token_id",
    "initializer_factor",
    "is_decoder",
    "is_encoder_decoder",
    "model_type",
    "n_positions",
    "num_decoder_layers",
    "output_past",
    "pad_token_id",
    "scale_decoder_outputs",
    "task_specific_params",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_version",
    "use_cache",
];

/// What a text encoder is, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct T5Config {
    /// Numbers for each token.
    pub hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
    pub(super) layers: usize,
    pub(super) vocabulary: usize,
    pub(super) buckets: usize,
    distance_max: usize,
    pub(super) eps: f64,
}

impl T5Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `BadModel` with the key that is missing, unknown or asks for something that we do not do.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let keys = ModelConfig::parse("config.json", text)?;
        if keys.word("feed_forward_proj")? != Some("gated-gelu") {
            return Err(keys.wrong("`feed_forward_proj` is not gated-gelu, and we do nothing else"));
        }
        keys.only("dense_act_fn", &[json!("gelu_new")])?;
        keys.only("is_gated_act", &[json!(true)])?;
        let config = Self {
            hidden_size: keys.size("d_model", Some(512))?,
            intermediate_size: keys.size("d_ff", Some(2_048))?,
            heads: keys.size("num_heads", Some(8))?,
            head_size: keys.size("d_kv", Some(64))?,
            layers: keys.size("num_layers", Some(6))?,
            vocabulary: keys.size("vocab_size", Some(32_128))?,
            buckets: keys.size("relative_attention_num_buckets", Some(32))?,
            distance_max: keys.size("relative_attention_max_distance", Some(128))?,
            eps: keys.number("layer_norm_epsilon", Some(1e-6))?,
        };
        keys.finish(OF_NO_CONSEQUENCE)?;
        let checks = [
            (config.layers <= LAYERS_MAX, "`num_layers` is out of range"),
            (config.eps > 0.0, "`layer_norm_epsilon` is out of range"),
            (
                config.buckets.is_multiple_of(4) && config.distance_max > config.buckets / 4,
                "`relative_attention_num_buckets` is out of range",
            ),
            (
                config.heads.checked_mul(config.head_size).is_some_and(|all| all <= SIZE_MAX),
                "`d_kv` is out of range",
            ),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(keys.wrong(*reason)),
            None => Ok(config),
        }
    }

    /// The bucket of the distance from one token to another: half of the buckets for each direction, and of each half one
    /// for every short distance and the rest for ranges that grow evenly in the logarithm.
    pub(super) fn bucket(&self, from: usize, to: usize) -> u32 {
        let half = self.buckets / 2;
        let exact = half / 2;
        let distance = from.abs_diff(to);
        let bucket = if distance < exact {
            distance
        } else {
            let logarithm = |ratio: f64| ratio.ln();
            // f32 like the reference's, so that distances on a border fall to the same side.
            let share = logarithm(f64::from(distance as f32 / exact as f32)) as f32
                / logarithm(self.distance_max as f64 / exact as f64) as f32;
            (exact + (share * (half - exact) as f32) as usize).min(half - 1)
        };
        (bucket + if to > from { half } else { 0 }) as u32
    }
}
