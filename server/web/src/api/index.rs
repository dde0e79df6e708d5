//! Search, passages and indexing of a workspace.

use app::{Passage, SearchResult};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use serde::Deserialize;

use crate::access::caller::Caller;
use crate::access::folders;
use crate::api::{data, stream_events, until_cut};
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
    Extension(caller): Extension<Caller>,
    Params(query): Params<SearchQuery>,
) -> Result<Json<SearchResult>, ApiError> {
    let root = folders::searched(&web.app, &caller, &query.workspace).await?;
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
    Extension(caller): Extension<Caller>,
    Params(query): Params<PassageQuery>,
) -> Result<Json<Passage>, ApiError> {
    let root = folders::read(&web.app, &caller, &query.workspace).await?;
    Ok(Json(web.app.passage(&root, &query.path, query.start, query.end).await?))
}

/// Names the folder to index.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexBody {
    workspace: String,
}

/// Indexes a folder; progress, then the report.
pub(crate) async fn index(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<IndexBody>,
) -> Result<Response, ApiError> {
    web.app.accept_work()?;
    let root = folders::searched(&web.app, &caller, &body.workspace).await?;
    let events = until_cut(&web.app, web.app.index(&root));
    stream_events(&web, events, data).await
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
