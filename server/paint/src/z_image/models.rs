//! The denoiser of Z-Image with its text encoder (`ZImagePipeline`).
//!
//! Refuses: parts that do not fit each other.

use candle_core::{DType, Tensor};

use super::{Caption, ZImageConfig, ZImageTransformer};
use crate::error::PaintError;
use crate::json_tokenizer::JsonTokenizer;
use crate::pipeline::folder::{Parts, within};
use crate::pipeline::{Denoiser, Drawing, Family, OwnSide, Prompted, TRANSFORMER_SIDE_PIXELS};
use crate::qwen3::{Qwen3Config, Qwen3Encoder};
use crate::schedule::SchedulerConfig;
use crate::scheduler::FlowLevels;
use crate::stop::Stop;
use crate::vae::VaeConfig;

/// Most tokens of a prompt with all that stands around it; the rest is not read.
const PROMPT_TOKENS_MAX: usize = 512;

const TURN_START: &str = "<|im_start|>";
const TURN_END: &str = "<|im_end|>";

/// The models beside the autoencoder.
pub struct ZImageModels {
    /// The text encoder's tokenizer.
    pub tokenizer: JsonTokenizer,
    /// The text encoder.
    pub encoder: Qwen3Encoder,
    /// The denoiser.
    pub transformer: ZImageTransformer,
}

/// The captions of a drawing as every step reads them.
struct Read<'a> {
    transformer: &'a ZImageTransformer,
    wanted: Caption,
    /// The negative prompt and how far the image is pushed away from it, where the guidance needs it.
    unwanted: Option<(Caption, f32)>,
    trained_timesteps: f32,
}

impl ZImageModels {
    /// Loads the models of a folder.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over or damaged; `Cancelled`.
    pub(crate) fn load(parts: &Parts<'_>, vae: &VaeConfig) -> Result<Self, PaintError> {
        let encoder = parts.config("text_encoder", Qwen3Config::parse)?;
        let transformer = parts.config("transformer", ZImageConfig::parse)?;
        let wrong = |reason: &str| Err(PaintError::bad_model("transformer/config.json", reason));
        if transformer.channels != vae.latent_channels {
            return wrong("`in_channels` is not what the autoencoder has");
        }
        if transformer.caption_width != encoder.hidden_size {
            return wrong("`cap_feat_dim` is not what the text encoder has");
        }
        let tokenizer = within("tokenizer", JsonTokenizer::open(&parts.place("tokenizer")))?;
        // Without them the model would read the marks of turns as words.
        within("tokenizer", tokenizer.id(TURN_START).and(tokenizer.id(TURN_END)))?;
        let encoder = within("text_encoder", Qwen3Encoder::load(&encoder, &parts.weights("text_encoder")?))?;
        let transformer =
            within("transformer", ZImageTransformer::load(&transformer, &parts.weights("transformer")?))?;
        Ok(Self { tokenizer, encoder, transformer })
    }

    /// What the text encoder makes of a prompt, `(tokens, size)`.
    ///
    /// # Errors
    /// `BadRequest` when the prompt is too long.
    pub fn states(&self, prompt: &str) -> Result<Tensor, PaintError> {
        // One turn of the user and the start of the model's, as the template of this family writes them.
        let turns = format!("{TURN_START}user\n{prompt}{TURN_END}\n{TURN_START}assistant\n");
        let mut ids = self.tokenizer.tokens(&turns)?;
        ids.truncate(PROMPT_TOKENS_MAX);
        self.encoder.encode(&ids)
    }
}

impl Denoiser for ZImageModels {
    /// The distilled model is known by the smaller shift of its schedule.
    fn family(&self, own: &SchedulerConfig) -> Family {
        const TURBO_SHIFT_MAX: f64 = 3.0;
        let config = self.transformer.config();
        let (name, steps, guidance) =
            if own.shift <= TURBO_SHIFT_MAX { ("Z-Image Turbo", 9, 1.0) } else { ("Z-Image", 50, 5.0) };
        Family {
            name,
            channels: config.channels,
            patch: config.patch,
            own_side: OwnSide::Pixels(TRANSFORMER_SIDE_PIXELS),
            width: config.width,
            flow_levels: FlowLevels::EvenFromOneSingle,
            steps,
            guidance,
        }
    }

    /// Guidance is meant as for Stable Diffusion, so it is one more than diffusers has for this model.
    fn read<'a>(&'a self, drawing: &Drawing, stop: Stop<'_>) -> Result<Box<dyn Prompted + 'a>, PaintError> {
        let caption = |prompt: &str| {
            stop.check()?;
            self.transformer.caption(&self.states(prompt)?)
        };
        let wanted = caption(&drawing.prompt)?;
        let guided = drawing.guidance > 1.0;
        let unwanted = guided.then(|| -> Result<(Caption, f32), PaintError> {
            Ok((caption(&drawing.negative)?, (drawing.guidance - 1.0) as f32))
        });
        Ok(Box::new(Read {
            transformer: &self.transformer,
            wanted,
            unwanted: unwanted.transpose()?,
            trained_timesteps: drawing.schedule.num_train_timesteps as f32,
        }))
    }
}

impl Prompted for Read<'_> {
    fn sides(&self) -> usize {
        if self.unwanted.is_some() { 2 } else { 1 }
    }

    fn outputs(&self, latents: &Tensor, timestep: f32, stop: Stop<'_>) -> Result<Vec<f32>, PaintError> {
        // This model counts from noise to image and points the other way.
        let time = (self.trained_timesteps - timestep) / self.trained_timesteps;
        let latents = latents.to_dtype(self.wanted.tokens.dtype())?;
        let output = |caption: &Caption| -> Result<Vec<f32>, PaintError> {
            let output = self.transformer.forward(&latents, time, caption, stop)?.to_dtype(DType::F32)?;
            Ok(output.flatten_all()?.to_vec1()?)
        };
        let wanted = output(&self.wanted)?;
        let Some((unwanted, guidance)) = &self.unwanted else {
            return Ok(wanted.into_iter().map(|number| -number).collect());
        };
        let guide = |(wanted, unwanted): (f32, f32)| -(wanted + guidance * (wanted - unwanted));
        Ok(wanted.into_iter().zip(output(unwanted)?).map(guide).collect())
    }
}
