//! Searching a workspace: one question, or many against one snapshot. Refuses: questions without words, paths outside the
//! workspace, and answers that do not say when the index is not complete.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use futures::{Stream, StreamExt};
use index::{
    Filter, HistoryCache, HistoryLimits, IndexDirs, IndexError, LiveBudget, Nearby, Overlay, OverlayMemory,
    SearchAnswer, Searcher, Skipped,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::related::{Related, related};
use super::words::{left_out, partly};
use super::workspace::Workspace;
use super::{existing_folder, from_index, incomplete, slashed};
use crate::streaming::streaming;
use crate::{App, AppError, Buffer, ErrorKind, Home, Result};

/// A query longer than this is cut by the index; one longer than this is a mistake.
const QUERY_BYTES_MAX: usize = 256 * 1024;
/// Hits when the caller names no number.
const HITS_DEFAULT: usize = 10;
/// Hits one search gives at most.
pub const SEARCH_HITS_MAX: usize = index::HITS_MAX;
/// Threads that answer one batch.
const BATCH_THREADS_MAX: usize = 8;

/// A passage that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, inclusive.
    pub end_line: u32,
    /// The symbol it defines or lies in.
    pub symbol: Option<String>,
    /// What it is, such as `function` or `text`.
    pub kind: String,
    /// Higher is better; only comparable within one search.
    pub score: f32,
    /// Why it was found, in words.
    pub why: String,
    /// The lines themselves.
    pub text: String,
    /// Those of them that hold the text or pattern that was asked for; none for a question in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u32>,
}

/// What a search found, and what should be known about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// Best first.
    pub hits: Vec<Hit>,
    /// What belongs to the first hit, when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<Box<Related>>,
    /// What the answer may lack because the index is not complete, why it is empty, or what of the query is not so.
    pub notice: Option<String>,
}

/// What somebody who searches has in an editor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Editing<'a> {
    /// Documents with unsaved text, which is searched instead of what is on disk.
    pub buffers: &'a [Buffer],
    /// Open files, the one in front first: between near equals they and what changes with them come first.
    pub open: &'a [PathBuf],
}

/// What a query is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchKind {
    /// Told from its form.
    #[default]
    Auto,
    /// The name of a definition, or a part of one.
    Symbol,
    /// Text as it stands in the files.
    Text,
    /// A regular expression over lines.
    Regex,
}

/// How to search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// Hits at most; no more than [`SEARCH_HITS_MAX`].
    pub limit: usize,
    /// What the query is taken for.
    pub kind: SearchKind,
    /// Only files of these languages, by name or extension.
    pub languages: Vec<String>,
    /// Only these folders, files or globs, relative to the workspace or absolute in it.
    pub paths: Vec<String>,
    /// Also list what belongs to the first hit: callers, callees, imports, tests, commits.
    pub related: bool,
    /// Order hits by words alone, not by what was edited lately or what commits say: for measuring.
    pub words_alone: bool,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            limit: HITS_DEFAULT,
            kind: SearchKind::Auto,
            languages: Vec::new(),
            paths: Vec::new(),
            related: false,
            words_alone: false,
        }
    }
}

/// One query of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchQuery {
    /// What its answer is called; a text or a number.
    pub id: Value,
    /// What to look for.
    pub query: String,
}

/// The answer to one query of a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchAnswer {
    /// The id of its query.
    pub id: Value,
    /// Best first.
    pub hits: Vec<Hit>,
    /// What belongs to the first hit, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<Box<Related>>,
    /// Why there are none, when the query cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// As that of [`SearchResult`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// The answers to a batch, in the order of its queries. Dropping it cancels what is left.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<BatchAnswer>> + Send>>;

/// Some lines of a file as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, inclusive.
    pub end_line: u32,
    /// The lines.
    pub text: String,
    /// The language, where known.
    pub language: Option<String>,
    /// Lines of the whole file.
    pub total_lines: u32,
}

