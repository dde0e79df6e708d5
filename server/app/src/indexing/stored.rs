//! What is known about an index: in short for each open workspace, at length for one that is asked about. Refuses:
//! indexing anything, and leaving a file out without its reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use index::{Index, IndexDirs, Limits, Peek, State, Watching};
use serde::{Deserialize, Serialize};

use super::workspace::Workspace;
use super::{IndexProgress, Progress, existing_folder, from_index, words};
use crate::{App, AppError, Config, Home, Result};

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
    /// `building`, `paused`, `ready` or `failed`.
    pub state: String,
    /// The user wants no large builds in the background, now or later.
    pub paused: bool,
    /// Files done while building.
    pub done: u64,
    /// Files in all while building.
    pub total: u64,
    /// How changes are found: `events`, `polling` or `nothing`.
    pub watching: String,
    /// Files left out, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
}

/// Files that are left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Why, in a few words.
    pub reason: String,
    /// How many files, or whole folders.
    pub count: u64,
    /// A few of their paths, relative to the workspace.
    pub examples: Vec<String>,
    /// What brings them in; empty where nothing should.
    pub advice: String,
}

/// All that is known about the index of one folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexStatus {
    /// The folder that is indexed.
    pub root: PathBuf,
    /// `none`, `empty`, `building`, `paused`, `partial`, `ready` or `failed`.
    pub state: String,
    /// The user wants no large builds in the background, now or later.
    pub paused: bool,
    /// Files done while building or paused.
    pub done: u64,
    /// Files in all while building or paused.
    pub total: u64,
    /// Files that can be searched.
    pub files: u64,
    /// Passages in them.
    pub chunks: u64,
    /// Grows with every change that became searchable.
    pub generation: u64,
    /// When all of it was last looked at, in milliseconds since the epoch.
    pub refreshed_ms: Option<u64>,
    /// How changes are found: `events`, `polling` or `nothing`.
    pub watching: String,
    /// Where the index lies.
    pub folder: PathBuf,
    /// Its size on disk, in bytes.
    pub bytes: u64,
    /// What is left out, by reason.
    pub left_out: Vec<LeftOut>,
    /// Anything else worth knowing.
    pub notes: Vec<String>,
    /// Larger files are left out, in bytes.
    pub file_bytes_max: u64,
    /// More files are left out.
    pub files_max: u64,
    /// Files of more than this together are left out, in bytes.
    pub source_bytes_max: u64,
    /// No files are added to an index that is larger than this, in bytes on disk.
    pub index_bytes_max: u64,
}

impl App {
    /// The workspaces that are open. Waits for those that are being opened this moment.
    pub fn workspaces(&self) -> Vec<WorkspaceStatus> {
        let mut all: Vec<WorkspaceStatus> =
            self.inner.workspaces.all_settled().iter().map(|workspace| in_short(workspace)).collect();
        all.sort_by(|a, b| a.root.cmp(&b.root));
        all
    }

    /// All that is known about a folder's index; nothing is indexed for it.
    ///
    /// # Errors
    /// `User` for a folder that is missing, `Unavailable` when its index cannot be read.
    pub async fn index_status(&self, root: &Path) -> Result<IndexStatus> {
        let (app, root) = (self.clone(), root.to_owned());
        let look = tokio::task::spawn_blocking(move || {
            let root = existing_folder(&root)?;
            let dirs = app.inner.workspaces.dirs();
            let limits = app.inner.workspaces.limits();
            let workspace = match app.inner.workspaces.open_or(&root, || of_folder(root.clone(), &dirs, &limits)) {
                Ok(workspace) => workspace,
                Err(stored) => return stored,
            };
            let now = workspace.index.status();
            let standing = workspace.standing(&now);
            let mut status = at_length(root, now, &dirs, &limits);
            match standing {
                Progress::Building(progress) => {
                    "building".clone_into(&mut status.state);
                    (status.done, status.total) = (progress.done, progress.total);
                }
                Progress::Failed(why, _) => {
                    "failed".clone_into(&mut status.state);
                    if !status.notes.contains(&why) {
                        status.notes.push(why);
                    }
                }
                Progress::Ready | Progress::Paused(_) => {}
            }
            Ok(status)
        });
        look.await.map_err(AppError::task_died)?
    }
}

