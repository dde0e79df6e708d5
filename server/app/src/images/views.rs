//! Jobs and images as doors show them. Refuses: showing a stored text that is not understood any more.

use serde::{Deserialize, Serialize};

use super::events::ImageJobEventKind;
use super::parameters::ImageParameters;
use super::requests::{GenerateRequest, ImagePriority, StoredRequest};
use super::settings::ImageSettings;

/// Characters of a text that stands for an image.
const ALT_CHARS_MAX: usize = 160;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageJobState {
    /// It waits for its turn.
    Queued,
    /// It is being worked on.
    Running,
    /// It ended well.
    Done,
    /// It failed.
    Failed,
    /// The user took it back.
    Cancelled,
}

impl From<store::ImageJobState> for ImageJobState {
    fn from(state: store::ImageJobState) -> Self {
        match state {
            store::ImageJobState::Queued => Self::Queued,
            store::ImageJobState::Running => Self::Running,
            store::ImageJobState::Done => Self::Done,
            store::ImageJobState::Failed => Self::Failed,
            store::ImageJobState::Cancelled => Self::Cancelled,
        }
    }
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageJobView {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: ImageJobState,
    /// What happened last, while it is open.
    pub now: Option<ImageJobEventKind>,
    /// Which jobs go first.
    pub priority: ImagePriority,
    /// The model that draws.
    pub model: String,
    /// What was asked for.
    pub request: GenerateRequest,
    /// How much of the image it starts from is drawn anew; `None` when it starts from noise.
    pub strength: Option<f64>,
    /// Images it makes.
    pub images_all: u32,
    /// Images it saved.
    pub images_done: u32,
    /// Why it failed, with the next step.
    pub error: Option<String>,
    /// When it was asked for, UTC milliseconds.
    pub created_ms: i64,
    /// When it was last begun, UTC milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, UTC milliseconds.
    pub finished_ms: Option<i64>,
}

impl ImageJobView {
    pub(crate) fn new(job: store::ImageJob, now: Option<ImageJobEventKind>) -> Self {
        let stored = serde_json::from_str::<StoredRequest>(&job.request);
        let stored = stored.unwrap_or(StoredRequest {
            request: GenerateRequest::default(),
            strength: None,
            source_pixels: None,
        });
        Self {
            id: job.id,
            state: job.state.into(),
            now,
            priority: ImagePriority::of_rank(job.priority),
            model: job.model,
            request: stored.request,
            strength: stored.strength,
            images_all: job.images_all,
            images_done: job.images_done,
            error: job.error,
            created_ms: job.created_ms,
            started_ms: job.started_ms,
            finished_ms: job.finished_ms,
        }
    }
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ImageOrigin {
    /// It was made here.
    Made {
        /// How.
        settings: Box<ImageSettings>,
    },
    /// It was brought.
    Brought {
        /// What its file said about how it was made.
        parameters: Option<Box<ImageParameters>>,
    },
}

/// One image of the gallery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageView {
    /// Its id.
    pub id: String,
    /// The job that made it, while that is listed.
    pub job_id: Option<String>,
    /// Its place within the job, from 0.
    pub index: u32,
    /// Width in pixels.
    pub width_pixels: u32,
    /// Height in pixels.
    pub height_pixels: u32,
    /// What its noise was made from.
    pub seed: u64,
    /// The model that drew it; empty when that is not known.
    pub model: String,
    /// What is to be seen.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: String,
    /// How it was made.
    pub origin: ImageOrigin,
    /// When it was kept, UTC milliseconds.
    pub created_ms: i64,
    /// Whether the user marked it.
    pub favourite: bool,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Whether somebody removed its file.
    pub missing: bool,
}

impl ImageView {
    /// What its noise was made from; `None` for one that was brought and does not say.
    pub fn known_seed(&self) -> Option<u64> {
        match &self.origin {
            ImageOrigin::Made { settings } => Some(settings.seed),
            ImageOrigin::Brought { parameters } => parameters.as_ref()?.seed,
        }
    }

    /// A text that stands for the image where it cannot be seen: its prompt, in one line.
    pub fn alt_text(&self) -> String {
        let words = self.prompt.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(ALT_CHARS_MAX) {
            _ if words.is_empty() => "an image without a description".to_owned(),
            Some((end, _)) => format!("{}…", words[..end].trim_end()),
            None => words,
        }
    }
}

impl From<store::Image> for ImageView {
    fn from(image: store::Image) -> Self {
        let origin = serde_json::from_str(&image.settings).unwrap_or(ImageOrigin::Brought { parameters: None });
        Self {
            id: image.id,
            job_id: image.job_id,
            index: image.place,
            width_pixels: image.width_pixels,
            height_pixels: image.height_pixels,
            seed: image.seed,
            model: image.model,
            prompt: image.prompt,
            negative_prompt: image.negative_prompt,
            origin,
            created_ms: image.created_ms,
            favourite: image.favourite,
            size_bytes: image.bytes,
            missing: image.missing_ms.is_some(),
        }
    }
}
