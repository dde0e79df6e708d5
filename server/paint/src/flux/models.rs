//! The denoiser of FLUX.1 schnell and dev with its text encoders (`FluxPipeline`).
//!
//! Guidance is told to the models that were trained with it; the negative prompt is not read. Refuses: parts that do not
//! fit each other.

use candle_core::{DType, Tensor};

use super::{FluxConfig, FluxText, FluxTransformer, PATCH};
use crate::clip::{ClipConfig, ClipTextEncoder};
use crate::error::PaintError;
use crate::json_tokenizer::JsonTokenizer;
use crate::pipeline::folder::{Parts, within};
use crate::pipeline::{Denoiser, Drawing, Family, OwnSide, Prompted, TRANSFORMER_SIDE_PIXELS};
use crate::schedule::SchedulerConfig;
use crate::scheduler::FlowLevels;
use crate::stop::Stop;
use crate::t5::{T5Config, T5Encoder};
use crate::tokenizer::ClipTokenizer;
use crate::vae::VaeConfig;

/// Tokens of a text for the models that are told their guidance (dev), filled up to this many.
const GUIDED_TOKENS: usize = 512;

/// Tokens of a text for the others (schnell), which were trained with fewer.
const PLAIN_TOKENS: usize = 256;

const END: &str = "</s>";
const FILLING: &str = "<pad>";

/// The models beside the autoencoder.
pub struct FluxModels {
    /// The tokenizer of the first text encoder.
    pub clip_tokenizer: ClipTokenizer,
    /// The first text encoder, for the text as a whole.
    pub clip: ClipTextEncoder,
    /// The tokenizer of the second text encoder.
    pub t5_tokenizer: JsonTokenizer,
    /// The second text encoder, for each token.
    pub t5: T5Encoder,
    /// Tokens that a text is cut and filled up to for it.
    pub t5_tokens: usize,
    /// The denoiser.
    pub transformer: FluxTransformer,
}

/// What a drawing says as every step reads it.
struct Read<'a> {
    transformer: &'a FluxTransformer,
    text: FluxText,
    guidance: f32,
    trained_timesteps: f32,
}

impl FluxModels {
    /// Loads the models of a folder.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over or damaged; `Cancelled`.
    pub(crate) fn load(parts: &Parts<'_>, vae: &VaeConfig) -> Result<Self, PaintError> {
        let clip = parts.config("text_encoder", ClipConfig::parse)?;
        let t5 = parts.config("text_encoder_2", T5Config::parse)?;
        let transformer = parts.config("transformer", FluxConfig::parse)?;
        let wrong = |reason: &str| Err(PaintError::bad_model("transformer/config.json", reason));
        if transformer.channels != vae.latent_channels * PATCH * PATCH {
            return wrong("`in_channels` is not four times what the autoencoder has");
        }
        if transformer.pooled_width != clip.projection_dim.unwrap_or(clip.hidden_size) {
            return wrong("`pooled_projection_dim` is not what the first text encoder has");
        }
        if transformer.text_width != t5.hidden_size {
            return wrong("`joint_attention_dim` is not what the second text encoder has");
        }
        let clip_tokenizer = within("tokenizer", ClipTokenizer::open(&parts.place("tokenizer")))?;
        let t5_tokenizer = within("tokenizer_2", JsonTokenizer::open(&parts.place("tokenizer_2")))?;
        within("tokenizer_2", t5_tokenizer.id(END).and(t5_tokenizer.id(FILLING)))?;
        let clip = within("text_encoder", ClipTextEncoder::load(&clip, &parts.weights("text_encoder")?))?;
        let t5 = within("text_encoder_2", T5Encoder::load(&t5, &parts.weights("text_encoder_2")?))?;
        let t5_tokens = if transformer.guidance { GUIDED_TOKENS } else { PLAIN_TOKENS };
        let transformer =
            within("transformer", FluxTransformer::load(&transformer, &parts.weights("transformer")?))?;
        Ok(Self { clip_tokenizer, clip, t5_tokenizer, t5, t5_tokens, transformer })
    }

    /// What the two text encoders make of a prompt.
    ///
    /// # Errors
    /// `BadRequest` when the prompt is too long.
    pub fn text(&self, prompt: &str) -> Result<FluxText, PaintError> {
        let mut ids = self.t5_tokenizer.tokens(prompt)?;
        ids.truncate(self.t5_tokens.saturating_sub(1));
        ids.push(self.t5_tokenizer.id(END)?);
        ids.resize(self.t5_tokens, self.t5_tokenizer.id(FILLING)?);
        let window = self.clip_tokenizer.window(prompt)?;
        Ok(FluxText { tokens: self.t5.encode(&ids)?, pooled: self.clip.encode(&[window])?.pooled })
    }
}

impl Denoiser for FluxModels {
    /// The model that is told its guidance wants the customary steps; the other one was distilled to four.
    fn family(&self, _own: &SchedulerConfig) -> Family {
        let config = self.transformer.config();
        let (name, steps, guidance) =
            if config.guidance { ("FLUX.1 dev", 28, 3.5) } else { ("FLUX.1 schnell", 4, 1.0) };
        Family {
            name,
            channels: config.channels / (PATCH * PATCH),
            patch: PATCH,
            own_side: OwnSide::Pixels(TRANSFORMER_SIDE_PIXELS),
            width: config.width(),
            flow_levels: FlowLevels::EvenFromOne,
            steps,
            guidance,
        }
    }

    fn read<'a>(&'a self, drawing: &Drawing, stop: Stop<'_>) -> Result<Box<dyn Prompted + 'a>, PaintError> {
        stop.check()?;
        Ok(Box::new(Read {
            transformer: &self.transformer,
            text: self.text(&drawing.prompt)?,
            guidance: drawing.guidance as f32,
            trained_timesteps: drawing.schedule.num_train_timesteps as f32,
        }))
    }
}

impl Prompted for Read<'_> {
    fn sides(&self) -> usize {
        1
    }

    fn outputs(&self, latents: &Tensor, timestep: f32, stop: Stop<'_>) -> Result<Vec<f32>, PaintError> {
        let latents = latents.to_dtype(self.text.tokens.dtype())?;
        let time = timestep / self.trained_timesteps;
        let output = self.transformer.forward(&latents, time, self.guidance, &self.text, stop)?;
        Ok(output.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }
}
