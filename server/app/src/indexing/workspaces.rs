//! The open workspaces of one home: each has one index, brought up to date and watched in the background. Refuses:
//! folders that are too much unless somebody named them, and more than [`WORKSPACES_MAX`] at once.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use index::{
    CancelFlag, HistoryCache, HistoryLimits, Index, IndexDirs, IndexError, Limits, NEARBY_FILES_MAX, Nearby,
    Overlay, OverlayMemory, Pace,
};
use tokio::sync::watch;

use super::{Editing, IndexProgress, existing_folder, from_index, slashed};
use crate::{App, AppError, Buffer, Config, ErrorKind, Result};

/// A file that was saved this long ago was edited lately.
const EDITED_LATELY: Duration = Duration::from_secs(60 * 60);
/// Workspaces open at the same time.
const WORKSPACES_MAX: usize = 32;
/// Names by which one workspace is known besides its canonical one; the oldest is forgotten.
const NAMES_MAX: usize = 8;
/// How often, and after how long, forgetting asks again for an index that is in use.
const FORGET_TRIES_MAX: u32 = 50;
const FORGET_RETRY_AFTER: Duration = Duration::from_millis(100);

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
    in_background: bool,
    /// Work in the background that is at it, or waits for its turn.
    builds: AtomicUsize,
    /// Walks that somebody here asked for and that did not end.
    walks: AtomicUsize,
    cancel: CancelFlag,
    /// Held by sessions that work in it.
    users: Arc<()>,
}

impl Workspace {
    /// A path below the folder, by whichever name of it, as the index calls it.
    fn relative(&self, path: &Path) -> Option<String> {
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
        let edited = self.edited.lock().unwrap_or_else(PoisonError::into_inner);
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
            (_, index::State::Ready) => Progress::Ready,
            (_, index::State::Paused { done, total }) => Progress::Paused(progress_of(done, total)),
            (Progress::Building(last) | Progress::Paused(last), _) => Progress::Paused(last),
            _ => Progress::Paused(IndexProgress::default()),
        }
    }

    fn note_edited(&self, path: &Path) {
        let Some(path) = self.relative(path) else { return };
        let mut edited = self.edited.lock().unwrap_or_else(PoisonError::into_inner);
        edited.retain(|(known, _)| *known != path);
        edited.push_front((path, Instant::now()));
        edited.truncate(NEARBY_FILES_MAX);
    }
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

type Open = HashMap<PathBuf, Arc<Workspace>>;

/// The open workspaces of one home.
pub(crate) struct Workspaces {
    cache: PathBuf,
    config: watch::Receiver<Arc<Config>>,
    /// What builds in the background make way for.
    pace: Pace,
    /// Held for moments only, never while an index is opened or moved.
    open: Mutex<Open>,
    /// Whose turn it is to open, replace or remove the index of a folder.
    turns: Mutex<HashMap<PathBuf, Weak<Mutex<()>>>>,
    /// Whether an opened workspace is brought up to date and watched by itself, as a daemon does.
    in_background: AtomicBool,
}

