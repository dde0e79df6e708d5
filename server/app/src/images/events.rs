//! What happens to image jobs, for whoever watches. Refuses: waiting for a watcher. One who is too slow, or comes late, is
//! told how everything stands now and goes on from there.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::views::{ImageJobState, ImageView};
use crate::Result;

/// Events a watcher may be behind before it is told how everything stands instead. They are held with their previews.
const EVENTS_LEN_MAX: usize = 256;

/// One thing that happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageJobEvent {
    /// The job.
    pub job_id: String,
    /// Its number among all events of all jobs; later ones are larger.
    pub seq: u64,
    /// What happened.
    pub kind: ImageJobEventKind,
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ImageJobEventKind {
    /// It waits for its turn.
    Queued {
        /// Its place; 1 is the next.
        position: u32,
    },
    /// Its turn has come.
    Running,
    /// It waits for memory that something else uses.
    Held {
        /// Why, one sentence.
        notice: String,
    },
    /// The model is being loaded.
    Loading {
        /// Share loaded, 0..=1.
        fraction: f32,
    },
    /// The prompt is being read.
    Encoding,
    /// A step was taken.
    Step {
        /// Steps done, over all images that this attempt makes.
        done: u32,
        /// Steps in all.
        all: u32,
        /// Which images of the job they belong to; `None` for a job of one image, and where that cannot be told.
        place: Option<StepPlace>,
        /// Milliseconds it will still take, once that can be told.
        remaining_ms: Option<u64>,
        /// How the image in the making looks, now and then.
        preview: Option<ImagePreview>,
    },
    /// Pixels are made from what was drawn.
    Decoding,
    /// An image is finished and kept.
    Saved {
        /// It; boxed because most events are small.
        image: Box<ImageView>,
    },
    /// It is over and stored. No event follows, unless it is tried again.
    Ended {
        /// How.
        state: ImageJobState,
        /// Why it failed, with the next step.
        error: Option<String>,
    },
}

/// Which images of a job a step was taken for, and which one of theirs it was. All are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPlace {
    /// The first image that is being drawn.
    pub first: u32,
    /// The last one; the first again where one is drawn after the other.
    pub last: u32,
    /// Images of the whole job.
    pub images: u32,
    /// Steps that each of them has taken.
    pub step: u32,
    /// Steps of each.
    pub steps: u32,
}

impl fmt::Display for StepPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, images, step, steps } = self;
        match (first, last) {
            (first, last) if first == last => write!(f, "image {first} of {images}")?,
            (1, last) if last == images => write!(f, "all {images} images")?,
            (first, last) => write!(f, "images {first} to {last} of {images}")?,
        }
        write!(f, ", step {step} of {steps}")
    }
}

impl ImageJobEventKind {
    /// How far the job is, in words for one line; `None` for what is shown in another way.
    pub fn in_words(&self) -> Option<String> {
        Some(match self {
            Self::Queued { position: 0 | 1 } => "next in the queue".to_owned(),
            Self::Queued { position } => format!("{} first", index::counted(u64::from(position - 1), "other job")),
            Self::Running => "beginning".to_owned(),
            Self::Held { notice } => notice.clone(),
            Self::Loading { fraction } => {
                format!("loading the model, {:.0} %", f64::from(fraction.clamp(0.0, 1.0)) * 100.0)
            }
            Self::Encoding => "reading the prompt".to_owned(),
            Self::Step { done, all, place, remaining_ms, .. } => {
                let left = remaining_ms.map_or_else(String::new, |ms| format!(", {} left", span(ms)));
                let step = place.map_or_else(|| format!("step {done} of {all}"), |place| place.to_string());
                format!("{step}{left}")
            }
            Self::Decoding => "making pixels".to_owned(),
            Self::Saved { .. } | Self::Ended { .. } => return None,
        })
    }
}

/// A time of milliseconds as people say it.
fn span(ms: u64) -> String {
    let seconds = Duration::from_millis(ms.saturating_add(500)).as_secs();
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5_399 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1_800) / 3_600),
    }
}

/// A small picture of an image in the making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePreview {
    /// Width in pixels.
    pub width_pixels: u32,
    /// Height in pixels.
    pub height_pixels: u32,
    /// A PNG file, as base64.
    pub png_base64: String,
}

