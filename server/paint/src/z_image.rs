//! The denoiser of Z-Image (Z-Image team, 2025; `ZImageTransformer2DModel`): one stream of tokens for image and caption.
//!
//! Refuses: the variant that also sees images, and several sizes of patch in one model.

mod block;
mod config;
mod models;

use candle_core::Tensor;
use candle_nn::{Linear, Module, RmsNorm};

use crate::error::PaintError;
use crate::layers::{linear, plain_norm, rms_norm, sinusoids};
use crate::rotary::{Rotary, angles};
use crate::stop::{Room, Stop};
use crate::weights::Weights;
use block::Block;

pub use config::ZImageConfig;
pub use models::ZImageModels;

/// Numbers that tell the layers what time it is, in models at least as wide.
const TIME_SIZE: usize = 256;

/// Sines and cosines that time is first made of.
const TIME_WAVES: usize = 256;

/// Width between the two layers of the time.
const TIME_INNER: usize = 1_024;

/// Tokens of image and of caption are filled up to a multiple of this.
const TOKENS_MULTIPLE: usize = 32;

/// The last normalisation has this smallest variance; the configuration does not name it.
const LAST_EPS: f64 = 1e-6;

/// A caption as every step reads it.
pub struct Caption {
    /// `(1, tokens, width)`.
    tokens: Tensor,
    rotary: Rotary,
    length: usize,
}

/// A denoiser with its weights.
pub struct ZImageTransformer {
    config: ZImageConfig,
    patches: Linear,
    time_up: Linear,
    time_down: Linear,
    caption_norm: RmsNorm,
    caption: Linear,
    /// What fills the tokens of the image up, `(1, width)`.
    image_filler: Tensor,
    /// What fills the tokens of the caption up, `(1, width)`.
    caption_filler: Tensor,
    caption_blocks: Vec<Block>,
    image_blocks: Vec<Block>,
    blocks: Vec<Block>,
    last_scale: Linear,
    last: Linear,
}

impl ZImageTransformer {
    /// Loads a denoiser; all tensors of `weights` must belong to it.
    ///
    /// # Errors
    /// `BadModel` with the tensors that are missing, left over or of another shape.
    pub fn load(config: &ZImageConfig, weights: &Weights) -> Result<Self, PaintError> {
        let (width, time) = (config.width, config.width.min(TIME_SIZE));
        let kind = format!("{}-1", config.patch);
        let numbers = config.patch * config.patch * config.channels;
        let blocks = |name: &str, count: usize, timed: bool| -> Result<Vec<Block>, PaintError> {
            let weights = weights.at(name);
            (0..count).map(|at| Block::load(&weights.at(at), config, timed.then_some(time))).collect()
        };
        let last = weights.at("all_final_layer").at(&kind);
        let caption = weights.at("cap_embedder");
        let mlp = weights.at("t_embedder").at("mlp");
        let model = Self {
            patches: linear(&weights.at("all_x_embedder").at(&kind), numbers, width, true)?,
            time_up: linear(&mlp.at(0), TIME_WAVES, TIME_INNER, true)?,
            time_down: linear(&mlp.at(2), TIME_INNER, time, true)?,
            caption_norm: rms_norm(&caption.at(0), config.caption_width, config.eps)?,
            caption: linear(&caption.at(1), config.caption_width, width, true)?,
            image_filler: weights.tensor("x_pad_token", &[1, width])?,
            caption_filler: weights.tensor("cap_pad_token", &[1, width])?,
            caption_blocks: blocks("context_refiner", config.refiner_layers, false)?,
            image_blocks: blocks("noise_refiner", config.refiner_layers, true)?,
            blocks: blocks("layers", config.layers, true)?,
            last_scale: linear(&last.at("adaLN_modulation").at(1), time, width, true)?,
            last: linear(&last.at("linear"), width, numbers, true)?,
            config: config.clone(),
        };
        weights.finish(|_| false)?;
        Ok(model)
    }

    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &ZImageConfig {
        &self.config
    }

    /// Reads what a text encoder made of a caption, `(tokens, size)`; no step changes it.
    ///
    /// # Errors
    /// `BadRequest` when it is empty or longer than the model's table of places.
    pub fn caption(&self, states: &Tensor) -> Result<Caption, PaintError> {
        let (count, _) = states.dims2()?;
        let length = count.next_multiple_of(TOKENS_MULTIPLE);
        if count == 0 || length >= self.config.axis_lengths[0] {
            let most = self.config.axis_lengths[0].saturating_sub(1);
            return Err(PaintError::BadRequest(format!(
                "the prompt has {count} tokens; the model reads 1 to {most}"
            )));
        }
        let tokens = self.caption.forward(&self.caption_norm.forward(&states.contiguous()?)?)?;
        let mut tokens = filled(&tokens.unsqueeze(0)?, length, &self.caption_filler)?;
        let places: Vec<[usize; 3]> = (1..=length).map(|at| [at, 0, 0]).collect();
        let rotary = self.rotary(&places)?;
        for block in &self.caption_blocks {
            tokens = block.forward(&tokens, &rotary, None, Room::AMPLE)?;
        }
        Ok(Caption { tokens, rotary, length })
    }