/// What is stored about a folder's index in a home that nobody has open.
///
/// # Errors
/// As [`App::index_status`].
pub fn stored_index(home: &Home, config: &Config, root: &Path) -> Result<IndexStatus> {
    let dirs = IndexDirs { cache: home.cache.clone() };
    of_folder(existing_folder(root)?, &dirs, &config.index_limits())
}

fn of_folder(root: PathBuf, dirs: &IndexDirs, limits: &Limits) -> Result<IndexStatus> {
    let Peek { status, in_use } = Index::peek(&root, dirs).map_err(from_index)?;
    let mut status = at_length(root, status, dirs, limits);
    if in_use {
        status
            .notes
            .push("another process has this index open: what it has not stored yet is not counted here".into());
    }
    Ok(status)
}

fn at_length(root: PathBuf, status: index::Status, dirs: &IndexDirs, limits: &Limits) -> IndexStatus {
    let stored = Index::stored(&root, dirs);
    let (state, progress) = match status.state {
        _ if stored.is_none() => ("none", IndexProgress::default()),
        State::Empty => ("empty", IndexProgress::default()),
        State::Building { done, total } => ("building", IndexProgress { done: done as u64, total: total as u64 }),
        State::Paused { done, total } => ("paused", IndexProgress { done: done as u64, total: total as u64 }),
        State::Partial => ("partial", IndexProgress::default()),
        State::Ready => ("ready", IndexProgress::default()),
    };
    let (folder, bytes) = stored.map_or_else(Default::default, |stored| (stored.folder, stored.bytes));
    IndexStatus {
        root,
        state: state.into(),
        paused: status.paused,
        done: progress.done,
        total: progress.total,
        files: status.files as u64,
        chunks: status.chunks as u64,
        generation: status.generation,
        refreshed_ms: status.refreshed_ms,
        watching: watching(status.watching).into(),
        folder,
        bytes,
        left_out: status.skipped.iter().map(left_out).collect(),
        notes: status.notes,
        file_bytes_max: limits.file_bytes_max,
        files_max: limits.files_max as u64,
        source_bytes_max: limits.source_bytes_max,
        index_bytes_max: limits.index_bytes_max,
    }
}

fn left_out(skipped: &index::Skipped) -> LeftOut {
    LeftOut {
        reason: skipped.reason.words().to_owned(),
        count: skipped.count as u64,
        examples: skipped.examples.clone(),
        advice: words::advice(skipped.reason).to_owned(),
    }
}

pub(super) fn by_reason(skipped: &[index::Skipped]) -> BTreeMap<String, u64> {
    skipped.iter().map(|skipped| (skipped.reason.words().to_owned(), skipped.count as u64)).collect()
}

fn watching(watching: Watching) -> &'static str {
    match watching {
        Watching::Nothing => "nothing",
        Watching::Events => "events",
        Watching::Polling => "polling",
    }
}

fn in_short(workspace: &Workspace) -> WorkspaceStatus {
    let status = workspace.index.status();
    let (state, progress) = match workspace.standing(&status) {
        Progress::Building(progress) => ("building", progress),
        Progress::Paused(progress) => ("paused", progress),
        Progress::Ready => ("ready", IndexProgress::default()),
        Progress::Failed(..) => ("failed", IndexProgress::default()),
    };
    WorkspaceStatus {
        root: workspace.root.clone(),
        files: status.files as u64,
        chunks: status.chunks as u64,
        generation: status.generation,
        state: state.into(),
        paused: status.paused,
        done: progress.done,
        total: progress.total,
        watching: watching(status.watching).into(),
        skipped: by_reason(&status.skipped),
        notes: status.notes,
    }
}
