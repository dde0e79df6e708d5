//! From prompts to what the denoiser reads: windows of tokens with emphasis, through one or two text encoders.
//!
//! Refuses: to let one prompt have another number of windows than the other; the shorter one gets empty ones.

use candle_core::{DType, Tensor};

use super::Drawing;
use crate::clip::{ClipTextEncoder, before_last};
use crate::error::PaintError;
use crate::prompt::{Chunk, chunks, parse};
use crate::stop::Stop;
use crate::tokenizer::ClipTokenizer;

/// A tokenizer and its encoder.
pub struct TextEncoder {
    /// The tokenizer.
    pub tokenizer: ClipTokenizer,
    /// The encoder.
    pub encoder: ClipTextEncoder,
}

/// The text encoders of a model.
pub enum TextEncoders {
    /// The one of Stable Diffusion: its last output, normalised.
    One(Box<TextEncoder>),
    /// The two of SDXL: their outputs before the last side by side, and the pooled text of the second.
    Two(Box<[TextEncoder; 2]>),
}

/// One prompt as the denoiser reads it.
pub(super) struct Side {
    /// `(1, tokens, width)`.
    pub(super) tokens: Tensor,
    /// `(1, size)`.
    pub(super) pooled: Tensor,
}

impl TextEncoders {
    /// # Errors
    /// `Bug` when there are neither one nor two.
    pub(super) fn of(encoders: Vec<TextEncoder>) -> Result<Self, PaintError> {
        let wrong = |_| PaintError::Bug("a model has one text encoder or two".to_owned());
        let mut encoders = encoders;
        if encoders.len() == 1 {
            return Ok(Self::One(Box::new(encoders.remove(0))));
        }
        encoders.try_into().map(|two| Self::Two(Box::new(two))).map_err(wrong)
    }

    fn all(&self) -> &[TextEncoder] {
        match self {
            Self::One(encoder) => std::slice::from_ref(encoder),
            Self::Two(encoders) => encoders.as_slice(),
        }
    }

    /// Numbers for each token, and of the pooled text where there is one.
    pub(super) fn widths(&self) -> (usize, Option<usize>) {
        let encoders = self.all();
        let tokens = encoders.iter().map(|encoder| encoder.encoder.config().hidden_size).sum();
        (tokens, encoders.last().and_then(|encoder| encoder.encoder.config().projection_dim))
    }

    /// The prompt, and the negative one where it is needed.
    pub(super) fn encode(
        &self,
        drawing: &Drawing,
        guided: bool,
        zero_for_empty: bool,
        stop: Stop<'_>,
    ) -> Result<(Side, Option<Side>), PaintError> {
        let mut wanted = Vec::new();
        let mut unwanted = Vec::new();
        for encoder in self.all() {
            stop.check()?;
            let mut windows = encoder.windows(&drawing.prompt)?;
            if !guided {
                wanted.push(self.side(encoder, &windows, drawing.clip_skip)?);
                continue;
            }
            let mut negative = encoder.windows(&drawing.negative)?;
            let count = windows.len().max(negative.len());
            windows.resize(count, encoder.tokenizer.windows().empty());
            negative.resize(count, encoder.tokenizer.windows().empty());
            wanted.push(self.side(encoder, &windows, drawing.clip_skip)?);
            unwanted.push(self.side(encoder, &negative, drawing.clip_skip)?);
        }
        let wanted = joined(wanted)?;
        if !guided {
            return Ok((wanted, None));
        }
        let unwanted = if zero_for_empty && drawing.negative.is_empty() {
            Side { tokens: wanted.tokens.zeros_like()?, pooled: wanted.pooled.zeros_like()? }
        } else {
            joined(unwanted)?
        };
        Ok((wanted, Some(unwanted)))
    }

    fn side(&self, encoder: &TextEncoder, windows: &[Chunk], skipped: usize) -> Result<Side, PaintError> {
        let ids: Vec<Vec<u32>> = windows.iter().map(|window| window.ids.clone()).collect();
        let encoded = encoder.encoder.encode(&ids)?;
        let output = match self {
            Self::One(_) => encoder.encoder.normalised(&encoded, skipped)?,
            Self::Two(_) => before_last(&encoded, skipped + 1)?.clone(),
        };
        let output = weighted(&output, windows)?;
        let (count, length, width) = output.dims3()?;
        let tokens = output.reshape((1, count * length, width))?;
        Ok(Side { tokens, pooled: encoded.pooled.narrow(0, 0, 1)? })
    }
}

impl TextEncoder {
    fn windows(&self, prompt: &str) -> Result<Vec<Chunk>, PaintError> {
        chunks(&parse(prompt)?, &self.tokenizer.windows(), |text| self.tokenizer.tokens(text))
    }
}

/// Outputs side by side; the pooled text is that of the last encoder.
fn joined(sides: Vec<Side>) -> Result<Side, PaintError> {
    let lengths: Vec<usize> = sides.iter().map(|side| side.tokens.dim(1)).collect::<Result<_, _>>()?;
    let longest = lengths.iter().copied().max().unwrap_or(0);
    if lengths.iter().any(|length| *length != longest) {
        return Err(PaintError::BadRequest(
            "the two text encoders cut this prompt into different windows".to_owned(),
        ));
    }
    let tokens: Vec<&Tensor> = sides.iter().map(|side| &side.tokens).collect();
    let tokens = Tensor::cat(&tokens, 2)?;
    let pooled = sides.into_iter().last().map(|side| side.pooled);
    let pooled = pooled.ok_or_else(|| PaintError::Bug("a model has no text encoder".to_owned()))?;
    Ok(Side { tokens, pooled })
}

/// Each token's output times its weight, and all of a window then times what brings its mean back.
fn weighted(output: &Tensor, windows: &[Chunk]) -> Result<Tensor, PaintError> {
    let plain = |window: &Chunk| window.weights.iter().all(|weight| (weight - 1.0).abs() <= 0.0);
    if windows.iter().all(plain) {
        return Ok(output.clone());
    }
    let rows: Result<Vec<Tensor>, PaintError> = windows
        .iter()
        .enumerate()
        .map(|(at, window)| {
            let row = output.narrow(0, at, 1)?;
            if plain(window) {
                return Ok(row);
            }
            let weights = Tensor::from_slice(&window.weights, (1, window.weights.len(), 1), output.device())?;
            let changed = row.broadcast_mul(&weights.to_dtype(row.dtype())?)?;
            let mean = |tensor: &Tensor| -> Result<f32, PaintError> {
                Ok(tensor.to_dtype(DType::F32)?.mean_all()?.to_scalar::<f32>()?)
            };
            let factor = f64::from(mean(&row)?) / f64::from(mean(&changed)?);
            Ok(if factor.is_finite() { (changed * factor)? } else { changed })
        })
        .collect();
    Ok(Tensor::cat(&rows?, 0)?)
}