impl Workspaces {
    pub(crate) fn new(cache: PathBuf, config: watch::Receiver<Arc<Config>>) -> Self {
        Self {
            cache,
            config,
            pace: Pace::new(),
            open: Mutex::default(),
            turns: Mutex::default(),
            in_background: AtomicBool::new(true),
        }
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// What an index may take, as it is configured now.
    pub(super) fn limits(&self) -> Limits {
        Limits { pace: self.pace.clone(), ..self.config.borrow().index_limits() }
    }

    pub(super) fn dirs(&self) -> IndexDirs {
        IndexDirs { cache: self.cache.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        lock(&self.open)
    }

    /// What whoever opens, replaces or removes the index of a folder (canonical) holds locked meanwhile.
    fn turn(&self, root: &Path) -> Arc<Mutex<()>> {
        let mut turns = lock(&self.turns);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(root).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(root.to_owned(), Arc::downgrade(&turn));
        turn
    }

    pub(super) fn all(&self) -> Vec<Arc<Workspace>> {
        self.lock().values().cloned().collect()
    }

    /// The open workspaces, those included that are being opened this moment; waits for these.
    pub(super) fn all_settled(&self) -> Vec<Arc<Workspace>> {
        let turns: Vec<_> = lock(&self.turns).values().filter_map(Weak::upgrade).collect();
        for turn in turns {
            drop(lock(&turn));
        }
        self.all()
    }

    /// The open workspace, else what `work` finds while nobody can open it.
    pub(super) fn open_or<T>(
        &self,
        root: &Path,
        work: impl FnOnce() -> T,
    ) -> std::result::Result<Arc<Workspace>, T> {
        if let Some(workspace) = self.is_open(root) {
            return Ok(workspace);
        }
        let turn = self.turn(root);
        let _turn = lock(&turn);
        self.is_open(root).ok_or_else(work)
    }

    /// The open workspace; when it is being opened or replaced, what comes of that.
    pub(super) fn settled(&self, root: &Path) -> Option<Arc<Workspace>> {
        self.open_or(root, || ()).ok()
    }

    pub(super) fn is_open(&self, root: &Path) -> Option<Arc<Workspace>> {
        self.lock().get(root).cloned()
    }

    pub(super) fn work_on_demand(&self) {
        self.in_background.store(false, Ordering::Relaxed);
    }

    /// Whether `root` (canonical) is the home folder, the file system's root or between, and nobody opened it by name.
    pub(crate) fn is_too_much(&self, root: &Path) -> bool {
        self.is_open(root).is_none() && Index::is_forbidden_root(root)
    }

    /// Opens `folder`, or finds it open. `named` says that the user named it, so that even a home folder is meant.
    pub(crate) fn open(&self, folder: &Path, named: bool) -> Result<Arc<Workspace>> {
        let root = existing_folder(folder)?;
        let workspace = self.open_root(root, named)?;
        if folder.is_absolute() && folder != workspace.root {
            self.note_name(&workspace, folder);
        }
        Ok(workspace)
    }

    /// Editors name files as the user wrote their folder, not by its canonical path.
    fn note_name(&self, workspace: &Workspace, name: &Path) {
        if lock(&workspace.names).iter().any(|known| known == name) {
            return;
        }
        for other in self.all() {
            // A link that leads elsewhere now.
            lock(&other.names).retain(|known| known != name);
        }
        let mut names = lock(&workspace.names);
        names.push_front(name.to_owned());
        names.truncate(NAMES_MAX);
    }

    fn open_root(&self, root: PathBuf, named: bool) -> Result<Arc<Workspace>> {
        if let Some(workspace) = self.is_open(&root) {
            return Ok(workspace);
        }
        if !named && Index::is_forbidden_root(&root) {
            let message = format!("{} is too much to index", root.display());
            return Err(AppError::new(ErrorKind::User, message)
                .hint("open a project folder, or name this one with `familiar index DIR`"));
        }
        let turn = self.turn(&root);
        let _turn = lock(&turn);
        // Somebody else may have opened it while this waited for its turn.
        if let Some(workspace) = self.is_open(&root) {
            return Ok(workspace);
        }
        self.make_room()?;
        self.open_new(root, Arc::new(()))
    }

    /// Closes what nobody uses when there are too many.
    fn make_room(&self) -> Result<()> {
        let mut closed = Vec::new();
        let mut open = self.lock();
        if open.len() >= WORKSPACES_MAX {
            closed.extend(open.extract_if(|_, workspace| Arc::strong_count(&workspace.users) == 1));
        }
        let is_full = open.len() >= WORKSPACES_MAX;
        drop(open);
        for (_, workspace) in &closed {
            // Else a build goes on, and holds its index until it is done.
            workspace.cancel.cancel();
        }
        // Only now: an index that closes waits for its writer.
        drop(closed);
        if is_full {
            return Err(AppError::new(ErrorKind::Busy, format!("{WORKSPACES_MAX} workspaces are open already"))
                .hint("close one in an editor"));
        }
        Ok(())
    }

    /// Opens a folder whose turn the caller has.
    fn open_new(&self, root: PathBuf, users: Arc<()>) -> Result<Arc<Workspace>> {
        let index = Index::open(&root, &self.dirs(), self.limits()).map_err(from_index)?;
        let in_background = self.in_background.load(Ordering::Relaxed);
        let first = match index.status().state {
            // On demand nothing looks for changes; hits are compared with the files in any case.
            index::State::Ready if !in_background => Progress::Ready,
            index::State::Paused { done, total } => Progress::Paused(progress_of(done, total)),
            _ if !in_background => Progress::Paused(IndexProgress::default()),
            _ => Progress::Building(IndexProgress::default()),
        };
        let workspace = Arc::new(Workspace {
            root: root.clone(),
            names: Mutex::default(),
            index: Arc::new(index),
            progress: watch::Sender::new(first),
            unsaved: OverlayMemory::default(),
            history: HistoryCache::new(&root, HistoryLimits::default()),
            edited: Mutex::default(),
            in_background,
            builds: AtomicUsize::new(0),
            walks: AtomicUsize::new(0),
            cancel: CancelFlag::new(),
            users,
        });
        self.lock().insert(root, Arc::clone(&workspace));
        if in_background {
            bring_up_to_date(&workspace, true);
        }
        Ok(workspace)
    }

    /// Stops background work and lets the indexes go.
    pub(crate) fn close(&self) {
        let workspaces: Vec<_> = self.lock().drain().collect();
        for (_, workspace) in workspaces {
            workspace.cancel.cancel();
        }
    }

    /// Removes what is kept about a folder; false when there was nothing.
    pub(super) fn forget(&self, folder: &Path) -> Result<bool> {
        let root = existing_folder(folder).unwrap_or_else(|_| folder.to_owned());
        let turn = self.turn(&root);
        let _turn = lock(&turn);
        let removed = self.lock().remove(&root);
        if let Some(workspace) = removed {
            workspace.cancel.cancel();
        }
        patiently(&root, || Index::forget(&root, &self.dirs()))
    }

    /// Puts an index that was built elsewhere in place of the present one. Whoever opens the folder meanwhile waits.
    pub(super) fn replace(&self, root: &Path, built: &IndexDirs) -> Result<()> {
        let turn = self.turn(root);
        let _turn = lock(&turn);
        let removed = self.lock().remove(root);
        let known = removed.map(|workspace| {
            workspace.cancel.cancel();
            let names = std::mem::take(&mut *lock(&workspace.names));
            (Arc::clone(&workspace.users), names)
        });
        let adopted = patiently(root, || Index::adopt(root, built, &self.dirs()));
        if let Some((users, names)) = known {
            // Also after a failure: whoever worked in it goes on with what there is.
            *lock(&self.open_new(root.to_owned(), users)?.names) = names;
        }
        adopted
    }
}

/// Locks, also after a panic elsewhere: what lies behind is valid at any moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn progress_of(done: usize, total: usize) -> IndexProgress {
    IndexProgress { done: done as u64, total: total as u64 }
}

/// Whoever searches or indexes this moment holds the index a little longer.
fn patiently<T>(root: &Path, mut work: impl FnMut() -> std::result::Result<T, IndexError>) -> Result<T> {
    for _ in 0..FORGET_TRIES_MAX {
        match work() {
            Err(IndexError::Locked { .. }) => std::thread::sleep(FORGET_RETRY_AFTER),
            done => return done.map_err(from_index),
        }
    }
    Err(from_index(IndexError::Locked { root: root.to_owned() }))
}

impl Workspace {
    /// Brings the index into step with the folder and tells everybody who asks how far it is.
    pub(super) fn refresh(&self, cancel: &CancelFlag) -> std::result::Result<index::Report, IndexError> {
        self.refresh_by(cancel, Index::refresh)
    }

