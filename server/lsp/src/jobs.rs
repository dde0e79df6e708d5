//! The work of one session that outlives the request that began it.
//!
//! Refuses: unbounded work. A session has at most [`JOBS_MAX`] jobs; scheduling between sessions is not decided here.

mod conflict;
pub(crate) mod progress;
pub(crate) mod work;

use std::collections::BTreeMap;

use text::{Document, Rope};
use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::Id;

use progress::Progress;

/// Jobs one session may have at once.
pub(crate) const JOBS_MAX: usize = 8;

/// One piece of work.
pub(crate) struct Job {
    /// The document it is about, as the editor names it.
    pub(crate) uri: String,
    /// What the user sees: the feature and the file.
    pub(crate) title: String,
    /// Ends the work.
    pub(crate) cancel: CancellationToken,
    /// The request that began it.
    pub(crate) request: Option<Id>,
    /// What the client shows about it.
    pub(crate) progress: Progress,
    /// The document as it was when the work began.
    pub(crate) base: Option<Document>,
    /// How far it is.
    pub(crate) phase: Phase,
}

/// How far a job is.
pub(crate) enum Phase {
    /// The answer is being made.
    Working,
    /// The edit is being moved over what was typed meanwhile, for this many times already.
    Rebasing {
        /// Rounds so far.
        rounds: u32,
        /// What the edit does, in the model's or our words.
        summary: String,
    },
    /// The edit is with the editor.
    Delivering(Delivery),
}

/// An edit the editor was asked to apply.
pub(crate) struct Delivery {
    /// The text when it is applied to the version it was sent for.
    pub(crate) expected: Rope,
    /// The texts it puts in.
    pub(crate) new_texts: Vec<String>,
    /// The revision of the document when it was sent.
    pub(crate) revision: u64,
    /// What the edit does.
    pub(crate) summary: String,
}

/// The jobs by number.
#[derive(Default)]
pub(crate) struct Jobs {
    running: BTreeMap<u64, Job>,
    begun: u64,
}

impl Jobs {
    /// Whether one more may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.running.len() < JOBS_MAX
    }

    /// The number the next job gets; never given twice.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// Adds a job under its number.
    pub(crate) fn insert(&mut self, number: u64, job: Job) {
        self.running.insert(number, job);
    }

    /// The job, while it runs.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Job> {
        self.running.get_mut(&number)
    }

    /// Takes a job that has ended.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Job> {
        self.running.remove(&number)
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// The numbers of the jobs for which `wanted` holds.
    pub(crate) fn numbers(&self, wanted: impl Fn(&Job) -> bool) -> Vec<u64> {
        self.running.iter().filter(|(_, job)| wanted(job)).map(|(number, _)| *number).collect()
    }
}
