//! One open workspace: its index, what is known of whoever works in it, and the work in the background that keeps it up to
//! date. Refuses: knowing of other workspaces, and holding itself open.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use index::{
    CancelFlag, HistoryCache, HistoryLimits, Index, IndexDirs, IndexError, Limits, NEARBY_FILES_MAX, Nearby,
    Overlay, OverlayMemory,
};
use tokio::sync::watch;

use super::workspaces::lock;
use super::{Editing, IndexProgress, from_index, slashed};
use crate::{Buffer, Result};

/// A file that was saved this long ago was edited lately.
const EDITED_LATELY: Duration = Duration::from_secs(60 * 60);
/// Names by which one workspace is known besides its canonical one; the oldest is forgotten.
const NAMES_MAX: usize = 8;

/// How far the index of an open workspace is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Progress {
    Building(IndexProgress),
    /// It was stopped; what was done can be found.
    Paused(IndexProgress),
    Ready,
    /// Why, and when all of it had been looked at before, in milliseconds since the epoch.
    Failed(String, Option<u64>),
}

/// One open workspace.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The same folder as it was named when somebody opened it, through links, the latest first.
    names: Mutex<VecDeque<PathBuf>>,
    pub(crate) index: Arc<Index>,
    /// What the last walk that was asked for here told. What holds now says [`Workspace::standing`].
    pub(crate) progress: watch::Sender<Progress>,
    /// Unsaved texts as they were searched last, whoever asked.
    unsaved: OverlayMemory,
    /// Read when somebody asks for it.
    pub(super) history: HistoryCache,
    /// Files saved in an editor, the last one first, with the time of each.
    edited: Mutex<VecDeque<(String, Instant)>>,
    /// Whether it is kept up to date by itself; a command that ends soon reads no history for an order of hits.
    pub(super) in_background: bool,
    /// Work in the background that is at it, or waits for its turn.
    builds: AtomicUsize,
    /// Walks that somebody here asked for and that did not end.
    walks: AtomicUsize,
    pub(super) cancel: CancelFlag,
    /// Held by sessions that work in it.
    pub(super) users: Arc<()>,
}

impl Workspace {
    /// Opens the index of a canonical folder; nothing is looked at yet.
    pub(super) fn open(
        root: PathBuf,
        dirs: &IndexDirs,
        limits: Limits,
        in_background: bool,
        users: Arc<()>,
    ) -> Result<Self> {
        let index = Index::open(&root, dirs, limits).map_err(from_index)?;
        let first = match index.status().state {
            // On demand nothing looks for changes; hits are compared with the files in any case.
            index::State::Ready if !in_background => Progress::Ready,
            index::State::Paused { done, total } => Progress::Paused(progress_of(done, total)),
            _ if !in_background => Progress::Paused(IndexProgress::default()),
            _ => Progress::Building(IndexProgress::default()),
        };
        Ok(Self {
            history: HistoryCache::new(&root, HistoryLimits::default()),
            root,
            names: Mutex::default(),
            index: Arc::new(index),
            progress: watch::Sender::new(first),
            unsaved: OverlayMemory::default(),
            edited: Mutex::default(),
            in_background,
            builds: AtomicUsize::new(0),
            walks: AtomicUsize::new(0),
            cancel: CancelFlag::new(),
            users,
        })
    }

    /// A path below the folder, by whichever name of it, as the index calls it.
    pub(super) fn relative(&self, path: &Path) -> Option<String> {
        let names = lock(&self.names);
        let mut names = std::iter::once(&self.root).chain(names.iter());
        names.find_map(|name| path.strip_prefix(name).ok()).map(slashed)
    }

    /// An overlay of those buffers that lie in this workspace.
    pub(crate) fn overlay(&self, buffers: &[Buffer]) -> Overlay {
        self.unsaved.overlay(buffers.iter().filter_map(|buffer| {
            let path = self.relative(&buffer.path)?;
            Some((path, buffer.text.as_str()))
        }))
    }

    /// Adds a name by which the folder is known; false when it is known by it already.
    pub(super) fn add_name(&self, name: &Path) -> bool {
        let mut names = lock(&self.names);
        if names.iter().any(|known| known == name) {
            return false;
        }
        names.push_front(name.to_owned());
        names.truncate(NAMES_MAX);
        true
    }

    /// Forgets a name: of a link that leads elsewhere now.
    pub(super) fn drop_name(&self, name: &Path) {
        lock(&self.names).retain(|known| known != name);
    }

    /// Gives the names away, for the one that takes its place.
    pub(super) fn take_names(&self) -> VecDeque<PathBuf> {
        std::mem::take(&mut *lock(&self.names))
    }

