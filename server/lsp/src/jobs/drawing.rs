//! An image for a document: drawn by the queue, put beside the document as a file, and named in its text as Markdown does.
//!
//! Refuses: a file in the place of another one, and a document that lies nowhere, beside which nothing can be put.

use std::path::{Path, PathBuf};

use app::{App, AppError, ErrorKind, GenerateRequest, ImageJobEventKind, ImageJobState, ImageView};
use futures::StreamExt;
use text::{Edit, Rope};

use super::work::{JobEvent, Stage, Teller, defect, failed};

/// Where images go, in the folder of their document.
const FOLDER: &str = "images";

/// What drawing needs.
pub(crate) struct Draw {
    /// What is to be seen.
    pub(crate) prompt: String,
    /// The document's file.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) base: Rope,
    /// A byte of the line behind which the image is named.
    pub(crate) at: usize,
}

/// Takes a job back whose task ends before it does.
struct TakesBack {
    app: App,
    job: Option<String>,
}

impl Drop for TakesBack {
    fn drop(&mut self) {
        let Some(job) = self.job.take() else { return };
        let app = self.app.clone();
        tokio::spawn(async move {
            if let Err(error) = app.cancel_image_job(&job).await {
                tracing::warn!(%error, "an image job could not be cancelled");
            }
        });
    }
}

/// Has the image drawn and works out the edit that names it.
pub(crate) async fn draw<E: Send + 'static>(app: App, what: Draw, mut teller: Teller<E>) -> JobEvent {
    let Draw { prompt, path, base, at } = what;
    let request = GenerateRequest { prompt, previews: false, ..GenerateRequest::default() };
    let image = match drawn(&app, request, &mut teller).await {
        Ok(image) => image,
        Err(error) => return failed(error),
    };
    let Some(folder) = path.parent() else { return defect() };
    let file = match app.save_image_into(&image, folder.join(FOLDER)).await {
        Ok(file) => file,
        Err(error) => return failed(error),
    };
    match naming(&base, at, &image.alt_text(), &file) {
        Some(edit) => JobEvent::Edited { edit, summary: format!("the image is {}", file.display()), notice: None },
        None => defect(),
    }
}

async fn drawn<E: Send + 'static>(
    app: &App,
    request: GenerateRequest,
    teller: &mut Teller<E>,
) -> app::Result<ImageView> {
    let job = app.generate(request).await?;
    let mut guard = TakesBack { app: app.clone(), job: Some(job.id.clone()) };
    let mut events = app.image_events(Some(&job.id));
    while let Some(event) = events.next().await {
        match event?.kind {
            ImageJobEventKind::Ended { state, error } => {
                guard.job = None;
                return match state {
                    ImageJobState::Done => app.images_of_job(&job.id).await?.pop().ok_or_else(broken_off),
                    ImageJobState::Cancelled => {
                        Err(AppError::new(ErrorKind::Cancelled, "the image was cancelled in the queue"))
                    }
                    _ => Err(error.map_or_else(broken_off, |why| AppError::new(ErrorKind::Unavailable, why))),
                };
            }
            kind => {
                if let Some(words) = kind.in_words() {
                    teller.report(stage(&kind), || words);
                }
            }
        }
    }
    Err(broken_off())
}

/// Each new stage is told at once: what follows it may take long.
fn stage(kind: &ImageJobEventKind) -> Stage {
    match kind {
        ImageJobEventKind::Loading { .. } => Stage::Loading,
        ImageJobEventKind::Encoding => Stage::Reading,
        ImageJobEventKind::Step { .. } => Stage::Drawing,
        ImageJobEventKind::Decoding => Stage::Writing,
        _ => Stage::Waiting,
    }
}

fn broken_off() -> AppError {
    AppError::new(ErrorKind::Bug, "the image job broke off without saying why")
}

/// The edit that names an image behind the line of a byte: in that line where nothing stands in it, else as a paragraph of
/// its own after it (CommonMark 0.31, section 6.4).
fn naming(base: &Rope, at: usize, alt: &str, file: &Path) -> Option<Edit> {
    let line = base.byte_to_line(at.min(base.len_bytes()));
    let content = text::position::line_content(base, line);
    let end = base.line_to_byte(line) + content.len_bytes();
    let is_empty = content.chars().all(char::is_whitespace);
    let name = file.file_name()?.to_str()?;
    let image = format!("![{}]({FOLDER}/{name})", escaped(alt));
    let line_end = if base.line(line).to_string().ends_with("\r\n") { "\r\n" } else { "\n" };
    let new = if is_empty { image } else { format!("{line_end}{line_end}{image}") };
    Edit::replace(end, end, &new).ok()
}

/// A text that cannot end the brackets it stands in.
fn escaped(alt: &str) -> String {
    let mut escaped = String::with_capacity(alt.len());
    for c in alt.chars() {
        if matches!(c, '\\' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_paragraph_of_its_own() {
        let named = |text: &str, at| {
            let base = Rope::from_str(text);
            let edit = naming(&base, at, "a [red] fox", Path::new("/w/images/a-red-fox.png")).expect("it fits");
            edit.apply(&base).expect("it fits").to_string()
        };
        let image = "![a \\[red\\] fox](images/a-red-fox.png)";
        assert_eq!(named("a red fox\nmore\n", 3), format!("a red fox\n\n{image}\nmore\n"));
        assert_eq!(named("one\r\n\r\ntwo", 5), format!("one\r\n{image}\r\ntwo"));
        assert_eq!(named("one\r\ntwo", 2), format!("one\r\n\r\n{image}\r\ntwo"));
        assert_eq!(named("", 0), image);
        assert_eq!(named("end", 99), format!("end\n\n{image}"));
    }
}
