//! Commands: checked, answered at once, and begun as jobs.
//!
//! Refuses: beginning what cannot end well. A closed or lost document, a client that applies no edits and a missing
//! instruction are errors of the command, not of a job.

use app::{AppError, ChangeState, EditRequest, ErrorKind, Status, counted};
use engine::{EditAction, Trigger, TriggerKind};
use serde_json::Value;
use text::{Document, Edit, position};
use tower_lsp::gen_lsp_types::ProgressToken;
use tower_lsp::jsonrpc::{Error, Result};

use super::{Asked, Event, LATE_MAX, MainLoop, answer};
use crate::arguments::{
    ChangesCommand, CommandName, Feature, Part, Place, ReviewArguments, Target, cancel_target,
};
use crate::door::{CommandRequest, Reply};
use crate::jobs::drawing::{self, Draw};
use crate::jobs::progress::Progress;
use crate::jobs::work::{self, Explain, ExplainPart};
use crate::jobs::{DELIVERIES_MAX, Full, JOBS_MAX, Job, Over};
use crate::messages::{self, Level, request_failed};
use crate::review::{Wish, moved};
use crate::uris::{name_of, path_of, uri_of};

/// A selection longer than this describes no image, in bytes; the queue counts characters.
const PROMPT_BYTES_MAX: usize = 16_000;

