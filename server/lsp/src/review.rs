//! The changes of one session that stand in its documents and wait to be judged, or were accepted: where they are,
//! and how they are shown.
//!
//! Refuses: judging. It follows the text and says what is there; commands decide, and the text after the next change is
//! the only proof of anything.

pub(crate) mod marks;
pub(crate) mod shown;

use std::collections::HashMap;
use std::ops::Range;

use app::{ChangeState, Proposal};
use engine::{EditAction, Review};
use text::{Bias, Change, Document, Edit, PositionEncoding, Rope};

/// Edits of one document whose changes may wait at once; the oldest is kept as it is when a further one comes.
const STANDING_MAX: usize = 32;
/// Accepted edits of one document that are followed at once; the oldest is not any more when a further one comes.
const ACCEPTED_MAX: usize = 8;
/// Versions of one edit between which the user may choose.
pub(crate) const CANDIDATES_MAX: usize = 8;

/// One edit whose changes wait to be judged.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The id of its proposal.
    pub(crate) proposal: String,
    /// Which file of the proposal the document is.
    pub(crate) file: usize,
    /// What was done, for people.
    pub(crate) title: String,
    /// Its changes in the text.
    pub(crate) review: Review,
    /// The user's own words, if there were any.
    pub(crate) instruction: Option<String>,
    /// How it was asked for; `None` when it comes from an earlier session.
    pub(crate) wish: Option<Wish>,
    /// The versions there are, the one that is shown among them.
    pub(crate) candidates: Vec<Candidate>,
    /// Which of them is shown.
    pub(crate) shown: usize,
}

/// Accepted changes of one file of a proposal, followed so that undoing them is noticed.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// The id of the proposal.
    pub(crate) proposal: String,
    /// Which file of the proposal the document is.
    pub(crate) file: usize,
    /// Its changes in the text.
    pub(crate) review: Review,
}

/// What an edit was asked for, so that it can be asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What is to be done.
    pub(crate) action: EditAction,
    /// The user's own words.
    pub(crate) instruction: Option<String>,
    /// The selection, in bytes of the text as it is shown.
    pub(crate) target: Range<usize>,
    /// How many versions were asked for before this one.
    pub(crate) variation: u32,
    /// The comment that asked for it, as it stood in the text; it goes with the edit.
    pub(crate) comment: Option<String>,
}

/// One version of an edit.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// The text it was made for: the document without the edit.
    pub(crate) base: Rope,
    /// The edit of that text.
    pub(crate) edit: Edit,
}

/// A proposal that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Undecided {
    /// Its id.
    pub(crate) proposal: String,
    /// What it is, for people.
    pub(crate) title: String,
    /// What it changes: paths, or URIs of what is no file.
    places: Vec<String>,
}

impl Undecided {
    /// The proposal, unless everything in it is decided.
    pub(crate) fn of(proposal: &Proposal) -> Option<Self> {
        let said = &proposal.said;
        let places = said.files.iter().map(|file| file.place.clone()).collect();
        let waits = said.count(ChangeState::Proposed) > 0;
        waits.then(|| Self { proposal: proposal.id.clone(), title: said.title.clone(), places })
    }

    /// Whether it changes what lies there.
    pub(crate) fn is_at(&self, place: &str) -> bool {
        self.places.iter().any(|one| one == place)
    }
}

/// Changes that are no longer in the text, because the user undid them or took away what they stood in, or that are in it
/// again, because the user undid that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turned {
    /// The proposal.
    pub(crate) proposal: String,
    /// The file of it.
    pub(crate) file: usize,
    /// Their numbers.
    pub(crate) changes: Vec<usize>,
    /// What became of them.
    pub(crate) state: ChangeState,
}

/// The waiting changes by the document's URI, and the accepted ones that are followed.
#[derive(Default)]
pub(crate) struct Reviews {
    of: HashMap<String, Vec<Standing>>,
    accepted: HashMap<String, Vec<Accepted>>,
}

impl Reviews {
    /// The edits that wait in a document, oldest first.
    pub(crate) fn of(&self, uri: &str) -> &[Standing] {
        self.of.get(uri).map_or(&[], Vec::as_slice)
    }

    /// One edit.
    pub(crate) fn get(&self, uri: &str, proposal: &str) -> Option<&Standing> {
        self.of(uri).iter().find(|one| one.proposal == proposal)
    }

    /// Whether the changes of a document's text matter to any change here.
    pub(crate) fn follows(&self, uri: &str) -> bool {
        self.of.contains_key(uri) || self.accepted.contains_key(uri)
    }

