//! Making an index, making it anew, following it, forgetting it. Refuses: losing what was done when it is cancelled, and
//! taking the old index away before the new one is complete.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::Stream;
use index::{CancelFlag, Index, IndexDirs};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::stored::by_reason;
use super::workspace::Workspace;
use super::{IndexProgress, Progress, existing_folder, from_index};
use crate::streaming::{Events, streaming};
use crate::{App, AppError, Result};

/// How long one wait for a change lasts before it is seen whether anybody still asks.
const CHANGE_WAIT: Duration = Duration::from_millis(500);
/// The folder of the cache in which an index is built that will replace another.
const REBUILD_FOLDER: &str = "rebuild";

/// What indexing did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexReport {
    /// Files that can be searched: the new, the changed and the unchanged ones.
    pub files: u64,
    /// Passages in them.
    pub chunks: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Files that were not searchable before.
    pub added: u64,
    /// Files that were read again because they changed.
    pub changed: u64,
    /// Files that were as before and not read again.
    pub unchanged: u64,
    /// Files that are gone.
    pub removed: u64,
    /// Files left out, by reason; none of them is counted above.
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

/// A change of an index that can be searched now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexChange {
    /// Grows with every change.
    pub generation: u64,
    /// Files that can be searched.
    pub files: u64,
    /// Passages in them.
    pub chunks: u64,
    /// Files that were read anew, relative to the workspace.
    pub read: Vec<String>,
    /// Files that are gone.
    pub gone: Vec<String>,
    /// Further files of either kind, which are not named.
    pub more: u64,
}

/// The changes of an index, the present state first. Dropping it ends it.
pub type IndexChanges = Pin<Box<dyn Stream<Item = Result<IndexChange>> + Send>>;

impl App {
    /// Indexes a folder until it is complete and searchable.
    pub fn index(&self, root: &Path) -> IndexStream {
        self.index_until(root, CancellationToken::new())
    }

    /// The same; once `stop` is cancelled it ends with `Cancelled`, after what was done became searchable.
    pub fn index_until(&self, root: &Path, stop: CancellationToken) -> IndexStream {
        let (app, root) = (self.clone(), root.to_owned());
        streaming(move |events| async move {
            let _busy = app.count_run();
            let opened = app.clone();
            let workspace = tokio::task::spawn_blocking(move || opened.inner.workspaces.open(&root, true));
            let workspace = workspace.await.map_err(AppError::task_died)??;
            // Also of what others began: their work comes first and is part of ours.
            let seen = workspace.progress.subscribe();
            let walked = workspace.clone();
            let report = reported(&events, stop.clone(), seen, move |cancel| walked.refresh(cancel)).await?;
            tokio::select! {
                () = workspace.is_opened() => {}
                () = stop.cancelled() => {}
            }
            // Whoever reads slowly does not keep it open.
            drop(workspace);
            events.send(IndexEvent::Finished(index_report(report))).await
        })
    }

    /// Indexes a folder from nothing. The index there is answers until the new one is complete, then makes way for it;
    /// when `stop` is cancelled or this fails, it stays.
    pub fn rebuild_index(&self, root: &Path, stop: CancellationToken) -> IndexStream {
        let (app, root) = (self.clone(), root.to_owned());
        streaming(move |events| async move {
            let _busy = app.count_run();
            let root = existing_folder(&root)?;
            let dirs = IndexDirs { cache: app.home().cache.join(REBUILD_FOLDER) };
            let (folder, built) = (root.clone(), dirs.clone());
            let limits = app.inner.workspaces.limits();
            let (progress, seen) = watch::channel(Progress::Building(IndexProgress::default()));
            let report = reported(&events, stop, seen, move |cancel| {
                // What a broken-off attempt left behind.
                Index::forget(&folder, &built)?;
                let index = Index::open(&folder, &built, limits)?;
                let mut tell = |now: index::Progress| {
                    progress.send_replace(Progress::Building(now.into()));
                };
                let result = index.refresh(&mut tell, cancel);
                drop(index);
                if result.is_err() {
                    let _ = Index::forget(&folder, &built);
                }
                result
            })
            .await?;
            let replaced = tokio::task::spawn_blocking(move || app.inner.workspaces.replace(&root, &dirs));
            replaced.await.map_err(AppError::task_died)??;
            events.send(IndexEvent::Finished(index_report(report))).await
        })
    }

