//! Workspaces: opened once, indexed in the background, watched, searched. Refuses: a second writer for a folder, and
//! search results that hide how complete the index is.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::Stream;
use index::{CancelFlag, Index, IndexDirs, IndexError, Limits, OverlayMemory};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::streaming::streaming;
use crate::{App, AppError, Buffer, ErrorKind, Result};

/// Workspaces open at the same time.
const WORKSPACES_MAX: usize = 32;
/// How often, and after how long, forgetting asks again for an index that is in use.
const FORGET_TRIES_MAX: u32 = 50;
const FORGET_RETRY_AFTER: Duration = Duration::from_millis(100);
/// A query longer than this is cut by the index; one longer than this is a mistake.
const QUERY_BYTES_MAX: usize = 256 * 1024;

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
}

/// What a search found, and what should be known about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// Best first.
    pub hits: Vec<Hit>,
    /// How complete the index is, when it is not.
    pub notice: Option<String>,
}

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

/// How far indexing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexProgress {
    /// Files done.
    pub done: u64,
    /// Files in all.
    pub total: u64,
}

/// What indexing did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexReport {
    /// Files that can be searched.
    pub files: u64,
    /// Passages in them.
    pub chunks: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Files that were as before and not read again.
    pub unchanged: u64,
    /// Files left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

/// What happens while a workspace is indexed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IndexEvent {
    /// It goes on.
    Progress(IndexProgress),
    /// It is complete and searchable. No event follows.
    Finished(IndexReport),
}

/// The events of indexing. Dropping it cancels; what was indexed stays.
pub type IndexStream = Pin<Box<dyn Stream<Item = Result<IndexEvent>> + Send>>;

/// The state of one workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkspaceStatus {
    /// Its folder.
    pub root: PathBuf,
    /// Files that can be searched.
    pub files: u64,
    /// Passages in them.
    pub chunks: u64,
    /// Grows with every change that became searchable.
    pub generation: u64,
    /// `building`, `ready` or `failed`.
    pub state: String,
    /// Files done while building.
    pub done: u64,
    /// Files in all while building.
    pub total: u64,
    /// Files left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

/// How far the first indexing of an open workspace is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    Building(IndexProgress),
    Ready,
    Failed(String),
}

/// One open workspace.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) index: Arc<Index>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Unsaved texts as they were searched last, whoever asked.
    unsaved: OverlayMemory,
    cancel: CancelFlag,
    /// Held by sessions that work in it.
    users: Arc<()>,
}

/// While held, its workspace stays open.
#[derive(Clone, Debug)]
#[must_use]
pub struct WorkspaceGuard {
    root: PathBuf,
    _user: Arc<()>,
}

impl WorkspaceGuard {
    /// The canonical folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// The open workspaces of one home.
pub(crate) struct Workspaces {
    cache: PathBuf,
    open: Mutex<HashMap<PathBuf, Arc<Workspace>>>,
}

impl Workspaces {
    pub(crate) fn new(cache: PathBuf) -> Self {
        Self { cache, open: Mutex::default() }
    }

    fn dirs(&self) -> IndexDirs {
        IndexDirs { cache: self.cache.clone() }
    }

    fn all(&self) -> Vec<Arc<Workspace>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether `root` (canonical) is the home folder, the file system's root or between, and nobody opened it by name.
    pub(crate) fn is_too_much(&self, root: &Path) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).contains_key(root);
        !open && Index::is_forbidden_root(root)
    }

    /// Opens `folder`, or finds it open. `named` says that the user named it, so that even a home folder is meant.
    pub(crate) fn open(&self, folder: &Path, named: bool) -> Result<Arc<Workspace>> {
        let root = existing_folder(folder)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workspace) = open.get(&root) {
            return Ok(Arc::clone(workspace));
        }
        if !named && Index::is_forbidden_root(&root) {
            let message = format!("{} is too much to index", root.display());
            return Err(AppError::new(ErrorKind::User, message)
                .hint("open a project folder, or name this one with `familiar index DIR`"));
        }
        if open.len() >= WORKSPACES_MAX {
            open.retain(|_, workspace| Arc::strong_count(&workspace.users) > 1);
        }
        if open.len() >= WORKSPACES_MAX {
            return Err(AppError::new(ErrorKind::Busy, format!("{WORKSPACES_MAX} workspaces are open already"))
                .hint("close one in an editor"));
        }
        let index = Index::open(&root, &self.dirs(), Limits::default()).map_err(from_index)?;
        let workspace = Arc::new(Workspace {
            root: root.clone(),
            index: Arc::new(index),
            progress: watch::Sender::new(Progress::Building(IndexProgress::default())),
            cancel: CancelFlag::new(),
            unsaved: OverlayMemory::default(),
            users: Arc::new(()),
        });
        open.insert(root, Arc::clone(&workspace));
        drop(open);
        bring_up_to_date(&workspace);
        Ok(workspace)
    }

    /// Stops background work and lets the indexes go.
    pub(crate) fn close(&self) {
        let workspaces: Vec<_> = self.open.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for (_, workspace) in workspaces {
            workspace.cancel.cancel();
        }
    }

    fn forget(&self, folder: &Path) -> Result<()> {
        let root = existing_folder(folder).unwrap_or_else(|_| folder.to_owned());
        if let Some(workspace) = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&root) {
            workspace.cancel.cancel();
        }
        // Whoever searches or indexes this moment holds the index a little longer.
        for _ in 0..FORGET_TRIES_MAX {
            match Index::forget(&root, &self.dirs()) {
                Err(IndexError::Locked { .. }) => std::thread::sleep(FORGET_RETRY_AFTER),
                done => return done.map(drop).map_err(from_index),
            }
        }
        Err(from_index(IndexError::Locked { root }))
    }
}

