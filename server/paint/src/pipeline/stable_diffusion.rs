//! The denoiser of Stable Diffusion 1.x, 2.x and SDXL with its text encoders.
//!
//! Refuses: parts that do not fit each other.

use candle_core::{DType, Device, Tensor};

use super::denoiser::{Denoiser, Family, OwnSide, Prompted};
use super::folder::{Parts, within};
use super::{Drawing, TextEncoder, TextEncoders};
use crate::clip::{ClipConfig, ClipTextEncoder};
use crate::error::PaintError;
use crate::schedule::{SchedulerClass, SchedulerConfig, Spacing};
use crate::scheduler::FlowLevels;
use crate::stop::Stop;
use crate::tokenizer::ClipTokenizer;
use crate::unet::{SizeCondition, UNet, UNetConfig};
use crate::vae::VaeConfig;

/// The models beside the autoencoder.
pub struct StableDiffusion {
    /// One text encoder, or two for SDXL.
    pub text: TextEncoders,
    /// The denoiser.
    pub unet: UNet,
    /// Whether an empty negative prompt stands for no text at all, as SDXL's folder says.
    pub zero_for_empty: bool,
}

/// Texts and sizes of a drawing.
struct Read<'a> {
    unet: &'a UNet,
    /// `(sides, tokens, width)`: the negative side first, where there is one.
    text: Tensor,
    /// `(sides, size)`.
    pooled: Tensor,
    /// Pixels, height before width.
    size: [f32; 2],
    /// `None` where only the prompt counts.
    guidance: Option<f32>,
}

impl StableDiffusion {
    /// Loads the models of a folder. `encoders` are the ends of the text encoders' names.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over or damaged; `Cancelled`.
    pub(super) fn load(
        parts: &Parts<'_>,
        encoders: &[&str],
        zero_for_empty: bool,
        vae: &VaeConfig,
    ) -> Result<Self, PaintError> {
        let unet = parts.config("unet", UNetConfig::parse)?;
        let mut text = Vec::new();
        for end in encoders {
            let (part, tokenizer) = (format!("text_encoder{end}"), format!("tokenizer{end}"));
            let config = parts.config(&part, ClipConfig::parse)?;
            text.push(TextEncoder {
                tokenizer: within(&tokenizer, ClipTokenizer::open(&parts.place(&tokenizer)))?,
                encoder: within(&part, ClipTextEncoder::load(&config, &parts.weights(&part)?))?,
            });
        }
        let unet = within("unet", UNet::load(&unet, &parts.weights("unet")?))?;
        let models = Self { text: TextEncoders::of(text)?, unet, zero_for_empty };
        models.check(vae)?;
        Ok(models)
    }

    /// # Errors
    /// `BadModel` when the parts of a folder do not fit each other.
    fn check(&self, vae: &VaeConfig) -> Result<(), PaintError> {
        let (unet, latent) = (self.unet.config(), vae.latent_channels);
        let wrong = |reason: String| Err(PaintError::bad_model("unet/config.json", reason));
        // A denoiser that knows of masks reads one more channel for the mask and a second latent.
        if ![latent, 2 * latent + 1].contains(&unet.in_channels) || unet.out_channels != latent {
            return wrong(
                "its channels are not those of the autoencoder; it is no model that draws images".to_owned(),
            );
        }
        let (tokens, pooled) = self.text.widths();
        if unet.text_width != tokens {
            let reads = unet.text_width;
            return wrong(format!("it reads texts of width {reads}, and the text encoders give {tokens}"));
        }
        match unet.pooled_width() {
            Some(reads) if Some(reads) != pooled => {
                wrong(format!("it reads a pooled text of width {reads}, which the text encoders do not give"))
            }
            _ => Ok(()),
        }
    }
}

