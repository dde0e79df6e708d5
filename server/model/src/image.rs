//! Images: what an image model is asked for, what happens while it draws, and what it gives.
//!
//! Pixels go as rows of red, green and blue bytes from the top. Files that a request names are the daemon's own, by path.
//! Refuses: any format of image files, and any default that a model's own files give.

use std::path::PathBuf;
use std::pin::Pin;

use futures::Stream;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{ModelError, Timings};

/// Longest side of an image, in pixels.
pub const IMAGE_SIDE_PIXELS_MAX: u32 = 4_096;
/// Most images of one request.
pub const IMAGES_MAX: u32 = 16;
/// Most steps of one image.
pub const IMAGE_STEPS_MAX: u32 = 150;
/// Longest prompt, in bytes.
pub const IMAGE_PROMPT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of pixels in one [`ImageEvent::Rows`].
pub const IMAGE_ROWS_BYTES_MAX: usize = 1024 * 1024;

/// How steps are taken from noise to an image. Names are those of the papers and of the tools that users know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSampler {
    /// Euler.
    Euler,
    /// Euler with fresh noise at each step.
    EulerAncestral,
    /// DPM-Solver++, second order, two steps remembered.
    DpmPp2m,
    /// The same with fresh noise at each step.
    DpmPp2mSde,
    /// Denoising diffusion implicit models.
    Ddim,
    /// Pseudo numerical methods.
    Pndm,
    /// Unified predictor and corrector.
    UniPc,
    /// Heun.
    Heun,
    /// Latent consistency.
    Lcm,
}

/// How noise levels are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSpacing {
    /// As the timesteps are.
    Timesteps,
    /// Karras and others, 2022.
    Karras,
    /// Evenly in the logarithm.
    Exponential,
    /// By quantiles of a beta distribution.
    Beta,
}

/// An image to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceImage {
    /// The file, PNG.
    pub path: PathBuf,
    /// How much of it is drawn anew, above 0 and up to 1.
    pub strength: f64,
    /// What is drawn anew: a PNG file of the same size, white where the image may change.
    pub mask: Option<PathBuf>,
}

/// A request for images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRequest {
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: String,
    /// Width of each image.
    pub width_pixels: u32,
    /// Height of each image.
    pub height_pixels: u32,
    /// Steps from noise to the image.
    pub steps: u32,
    /// How far an image is pushed from the negative prompt to the prompt; at 1 the negative one does nothing.
    pub guidance: f64,
    /// How steps are taken; `None` is the model's own way.
    pub sampler: Option<ImageSampler>,
    /// How noise levels are spaced; `None` is the model's own way.
    pub spacing: Option<NoiseSpacing>,
    /// The first image's seed; the others have the next ones.
    pub seed: u64,
    /// Images.
    pub count: u32,
    /// Layers of the text encoder that are left out at the end.
    pub clip_skip: u32,
    /// The image to start from, if any.
    pub source: Option<SourceImage>,
    /// Whether small previews are wanted while it is drawn.
    pub previews: bool,
    /// Bytes it may take besides the weights; what would take more is done in parts. `None` where nobody counts.
    pub working_bytes_max: Option<u64>,
}

/// A small picture of an image in the making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// Width in pixels.
    pub width_pixels: u32,
    /// Height in pixels.
    pub height_pixels: u32,
    /// `width_pixels * height_pixels * 3` bytes.
    #[serde(with = "as_base64")]
    pub rgb: Vec<u8>,
}

/// What happens while images are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageEvent {
    /// The request waits; `position` requests go first (1 = next).
    Queued {
        /// How many requests go first.
        position: u32,
    },
    /// The model is being loaded; `fraction` is 0..=1.
    Loading {
        /// Share loaded.
        fraction: f32,
    },
    /// The prompt is being read.
    Encoding,
    /// A step was taken, for all images of a group at once.
    Step {
        /// Steps done, over all images of the request.
        done: u32,
        /// Steps in all.
        all: u32,
        /// How the first image that is in the making looks, now and then.
        preview: Option<Preview>,
    },
    /// Pixels are made from what was drawn.
    Decoding,
    /// The next rows of the image that [`ImageEvent::Image`] ends, at most [`IMAGE_ROWS_BYTES_MAX`] bytes.
    Rows {
        /// Bytes of pixels.
        #[serde(with = "as_base64")]
        rgb: Vec<u8>,
    },
    /// All rows of one image were sent.
    Image {
        /// Its place within the request, from 0.
        index: u32,
        /// Its own seed.
        seed: u64,
        /// Its width.
        width_pixels: u32,
        /// Its height.
        height_pixels: u32,
    },
    /// All images were sent. No event follows.
    Finished {
        /// Time used: `prompt_ms` until the first step, `answer_ms` from there.
        timings: Timings,
    },
}

/// The events of one request. It ends after [`ImageEvent::Finished`] or after an error, never without either.
/// Dropping it cancels the request.
pub type ImageStream = Pin<Box<dyn Stream<Item = Result<ImageEvent, ModelError>> + Send>>;

/// What is known about an image model, some of it only once it was loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageModelInfo {
    /// The name users know it by.
    pub name: String,
    /// What family it is of, such as `Stable Diffusion XL`; empty until known.
    pub family: String,
    /// Both sides of an image are multiples of it; 0 until known.
    pub side_multiple_pixels: u32,
    /// The side it was trained for; 0 until known.
    pub side_pixels: u32,
    /// Steps that suit it; 0 until known.
    pub steps: u32,
    /// Guidance that suits it.
    pub guidance: f64,
    /// Ways to take steps that it can; empty until known.
    pub samplers: Vec<ImageSampler>,
    /// Whether it can start from an image.
    pub takes_source: bool,
    /// Whether it can draw a part anew.
    pub takes_mask: bool,
    /// Bytes of its weights in memory; 0 until known.
    pub weight_bytes: u64,
    /// Whether it stands ready in memory.
    pub loaded: bool,
    /// Share loaded, 0..=1, while it is being loaded.
    pub loading: Option<f32>,
}

/// A model that makes images.
pub trait ImageModel: Send + Sync {
    /// What is known now; never waits.
    fn info(&self) -> ImageModelInfo;

    /// Loads the model when it is not loaded and tells what is known then.
    ///
    /// # Errors
    /// [`ModelError`] when it cannot be loaded.
    fn load(&self) -> BoxFuture<'_, Result<ImageModelInfo, ModelError>>;

    /// Starts making images. The stream must be polled inside a tokio runtime.
    fn draw(&self, request: ImageRequest) -> ImageStream;
}

/// Bytes as text within JSON (RFC 4648, section 4).
mod as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive_json() {
        for length in [0, 1, 2, 3, 255] {
            let rows = ImageEvent::Rows { rgb: (0..length).map(|n| n as u8).collect() };
            let json = serde_json::to_string(&rows).unwrap();
            assert_eq!(serde_json::from_str::<ImageEvent>(&json).unwrap(), rows);
        }
        assert!(serde_json::from_str::<ImageEvent>(r#"{"rows":{"rgb":"?"}}"#).is_err());
    }
}