/// A checked way to search one workspace.
struct Plan {
    root: PathBuf,
    /// Those of the filter, relative to the workspace.
    paths: Vec<String>,
    /// Whether no file passes them, once somebody asked.
    leads_nowhere: OnceLock<bool>,
    filter: Filter,
    kind: index::SearchKind,
    limit: usize,
    related: bool,
    words_alone: bool,
}

impl Plan {
    /// Checks options for a workspace (canonical).
    fn new(root: &Path, options: &SearchOptions) -> Result<Self> {
        let paths = options.paths.iter().map(|path| inside(root, path)).collect::<Result<Vec<_>>>()?;
        let filter = Filter::new(&options.languages, &paths).map_err(from_index)?;
        let kind = match options.kind {
            SearchKind::Auto => index::SearchKind::Auto,
            SearchKind::Symbol => index::SearchKind::Symbol,
            SearchKind::Text => index::SearchKind::Text,
            SearchKind::Regex => index::SearchKind::Regex,
        };
        let SearchOptions { limit, related, words_alone, .. } = *options;
        Ok(Self {
            root: root.to_owned(),
            paths,
            leads_nowhere: OnceLock::new(),
            filter,
            kind,
            limit: limit.min(SEARCH_HITS_MAX),
            related,
            words_alone,
        })
    }

    fn request(&self, query: &str) -> index::SearchRequest {
        index::SearchRequest {
            kind: self.kind,
            filter: self.filter.clone(),
            ..index::SearchRequest::new(query, self.limit)
        }
    }

    /// Why nothing was found, where that lies in the paths or in a name that was asked for.
    fn why_nothing(&self, query: &str, overlay: &Overlay) -> Option<String> {
        let mut named = self.paths.iter().map(String::as_str).chain([query.trim()]);
        if let Some(secret) = named.find(|path| is_secret_here(&self.root, path)) {
            return Some(format!("`{secret}` is not shown: it may hold secrets."));
        }
        self.leads_nowhere.get_or_init(|| self.look_where_it_leads(overlay)).then(|| {
            let paths: Vec<String> = self.paths.iter().map(|path| format!("`{path}`")).collect();
            format!(
                "No file whose text can be searched matches {} in {}: paths count from there, and `**/*.py` matches \
                 at any depth.",
                paths.join(" or "),
                self.root.display()
            )
        })
    }

    /// Whether no file passes the paths. One that was not listed in time may.
    fn look_where_it_leads(&self, overlay: &Overlay) -> bool {
        let Ok(filter) = Filter::new(&[], &self.paths) else { return false };
        if filter.is_open() {
            return false;
        }
        let request = index::SearchRequest {
            kind: index::SearchKind::Text,
            filter,
            overlay: overlay.clone(),
            // Only the count of files matters; what is in nearly each of them ends the look soon.
            ..index::SearchRequest::new("e", 1)
        };
        let found = index::live_search(&self.root, &request, &LiveBudget::default());
        found.is_ok_and(|found| found.files == 0 && !found.cut)
    }
}

/// Whether a path is that of something in the workspace (canonical) that is on the secrets list.
fn is_secret_here(root: &Path, path: &str) -> bool {
    index::is_secret(path) && root.join(path).canonicalize().is_ok_and(|real| real.starts_with(root))
}

/// A path of a filter, relative to the workspace.
fn inside(root: &Path, path: &str) -> Result<String> {
    let outside = || {
        let message = format!("{path} lies outside the workspace {}", root.display());
        AppError::new(ErrorKind::User, message).hint("name a folder, a file or a glob below the workspace")
    };
    let named = Path::new(path);
    if !named.is_absolute() {
        let leaves = named.components().any(|part| part == std::path::Component::ParentDir);
        return if leaves { Err(outside()) } else { Ok(path.to_owned()) };
    }
    // The workspace is canonical; a path through a link may be written otherwise.
    let real = named.canonicalize().unwrap_or_else(|_| named.to_owned());
    let below = named.strip_prefix(root).or_else(|_| real.strip_prefix(root));
    below.map(slashed).map_err(|_| outside())
}

