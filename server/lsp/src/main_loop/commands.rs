//! Commands: checked, answered at once, and begun as jobs.
//!
//! Refuses: beginning what cannot end well. A closed or lost document, a client that applies no edits and a missing
//! instruction are errors of the command, not of a job.

use app::{AppError, EditRequest, ErrorKind, Status};
use engine::EditAction;
use serde_json::Value;
use text::{Document, position};
use tower_lsp::gen_lsp_types::ProgressToken;
use tower_lsp::jsonrpc::{Error, Result};

use super::{Asked, Event, LATE_MAX, MainLoop, answer};
use crate::arguments::{CommandName, Feature, Part, Place, Target, cancel_target};
use crate::door::{CommandRequest, Reply};
use crate::jobs::progress::Progress;
use crate::jobs::work::{self, Explain, ExplainPart};
use crate::jobs::{DELIVERIES_MAX, Full, JOBS_MAX, Job, Phase};
use crate::messages::{self, Level, request_failed};
use crate::uris::{name_of, path_of, uri_of};

impl MainLoop {
    /// Answers a command; what it begins is delivered later.
    pub(super) fn command(&mut self, request: CommandRequest) {
        let arguments = request.params.arguments.unwrap_or_default();
        let token = request.params.work_done_progress_params.work_done_token;
        let outcome = match CommandName::parse(&request.params.command) {
            None => Err(Error::invalid_params(format!("There is no command {}.", request.params.command))),
            Some(CommandName::Cancel) => self.cancel_command(&arguments),
            Some(CommandName::Status) => {
                self.show_status();
                Ok(())
            }
            Some(CommandName::Feature(_)) if request.cancel.is_cancelled() => Err(Error::request_cancelled()),
            Some(CommandName::Feature(feature)) => {
                self.begin(feature, &arguments, token).map(|number| {
                    if let Some(job) = self.jobs.get_mut(number) {
                        job.request = request.request;
                        // A handler that is dropped before it was answered ends the job with it.
                        let (job, request) = (job.cancel.clone(), request.cancel.clone());
                        self.tasks.spawn(async move {
                            tokio::select! {
                                () = request.cancelled() => job.cancel(),
                                () = job.cancelled() => {}
                            }
                        });
                    }
                })
            }
        };
        answer(request.reply, outcome.map(|()| None));
    }

    /// Ends the jobs for which `wanted` holds, and says why where their progress is shown. Returns how many.
    pub(super) fn cancel_jobs(&mut self, wanted: impl Fn(&Job) -> bool, why: &str) -> usize {
        let numbers = self.jobs.numbers(wanted);
        for number in &numbers {
            self.finish(*number, why);
        }
        numbers.len()
    }

    /// Ends a job, which says `last` where its progress is shown.
    pub(super) fn finish(&mut self, number: u64, last: &str) {
        if let Some(mut job) = self.jobs.remove(number) {
            job.cancel.cancel();
            if job.progress.end(&self.outbox, last) && self.late.len() < LATE_MAX {
                self.late.insert(number, job.progress);
            }
        }
    }

    /// Answers with the state of everything, without keeping the loop.
    pub(super) fn status(&mut self, reply: Reply<Value>) {
        let app = self.app.clone();
        self.tasks.spawn(async move {
            let status = tokio::task::spawn_blocking(move || serde_json::to_value(app.status())).await;
            let status = status
                .map_err(|error| AppError::new(ErrorKind::Bug, error.to_string()))
                .and_then(|status| status.map_err(|error| AppError::new(ErrorKind::Bug, error.to_string())));
            answer(reply, status.map_err(|error| messages::rpc_error("status", &error)));
        });
    }

    fn show_status(&mut self) {
        let (app, events) = (self.app.clone(), self.events.clone());
        self.tasks.spawn(async move {
            if let Ok(status) = tokio::task::spawn_blocking(move || app.status()).await {
                let _ = events.send(Event::Status(Box::new(status))).await;
            }
        });
    }

    fn cancel_command(&mut self, arguments: &[Value]) -> Result<()> {
        let token = cancel_target(arguments).map_err(Error::invalid_params)?;
        let wanted = |job: &Job| token.as_ref().is_none_or(|token| job.progress.name() == *token);
        if self.cancel_jobs(wanted, "cancelled") == 0 {
            messages::show(&self.outbox, Level::Info, "Familiar has nothing to cancel");
        }
        Ok(())
    }

    /// Begins a job and returns its number.
    fn begin(&mut self, feature: Feature, arguments: &[Value], token: Option<ProgressToken>) -> Result<u64> {
        let target = Target::parse(arguments).map_err(Error::invalid_params)?;
        if feature == Feature::Edit(EditAction::Edit) && target.instruction.is_none() {
            let how = self.client.how_to_instruct();
            return Err(Error::invalid_params(format!("familiar.edit needs an instruction. {how}")));
        }
        match self.jobs.full() {
            None => {}
            Some(Full::Running) => {
                return Err(request_failed(format!(
                    "{JOBS_MAX} jobs are running already; wait for one or cancel one with familiar.cancel"
                )));
            }
            Some(Full::Delivering) => {
                return Err(request_failed(format!(
                    "{DELIVERIES_MAX} edits wait for you in the editor; answer it, or cancel them with familiar.cancel"
                )));
            }
        }
        let uri = self.uri_of(&target.place)?;
        if self.documents.is_lost(&uri) {
            return Err(request_failed(format!(
                "The text of {} is not known for sure; close and reopen it",
                name_of(&uri)
            )));
        }
        match feature {
            Feature::Explain => self.begin_explain(uri, target, token),
            Feature::Edit(action) => self.begin_edit(action, uri, target, token),
        }
    }

