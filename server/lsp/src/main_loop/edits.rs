//! The ends of jobs, and the way of an edit into the editor.
//!
//! Refuses: believing that an edit was applied. Only the text after the next change tells.

use std::time::Duration;

use app::{Proposal, Proposed};
use engine::EditAction;
use serde_json::{Value, json};
use text::{Document, Edit};

use super::quiet::Front;
use super::{Asked, MainLoop};
use crate::arguments::Feature;
use crate::jobs::delivery::{Begun, Delivery, LateEdit, Purpose, Target, all_in};
use crate::jobs::judging::{ANNOTATION, Judged, changes_in, edits_of};
use crate::jobs::preparing::{self, Belonging, Made, Preparation, Prepared};
use crate::jobs::work::JobEvent;
use crate::jobs::{Job, Phase};
use crate::messages::{self, Level};
use crate::review::{Accepted, Standing, moved};
use crate::uris::path_of;

/// What an edit becomes is worked out anew at most this many times while the text keeps changing.
const PREPARE_ROUNDS_MAX: u32 = 20;

/// How long the editor's text may take to show an edit the editor says it applied, in milliseconds.
const LANDING_MS_MAX: u64 = 5000;
/// When it is looked for the first time: a file that is made, renamed or deleted is told by nothing else.
const LANDING_MS_FIRST: u64 = 300;

/// Edits that were given up and may still come into the text; the oldest is no longer looked for.
const LATE_EDITS_MAX: usize = 16;

impl MainLoop {
    /// Takes what the task of a job tells.
    pub(super) fn job_event(&mut self, number: u64, event: JobEvent) {
        let Some(job) = self.jobs.get_mut(number) else {
            // It was cancelled; whatever it still says is not wanted.
            if let JobEvent::Prepared(prepared) = event {
                self.never_was(&prepared.begun.proposal);
            }
            return;
        };
        let title = job.title.clone();
        match event {
            JobEvent::Progress(message) => job.progress.report(&self.outbox, message),
            JobEvent::About(target) => {
                // Of the text without the comment, where one asked; the job has it in the text as it is.
                if let Some(wish) = &mut job.wish {
                    wish.target = moved(&target, &job.back);
                }
            }
            JobEvent::Preview(text) => self.preview(number, &text, false),
            JobEvent::Explained { path, notice } => {
                self.finish(number, "done");
                if let Some(notice) = notice {
                    self.tell(Level::Warning, &notice);
                }
                self.bring_up(Front::Document(path), 0);
            }
            JobEvent::Edited { edit, summary, notice } => {
                self.say_of(&title, notice);
                self.edited(number, edit, summary);
            }
            JobEvent::Comment(found) => self.comment_found(number, found.map(|found| *found)),
            JobEvent::EditedFiles { files, notice } => {
                let instruction = job.wish.as_ref().and_then(|wish| wish.instruction.clone());
                let title = match files.as_slice() {
                    [_] => title,
                    files => format!("{} {} files", Feature::Edit(EditAction::Edit).verb(), files.len()),
                };
                self.say_of(&title, notice);
                let workspace = self.belongs(number).workspace;
                let said = Proposed { title, instruction, workspace, files };
                self.start(number, |this| preparing::keep(this.app.clone(), said));
            }
            JobEvent::Prepared(prepared) => self.prepared(number, *prepared),
            JobEvent::Proposed { proposal, document } => {
                self.finish(number, "waits for your decision");
                self.bring_up(Front::Question(proposal, document), 0);
            }
            JobEvent::Judged(judged) => self.judged(number, *judged),
            JobEvent::Settled => self.finish(number, "done"),
            JobEvent::Waited { last } => self.waited(number, last),
            JobEvent::LookedAt { is_in, last } => self.looked_at(number, is_in, last),
            JobEvent::Chosen { changes, last } => self.chosen_in(number, changes, last),
            JobEvent::Refused(reason) => self.refuse(number, &reason),
            JobEvent::GivenUp { reason, hint } => {
                let why = messages::joined(&reason, Some(&hint), self.client.cuts_messages);
                self.refuse(number, &why);
            }
            JobEvent::Failed(error) => {
                self.finish(number, "failed");
                self.tell_error(&title, &error);
            }
            JobEvent::Cancelled => self.finish(number, "cancelled"),
        }
    }

