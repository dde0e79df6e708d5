//! The denoiser of FLUX.1 (Black Forest Labs, 2024; `FluxTransformer2DModel`): two streams of tokens, then one.
//!
//! Refuses: the variants that see other images beside the latent, and patches other than the packed 2 x 2.

mod block;
mod config;
mod gguf;
mod models;
pub(crate) mod names;
mod projection;

use candle_core::{Device, Module, Tensor};

use crate::error::PaintError;
use crate::layers::{EmbeddingMlp, plain_norm, sinusoids};
use crate::rotary::{Rotary, angles};
use crate::stop::Stop;
use crate::weights::Weights;
use block::{DoubleBlock, NORM_EPS, SingleBlock};
use projection::Projection;

pub use config::FluxConfig;
pub use gguf::GgufFile;
pub use models::FluxModels;

/// Sines and cosines that time and guidance are first made of.
const TIME_WAVES: usize = 256;

/// Angles of positions fall from 1 by this; the configuration does not name it.
const THETA: f64 = 10_000.0;

/// Numbers of a latent along each side of a token.
const PATCH: usize = 2;

/// A text as the denoiser reads it.
pub struct FluxText {
    /// `(1, tokens, size)`.
    pub tokens: Tensor,
    /// `(1, size)`.
    pub pooled: Tensor,
}

/// A denoiser with its weights.
pub struct FluxTransformer {
    config: FluxConfig,
    image: Projection,
    text: Projection,
    time: EmbeddingMlp,
    guidance: Option<EmbeddingMlp>,
    pooled: EmbeddingMlp,
    double: Vec<DoubleBlock>,
    single: Vec<SingleBlock>,
    last_change: Projection,
    last: Projection,
    device: Device,
}

impl FluxTransformer {
    /// Loads a denoiser; all tensors of `weights` must belong to it.
    ///
    /// # Errors
    /// `BadModel` with the tensors that are missing, left over or of another shape.
    pub fn load(config: &FluxConfig, weights: &Weights) -> Result<Self, PaintError> {
        let width = config.width();
        let embed = weights.at("time_text_embed");
        let mlp = |name: &str, inputs: usize| EmbeddingMlp::load(&embed.at(name), inputs, width);
        let double = weights.at("transformer_blocks");
        let single = weights.at("single_transformer_blocks");
        let model = Self {
            image: Projection::load(&weights.at("x_embedder"), config.channels, width)?,
            text: Projection::load(&weights.at("context_embedder"), config.text_width, width)?,
            time: mlp("timestep_embedder", TIME_WAVES)?,
            guidance: config.guidance.then(|| mlp("guidance_embedder", TIME_WAVES)).transpose()?,
            pooled: mlp("text_embedder", config.pooled_width)?,
            double: (0..config.double_layers)
                .map(|at| DoubleBlock::load(&double.at(at), config))
                .collect::<Result<_, _>>()?,
            single: (0..config.single_layers)
                .map(|at| SingleBlock::load(&single.at(at), config))
                .collect::<Result<_, _>>()?,
            last_change: Projection::load(&weights.at("norm_out").at("linear"), width, 2 * width)?,
            last: Projection::load(&weights.at("proj_out"), width, config.channels)?,
            device: weights.device(),
            config: config.clone(),
        };
        weights.finish(|_| false)?;
        Ok(model)
    }

    /// What the configuration says.
    #[must_use]
    pub fn config(&self) -> &FluxConfig {
        &self.config
    }

