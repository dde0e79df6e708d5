//! What an index says about itself: status, progress, and the report of a refresh.
//!
//! Refuses: formatting for people; that is the business of doors.

use serde::{Deserialize, Serialize};

use crate::files::skip::Skipped;

/// How complete an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing was indexed yet.
    #[default]
    Empty,
    /// Being built; what is done can be found.
    Building {
        /// Files looked at.
        done: usize,
        /// Files to look at.
        total: usize,
    },
    /// An earlier build was interrupted; what it did can be found, and a refresh completes it.
    Partial,
    /// Held up by the user before it was complete; what is done can be found, and saves are taken up all the same.
    Paused {
        /// Files that are as they were indexed.
        done: usize,
        /// Files there are.
        total: usize,
    },
    /// Complete as of the last walk.
    Ready,
}

/// How an index learns what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Watching {
    /// Not at all: it was not asked to.
    #[default]
    Nothing,
    /// The system tells of each change.
    Events,
    /// The system cannot watch every folder, so the workspace is walked every half minute.
    Polling,
}

/// What an index holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Status {
    /// Indexed files.
    pub files: usize,
    /// Their chunks.
    pub chunks: usize,
    /// Raised by one whenever what can be found changes.
    pub generation: u64,
    /// How complete it is.
    pub state: State,
    /// When the last full walk was completed, in milliseconds since the epoch.
    pub refreshed_ms: Option<u64>,
    /// How it learns what changed.
    pub watching: Watching,
    /// The user wants no large builds in the background; see [`Index::pause`].
    ///
    /// [`Index::pause`]: crate::Index::pause
    pub paused: bool,
    /// What the last full walk left out, by reason.
    pub skipped: Vec<Skipped>,
    /// Sentences about what a person should know: folders that cannot be read, limits that bite, a rebuilt index.
    pub notes: Vec<String>,
}

impl Status {
    /// Whether nearly everything that there is can be found as it is now: counted by what is published, not by what is
    /// prepared, and without what is known only as it was. A first index is not complete before its end: what it lacks is
    /// nowhere else.
    pub(crate) fn is_about_complete(&self) -> bool {
        match self.state {
            State::Empty | State::Partial => false,
            State::Building { .. } | State::Paused { .. } if self.refreshed_ms.is_none() => false,
            State::Building { done, total } | State::Paused { done, total } => {
                self.files.min(done).saturating_mul(10) >= total.saturating_mul(9)
            }
            State::Ready => true,
        }
    }
}

/// How far a refresh is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files dealt with, unchanged ones included.
    pub done: usize,
    /// All files.
    pub total: usize,
}

/// What a refresh did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Indexed files, in all.
    pub files: usize,
    /// Their chunks.
    pub chunks: usize,
    /// Time it took, in seconds.
    pub seconds: f64,
    /// Of the indexed files, those that were as the index knew them.
    pub unchanged: usize,
    /// Of the indexed files, those that were parsed.
    pub indexed: usize,
    /// Of those, files that the index did not have before.
    pub added: usize,
    /// Files that were indexed and are no longer there.
    pub removed: usize,
    /// What was left out, by reason.
    pub skipped: Vec<Skipped>,
    /// Sentences about what went wrong without stopping it.
    pub notes: Vec<String>,
}
