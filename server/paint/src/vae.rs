//! The autoencoder between pixels and latents (Rombach et al., 2022; `AutoencoderKL`).
//!
//! Refuses: images whose sides are no multiples of its factor.

mod halves;

use candle_core::{Device, Tensor};
use serde_json::json;

use crate::error::PaintError;
use crate::layers::{Conv2d, conv};
use crate::model_config::ModelConfig;
use crate::resnet::Norms;
use crate::stop::Stop;
use crate::weights::Weights;
use halves::{Decoder, Encoder};

/// Most sizes between pixels and latents.
const BLOCKS_MAX: usize = 8;

/// Most blocks of layers at one size.
const LAYERS_MAX: usize = 16;

/// The normalisations of this model have this smallest variance; its configuration does not name it.
const EPS: f64 = 1e-6;

/// What an autoencoder is, from its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct VaeConfig {
    /// Channels of a latent.
    pub latent_channels: usize,
    /// What latents are multiplied by for the denoiser.
    pub scaling_factor: f64,
    /// What is taken off before that, where the model has it.
    pub shift_factor: f64,
    /// Channels of an image.
    pub image_channels: usize,
    pub(crate) channels: Vec<usize>,
    pub(crate) layers: usize,
    pub(crate) norms: Norms,
    pub(crate) attention: bool,
    quant_conv: bool,
    post_quant_conv: bool,
}

impl VaeConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// `BadModel` with the key that is missing, unknown or asks for something that we do not do.
    pub fn parse(text: &str) -> Result<Self, PaintError> {
        let keys = ModelConfig::parse("config.json", text)?;
        let channels = keys.list("block_out_channels", BLOCKS_MAX)?;
        for (key, kind) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
            let kinds = keys.words(key, BLOCKS_MAX)?;
            if kinds.len() != channels.len() || kinds.iter().any(|named| *named != kind) {
                return Err(keys.wrong(format!("`{key}` has other blocks than {kind}, one for each size")));
            }
        }
        keys.only("act_fn", &[json!("silu"), json!("swish")])?;
        keys.only("latents_mean", &[])?;
        keys.only("latents_std", &[])?;
        let image_channels = keys.size("in_channels", Some(3))?;
        if keys.size("out_channels", Some(3))? != image_channels {
            return Err(keys.wrong("`out_channels` differs from `in_channels`"));
        }
        let config = Self {
            latent_channels: keys.size("latent_channels", Some(4))?,
            scaling_factor: keys.number("scaling_factor", Some(0.182_15))?,
            shift_factor: keys.number("shift_factor", Some(0.0))?,
            image_channels,
            layers: keys.size("layers_per_block", Some(1))?,
            norms: Norms { groups: keys.size("norm_num_groups", Some(32))?, eps: EPS },
            attention: keys.flag("mid_block_add_attention", true)?,
            quant_conv: keys.flag("use_quant_conv", true)?,
            post_quant_conv: keys.flag("use_post_quant_conv", true)?,
            channels,
        };
        // In single precision, which is what we decode in, nothing has to be raised to it.
        keys.finish(&["force_upcast", "sample_size"])?;
        if config.layers > LAYERS_MAX {
            return Err(keys.wrong("`layers_per_block` is out of range"));
        }
        if config.scaling_factor.abs() < 1e-9 {
            return Err(keys.wrong("`scaling_factor` is out of range"));
        }
        if config.channels.iter().any(|channels| !channels.is_multiple_of(config.norms.groups)) {
            return Err(keys.wrong("`block_out_channels` has no multiple of `norm_num_groups`"));
        }
        Ok(config)
    }

    /// Pixels of an image for one number of a latent, along each side.
    #[must_use]
    pub fn factor(&self) -> usize {
        1 << (self.channels.len() - 1)
    }
}

/// An autoencoder with its weights.
pub struct Vae {
    config: VaeConfig,
    device: Device,
    encoder: Encoder,
    decoder: Decoder,
    quant: Option<Conv2d>,
    post_quant: Option<Conv2d>,
}

impl Vae {
    /// Loads an autoencoder; all tensors of `weights` must belong to it.
    ///
    /// # Errors
    /// `BadModel` with the tensors that are missing, left over or of another shape.
    pub fn load(config: &VaeConfig, weights: &Weights) -> Result<Self, PaintError> {
        let latent = config.latent_channels;
        let convolution = |name: &str, channels: usize, there: bool| {
            there.then(|| conv(&weights.at(name), channels, channels, 1, 1, 0)).transpose()
        };
        let vae = Self {
            encoder: Encoder::load(&weights.at("encoder"), config)?,
            decoder: Decoder::load(&weights.at("decoder"), config)?,
            quant: convolution("quant_conv", 2 * latent, config.quant_conv)?,
            post_quant: convolution("post_quant_conv", latent, config.post_quant_conv)?,
            device: weights.device(),
            config: config.clone(),
        };
        weights.finish(|_| false)?;
        Ok(vae)
    }

    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Where it is.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Mean and logarithm of variance of an image's latent, before scaling. `image` is `(batch, 3, height, width)` from
    /// -1 to 1.
    ///
    /// # Errors
    /// `BadRequest` when a side is no multiple of the factor, `Cancelled` within a block after the caller wants no more.
    pub fn encode(&self, image: &Tensor, stop: Stop<'_>) -> Result<(Tensor, Tensor), PaintError> {
        const LOGARITHM_MAX: f32 = 20.0;
        const LOGARITHM_MIN: f32 = -30.0;
        let (_, _, height, width) = image.dims4()?;
        let factor = self.config.factor();
        if height == 0 || width == 0 || height % factor != 0 || width % factor != 0 {
            return Err(PaintError::BadRequest(format!(
                "the image has {width} x {height} pixels; each side must be a multiple of {factor}"
            )));
        }
        let moments = self.encoder.forward(image, stop)?;
        let moments = self.quant.as_ref().map_or(Ok(moments.clone()), |conv| conv.forward(&moments))?;
        let latent = self.config.latent_channels;
        let logarithm = moments.narrow(1, latent, latent)?.clamp(LOGARITHM_MIN, LOGARITHM_MAX)?;
        Ok((moments.narrow(1, 0, latent)?.contiguous()?, logarithm))
    }

    /// The image of a latent that was not scaled, about -1 to 1, `(batch, 3, height, width)`.
    ///
    /// # Errors
    /// `Compute` when the device fails, `Cancelled` within a block after the caller wants no more.
    pub fn decode(&self, latent: &Tensor, stop: Stop<'_>) -> Result<Tensor, PaintError> {
        let latent = self.post_quant.as_ref().map_or(Ok(latent.clone()), |conv| conv.forward(latent))?;
        self.decoder.forward(&latent, stop)
    }
}
