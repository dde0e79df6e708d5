//! Search, passages and indexing of a workspace. Refuses: more hits and more queries at once than the limits say.

use app::{
    AppError, BatchQuery, Editing, ErrorKind, IndexStatus, Passage, Related, SEARCH_HITS_MAX, SearchKind,
    SearchOptions, SearchResult,
};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::access::caller::Caller;
use crate::access::folders;
use crate::api::{data, stream_events, until_cut};
use crate::error::ApiError;
use crate::extract::{Body, Params, workspace};
use crate::state::Shared;

/// Queries of one batch.
const QUERIES_MAX: usize = 2_000;

/// Characters of a name nobody knows that are repeated.
const NAME_CHARS_MAX: usize = 80;
/// What a search takes.
const PARAMETERS: &str = "workspace, q, limit, kind, language, path and related";

/// The query of a search.
#[derive(Debug, Default, PartialEq)]
struct SearchQuery {
    workspace: String,
    q: String,
    options: SearchOptions,
}

impl SearchQuery {
    /// Reads the query of a URL: `language` and `path` may come several times. A name nobody knows is a mistake that would
    /// otherwise be a wrong answer.
    fn parse(query: &str) -> Result<Self, AppError> {
        let wrong = |message: String, hint: &str| AppError::new(ErrorKind::User, message).hint(hint);
        let (mut workspace, mut words) = (None, None);
        let mut options = SearchOptions::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "workspace" => workspace = Some(value),
                "q" => words = Some(value),
                "limit" => {
                    let limit: usize =
                        value.parse().map_err(|_| wrong("`limit` is no number".into(), "for example limit=10"))?;
                    options.limit = checked_limit(limit)?;
                }
                "kind" => {
                    options.kind = kind(&value).ok_or_else(|| {
                        wrong(format!("no kind of search is called {value:?}"), "auto, symbol, text or regex")
                    })?;
                }
                "language" => options.languages.push(value),
                "path" => options.paths.push(value),
                "related" => {
                    options.related = value
                        .parse()
                        .map_err(|_| wrong("`related` is true or false".into(), "for example related=true"))?;
                }
                other => {
                    let other: String = other.chars().take(NAME_CHARS_MAX).collect();
                    return Err(wrong(format!("a search takes no `{other}`"), PARAMETERS));
                }
            }
        }
        let lacks = |name: &str| wrong(format!("the query lacks `{name}`"), "add it");
        Ok(Self {
            workspace: workspace.ok_or_else(|| lacks("workspace"))?,
            q: words.ok_or_else(|| lacks("q"))?,
            options,
        })
    }
}

/// A number of hits that a search gives.
fn checked_limit(limit: usize) -> Result<usize, AppError> {
    if (1..=SEARCH_HITS_MAX).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("`limit` is a number from 1 to {SEARCH_HITS_MAX}, not {limit}");
    Err(AppError::new(ErrorKind::User, message).hint("for example limit=10"))
}

fn kind(name: &str) -> Option<SearchKind> {
    Some(match name {
        "auto" => SearchKind::Auto,
        "symbol" => SearchKind::Symbol,
        "text" => SearchKind::Text,
        "regex" => SearchKind::Regex,
        _ => return None,
    })
}

/// Finds passages.
pub(crate) async fn search(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Json<SearchResult>, ApiError> {
    let query = SearchQuery::parse(query.as_deref().unwrap_or_default())?;
    let root = folders::searched(&web.app, &caller, &query.workspace).await?;
    Ok(Json(web.app.search_in(&root, &query.q, &query.options, Editing::default()).await?))
}

/// Many queries of one workspace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBatch {
    workspace: String,
    queries: Vec<BatchQuery>,
    #[serde(default)]
    options: SearchOptions,
}

/// Answers many queries from one snapshot; a stream of their answers in order.
pub(crate) async fn search_batch(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(batch): Body<SearchBatch>,
) -> Result<Response, ApiError> {
    web.app.accept_work()?;
    if batch.queries.is_empty() || batch.queries.len() > QUERIES_MAX {
        let message = format!("a batch has 1 to {QUERIES_MAX} queries, not {}", batch.queries.len());
        return Err(AppError::new(ErrorKind::User, message).hint("send them in several batches").into());
    }
    checked_limit(batch.options.limit)?;
    let root = folders::searched(&web.app, &caller, &batch.workspace).await?;
    let answers = until_cut(&web.app, web.app.search_batch(&root, batch.queries, batch.options));
    stream_events(&web, answers, data).await
}

/// Names lines of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassageQuery {
    workspace: String,
    path: String,
    start: u32,
    end: u32,
}

impl PassageQuery {
    /// The lines, which are in order and count from 1.
    fn lines(&self) -> Result<(u32, u32), AppError> {
        if self.start == 0 {
            let message = "`start` is a line from 1, not 0";
            return Err(AppError::new(ErrorKind::User, message).hint("the first line of a file is line 1"));
        }
        if self.start <= self.end {
            return Ok((self.start, self.end));
        }
        let message = format!("`start` is line {}, behind `end`, line {}", self.start, self.end);
        Err(AppError::new(ErrorKind::User, message).hint("name the first line as `start`, the last one as `end`"))
    }
}

