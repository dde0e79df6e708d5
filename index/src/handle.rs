//! The handle on one workspace's index: open, refresh, touch, watch, search, status, forget.
//!
//! Refuses: two owners of one workspace; the second gets [`IndexError::Locked`] and may still read.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::build::recent::Difference;
use crate::build::shared::{RefreshEvent, RefreshJob, Shared, Ticket, View};
use crate::build::status::{Progress, Report, Status};
use crate::build::writer::Writer;
use crate::error::{Doing, IndexError};
use crate::files::barrier::Barrier;
use crate::files::roots;
use crate::files::walk::walk;
use crate::files::watch::Watch;
use crate::limits::{CancelFlag, IndexDirs, LOCK_RETRY_AFTER, LOCK_TRIES_MAX, Limits};
use crate::parse::cut::short_hash;
use crate::peek::stored_status;
use crate::search::saved::Saved;
use crate::search::searcher::Searcher;
use crate::storage::base::Base;
use crate::storage::room::bytes_below;

/// The content by which other programs know a cache folder.
const CACHE_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n";

/// In the folder of an index while the user wants no large builds, so that this also holds after a restart.
pub(crate) const PAUSE_MARK: &str = "paused";

/// An open index. Share it as `Arc<Index>`; all methods take `&self`. Dropping it closes it.
pub struct Index {
    shared: Arc<Shared>,
    /// Until it is closed.
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Where all of it is stored.
    folder: PathBuf,
    /// Held for as long as this value lives; the system releases it also after a crash.
    _lock: File,
}

impl Index {
    /// Opens the index of a workspace and serves what it holds from an earlier run. Indexes nothing by itself: call
    /// [`Self::refresh`] or [`Self::watch`].
    ///
    /// # Errors
    /// [`IndexError::Root`] for a missing or unreadable folder, [`IndexError::Locked`] when another owner has it open,
    /// [`IndexError::Storage`] when the cache folder cannot be used, [`IndexError::DiskFull`].
    pub fn open(root: &Path, dirs: &IndexDirs, limits: Limits) -> Result<Self, IndexError> {
        let root = canonical(root)?;
        let folder = folder_of(&root, dirs);
        Self::open_in(root, folder.clone(), limits).map_err(|error| error.if_full(&folder))
    }

