//! `config.json` of FLUX's denoiser.
//!
//! Refuses: keys and sizes that our computation does not have, by their names.

use serde_json::json;

use super::PATCH;
use crate::error::PaintError;
use crate::model_config::{ModelConfig, SIZE_MAX};

/// Most layers of one kind; the published models have 19 and 38.
const LAYERS_MAX: usize = 256;

/// What a denoiser is, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct FluxConfig {
    /// Numbers of a token of the image: channels of a latent times four.
    pub channels: usize,
    /// Numbers that the text encoder gives for each of its tokens.
    pub text_width: usize,
    /// Numbers of the text as a whole.
    pub pooled_width: usize,
    /// Whether the model was trained to be told its guidance.
    pub guidance: bool,
    pub(super) double_layers: usize,
    pub(super) single_layers: usize,
    pub(super) heads: usize,
    pub(super) head_size: usize,
    pub(super) axis_sizes: [usize; 3],
}

impl FluxConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `BadModel` with the key that is missing, unknown or asks for something that we do not do.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let keys = ModelConfig::parse("config.json", text)?;
        keys.only("patch_size", &[json!(1)])?;
        let channels = keys.size("in_channels", Some(64))?;
        keys.only("out_channels", &[json!(channels)])?;
        let axes = keys.list_or("axes_dims_rope", 3, &[16, 56, 56])?;
        let wrong_axes = |_| keys.wrong("`axes_dims_rope` is no list of 3 sizes");
        let config = Self {
            channels,
            text_width: keys.size("joint_attention_dim", Some(4_096))?,
            pooled_width: keys.size("pooled_projection_dim", Some(768))?,
            guidance: keys.flag("guidance_embeds", false)?,
            double_layers: keys.size("num_layers", Some(19))?,
            single_layers: keys.size("num_single_layers", Some(38))?,
            heads: keys.size("num_attention_heads", Some(24))?,
            head_size: keys.size("attention_head_dim", Some(128))?,
            axis_sizes: axes.try_into().map_err(wrong_axes)?,
        };
        keys.finish(&[])?;
        let checks = [
            (config.double_layers.max(config.single_layers) <= LAYERS_MAX, "`num_layers` is out of range"),
            (channels.is_multiple_of(PATCH * PATCH), "`in_channels` is no multiple of 4"),
            (config.axis_sizes.iter().all(|size| size % 2 == 0), "`axes_dims_rope` has an odd size"),
            (
                config.axis_sizes.iter().sum::<usize>() == config.head_size,
                "`axes_dims_rope` are not the numbers of a head",
            ),
            (
                config.heads.checked_mul(config.head_size).is_some_and(|width| width <= SIZE_MAX),
                "`attention_head_dim` is out of range",
            ),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(keys.wrong(*reason)),
            None => Ok(config),
        }
    }

    pub(super) fn width(&self) -> usize {
        self.heads * self.head_size
    }
}
