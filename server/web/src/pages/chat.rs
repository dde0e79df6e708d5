//! One chat: its transcript, the box to write in, and what its buttons do.

use std::time::Duration;

use app::{App, AppError, ChatView, RunEvent, RunEventKind, RunView, Sent};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;

use crate::access::caller::Visitor;
use crate::error::{self, PageError};
use crate::extract::{Fields, Params, Segments};
use crate::pages::frame::{Frame, Section, chat_url, title};
use crate::pages::home::{no_model, sentence};
use crate::pages::message::{Article, Ending, Place};
use crate::pages::words::{self, Piece};
use crate::pages::{not_done, page, see_other, wants_piece};
use crate::state::Shared;

/// Events of an answer that tell what it is at, and how long a page waits for them.
const PHASE_EVENTS: u64 = 8;
const PHASE_WAIT_MAX: Duration = Duration::from_millis(200);
/// Messages on one page.
const MESSAGES_PAGE_LEN: usize = 50;
/// The event that tells the box that its text was taken.
const SENT_EVENT: &str = "sent";

#[derive(Template)]
#[template(path = "chat.html")]
struct Chat {
    frame: Frame,
    url: String,
    title: String,
    workspace: Option<String>,
    messages: Vec<Article>,
    earlier_url: Option<String>,
    /// Whether this page shows the end of the chat.
    is_latest: bool,
    is_running: bool,
    /// Where a page without scripts goes on while an answer is written.
    refresh_url: String,
    draft: String,
    problem: Vec<Piece>,
    /// What a missing model needs, where it is always in sight: beside the box.
    no_model: Vec<Piece>,
}

/// Earlier messages, for a page that shows the later ones already.
#[derive(Template)]
#[template(path = "earlier.html")]
struct Earlier {
    messages: Vec<Article>,
    earlier_url: Option<String>,
}

/// A question that was taken, for a page that shows what came before it.
#[derive(Template)]
#[template(path = "sent.html")]
struct Taken {
    messages: Vec<Article>,
}

/// Which messages.
#[derive(Default, Deserialize)]
pub(crate) struct Range {
    before: Option<String>,
    /// How often the page has reloaded itself.
    #[serde(default)]
    follow: u32,
}

/// Shows the end of a chat, or what was said before a message.
pub(crate) async fn show(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Params(range): Params<Range>,
) -> Result<Response, PageError> {
    let mut chat = load(&web, &visitor, &headers, &id, range.before).await?;
    // A browser does not reload for the fragment alone, so each time the address is another one.
    chat.refresh_url = format!("{}?follow={}#latest", chat.url, range.follow.wrapping_add(1));
    if wants_piece(&headers) && !chat.is_latest {
        return Ok(page(&Earlier { messages: chat.messages, earlier_url: chat.earlier_url }));
    }
    Ok(page(&chat))
}

/// The box.
#[derive(Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    text: String,
}

/// Takes a question. What was typed comes back when that does not work.
pub(crate) async fn send(
    State(web): State<Shared>,
    visitor: Visitor,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Fields(form): Fields<Question>,
) -> Result<Response, PageError> {
    match (web.app.send(&id, &form.text).await, wants_piece(&headers)) {
        (Ok(sent), true) => taken(&web, &visitor, &headers, &id, &sent).await,
        (Ok(_), false) => Ok(latest(&id)),
        (Err(problem), is_piece) => {
            error::log(&problem);
            let status = error::status(problem.kind);
            if is_piece {
                return Ok((status, not_done(&problem)).into_response());
            }
            let mut chat = load(&web, &visitor, &headers, &id, None).await?;
            chat.problem = words::pieces(&sentence(&problem));
            chat.draft = form.text;
            Ok((status, page(&chat)).into_response())
        }
    }
}

/// Asks the question of an answer once more.
pub(crate) async fn retry(
    State(web): State<Shared>,
    _: Visitor,
    Segments((id, message)): Segments<(String, String)>,
) -> Result<Response, PageError> {
    web.app.regenerate(&id, &message).await?;
    Ok(latest(&id))
}