    fn begin_explain(&mut self, uri: String, target: Target, token: Option<ProgressToken>) -> Result<u64> {
        let document = self.documents.get(&uri).cloned();
        let part = match &document {
            Some(document) => ExplainPart::Bytes(self.bytes_of(document, &target.part)?),
            None => whole_lines(&target.part),
        };
        let path = path_of(&uri);
        if document.is_none() && path.is_none() {
            return Err(request_failed(format!("{} is not open", name_of(&uri))));
        }
        let name = name_of(&uri);
        let what = Explain {
            workspace: self.workspaces.of(path.as_deref()),
            path: path.unwrap_or_else(|| name.clone().into()),
            name,
            document,
            part,
            instruction: target.instruction,
            open: self.documents.snapshots(),
        };
        let number = self.add_job(Feature::Explain, uri, None, token);
        self.start(number, |this| work::explain(this.app.clone(), what, this.teller(number)));
        Ok(number)
    }

    fn begin_edit(
        &mut self,
        action: EditAction,
        uri: String,
        target: Target,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
        if !self.client.applies_edits {
            return Err(request_failed("This editor does not apply edits for language servers"));
        }
        let Some(document) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open; open it in the editor first", name_of(&uri))));
        };
        let selection = self.bytes_of(&document, &target.part)?;
        let path = path_of(&uri);
        let request = EditRequest {
            workspace: self.workspaces.of(path.as_deref()),
            path,
            document: document.clone(),
            selection,
            action,
            instruction: target.instruction,
            open_buffers: Vec::new(),
            open_files: Vec::new(),
        };
        let open = self.documents.snapshots();
        let number = self.add_job(Feature::Edit(action), uri, Some(document), token);
        self.start(number, |this| work::edit(this.app.clone(), request, open, this.teller(number)));
        Ok(number)
    }

    fn add_job(
        &mut self,
        feature: Feature,
        uri: String,
        base: Option<Document>,
        token: Option<ProgressToken>,
    ) -> u64 {
        let number = self.jobs.next_number();
        let title = format!("{} {}", feature.verb(), name_of(&uri));
        let (progress, asked) =
            Progress::start(&self.outbox, &self.client, token, number, &format!("Familiar: {title}"));
        if let Some(id) = asked {
            self.asked.insert(id, Asked::Progress(number));
        }
        let job = Job {
            uri,
            title,
            cancel: tokio_util::sync::CancellationToken::new(),
            request: None,
            progress,
            base,
            phase: Phase::Working,
        };
        self.jobs.insert(number, job);
        number
    }

    /// Runs a task for a job until it ends or the job is cancelled.
    pub(super) fn start<W>(&mut self, number: u64, work: impl FnOnce(&Self) -> W)
    where
        W: Future<Output = work::JobEvent> + Send + 'static,
    {
        let Some(cancel) = self.jobs.get_mut(number).map(|job| job.cancel.clone()) else {
            return;
        };
        let work = work(self);
        self.teller(number).spawn(&mut self.tasks, cancel, work);
    }

    /// The URI under which the editor knows a place.
    fn uri_of(&self, place: &Place) -> Result<String> {
        let path = match place {
            // One file can be written as a URI in several ways; the editor's own way finds the document.
            Place::Uri(uri) if self.documents.is_open(uri) => return Ok(uri.clone()),
            Place::Uri(uri) => path_of(uri),
            Place::Path(path) => Some(path.clone()),
        };
        let open = path.as_deref().and_then(|path| self.documents.uri_at(path));
        let uri = match (open, place) {
            (Some(uri), _) => Some(uri.to_owned()),
            (None, Place::Uri(uri)) => Some(uri.clone()),
            (None, Place::Path(path)) => uri_of(path),
        };
        uri.ok_or_else(|| Error::invalid_params("The path names no file"))
    }

    fn bytes_of(&self, document: &Document, part: &Part) -> Result<std::ops::Range<usize>> {
        let rope = document.rope();
        match part {
            Part::Range(range) => Ok(position::bytes_of(rope, *range, self.client.encoding)),
            Part::Lines(first, last) => {
                let (first, last) = (*first as usize - 1, (*last as usize).min(rope.len_lines()));
                if first >= rope.len_lines() {
                    let lines = rope.len_lines();
                    let name = name_of(document.uri());
                    return Err(Error::invalid_params(format!(
                        "Line {} is past the {lines} lines of {name}",
                        first + 1
                    )));
                }
                Ok(rope.line_to_byte(first)..rope.line_to_byte(last))
            }
        }
    }
}

/// The lines of a part of a file that is not open.
fn whole_lines(part: &Part) -> ExplainPart {
    match part {
        Part::Lines(first, last) => ExplainPart::Lines(*first, *last),
        Part::Range(range) => {
            let (start, end) = (range.start.min(range.end), range.start.max(range.end));
            // A range that ends before the first column of a line does not touch that line.
            let last =
                if end.character == 0 && end.line > start.line { end.line } else { end.line.saturating_add(1) };
            ExplainPart::Lines(start.line.saturating_add(1), last)
        }
    }
}

/// The state of everything in one line.
pub(super) fn status_line(status: &Status) -> String {
    let model = match (&status.model.name, &status.model.hint) {
        (Some(name), _) => format!("model {name} ({})", status.model.state),
        (None, Some(hint)) => format!("no model; {hint}"),
        (None, None) => "no model".to_owned(),
    };
    let files: u64 = status.workspaces.iter().map(|workspace| workspace.files).sum();
    format!("Familiar {}: {model}; {} workspaces with {files} files", status.version, status.workspaces.len())
}
