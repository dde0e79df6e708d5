//! Text to image with FLUX.1 schnell and dev (`FluxPipeline`), from a folder in the layout of diffusers.
//!
//! Guidance is told to the models that were trained with it; the negative prompt is not read. Refuses: parts that do not
//! fit each other, and schedules other than a flow's.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::{FluxConfig, FluxText, FluxTransformer, GgufFile, PATCH};
use crate::clip::{ClipConfig, ClipTextEncoder};
use crate::error::PaintError;
use crate::flow::{self, FlowRequest};
use crate::json_tokenizer::JsonTokenizer;
use crate::pipeline::Image;
use crate::pipeline::folder::{text, within};
use crate::schedule::SchedulerConfig;
use crate::schedule::config::FILE;
use crate::scheduler::FlowLevels;
use crate::t5::{T5Config, T5Encoder};
use crate::tokenizer::ClipTokenizer;
use crate::vae::{Vae, VaeConfig};
use crate::weights::{SafetensorFiles, Weights};

/// Tokens of a text for the models that are told their guidance (dev), filled up to this many.
const GUIDED_TOKENS: usize = 512;

/// Tokens of a text for the others (schnell), which were trained with fewer.
const PLAIN_TOKENS: usize = 256;

const END: &str = "</s>";
const FILLING: &str = "<pad>";

/// The models of one folder.
pub struct FluxPipeline {
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
    /// The autoencoder.
    pub vae: Vae,
    /// The model's own schedule.
    pub scheduler: SchedulerConfig,
    /// Where the models are.
    pub device: Device,
    /// The type of their weights.
    pub dtype: DType,
}

/// What a request says as every step reads it.
pub struct FluxConditions {
    text: FluxText,
    guidance: f32,
}

impl FluxPipeline {
    /// Loads the models of a folder. The denoiser may be a GGUF file within its part, whatever its name.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over or damaged.
    pub fn open(folder: &Path, device: &Device, dtype: DType) -> Result<Self, PaintError> {
        let weights = |part: &str, stem: &str| -> Result<Weights, PaintError> {
            Ok(Weights::new(SafetensorFiles::open(&folder.join(part), stem)?, device, dtype))
        };
        let config = |part: &str| text(folder, &format!("{part}/config.json"));
        let stem = "diffusion_pytorch_model";
        let scheduler = SchedulerConfig::parse(&text(folder, &format!("scheduler/{FILE}"))?);
        let clip = within("text_encoder", ClipConfig::parse(&config("text_encoder")?))?;
        let t5 = within("text_encoder_2", T5Config::parse(&config("text_encoder_2")?))?;
        let transformer = within("transformer", FluxConfig::parse(&config("transformer")?))?;
        let vae = within("vae", VaeConfig::parse(&config("vae")?))?;
        let denoiser = match quantised(&folder.join("transformer"))? {
            Some(path) => Weights::new(within("transformer", GgufFile::open(&path))?, device, dtype),
            None => weights("transformer", stem)?,
        };
        let loaded = FluxTransformer::load(&transformer, &denoiser);
        let pipeline = Self {
            clip_tokenizer: within("tokenizer", ClipTokenizer::open(&folder.join("tokenizer")))?,
            clip: within("text_encoder", ClipTextEncoder::load(&clip, &weights("text_encoder", "model")?))?,
            t5_tokenizer: within("tokenizer_2", JsonTokenizer::open(&folder.join("tokenizer_2")))?,
            t5: within("text_encoder_2", T5Encoder::load(&t5, &weights("text_encoder_2", "model")?))?,
            t5_tokens: if transformer.guidance { GUIDED_TOKENS } else { PLAIN_TOKENS },
            transformer: within("transformer", loaded)?,
            vae: within("vae", Vae::load(&vae, &weights("vae", stem)?))?,
            scheduler: within("scheduler", scheduler.and_then(flow::checked_schedule))?,
            device: device.clone(),
            dtype,
        };
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
        let tokens = pipeline.t5_tokenizer.id(END).and(pipeline.t5_tokenizer.id(FILLING));
        within("tokenizer_2", tokens)?;
        Ok(pipeline)
    }

