//! What belongs to a passage beyond its text: callers, callees, imports, tests, history. Refuses: to wait long for a
//! history, and lists without an end.

use std::path::Path;
use std::time::Duration;

use index::{HistoryCache, Overlay, Searcher};
use serde::{Deserialize, Serialize};

use super::from_index;
use crate::{App, AppError, Buffer, Result};

/// How long a question waits for the history of a workspace.
const HISTORY_WAIT_MAX: Duration = Duration::from_millis(1_500);

/// A place that belongs to a passage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedPlace {
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// The line, 1-based.
    pub line: u32,
    /// The symbol at or around that line; for an import what the file writes.
    pub name: String,
    /// What it is, such as `function`, `call` or `import`.
    pub kind: String,
}

/// A commit, as people name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The first digits of its id.
    pub id: String,
    /// When it was made, in seconds since 1970 (UTC).
    pub time: i64,
    /// Name of its author.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

/// A file that changes together with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesWith {
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// Common commits.
    pub commits: u32,
}

/// What belongs to a passage. Every list is bounded, the closest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// The passage's file, relative to the workspace with `/`.
    pub path: String,
    /// Its first line, 1-based.
    pub start_line: u32,
    /// Its last line, inclusive.
    pub end_line: u32,
    /// The symbol that it is about; none in prose.
    pub symbol: Option<String>,
    /// The symbols of its file, in order.
    pub outline: Vec<RelatedPlace>,
    /// Places outside tests that use the symbol's name.
    pub callers: Vec<RelatedPlace>,
    /// Definitions of the names that the symbol calls.
    pub callees: Vec<RelatedPlace>,
    /// Files of the workspace that the file imports.
    pub imports: Vec<RelatedPlace>,
    /// Places in tests that use the symbol's name.
    pub tests: Vec<RelatedPlace>,
    /// The newest commit that brought in some of the lines, where that was found in time.
    pub last_change: Option<Commit>,
    /// The last commits that changed the file.
    pub commits: Vec<Commit>,
    /// Files that change together with it.
    pub changes_with: Vec<ChangesWith>,
    /// There may be more than is listed.
    pub cut: bool,
}

impl From<index::RelatedItem> for RelatedPlace {
    fn from(one: index::RelatedItem) -> Self {
        let index::RelatedItem { path, line, name, kind } = one;
        Self { path, line, name, kind }
    }
}

impl From<index::Commit> for Commit {
    fn from(one: index::Commit) -> Self {
        let index::Commit { id, time, author, subject } = one;
        Self { id, time, author, subject }
    }
}

/// What belongs to some lines of a file.
pub(super) fn related(
    searcher: &Searcher,
    path: &str,
    lines: (u32, u32),
    name: Option<&str>,
    overlay: &Overlay,
    history: &HistoryCache,
) -> Result<Related> {
    let history = history.wait(HISTORY_WAIT_MAX);
    let found = searcher.related_to(path, lines.0..=lines.1, name, overlay, history.as_deref());
    let found = found.map_err(from_index)?;
    let places = |items: Vec<index::RelatedItem>| items.into_iter().map(RelatedPlace::from).collect();
    let changes_with = found.changes_with.into_iter();
    Ok(Related {
        path: path.to_owned(),
        start_line: lines.0,
        end_line: lines.1,
        symbol: found.symbol,
        outline: places(found.outline),
        callers: places(found.callers),
        callees: places(found.callees),
        imports: places(found.imports),
        tests: places(found.tests),
        last_change: found.last_change.map(Commit::from),
        commits: found.commits.into_iter().map(Commit::from).collect(),
        changes_with: changes_with.map(|one| ChangesWith { path: one.path, commits: one.commits }).collect(),
        cut: found.cut,
    })
}

impl App {
    /// What belongs to some lines (1-based, inclusive) of a file of a workspace, with unsaved buffers laid over it.
    ///
    /// # Errors
    /// `NotFound` for a file that is not there or may not be shown; as [`App::search`].
    pub async fn related(
        &self,
        workspace: &Path,
        path: &str,
        lines: (u32, u32),
        buffers: &[Buffer],
    ) -> Result<Related> {
        let (app, root, path) = (self.clone(), workspace.to_owned(), path.to_owned());
        let buffers = buffers.to_vec();
        let look = tokio::task::spawn_blocking(move || {
            let workspace = app.inner.workspaces.open(&root, false)?;
            let overlay = workspace.overlay(&buffers);
            related(&workspace.index.searcher(), &path, lines, None, &overlay, &workspace.history)
        });
        look.await.map_err(AppError::task_died)?
    }
}