/// Indexes what changed since the workspace was last open, then watches it. The thread holds the workspace weakly
/// while it waits, so that closing it ends everything.
fn bring_up_to_date(workspace: &Arc<Workspace>) {
    let weak: Weak<Workspace> = Arc::downgrade(workspace);
    let work = move || {
        let Some(workspace) = weak.upgrade() else { return };
        // Watching begins first: what changes during the walk is then seen by one or the other.
        if let Err(error) = workspace.index.watch() {
            tracing::warn!(root = %workspace.root.display(), %error, "the folder cannot be watched");
        }
        let progress = workspace.progress.clone();
        let mut report = |now: index::Progress| {
            progress.send_replace(Progress::Building(IndexProgress {
                done: now.done as u64,
                total: now.total as u64,
            }));
        };
        match workspace.index.refresh(&mut report, &workspace.cancel) {
            Ok(report) => {
                let (root, files) = (workspace.root.display(), report.files);
                tracing::info!(%root, files, chunks = report.chunks, seconds = report.seconds, "indexed");
                progress.send_replace(Progress::Ready);
            }
            Err(IndexError::Cancelled | IndexError::Closed) => {}
            Err(error) => {
                tracing::error!(root = %workspace.root.display(), %error, "indexing failed");
                progress.send_replace(Progress::Failed(error.to_string()));
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("indexing".into()).spawn(work) {
        workspace.progress.send_replace(Progress::Failed(format!("no thread for indexing: {error}")));
    }
}

impl App {
    /// Opens a workspace, or finds it open; indexing goes on in the background.
    ///
    /// # Errors
    /// `User` for a folder that is missing or too large to mean, `Unavailable` when another process writes its index.
    pub fn open_workspace(&self, root: &Path) -> Result<WorkspaceGuard> {
        let workspace = self.inner.workspaces.open(root, false)?;
        Ok(WorkspaceGuard { root: workspace.root.clone(), _user: Arc::clone(&workspace.users) })
    }

    /// Opens a workspace the user named; see [`App::open_workspace`].
    ///
    /// # Errors
    /// As [`App::open_workspace`], but any folder is accepted.
    pub fn open_named_workspace(&self, root: &Path) -> Result<WorkspaceGuard> {
        let workspace = self.inner.workspaces.open(root, true)?;
        Ok(WorkspaceGuard { root: workspace.root.clone(), _user: Arc::clone(&workspace.users) })
    }

    /// Says that a file was saved, created, renamed or deleted.
    pub fn touch(&self, path: &Path) {
        for workspace in self.inner.workspaces.all() {
            if path.starts_with(&workspace.root) {
                workspace.index.touch(std::iter::once(path.to_owned()));
            }
        }
    }

    /// The workspaces that are open.
    pub fn workspaces(&self) -> Vec<WorkspaceStatus> {
        let mut all: Vec<WorkspaceStatus> =
            self.inner.workspaces.all().iter().map(|workspace| workspace_status(workspace)).collect();
        all.sort_by(|a, b| a.root.cmp(&b.root));
        all
    }

    /// Indexes a folder until it is complete and searchable.
    pub fn index(&self, root: &Path) -> IndexStream {
        let (app, root) = (self.clone(), root.to_owned());
        streaming(move |events| async move {
            let _busy = app.count_run();
            let opened = app.clone();
            let workspace = tokio::task::spawn_blocking(move || opened.inner.workspaces.open(&root, true));
            let workspace = workspace.await.map_err(AppError::task_died)??;
            let cancel = CancelFlag::new();
            let _cancelled_with_us = CancelOnDrop(cancel.clone());
            let (progress, mut seen) = watch::channel(IndexProgress::default());
            let work = tokio::task::spawn_blocking(move || {
                let mut report = |now: index::Progress| {
                    progress.send_replace(IndexProgress { done: now.done as u64, total: now.total as u64 });
                };
                workspace.index.refresh(&mut report, &cancel)
            });
            while seen.changed().await.is_ok() {
                let now = *seen.borrow_and_update();
                events.send(IndexEvent::Progress(now)).await?;
            }
            let report = work.await.map_err(AppError::task_died)?.map_err(from_index)?;
            events.send(IndexEvent::Finished(index_report(report))).await
        })
    }

    /// Removes everything that is kept about a folder's index.
    ///
    /// # Errors
    /// `Unavailable` when the files cannot be removed or another process uses them.
    pub async fn forget_index(&self, root: &Path) -> Result<()> {
        let (app, root) = (self.clone(), root.to_owned());
        let forgotten = tokio::task::spawn_blocking(move || app.inner.workspaces.forget(&root));
        forgotten.await.map_err(AppError::task_died)?
    }

    /// Searches a workspace. It answers from what is indexed now and says when that is not everything.
    ///
    /// # Errors
    /// `User` for an empty or overlong query or a folder that is missing.
    pub async fn search(&self, workspace: &Path, query: &str, limit: usize) -> Result<SearchResult> {
        self.search_with(workspace, query, limit, &[]).await
    }

    /// Searches a workspace with unsaved buffers laid over it.
    pub(crate) async fn search_with(
        &self,
        workspace: &Path,
        query: &str,
        limit: usize,
        buffers: &[Buffer],
    ) -> Result<SearchResult> {
        if query.trim().is_empty() || query.len() > QUERY_BYTES_MAX {
            return Err(AppError::new(ErrorKind::User, "a search needs some words").hint("say what to look for"));
        }
        let (app, root, query) = (self.clone(), workspace.to_owned(), query.to_owned());
        let buffers = buffers.to_vec();
        let search = tokio::task::spawn_blocking(move || {
            let workspace = app.inner.workspaces.open(&root, false)?;
            let mut request = index::SearchRequest::new(query, limit);
            let unsaved = buffers.into_iter().filter_map(|buffer| {
                let path = slashed(buffer.path.strip_prefix(&workspace.root).ok()?);
                Some((path, buffer.text))
            });
            request.overlay = workspace.unsaved.overlay(unsaved);
            let hits = workspace.index.searcher().search(&request).map_err(from_index)?;
            let notice = incomplete(&workspace.progress.borrow());
            Ok(SearchResult { hits: hits.into_iter().map(hit).collect(), notice })
        });
        search.await.map_err(AppError::task_died)?
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

/// The work tree of the nearest git repository at or above `folder`.
pub fn git_root(folder: &Path) -> Option<PathBuf> {
    index::git_root(folder)
}

/// What to say about results while the index is not complete.
pub(crate) fn incomplete(progress: &Progress) -> Option<String> {
    match progress {
        Progress::Ready => None,
        Progress::Building(IndexProgress { total: 0, .. }) => Some("Indexing has just begun.".into()),
        Progress::Building(IndexProgress { done, total }) => {
            Some(format!("Indexing: {done} of {total} changed files can be searched so far."))
        }
        Progress::Failed(why) => Some(format!("Indexing failed: {why}.")),
    }
}

/// A relative path as it is shown, with `/`.
pub(crate) fn slashed(path: &Path) -> String {
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The canonical form of a folder that exists.
pub(crate) fn existing_folder(folder: &Path) -> Result<PathBuf> {
    let wrong = |why: String| {
        AppError::new(ErrorKind::User, format!("{}: {why}", folder.display())).hint("name a folder that exists")
    };
    let canonical = std::fs::canonicalize(folder).map_err(|error| wrong(error.to_string()))?;
    if canonical.is_dir() { Ok(canonical) } else { Err(wrong("it is not a folder".into())) }
}

/// What the caller can do about an error of the index.
pub(crate) fn from_index(error: IndexError) -> AppError {
    let (kind, hint) = match &error {
        IndexError::Root { .. } => (ErrorKind::User, Some("name a folder that exists and can be read")),
        IndexError::Locked { .. } => (ErrorKind::Unavailable, Some("wait until the other process is done")),
        IndexError::Cancelled => (ErrorKind::Cancelled, None),
        IndexError::Storage { .. } => {
            (ErrorKind::Unavailable, Some("check the disk; `familiar index --forget` begins anew"))
        }
        IndexError::Refused { .. } => (ErrorKind::NotFound, None),
        IndexError::Closed => (ErrorKind::Unavailable, None),
    };
    let mut ours = AppError::new(kind, error.to_string());
    ours.hint = hint.map(str::to_owned);
    ours.caused_by(error)
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
    }
}

fn index_report(report: index::Report) -> IndexReport {
    IndexReport {
        files: report.files as u64,
        chunks: report.chunks as u64,
        seconds: report.seconds,
        unchanged: report.unchanged as u64,
        skipped: by_reason(&report.skipped),
        notes: report.notes,
    }
}

fn by_reason(skipped: &[index::Skipped]) -> BTreeMap<String, u64> {
    skipped.iter().map(|skipped| (skipped.reason.words().to_owned(), skipped.count as u64)).collect()
}

fn workspace_status(workspace: &Workspace) -> WorkspaceStatus {
    let status = workspace.index.status();
    let (state, progress) = match &*workspace.progress.borrow() {
        Progress::Building(progress) => ("building", *progress),
        Progress::Ready => ("ready", IndexProgress::default()),
        Progress::Failed(_) => ("failed", IndexProgress::default()),
    };
    WorkspaceStatus {
        root: workspace.root.clone(),
        files: status.files as u64,
        chunks: status.chunks as u64,
        generation: status.generation,
        state: state.into(),
        done: progress.done,
        total: progress.total,
        skipped: by_reason(&status.skipped),
        notes: status.notes,
    }
}

struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