    /// The model's output for latents, `(batch, channels, height, width)`, at a time from 0 for noise to 1 for the image.
    ///
    /// # Errors
    /// `BadRequest` when a side is no multiple of the patch or longer than the model's table of places.
    pub fn forward(
        &self,
        latents: &Tensor,
        time: f32,
        caption: &Caption,
        stop: Stop<'_>,
    ) -> Result<Tensor, PaintError> {
        let (batch, _, height, width) = latents.dims4()?;
        let patch = self.config.patch;
        let [rows, columns] = self.grid(height, width)?;
        let count = rows * columns;
        let length = count.next_multiple_of(TOKENS_MULTIPLE);
        let time = self.time(time, latents)?;
        let mut tokens = self.patches.forward(&patches(latents, patch)?)?;
        tokens = filled(&tokens, length, &self.image_filler)?;
        let image = (0..count).map(|at| [caption.length + 1, at / columns, at % columns]);
        // What fills the tokens up stands at the origin.
        let places: Vec<[usize; 3]> = image.chain((count..length).map(|_| [0, 0, 0])).collect();
        let rotary = self.rotary(&places)?;
        for block in &self.image_blocks {
            stop.check()?;
            tokens = block.forward(&tokens, &rotary, Some(&time), stop.room())?;
        }
        let rotary = rotary.then(&caption.rotary)?;
        let mut tokens = Tensor::cat(&[&tokens, &caption.tokens.repeat((batch, 1, 1))?], 1)?;
        for block in &self.blocks {
            stop.check()?;
            tokens = block.forward(&tokens, &rotary, Some(&time), stop.room())?;
        }
        let tokens = tokens.narrow(1, 0, count)?.contiguous()?;
        let scale = (self.last_scale.forward(&time.silu()?)? + 1.0)?.unsqueeze(1)?;
        let tokens = plain_norm(&tokens, LAST_EPS)?.broadcast_mul(&scale)?;
        image_of(&self.last.forward(&tokens)?, [rows, columns], patch, self.config.channels)
    }

    fn grid(&self, height: usize, width: usize) -> Result<[usize; 2], PaintError> {
        let patch = self.config.patch;
        let fits = |side: usize, most: usize| side > 0 && side.is_multiple_of(patch) && side / patch <= most;
        let [_, rows, columns] = self.config.axis_lengths;
        if fits(height, rows) && fits(width, columns) {
            return Ok([height / patch, width / patch]);
        }
        Err(PaintError::BadRequest(format!(
            "the latent has {width} x {height} numbers; each side must be a multiple of {patch}, at most {} x {}",
            columns * patch,
            rows * patch
        )))
    }

    /// The time as the layers read it, `(1, size)`.
    fn time(&self, time: f32, like: &Tensor) -> Result<Tensor, PaintError> {
        let time = time * self.config.time_scale as f32;
        let waves = sinusoids(&[time], TIME_WAVES, true, 0.0, like.device())?.to_dtype(like.dtype())?;
        Ok(self.time_down.forward(&self.time_up.forward(&waves)?.silu()?)?)
    }

    fn rotary(&self, places: &[[usize; 3]]) -> Result<Rotary, PaintError> {
        let config = &self.config;
        let of_place = |place: &[usize; 3]| {
            // The reference rounds angles before it takes their cosines.
            let rounded = |angle: f64| f64::from(angle as f32);
            let axes = place.iter().zip(config.axis_sizes);
            let turns = axes.flat_map(|(place, size)| angles(*place, size, config.theta).map(rounded));
            turns.collect::<Vec<f64>>()
        };
        let angles: Vec<f64> = places.iter().flat_map(of_place).collect();
        Rotary::of_angles(&angles, places.len(), self.patches.weight().device())
    }
}

/// Tokens and then as many of the filler as are missing; `(batch, length, width)`.
fn filled(tokens: &Tensor, length: usize, filler: &Tensor) -> Result<Tensor, PaintError> {
    let (batch, count, _) = tokens.dims3()?;
    if count == length {
        return Ok(tokens.clone());
    }
    let filler = filler.unsqueeze(0)?.repeat((batch, length - count, 1))?;
    Ok(Tensor::cat(&[tokens, &filler], 1)?)
}

/// `(batch, channels, height, width)` to `(batch, patches, numbers)`; the channels of a place are neighbours.
fn patches(latents: &Tensor, patch: usize) -> Result<Tensor, PaintError> {
    let (batch, channels, height, width) = latents.dims4()?;
    let (rows, columns) = (height / patch, width / patch);
    let split = latents.contiguous()?.reshape(vec![batch, channels, rows, patch, columns, patch])?;
    let ordered = split.permute(vec![0, 2, 4, 3, 5, 1])?;
    Ok(ordered.reshape((batch, rows * columns, patch * patch * channels))?)
}

/// The way back from [`patches`].
fn image_of(
    tokens: &Tensor,
    [rows, columns]: [usize; 2],
    patch: usize,
    channels: usize,
) -> Result<Tensor, PaintError> {
    let batch = tokens.dim(0)?;
    let split = tokens.reshape(vec![batch, rows, columns, patch, patch, channels])?;
    let ordered = split.permute(vec![0, 5, 1, 3, 2, 4])?;
    Ok(ordered.reshape((batch, channels, rows * patch, columns * patch))?)
}
