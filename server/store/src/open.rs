//! Opening and owning a folder of user data. Refuses: replacing a `user.db` that cannot be read.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::database::{Database, Kind, sibling};
use crate::lock::FolderLock;
use crate::secret::Ids;
use crate::{StoreError, files, migrate};

/// The user's data.
pub(crate) const USER: Kind = Kind {
    file: "user.db",
    application_id: i32::from_be_bytes(*b"FamU"),
    synchronous: "FULL",
    backed_up: true,
    migrations: migrate::USER,
};

/// What can be rebuilt or lost.
pub(crate) const EVENTS: Kind = Kind {
    file: "events.db",
    application_id: i32::from_be_bytes(*b"FamE"),
    synchronous: "NORMAL",
    backed_up: false,
    migrations: migrate::EVENTS,
};

/// Tells the time in UTC milliseconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of the machine.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// What opening did, worth a line in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// There was no `user.db` yet.
    pub created: bool,
    /// The last end was not clean; `user.db` was checked and is sound.
    pub after_crash: bool,
    /// Where the old `user.db` was copied to before its schema changed.
    pub backup: Option<PathBuf>,
    /// A damaged or newer `events.db` was moved here and a new one begun.
    pub events_moved_to: Option<PathBuf>,
}

/// One open folder of user data. Share it between threads by reference; dropping it closes it cleanly.
pub struct Store {
    pub(crate) user: Database,
    pub(crate) events: Database,
    pub(crate) folder: PathBuf,
    pub(crate) ids: Ids,
    /// Held shared from before a blob is written until a row names it, and alone while files are removed.
    pub(crate) blobs_kept: RwLock<()>,
    clock: Clock,
    report: OpenReport,
    // Last, so that the folder is free only after both databases are closed.
    _lock: FolderLock,
}

// Callers share a store between their threads.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Store>();
};

impl Store {
    /// Opens the folder `dir`, creating what is missing, with the clock of the machine. Call
    /// [`Store::interrupt_open_runs`] next: runs that were open belong to a process that is gone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another store has the folder; [`StoreError::Corrupt`] and [`StoreError::Newer`]
    /// for a `user.db` that was left untouched; [`StoreError::Full`] and [`StoreError::Io`] for the disk.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with_clock(dir, system_clock())
    }

    /// Opens the folder `dir` like [`Store::open`] and takes every time from `clock`.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_with_clock(dir: &Path, clock: Clock) -> Result<Self, StoreError> {
        files::private_folder(dir)?;
        let lock = FolderLock::take(dir)?;
        let (user, opened) = Database::open(&USER, dir, clock())?;
        let (events, events_moved_to) = open_events(dir, clock())?;
        let report = OpenReport {
            created: opened.created,
            after_crash: opened.after_crash,
            backup: opened.backup,
            events_moved_to,
        };
        let store = Self {
            user,
            events,
            folder: dir.to_path_buf(),
            ids: Ids::default(),
            blobs_kept: RwLock::default(),
            clock,
            report,
            _lock: lock,
        };
        store.prepare_blobs()?;
        Ok(store)
    }

    /// What opening did.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Now, in UTC milliseconds, by the clock of this store.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Opens `events.db`; when it cannot be used, moves it aside, where it replaces an older one, and begins anew.
fn open_events(dir: &Path, now_ms: i64) -> Result<(Database, Option<PathBuf>), StoreError> {
    match Database::open(&EVENTS, dir, now_ms) {
        Ok((events, _)) => Ok((events, None)),
        Err(StoreError::Corrupt { path, .. } | StoreError::Newer { path, .. }) => {
            let aside = sibling(&path, ".damaged");
            for suffix in ["-wal", "-shm", ""] {
                let (from, to) = (sibling(&path, suffix), sibling(&aside, suffix));
                files::remove_if_there(&to)?;
                if files::length(&from)?.is_some() {
                    fs::rename(&from, &to).map_err(|e| StoreError::io(&from, e))?;
                }
            }
            let (events, _) = Database::open(&EVENTS, dir, now_ms)?;
            Ok((events, Some(aside)))
        }
        Err(error) => Err(error),
    }
}
