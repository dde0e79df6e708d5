//! The API under `/api/v1`, the same on both doors. Refuses: HTML, and state that changes on GET.

mod access;
mod ask;
mod chats;
mod control;
mod image_jobs;
mod images;
mod index;
mod upgrade;

use app::App;
use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;

use app::{AppError, ErrorKind};

use crate::door::Table;
use crate::error::{self, ApiError, ErrorBody};
use crate::extract::Body;
use crate::state::{Identity, Shared};
use crate::upload::UPLOAD_BYTES_MAX;

/// A question with open documents, or the hello of a language session.
const LARGE_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A message of a chat; JSON may escape every byte of it.
const MESSAGE_BODY_BYTES_MAX: usize = 512 * 1024;
/// A silent stream says that it lives this often.
const KEEP_ALIVE_S: u64 = 15;

/// What both doors serve.
pub(crate) fn routes() -> Table {
    vec![
        ("/api/v1/ask", large(post(ask::ask))),
        ("/api/v1/search", large(get(index::search).post(index::search_batch))),
        ("/api/v1/index", get(index::status).post(index::index).delete(index::forget)),
        ("/api/v1/index/changes", post(index::changes)),
        ("/api/v1/index/pause", post(index::pause)),
        ("/api/v1/passage", get(index::passage)),
        ("/api/v1/related", get(index::related)),
        ("/api/v1/chats", get(chats::list).post(chats::create)),
        ("/api/v1/chats/{id}", get(chats::show).patch(chats::change).delete(chats::trash)),
        ("/api/v1/chats/{id}/restore", post(chats::restore)),
        ("/api/v1/chats/{id}/messages", post(chats::send).layer(DefaultBodyLimit::max(MESSAGE_BODY_BYTES_MAX))),
        ("/api/v1/chats/{id}/messages/{message}/retry", post(chats::retry)),
        (
            "/api/v1/images",
            get(images::list).post(images::create).layer(DefaultBodyLimit::max(MESSAGE_BODY_BYTES_MAX)),
        ),
        ("/api/v1/images/totals", get(images::totals)),
        ("/api/v1/images/models", get(images::models)),
        ("/api/v1/images/models/use", post(images::use_model)),
        ("/api/v1/images/import", post(images::import).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX))),
        (
            "/api/v1/images/delete",
            post(images::delete_several).layer(DefaultBodyLimit::max(MESSAGE_BODY_BYTES_MAX)),
        ),
        ("/api/v1/images/jobs", get(image_jobs::list)),
        ("/api/v1/images/jobs/cancel", post(image_jobs::cancel_all)),
        ("/api/v1/images/jobs/events", get(image_jobs::all_events)),
        ("/api/v1/images/jobs/{id}", get(image_jobs::show).delete(image_jobs::forget)),
        ("/api/v1/images/jobs/{id}/events", get(image_jobs::events)),
        ("/api/v1/images/jobs/{id}/images", get(image_jobs::images)),
        ("/api/v1/images/jobs/{id}/cancel", post(image_jobs::cancel)),
        ("/api/v1/images/jobs/{id}/retry", post(image_jobs::retry)),
        ("/api/v1/images/jobs/{id}/move", post(image_jobs::move_to)),
        ("/api/v1/images/{id}", get(images::show).patch(images::change).delete(images::delete)),
        ("/api/v1/images/{id}/file", get(images::file)),
        ("/api/v1/images/{id}/thumbnail", get(images::thumbnail)),
        ("/api/v1/runs/{id}/events", get(chats::events)),
        ("/api/v1/runs/{id}/stop", post(chats::stop)),
        ("/api/v1/status", get(status)),
        ("/api/v1/models", get(models)),
        ("/api/v1/models/unload", post(unload)),
        ("/api/v1/tokens", get(access::tokens).post(access::create_token)),
        ("/api/v1/tokens/{id}", delete(access::revoke_token)),
    ]
}

/// What only the user's own processes may do.
pub(crate) fn socket_routes() -> Table {
    vec![
        ("/api/v1/stop", post(control::stop)),
        ("/api/v1/hand-over", post(control::hand_over)),
        ("/api/v1/sign-in-links", post(access::mint_sign_in)),
        ("/api/v1/lsp", large(post(upgrade::lsp))),
    ]
}

