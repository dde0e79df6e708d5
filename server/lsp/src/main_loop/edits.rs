//! The ends of jobs, and the way of an edit into the editor.
//!
//! Refuses: believing that an edit was applied. Only the text after the next change tells.

use std::time::Duration;

use serde_json::{Value, json};
use text::{Document, Edit};

use super::{Asked, MainLoop};
use crate::documents::lsp_range_of;
use crate::jobs::work::{self, JobEvent};
use crate::jobs::{Delivery, Phase};
use crate::messages::{self, Level};

/// An edit is moved over typing at most this many times before it is given up.
const REBASE_ROUNDS_MAX: u32 = 20;

/// How long the editor's text may take to show an edit the editor says it applied, in milliseconds.
const LANDING_MS_MAX: u64 = 2000;

impl MainLoop {
    /// Takes what the task of a job tells.
    pub(super) fn job_event(&mut self, number: u64, event: JobEvent) {
        let Some(job) = self.jobs.get_mut(number) else {
            return; // It was cancelled; whatever it still says is not wanted.
        };
        let title = job.title.clone();
        match event {
            JobEvent::Progress(message) => job.progress.report(&self.outbox, message),
            JobEvent::Explained { path, notice } => {
                self.finish(number, "done");
                if let Some(notice) = notice {
                    messages::show(&self.outbox, Level::Warning, &notice);
                }
                self.show_document(path);
            }
            JobEvent::Edited { edit, summary } => self.place(number, edit, summary, 0),
            JobEvent::Rebased { edit, revision } => self.rebased(number, edit, revision),
            JobEvent::Waited => self.waited(number),
            JobEvent::LookedAt { is_in } => self.looked_at(number, is_in),
            JobEvent::Refused(reason) => self.refuse(number, &reason),
            JobEvent::Failed(error) => {
                self.finish(number, "failed");
                messages::show_error(&self.outbox, &title, &error);
            }
            JobEvent::Cancelled => self.finish(number, "cancelled"),
        }
    }

    /// After a change of `uri`: jobs whose edit is now in the text have ended well.
    pub(super) fn look_for_delivered_edits(&mut self, uri: &str) {
        let Some(document) = self.documents.get(uri) else {
            return;
        };
        let landed = self.jobs.numbers(|job| match &job.phase {
            Phase::Delivering(delivery) => job.uri == uri && delivery.expected == *document.rope(),
            _ => false,
        });
        for number in landed {
            self.landed(number);
        }
    }

    /// The editor answered whether it applied the edit of a job.
    pub(super) fn edit_answered(&mut self, number: u64, result: Result<Value, String>) {
        let Some(job) = self.jobs.get_mut(number) else {
            return; // Its text has already shown that the edit is in, or the job was cancelled.
        };
        let refusal = match result {
            Ok(result) if result["applied"].as_bool() == Some(true) => None,
            Ok(result) => Some(result["failureReason"].as_str().unwrap_or("it gave no reason").to_owned()),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = refusal {
            let message = format!("{}: the editor did not apply the edit ({reason}); try again", job.title);
            self.finish(number, "not applied");
            messages::show(&self.outbox, Level::Warning, &message);
            return;
        }
        // "Applied" proves nothing: some editors say so for an edit they refused. Wait for the text to tell.
        self.start(number, |_| async {
            tokio::time::sleep(Duration::from_millis(LANDING_MS_MAX)).await;
            JobEvent::Waited
        });
    }

    /// Sends an edit made for the base document, or first moves it over what was typed since.
    fn place(&mut self, number: u64, edit: Edit, summary: String, rounds: u32) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let (Some(base), Some(now)) = (job.base.clone(), self.documents.get(&job.uri)) else {
            return self.refuse(number, "the document is no longer open");
        };
        if base.revision() == now.revision() {
            let now = now.clone();
            return self.deliver(number, &edit, &now, summary);
        }
        if rounds >= REBASE_ROUNDS_MAX {
            return self.refuse(number, "the text kept changing; try again when it rests");
        }
        let now = now.clone();
        job.phase = Phase::Rebasing { rounds: rounds + 1, summary };
        job.base = Some(now.clone());
        self.start(number, |_| work::rebase(edit, base, now));
    }

    fn rebased(&mut self, number: u64, edit: Option<Edit>, revision: u64) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let Phase::Rebasing { rounds, summary } = &job.phase else {
            return;
        };
        debug_assert_eq!(job.base.as_ref().map(Document::revision), Some(revision));
        let (rounds, summary) = (*rounds, summary.clone());
        match edit {
            Some(edit) => self.place(number, edit, summary, rounds),
            None => self.refuse(number, "you changed the same text meanwhile; nothing was overwritten"),
        }
    }

    /// One versioned edit of one document.
    fn deliver(&mut self, number: u64, edit: &Edit, now: &Document, summary: String) {
        if edit.is_empty() {
            return self.refuse(number, "there is nothing to change");
        }
        let rope = now.rope();
        let (Ok(expected), Ok(changes)) = (edit.apply(rope), edit.to_changes(rope, self.client.encoding)) else {
            return self.refuse(number, "the edit does not fit the text");
        };
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let edits: Vec<Value> = changes
            .iter()
            .filter_map(|change| Some(json!({ "range": lsp_range_of(change.range?), "newText": change.text })))
            .collect();
        let document = json!({ "uri": job.uri, "version": now.version() });
        // Neovim does not declare `documentChanges` and takes them; without them no version would be checked.
        let params = json!({
            "label": format!("Familiar: {}", job.title),
            "edit": { "documentChanges": [{ "textDocument": document, "edits": edits }] },
        });
        job.phase = Phase::Delivering(Delivery { before: now.clone(), expected, summary });
        let id = self.outbox.request("workspace/applyEdit", params);
        self.asked.insert(id, Asked::Apply(number));
    }

    fn landed(&mut self, number: u64) {
        let last = match self.jobs.get_mut(number).map(|job| &job.phase) {
            Some(Phase::Delivering(delivery)) if !delivery.summary.is_empty() => delivery.summary.clone(),
            _ => "done".to_owned(),
        };
        self.finish(number, &last);
    }

    /// The editor said it applied an edit, and had its time to show it.
    fn waited(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let Phase::Delivering(delivery) = &job.phase else {
            return;
        };
        let now = self.documents.get(&job.uri).filter(|now| now.revision() > delivery.before.revision());
        let Some(now) = now.cloned() else {
            return self.looked_at(number, false); // The text is the one the edit was made for.
        };
        // Typing right after the edit changes the text too, so the whole of it is compared.
        let (before, expected) = (delivery.before.clone(), delivery.expected.clone());
        self.start(number, |_| work::look_for_edit(before, expected, now));
    }

    /// The text was compared with what the edit was to make of it.
    fn looked_at(&mut self, number: u64, is_in: bool) {
        if is_in {
            return self.landed(number);
        }
        let Some(job) = self.jobs.get_mut(number) else {
            return;
        };
        let message = format!("{}: the editor's text does not show the edit; look at it and try again", job.title);
        self.finish(number, "not applied");
        messages::show(&self.outbox, Level::Warning, &message);
    }

    /// Ends a job with the reason why there is no edit.
    fn refuse(&mut self, number: u64, reason: &str) {
        if let Some(title) = self.jobs.get_mut(number).map(|job| job.title.clone()) {
            self.finish(number, "no change");
            messages::show(&self.outbox, Level::Warning, &format!("{title}: {reason}"));
        }
    }
}
