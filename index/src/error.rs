//! What can go wrong, cut by what the caller does about it.
//!
//! Broken files are no error here: they are counted by reason in a report.

use std::path::{Path, PathBuf};

use crate::storage::room::{has_no_room, says_full};

/// Errors of this room.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The workspace folder is missing, unreadable or no folder: the user names another one or fixes it.
    #[error("{} cannot be indexed: {reason}", path.display())]
    Root {
        /// The folder that was asked for.
        path: PathBuf,
        /// Why not, in a few words.
        reason: String,
    },
    /// Another process owns the writer of this workspace: ask that process, or only read.
    #[error("the index of {} is being written by another process; use that one, or wait until it ends", root.display())]
    Locked {
        /// The workspace.
        root: PathBuf,
    },
    /// The caller's flag was raised; what was indexed until then stays.
    #[error("indexing was cancelled")]
    Cancelled,
    /// Files of the index cannot be read or written: cache folder without permission, broken disk.
    #[error("the index in the cache folder cannot be used ({doing}): {source}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// What the system or the library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No room is left where the index is kept: the user frees some or names another folder. What was published before
    /// stays and can be searched.
    #[error("the disk is full: there is no room left for the index in {}", folder.display())]
    DiskFull {
        /// The folder of the index.
        folder: PathBuf,
    },
    /// A path that must not be read: outside the workspace, on the secrets list, or no text.
    #[error("{path} is not shown: {reason}")]
    Refused {
        /// The path that was asked for.
        path: String,
        /// Why not, in a few words.
        reason: String,
    },
    /// A question that cannot be read, such as a broken pattern: the asker writes it otherwise.
    #[error("the search cannot be read: {0}")]
    Query(String),
    /// The index was closed while the call waited.
    #[error("the index was closed")]
    Closed,
}

impl IndexError {
    /// A storage error with what was being done.
    pub(crate) fn storage(doing: &'static str) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        move |source| Self::Storage { doing, source }
    }

    /// The same error, or [`Self::DiskFull`] when that is what lies behind it. Background threads of the text index die
    /// of a full disk without saying so, so the disk itself is asked too.
    pub(crate) fn if_full(self, folder: &Path) -> Self {
        match &self {
            Self::Storage { source, .. } if says_full(source.as_ref()) || has_no_room(folder) => {
                Self::DiskFull { folder: folder.to_owned() }
            }
            _ => self,
        }
    }
}

/// Adds what was being done to any error of a library below.
pub(crate) trait Doing<T> {
    /// Turns the error into [`IndexError::Storage`].
    fn doing(self, doing: &'static str) -> Result<T, IndexError>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str) -> Result<T, IndexError> {
        self.map_err(|source| IndexError::storage(doing)(source.into()))
    }
}
