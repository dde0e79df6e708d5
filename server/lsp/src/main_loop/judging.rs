//! What the user decides about changes: kept, taken back, asked for again, accepted from the document of a proposal.
//!
//! Refuses: changing a text itself. Whatever changes one is an edit that the editor applies, and counts once it is in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use app::{App, ChangeState, Proposal, counted};
use engine::Side;
use serde_json::{Value, json};
use text::{Document, Edit};
use tower_lsp::jsonrpc::{Error, Result};

use super::review::{Found, place_of};
use super::{Asked, MainLoop};
use crate::arguments::ReviewArguments;
use crate::client::Surface;
use crate::door::Reply;
use crate::jobs::delivery::{Delivery, Purpose, Target};
use crate::jobs::judging::{self, Judging};
use crate::jobs::preparing::Made;
use crate::jobs::work::JobEvent;
use crate::jobs::{Over, Phase};
use crate::messages::{self, Level, request_failed};
use crate::review::marks::{Mark, marks};
use crate::review::{Standing, Undecided, Wish};
use crate::uris::name_of;

/// Proposals that `familiar.history` lists.
const HISTORY_MAX: usize = 50;

/// What the user is asked about a proposal; the answers name these.
const APPLY: &str = "Apply";
const CHOOSE: &str = "Choose changes";
const SHOW: &str = "Show changes";
const DISCARD: &str = "Discard";

impl MainLoop {
    /// Keeps waiting changes for good.
    pub(super) fn keep_command(&mut self, which: &ReviewArguments) -> Result<()> {
        let chosen = self.chosen(which);
        if chosen.is_empty() {
            return self.judge_command(which, ChangeState::Kept, false);
        }
        for (uri, proposal, numbers) in chosen {
            let file = self.reviews.get(&uri, &proposal).map_or(0, |standing| standing.file);
            self.reviews.keep(&uri, &proposal, |number| numbers.contains(&number));
            self.settle(proposal, numbers.into_iter().map(|number| (file, number)).collect(), ChangeState::Kept);
            self.show_review(&uri);
        }
        Ok(())
    }

    /// Takes waiting changes back: one edit for each document.
    pub(super) fn revert_command(&mut self, which: &ReviewArguments) -> Result<()> {
        let chosen = self.chosen(which);
        if chosen.is_empty() {
            return self.nothing_waits();
        }
        let mut uris: Vec<String> = chosen.iter().map(|(uri, ..)| uri.clone()).collect();
        uris.dedup();
        for uri in uris {
            let changes: Vec<_> = chosen.iter().filter(|(one, ..)| *one == uri).cloned().collect();
            self.revert(uri, changes)?;
        }
        Ok(())
    }