    /// Says what the user should know of an edit that was made.
    fn say_of(&self, title: &str, notice: Option<String>) {
        if let Some(notice) = notice {
            self.tell(Level::Warning, &format!("{title}: {notice}"));
        }
    }

    /// After a change of `uri`: deliveries whose edits are now in the texts have ended well.
    pub(super) fn look_for_delivered_edits(&mut self, uri: &str) {
        let Some(document) = self.documents.get(uri) else {
            return;
        };
        let mut landed = Vec::new();
        for number in self.jobs.numbers(|job| matches!(job.phase, Phase::Delivering(_))) {
            let Some(Phase::Delivering(delivery)) = self.jobs.get_mut(number).map(|job| &mut job.phase) else {
                continue;
            };
            for target in delivery.targets.iter_mut().filter(|target| target.uri == uri) {
                target.landed |= target.is_in(document.rope());
            }
            if delivery.files.is_empty() && delivery.targets.iter().all(|target| target.landed) {
                landed.push(number);
            }
        }
        let late = self
            .late_edits
            .iter()
            .position(|late| late.target.uri == uri && late.target.expected == *document.rope());
        for number in landed {
            self.landed(number);
        }
        if let Some(LateEdit { title, begun, target }) = late.and_then(|at| self.late_edits.remove(at)) {
            // It was noted as one that is not there.
            self.settle(begun.proposal.id.clone(), begun.proposal.said.every_change(), app::ChangeState::Standing);
            self.begin_review(uri, title, *begun, &target);
        }
    }

    /// Before a job is given up: an edit that lies with the editor cannot be called back, and is marked when it comes.
    pub(super) fn keep_late_edit(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        match std::mem::replace(&mut job.phase, Phase::Working) {
            Phase::Delivering(delivery) => {
                let Delivery { mut targets, purpose, .. } = *delivery;
                let title = job.title.clone();
                if let (Purpose::Begin(begun), Some(target)) = (purpose, targets.pop()) {
                    let proposal = begun.proposal.clone();
                    if self.late_edits.len() >= LATE_EDITS_MAX {
                        self.late_edits.pop_front();
                    }
                    self.late_edits.push_back(LateEdit { title, begun, target });
                    self.never_was(&proposal);
                }
            }
            phase => job.phase = phase,
        }
    }

    /// The editor answered whether it applied the edit of a job.
    pub(super) fn edit_answered(&mut self, number: u64, result: Result<Value, String>) {
        let Some(title) = self.jobs.get_mut(number).map(|job| job.title.clone()) else {
            return; // Its text has already shown that the edit is in, or the job was cancelled.
        };
        let refusal = match result {
            Ok(result) if result["applied"].as_bool() == Some(true) => None,
            Ok(result) => Some(result["failureReason"].as_str().unwrap_or("it gave no reason").to_owned()),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = refusal {
            if let Some((made, rounds)) = self.typed_meanwhile(number) {
                return self.prepare(number, made, rounds);
            }
            let message = format!("{title}: the editor did not apply the edit ({reason}); try again");
            self.not_applied(number);
            self.tell(Level::Warning, &message);
            return;
        }
        // "Applied" proves nothing: some editors say so for an edit they refused. Wait for the text to tell.
        self.wait_for_text(number, LANDING_MS_FIRST, false);
    }

    /// An edit that the editor refused, when its text is another one by now: it fits that one, perhaps.
    fn typed_meanwhile(&mut self, number: u64) -> Option<(Made, u32)> {
        let job = self.jobs.get_mut(number)?;
        let Phase::Delivering(delivery) = &mut job.phase else { return None };
        let before = delivery.targets.first()?.before.as_ref()?.revision();
        let now = self.documents.get(&job.uri)?.revision();
        delivery.again.take_if(|_| now != before)
    }

    /// Gives the editor time to tell what it did with an edit.
    fn wait_for_text(&mut self, number: u64, ms: u64, last: bool) {
        self.start(number, move |_| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            JobEvent::Waited { last }
        });
    }