    /// Takes the names of the one before it.
    pub(super) fn set_names(&self, names: VecDeque<PathBuf>) {
        *lock(&self.names) = names;
    }

    /// What somebody is at who has these files open.
    pub(super) fn nearby(&self, editing: &Editing<'_>) -> Nearby {
        let unsaved = editing.buffers.iter().map(|buffer| buffer.path.as_path());
        let mut open: Vec<String> = Vec::new();
        for path in editing.open.iter().map(PathBuf::as_path).chain(unsaved).filter_map(|path| self.relative(path))
        {
            if open.len() < NEARBY_FILES_MAX && !open.contains(&path) {
                open.push(path);
            }
        }
        let edited = lock(&self.edited);
        let lately = edited.iter().filter(|(_, at)| at.elapsed() < EDITED_LATELY);
        let edited = lately.map(|(path, _)| path.clone()).collect();
        // While the index is being built, reading the history would only hold it up.
        let ready = self.in_background && self.standing(&self.index.status()) == Progress::Ready;
        Nearby { open, edited, history: if ready { self.history.now() } else { None } }
    }

    /// How complete the index is. It also walks by itself, to mend what a walk of ours left undone: once none of ours
    /// goes on, its own state (`now`) counts.
    pub(super) fn standing(&self, now: &index::Status) -> Progress {
        let told = self.progress.borrow().clone();
        let is_ours = self.walks.load(Ordering::Relaxed) + self.builds.load(Ordering::Relaxed) > 0;
        match (told, now.state) {
            (told @ Progress::Building(_), _) if is_ours => told,
            (_, index::State::Building { done, total }) => Progress::Building(progress_of(done, total)),
            // A walk that failed at its beginning leaves the state as it was.
            (Progress::Failed(why, before), _) if now.refreshed_ms == before => Progress::Failed(why, before),
            // An unplugged disk is no reason to forget anything, and none to call it ready.
            (_, index::State::Ready) if !self.root.is_dir() => {
                Progress::Failed("its folder is gone or cannot be read".to_owned(), now.refreshed_ms)
            }
            (_, index::State::Ready) => Progress::Ready,
            (_, index::State::Paused { done, total }) => Progress::Paused(progress_of(done, total)),
            (Progress::Building(last) | Progress::Paused(last), _) => Progress::Paused(last),
            _ => Progress::Paused(IndexProgress::default()),
        }
    }

    pub(super) fn note_edited(&self, path: &Path) {
        let Some(path) = self.relative(path) else { return };
        let mut edited = lock(&self.edited);
        edited.retain(|(known, _)| *known != path);
        edited.push_front((path, Instant::now()));
        edited.truncate(NEARBY_FILES_MAX);
    }
}

impl Workspace {
    /// Brings the index into step with the folder and tells everybody who asks how far it is.
    pub(super) fn refresh(&self, cancel: &CancelFlag) -> std::result::Result<index::Report, IndexError> {
        self.refresh_by(cancel, Index::refresh, || ())
    }

    /// Waits until what was begun when the folder was opened is over: then it is watched, and compared with its index.
    pub(super) async fn is_opened(&self) {
        let mut told = self.progress.subscribe();
        // The sender is ours, so that this cannot fail.
        let _ = told.wait_for(|_| self.builds.load(Ordering::Relaxed) == 0).await;
    }