    fn open_in(root: PathBuf, folder: PathBuf, limits: Limits) -> Result<Self, IndexError> {
        let doing = "opening the cache folder";
        create_private(&folder).doing(doing)?;
        let lock = take_lock(&root, &folder)?;
        fs::write(folder.join("root.txt"), root.to_string_lossy().as_bytes()).doing(doing)?;
        // Keeps every walk out, ours too: a cache inside a workspace would otherwise index itself without end.
        fs::write(folder.join("CACHEDIR.TAG"), CACHE_TAG).doing(doing)?;
        let base = Base::open(&folder)?;
        let is_paused = folder.join(PAUSE_MARK).exists();
        let status = stored_status(&base, is_paused)?;
        let view = View::of(&base, &Saved::default(), None);
        let shared = Arc::new(Shared::new(root, limits.bounded(), view, status));
        shared.set_paused(is_paused);
        let writer = Writer::new(shared.clone(), folder.clone(), base);
        let thread = std::thread::Builder::new().name("index-writer".to_owned());
        let writer = thread.spawn(move || writer.run()).doing("starting the writer thread")?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)), folder, _lock: lock })
    }

    /// Walks the workspace and brings the index into step with it; returns when all of it can be searched. Files whose
    /// stat did not change are not read.
    ///
    /// # Errors
    /// [`IndexError::Cancelled`] once `cancel` is raised (what was done stays), [`IndexError::Root`] when the workspace is
    /// gone (the index stays as it was), [`IndexError::Storage`], [`IndexError::DiskFull`] (what was published before
    /// stays), [`IndexError::Closed`].
    pub fn refresh(&self, progress: &mut dyn FnMut(Progress), cancel: &CancelFlag) -> Result<Report, IndexError> {
        self.walk_and_wait(false, progress, cancel)
    }

    /// The same for a caller that nobody waits for: with less of the processor, making way for typing and for models
    /// that write (see [`Limits::pace`]), and not at all while it is paused, unless little changed.
    ///
    /// # Errors
    /// As [`Self::refresh`]; [`IndexError::Cancelled`] also when a pause ended it.
    pub fn refresh_in_background(
        &self,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancelFlag,
    ) -> Result<Report, IndexError> {
        self.walk_and_wait(true, progress, cancel)
    }

    fn walk_and_wait(
        &self,
        in_background: bool,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancelFlag,
    ) -> Result<Report, IndexError> {
        let (events, incoming) = channel();
        self.shared.want_refresh(RefreshJob { events, cancel: cancel.clone(), in_background });
        for event in incoming {
            match event {
                RefreshEvent::Progress(so_far) => progress(so_far),
                RefreshEvent::Done(result) => return result,
            }
        }
        Err(IndexError::Closed)
    }

    /// Ends large builds in the background and begins none until [`Self::resume`], also after a restart. What is done can
    /// be found, saves are taken up as before, and [`Self::refresh`] still does all of it.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when it cannot be kept for the next start; until then it holds all the same.
    pub fn pause(&self) -> Result<(), IndexError> {
        self.shared.set_paused(true);
        fs::write(self.folder.join(PAUSE_MARK), b"").doing("keeping that the index is paused")
    }

    /// Ends a pause; what it held up is looked for and done in the background. Returns a ticket for that.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn resume(&self) -> Result<Ticket, IndexError> {
        self.shared.set_paused(false);
        let ticket = self.shared.want_look();
        match fs::remove_file(self.folder.join(PAUSE_MARK)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing("keeping that the index goes on")
            }
            _ => Ok(ticket),
        }
    }

    /// Looks at some files or folders again (absolute, or relative to the workspace), soon and in the background. Saves
    /// close together are taken up together. Returns a ticket for [`Self::wait`].
    pub fn touch<P: AsRef<Path>>(&self, paths: impl IntoIterator<Item = P>) -> Ticket {
        self.shared.touch(paths)
    }

    /// Waits until everything asked for up to a ticket can be searched; false after `timeout`.
    pub fn wait(&self, ticket: Ticket, timeout: Duration) -> bool {
        self.shared.wait(ticket, timeout)
    }

    /// Waits until what can be found differs from a generation; gives back the current one, which is the same after
    /// `timeout` or when the index closes.
    pub fn wait_for_change(&self, generation: u64, timeout: Duration) -> u64 {
        self.shared.wait_for_change(generation, timeout)
    }

    /// The files that differ between an earlier generation of this handle and the current one.
    pub fn difference_since(&self, generation: u64) -> Difference {
        self.shared.recent().since(generation)
    }

    /// Starts to watch the workspace, and looks once for what changed before. Returns a ticket for that look; changes
    /// from now on are taken up by themselves. Where the system cannot watch every folder, or none, a note in the status says so
    /// and the workspace is walked every half minute.
    ///
    /// # Errors
    /// [`IndexError::Root`] when the workspace is gone, [`IndexError::Cancelled`] when the index closes meanwhile.
    pub fn watch(&self) -> Result<Ticket, IndexError> {
        let found = walk(&self.shared.root, &self.shared.limits, &self.shared.closing)?;
        match Watch::start(&self.shared) {
            Ok(mut watch) => {
                let barrier = self.barrier(&mut watch);
                self.shared.set_watch(watch, barrier);
                self.shared.watch_folders(&found.folders);
                if let Some(kind) = roots::remote_kind(self.root()) {
                    self.shared.poll(format!(
                        "changes by other machines are found by walking every half minute: this is a file system of kind {kind}"
                    ));
                }
            }
            // A user may have only so many watchers, and other programs have them all.
            Err(error) => {
                self.shared.poll(format!("changes are found by walking every half minute, because of {error}"));
            }
        }
        Ok(self.shared.want_look())
    }

    /// What tells whether the watcher is behind. Only where events of several folders come in one order.
    fn barrier(&self, watch: &mut Watch) -> Option<Barrier> {
        let barrier = cfg!(target_os = "linux").then(|| Barrier::new(self.folder.join("marks")))?;
        let watched = barrier.doing("making the watcher's mark").and_then(|barrier| {
            watch.add_folder(barrier.folder())?;
            Ok(barrier)
        });
        watched
            .inspect_err(|error| tracing::warn!(%error, "a search cannot know whether the watcher is behind"))
            .ok()
    }

    /// A snapshot for searching; take a new one for each question. What was saved until now is in it, also when the writer
    /// has not come to it yet: a few files are taken up here, and of more the answer says that they are being read.
    pub fn searcher(&self) -> Searcher {
        Searcher::of(&self.shared)
    }

    /// What the index holds and how complete it is.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The workspace, canonical.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Removes everything stored about a workspace, which need not exist any more. True when there was something.
    ///
    /// # Errors
    /// [`IndexError::Locked`] while it is open, [`IndexError::Storage`] when files cannot be removed.
    pub fn forget(root: &Path, dirs: &IndexDirs) -> Result<bool, IndexError> {
        let root = root.canonicalize().or_else(|_| std::path::absolute(root)).doing("finding the workspace")?;
        let folder = folder_of(&root, dirs);
        if !folder.exists() {
            return Ok(false);
        }
        let lock = take_lock(&root, &folder)?;
        let doing = "removing the index";
        for entry in fs::read_dir(&folder).doing(doing)?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                fs::remove_dir_all(&path).doing(doing)?;
            }
        }
        // Some systems refuse to remove a file that is open, so the lock goes first.
        drop(lock);
        fs::remove_dir_all(&folder).doing(doing)?;
        Ok(true)
    }

    /// Where an index of a workspace is stored and how large it is; `None` when there is none. Opens nothing.
    pub fn stored(root: &Path, dirs: &IndexDirs) -> Option<Stored> {
        let root = root.canonicalize().or_else(|_| std::path::absolute(root)).ok()?;
        let folder = folder_of(&root, dirs);
        folder.join("base").exists().then(|| Stored { bytes: bytes_below(&folder), folder })
    }

    /// Puts the index of a workspace that was built in another cache folder in place of the one in `dirs`. A pause goes on.
    ///
    /// # Errors
    /// [`IndexError::Locked`] while either is open, [`IndexError::Storage`] when files cannot be moved.
    pub fn adopt(root: &Path, built: &IndexDirs, dirs: &IndexDirs) -> Result<(), IndexError> {
        let root = canonical(root)?;
        let (from, to) = (folder_of(&root, built), folder_of(&root, dirs));
        drop(take_lock(&root, &from)?);
        let doing = "moving the new index to its place";
        if to.join(PAUSE_MARK).exists() {
            fs::write(from.join(PAUSE_MARK), b"").doing(doing)?;
        }
        Self::forget(&root, dirs)?;
        if let Some(parent) = to.parent() {
            create_private(parent).doing(doing)?;
        }
        fs::rename(&from, &to).doing(doing)
    }

    /// Stops its thread, after what it had taken up is stored; everybody who waits for it goes on. What was found until
    /// then can still be searched, whoever holds it.
    pub fn close(&self) {
        self.shared.stop();
        self.shared.drop_watch();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // The thread catches its own panics, and there is nobody left to tell.
            let _ = writer.join();
        }
    }

    /// Whether a folder is the file system's root, the home folder or a folder above it: such a folder is indexed only
    /// when the user names it.
    pub fn is_forbidden_root(root: &Path) -> bool {
        roots::is_forbidden(root, std::env::home_dir().as_deref())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.close();
    }
}