    fn revert(&mut self, uri: String, changes: Vec<(String, String, Vec<usize>)>) -> Result<()> {
        self.applies_edits()?;
        let Some(now) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open", name_of(&uri))));
        };
        let mut parts = Vec::new();
        for (_, proposal, numbers) in &changes {
            if let Some(standing) = self.reviews.get(&uri, proposal) {
                parts.extend_from_slice(standing.review.revert(|number| numbers.contains(&number)).parts());
            }
        }
        let edit = Edit::new(parts).ok().filter(|edit| !edit.is_empty());
        let expected = edit.as_ref().and_then(|edit| edit.apply(now.rope()).ok());
        let (Some(edit), Some(expected)) = (edit, expected) else {
            return Err(request_failed("These changes overlap; revert them one by one"));
        };
        let count: usize = changes.iter().map(|(.., numbers)| numbers.len()).sum();
        let title =
            format!("Revert {count} {} of {}", if count == 1 { "change" } else { "changes" }, name_of(&uri));
        let number = self.add_silent_job(uri.clone(), title)?;
        let targets = vec![Target { uri, before: Some(now.clone()), expected, creates: false, landed: false }];
        let purpose = Purpose::TakeBack { changes };
        let delivery = Delivery { targets, files: Vec::new(), summary: String::new(), purpose, again: None };
        self.deliver_edit(number, &edit, &now, delivery);
        Ok(())
    }

    /// The waiting changes that arguments name, by document and proposal.
    fn chosen(&self, which: &ReviewArguments) -> Vec<(String, String, Vec<usize>)> {
        let uris = match &which.uri {
            Some(uri) => vec![self.known_uri(uri)],
            None => {
                let mut all = self.reviews.uris();
                all.sort();
                all
            }
        };
        let mut chosen: Vec<(String, String, Vec<usize>)> = Vec::new();
        for uri in uris {
            let Some(document) = self.documents.get(&uri) else { continue };
            let lines = which.position.as_ref().map(|position| position.line..position.line);
            let wanted = |mark: &Mark<'_>| {
                which.proposal.as_ref().is_none_or(|id| *id == mark.standing.proposal)
                    && which.file.is_none_or(|file| file == mark.standing.file)
                    && which.change.is_none_or(|change| change == mark.number)
                    && lines.as_ref().is_none_or(|lines| mark.touches(document.rope(), lines))
            };
            for mark in marks(&self.reviews, &uri).iter().filter(|mark| wanted(mark)) {
                let id = &mark.standing.proposal;
                match chosen.iter_mut().find(|(one, proposal, _)| *one == uri && proposal == id) {
                    Some((.., numbers)) => numbers.push(mark.number),
                    None => chosen.push((uri.clone(), id.clone(), vec![mark.number])),
                }
            }
        }
        chosen
    }

    fn nothing_waits(&self) -> Result<()> {
        self.tell(Level::Info, "No change waits here");
        Ok(())
    }

    /// One edit that waits, named or at a place.
    pub(super) fn standing_at(&self, which: &ReviewArguments) -> Result<(String, Standing)> {
        let chosen = self.chosen(which);
        let first = chosen
            .first()
            .and_then(|(uri, proposal, _)| Some((uri.clone(), self.reviews.get(uri, proposal)?.clone())));
        first.ok_or_else(|| request_failed("No change of an edit waits here"))
    }

    /// Shows the next or the previous version of an edit.
    pub(super) fn alternative_command(&mut self, which: &ReviewArguments) -> Result<()> {
        let (uri, standing) = self.standing_at(which)?;
        let versions = standing.candidates.len();
        if versions < 2 {
            self.tell(Level::Info, "There is one version; ask for another with retry");
            return Ok(());
        }
        let step = which.step.unwrap_or(1).rem_euclid(i64::try_from(versions).unwrap_or(1));
        let next = (standing.shown + usize::try_from(step).unwrap_or(0)) % versions;
        let candidate = &standing.candidates[next];
        let made = Made {
            base: candidate.base.clone(),
            edit: candidate.edit.clone(),
            summary: String::new(),
            proposal: None,
            candidate: Some(next),
        };
        let number = self.add_silent_job(uri, standing.title.clone())?;
        if let Some(job) = self.jobs.get_mut(number) {
            job.wish =
                standing.wish.clone().zip(standing.target_in_base()).map(|(wish, target)| Wish { target, ..wish });
            job.over = Some(Over { proposal: standing.proposal, goes_on: false });
            job.phase = Phase::Preparing { rounds: 0 };
        }
        self.prepare(number, made, 0);
        Ok(())
    }

    /// Accepts or takes back changes of a proposal, wherever their text is now; rejecting changes no text.
    pub(super) fn judge_command(
        &mut self,
        which: &ReviewArguments,
        state: ChangeState,
        lets_choose: bool,
    ) -> Result<()> {
        let Some(id) = which.proposal.clone() else {
            return self.nothing_waits();
        };
        self.applies_edits()?;
        let title = if state == ChangeState::Kept { "Accept the changes" } else { "Take back the changes" };
        let number = self.add_silent_job(String::new(), title.to_owned())?;
        let side = if state == ChangeState::Kept { Side::Old } else { Side::New };
        let (encoding, makes_files) = (self.client.encoding, self.client.makes_files);
        let ends_new_files = self.client.ends_new_files;
        let open = self.documents_by_place();
        let lost = self.documents.lost().map(place_of).collect();
        let (file, change) = (which.file, which.change);
        self.start(number, |this| {
            let (app, settled) = (this.app.clone(), this.settled());
            async move {
                settled.await;
                let proposal = match app.proposal(&id).await {
                    Ok(proposal) => proposal,
                    Err(error) => return JobEvent::Failed(error),
                };
                let fits = |state: ChangeState| match side {
                    Side::Old => matches!(state, ChangeState::Proposed | ChangeState::Reverted),
                    Side::New => matches!(state, ChangeState::Standing | ChangeState::Kept),
                };
                let mut changes = chosen_changes(&proposal, file, change);
                if changes.is_empty() {
                    return JobEvent::Refused("the proposal has no such change".to_owned());
                }
                let state_of = |(file, change): &(usize, usize)| proposal.said.files[*file].states[*change];
                // What is in the text already is kept without a change of it, also when its file is not open.
                if side == Side::Old && changes.iter().all(|one| state_of(one) == ChangeState::Standing) {
                    return match app.settle(&proposal.id, changes, ChangeState::Kept).await {
                        Ok(_) => JobEvent::Settled,
                        Err(error) => JobEvent::Failed(error),
                    };
                }
                changes.retain(|(file, change)| fits(proposal.said.files[*file].states[*change]));
                // What was rejected one by one stays out when all others are accepted.
                let is_proposed = |one: &(usize, usize)| state_of(one) == ChangeState::Proposed;
                if change.is_none() && changes.iter().any(is_proposed) {
                    changes.retain(is_proposed);
                }
                let what = Judging {
                    proposal,
                    changes,
                    side,
                    open,
                    lost,
                    encoding,
                    makes_files,
                    ends_new_files,
                    lets_choose,
                };
                judging::judge(what).await
            }
        });
        Ok(())
    }

    /// The open documents by what they are known by beyond this session.
    pub(super) fn documents_by_place(&self) -> BTreeMap<String, Document> {
        self.documents.snapshots().into_iter().map(|document| (place_of(document.uri()), document)).collect()
    }

    /// Says that changes of a proposal are not wanted.
    pub(super) fn reject_command(&mut self, which: &ReviewArguments) -> Result<()> {
        let Some(id) = which.proposal.clone() else {
            return Err(Error::invalid_params("familiar.reject needs {\"proposal\"}."));
        };
        let (file, change) = (which.file, which.change);
        self.look_up(async move |app: App| {
            let rejected: app::Result<Proposal> = async {
                let proposal = app.proposal(&id).await?;
                let mut changes = chosen_changes(&proposal, file, change);
                changes
                    .retain(|(file, change)| proposal.said.files[*file].states[*change] == ChangeState::Proposed);
                app.settle(&id, changes, ChangeState::Reverted).await
            }
            .await;
            rejected.map_or_else(|error| Found::Failed("Reject", error), |one| Found::Read(Box::new(one)))
        });
        Ok(())
    }

    /// Opens the document of a proposal, or of the last one that changed a file.
    pub(super) fn show_proposal_command(&mut self, which: &ReviewArguments) -> Result<()> {
        let place = which.uri.as_deref().map(place_of);
        let id = which.proposal.clone();
        if place.is_none() && id.is_none() {
            return Err(Error::invalid_params("familiar.showProposal needs {\"proposal\"} or {\"uri\"}."));
        }
        self.look_up(async move |app: App| {
            let shown: app::Result<PathBuf> = async {
                let proposal = match (id, place) {
                    (Some(id), _) => app.proposal(&id).await?,
                    (None, place) => {
                        let last = app.proposals_at(&place.unwrap_or_default(), 1).await?.pop();
                        last.ok_or_else(|| {
                            app::AppError::new(app::ErrorKind::NotFound, "nothing was edited here yet")
                        })?
                    }
                };
                Ok(app.write_proposal_document(&proposal).await?.path)
            }
            .await;
            shown.map_or_else(|error| Found::Failed("Show changes", error), Found::Document)
        });
        Ok(())
    }

    /// Tells what was edited in a file, newest first.
    pub(super) fn history_command(&mut self, which: &ReviewArguments, reply: Reply<Option<Value>>) {
        let Some(place) = which.uri.as_deref().map(place_of) else {
            return super::answer(reply, Err(Error::invalid_params("familiar.history needs {\"uri\"}.")));
        };
        let (app, settled) = (self.app.clone(), self.settled());
        self.tasks.spawn(async move {
            settled.await;
            let found = app.proposals_at(&place, HISTORY_MAX).await;
            let listed =
                found.map(|all| all.iter().map(|proposal| history_entry(proposal, &place)).collect::<Value>());
            super::answer(reply, listed.map(Some).map_err(|error| messages::rpc_error("history", &error)));
        });
    }

    /// Asks what is to become of a proposal, where the client can ask; else shows it.
    pub(super) fn ask_about(&mut self, proposal: Proposal, document: PathBuf) {
        self.waits_for_decision(Undecided::of(&proposal));
        let (changes, files) = (proposal.said.changes(), proposal.said.files.len());
        let titles: &[&str] =
            if self.client.lets_choose { &[SHOW, APPLY, CHOOSE, DISCARD] } else { &[SHOW, APPLY, DISCARD] };
        let place = if files == 1 { " in 1 file" } else { "" };
        let message = format!("{}: {}{place}", proposal.said.title, counted(changes as u64, "change"));
        let params = json!({
            "type": Level::Info as u8,
            "message": self.client.signed(Surface::Message, &message),
            "actions": titles.iter().map(|title| json!({ "title": title })).collect::<Vec<_>>(),
        });
        let id = self.outbox.request("window/showMessageRequest", params);
        self.asked.insert(id, Asked::Judge(proposal.id, document));
    }

    /// The user decided about a proposal, or the client cannot ask.
    pub(super) fn decided(
        &mut self,
        proposal: String,
        document: PathBuf,
        answer: &std::result::Result<Value, String>,
    ) {
        let which = ReviewArguments { proposal: Some(proposal), ..ReviewArguments::default() };
        let done = match answer.as_ref().map(|answer| answer["title"].as_str().unwrap_or_default()) {
            Ok(APPLY) => self.judge_command(&which, ChangeState::Kept, false),
            Ok(CHOOSE) => self.judge_command(&which, ChangeState::Kept, true),
            Ok(DISCARD) => self.reject_command(&which),
            Ok(SHOW) | Err(_) => {
                self.show_document(document);
                Ok(())
            }
            Ok(_) => {
                // Short enough for one line of a terminal.
                self.tell(Level::Info, "The changes wait for you in the menu of actions");
                Ok(())
            }
        };
        if let Err(error) = done {
            self.tell(Level::Warning, &error.message);
        }
    }
}

fn chosen_changes(proposal: &Proposal, file: Option<usize>, change: Option<usize>) -> Vec<(usize, usize)> {
    let mut changes = proposal.said.every_change();
    changes.retain(|(one, number)| {
        file.is_none_or(|file| file == *one) && change.is_none_or(|change| change == *number)
    });
    changes
}

fn history_entry(proposal: &Proposal, place: &str) -> Value {
    let said = &proposal.said;
    let states = said.files.iter().filter(|file| file.is_at(place)).flat_map(|file| &file.states);
    json!({
        "proposal": proposal.id,
        "createdMs": proposal.created_ms,
        "title": said.title,
        "instruction": said.instruction,
        "states": states.map(|state| serde_json::to_value(state).unwrap_or_default()).collect::<Vec<_>>(),
    })
}
