//! How well a search finds what it should: sets of questions with known answers, run through the same search that
//! everybody uses.
//!
//! Refuses: to rank anything itself, to reach a network, and to write anywhere but in the work folder it is given.

pub mod compare;
pub mod layout;
pub mod own;
pub mod report;
pub mod run;
mod score;
pub mod statistics;
pub mod task;

use std::path::{Path, PathBuf};

use serde_json::error::Category;

use crate::error::IndexError;

pub use compare::{Comparison, compare};
pub use run::{Options, Outcome, TaskResult, run};
pub use task::{Gold, Sets, Task};

/// What can go wrong while measuring.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A set or a result file that cannot be read: name another one or correct it.
    #[error("{}{}: {reason}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Input {
        /// The file.
        path: PathBuf,
        /// 1-based line, where there is one.
        line: Option<usize>,
        /// What is wrong, in a few words.
        reason: String,
    },
    /// A repository, or a commit of it, that is not there: fetch it first.
    #[error("{name} is not in {}: {reason}", folder.display())]
    Repository {
        /// `owner/name`.
        name: String,
        /// The folder of repositories.
        folder: PathBuf,
        /// What was missed, and the command that would fetch it.
        reason: String,
    },
    /// A folder whose history makes no questions: name another one.
    #[error("no questions can be made from {}: {reason}", folder.display())]
    NoHistory {
        /// The folder that was named.
        folder: PathBuf,
        /// Why not, in a few words.
        reason: String,
    },
    /// A file of the work folder that cannot be written or read.
    #[error("{}: {source} ({doing})", path.display())]
    Files {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The index or its search.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The caller's flag was raised; what was laid out and indexed stays.
    #[error("measuring was cancelled")]
    Cancelled,
}

impl EvalError {
    pub(crate) fn input(path: &Path, line: Option<usize>, reason: impl ToString) -> Self {
        Self::Input { path: path.to_owned(), line, reason: reason.to_string() }
    }

    /// A file that cannot be read.
    pub(crate) fn unread(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |error| {
            let reason = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                std::io::ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
                _ => format!("it cannot be read: {error}"),
            };
            Self::input(path, None, reason)
        }
    }

    /// A line (1-based) that is not what it should be.
    pub(crate) fn line(path: &Path, line: usize, what: &str, error: &serde_json::Error) -> Self {
        let said = error.to_string();
        // Each line is read for itself, so that this counts from its beginning.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = match error.classify() {
            Category::Data => format!("the line is no {what}: {}", said.strip_suffix(&place).unwrap_or(&said)),
            Category::Syntax | Category::Eof | Category::Io => "the line is no JSON".to_owned(),
        };
        Self::input(path, Some(line), reason)
    }

    pub(crate) fn git(repository: &git2::Repository, error: &git2::Error) -> Self {
        let folder = repository.path().to_owned();
        Self::Repository { name: "what was asked for".to_owned(), folder, reason: error.message().to_owned() }
    }

    pub(crate) fn files(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Files { doing, path: path.to_owned(), source }
    }
}
