//! The one error of the use cases: a kind the doors map to their own form, a sentence, a hint. Refuses: logging it
//! twice; the door that answers logs it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use model::ModelError;
use serde::{Deserialize, Serialize};

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request is wrong; change it.
    User,
    /// What was asked for does not exist.
    NotFound,
    /// Too much is going on; try again in a moment.
    Busy,
    /// The caller took it back.
    Cancelled,
    /// The world changed meanwhile; look again.
    Stale,
    /// Something that is needed is not there; the hint says how to get it.
    Unavailable,
    /// A defect of ours.
    Bug,
}

/// Why a use case failed.
#[derive(Clone, Debug)]
pub struct AppError {
    /// What the caller can do about it.
    pub kind: ErrorKind,
    /// What happened, one sentence.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The result of a use case.
pub type Result<T> = std::result::Result<T, AppError>;

impl AppError {
    /// An error of `kind` saying `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// The same error with the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Work that ended without an answer because its task died.
    pub(crate) fn task_died(error: tokio::task::JoinError) -> Self {
        Self::new(ErrorKind::Bug, "a task of the daemon died; the log says why").caused_by(error)
    }
}

/// The way out of a full disk.
pub(crate) const DISK_FULL_HINT: &str = "free some space, remove an index with `familiar index --forget DIR`, or set FAMILIAR_HOME to a folder on another disk";

/// The way out where a file stands in the place of a folder.
pub(crate) const IN_THE_WAY_HINT: &str =
    "move the file away that stands where a folder should be, or set FAMILIAR_HOME to another folder";

/// The next step after the disk refused: the way to some room when there is none left, else `otherwise`.
pub fn disk_hint(error: &io::Error, otherwise: &'static str) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DISK_FULL_HINT,
        _ => otherwise,
    }
}

/// What happened with the next step behind it: in brackets, unless either has brackets of its own.
pub fn with_hint(message: &str, hint: Option<&str>) -> String {
    match hint {
        None => message.to_owned(),
        Some(hint) if message.contains('(') || hint.contains('(') => format!("{message}; {hint}"),
        Some(hint) => format!("{message} ({hint})"),
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<ModelError> for AppError {
    fn from(error: ModelError) -> Self {
        let kind = match &error {
            ModelError::Unavailable(_)
            | ModelError::BadFile(_)
            | ModelError::Crashed(_)
            | ModelError::Resting { .. } => ErrorKind::Unavailable,
            ModelError::Busy => ErrorKind::Busy,
            ModelError::TooLong { .. } | ModelError::BadRequest(_) => ErrorKind::User,
            ModelError::Cancelled => ErrorKind::Cancelled,
            ModelError::Bug(_) => ErrorKind::Bug,
        };
        let hint = match &error {
            ModelError::Unavailable(_) => Some("`familiar doctor` shows what is missing"),
            ModelError::BadFile(_) => Some("pull it again; `familiar models list` shows which model is in use"),
            ModelError::Busy => Some("try again in a moment"),
            ModelError::TooLong { .. } => Some("ask a shorter question or select fewer lines"),
            ModelError::Crashed(_) => Some("ask again: the next question starts a new model process"),
            ModelError::Resting { .. } => Some("a smaller model or fewer other programs leave it more memory"),
            ModelError::BadRequest(_) | ModelError::Cancelled | ModelError::Bug(_) => None,
        };
        Self { kind, message: error.to_string(), hint: hint.map(str::to_owned), source: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_a_way_out_of_its_own() {
        let hint = |kind: io::ErrorKind| disk_hint(&kind.into(), "make it writable");
        assert_eq!(hint(io::ErrorKind::StorageFull), DISK_FULL_HINT);
        assert_eq!(hint(io::ErrorKind::PermissionDenied), "make it writable");
    }

    #[test]
    fn a_hint_never_makes_brackets_in_brackets() {
        assert_eq!(with_hint("it is gone", None), "it is gone");
        assert_eq!(with_hint("it is gone", Some("look again")), "it is gone (look again)");
        assert_eq!(with_hint("it is gone (since 9)", Some("look again")), "it is gone (since 9); look again");
        assert_eq!(with_hint("it is gone", Some("look (twice)")), "it is gone; look (twice)");
    }
}
