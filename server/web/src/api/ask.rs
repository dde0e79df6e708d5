//! One question, one streamed answer; nothing is kept. Dropping the connection cancels it.

use std::path::PathBuf;

use app::{Answer, AnswerEvent, AppError, Ask, Buffer, ErrorKind, Focus};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use engine::Turn;
use futures::{Stream, StreamExt};
use serde::Deserialize;

use crate::access::caller::Caller;
use crate::access::folders;
use crate::api::{data, ended_silently, stream_events, until_cut};
use crate::error::ApiError;
use crate::extract::Body;
use crate::state::Shared;

/// Earlier turns a caller may send.
const TURNS_MAX: usize = 200;
/// Unsaved documents a caller may send.
const BUFFERS_MAX: usize = 64;

/// The body of a question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    #[serde(default)]
    workspace: Option<String>,
    question: String,
    /// The file it is about, absolute or relative to the workspace.
    #[serde(default)]
    file: Option<PathBuf>,
    /// First and last line of it, 1-based and inclusive.
    #[serde(default)]
    lines: Option<(u32, u32)>,
    /// Unsaved text of the file.
    #[serde(default)]
    text: Option<String>,
    /// Text that belongs to the question and to no file, such as what was piped in.
    #[serde(default)]
    attachment: Option<String>,
    /// What was said before, oldest first.
    #[serde(default)]
    turns: Vec<Said>,
    /// Open documents with unsaved text.
    #[serde(default)]
    open_buffers: Vec<Buffer>,
}

/// One question with its answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    question: String,
    answer: String,
}

/// Streams the answer; one object instead where only JSON is accepted.
pub(crate) async fn ask(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(question): Body<Question>,
) -> Result<Response, ApiError> {
    web.app.accept_work()?;
    let mut ask = question.checked()?;
    folders::check_ask(&web.app, &caller, &mut ask).await?;
    let mut events = until_cut(&web.app, web.app.ask(ask));
    if wants_json(&headers) {
        return Ok(Json(last(&mut events).await?).into_response());
    }
    stream_events(&web, events, data).await
}

impl Question {
    fn checked(self) -> Result<Ask, AppError> {
        if self.turns.len() > TURNS_MAX || self.open_buffers.len() > BUFFERS_MAX {
            let message = format!("at most {TURNS_MAX} turns and {BUFFERS_MAX} open documents are read");
            return Err(AppError::new(ErrorKind::User, message));
        }
        let focus = self.file.map(|path| Focus { path, lines: self.lines, text: self.text });
        Ok(Ask {
            workspace: self.workspace.as_deref().map(crate::extract::workspace).transpose()?,
            question: self.question,
            turns: self
                .turns
                .into_iter()
                .map(|said| Turn { question: said.question, answer: said.answer })
                .collect(),
            focus,
            search_by_focus: false,
            open_buffers: self.open_buffers,
            open_files: Vec::new(),
            attachment: self.attachment,
        })
    }
}

/// The finished answer.
async fn last(
    events: &mut (impl Stream<Item = Result<AnswerEvent, AppError>> + Unpin),
) -> Result<Answer, AppError> {
    while let Some(event) = events.next().await {
        if let AnswerEvent::Finished { answer } = event? {
            return Ok(*answer);
        }
    }
    Err(ended_silently())
}

/// Whether JSON is accepted and an event stream is not.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/event-stream")
}
