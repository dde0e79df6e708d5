//! `config.json` of Z-Image's denoiser.
//!
//! Refuses: keys and sizes that our computation does not have, by their names.

use serde_json::json;

use crate::error::PaintError;
use crate::model_config::ModelConfig;

/// Most layers of one kind; the published model has 30.
const LAYERS_MAX: usize = 256;

/// Longest side of a patch.
const PATCH_MAX: usize = 16;

/// What a denoiser is, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ZImageConfig {
    /// Channels of a latent.
    pub channels: usize,
    /// Numbers of a latent along each side of a token.
    pub patch: usize,
    /// Numbers that the text encoder gives for each of its tokens.
    pub caption_width: usize,
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) refiner_layers: usize,
    pub(super) heads: usize,
    pub(super) eps: f64,
    pub(super) norms_of_heads: bool,
    pub(super) theta: f64,
    pub(super) time_scale: f64,
    pub(super) axis_sizes: [usize; 3],
    pub(super) axis_lengths: [usize; 3],
}

impl ZImageConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `BadModel` with the key that is missing, unknown or asks for something that we do not do.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let keys = ModelConfig::parse("config.json", text)?;
        let axes = |key: &str, default: &[usize]| -> Result<[usize; 3], PaintError> {
            let sizes = keys.list_or(key, 3, default)?;
            <[usize; 3]>::try_from(sizes).map_err(|_| keys.wrong(format!("`{key}` is no list of 3 sizes")))
        };
        keys.only("all_f_patch_size", &[json!([1])])?;
        keys.only("siglip_feat_dim", &[])?;
        let patch = keys.list_or("all_patch_size", 1, &[2])?[0];
        let heads = keys.size("n_heads", Some(30))?;
        if keys.size("n_kv_heads", Some(heads))? != heads {
            return Err(keys.wrong("`n_kv_heads` differs from `n_heads`, which we do not do"));
        }
        let config = Self {
            channels: keys.size("in_channels", Some(16))?,
            patch,
            caption_width: keys.size("cap_feat_dim", Some(2_560))?,
            width: keys.size("dim", Some(3_840))?,
            layers: keys.size("n_layers", Some(30))?,
            refiner_layers: keys.size("n_refiner_layers", Some(2))?,
            heads,
            eps: keys.number("norm_eps", Some(1e-5))?,
            norms_of_heads: keys.flag("qk_norm", true)?,
            theta: keys.number("rope_theta", Some(256.0))?,
            time_scale: keys.number("t_scale", Some(1_000.0))?,
            axis_sizes: axes("axes_dims", &[32, 48, 48])?,
            axis_lengths: axes("axes_lens", &[1_024, 512, 512])?,
        };
        keys.finish(&[])?;
        let checks = [
            (config.patch <= PATCH_MAX, "`all_patch_size` is out of range"),
            (config.layers <= LAYERS_MAX && config.refiner_layers <= LAYERS_MAX, "`n_layers` is out of range"),
            (config.eps > 0.0, "`norm_eps` is out of range"),
            (config.theta >= 1.0, "`rope_theta` is out of range"),
            (config.width.is_multiple_of(heads), "`dim` is no multiple of `n_heads`"),
            (config.axis_sizes.iter().all(|size| size % 2 == 0), "`axes_dims` has an odd size"),
            (
                config.axis_sizes.iter().sum::<usize>() * heads == config.width,
                "`axes_dims` are not the numbers of a head",
            ),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(keys.wrong(*reason)),
            None => Ok(config),
        }
    }

    /// Numbers within the second half of a layer: eight thirds of the width, rounded down.
    pub(super) fn inner(&self) -> usize {
        self.width * 8 / 3
    }

    pub(super) fn head_size(&self) -> usize {
        self.width / self.heads
    }
}