fn checked(query: &str) -> Result<()> {
    if query.trim().is_empty() {
        return Err(AppError::new(ErrorKind::User, "a search needs some words").hint("say what to look for"));
    }
    if query.len() > QUERY_BYTES_MAX {
        let message = format!("a query of more than {} KiB is no search", QUERY_BYTES_MAX / 1024);
        return Err(AppError::new(ErrorKind::User, message).hint("search for its most telling part"));
    }
    Ok(())
}

impl App {
    /// Searches a workspace. It answers from what is indexed now and says when that is not everything.
    ///
    /// # Errors
    /// `User` for an empty or overlong query or a folder that is missing.
    pub async fn search(&self, workspace: &Path, query: &str, limit: usize) -> Result<SearchResult> {
        self.search_with(workspace, query, limit, Editing::default()).await
    }

    /// Searches a workspace for somebody who works in an editor.
    pub(crate) async fn search_with(
        &self,
        workspace: &Path,
        query: &str,
        limit: usize,
        editing: Editing<'_>,
    ) -> Result<SearchResult> {
        let options = SearchOptions { limit, ..SearchOptions::default() };
        self.search_in(workspace, query, &options, editing).await
    }

    /// Searches some files of a workspace, in a chosen way, for somebody who may work in an editor.
    ///
    /// # Errors
    /// As [`App::search`]; `User` for a pattern that cannot be read and for paths outside the workspace.
    pub async fn search_in(
        &self,
        workspace: &Path,
        query: &str,
        options: &SearchOptions,
        editing: Editing<'_>,
    ) -> Result<SearchResult> {
        checked(query)?;
        let (app, root, query) = (self.clone(), workspace.to_owned(), query.to_owned());
        let (options, buffers, open) = (options.clone(), editing.buffers.to_vec(), editing.open.to_vec());
        let search = tokio::task::spawn_blocking(move || {
            let (asked, plan) = app.asked(&root, &options, Editing { buffers: &buffers, open: &open })?;
            asked.answer(&plan, &query)
        });
        search.await.map_err(AppError::task_died)?
    }

    /// Answers many queries from one snapshot of a workspace, several at a time. A query that cannot be read gets an
    /// answer that says so.
    pub fn search_batch(&self, workspace: &Path, queries: Vec<BatchQuery>, options: SearchOptions) -> BatchStream {
        let (app, root) = (self.clone(), workspace.to_owned());
        streaming(move |events| async move {
            let _busy = app.count_run();
            let opened = app.clone();
            let prepared = tokio::task::spawn_blocking(move || {
                opened.asked(&root, &options, Editing::default()).map(Arc::new)
            });
            let prepared = prepared.await.map_err(AppError::task_died)??;
            let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let answers = futures::stream::iter(queries).map(|one| {
                let prepared = Arc::clone(&prepared);
                tokio::task::spawn_blocking(move || answer(&prepared.0, &prepared.1, one))
            });
            let mut answers = answers.buffered(threads.min(BATCH_THREADS_MAX));
            while let Some(answer) = answers.next().await {
                events.send(answer.map_err(AppError::task_died)??).await?;
            }
            Ok(())
        })
    }

    /// What answers questions about a workspace: its index, or its files where an index can be neither read nor made.
    fn asked(&self, root: &Path, options: &SearchOptions, editing: Editing<'_>) -> Result<(Asked, Plan)> {
        match self.inner.workspaces.open(root, false) {
            Ok(workspace) => {
                let plan = Plan::new(&workspace.root, options)?;
                Ok((Asked::of(&workspace, &plan, editing), plan))
            }
            Err(error) if lacks_storage(&error) => {
                let root = existing_folder(root)?;
                let plan = Plan::new(&root, options)?;
                let next = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                let notice = format!("These are matches in the files, without an index: {}{next}.", error.message);
                let overlay = OverlayMemory::default().overlay(editing.buffers.iter().filter_map(|buffer| {
                    let path = buffer.path.strip_prefix(&root).ok().map(slashed)?;
                    Some((path, buffer.text.as_str()))
                }));
                Ok((Asked::without_index(&root, overlay, notice), plan))
            }
            Err(error) => Err(error),
        }
    }

