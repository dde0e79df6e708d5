//! Documents of proposals that are open in the editor: what became of each change, and what can be done about it.
//!
//! Refuses: believing the text of such a document. What a proposal says is what was kept of it.

use std::collections::HashMap;
use std::ops::Range;

use app::{ChangeState, Proposal, ShownChange};
use serde_json::{Value, json};

use super::Reviews;
use super::marks::SOURCE;

/// An open document of a proposal.
pub(crate) struct Shown {
    /// The proposal as it was last read.
    pub(crate) proposal: Proposal,
    /// Where its changes stand in the document.
    pub(crate) changes: Vec<ShownChange>,
}

/// The open documents of proposals by URI.
pub(crate) type ShownProposals = HashMap<String, Shown>;

/// What can be done about a change, as the titles and commands of the menu.
pub(crate) fn verbs(state: ChangeState) -> &'static [(&'static str, &'static str)] {
    match state {
        ChangeState::Proposed => &[("Accept", "familiar.accept"), ("Reject", "familiar.reject")],
        ChangeState::Standing => &[("Keep", "familiar.keep"), ("Take back", "familiar.takeBack")],
        ChangeState::Kept => &[("Take back", "familiar.takeBack")],
        ChangeState::Reverted => &[("Accept", "familiar.accept")],
    }
}

impl Shown {
    fn state(&self, change: &ShownChange) -> ChangeState {
        let file = self.proposal.said.files.get(change.file);
        file.and_then(|file| file.states.get(change.number)).copied().unwrap_or(ChangeState::Reverted)
    }

    /// What stands at each change; `reviews` know what was undone since.
    pub(crate) fn diagnostics(&self, reviews: &Reviews) -> Value {
        let of = self.changes.len();
        let one = |(place, change): (usize, &ShownChange)| {
            let state = match self.state(change) {
                ChangeState::Proposed => "accept or reject it with a code action",
                ChangeState::Standing => "in the file, waits to be kept or taken back",
                ChangeState::Kept => "accepted",
                ChangeState::Reverted if reviews.is_undone(&self.proposal.id, change.file, change.number) => {
                    "undone or taken back, accept it again with a code action"
                }
                ChangeState::Reverted => "not applied",
            };
            let line = change.lines.start;
            json!({
                "range": { "start": { "line": line, "character": 0 }, "end": { "line": line, "character": 2 } },
                "severity": 3,
                "source": SOURCE,
                "message": format!("Change {place} of {of}: {state}"),
            })
        };
        (1..).zip(&self.changes).map(one).collect()
    }

    /// Titles, commands and arguments of what can be done at these lines, from zero and inclusive.
    pub(crate) fn actions(&self, lines: &Range<u32>) -> Vec<(String, &'static str, Value)> {
        let mut actions = Vec::new();
        let id = &self.proposal.id;
        for (place, change) in (1..).zip(&self.changes) {
            if change.lines.start <= lines.end && lines.start < change.lines.end {
                let arguments = json!({ "proposal": id, "file": change.file, "change": change.number });
                for (title, command) in verbs(self.state(change)) {
                    actions.push((format!("{title} change {place}"), *command, arguments.clone()));
                }
            }
        }
        let any = |state| self.changes.iter().any(|change| self.state(change) == state);
        // What was not applied comes last: where something is proposed, "all" means that alone.
        let states = [ChangeState::Proposed, ChangeState::Standing, ChangeState::Kept, ChangeState::Reverted];
        for state in states.into_iter().filter(|one| any(*one)) {
            for (title, command) in verbs(state) {
                let title = format!("{title} all changes");
                if self.changes.len() > 1 && actions.iter().all(|known| known.0 != title) {
                    actions.push((title, *command, json!({ "proposal": id })));
                }
            }
        }
        actions
    }
}