    fn refresh_by(&self, cancel: &CancelFlag, refresh: Refresh) -> std::result::Result<index::Report, IndexError> {
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
fn bring_up_to_date(workspace: &Arc<Workspace>, watches: bool) {
    let weak: Weak<Workspace> = Arc::downgrade(workspace);
    workspace.builds.fetch_add(1, Ordering::Relaxed);
    let work = move || {
        let Some(workspace) = weak.upgrade() else { return };
        // Watching begins first: what changes during the walk is then seen by one or the other.
        if watches && let Err(error) = workspace.index.watch() {
            tracing::warn!(root = %workspace.root.display(), %error, "the folder cannot be watched");
        }
        let result = workspace.refresh_by(&workspace.cancel, Index::refresh_in_background);
        workspace.builds.fetch_sub(1, Ordering::Relaxed);
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

impl App {
    /// From now on a folder that is opened is neither indexed nor watched until somebody asks for it: for commands,
    /// which do one thing and end.
    pub fn work_on_demand(&self) {
        self.inner.workspaces.work_on_demand();
    }

    /// Somebody pressed a key: what is indexed in the background makes way for a moment.
    pub fn typed(&self) {
        self.inner.workspaces.pace().typed();
    }

    /// Holds up large builds of a folder's index, or lets them go on, also after a restart. Saves are taken up as before,
    /// and [`App::index`] still does all of it.
    ///
    /// # Errors
    /// As [`App::open_named_workspace`]; `Unavailable` when it cannot be kept for the next start.
    pub async fn pause_index(&self, root: &Path, paused: bool) -> Result<()> {
        let (app, root) = (self.clone(), root.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let workspaces = &app.inner.workspaces;
            let workspace = workspaces.open(&root, true)?;
            if paused {
                return workspace.index.pause().map_err(from_index);
            }
            let resumed = workspace.index.resume().map(drop).map_err(from_index);
            if workspaces.in_background.load(Ordering::Relaxed) {
                bring_up_to_date(&workspace, false);
            }
            resumed
        });
        work.await.map_err(AppError::task_died)?
    }

    /// Opens a workspace, or finds it open; indexing goes on in the background.
    ///
    /// # Errors
    /// `User` for a folder that is missing or too large to mean, `Unavailable` when another process writes its index.
    pub fn open_workspace(&self, root: &Path) -> Result<WorkspaceGuard> {
        self.guard(root, false)
    }

    /// Opens a workspace the user named; see [`App::open_workspace`].
    ///
    /// # Errors
    /// As [`App::open_workspace`], but any folder is accepted.
    pub fn open_named_workspace(&self, root: &Path) -> Result<WorkspaceGuard> {
        self.guard(root, true)
    }

    fn guard(&self, root: &Path, named: bool) -> Result<WorkspaceGuard> {
        let workspace = self.inner.workspaces.open(root, named)?;
        Ok(WorkspaceGuard { root: workspace.root.clone(), _user: Arc::clone(&workspace.users) })
    }

    /// Says that the user saved a file in an editor: what they are at, besides a change as [`App::touch`] says it.
    pub fn edited(&self, path: &Path) {
        self.changed(path, true);
    }

    /// Says that a file was saved, created, renamed or deleted.
    pub fn touch(&self, path: &Path) {
        self.changed(path, false);
    }

    fn changed(&self, path: &Path, by_hand: bool) {
        let (app, path) = (self.clone(), path.to_owned());
        // Somebody may be opening an index this moment, and the caller must not wait for a disk.
        tokio::task::spawn_blocking(move || {
            for workspace in app.inner.workspaces.all() {
                if let Some(relative) = workspace.relative(&path) {
                    if by_hand {
                        workspace.note_edited(&path);
                    }
                    workspace.index.touch(std::iter::once(relative));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is closed to make room goes on with nothing.
    #[test]
    fn what_makes_room_is_cancelled() {
        let place = tempfile::tempdir().expect("a folder");
        let workspaces = on_demand(folder(place.path(), "cache"));
        let open = |name: &str| workspaces.open(&folder(place.path(), name), true).expect("it is opened");
        let first = open("first");
        let used: Vec<_> = (1..WORKSPACES_MAX).map(|n| Arc::clone(&open(&format!("used{n}")).users)).collect();
        assert!(!first.cancel.is_cancelled());
        open("one more");
        assert!(first.cancel.is_cancelled() && workspaces.is_open(&first.root).is_none());
        assert_eq!(workspaces.all().len(), used.len() + 1, "what somebody works in stays open");
    }

    /// A file is known by each name of its folder, and not by one that leads elsewhere now.
    #[cfg(unix)]
    #[test]
    fn a_folder_is_known_by_every_name_it_was_opened_by() {
        let place = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder(place.path(), "one"), folder(place.path(), "other"));
        let workspaces = on_demand(folder(place.path(), "cache"));
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&one, &link).expect("it is linked");
        let first = workspaces.open(&link, true).expect("it is opened");
        let file = link.join("src/a.py");
        assert_eq!(first.relative(&file).as_deref(), Some("src/a.py"));
        assert_eq!(first.relative(&one.join("b.py")).as_deref(), Some("b.py"));
        assert_eq!(first.relative(&other.join("b.py")), None);
        std::fs::remove_file(&link).expect("it is removed");
        std::os::unix::fs::symlink(&other, &link).expect("it is linked");
        let second = workspaces.open(&link, true).expect("it is opened");
        assert_eq!((first.relative(&file), second.relative(&file).as_deref()), (None, Some("src/a.py")));
        for n in 0..2 * NAMES_MAX {
            let link = place.path().join(format!("link{n}"));
            std::os::unix::fs::symlink(&one, &link).expect("it is linked");
            workspaces.open(&link, true).expect("it is open");
        }
        assert_eq!(lock(&first.names).len(), NAMES_MAX);
    }

    fn folder(place: &Path, name: &str) -> PathBuf {
        let folder = place.join(name);
        std::fs::create_dir(&folder).expect("it can be made");
        folder.canonicalize().expect("it is there")
    }

    /// Workspaces that do nothing by themselves.
    fn on_demand(cache: PathBuf) -> Workspaces {
        let (_config, config) = watch::channel(Arc::new(Config::default()));
        let workspaces = Workspaces::new(cache, config);
        workspaces.work_on_demand();
        workspaces
    }

    /// What the index mends by itself is not called failed or held up for ever.
    #[test]
    fn a_walk_of_the_indexs_own_is_heard_of() {
        let place = tempfile::tempdir().expect("a folder");
        let root = folder(place.path(), "one");
        let workspaces = on_demand(folder(place.path(), "cache"));
        let workspace = workspaces.open(&root, true).expect("it is opened");
        let standing = || workspace.standing(&workspace.index.status());
        let walk_by_itself = || {
            workspace.index.refresh(&mut |_| (), &CancelFlag::new()).expect("the folder is there");
        };
        assert_eq!(standing(), Progress::Paused(IndexProgress::default()), "nobody looked yet");
        walk_by_itself();
        assert_eq!(standing(), Progress::Ready);
        let away = place.path().join("away");
        std::fs::rename(&root, &away).expect("it can be moved");
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

    /// Whoever opens or replaces one index holds up nobody who is at another one.
    #[test]
    fn folders_do_not_wait_for_each_other() {
        let place = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder(place.path(), "one"), folder(place.path(), "other"));
        let workspaces = on_demand(folder(place.path(), "cache"));
        let turn = workspaces.turn(&one);
        let being_opened = lock(&turn);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| workspaces.open(&one, true).map(|workspace| workspace.root.clone()));
            assert_eq!(workspaces.open(&other, true).expect("it is opened").root, other);
            assert_eq!(workspaces.all().len(), 1);
            assert!(workspaces.is_open(&one).is_none() && !workspaces.is_too_much(&one));
            drop(being_opened);
            assert_eq!(first.join().expect("no panic").expect("it is its turn"), one);
        });
        assert!(workspaces.settled(&one).is_some());
        drop(turn);
        assert!(!workspaces.forget(&place.path().join("third")).expect("nothing is kept"));
        assert!(lock(&workspaces.turns).len() <= 1, "turns that nobody waits for are let go");
    }
}