    /// Follows an index: one item for each change that can be searched, of a folder that is watched meanwhile.
    pub fn index_changes(&self, root: &Path) -> IndexChanges {
        let (app, root) = (self.clone(), root.to_owned());
        streaming(move |events| async move {
            let opened = app.clone();
            let workspace = tokio::task::spawn_blocking(move || opened.inner.workspaces.open(&root, true));
            let root = workspace.await.map_err(AppError::task_died)??.root.clone();
            let mut known = None;
            loop {
                let (app, root) = (app.clone(), root.clone());
                let next = tokio::task::spawn_blocking(move || next_change(&app, &root, known.as_ref()));
                let Some((seen, change)) = next.await.map_err(AppError::task_died)? else {
                    return Err(AppError::new(crate::ErrorKind::Stale, "the index was closed or forgotten")
                        .hint("run the command again"));
                };
                known = Some(seen);
                if let Some(change) = change {
                    events.send(change).await?;
                }
            }
        })
    }

    /// Removes everything that is kept about a folder's index; false when there was nothing.
    ///
    /// # Errors
    /// `Unavailable` when the files cannot be removed or another process uses them.
    pub async fn forget_index(&self, root: &Path) -> Result<bool> {
        let (app, root) = (self.clone(), root.to_owned());
        let forgotten = tokio::task::spawn_blocking(move || app.inner.workspaces.forget(&root));
        forgotten.await.map_err(AppError::task_died)?
    }
}

/// Runs `work` on a thread of its own and sends the progress that is seen. It is cancelled with `stop`, and when nobody
/// reads any more.
async fn reported(
    events: &Events<IndexEvent>,
    stop: CancellationToken,
    mut seen: watch::Receiver<Progress>,
    work: impl FnOnce(&CancelFlag) -> std::result::Result<index::Report, index::IndexError> + Send + 'static,
) -> Result<index::Report> {
    let cancel = CancelFlag::new();
    let _cancelled_with_us = CancelOnDrop(cancel.clone());
    let flag = cancel.clone();
    let mut work = tokio::task::spawn_blocking(move || work(&flag));
    let mut is_stopped = false;
    let mut is_told = true;
    loop {
        tokio::select! {
            done = &mut work => return done.map_err(AppError::task_died)?.map_err(from_index),
            () = stop.cancelled(), if !is_stopped => {
                is_stopped = true;
                cancel.cancel();
            }
            changed = seen.changed(), if is_told => {
                is_told = changed.is_ok();
                let now = seen.borrow_and_update().clone();
                if let Progress::Building(now) = now {
                    events.send(IndexEvent::Progress(now)).await?;
                }
            }
        }
    }
}

/// A state of an index that was told: of which workspace, and its generation. Weak, so that an index can be replaced
/// while somebody follows it.
type Known = (Weak<Workspace>, u64);

/// The state of a folder's index once it is another one than `known`; no change when it is not for a while, and `None`
/// when nobody has it open any more.
fn next_change(app: &App, root: &Path, known: Option<&Known>) -> Option<(Known, Option<IndexChange>)> {
    let workspace = app.inner.workspaces.settled(root)?;
    let weak = Arc::downgrade(&workspace);
    if let Some((last, generation)) = known
        && last.ptr_eq(&weak)
        && workspace.index.wait_for_change(*generation, CHANGE_WAIT) == *generation
    {
        return Some(((weak, *generation), None));
    }
    let status = workspace.index.status();
    let (generation, files, chunks) = (status.generation, status.files as u64, status.chunks as u64);
    // Of an index that took the place of another one it is not known what differs.
    let known = known.filter(|(last, _)| last.ptr_eq(&weak));
    let differs = known.map(|(_, generation)| workspace.index.difference_since(*generation)).unwrap_or_default();
    let (read, gone, more) = (differs.read, differs.gone, differs.more as u64);
    Some(((weak, generation), Some(IndexChange { generation, files, chunks, read, gone, more })))
}

fn index_report(report: index::Report) -> IndexReport {
    IndexReport {
        files: report.files as u64,
        chunks: report.chunks as u64,
        seconds: report.seconds,
        added: report.added as u64,
        changed: report.indexed.saturating_sub(report.added) as u64,
        unchanged: report.unchanged as u64,
        removed: report.removed as u64,
        skipped: by_reason(&report.skipped),
        notes: report.notes,
    }
}

/// Raises its flag when it is dropped.
pub(super) struct CancelOnDrop(pub(super) CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
