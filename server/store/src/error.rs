//! Why the store could not do something, cut by what the caller does about it. Refuses: SQL errors leaving the room.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do something. Nothing is half-written after any of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing; show "not found".
    #[error("there is no {what} {id}")]
    NotFound {
        /// What was looked for, such as `chat`.
        what: &'static str,
        /// The id or name that was asked for; never a secret.
        id: String,
    },
    /// The request does not fit the present state, such as ending a run that has ended; read again and decide.
    #[error("{0}")]
    Conflict(String),
    /// A value is larger than the store accepts.
    #[error("the {what} has {bytes} bytes; at most {bytes_max} are kept")]
    TooLarge {
        /// What is too large, such as `message`.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The largest size accepted.
        bytes_max: u64,
    },
    /// There are as many as may be; wait until one is gone.
    #[error("there are {count_max} {what}, and no more are taken")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        count_max: usize,
    },
    /// The disk is full. Reading still works; writing works again once there is room.
    #[error("no space is left for {}; free some disk space and try again", path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The file is damaged, or not ours. It was left as it is; restore a backup.
    #[error("{} cannot be used: {detail}; it was left untouched, restore a backup or move it away", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file was written by a newer Familiar. It was left as it is; update.
    #[error("{} was written by a newer Familiar (schema {found}, this one knows {known}); update Familiar", path.display())]
    Newer {
        /// The newer file.
        path: PathBuf,
        /// Its schema number.
        found: i64,
        /// The highest schema number known here.
        known: i64,
    },
    /// Another process holds the file; try again once it has ended.
    #[error("{} is in use by another process; stop it and try again", path.display())]
    Locked {
        /// The file that is held.
        path: PathBuf,
    },
    /// The disk or its permissions refused: cannot open, read, write or flush. When a flush failed, the change is
    /// not acknowledged, yet it may be found whole after the next start; it is never found in half.
    #[error("{} cannot be read or written: {source}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A defect of ours.
    #[error("internal store error: {0}")]
    Bug(String),
}

impl StoreError {
    /// A file operation on `path` failed.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }

    /// A statement on the database at `path` failed.
    pub(crate) fn sql(path: &Path, error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_path_buf();
        let Some(code) = error.sqlite_error_code() else {
            return Self::Bug(error.to_string());
        };
        match code {
            // The file that readers and the writer share in memory could not grow.
            Code::SystemIoFailure if is_short_of_room(&error) => Self::Full { path },
            Code::DiskFull => Self::Full { path },
            Code::DatabaseCorrupt | Code::NotADatabase => Self::Corrupt { path, detail: error.to_string() },
            Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed => Self::Locked { path },
            Code::SystemIoFailure
            | Code::CannotOpen
            | Code::ReadOnly
            | Code::PermissionDenied
            | Code::NoLargeFileSupport
            | Code::OutOfMemory => Self::Io { path, source: io::Error::other(error.to_string()) },
            _ => Self::Bug(error.to_string()),
        }
    }

    /// There is no `what` of this `id`.
    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound { what, id: id.to_owned() }
    }
}

fn is_short_of_room(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// What a closure on a connection may fail with; the database adds the path to the SQL half.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite said no.
    Sql(rusqlite::Error),
    /// Our own rule said no.
    Store(StoreError),
}

impl Fault {
    /// The public error, now that the file is known.
    pub(crate) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sql(error) => StoreError::sql(path, error),
            Self::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
