//! Commands: checked, answered at once, and begun as jobs.
//!
//! Refuses: beginning what cannot end well. A closed or lost document, a client that applies no edits and a missing
//! instruction are errors of the command, not of a job.

use app::{AppError, ChangeState, ErrorKind, Status, counted};
use engine::EditAction;
use serde_json::Value;
use tower_lsp::gen_lsp_types::ProgressToken;
use tower_lsp::jsonrpc::{Error, Result};

use super::{Event, MainLoop, answer};
use crate::arguments::{ChangesCommand, CommandName, Feature, ReviewArguments, Target, cancel_target};
use crate::door::{CommandRequest, Reply};
use crate::jobs::Job;
use crate::messages::{self, Level, request_failed};
use crate::uris::name_of;

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
