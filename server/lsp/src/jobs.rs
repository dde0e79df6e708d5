//! The work of one session that outlives the request that began it.
//!
//! Refuses: unbounded work. A session has at most [`JOBS_MAX`] jobs that run and [`DELIVERIES_MAX`] edits that wait for
//! the user; scheduling between sessions is not decided here.

mod conflict;
pub(crate) mod delivery;
pub(crate) mod drawing;
pub(crate) mod judging;
mod landing;
pub(crate) mod preparing;
pub(crate) mod progress;
pub(crate) mod work;

use std::collections::BTreeMap;

use text::{Document, Edit};
use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::Id;

use crate::review::Wish;
use delivery::Delivery;
use progress::Progress;

/// Jobs of one session that may run at once.
pub(crate) const JOBS_MAX: usize = 8;

/// Edits of one session that may lie with the editor at once. People take their time over them, so they have no deadline
/// and take no place of a running job.
pub(crate) const DELIVERIES_MAX: usize = 64;

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
    /// What an edit was asked for.
    pub(crate) wish: Option<Wish>,
    /// The edit in whose place this one is to stand.
    pub(crate) over: Option<Over>,
    /// Whether an edit is asked about before it is sent.
    pub(crate) asks_first: bool,
    /// What leads from the text that an edit is made of to the one it is applied to: a comment that asks for it.
    pub(crate) back: Edit,
    /// The lines that the client shows a preview at, once it does.
    pub(crate) previewed: Option<serde_json::Value>,
    /// How far it is.
    pub(crate) phase: Phase,
}

/// An edit that is already in the text, in whose place another one is to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    /// Its proposal.
    pub(crate) proposal: String,
    /// Whether the new one goes on from it; else it is made for the text without it.
    pub(crate) goes_on: bool,
}

/// How far a job is.
pub(crate) enum Phase {
    /// The answer is being made.
    Working,
    /// What is to be sent is worked out on the text as it is, for this many times already.
    Preparing {
        /// Rounds so far.
        rounds: u32,
    },
    /// An edit is with the editor.
    Delivering(Box<Delivery>),
}

impl Job {
    /// A job that has just begun.
    pub(crate) fn new(uri: String, title: String, progress: Progress) -> Self {
        Self {
            uri,
            title,
            cancel: CancellationToken::new(),
            request: None,
            progress,
            base: None,
            wish: None,
            over: None,
            asks_first: false,
            back: Edit::default(),
            previewed: None,
            phase: Phase::Working,
        }
    }
}

/// The jobs by number.
#[derive(Default)]
pub(crate) struct Jobs {
    running: BTreeMap<u64, Job>,
    begun: u64,
}

/// Why no further job may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// [`JOBS_MAX`] run.
    Running,
    /// [`DELIVERIES_MAX`] have an edit that waits for the user, or may get one.
    Delivering,
}

impl Jobs {
    /// Why no further one may begin, if so.
    pub(crate) fn full(&self) -> Option<Full> {
        let deliveries = self.running.values().filter(|job| matches!(job.phase, Phase::Delivering(_))).count();
        if self.running.len() - deliveries >= JOBS_MAX {
            Some(Full::Running)
        } else {
            // Each job may become one more edit that waits.
            (self.running.len() >= DELIVERIES_MAX).then_some(Full::Delivering)
        }
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

    /// How many there are, edits that wait for the user included.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// The numbers of the jobs for which `wanted` holds.
    pub(crate) fn numbers(&self, wanted: impl Fn(&Job) -> bool) -> Vec<u64> {
        self.running.iter().filter(|(_, job)| wanted(job)).map(|(number, _)| *number).collect()
    }
}