    /// The model made an edit: it is sent, or asked about first.
    fn edited(&mut self, number: u64, edit: Edit, summary: String) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let Some(base) = job.base.clone() else {
            return self.refuse(number, "the document is no longer open");
        };
        let made = Made { base: base.rope().clone(), edit, summary, proposal: None, candidate: None };
        if job.asks_first {
            let (wish, belongs) = (job.wish.clone(), self.belongs(number));
            return self.start(number, |this| preparing::propose(this.app.clone(), made, wish, belongs));
        }
        self.prepare(number, made, 0);
    }

    /// Works out what is sent, on the text as it is.
    pub(super) fn prepare(&mut self, number: u64, made: Made, rounds: u32) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let now = self.documents.get(&job.uri).cloned();
        let Some(now) = now.filter(|_| rounds < PREPARE_ROUNDS_MAX) else {
            let is_open = self.documents.get(&job.uri).is_some();
            if let Some(proposal) = made.proposal {
                self.never_was(&proposal);
            }
            let changing = "the text kept changing; try again when it rests";
            return self.refuse(number, if is_open { changing } else { "the document is no longer open" });
        };
        job.phase = Phase::Preparing { rounds: rounds + 1 };
        let over = job.over.clone().map(|over| {
            let standing = self.reviews.get(&job.uri, &over.proposal).cloned();
            (over, standing)
        });
        let wish = job.wish.clone();
        let waiting = self.reviews.of(&job.uri).to_vec();
        let what = Preparation { made, now, over, waiting, wish, belongs: self.belongs(number) };
        self.start(number, |this| preparing::prepare(this.app.clone(), what));
    }

    /// What is to be sent is known; unless the text changed meanwhile it goes out.
    fn prepared(&mut self, number: u64, prepared: Prepared) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let Phase::Preparing { rounds } = job.phase else {
            return;
        };
        let Prepared { made, revision, send, expected, begun } = prepared;
        let Some(now) = self.documents.get(&job.uri).filter(|now| now.revision() == revision).cloned() else {
            return self.prepare(number, made, rounds);
        };
        let target =
            Target { uri: job.uri.clone(), before: Some(now.clone()), expected, creates: false, landed: false };
        let (summary, purpose) = (made.summary.clone(), Purpose::Begin(Box::new(begun)));
        let again = Some((made, rounds));
        let delivery = Delivery { targets: vec![target], files: Vec::new(), summary, purpose, again };
        self.deliver_edit(number, &send, &now, delivery);
    }

    /// Sends an edit of one document, versioned.
    pub(super) fn deliver_edit(&mut self, number: u64, edit: &Edit, now: &Document, delivery: Delivery) {
        let Ok(changes) = edit.to_changes(now.rope(), self.client.encoding) else {
            return self.refuse(number, "the edit does not fit the text");
        };
        // Neovim does not declare `documentChanges` and takes them; without them no version would be checked.
        let document = json!({ "uri": now.uri(), "version": now.version() });
        let operations = vec![json!({ "textDocument": document, "edits": edits_of(&changes) })];
        self.deliver(number, operations, delivery);
    }

    /// Sends one edit of the workspace.
    fn deliver(&mut self, number: u64, operations: Vec<Value>, delivery: Delivery) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let mut params = json!({
            "label": format!("Familiar: {}", job.title),
            "edit": { "documentChanges": operations },
        });
        if let Purpose::Settle { lets_choose: true, proposal, .. } = &delivery.purpose {
            params["edit"]["changeAnnotations"] = json!({
                ANNOTATION: { "label": format!("Familiar: {}", proposal.said.title), "needsConfirmation": true },
            });
        }
        job.phase = Phase::Delivering(Box::new(delivery));
        let id = self.outbox.request("workspace/applyEdit", params);
        self.asked.insert(id, Asked::Apply(number));
    }

    /// What was decided about a proposal is sent, unless a text changed meanwhile.
    fn judged(&mut self, number: u64, judged: Judged) {
        let Judged { proposal, changes, state, operations, targets, files, revisions, lets_choose, accepted } =
            judged;
        let is_now = |(uri, revision): &(String, u64)| {
            self.documents.get(uri).is_some_and(|now| now.revision() == *revision)
        };
        if !revisions.iter().all(is_now) {
            return self.refuse(number, "you typed in one of the files just now; try again");
        }
        let summary = match changes.len() {
            1 => "1 change".to_owned(),
            many => format!("{many} changes"),
        };
        let purpose = Purpose::Settle { proposal, changes, state, lets_choose, accepted };
        self.deliver(number, operations, Delivery { targets, files, summary, purpose, again: None });
    }

    /// An edit is in.
    fn landed(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let phase = std::mem::replace(&mut job.phase, Phase::Working);
        let Phase::Delivering(delivery) = phase else {
            job.phase = phase;
            return;
        };
        let (uri, title) = (job.uri.clone(), job.title.clone());
        let Delivery { mut targets, summary, purpose, .. } = *delivery;
        self.finish(number, if summary.is_empty() { "done" } else { &summary });
        match purpose {
            Purpose::Begin(begun) => {
                if let Some(target) = targets.pop() {
                    self.begin_review(&uri, title, *begun, &target);
                }
            }
            Purpose::TakeBack { changes } => self.taken_back(changes),
            Purpose::Settle { proposal, changes, state, accepted, .. } => {
                self.settle(proposal.id, changes.clone(), state);
                self.follow_accepted(accepted, &changes, &targets);
            }
        }
    }

    /// Follows those of the accepted changes that are in, where their documents are open, so that undoing one is
    /// noticed.
    fn follow_accepted(
        &mut self,
        accepted: Vec<(String, Accepted)>,
        is_in: &[(usize, usize)],
        targets: &[Target],
    ) {
        for (uri, accepted) in accepted {
            let Some(now) = self.documents.get(&uri).map(|now| now.rope().clone()) else { continue };
            let Some(target) = targets.iter().find(|target| target.uri == uri) else { continue };
            let file = accepted.file;
            let mut accepted = accepted.only(|number| is_in.contains(&(file, number)));
            if now != target.expected {
                // Typing came right behind the edit, or the user left some of its changes out.
                let typed = text::minimal_edit(&target.expected.to_string(), &now.to_string());
                let turned = accepted.follow(&target.expected, &[(typed, now)]);
                self.turned(turned);
            }
            self.reviews.accept(&uri, accepted);
        }
    }

    /// The editor said it applied an edit, and had its time to show it.
    fn waited(&mut self, number: u64, last: bool) {
        let Some(Phase::Delivering(delivery)) = self.jobs.get_mut(number).map(|job| &job.phase) else {
            return;
        };
        if let Purpose::Settle { lets_choose: true, proposal, changes, .. } = &delivery.purpose {
            let (proposal, changes, open) = (proposal.clone(), changes.clone(), self.documents_by_place());
            return self.start(number, |_| async move {
                let looked = tokio::task::spawn_blocking(move || changes_in(&proposal, &changes, &open));
                JobEvent::Chosen { changes: looked.await.unwrap_or_default(), last }
            });
        }
        let now = |target: &Target| self.documents.get(&target.uri).cloned();
        let targets: Vec<_> = delivery.targets.iter().map(|target| (target.clone(), now(target))).collect();
        let files = delivery.files.clone();
        self.start(number, |_| async move {
            let looked = tokio::task::spawn_blocking(move || all_in(&targets, &files, last));
            JobEvent::LookedAt { is_in: looked.await.unwrap_or(false), last }
        });
    }

    /// The texts were compared with what the edit was to make of them.
    fn looked_at(&mut self, number: u64, is_in: bool, last: bool) {
        if is_in {
            return self.landed(number);
        }
        if !last {
            return self.wait_for_text(number, LANDING_MS_MAX - LANDING_MS_FIRST, true);
        }
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let message = format!("{}: the editor's text does not show the edit; look at it and try again", job.title);
        self.keep_late_edit(number);
        self.not_applied(number);
        self.tell(Level::Warning, &message);
    }

    /// The user chose among the changes; these are in.
    fn chosen_in(&mut self, number: u64, changes: Vec<(usize, usize)>, last: bool) {
        let Some(Phase::Delivering(delivery)) = self.jobs.get_mut(number).map(|job| &mut job.phase) else {
            return;
        };
        if let Purpose::Settle { proposal, changes: all, state, accepted, .. } = &mut delivery.purpose {
            if changes.len() < all.len() && !last {
                // Either the user left some out, or the editor is not done.
                return self.wait_for_text(number, LANDING_MS_MAX - LANDING_MS_FIRST, true);
            }
            let (id, done, state) =
                (proposal.id.clone(), format!("{} of {} changes", changes.len(), all.len()), *state);
            let (accepted, targets) = (std::mem::take(accepted), std::mem::take(&mut delivery.targets));
            self.finish(number, &done);
            self.settle(id, changes.clone(), state);
            self.follow_accepted(accepted, &changes, &targets);
        }
    }

    /// Ends a job whose edit is not in the text.
    fn not_applied(&mut self, number: u64) {
        let kept = self.jobs.get_mut(number).and_then(|job| match &job.phase {
            Phase::Delivering(delivery) => match &delivery.purpose {
                Purpose::Begin(begun) => Some(begun.proposal.clone()),
                _ => None,
            },
            _ => None,
        });
        self.finish(number, "not applied");
        if let Some(proposal) = kept {
            self.never_was(&proposal);
        }
    }

    /// A proposal that was kept before it was sent did not come into the text.
    fn never_was(&mut self, proposal: &Proposal) {
        let changes = proposal.said.every_change();
        self.settle(proposal.id.clone(), changes, app::ChangeState::Reverted);
    }

    /// Ends a job with the reason why there is no edit.
    pub(super) fn refuse(&mut self, number: u64, reason: &str) {
        if let Some(title) = self.jobs.get_mut(number).map(|job| job.title.clone()) {
            self.finish(number, "no change");
            self.tell(Level::Warning, &format!("{title}: {reason}"));
        }
    }

    /// Marks the changes of an edit that is in.
    fn begin_review(&mut self, uri: &str, title: String, begun: Begun, target: &Target) {
        let Begun { proposal, over, base, hunks, wish, candidates, shown } = begun;
        if let Some(over) = over.filter(|over| *over != proposal.id) {
            self.superseded(uri, &over);
        }
        let review = engine::Review::new(base, &hunks, &target.expected);
        let (id, instruction) = (proposal.id.clone(), proposal.said.instruction.clone());
        let mut standing = Standing { proposal: id, file: 0, title, instruction, review, wish, candidates, shown };
        let Some(now) = self.documents.get(uri).map(|now| now.rope().clone()) else {
            return;
        };
        if now != target.expected {
            // Typing came right behind the edit. Edits that waited before have followed it already.
            let typed = text::minimal_edit(&target.expected.to_string(), &now.to_string());
            let turned = standing.follow(&target.expected, &[(typed, now)]);
            self.turned(turned);
        }
        if let Some(oldest) = self.reviews.insert(uri, standing) {
            self.settle_standing(&oldest, app::ChangeState::Kept);
        }
        let displaced = self.reviews.displace(uri, &proposal.id);
        self.turned(displaced);
        self.show_review(uri);
    }

    /// Where the edit of a job belongs.
    fn belongs(&mut self, number: u64) -> Belonging {
        let (uri, title) = self
            .jobs
            .get_mut(number)
            .map(|job: &mut Job| (job.uri.clone(), job.title.clone()))
            .unwrap_or_default();
        let path = path_of(&uri);
        let workspace = self.workspaces.of(path.as_deref());
        let inside =
            path.as_deref().zip(workspace.as_deref()).and_then(|(path, root)| path.strip_prefix(root).ok());
        let name = match (inside, &path) {
            (Some(inside), _) => inside.to_string_lossy().into_owned(),
            (None, Some(path)) => path.to_string_lossy().into_owned(),
            (None, None) => crate::uris::name_of(&uri),
        };
        let place = path.map_or_else(|| uri.clone(), |path| path.to_string_lossy().into_owned());
        Belonging { title, workspace, place, name }
    }
}