/// Events of jobs: how those that are open stand, then what happens. For one job it ends after `Ended`.
pub type ImageEventStream = Pin<Box<dyn Stream<Item = Result<ImageJobEvent>> + Send>>;

/// Where events are told.
pub(crate) struct Events {
    state: Mutex<State>,
    sender: broadcast::Sender<ImageJobEvent>,
}

#[derive(Default)]
struct State {
    last_seq: u64,
    /// How each open job stands.
    last: HashMap<String, ImageJobEvent>,
    /// The last preview of each job that runs; a later step may come without one.
    previews: HashMap<String, ImagePreview>,
}

impl Default for Events {
    fn default() -> Self {
        Self { state: Mutex::default(), sender: broadcast::Sender::new(EVENTS_LEN_MAX) }
    }
}

impl Events {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what happened to a job.
    pub(crate) fn tell(&self, job_id: &str, kind: ImageJobEventKind) {
        let mut state = self.state();
        // A place in the queue that did not change is no news.
        if matches!(kind, ImageJobEventKind::Queued { .. })
            && state.last.get(job_id).is_some_and(|last| last.kind == kind)
        {
            return;
        }
        state.last_seq += 1;
        let event = ImageJobEvent { job_id: job_id.to_owned(), seq: state.last_seq, kind };
        match &event.kind {
            ImageJobEventKind::Ended { .. } => {
                state.last.remove(job_id);
                state.previews.remove(job_id);
            }
            // What was saved stands in the gallery; the job goes on as before.
            ImageJobEventKind::Saved { .. } => {
                state.previews.remove(job_id);
            }
            kind => {
                match kind {
                    ImageJobEventKind::Step { preview: Some(preview), .. } => {
                        state.previews.insert(job_id.to_owned(), preview.clone());
                    }
                    // It begins anew, and with it what is seen of it.
                    ImageJobEventKind::Queued { .. } | ImageJobEventKind::Running => {
                        state.previews.remove(job_id);
                    }
                    _ => {}
                }
                state.last.insert(job_id.to_owned(), event.clone());
            }
        }
        // Nobody may be watching.
        let _ = self.sender.send(event);
    }

    /// How every open job stands, oldest news first, and what follows from there.
    pub(crate) fn watch(&self) -> (Vec<ImageJobEvent>, broadcast::Receiver<ImageJobEvent>) {
        let state = self.state();
        let mut now: Vec<ImageJobEvent> = state.last.values().map(|event| state.with_preview(event)).collect();
        now.sort_by_key(|event| event.seq);
        (now, self.sender.subscribe())
    }

    /// How a job stands that is open.
    pub(crate) fn now(&self, job_id: &str) -> Option<ImageJobEventKind> {
        let state = self.state();
        state.last.get(job_id).map(|event| state.with_preview(event).kind)
    }
}

impl State {
    fn with_preview(&self, event: &ImageJobEvent) -> ImageJobEvent {
        let mut event = event.clone();
        if let ImageJobEventKind::Step { preview, .. } = &mut event.kind
            && preview.is_none()
        {
            *preview = self.previews.get(&event.job_id).cloned();
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_how_far_and_how_long() {
        let step = |done, all, remaining_ms| ImageJobEventKind::Step {
            done,
            all,
            place: None,
            remaining_ms,
            preview: None,
        };
        let place = StepPlace { first: 2, last: 2, images: 4, step: 7, steps: 20 };
        let second = ImageJobEventKind::Step {
            done: 27,
            all: 80,
            place: Some(place),
            remaining_ms: Some(90_000),
            preview: None,
        };
        for (kind, expected) in [
            (step(5, 20, None), "step 5 of 20"),
            (step(5, 20, Some(89_400)), "step 5 of 20, 89 s left"),
            (step(5, 20, Some(90_000)), "step 5 of 20, 2 min left"),
            (step(10, 20, Some(7_200_000)), "step 10 of 20, 2 h left"),
            (second, "image 2 of 4, step 7 of 20, 2 min left"),
            (ImageJobEventKind::Queued { position: 1 }, "next in the queue"),
            (ImageJobEventKind::Queued { position: 2 }, "1 other job first"),
            (ImageJobEventKind::Queued { position: 4 }, "3 other jobs first"),
            (ImageJobEventKind::Loading { fraction: 0.5 }, "loading the model, 50 %"),
        ] {
            assert_eq!(kind.in_words().as_deref(), Some(expected));
        }
    }
}
