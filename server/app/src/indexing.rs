//! Workspaces: opened once, indexed in the background, watched, searched. Refuses: a second writer for a folder, and
//! search results that hide how complete the index is.

mod first;
mod related;
mod searching;
mod stored;
mod symbols;
mod upkeep;
mod words;
mod workspace;
mod workspaces;

use std::io;
use std::path::{Path, PathBuf};

use index::IndexError;
use serde::{Deserialize, Serialize};

pub use first::FirstIndex;
pub use related::{ChangesWith, Commit, Related, RelatedPlace};
pub use searching::{
    BatchAnswer, BatchQuery, BatchStream, Editing, Hit, Passage, SEARCH_HITS_MAX, SearchKind, SearchOptions,
    SearchResult, search_read_only,
};
pub use stored::{IndexStatus, LeftOut, WorkspaceStatus, stored_index};
pub use symbols::{OutlinedSymbol, SymbolPlace, outline};
pub use upkeep::{IndexChange, IndexChanges, IndexEvent, IndexReport, IndexStream};
pub(crate) use words::incomplete;
pub(crate) use workspace::Progress;
pub use workspaces::WorkspaceGuard;
pub(crate) use workspaces::Workspaces;

use crate::error::{DISK_FULL_HINT, IN_THE_WAY_HINT};
use crate::{AppError, ErrorKind, Result};

/// How far indexing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexProgress {
    /// Files done.
    pub done: u64,
    /// Files in all.
    pub total: u64,
}

impl From<index::Progress> for IndexProgress {
    fn from(now: index::Progress) -> Self {
        Self { done: now.done as u64, total: now.total as u64 }
    }
}

/// The work tree of the nearest git repository at or above `folder`.
pub fn git_root(folder: &Path) -> Option<PathBuf> {
    index::git_root(folder)
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

/// What can be done about a folder that the system refuses, by the causes of an error.
fn folder_hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let mut kinds = causes.filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.find_map(|kind| match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Some(
            "make the cache folder writable (`familiar doctor` names it), or set FAMILIAR_HOME to another folder",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Some(IN_THE_WAY_HINT),
        _ => None,
    })
}

/// What the caller can do about an error of the index.
pub(crate) fn from_index(error: IndexError) -> AppError {
    let (kind, hint) = match &error {
        IndexError::Root { .. } => (ErrorKind::User, Some("name a folder that exists and can be read")),
        IndexError::Locked { .. } => (ErrorKind::Unavailable, Some("wait until the other process is done")),
        IndexError::Cancelled => (ErrorKind::Cancelled, None),
        IndexError::Storage { source, .. } => {
            let otherwise = "check the disk; `familiar index --forget` begins anew";
            (ErrorKind::Unavailable, Some(folder_hint(source.as_ref()).unwrap_or(otherwise)))
        }
        IndexError::DiskFull { .. } => (ErrorKind::Unavailable, Some(DISK_FULL_HINT)),
        IndexError::Query(_) => {
            (ErrorKind::User, Some("write it otherwise; `familiar search --help` shows the forms"))
        }
        IndexError::Refused { .. } => (ErrorKind::NotFound, None),
        IndexError::Closed => (ErrorKind::Unavailable, None),
    };
    let mut ours = AppError::new(kind, error.to_string());
    ours.hint = hint.map(str::to_owned);
    ours.caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_no_broken_index() {
        let hint = |kind: io::ErrorKind| {
            let source = Box::new(io::Error::from(kind));
            let error = from_index(IndexError::Storage { doing: "opening the cache folder", source });
            error.hint.expect("a next step")
        };
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            assert!(hint(kind).contains("writable"), "{kind}");
        }
        for kind in [io::ErrorKind::NotADirectory, io::ErrorKind::AlreadyExists] {
            assert!(hint(kind).contains("move the file away"), "{kind}");
        }
        assert!(hint(io::ErrorKind::InvalidData).contains("--forget"));
    }
}
