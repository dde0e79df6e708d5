//! Text to image with Z-Image (`ZImagePipeline`), from a folder in the layout of diffusers.
//!
//! Refuses: parts that do not fit each other, and schedules other than a flow's.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use super::{Caption, ZImageConfig, ZImageTransformer};
use crate::error::PaintError;
use crate::flow::{self, FlowRequest};
use crate::json_tokenizer::JsonTokenizer;
use crate::pipeline::Image;
use crate::pipeline::folder::{text, within};
use crate::qwen3::{Qwen3Config, Qwen3Encoder};
use crate::schedule::SchedulerConfig;
use crate::schedule::config::FILE;
use crate::scheduler::FlowLevels;
use crate::vae::{Vae, VaeConfig};
use crate::weights::{SafetensorFiles, Weights};

/// Most tokens of a prompt with all that stands around it; the rest is not read.
const PROMPT_TOKENS_MAX: usize = 512;

const TURN_START: &str = "<|im_start|>";
const TURN_END: &str = "<|im_end|>";

/// The models of one folder.
pub struct ZImagePipeline {
    /// The text encoder's tokenizer.
    pub tokenizer: JsonTokenizer,
    /// The text encoder.
    pub encoder: Qwen3Encoder,
    /// The denoiser.
    pub transformer: ZImageTransformer,
    /// The autoencoder.
    pub vae: Vae,
    /// The model's own schedule.
    pub scheduler: SchedulerConfig,
    /// Where the models are.
    pub device: Device,
    /// The type of their weights.
    pub dtype: DType,
}

/// The captions of a request as every step reads them.
pub struct ZImageConditions {
    wanted: Caption,
    /// The negative prompt, where the guidance needs it.
    unwanted: Option<Caption>,
    guidance: f32,
}

impl ZImagePipeline {
    /// Loads the models of a folder.
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
        let encoder = within("text_encoder", Qwen3Config::parse(&config("text_encoder")?))?;
        let transformer = within("transformer", ZImageConfig::parse(&config("transformer")?))?;
        let vae = within("vae", VaeConfig::parse(&config("vae")?))?;
        let pipeline = Self {
            tokenizer: within("tokenizer", JsonTokenizer::open(&folder.join("tokenizer")))?,
            scheduler: within("scheduler", scheduler.and_then(flow::checked_schedule))?,
            encoder: within("text_encoder", Qwen3Encoder::load(&encoder, &weights("text_encoder", "model")?))?,
            transformer: within(
                "transformer",
                ZImageTransformer::load(&transformer, &weights("transformer", stem)?),
            )?,
            vae: within("vae", Vae::load(&vae, &weights("vae", stem)?))?,
            device: device.clone(),
            dtype,
        };
        pipeline.parts_fit()?;
        Ok(pipeline)
    }

    fn parts_fit(&self) -> Result<(), PaintError> {
        let config = self.transformer.config();
        let wrong = |reason: &str| Err(PaintError::bad_model("transformer/config.json", reason));
        if config.channels != self.vae.config().latent_channels {
            return wrong("`in_channels` is not what the autoencoder has");
        }
        if config.caption_width != self.encoder.config().hidden_size {
            return wrong("`cap_feat_dim` is not what the text encoder has");
        }
        // Without them the model would read the marks of turns as words.
        within("tokenizer", self.tokenizer.id(TURN_START).and(self.tokenizer.id(TURN_END)))?;
        Ok(())
    }

    /// Both sides of an image are multiples of so many pixels.
    #[must_use]
    pub fn side_multiple(&self) -> usize {
        self.vae.config().factor() * self.transformer.config().patch
    }

    /// Makes the images of a request; `progress` is told the steps taken and the steps in all. Guidance is meant as for Stable Diffusion, so it is one more than diffusers has for
    /// this model.
    ///
    /// # Errors
    /// As for [`ZImagePipeline::latents`].
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
        let levels = (FlowLevels::EvenFromOneSingle, self.image_tokens(shape));
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
        let patch = self.transformer.config().patch;
        (height / patch) * (width / patch)
    }

    /// Reads the prompt, and the negative one where the guidance is above 1.
    ///
    /// # Errors
    /// `BadRequest` when a prompt is too long.
    pub fn conditions(&self, request: &FlowRequest) -> Result<ZImageConditions, PaintError> {
        let guided = request.guidance > 1.0;
        let caption = |prompt: &str| self.transformer.caption(&self.states(prompt)?);
        Ok(ZImageConditions {
            wanted: caption(&request.prompt)?,
            unwanted: guided.then(|| caption(&request.negative)).transpose()?,
            guidance: (request.guidance - 1.0) as f32,
        })
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

    /// The outputs for latents of this shape, one after the other, as the sampler takes them.
    ///
    /// # Errors
    /// `Compute` when the device fails.
    pub fn denoise(
        &self,
        latents: &[f32],
        [channels, height, width]: [usize; 3],
        timestep: f32,
        conditions: &ZImageConditions,
    ) -> Result<Vec<f32>, PaintError> {
        let trained = self.scheduler.num_train_timesteps as f32;
        // This model counts from noise to image and points the other way.
        let time = (trained - timestep) / trained;
        let batch = latents.len() / (channels * height * width);
        let seen = Tensor::from_slice(latents, (batch, channels, height, width), &self.device)?;
        let seen = seen.to_dtype(self.dtype)?;
        let output = |caption: &Caption| -> Result<Vec<f32>, PaintError> {
            let output = self.transformer.forward(&seen, time, caption)?.to_dtype(DType::F32)?;
            Ok(output.flatten_all()?.to_vec1()?)
        };
        let wanted = output(&conditions.wanted)?;
        let Some(unwanted) = &conditions.unwanted else {
            return Ok(wanted.into_iter().map(|number| -number).collect());
        };
        let guide = |(wanted, unwanted): (f32, f32)| -(wanted + conditions.guidance * (wanted - unwanted));
        Ok(wanted.into_iter().zip(output(unwanted)?).map(guide).collect())
    }

    /// The picture of a latent.
    ///
    /// # Errors
    /// `NotFinite` when the autoencoder's numbers are not, `Compute` when the device fails.
    pub fn decode(&self, request: &FlowRequest, latent: &[f32]) -> Result<Image, PaintError> {
        flow::picture(&self.vae, latent, self.latent_shape(request)?, &self.device, self.dtype)
    }
}
