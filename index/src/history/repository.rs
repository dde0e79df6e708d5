//! Finds and opens the repository of a workspace, for reading only.
//!
//! Refuses: repositories without a work tree around the workspace, and those that the library does not trust because
//! they belong to another user.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};

use crate::history::Commit;

/// Bytes kept of a subject or a name.
const SUBJECT_BYTES_MAX: usize = 200;
/// Digits of an id that people are shown.
const ID_DIGITS: usize = 10;

/// A repository with the place of the workspace in it.
pub(super) struct Opened {
    /// The repository.
    pub(super) repository: Repository,
    /// The commit that is checked out.
    pub(super) head: Oid,
    /// The workspace below the work tree, with `/`; empty when it is the work tree.
    pub(super) prefix: PathBuf,
}

/// Opens the repository around a workspace, or says in a sentence why there is no history.
pub(super) fn open(root: &Path) -> Result<Opened, String> {
    let repository = Repository::discover(root).map_err(|error| match error.code() {
        ErrorCode::NotFound => "there is no git history here".to_owned(),
        ErrorCode::Owner => {
            "the git history is not read, because the repository belongs to another user".to_owned()
        }
        _ => unreadable(&error),
    })?;
    let top = repository.workdir().and_then(|top| top.canonicalize().ok());
    let top = top.ok_or("there is no git history here, because the repository has no work tree")?;
    let real = root.canonicalize().map_err(|error| format!("the git history cannot be read: {error}"))?;
    let prefix = real.strip_prefix(&top).map(Path::to_owned);
    let prefix =
        prefix.map_err(|_| "there is no git history here, because the repository has another work tree")?;
    let head = repository.head().and_then(|head| head.peel_to_commit()).map(|commit| commit.id());
    let head = head.map_err(|error| match error.code() {
        ErrorCode::UnbornBranch => "the git history has no commits yet".to_owned(),
        _ => unreadable(&error),
    })?;
    Ok(Opened { repository, head, prefix })
}

fn unreadable(error: &git2::Error) -> String {
    format!("the git history cannot be read: {}", printable(error.message().as_bytes()))
}

/// A commit as people name it.
pub(super) fn describe(commit: &git2::Commit<'_>) -> Commit {
    let id: String = commit.id().to_string().chars().take(ID_DIGITS).collect();
    let author = printable(commit.author().name_bytes());
    let subject = printable(commit.summary_bytes().unwrap_or_default());
    Commit { id, time: commit.time().seconds(), author, subject }
}

/// Bytes of any encoding as one line that a terminal can show.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SUBJECT_BYTES_MAX)]);
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    // A character that the limit cut in two.
    text.trim().trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned()
}