    /// Both sides of an image are multiples of so many pixels.
    #[must_use]
    pub fn side_multiple(&self) -> usize {
        self.vae.config().factor() * PATCH
    }

    /// Makes the images of a request; `progress` is told the steps taken and the steps in all.
    ///
    /// # Errors
    /// As for [`FluxPipeline::latents`].
    pub fn images(
        &self,
        request: &FlowRequest,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Vec<Image>, PaintError> {
        let latents = self.latents(request, progress)?;
        latents.iter().map(|latent| self.decode(request, latent)).collect()
    }

    /// Latents of a request's images, as the denoiser leaves them.
    ///
    /// # Errors
    /// `BadRequest` for sizes, batches and prompts that cannot be, `Cancelled` when `progress` says stop, `NotFinite` when
    /// the model's numbers are not.
    pub fn latents(
        &self,
        request: &FlowRequest,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Vec<Vec<f32>>, PaintError> {
        let shape = self.latent_shape(request)?;
        let conditions = self.conditions(request)?;
        let levels = (FlowLevels::EvenFromOne, self.image_tokens(shape));
        let count = shape.iter().product();
        flow::latents(&self.scheduler, request, count, levels, progress, |seen, timestep| {
            self.denoise(seen, shape, timestep, &conditions)
        })
    }

    /// Channels, height and width of a latent.
    ///
    /// # Errors
    /// `BadRequest` when the request is out of range.
    pub fn latent_shape(&self, request: &FlowRequest) -> Result<[usize; 3], PaintError> {
        flow::check(request, self.side_multiple())?;
        let vae = self.vae.config();
        Ok([vae.latent_channels, request.height / vae.factor(), request.width / vae.factor()])
    }

    /// Tokens of the image within the denoiser, on which a schedule may depend.
    #[must_use]
    pub fn image_tokens(&self, [_, height, width]: [usize; 3]) -> usize {
        (height / PATCH) * (width / PATCH)
    }

    /// Reads the prompt.
    ///
    /// # Errors
    /// `BadRequest` when it is too long.
    pub fn conditions(&self, request: &FlowRequest) -> Result<FluxConditions, PaintError> {
        Ok(FluxConditions { text: self.text(&request.prompt)?, guidance: request.guidance as f32 })
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

    /// The outputs for latents of this shape, one after the other, as the sampler takes them.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn denoise(
        &self,
        latents: &[f32],
        [channels, height, width]: [usize; 3],
        timestep: f32,
        conditions: &FluxConditions,
    ) -> Result<Vec<f32>, PaintError> {
        let time = timestep / self.scheduler.num_train_timesteps as f32;
        let batch = latents.len() / (channels * height * width);
        let seen = Tensor::from_slice(latents, (batch, channels, height, width), &self.device)?;
        let seen = seen.to_dtype(self.dtype)?;
        let output = self.transformer.forward(&seen, time, conditions.guidance, &conditions.text)?;
        Ok(output.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    }

    /// The picture of a latent.
    ///
    /// # Errors
    /// `NotFinite` when the autoencoder's numbers are not, `Compute` when the device fails.
    pub fn decode(&self, request: &FlowRequest, latent: &[f32]) -> Result<Image, PaintError> {
        flow::picture(&self.vae, latent, self.latent_shape(request)?, &self.device, self.dtype)
    }
}

/// The one GGUF file of a part of the model.
fn quantised(part: &Path) -> Result<Option<PathBuf>, PaintError> {
    let wrong = |reason: String| PaintError::bad_model("transformer", reason);
    let mut found = None;
    for entry in part.read_dir().map_err(|error| wrong(error.to_string()))? {
        let path = entry.map_err(|error| wrong(error.to_string()))?.path();
        if path.extension().is_some_and(|end| end == "gguf") && found.replace(path).is_some() {
            return Err(wrong("it has more than one GGUF file".to_owned()));
        }
    }
    Ok(found)
}