/// The lines as they are now.
pub(crate) async fn passage(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<PassageQuery>,
) -> Result<Json<Passage>, ApiError> {
    let (start, end) = query.lines()?;
    let root = folders::read(&web.app, &caller, &query.workspace).await?;
    Ok(Json(web.app.passage(&root, &query.path, start, end).await?))
}

/// What belongs to some lines of a file: callers, callees, imports, tests, commits.
pub(crate) async fn related(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<PassageQuery>,
) -> Result<Json<Related>, ApiError> {
    let lines = query.lines()?;
    let root = folders::searched(&web.app, &caller, &query.workspace).await?;
    Ok(Json(web.app.related(&root, &query.path, lines, &[]).await?))
}

/// Names the folder to index.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IndexBody {
    workspace: String,
    /// From nothing, while the index there is answers.
    #[serde(default)]
    rebuild: bool,
}

/// Indexes a folder; progress, then the report.
pub(crate) async fn index(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<IndexBody>,
) -> Result<Response, ApiError> {
    web.app.accept_work()?;
    let root = folders::searched(&web.app, &caller, &body.workspace).await?;
    let events =
        if body.rebuild { web.app.rebuild_index(&root, CancellationToken::new()) } else { web.app.index(&root) };
    stream_events(&web, until_cut(&web.app, events), data).await
}

/// All that is known about a folder's index; nothing is indexed for it.
pub(crate) async fn status(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<FolderQuery>,
) -> Result<Json<IndexStatus>, ApiError> {
    let root = folders::searched(&web.app, &caller, &query.workspace).await?;
    Ok(Json(web.app.index_status(&root).await?))
}

/// Names the folder to follow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesBody {
    workspace: String,
}

/// Each change of a folder's index that can be searched, until the connection closes.
pub(crate) async fn changes(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<ChangesBody>,
) -> Result<Response, ApiError> {
    web.app.accept_work()?;
    let root = folders::searched(&web.app, &caller, &body.workspace).await?;
    let changes = until_cut(&web.app, web.app.index_changes(&root));
    stream_events(&web, changes, data).await
}

/// Names the folder whose large builds wait, or go on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseBody {
    workspace: String,
    pause: bool,
}

/// How a pause stands.
#[derive(Serialize)]
pub(crate) struct Held {
    /// Whether large builds wait.
    paused: bool,
}

/// Holds up large builds of a folder's index, or lets them go on.
pub(crate) async fn pause(
    State(web): State<Shared>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<PauseBody>,
) -> Result<Json<Held>, ApiError> {
    web.app.accept_work()?;
    let root = folders::searched(&web.app, &caller, &body.workspace).await?;
    web.app.pause_index(&root, body.pause).await?;
    Ok(Json(Held { paused: body.pause }))
}

/// What forgetting did.
#[derive(Serialize)]
pub(crate) struct Forgotten {
    /// Whether anything was kept about the folder.
    known: bool,
}

/// Removes everything that is kept about a folder's index; the folder may be gone already.
pub(crate) async fn forget(
    State(web): State<Shared>,
    Params(query): Params<FolderQuery>,
) -> Result<Json<Forgotten>, ApiError> {
    let known = web.app.forget_index(&workspace(&query.workspace)?).await?;
    Ok(Json(Forgotten { known }))
}

/// Names a folder.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FolderQuery {
    workspace: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_read_from_its_address() {
        let read = SearchQuery::parse(
            "workspace=%2Fa+b&q=x%26y&limit=200&kind=regex&language=rust&language=py&path=src&related=true",
        );
        let options = SearchOptions {
            limit: SEARCH_HITS_MAX,
            kind: SearchKind::Regex,
            languages: vec!["rust".into(), "py".into()],
            paths: vec!["src".into()],
            related: true,
            words_alone: false,
        };
        assert_eq!(read.unwrap(), SearchQuery { workspace: "/a b".into(), q: "x&y".into(), options });
        for (query, message) in [
            ("", "the query lacks `workspace`"),
            ("workspace=/a", "the query lacks `q`"),
            ("workspace=/a&q=x&limit=many", "`limit` is no number"),
            ("workspace=/a&q=x&limit=0", "`limit` is a number from 1 to 200, not 0"),
            ("workspace=/a&q=x&limit=1000", "`limit` is a number from 1 to 200, not 1000"),
            ("workspace=/a&q=x&related=some", "`related` is true or false"),
            ("workspace=/a&q=x&limits=3", "a search takes no `limits`"),
            ("workspace=/a&q=x&kind=fuzzy", "no kind of search is called \"fuzzy\""),
        ] {
            assert_eq!(SearchQuery::parse(query).unwrap_err().message, message);
        }
    }

    #[test]
    fn lines_come_in_order() {
        let lines =
            |start, end| PassageQuery { workspace: "/a".into(), path: "b".into(), start, end }.lines().ok();
        assert_eq!(lines(3, 3), Some((3, 3)));
        assert_eq!(lines(3, 2), None);
        assert_eq!(lines(0, 2), None);
    }
}
