//! The autoencoder between pixels and latents (Rombach et al., 2022; `AutoencoderKL`).
//!
//! Refuses: images whose sides are no multiples of its factor.

mod halves;
mod tiles;

use candle_core::{DType, Device, Tensor};
use serde_json::json;

use crate::error::PaintError;
use crate::layers::{Conv2d, conv};
use crate::model_config::ModelConfig;
use crate::resnet::Norms;
use crate::stop::Stop;
use crate::weights::Weights;
use halves::{Decoder, Encoder};
use tiles::Scale;

/// Most sizes between pixels and latents.
const BLOCKS_MAX: usize = 8;

/// Most blocks of layers at one size.
const LAYERS_MAX: usize = 16;

/// The normalisations of this model have this smallest variance; its configuration does not name it.
const EPS: f64 = 1e-6;

/// Numbers that the decoder holds at once for each pixel, as a multiple of the channels that it has there at most: its
/// input, the same normalised, and what becomes of it.
const DECODER_HELD: usize = 3;

/// The same for the encoder.
const ENCODER_HELD: usize = 4;

/// What the tensor library's own convolution adds on other devices than the processor: each number once for each place of
/// its kernel.
const KERNEL_PLACES: usize = 9;

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

    /// Bytes that the work on each place of a latent takes at its peak, besides the weights.
    fn bytes_per_place(&self, channels: usize, held: usize) -> u64 {
        let held = if self.device.is_cpu() { held } else { held + KERNEL_PLACES };
        (self.config.factor().pow(2) * channels * held * DType::F32.size_in_bytes()) as u64
    }

    /// Mean and logarithm of variance of an image's latent, before scaling. `image` is `(batch, 3, height, width)` from
    /// -1 to 1. An image that needs more memory than there is goes through it in tiles.
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
        let work = |image: &Tensor| {
            let moments = self.encoder.forward(image, stop)?;
            self.quant.as_ref().map_or(Ok(moments.clone()), |conv| conv.forward(&moments))
        };
        let bytes_per_place = self.bytes_per_place(self.config.channels[0], ENCODER_HELD);
        let moments =
            match tiles::side([height / factor, width / factor], bytes_per_place, stop.room().image_bytes_max) {
                Some(side) => tiles::in_tiles(image, side, Scale { from: factor, to: 1 }, work)?,
                None => work(image)?,
            };
        let latent = self.config.latent_channels;
        let logarithm = moments.narrow(1, latent, latent)?.clamp(LOGARITHM_MIN, LOGARITHM_MAX)?;
        Ok((moments.narrow(1, 0, latent)?.contiguous()?, logarithm))
    }

    /// The image of a latent that was not scaled, about -1 to 1, `(batch, 3, height, width)`; one that needs more memory
    /// than there is is made in tiles.
    ///
    /// # Errors
    /// `Compute` when the device fails, `Cancelled` within a block after the caller wants no more.
    pub fn decode(&self, latent: &Tensor, stop: Stop<'_>) -> Result<Tensor, PaintError> {
        let latent = self.post_quant.as_ref().map_or(Ok(latent.clone()), |conv| conv.forward(latent))?;
        let (_, _, height, width) = latent.dims4()?;
        // At the size of the image the decoder still has the channels of the size before.
        let channels = self.config.channels[(self.config.channels.len() - 1).min(1)];
        let bytes_per_place = self.bytes_per_place(channels, DECODER_HELD);
        let work = |latent: &Tensor| self.decoder.forward(latent, stop);
        match tiles::side([height, width], bytes_per_place, stop.room().image_bytes_max) {
            Some(side) => tiles::in_tiles(&latent, side, Scale { from: 1, to: self.config.factor() }, work),
            None => work(&latent),
        }
    }
}