/// Stops an answer.
pub(crate) async fn stop(
    State(web): State<Shared>,
    _: Visitor,
    Segments((id, run)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    web.app.stop_run(&run).await?;
    // The open stream of the page shows the end by itself.
    if wants_piece(&headers) {
        return Ok(axum::http::StatusCode::NO_CONTENT.into_response());
    }
    Ok(latest(&id))
}

/// The new title.
#[derive(Deserialize)]
pub(crate) struct Rename {
    #[serde(default)]
    title: String,
}

/// Gives the chat another title.
pub(crate) async fn rename(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
    Fields(form): Fields<Rename>,
) -> Result<Response, PageError> {
    web.app.rename_chat(&id, &form.title).await?;
    Ok(see_other(&chat_url(&id)))
}

/// Moves the chat to the trash, and offers to take it back.
pub(crate) async fn trash(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
) -> Result<Response, PageError> {
    web.app.trash_chat(&id).await?;
    Ok(see_other(&format!("/chats?trashed={}", words::segment(&id))))
}

/// Takes the chat back.
pub(crate) async fn restore(
    State(web): State<Shared>,
    _: Visitor,
    Segments(id): Segments<String>,
) -> Result<Response, PageError> {
    web.app.restore_chat(&id).await?;
    Ok(see_other(&chat_url(&id)))
}

/// The end of a chat, where the answer appears.
fn latest(id: &str) -> Response {
    see_other(&format!("{}#latest", chat_url(id)))
}

async fn taken(
    web: &Shared,
    visitor: &Visitor,
    headers: &HeaderMap,
    id: &str,
    sent: &Sent,
) -> Result<Response, PageError> {
    let chat = load(web, visitor, headers, id, None).await?;
    let ids = [words::segment(&sent.user_message_id), words::segment(&sent.answer_message_id)];
    let messages = chat.messages.into_iter().filter(|message| ids.contains(&message.id)).collect();
    let mut response = page(&Taken { messages });
    response.headers_mut().insert("hx-trigger", HeaderValue::from_static(SENT_EVENT));
    Ok(response)
}

async fn load(
    web: &Shared,
    visitor: &Visitor,
    headers: &HeaderMap,
    id: &str,
    before: Option<String>,
) -> Result<Chat, AppError> {
    let is_latest = before.is_none();
    let view = web.app.chat(id, before, MESSAGES_PAGE_LEN).await?;
    let frame = Frame::load(&web.app, visitor, headers, Section::Chat, Some(id)).await?;
    let form_token = frame.form_token.clone();
    let ChatView { chat, messages, earlier, run, .. } = view;
    let workspace = chat.workspace.clone();
    let chat_id = chat.id.clone();
    let rendered = tokio::task::spawn_blocking(move || {
        let place = Place { chat_id: &chat_id, workspace: workspace.as_deref(), form_token: &form_token };
        place.articles(messages)
    });
    let mut messages = rendered.await.map_err(|error| {
        AppError::new(app::ErrorKind::Bug, "the messages could not be rendered").caused_by(error)
    })?;
    let written = messages.iter_mut().find(|message| message.state == Ending::Streaming);
    if let (Some(message), Some(run)) = (written, run) {
        if let Some(phase) = phase(&web.app, &run).await {
            message.phase = phase;
        }
    }
    let model = web.status().await?.model;
    let url = chat_url(id);
    Ok(Chat {
        frame,
        title: title(&chat),
        workspace: chat.workspace.map(|folder| folder.display().to_string()),
        earlier_url: earlier.map(|message| format!("{url}?before={}", words::segment(&message))),
        is_running: messages.iter().any(|message| message.state == Ending::Streaming),
        messages,
        is_latest,
        refresh_url: format!("{url}?follow=1#latest"),
        draft: String::new(),
        problem: Vec::new(),
        no_model: words::pieces(&no_model(&model)),
        url,
    })
}

/// What an answer is at, from its last events: a page without scripts is told only by reloading.
async fn phase(app: &App, run: &RunView) -> Option<String> {
    let mut events = app.run_events(&run.id, run.last_seq.saturating_sub(PHASE_EVENTS));
    let mut phase = None;
    let mut read = async || {
        while let Some(Ok(RunEvent { seq, kind })) = events.next().await {
            if let RunEventKind::Answer(event) = &kind {
                phase = words::phase(event).or(phase.take());
            }
            if seq >= run.last_seq {
                break;
            }
        }
    };
    // What is known by then is shown; the next reload knows more.
    let _ = tokio::time::timeout(PHASE_WAIT_MAX, read()).await;
    phase
}