/// An index on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its folder in the cache.
    pub folder: PathBuf,
    /// All its files, in bytes.
    pub bytes: u64,
}

/// The folder in the cache that belongs to a workspace.
pub(crate) fn folder_of(root: &Path, dirs: &IndexDirs) -> PathBuf {
    let key = blake3::hash(root.as_os_str().as_encoded_bytes());
    dirs.cache.join("index").join(format!("{:032x}", u128::from_be_bytes(short_hash(&key))))
}

/// The canonical path of a workspace that can be listed.
pub(crate) fn canonical(root: &Path) -> Result<PathBuf, IndexError> {
    let refuse = |reason: String| IndexError::Root { path: root.to_owned(), reason };
    let real = root.canonicalize().map_err(|error| refuse(error.to_string()))?;
    if !real.is_dir() {
        return Err(refuse("it is not a folder".to_owned()));
    }
    fs::read_dir(&real).map_err(|error| refuse(error.to_string()))?;
    Ok(real)
}

/// Makes a folder that only this user can enter: words of private code stand in it.
fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", folder.display())))
}

fn take_lock(root: &Path, folder: &Path) -> Result<File, IndexError> {
    let doing = "locking the index";
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock")).doing(doing)?;
    // A program that is being started holds copies of our descriptors for a moment, so a lock that was just let go may
    // still look taken.
    let mut tries_left = LOCK_TRIES_MAX;
    loop {
        tries_left -= 1;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tries_left > 0 => std::thread::sleep(LOCK_RETRY_AFTER),
            Err(TryLockError::WouldBlock) => return Err(IndexError::Locked { root: root.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(error).doing(doing),
        }
    }
}
