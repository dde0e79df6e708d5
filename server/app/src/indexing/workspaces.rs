//! The open workspaces of one home: each has one index, brought up to date and watched in the background. Refuses:
//! folders that are too much unless somebody named them, and more than [`WORKSPACES_MAX`] at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use index::{Index, IndexDirs, IndexError, Limits, Pace};
use tokio::sync::watch;

use super::workspace::{Workspace, bring_up_to_date};
use super::{existing_folder, from_index};
use crate::{App, AppError, Config, ErrorKind, Result};

/// Workspaces open at the same time.
const WORKSPACES_MAX: usize = 32;
/// How often, and after how long, forgetting asks again for an index that is in use.
const FORGET_TRIES_MAX: u32 = 50;
const FORGET_RETRY_AFTER: Duration = Duration::from_millis(100);

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
        if workspace.add_name(name) {
            self.all().iter().filter(|other| other.root != workspace.root).for_each(|other| other.drop_name(name));
        }
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
        let in_background = self.in_background.load(Ordering::Relaxed);
        let workspace = Workspace::open(root.clone(), &self.dirs(), self.limits(), in_background, users)?;
        let workspace = Arc::new(workspace);
        self.lock().insert(root, Arc::clone(&workspace));
        if in_background {
            bring_up_to_date(&workspace, true);
        }
        Ok(workspace)
    }

    /// Stops background work and closes the indexes, also of whoever still holds one: what was found is stored when this
    /// returns.
    pub(crate) fn close(&self) {
        let workspaces: Vec<_> = self.lock().drain().collect();
        for (_, workspace) in &workspaces {
            workspace.cancel.cancel();
        }
        for (_, workspace) in workspaces {
            workspace.index.close();
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
            (Arc::clone(&workspace.users), workspace.take_names())
        });
        let adopted = patiently(root, || Index::adopt(root, built, &self.dirs()));
        if let Some((users, names)) = known {
            // Also after a failure: whoever worked in it goes on with what there is.
            self.open_new(root.to_owned(), users)?.set_names(names);
        }
        adopted
    }
}

/// Locks, also after a panic elsewhere: what lies behind is valid at any moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
