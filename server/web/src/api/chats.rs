//! Chats, their messages and runs. Closing a connection changes nothing here; Stop is its own request.

use app::{AnswerEvent, ChatPage, ChatSummary, ChatView, MessageState, RunEventKind, Sent};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::access::caller::Caller;
use crate::access::folders;
use crate::api::{data, stream_events};
use crate::error::ApiError;
use crate::extract::{Body, Params, Segments};
use crate::state::Shared;

/// Chats of one page when the caller names no number.
const CHATS_DEFAULT: usize = 50;
/// Messages of one page when the caller names no number.
const MESSAGES_DEFAULT: usize = 50;
/// Rows of one page at most.
const PAGE_MAX: usize = 200;
/// The header a client that reconnects says its place in.
const LAST_EVENT_ID: &str = "last-event-id";

/// A place in a list.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    cursor: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

/// A page of chats.
pub(crate) async fn list(
    State(web): State<Shared>,
    Params(query): Params<PageQuery>,
) -> Result<Json<ChatPage>, ApiError> {
    let limit = query.limit.unwrap_or(CHATS_DEFAULT).clamp(1, PAGE_MAX);
    Ok(Json(web.app.chats(query.cursor, limit).await?))
}

/// What a new chat is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChat {
    #[serde(default)]
    workspace: Option<String>,
}

/// Begins a chat.
pub(crate) async fn create(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewChat>,
) -> Result<(StatusCode, Json<ChatSummary>), ApiError> {
    let folder = match &body.workspace {
        Some(folder) => Some(folders::asked_about(&web.app, &caller, folder).await?),
        None => None,
    };
    Ok((StatusCode::CREATED, Json(web.app.create_chat(folder).await?)))
}

/// A chat with its last messages, or those before one.
pub(crate) async fn show(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    Params(query): Params<PageQuery>,
) -> Result<Json<ChatView>, ApiError> {
    let limit = query.limit.unwrap_or(MESSAGES_DEFAULT).clamp(1, PAGE_MAX);
    Ok(Json(web.app.chat(&id, query.before, limit).await?))
}

/// What changes about a chat.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    title: String,
}

/// Renames a chat.
pub(crate) async fn change(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    Body(body): Body<Change>,
) -> Result<StatusCode, ApiError> {
    web.app.rename_chat(&id, &body.title).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Moves a chat to the trash.
pub(crate) async fn trash(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    web.app.trash_chat(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a chat out of the trash.
pub(crate) async fn restore(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    web.app.restore_chat(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A message of the user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    text: String,
}

/// Takes a question; the answer is a run.
pub(crate) async fn send(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    Body(body): Body<NewMessage>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(web.app.send(&id, &body.text).await?)))
}

/// Asks the question of an answer once more.
pub(crate) async fn retry(
    State(web): State<Shared>,
    Segments((id, message)): Segments<(String, String)>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(web.app.regenerate(&id, &message).await?)))
}

/// Stops a run; its text so far is kept.
pub(crate) async fn stop(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    web.app.stop_run(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The last line of a run's stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RunLine<'a> {
    Ended {
        state: MessageState,
        error: Option<&'a str>,
    },
    #[serde(untagged)]
    Answer(&'a AnswerEvent),
}

/// The events of a run, each with its number: those after `Last-Event-ID`, then those to come.
pub(crate) async fn events(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = last_event_id(&headers);
    // A run tells its own end, also when it is cut off.
    let events = web.app.run_events(&id, after);
    stream_events(&web, events, |event| {
        let line = match &event.kind {
            RunEventKind::Answer(answer) => RunLine::Answer(answer),
            RunEventKind::Ended { state, error } => RunLine::Ended { state: *state, error: error.as_deref() },
        };
        data(&line).id(event.seq.to_string())
    })
    .await
}

/// The number a client that reconnects saw last; 0 for a new one.
fn last_event_id(headers: &HeaderMap) -> u64 {
    headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0)
}