impl Denoiser for StableDiffusion {
    /// Files do not say outright what suits a model. Those that were distilled to few steps and no guidance have a
    /// schedule of their own: that of latent consistency, or Euler's with the timesteps counted from the last one, as the
    /// turbo models have it. The others get the customary numbers of their family.
    fn family(&self, own: &SchedulerConfig) -> Family {
        /// The width of the second text encoder family, which came with version 2.
        const TEXT_WIDTH_OF_2: usize = 1_024;
        let is_euler = matches!(own.class, SchedulerClass::Euler | SchedulerClass::EulerAncestral);
        let is_distilled =
            own.class == SchedulerClass::Lcm || (is_euler && own.timestep_spacing == Spacing::Trailing);
        let config = self.unet.config();
        let (name, steps, guidance) = match &self.text {
            TextEncoders::Two(_) => ("Stable Diffusion XL", 30, 5.0),
            TextEncoders::One(_) if config.text_width == TEXT_WIDTH_OF_2 => ("Stable Diffusion 2", 25, 7.5),
            TextEncoders::One(_) => ("Stable Diffusion 1", 25, 7.5),
        };
        let (steps, guidance) = if is_distilled { (4, 1.0) } else { (steps, guidance) };
        Family {
            name,
            channels: config.in_channels,
            patch: 1,
            own_side: config.sample_size.map_or(OwnSide::Unknown, OwnSide::Places),
            width: config.first_channels(),
            flow_levels: FlowLevels::Trained,
            steps,
            guidance,
        }
    }

    fn read<'a>(&'a self, drawing: &Drawing, stop: Stop<'_>) -> Result<Box<dyn Prompted + 'a>, PaintError> {
        let guided = drawing.guidance > 1.0;
        let (wanted, unwanted) = self.text.encode(drawing, guided, self.zero_for_empty, stop)?;
        let sides: Vec<_> = unwanted.into_iter().chain([wanted]).collect();
        let text: Vec<&Tensor> = sides.iter().map(|side| &side.tokens).collect();
        let pooled: Vec<&Tensor> = sides.iter().map(|side| &side.pooled).collect();
        Ok(Box::new(Read {
            unet: &self.unet,
            text: Tensor::cat(&text, 0)?,
            pooled: Tensor::cat(&pooled, 0)?,
            size: [drawing.height as f32, drawing.width as f32],
            guidance: guided.then_some(drawing.guidance as f32),
        }))
    }
}

impl Prompted for Read<'_> {
    fn sides(&self) -> usize {
        if self.guidance.is_some() { 2 } else { 1 }
    }

    /// Guided as Ho and Salimans do it (2022).
    fn outputs(&self, latents: &Tensor, timestep: f32, stop: Stop<'_>) -> Result<Vec<f32>, PaintError> {
        let images = latents.dim(0)?;
        let latents = latents.to_dtype(self.text.dtype())?;
        let latents = if self.guidance.is_some() { Tensor::cat(&[&latents, &latents], 0)? } else { latents };
        let text = self.repeated(&self.text, images)?;
        let sizes = self.sizes(images)?;
        let output = self.unet.forward(&latents, timestep, &text, sizes.as_ref(), stop)?;
        let output = output.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        let Some(guidance) = self.guidance else { return Ok(output.flatten_all()?.to_vec1()?) };
        let side = |at: usize| -> Result<Vec<f32>, PaintError> {
            Ok(output.narrow(0, at * images, images)?.flatten_all()?.to_vec1()?)
        };
        let guide = |(unwanted, wanted): (f32, f32)| unwanted + guidance * (wanted - unwanted);
        Ok(side(0)?.into_iter().zip(side(1)?).map(guide).collect())
    }
}

impl Read<'_> {
    /// Each side's text once for every image of a group.
    fn repeated(&self, sides: &Tensor, images: usize) -> Result<Tensor, PaintError> {
        let sides: Vec<Tensor> = (0..self.sides())
            .flat_map(|side| std::iter::repeat_n(side, images))
            .map(|side| sides.narrow(0, side, 1))
            .collect::<Result<_, _>>()?;
        Ok(Tensor::cat(&sides, 0)?)
    }

    fn sizes(&self, images: usize) -> Result<Option<SizeCondition>, PaintError> {
        if !self.unet.config().takes_sizes() {
            return Ok(None);
        }
        let ([height, width], text) = (self.size, self.repeated(&self.pooled, images)?);
        let sizes = vec![[height, width, 0.0, 0.0, height, width]; text.dim(0)?];
        Ok(Some(SizeCondition { text, sizes }))
    }
}
