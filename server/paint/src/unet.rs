//! The denoiser of Stable Diffusion 1.x, 2.x and SDXL (Rombach et al., 2022; Podell et al., 2023; `UNet2DConditionModel`).
//!
//! Refuses: latents of another number of channels, and the parts of the reference's class that none of these models has.

mod attention;
mod blocks;
mod config;

use candle_core::{Device, Tensor};

use crate::error::PaintError;
use crate::layers::{Conv2d, EmbeddingMlp, GroupNorm, conv, group_norm, sinusoids};
use crate::stop::Stop;
use crate::weights::Weights;
use blocks::{DownBlock, Given, MiddleBlock, UpBlock};

pub use config::UNetConfig;

/// What SDXL's denoiser is told beside the prompt.
pub struct SizeCondition {
    /// The pooled text, `(batch, size)`.
    pub text: Tensor,
    /// Original height and width, top and left of the crop, target height and width, for each image of the batch.
    pub sizes: Vec<[f32; 6]>,
}

/// A denoiser with its weights.
pub struct UNet {
    config: UNetConfig,
    conv_in: Conv2d,
    time: EmbeddingMlp,
    sizes: Option<EmbeddingMlp>,
    down: Vec<DownBlock>,
    middle: MiddleBlock,
    up: Vec<UpBlock>,
    norm: GroupNorm,
    conv_out: Conv2d,
    device: Device,
}

impl UNet {
    /// Loads a denoiser; all tensors of `weights` must belong to it.
    ///
    /// # Errors
    /// `BadModel` with the tensors that are missing, left over or of another shape.
    pub fn load(config: &UNetConfig, weights: &Weights) -> Result<Self, PaintError> {
        let first = config.channels[0];
        let last = config.channels.len() - 1;
        let down: Result<Vec<_>, _> =
            (0..=last).map(|at| DownBlock::load(&weights.at("down_blocks").at(at), config, at)).collect();
        let up: Result<Vec<_>, _> =
            (0..=last).map(|at| UpBlock::load(&weights.at("up_blocks").at(at), config, at)).collect();
        let sizes = config
            .size_condition
            .map(|sizes| EmbeddingMlp::load(&weights.at("add_embedding"), sizes.inputs, config.time_width));
        let unet = Self {
            conv_in: conv(&weights.at("conv_in"), config.in_channels, first, 3, 1, 1)?,
            time: EmbeddingMlp::load(&weights.at("time_embedding"), first, config.time_width)?,
            sizes: sizes.transpose()?,
            down: down?,
            middle: MiddleBlock::load(&weights.at("mid_block"), config)?,
            up: up?,
            norm: group_norm(&weights.at("conv_norm_out"), config.norms.groups, first, config.norms.eps)?,
            conv_out: conv(&weights.at("conv_out"), first, config.out_channels, 3, 1, 1)?,
            device: weights.device(),
            config: config.clone(),
        };
        weights.finish(|_| false)?;
        Ok(unet)
    }

    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// The model's output for latents `(batch, channels, height, width)` at a timestep, for texts `(batch, tokens, size)`.
    ///
    /// # Errors
    /// `Bug` when the size condition does not fit the model, `Compute` when shapes do not or the device fails, `Cancelled`
    /// within a block after the caller wants no more.
    pub fn forward(
        &self,
        latents: &Tensor,
        timestep: f32,
        text: &Tensor,
        condition: Option<&SizeCondition>,
        stop: Stop<'_>,
    ) -> Result<Tensor, PaintError> {
        let time = self.time_embedding(latents, timestep, condition)?;
        let given = Given { time: &time, text, stop };
        let mut x = self.conv_in.forward(latents)?;
        let mut skipped = vec![x.clone()];
        for block in &self.down {
            x = block.forward(&x, &given, &mut skipped)?;
        }
        x = self.middle.forward(&x, &given)?;
        for block in &self.up {
            x = block.forward(&x, &given, &mut skipped)?;
        }
        self.conv_out.forward(&self.norm.forward_silu(&x)?)
    }

    /// The time embedding after its activation, `(batch, width)`.
    fn time_embedding(
        &self,
        latents: &Tensor,
        timestep: f32,
        condition: Option<&SizeCondition>,
    ) -> Result<Tensor, PaintError> {
        let (config, dtype, batch) = (&self.config, latents.dtype(), latents.dim(0)?);
        let waves = |numbers: &[f32], width: usize| {
            sinusoids(numbers, width, config.flip_sin_to_cos, config.freq_shift, &self.device)
        };
        let time = waves(&vec![timestep; batch], config.channels[0])?.to_dtype(dtype)?;
        let mut embedding = self.time.forward(&time)?;
        match (&self.sizes, config.size_condition, condition) {
            (None, None, None) => {}
            (Some(layers), Some(sizes), Some(condition)) if condition.sizes.len() == batch => {
                let numbers = condition.sizes.concat();
                let waves = waves(&numbers, sizes.width)?.reshape((batch, ()))?.to_dtype(dtype)?;
                let inputs = Tensor::cat(&[&condition.text, &waves], 1)?;
                embedding = (embedding + layers.forward(&inputs)?)?;
            }
            _ => return Err(PaintError::Bug("the size condition does not fit the denoiser".to_owned())),
        }
        Ok(embedding.silu()?)
    }
}
