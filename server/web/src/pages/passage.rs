//! Lines of a file as they are now, with the cited ones marked.

use std::path::Path;
use std::time::UNIX_EPOCH;

use app::{AppError, ErrorKind, Passage};
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::access::caller::{Caller, Visitor};
use crate::access::folders;
use crate::error::PageError;
use crate::extract::Params;
use crate::pages::frame::{Frame, Section};
use crate::pages::{page, words};
use crate::state::Shared;

/// Lines shown before and after the passage.
const CONTEXT_LINES: u32 = 12;
/// Lines of a passage at most.
const LINES_MAX: u32 = 2000;

#[derive(Template)]
#[template(path = "passage.html")]
struct Page {
    frame: Frame,
    place: String,
    workspace: String,
    lines: Vec<Line>,
    language: Option<String>,
    total_lines: u32,
    /// Whether the file no longer held what was cited when the answer was finished.
    changed: bool,
    /// Whether the file was written after it was cited.
    is_newer: bool,
    /// Whether the file has become shorter than the passage.
    is_short: bool,
}

struct Line {
    number: u32,
    text: String,
    is_hit: bool,
    is_first_hit: bool,
}

/// Which lines of which file.
#[derive(Deserialize)]
pub(crate) struct Which {
    workspace: String,
    path: String,
    start: u32,
    end: u32,
    #[serde(default)]
    changed: Option<u8>,
    /// When it was cited, UTC milliseconds.
    #[serde(default)]
    cited: Option<i64>,
}

/// Shows the lines.
pub(crate) async fn show(
    State(web): State<Shared>,
    visitor: Visitor,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Params(which): Params<Which>,
) -> Result<Response, PageError> {
    let (start, end) = (which.start, which.end);
    if start == 0 || end < start || end - start > LINES_MAX {
        let message = format!("a passage has 1 to {LINES_MAX} lines, counted from 1");
        return Err(AppError::new(ErrorKind::User, message).into());
    }
    let root = folders::read(&web.app, &caller, &which.workspace).await?;
    let from = start.saturating_sub(CONTEXT_LINES).max(1);
    let passage = web.app.passage(&root, &which.path, from, end.saturating_add(CONTEXT_LINES)).await?;
    let frame = Frame::load(&web.app, &visitor, &headers, Section::Passage, None).await?;
    let is_newer = match which.cited {
        Some(cited_ms) => modified_ms(&root.join(&passage.path)).await.is_some_and(|modified| modified > cited_ms),
        None => false,
    };
    Ok(page(&Page {
        frame,
        is_newer,
        place: words::place(&passage.path, start, end),
        workspace: root.display().to_string(),
        changed: which.changed == Some(1),
        is_short: passage.total_lines < end,
        total_lines: passage.total_lines,
        language: passage.language.clone(),
        lines: lines(&passage, start, end),
    }))
}

/// When a file was last written; the use case has checked already that it may be read.
async fn modified_ms(path: &Path) -> Option<i64> {
    let modified = tokio::fs::metadata(path).await.ok()?.modified().ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn lines(passage: &Passage, start: u32, end: u32) -> Vec<Line> {
    let numbered = (passage.start_line..).zip(passage.text.lines());
    let line = |(number, text): (u32, &str)| Line {
        number,
        text: text.to_owned(),
        is_hit: (start..=end).contains(&number),
        is_first_hit: number == start,
    };
    numbered.map(line).collect()
}
