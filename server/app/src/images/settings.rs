//! How one image is made, complete: what is stored with it, written into its file, and used again. Refuses: defaults;
//! by now every setting is known.

use model::{ImageSampler, NoiseSpacing};
use serde::{Deserialize, Serialize};

/// The settings of one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageSettings {
    /// The program that made it, with its version.
    pub program: String,
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: String,
    /// The model's name.
    pub model: String,
    /// Its family, such as `Stable Diffusion XL`.
    pub family: String,
    /// Width in pixels.
    pub width_pixels: u32,
    /// Height in pixels.
    pub height_pixels: u32,
    /// Steps from noise to the image.
    pub steps: u32,
    /// How far it is pushed from the negative prompt to the prompt.
    pub guidance: f64,
    /// How steps are taken; `None` is the model's own way.
    pub sampler: Option<ImageSampler>,
    /// How noise levels are spaced; `None` is the model's own way.
    pub spacing: Option<NoiseSpacing>,
    /// Its own seed.
    pub seed: u64,
    /// Layers of the text encoder that are left out at the end.
    pub clip_skip: u32,
    /// How much of the image it started from is drawn anew; `None` when it started from noise.
    pub strength: Option<f64>,
    /// Hash of the image it started from.
    pub source: Option<String>,
    /// Hash of the mask of what is drawn anew.
    pub mask: Option<String>,
}