/// Says that the daemon is there, before anything else is ready.
pub(crate) async fn health(State(web): State<Shared>) -> Json<Health> {
    let Identity { version, build_id, .. } = web.identity.clone();
    Json(Health { status: "ok", version, build_id })
}

/// The answer of `/healthz`.
#[derive(Serialize)]
pub(crate) struct Health {
    status: &'static str,
    version: String,
    build_id: String,
}

async fn status(State(web): State<Shared>) -> Result<Json<app::Status>, ApiError> {
    Ok(Json(web.status().await?))
}

#[derive(Serialize)]
struct ModelList {
    models: Vec<app::ModelEntry>,
}

async fn models(State(web): State<Shared>) -> Json<ModelList> {
    Json(ModelList { models: list_models(web.app.clone()).await })
}

/// Which model gives its memory back; every one without a name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unload {
    #[serde(default)]
    name: Option<String>,
}

/// The models that stood in memory until now.
#[derive(Serialize)]
struct Unloaded {
    unloaded: Vec<String>,
}

async fn unload(State(web): State<Shared>, Body(which): Body<Unload>) -> Result<Json<Unloaded>, ApiError> {
    Ok(Json(Unloaded { unloaded: web.app.unload_models(which.name.as_deref()).await? }))
}

/// The model files; the folder is read off the async threads.
pub(crate) async fn list_models(app: App) -> Vec<app::ModelEntry> {
    tokio::task::spawn_blocking(move || app.models()).await.unwrap_or_default()
}

fn large(handlers: MethodRouter<Shared>) -> MethodRouter<Shared> {
    handlers.layer(DefaultBodyLimit::max(LARGE_BODY_BYTES_MAX))
}

/// A stream of events with a sign of life while it is silent.
pub(crate) fn event_stream<S>(events: S) -> Sse<KeepAliveStream<S>>
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(KEEP_ALIVE_S)))
}

/// Streams `events`, each written by `line`. What goes wrong before the first one still gets a status of its own.
pub(crate) async fn stream_events<T: Send + 'static>(
    web: &Shared,
    mut events: impl Stream<Item = Result<T, AppError>> + Send + Unpin + 'static,
    line: impl Fn(&T) -> Event + Send + 'static,
) -> Result<Response, ApiError> {
    let first = events.next().await.ok_or_else(ended_silently)??;
    let guard = web.app.count_session();
    let events = stream::once(std::future::ready(Ok(first))).chain(events).map(move |event| {
        let _held = &guard;
        Ok(match &event {
            Ok(event) => line(event),
            Err(error) => failure(error),
        })
    });
    Ok(event_stream(events).into_response())
}

/// `events` until what runs is cut off, which is then their last error.
pub(crate) fn until_cut<T: Send + 'static>(
    app: &App,
    events: impl Stream<Item = Result<T, AppError>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<T, AppError>> + Send + Unpin + 'static {
    let cut = app.shutdown_token();
    let state = (events, false);
    Box::pin(stream::unfold(state, move |(mut events, is_over)| {
        let cut = cut.clone();
        async move {
            if is_over {
                return None;
            }
            // What is ready goes out first, so that the end of an answer is not lost to the end of the daemon.
            tokio::select! {
                biased;
                event = events.next() => event.map(|event| (event, (events, false))),
                () = cut.cancelled() => {
                    let error = AppError::new(ErrorKind::Unavailable, "Familiar ended before this was done");
                    Some((Err(error.hint("ask again")), (events, true)))
                }
            }
        }
    }))
}

/// The error of a stream that ended without its last event.
pub(crate) fn ended_silently() -> AppError {
    AppError::new(ErrorKind::Bug, "it ended without saying why")
}

/// One event whose data is `value` as JSON.
pub(crate) fn data(value: &impl Serialize) -> Event {
    Event::default().json_data(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an event could not be written as JSON");
        Event::default().event("error")
    })
}

/// The event that ends a stream which broke: named `error`, with the same JSON a failed request has.
pub(crate) fn failure(error: &AppError) -> Event {
    error::log(error);
    data(&ErrorBody::from(error)).event("error")
}
