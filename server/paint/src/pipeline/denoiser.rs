//! What families of models differ in: how a prompt is read, and what a denoiser makes of latents.
//!
//! Refuses: to know of seeds, of steps, of other images and of pixels; those are the pipeline's.

use candle_core::Tensor;

use super::Drawing;
use crate::error::PaintError;
use crate::schedule::SchedulerConfig;
use crate::scheduler::FlowLevels;
use crate::stop::Stop;

/// The models of one family beside the autoencoder.
pub trait Denoiser: Send {
    /// What holds for all their images. `own` is the model's own schedule.
    fn family(&self, own: &SchedulerConfig) -> Family;

    /// Reads the prompts of a drawing.
    ///
    /// # Errors
    /// `BadRequest` for prompts that cannot be read, `Compute` when the device fails, `Cancelled`.
    fn read<'a>(&'a self, drawing: &Drawing, stop: Stop<'_>) -> Result<Box<dyn Prompted + 'a>, PaintError>;
}

/// A denoiser that has read its prompts.
pub trait Prompted {
    /// Texts that it reads for each image: two with guidance, one without.
    fn sides(&self) -> usize;

    /// Its outputs for latents, `(images, channels, height, width)` in f32, one after the other and guided from the
    /// negative prompt to the prompt where the family does that.
    ///
    /// # Errors
    /// `Compute` when the device fails, `Cancelled` soon after `stop` says so.
    fn outputs(&self, latents: &Tensor, timestep: f32, stop: Stop<'_>) -> Result<Vec<f32>, PaintError>;
}

/// What holds for all images of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// Its name, as its users call it.
    pub name: &'static str,
    /// Channels that the denoiser reads: those of a latent, and more when it is told of masks.
    pub channels: usize,
    /// Places of a latent along each side that are one token; 1 where there are none.
    pub patch: usize,
    /// The side of the images that it was trained with.
    pub own_side: OwnSide,
    /// Numbers that its widest layer holds for each place of a latent.
    pub width: usize,
    /// Which noise levels a flow visits.
    pub flow_levels: FlowLevels,
    /// Steps that suit it.
    pub steps: u32,
    /// Guidance that suits it.
    pub guidance: f64,
}

/// The side of the images that a model was trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnSide {
    /// Places of a latent, as the model's file says.
    Places(usize),
    /// Pixels, as its family is used.
    Pixels(usize),
    /// Nothing says so.
    Unknown,
}