    /// Lines of a file of a workspace as they are now.
    ///
    /// # Errors
    /// `NotFound` for a file or lines that are not there, `User` for a path outside the workspace or a secret.
    pub async fn passage(&self, workspace: &Path, path: &str, start_line: u32, end_line: u32) -> Result<Passage> {
        let (root, path) = (existing_folder(workspace)?, path.to_owned());
        let read = tokio::task::spawn_blocking(move || index::passage(&root, &path, start_line, end_line));
        let passage = read.await.map_err(AppError::task_died)?.map_err(from_index)?;
        Ok(Passage {
            language: index::language_name(&passage.path).map(str::to_owned),
            path: passage.path,
            start_line: passage.start_line,
            end_line: passage.end_line,
            text: passage.text,
            total_lines: passage.lines,
        })
    }
}

/// Whether an index is missing because the disk refuses it, which its user may be unable to change.
fn lacks_storage(error: &AppError) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(IndexError::Storage { .. } | IndexError::DiskFull { .. }))
}

/// One state of a workspace, ready for questions.
struct Asked {
    /// None where there is no index; then the files are looked through.
    searcher: Option<Searcher>,
    overlay: Overlay,
    nearby: Nearby,
    history: HistoryCache,
    notice: Option<String>,
    /// What of the workspace no search finds.
    skipped: Vec<Skipped>,
}

impl Asked {
    fn of(workspace: &Workspace, plan: &Plan, editing: Editing<'_>) -> Self {
        let status = workspace.index.status();
        Self {
            overlay: workspace.overlay(editing.buffers),
            nearby: if plan.words_alone { Nearby::default() } else { workspace.nearby(&editing) },
            history: workspace.history.clone(),
            // Looked at before the search: what is complete then is complete in it.
            notice: incomplete(&workspace.standing(&status)),
            skipped: status.skipped,
            searcher: Some(workspace.index.searcher()),
        }
    }

    /// The files of a folder (canonical), without an index; `notice` says why.
    fn without_index(root: &Path, overlay: Overlay, notice: String) -> Self {
        Self {
            searcher: None,
            overlay,
            nearby: Nearby::default(),
            history: HistoryCache::new(root, HistoryLimits::default()),
            notice: Some(notice),
            skipped: Vec::new(),
        }
    }

    fn answer(&self, plan: &Plan, query: &str) -> Result<SearchResult> {
        self.found(plan, query).map_err(from_index).and_then(|answer| self.result(plan, query, answer))
    }

    fn found(&self, plan: &Plan, query: &str) -> std::result::Result<SearchAnswer, IndexError> {
        let mut request = plan.request(query);
        request.overlay = self.overlay.clone();
        request.nearby = self.nearby.clone();
        let Some(searcher) = &self.searcher else {
            let live = index::live_search(&plan.root, &request, &LiveBudget::default())?;
            return Ok(SearchAnswer { hits: live.hits, cut: live.cut, ..SearchAnswer::default() });
        };
        searcher.answer(&request)
    }

    fn result(&self, plan: &Plan, query: &str, answer: SearchAnswer) -> Result<SearchResult> {
        let SearchAnswer { hits, cut, many_changed, notes } = answer;
        let related = match hits.first().filter(|_| plan.related).zip(self.searcher.as_ref()) {
            Some((hit, searcher)) => {
                let lines = (hit.start_line, hit.end_line);
                let name = hit.symbol.as_deref();
                Some(Box::new(related(searcher, &hit.path, lines, name, &self.overlay, &self.history)?))
            }
            None => None,
        };
        let why = if hits.is_empty() {
            plan.why_nothing(query, &self.overlay).or_else(|| left_out(&self.skipped).filter(|_| !cut))
        } else {
            None
        };
        let more = self.notice.as_deref();
        let notice = match why {
            Some(why) => Some(with_more(why, more)),
            None if cut => Some(partly(many_changed, more)),
            None => self.notice.clone(),
        };
        let notice = notes.into_iter().chain(notice).reduce(|said, more| format!("{said} {more}"));
        Ok(SearchResult { hits: hits.into_iter().map(hit).collect(), related, notice })
    }
}