    /// Whether a change was in a text of this session and is not any more, because it was undone or taken back.
    pub(crate) fn is_undone(&self, proposal: &str, file: usize, number: usize) -> bool {
        let waited = self.of.values().flatten().map(|one| (&one.proposal, one.file, &one.review));
        let accepted = self.accepted.values().flatten().map(|one| (&one.proposal, one.file, &one.review));
        let mut all = waited.chain(accepted).filter(|(id, of, _)| *id == proposal && *of == file);
        all.any(|(.., review)| review.is_undone(number))
    }

    /// The documents that have waiting changes.
    pub(crate) fn uris(&self) -> Vec<String> {
        self.of.keys().cloned().collect()
    }

    /// Adds an edit in the place of one of the same proposal. When there are too many the oldest is no longer marked; it
    /// is given back.
    pub(crate) fn insert(&mut self, uri: &str, standing: Standing) -> Option<Standing> {
        self.remove(uri, &standing.proposal);
        let all = self.of.entry(uri.to_owned()).or_default();
        // One of which nothing waits, though it may wait again, goes before one of which something does.
        let least = all.iter().position(|one| one.review.standing().next().is_none()).unwrap_or(0);
        let oldest = (all.len() >= STANDING_MAX).then(|| all.remove(least));
        all.push(standing);
        oldest
    }

    /// Takes an edit out.
    pub(crate) fn remove(&mut self, uri: &str, proposal: &str) -> Option<Standing> {
        let all = self.of.get_mut(uri)?;
        let at = all.iter().position(|one| one.proposal == proposal)?;
        let standing = all.remove(at);
        if all.is_empty() {
            self.of.remove(uri);
        }
        Some(standing)
    }

    /// Forgets a document.
    pub(crate) fn close(&mut self, uri: &str) {
        self.of.remove(uri);
        self.accepted.remove(uri);
    }

    /// Takes waiting changes out because the user keeps them, and goes on following those.
    pub(crate) fn keep(&mut self, uri: &str, proposal: &str, wanted: impl Fn(usize) -> bool) {
        if let Some(one) = self.get(uri, proposal) {
            let stands: Vec<usize> = one.review.standing().map(|(number, _)| number).collect();
            let review = one.review.only(|number| wanted(number) && stands.contains(&number));
            let accepted = Accepted { proposal: one.proposal.clone(), file: one.file, review };
            self.accept(uri, accepted);
        }
        self.settle(uri, proposal, wanted);
    }

    /// Follows accepted changes of a document, in the place of the same ones that were accepted before.
    pub(crate) fn accept(&mut self, uri: &str, accepted: Accepted) {
        let all = self.accepted.entry(uri.to_owned()).or_default();
        let same = |one: &&mut Accepted| one.proposal == accepted.proposal && one.file == accepted.file;
        for one in all.iter_mut().filter(same) {
            one.review = one.review.only(|number| !accepted.has(number));
        }
        all.push(accepted);
        all.retain(|one| is_followed(&one.review));
        if all.len() > ACCEPTED_MAX {
            all.remove(0);
        }
        if all.is_empty() {
            self.accepted.remove(uri);
        }
    }

    /// Takes changes out of what waits; says whether any did.
    pub(crate) fn settle(&mut self, uri: &str, proposal: &str, wanted: impl Fn(usize) -> bool) -> bool {
        let Some(one) = self.of.get_mut(uri).and_then(|all| all.iter_mut().find(|one| one.proposal == proposal))
        else {
            return false;
        };
        let numbers: Vec<usize> = one.review.standing().map(|(number, _)| number).filter(|n| wanted(*n)).collect();
        for number in &numbers {
            one.review.settle(*number);
        }
        self.drop_settled(uri);
        !numbers.is_empty()
    }

    /// Follows what the editor did to a document, and tells which changes it ended or brought back, one after the other.
    pub(crate) fn follow(
        &mut self,
        before: &Document,
        changes: &[Change],
        encoding: PositionEncoding,
    ) -> Vec<Turned> {
        if !self.follows(before.uri()) {
            return Vec::new();
        }
        let mut steps: Vec<(Edit, Rope)> = Vec::with_capacity(changes.len());
        for change in changes {
            let rope = steps.last().map_or(before.rope(), |(_, rope)| rope);
            let Ok(typed) = Edit::from_changes(rope, std::slice::from_ref(change), encoding) else { continue };
            let Ok(now) = typed.apply(rope) else { continue };
            steps.push((typed, now));
        }
        let waiting = self.of.get_mut(before.uri()).into_iter().flatten();
        let mut turned: Vec<Turned> = waiting.flat_map(|one| one.follow(before.rope(), &steps)).collect();
        let accepted = self.accepted.get_mut(before.uri()).into_iter().flatten();
        turned.extend(accepted.flat_map(|one| one.follow(before.rope(), &steps)));
        self.drop_settled(before.uri());
        turned
    }

