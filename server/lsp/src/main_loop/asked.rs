//! The requests of ours that the client has not answered yet, and why each was made.
//!
//! Refuses: growing with a client that never answers. Beyond [`ASKED_MAX`] the oldest request is given up, with a line
//! in the log; edits are given up last, because a person may still be thinking about one.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Requests of ours that may be unanswered; a later answer to one that was given up is ignored.
const ASKED_MAX: usize = 1024;

/// Why we asked the client for something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To create the progress of a job.
    Progress(u64),
    /// To show a document.
    Show(PathBuf),
    /// To apply the edit of a job.
    Apply(u64),
    /// What is to become of a proposal, whose document lies there.
    Judge(String, PathBuf),
    /// To ask for its lenses again.
    Refresh,
}

/// Unanswered requests by id. Ids ascend, so the first one is the oldest.
#[derive(Default)]
pub(super) struct Requests {
    asked: BTreeMap<i64, Asked>,
}

impl Requests {
    /// Remembers why a request was made.
    pub(super) fn insert(&mut self, id: i64, why: Asked) {
        if self.asked.len() >= ASKED_MAX {
            let minor = self.asked.iter().find(|(_, why)| !matches!(why, Asked::Apply(_) | Asked::Judge(..)));
            let oldest = minor.or_else(|| self.asked.iter().next()).map(|(id, _)| *id);
            if let Some((id, why)) = oldest.and_then(|id| self.asked.remove_entry(&id)) {
                tracing::warn!(
                    id,
                    ?why,
                    "the client left {ASKED_MAX} requests unanswered; the oldest is given up"
                );
            }
        }
        self.asked.insert(id, why);
    }

    /// Why an answered request was made; `None` when nobody waits for the answer.
    pub(super) fn take(&mut self, id: i64) -> Option<Asked> {
        self.asked.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_requests_are_given_up_and_edits_last() {
        let mut requests = Requests::default();
        let max = ASKED_MAX as i64;
        requests.insert(1, Asked::Apply(1));
        for id in 2..=max + 1 {
            requests.insert(id, Asked::Progress(7));
        }
        assert_eq!(requests.asked.len(), ASKED_MAX);
        assert_eq!(requests.take(2), None, "the oldest of the minor ones");
        assert_eq!(requests.take(3), Some(Asked::Progress(7)));
        assert_eq!(requests.take(max + 1), Some(Asked::Progress(7)));
        assert_eq!(requests.take(1), Some(Asked::Apply(1)));
        assert_eq!(requests.take(1), None, "an answer counts once");
    }

    #[test]
    fn there_is_a_bound_for_edits_too() {
        let mut requests = Requests::default();
        let max = ASKED_MAX as i64;
        for id in 1..=max + 1 {
            requests.insert(id, Asked::Apply(7));
        }
        assert_eq!(requests.asked.len(), ASKED_MAX);
        assert_eq!((requests.take(1), requests.take(max + 1)), (None, Some(Asked::Apply(7))));
    }
}