/// A sentence with another one behind it, where there is one.
fn with_more(said: String, more: Option<&str>) -> String {
    match more {
        Some(more) => format!("{said} {more}"),
        None => said,
    }
}

fn answer(asked: &Asked, plan: &Plan, one: BatchQuery) -> Result<BatchAnswer> {
    let BatchQuery { id, query } = one;
    let failed =
        |id, error| BatchAnswer { id, error: Some(error), notice: asked.notice.clone(), ..BatchAnswer::default() };
    if let Err(wrong) = checked(&query) {
        return Ok(failed(id, wrong.message));
    }
    match asked.found(plan, &query) {
        Ok(answer) => {
            let SearchResult { hits, related, notice } = asked.result(plan, &query, answer)?;
            Ok(BatchAnswer { id, hits, related, error: None, notice })
        }
        Err(error @ IndexError::Query(_)) => Ok(failed(id, error.to_string())),
        Err(error) => Err(from_index(error)),
    }
}

/// Searches what is stored of a workspace while another process has the home: for reading alone, without waiting for it.
///
/// # Errors
/// As [`App::search_in`].
pub fn search_read_only(home: &Home, root: &Path, query: &str, options: &SearchOptions) -> Result<SearchResult> {
    checked(query)?;
    let root = existing_folder(root)?;
    let plan = Plan::new(&root, options)?;
    let dirs = IndexDirs { cache: home.cache.clone() };
    let asked = match Searcher::open(&root, &dirs) {
        Ok(searcher) => {
            let notice = "Another process has the index this moment: answers may lack what is not in it yet.";
            Asked { searcher: Some(searcher), ..Asked::without_index(&root, Overlay::default(), notice.into()) }
        }
        Err(IndexError::Storage { .. }) => {
            let notice = match index::Index::stored(&root, &dirs) {
                None => "There is no index of this folder yet: these are matches in the files.",
                Some(_) => {
                    "The index cannot be read while another process writes it: these are matches in the files."
                }
            };
            Asked::without_index(&root, Overlay::default(), notice.into())
        }
        Err(error) => return Err(from_index(error)),
    };
    asked.answer(&plan, query)
}

fn hit(hit: index::Hit) -> Hit {
    Hit {
        path: hit.path,
        start_line: hit.start_line,
        end_line: hit.end_line,
        symbol: hit.symbol,
        kind: hit.kind,
        score: hit.score,
        why: hit.why,
        text: hit.text,
        lines: hit.lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_filter_stay_in_the_workspace() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        let below = root.join("src").to_string_lossy().into_owned();
        for (path, expected) in [
            ("src", Some("src")),
            ("src/**/*.rs", Some("src/**/*.rs")),
            (below.as_str(), Some("src")),
            ("/elsewhere", None),
            ("../x", None),
        ] {
            assert_eq!(inside(&root, path).ok().as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn an_empty_answer_says_what_its_paths_lead_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        std::fs::create_dir(root.join("src")).expect("it can be made");
        for (name, text) in [("src/a.py", "x = 1\n"), (".env", "KEY=1\n")] {
            std::fs::write(root.join(name), text).expect("it can be written");
        }
        for (paths, query, words) in [
            (vec![], "launch", None),
            (vec!["src"], "launch", None),
            (vec!["nosuch", "src/*.py"], "launch", None),
            (vec!["nosuch"], "launch", Some("matches `nosuch` in ")),
            (vec!["*.py", "nosuch"], "launch", Some("`*.py` or `nosuch`")),
            (vec![".env"], "launch", Some("`.env` is not shown")),
            (vec![], " .env ", Some("`.env` is not shown")),
            (vec![], "other.env", None),
        ] {
            let paths = paths.into_iter().map(str::to_owned).collect();
            let options = SearchOptions { paths, ..SearchOptions::default() };
            let plan = Plan::new(&root, &options).expect("it is a plan");
            let why = plan.why_nothing(query, &Overlay::default());
            let is_so = words.map_or(why.is_none(), |words| why.as_ref().is_some_and(|why| why.contains(words)));
            assert!(is_so, "{options:?}, {query}: {why:?}");
        }
    }
}
