//! How an image was made, as text in its file: the form that tools for such images share, and our own JSON beside it.
//!
//! Refuses: guessing. What a text does not say stays unknown, and a damaged text is a text without settings.

mod chunks;
mod exif;
mod infotext;
mod names;
mod others;
#[cfg(test)]
mod tests;

use model::{ImageSampler, NoiseSpacing};
use serde::{Deserialize, Serialize};

use super::settings::ImageSettings;

pub(crate) use chunks::{
    FileText, SIGNATURE, exif_comment, exif_of, read_text, texts_of, with_texts, without_text,
};
pub(crate) use infotext::write as write_infotext;

/// Key of our own JSON in a file.
pub(crate) const OWN_KEY: &str = "familiar";
/// Key of the shared form in a file.
pub(crate) const SHARED_KEY: &str = "parameters";

/// Whose form settings were read in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParametersForm {
    /// Our own JSON.
    Familiar,
    /// The JSON of InvokeAI.
    InvokeAi,
    /// The lines that most tools write.
    #[default]
    Infotext,
    /// The JSON of SwarmUI.
    SwarmUi,
    /// The JSON of Fooocus.
    Fooocus,
    /// What a graph of ComfyUI seems to say.
    ComfyUi,
}

/// What a file says about how it was made. What it does not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageParameters {
    /// Whose form it was.
    pub form: ParametersForm,
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: String,
    /// The model, as that tool calls it.
    pub model: Option<String>,
    /// A hash of the model's file, as that tool makes it.
    pub model_hash: Option<String>,
    /// Width and height in pixels.
    pub size_pixels: Option<(u32, u32)>,
    /// Steps from noise to the image.
    pub steps: Option<u32>,
    /// How far the image was pushed to the prompt.
    pub guidance: Option<f64>,
    /// How steps were taken, when it is a way that we know.
    pub sampler: Option<ImageSampler>,
    /// How noise levels were spaced, when it is a way that we know.
    pub spacing: Option<NoiseSpacing>,
    /// What the noise was made from.
    pub seed: Option<u64>,
    /// How much of an image was drawn anew.
    pub strength: Option<f64>,
    /// Layers of the text encoder that were left out at the end.
    pub clip_skip: Option<u32>,
    /// Everything else that the shared form said, in order.
    pub others: Vec<(String, String)>,
}

impl ImageParameters {
    /// What a file's texts say: our own form first, then those of other tools, the surest first.
    pub(crate) fn of_file(text: &FileText) -> Option<Self> {
        let own = || text.get(OWN_KEY).and_then(|json| serde_json::from_str::<ImageSettings>(json).ok());
        let shared = || text.get(SHARED_KEY).and_then(|text| Self::of_shared(text));
        own()
            .map(Self::from)
            .or_else(|| text.get("invokeai_metadata").and_then(|json| others::invoke(json)))
            .or_else(shared)
            .or_else(|| text.get("prompt").and_then(|json| others::comfy(json)))
            .or_else(|| text.get(chunks::EXIF_KEY).and_then(|text| Self::of_shared(text)))
    }

    /// What the text under the shared key says: lines, or the JSON of a tool that uses the key for it.
    pub(crate) fn of_shared(text: &str) -> Option<Self> {
        if text.trim_start().starts_with('{') {
            return others::swarm(text).or_else(|| others::fooocus(text));
        }
        infotext::read(text)
    }
}

impl From<ImageSettings> for ImageParameters {
    fn from(settings: ImageSettings) -> Self {
        Self {
            form: ParametersForm::Familiar,
            prompt: settings.prompt,
            negative_prompt: settings.negative_prompt,
            model: Some(settings.model).filter(|name| !name.is_empty()),
            model_hash: None,
            size_pixels: Some((settings.width_pixels, settings.height_pixels)),
            steps: Some(settings.steps),
            guidance: Some(settings.guidance),
            sampler: settings.sampler,
            spacing: settings.spacing,
            seed: Some(settings.seed),
            strength: settings.strength,
            clip_skip: Some(settings.clip_skip),
            others: Vec::new(),
        }
    }
}