/// How an edit is asked for, besides what is wished.
#[derive(Default)]
struct EditAsked {
    /// The edit in whose place it is to stand.
    over: Option<Over>,
    /// What it goes on from.
    earlier: Option<String>,
    /// Whether it is asked about before it is sent; as configured when nobody says.
    asks_first: Option<bool>,
    /// Whether it may change other files.
    several_files: bool,
    /// The document with the comment that asks for it, which goes with it.
    commented: Option<Document>,
}

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
            Some(CommandName::Changes(command)) => {
                let which = ReviewArguments::parse(&arguments).map_err(Error::invalid_params);
                match (command, which) {
                    (ChangesCommand::History, Ok(which)) => return self.history_command(&which, request.reply),
                    (command, which) => which.and_then(|which| self.changes_command(command, &which, token)),
                }
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
        if let Err(error) = &outcome
            && self.client.hides_errors
        {
            self.tell(Level::Warning, &error.message);
        }
        answer(request.reply, outcome.map(|()| None));
    }

    /// Ends the jobs for which `wanted` holds, and says why where their progress is shown. Returns how many.
    pub(super) fn cancel_jobs(&mut self, wanted: impl Fn(&Job) -> bool, why: &str) -> usize {
        let numbers = self.jobs.numbers(wanted);
        for number in &numbers {
            self.keep_late_edit(*number);
            self.finish(*number, why);
        }
        numbers.len()
    }

    /// Ends a job, which says `last` where its progress is shown.
    pub(super) fn finish(&mut self, number: u64, last: &str) {
        self.preview(number, "", true);
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
            self.tell(Level::Info, "Nothing is running that could be cancelled");
        }
        Ok(())
    }

    /// Begins a job and returns its number.
    fn begin(&mut self, feature: Feature, arguments: &[Value], token: Option<ProgressToken>) -> Result<u64> {
        let target = Target::parse(arguments).map_err(Error::invalid_params)?;
        if matches!(feature, Feature::Edit(EditAction::Edit) | Feature::Ask) && target.instruction.is_none() {
            let how = self.client.how_to_instruct();
            return Err(Error::invalid_params(format!("{} needs an instruction. {how}", feature.command())));
        }
        self.room_for_a_job()?;
        let uri = self.uri_of(&target.place)?;
        if self.documents.is_lost(&uri) {
            return Err(request_failed(format!(
                "The text of {} is not known for sure; close and reopen it",
                name_of(&uri)
            )));
        }
        match feature {
            Feature::Explain | Feature::Review | Feature::Ask => self.begin_explain(feature, uri, target, token),
            Feature::Edit(action) => self.begin_edit(action, uri, target, token),
            Feature::Image => self.begin_image(uri, target, token),
        }
    }

    fn room_for_a_job(&self) -> Result<()> {
        match self.jobs.full() {
            None => Ok(()),
            Some(Full::Running) => Err(request_failed(format!(
                "{JOBS_MAX} jobs are running already; wait for one or cancel one with familiar.cancel"
            ))),
            Some(Full::Delivering) => Err(request_failed(format!(
                "{DELIVERIES_MAX} edits wait for you in the editor; answer it, or cancel them with familiar.cancel"
            ))),
        }
    }

    /// What is to happen to changes of an edit.
    fn changes_command(
        &mut self,
        command: ChangesCommand,
        which: &ReviewArguments,
        token: Option<ProgressToken>,
    ) -> Result<()> {
        match command {
            ChangesCommand::Keep => self.keep_command(which),
            ChangesCommand::Revert => self.revert_command(which),
            ChangesCommand::Retry => self.begin_again(which, token),
            ChangesCommand::FollowUp => self.begin_follow_up(which, token),
            ChangesCommand::Alternative => self.alternative_command(which),
            ChangesCommand::ShowProposal => self.show_proposal_command(which),
            ChangesCommand::Accept => self.judge_command(which, ChangeState::Kept, false),
            ChangesCommand::Reject => self.reject_command(which),
            ChangesCommand::TakeBack => self.judge_command(which, ChangeState::Reverted, false),
            ChangesCommand::Comment => self.comment_command(which),
            // It answers with what it finds, so it does not come here.
            ChangesCommand::History => Ok(()),
        }
    }

    /// Does what a comment at a place asks for.
    fn comment_command(&mut self, which: &ReviewArguments) -> Result<()> {
        let (Some(uri), Some(position)) = (&which.uri, &which.position) else {
            return Err(Error::invalid_params("familiar.comment needs {\"uri\", \"position\"}."));
        };
        let (uri, line) = (self.known_uri(uri), position.line);
        let Some(document) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open; open it in the editor first", name_of(&uri))));
        };
        let number = self.add_silent_job(uri, "Comment".to_owned())?;
        if let Some(job) = self.jobs.get_mut(number) {
            job.base = Some(document.clone());
        }
        self.start(number, |_| work::find_comment(document, line));
        Ok(())
    }

    /// Begins what a comment asks for: an edit, which takes the comment out with it, or an answer.
    pub(super) fn comment_found(&mut self, number: u64, found: Option<Trigger>) {
        let Some((uri, Some(document))) = self.jobs.get_mut(number).map(|job| (job.uri.clone(), job.base.clone()))
        else {
            return;
        };
        self.finish(number, "done");
        let Some(trigger) = found else {
            let message = "No comment asks for anything here; write `familiar: ...` or `familiar? ...`";
            return self.tell(Level::Info, message);
        };
        let begun = match trigger.kind {
            TriggerKind::Edit => self.begin_commented(uri, &document, trigger),
            TriggerKind::Question => {
                let part = Part::Range(position::range_of(document.rope(), trigger.target, self.client.encoding));
                let place = Place::Uri(uri.clone());
                let instruction = Some(trigger.instruction);
                let target = Target { place, part, instruction, asks_first: None, several_files: false };
                self.begin_explain(Feature::Ask, uri, target, None)
            }
        };
        if let Err(error) = begun {
            self.tell(Level::Warning, &error.message);
        }
    }

    fn begin_commented(&mut self, uri: String, document: &Document, trigger: Trigger) -> Result<u64> {
        let misfit = |_| request_failed("The comment cannot be taken out");
        let removal = Edit::replace(trigger.removal.start, trigger.removal.end, "").map_err(misfit)?;
        let without = removal.apply(document.rope()).map_err(misfit)?;
        let target = moved(&trigger.target, &removal);
        let base = Document::new(&uri, document.language_id(), document.version(), &without.to_string());
        let wish = Wish { action: EditAction::Edit, instruction: Some(trigger.instruction), target, variation: 0 };
        let asked = EditAsked { commented: Some(document.clone()), ..EditAsked::default() };
        self.begin_edit_of(uri, base, wish, asked, None)
    }

    /// Asks for another version of an edit. The one that is there stays until the new one is.
    fn begin_again(&mut self, which: &ReviewArguments, token: Option<ProgressToken>) -> Result<()> {
        let (uri, standing) = self.standing_at(which)?;
        let (Some(wish), Some(target)) = (standing.wish.clone(), standing.target_in_base()) else {
            return Err(request_failed("This edit was asked for in an earlier session; ask for it anew"));
        };
        let Some(now) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open", name_of(&uri))));
        };
        let base = Document::new(&uri, now.language_id(), now.version(), &standing.base(now.rope()).to_string());
        let wish = Wish { target, variation: wish.variation + 1, ..wish };
        let over = Over { proposal: standing.proposal, goes_on: false };
        let asked = EditAsked { over: Some(over), asks_first: Some(false), ..EditAsked::default() };
        self.begin_edit_of(uri, base, wish, asked, token).map(drop)
    }

    /// Goes on from an edit that waits: what comes is judged together with it.
    fn begin_follow_up(&mut self, which: &ReviewArguments, token: Option<ProgressToken>) -> Result<()> {
        let Some(instruction) = which.instruction.clone() else {
            return Err(Error::invalid_params("familiar.followUp needs an instruction."));
        };
        let (uri, standing) = self.standing_at(which)?;
        let Some(now) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open", name_of(&uri))));
        };
        let first = standing.review.standing().next().map_or(0..0, |(_, bytes)| bytes);
        let (target, earlier) = match standing.wish {
            Some(wish) => (wish.target, wish.instruction),
            None => (first, None),
        };
        let earlier = earlier.unwrap_or_else(|| standing.title.clone());
        let wish = Wish { action: EditAction::Edit, instruction: Some(instruction), target, variation: 0 };
        let over = Over { proposal: standing.proposal, goes_on: true };
        let asked = EditAsked {
            over: Some(over),
            earlier: Some(earlier),
            asks_first: Some(false),
            ..EditAsked::default()
        };
        self.begin_edit_of(uri, now, wish, asked, token).map(drop)
    }

    fn begin_explain(
        &mut self,
        feature: Feature,
        uri: String,
        target: Target,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
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
            question: target.instruction,
            title: feature.verb(),
            reviews: feature == Feature::Review,
            open: self.documents.snapshots(),
        };
        self.room_for_a_job()?;
        let number = self.add_job(feature.verb(), uri, token);
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
        let Some(document) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open; open it in the editor first", name_of(&uri))));
        };
        let selection = self.bytes_of(&document, &target.part)?;
        let wish = Wish { action, instruction: target.instruction, target: selection, variation: 0 };
        let (asks_first, several_files) = (target.asks_first, target.several_files);
        let asked = EditAsked { asks_first, several_files, ..EditAsked::default() };
        self.begin_edit_of(uri, document, wish, asked, token)
    }

    /// Has an image drawn of the user's words, else of those that are selected, and named behind them.
    fn begin_image(&mut self, uri: String, target: Target, token: Option<ProgressToken>) -> Result<u64> {
        self.applies_edits()?;
        let Some(document) = self.documents.get(&uri).cloned() else {
            return Err(request_failed(format!("{} is not open; open it in the editor first", name_of(&uri))));
        };
        let Some(path) = path_of(&uri) else {
            let name = name_of(&uri);
            return Err(request_failed(format!("{name} lies nowhere yet; save it, the image is put beside it")));
        };
        let selection = self.bytes_of(&document, &target.part)?;
        let selected = document.rope().byte_slice(selection.clone());
        if target.instruction.is_none() && selected.len_bytes() > PROMPT_BYTES_MAX {
            let hint = "select the words that describe the image alone";
            return Err(request_failed(format!("The selection is too long for an image; {hint}")));
        }
        let prompt = target.instruction.unwrap_or_else(|| selected.to_string().trim().to_owned());
        if prompt.is_empty() {
            let how = "select the words that describe the image, or send them as the instruction";
            return Err(Error::invalid_params(format!("familiar.image needs words; {how}")));
        }
        let number = self.add_job(Feature::Image.verb(), uri, token);
        let asks_first = target.asks_first.or(self.client.asks_first);
        let asks_first = asks_first.unwrap_or_else(|| self.app.config().edits_ask_first);
        // The line that the selection ends in, not the one after it.
        let at = selection.end.saturating_sub(1).max(selection.start);
        let base = document.rope().clone();
        if let Some(job) = self.jobs.get_mut(number) {
            (job.base, job.asks_first) = (Some(document), asks_first);
        }
        let what = Draw { prompt, path, base, at };
        self.start(number, |this| drawing::draw(this.app.clone(), what, this.teller(number)));
        Ok(number)
    }

    /// Refuses what would end with a request that the client did not say it takes.
    pub(super) fn applies_edits(&self) -> Result<()> {
        if self.client.applies_edits {
            return Ok(());
        }
        Err(request_failed("This editor does not apply edits for language servers"))
    }

    fn begin_edit_of(
        &mut self,
        uri: String,
        document: Document,
        wish: Wish,
        asked: EditAsked,
        token: Option<ProgressToken>,
    ) -> Result<u64> {
        self.applies_edits()?;
        let EditAsked { over, earlier, asks_first, several_files, commented } = asked;
        self.room_for_a_job()?;
        let path = path_of(&uri);
        let request = EditRequest {
            workspace: self.workspaces.of(path.as_deref()),
            path,
            document: document.clone(),
            selection: wish.target.clone(),
            action: wish.action,
            instruction: wish.instruction.clone(),
            open_buffers: Vec::new(),
            open_files: Vec::new(),
            earlier: earlier.clone(),
            variation: wish.variation,
            several_files,
            form: None,
        };
        let open = self.documents.snapshots();
        let number = self.add_job(Feature::Edit(wish.action).verb(), uri, token);
        let asks_first =
            asks_first.or(self.client.asks_first).unwrap_or_else(|| self.app.config().edits_ask_first);
        // An edit that may reach further is asked about also when it stays in its own file.
        let asks_first = asks_first || several_files;
        if let Some(job) = self.jobs.get_mut(number) {
            // What is shown of the edit names all that it came from.
            let instruction = match (earlier, &wish.instruction) {
                (Some(earlier), Some(words)) => Some(format!("{earlier}; then {words}")),
                (_, words) => words.clone(),
            };
            // The edit is one of the text as it is, comment and all; so is the place it is shown at.
            let text = commented.as_ref().map(|commented| commented.rope().to_string());
            let back =
                text.map(|text| text::minimal_edit(&document.rope().to_string(), &text)).unwrap_or_default();
            let target = moved(&wish.target, &back);
            job.back = back;
            (job.base, job.wish) =
                (Some(commented.clone().unwrap_or(document)), Some(Wish { instruction, target, ..wish }));
            (job.over, job.asks_first) = (over, asks_first);
        }
        let commented = commented.map(|document| document.rope().clone());
        self.start(number, |this| work::edit(this.app.clone(), request, open, commented, this.teller(number)));
        Ok(number)
    }

    fn add_job(&mut self, verb: &str, uri: String, token: Option<ProgressToken>) -> u64 {
        let number = self.jobs.next_number();
        let title = format!("{verb} {}", name_of(&uri));
        let (progress, asked) =
            Progress::start(&self.outbox, &self.client, token, number, &format!("Familiar: {title}"));
        if let Some(id) = asked {
            self.asked.insert(id, Asked::Progress(number));
        }
        self.jobs.insert(number, Job::new(uri, title, progress));
        number
    }

    /// A job that is over too soon to be shown.
    pub(super) fn add_silent_job(&mut self, uri: String, title: String) -> Result<u64> {
        self.room_for_a_job()?;
        let number = self.jobs.next_number();
        self.jobs.insert(number, Job::new(uri, title, Progress::silent(number)));
        Ok(number)
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

    /// The editor's own way to write a URI, if it has the document open.
    pub(super) fn known_uri(&self, uri: &str) -> String {
        self.uri_of(&Place::Uri(uri.to_owned())).unwrap_or_else(|_| uri.to_owned())
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
    let workspaces = counted(status.workspaces.len() as u64, "workspace");
    format!("version {}: {model}; {workspaces} with {}", status.version, counted(files, "file"))
}
