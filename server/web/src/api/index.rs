//! Search, passages and indexing of a workspace.

use app::{Passage, SearchResult};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde::Deserialize;

use crate::api::{data, event_stream, failure};
use crate::error::ApiError;
use crate::extract::{Body, Params, workspace};
use crate::state::Shared;

/// Hits when the caller names no number.
const HITS_DEFAULT: usize = 10;
/// Hits at most.
const HITS_MAX: usize = 100;

/// The query of a search.
#[derive(Deserialize)]
pub(crate) struct SearchQuery {
    workspace: String,
    q: String,
    limit: Option<usize>,
}

/// Finds passages.
pub(crate) async fn search(
    State(web): State<Shared>,
    Params(query): Params<SearchQuery>,
) -> Result<Json<SearchResult>, ApiError> {
    let root = workspace(&query.workspace)?;
    let limit = query.limit.unwrap_or(HITS_DEFAULT).clamp(1, HITS_MAX);
    Ok(Json(web.app.search(&root, &query.q, limit).await?))
}

/// Names lines of a file.
#[derive(Deserialize)]
pub(crate) struct PassageQuery {
    workspace: String,
    path: String,
    start: u32,
    end: u32,
}

/// The lines as they are now.
pub(crate) async fn passage(
    State(web): State<Shared>,
    Params(query): Params<PassageQuery>,
) -> Result<Json<Passage>, ApiError> {
    let root = workspace(&query.workspace)?;
    Ok(Json(web.app.passage(&root, &query.path, query.start, query.end).await?))
}

/// Names the folder to index.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexBody {
    workspace: String,
}

/// Indexes a folder; progress, then the report.
pub(crate) async fn index(State(web): State<Shared>, Body(body): Body<IndexBody>) -> Result<Response, ApiError> {
    let root = workspace(&body.workspace)?;
    let mut events = web.app.index(&root);
    let Some(first) = events.next().await.transpose()? else {
        return Ok(event_stream(stream::empty()).into_response());
    };
    let guard = web.app.count_session();
    let events = stream::once(async { Ok(first) }).chain(events).map(move |event| {
        let _held = &guard;
        Ok(match event {
            Ok(event) => data(&event),
            Err(error) => failure(&error),
        })
    });
    Ok(event_stream(events).into_response())
}

/// Removes everything that is kept about a folder's index; the folder may be gone already.
pub(crate) async fn forget(
    State(web): State<Shared>,
    Params(query): Params<ForgetQuery>,
) -> Result<StatusCode, ApiError> {
    web.app.forget_index(&workspace(&query.workspace)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Names the folder to forget.
#[derive(Deserialize)]
pub(crate) struct ForgetQuery {
    workspace: String,
}