    /// The model's output for latents, `(batch, channels, height, width)`, at a time from 1 for noise to 0 for the image.
    /// `guidance` is read where the model was trained with it.
    ///
    /// # Errors
    /// `BadRequest` when a side is odd.
    pub fn forward(
        &self,
        latents: &Tensor,
        time: f32,
        guidance: f32,
        text: &FluxText,
        stop: Stop<'_>,
    ) -> Result<Tensor, PaintError> {
        let (batch, _, height, width) = latents.dims4()?;
        if height == 0 || width == 0 || height % PATCH != 0 || width % PATCH != 0 {
            return Err(PaintError::BadRequest(format!(
                "the latent has {width} x {height} numbers; each side must be a multiple of {PATCH}"
            )));
        }
        let grid = [height / PATCH, width / PATCH];
        let change = self.change(time, guidance, &text.pooled)?.silu()?;
        let words = text.tokens.dim(1)?;
        let rotary = self.rotary(words, grid)?;
        let mut text = self.text.forward(&text.tokens)?.repeat((batch, 1, 1))?;
        let mut image = self.image.forward(&packed(latents)?)?;
        for block in &self.double {
            stop.check()?;
            (text, image) = block.forward(&text, &image, &change, &rotary, stop.room())?;
        }
        let mut tokens = Tensor::cat(&[&text, &image], 1)?;
        for block in &self.single {
            stop.check()?;
            tokens = block.forward(&tokens, &change, &rotary, stop.room())?;
        }
        let image = tokens.narrow(1, words, grid[0] * grid[1])?;
        let parts = self.last_change.forward(&change)?.unsqueeze(1)?.chunk(2, 2)?;
        let image = plain_norm(&image, NORM_EPS)?;
        let image = image.broadcast_mul(&(&parts[0] + 1.0)?)?.broadcast_add(&parts[1])?;
        unpacked(&self.last.forward(&image)?, grid)
    }

    /// Time, guidance and the text as a whole, `(1, width)`.
    fn change(&self, time: f32, guidance: f32, pooled: &Tensor) -> Result<Tensor, PaintError> {
        const SCALE: f32 = 1_000.0;
        let waves = |number: f32| -> Result<Tensor, PaintError> {
            let waves = sinusoids(&[number * SCALE], TIME_WAVES, true, 0.0, pooled.device())?;
            Ok(waves.to_dtype(pooled.dtype())?)
        };
        let mut change = self.time.forward(&waves(time)?)?;
        if let Some(layer) = &self.guidance {
            change = (change + layer.forward(&waves(guidance)?)?)?;
        }
        Ok((change + self.pooled.forward(pooled)?)?)
    }

    /// Words stand at the origin, and the image before them at rows and columns.
    fn rotary(&self, words: usize, [rows, columns]: [usize; 2]) -> Result<Rotary, PaintError> {
        let image = (0..rows * columns).map(|at| [0, at / columns, at % columns]);
        let places = (0..words).map(|_| [0, 0, 0]).chain(image);
        let of_place = |place: [usize; 3]| {
            let axes = place.into_iter().zip(self.config.axis_sizes);
            axes.flat_map(|(place, size)| angles(place, size, THETA))
        };
        let angles: Vec<f64> = places.flat_map(of_place).collect();
        Rotary::of_angles(&angles, words + rows * columns, &self.device)
    }
}

/// `(batch, channels, height, width)` to `(batch, tokens, 4 channels)`; the four numbers of a channel are neighbours.
fn packed(latents: &Tensor) -> Result<Tensor, PaintError> {
    let (batch, channels, height, width) = latents.dims4()?;
    let (rows, columns) = (height / PATCH, width / PATCH);
    let split = latents.contiguous()?.reshape(vec![batch, channels, rows, PATCH, columns, PATCH])?;
    let ordered = split.permute(vec![0, 2, 4, 1, 3, 5])?;
    Ok(ordered.reshape((batch, rows * columns, channels * PATCH * PATCH))?)
}

/// The way back from [`packed`].
fn unpacked(tokens: &Tensor, [rows, columns]: [usize; 2]) -> Result<Tensor, PaintError> {
    let (batch, _, numbers) = tokens.dims3()?;
    let channels = numbers / (PATCH * PATCH);
    let split = tokens.reshape(vec![batch, rows, columns, channels, PATCH, PATCH])?;
    let ordered = split.permute(vec![0, 3, 1, 4, 2, 5])?;
    Ok(ordered.reshape((batch, channels, rows * PATCH, columns * PATCH))?)
}