    /// Takes out of other edits what is the very same change as one of this edit: an edit that makes again what was undone
    /// also brings back the undone one.
    pub(crate) fn displace(&mut self, uri: &str, proposal: &str) -> Vec<Turned> {
        let Some(all) = self.of.get_mut(uri) else { return Vec::new() };
        let changes = |one: &Standing| -> Vec<(usize, Range<usize>, String)> {
            let blocks = one.review.blocks();
            one.review.standing().map(|(number, bytes)| (number, bytes, blocks[number].old_text.clone())).collect()
        };
        let made: Vec<_> = all
            .iter()
            .filter(|one| one.proposal == proposal)
            .flat_map(changes)
            .map(|(_, at, old)| (at, old))
            .collect();
        let mut turned = Vec::new();
        for one in all.iter_mut().filter(|one| one.proposal != proposal) {
            let same = changes(one)
                .into_iter()
                .filter(|(_, at, old)| made.iter().any(|made| (&made.0, &made.1) == (at, old)));
            let numbers: Vec<usize> = same.map(|(number, ..)| number).collect();
            for number in &numbers {
                one.review.settle(*number);
            }
            if !numbers.is_empty() {
                let (proposal, file) = (one.proposal.clone(), one.file);
                turned.push(Turned { proposal, file, changes: numbers, state: ChangeState::Reverted });
            }
        }
        self.drop_settled(uri);
        turned
    }

    fn drop_settled(&mut self, uri: &str) {
        if let Some(all) = self.of.get_mut(uri) {
            all.retain(|one| is_followed(&one.review));
            if all.is_empty() {
                self.of.remove(uri);
            }
        }
        if let Some(all) = self.accepted.get_mut(uri) {
            all.retain(|one| is_followed(&one.review));
            if all.is_empty() {
                self.accepted.remove(uri);
            }
        }
    }
}

/// Whether any change is in the text or may be again: what was undone is kept in mind while its document is open,
/// because undoing that brings it back.
fn is_followed(review: &Review) -> bool {
    review.standing().next().is_some() || review.may_return()
}

impl Accepted {
    /// Whether it follows a change.
    fn has(&self, number: usize) -> bool {
        self.review.is_undone(number) || self.review.standing().any(|(one, _)| one == number)
    }

    /// The same with only those changes for which `wanted` holds.
    pub(crate) fn only(self, wanted: impl Fn(usize) -> bool) -> Self {
        Self { review: self.review.only(wanted), ..self }
    }

    /// Follows what the editor did to the text, step by step with the text after each, and tells which changes that
    /// undid or brought back. What goes with the text around it was accepted all the same.
    pub(crate) fn follow(&mut self, before: &Rope, steps: &[(Edit, Rope)]) -> Vec<Turned> {
        let engine::Followed { mut ended, again } = self.review.follow_all(before, steps);
        ended.retain(|number| self.review.is_undone(*number));
        turned(&self.proposal, self.file, [(ended, ChangeState::Reverted), (again, ChangeState::Kept)])
    }
}

/// What became of changes, where there are any.
fn turned(proposal: &str, file: usize, changes: [(Vec<usize>, ChangeState); 2]) -> Vec<Turned> {
    let changes = changes.into_iter().filter(|(changes, _)| !changes.is_empty());
    changes.map(|(changes, state)| Turned { proposal: proposal.to_owned(), file, changes, state }).collect()
}

impl Standing {
    /// Follows what the editor did to the text, step by step with the text after each, and tells which changes that ended
    /// or brought back.
    pub(crate) fn follow(&mut self, before: &Rope, steps: &[(Edit, Rope)]) -> Vec<Turned> {
        let engine::Followed { ended, again } = self.review.follow_all(before, steps);
        if let Some(wish) = &mut self.wish {
            wish.target = steps.iter().fold(wish.target.clone(), |target, (typed, _)| moved(&target, typed));
        }
        turned(&self.proposal, self.file, [(ended, ChangeState::Reverted), (again, ChangeState::Standing)])
    }

    /// The document's text without this edit.
    pub(crate) fn base(&self, now: &Rope) -> Rope {
        self.review.revert(|_| true).apply(now).unwrap_or_else(|_| now.clone())
    }

    /// Whether the user typed in one of its changes.
    pub(crate) fn is_touched(&self, now: &Rope) -> bool {
        self.review.standing().any(|(number, _)| self.review.is_touched(number, now))
    }

    /// Its selection in the text without this edit.
    pub(crate) fn target_in_base(&self) -> Option<Range<usize>> {
        Some(moved(&self.wish.as_ref()?.target, &self.review.revert(|_| true)))
    }
}

/// Where a selection is after a change; what is put in at its edges belongs to it.
pub(crate) fn moved(target: &Range<usize>, typed: &Edit) -> Range<usize> {
    let start = typed.map_byte(target.start, Bias::Before);
    start..typed.map_byte(target.end, Bias::After).max(start)
}
