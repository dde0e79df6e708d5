//! A run that makes images: what follows `/image` in a chat, drawn in the model's own way.
//!
//! Refuses: settings among the words; the page of images has them all.

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use store::RunOutcome;

use super::journal::{Journal, Outcome};
use super::work::failed;
use super::{LiveRun, RunEventKind};
use crate::{AnswerEvent, App, AppError, ErrorKind, GenerateRequest, ImageJobEventKind, ImageJobState, ImageView};

/// What a message begins with that asks for images.
const COMMAND: &str = "/image";

/// An image that was made in a chat. It may have been removed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatImage {
    /// Its id in the gallery.
    pub id: String,
    /// Width in pixels.
    pub width_pixels: u32,
    /// Height in pixels.
    pub height_pixels: u32,
    /// A text that stands for it where it cannot be seen.
    pub alt: String,
}

impl From<&ImageView> for ChatImage {
    fn from(image: &ImageView) -> Self {
        let ImageView { id, width_pixels, height_pixels, .. } = image;
        Self { id: id.clone(), width_pixels: *width_pixels, height_pixels: *height_pixels, alt: image.alt_text() }
    }
}

/// What is to be drawn, when a message asks for that.
pub(super) fn asked_for(text: &str) -> Option<&str> {
    let rest = text.trim().strip_prefix(COMMAND)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim_start())
}

/// Has the images drawn and tells how far that is.
pub(super) async fn follow(app: &App, prompt: &str, live: &LiveRun, journal: &mut Journal) -> Outcome {
    if prompt.is_empty() {
        let error = AppError::new(ErrorKind::User, "it is not said what is to be seen");
        return failed(error.hint("write it behind the command, such as `/image a lighthouse at dusk`"));
    }
    let request = GenerateRequest { prompt: prompt.to_owned(), previews: false, ..GenerateRequest::default() };
    let job = match app.generate(request).await {
        Ok(job) => job,
        Err(error) => return failed(error),
    };
    let mut events = app.image_events(Some(&job.id));
    let mut images = Vec::new();
    loop {
        let event = tokio::select! {
            biased;
            () = live.stop.cancelled() => {
                if let Err(error) = app.cancel_image_job(&job.id).await {
                    tracing::warn!(%error, "an image job could not be cancelled");
                }
                return ended(RunOutcome::Stopped, images, journal);
            }
            // The job itself waits again and is done after the next start.
            () = app.inner.shutdown.cancelled() => return ended(RunOutcome::Interrupted, images, journal),
            event = events.next() => event,
        };
        match event {
            Some(Ok(event)) => match event.kind {
                ImageJobEventKind::Saved { image } => images.push(ChatImage::from(image.as_ref())),
                ImageJobEventKind::Ended { state: ImageJobState::Done, .. } => {
                    return match app.images_of_job(&job.id).await {
                        // What was saved before we looked was not told here.
                        Ok(all) => ended(RunOutcome::Done, all.iter().map(ChatImage::from).collect(), journal),
                        Err(error) => failed(error),
                    };
                }
                ImageJobEventKind::Ended { state: ImageJobState::Cancelled, .. } => {
                    return ended(RunOutcome::Stopped, images, journal);
                }
                ImageJobEventKind::Ended { error, .. } => {
                    let error = error.or_else(|| Some("The image could not be made.".to_owned()));
                    return Outcome { outcome: RunOutcome::Failed, error, answer: None, images };
                }
                kind => {
                    if let Some(event) = told(kind) {
                        live.push(RunEventKind::Answer(event));
                    }
                }
            },
            Some(Err(error)) => return failed(error),
            None => return failed(AppError::new(ErrorKind::Bug, "an image job ended without saying so")),
        }
    }
}

/// What the chat says of an event.
fn told(kind: ImageJobEventKind) -> Option<AnswerEvent> {
    match kind {
        ImageJobEventKind::Queued { position } => {
            Some(AnswerEvent::Queued { position: position.saturating_sub(1) })
        }
        ImageJobEventKind::Held { notice } => Some(AnswerEvent::Held { notice }),
        ImageJobEventKind::Loading { fraction } => Some(AnswerEvent::Loading { fraction }),
        ImageJobEventKind::Step { done, all, remaining_ms, .. } => {
            Some(AnswerEvent::Drawing { done, all, remaining_ms })
        }
        _ => None,
    }
}

fn ended(outcome: RunOutcome, images: Vec<ChatImage>, journal: &mut Journal) -> Outcome {
    if !images.is_empty() {
        // For whoever reads the chat without pictures.
        journal.text = format!("Made {}.", index::counted(images.len() as u64, "image"));
    }
    Outcome { outcome, error: None, answer: None, images }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_asks_for_images() {
        for (text, expected) in [
            ("/image a fox", Some("a fox")),
            ("  /image\na fox\nin snow ", Some("a fox\nin snow")),
            ("/image", Some("")),
            ("/images a fox", None),
            ("make an /image of a fox", None),
            ("image a fox", None),
        ] {
            assert_eq!(asked_for(text), expected, "{text}");
        }
    }
}