    /// `is_over` is called before the end is told.
    fn refresh_by(
        &self,
        cancel: &CancelFlag,
        refresh: Refresh,
        is_over: impl FnOnce(),
    ) -> std::result::Result<index::Report, IndexError> {
        self.walks.fetch_add(1, Ordering::Relaxed);
        let mut last = IndexProgress::default();
        let mut report = |now: index::Progress| {
            if self.cancel.is_cancelled() {
                // The folder is closed or its index replaced, whoever asked for this.
                cancel.cancel();
            }
            last = now.into();
            self.progress.send_replace(Progress::Building(last));
        };
        let result = refresh(&self.index, &mut report, cancel);
        is_over();
        self.progress.send_replace(match &result {
            Ok(_) => Progress::Ready,
            // Whoever asked went away; what was complete before still is.
            Err(IndexError::Cancelled | IndexError::Closed) => match self.index.status().state {
                index::State::Ready => Progress::Ready,
                index::State::Paused { done, total } => Progress::Paused(progress_of(done, total)),
                // It makes way for whoever waits, and goes on after that.
                _ if self.builds.load(Ordering::Relaxed) > 0 => Progress::Building(last),
                _ => Progress::Paused(last),
            },
            Err(error) => Progress::Failed(error.to_string(), self.index.status().refreshed_ms),
        });
        self.walks.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

/// One of the two ways to refresh an index.
type Refresh =
    fn(&Index, &mut dyn FnMut(index::Progress), &CancelFlag) -> std::result::Result<index::Report, IndexError>;

/// Indexes what changed since the workspace was last open, and watches it from then on. The thread holds the workspace
/// weakly while it waits, so that closing it ends everything.
pub(super) fn bring_up_to_date(workspace: &Arc<Workspace>, watches: bool) {
    let weak: Weak<Workspace> = Arc::downgrade(workspace);
    workspace.builds.fetch_add(1, Ordering::Relaxed);
    let work = move || {
        let Some(workspace) = weak.upgrade() else { return };
        let build = Build(&workspace);
        // Watching begins first: what changes during the walk is then seen by one or the other.
        if watches && let Err(error) = workspace.index.watch() {
            tracing::warn!(root = %workspace.root.display(), %error, "the folder cannot be watched");
        }
        let result = workspace.refresh_by(&workspace.cancel, Index::refresh_in_background, || drop(build));
        match result {
            Ok(report) => {
                let (root, files) = (workspace.root.display(), report.files);
                tracing::info!(%root, files, chunks = report.chunks, seconds = report.seconds, "indexed");
            }
            Err(IndexError::Cancelled | IndexError::Closed) => {}
            Err(error) => tracing::error!(root = %workspace.root.display(), %error, "indexing failed"),
        }
    };
    if let Err(error) = std::thread::Builder::new().name("indexing".into()).spawn(work) {
        workspace.builds.fetch_sub(1, Ordering::Relaxed);
        let before = workspace.index.status().refreshed_ms;
        workspace.progress.send_replace(Progress::Failed(format!("no thread for indexing: {error}"), before));
    }
}

/// What was begun when a folder was opened; it is over when this is dropped, whatever happened.
struct Build<'a>(&'a Workspace);

impl Drop for Build<'_> {
    fn drop(&mut self) {
        self.0.builds.fetch_sub(1, Ordering::Relaxed);
        self.0.progress.send_modify(|_| {});
    }
}

fn progress_of(done: usize, total: usize) -> IndexProgress {
    IndexProgress { done: done as u64, total: total as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace that does nothing by itself.
    fn on_demand(place: &Path, root: &Path) -> Workspace {
        let dirs = IndexDirs { cache: place.join("cache") };
        Workspace::open(root.to_owned(), &dirs, Limits::default(), false, Arc::default()).expect("it is opened")
    }

    #[test]
    fn only_the_latest_names_are_kept() {
        let place = tempfile::tempdir().expect("a folder");
        let workspace = on_demand(place.path(), place.path());
        let name = |n: usize| PathBuf::from(format!("/link{n}"));
        for n in 0..=NAMES_MAX {
            assert!(workspace.add_name(&name(n)) && !workspace.add_name(&name(n)));
        }
        assert_eq!(workspace.relative(&name(0).join("a.py")), None);
        assert_eq!(workspace.relative(&name(1).join("a.py")).as_deref(), Some("a.py"));
        workspace.drop_name(&name(1));
        assert_eq!(workspace.relative(&name(1).join("a.py")), None);
    }

    /// What the index mends by itself is not called failed or held up for ever.
    #[test]
    fn a_walk_of_the_indexs_own_is_heard_of() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path().join("one");
        std::fs::create_dir(&root).expect("it can be made");
        let workspace = on_demand(place.path(), &root);
        let standing = || workspace.standing(&workspace.index.status());
        let walk_by_itself = || {
            workspace.index.refresh(&mut |_| (), &CancelFlag::new()).expect("the folder is there");
        };
        assert_eq!(standing(), Progress::Paused(IndexProgress::default()), "nobody looked yet");
        walk_by_itself();
        assert_eq!(standing(), Progress::Ready);
        let away = place.path().join("away");
        std::fs::rename(&root, &away).expect("it can be moved");
        assert!(
            matches!(standing(), Progress::Failed(..)),
            "a folder that vanished is not ready: {:?}",
            standing()
        );
        workspace.refresh(&CancelFlag::new()).expect_err("there is nothing to walk");
        assert!(matches!(standing(), Progress::Failed(..)), "{:?}", standing());
        std::fs::rename(&away, &root).expect("it can be moved back");
        // The time of a walk is told in milliseconds.
        while workspace.index.status().refreshed_ms
            == match standing() {
                Progress::Failed(_, before) => before,
                _ => None,
            }
        {
            walk_by_itself();
        }
        assert_eq!(standing(), Progress::Ready);
    }
}
