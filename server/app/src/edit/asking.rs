//! One edit as it is put to the model: the form that is asked for, the room there is, what is shown beside the code, and
//! the answers until one can be used.
//!
//! Refuses: more answers than [`ATTEMPTS_MAX`], and whatever the engine did not check.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::{EditAction, EditTask, FileChange, FileEdit, Format, Passage, Refusal, Reply};
use futures::StreamExt;
use model::{ChatEvent, ChatRequest, FinishReason, ModelInfo, Priority, Sampling};
use tokio::time::Instant;

use super::files::{may_change_several, proposed_files};
use super::{EditEvent, EditOutcome};
use crate::streaming::Events;
use crate::{App, AppError, Editing, ErrorKind, Result, RunningModel};

/// Answers asked for until one can be used.
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// Code may become this many times longer.
const GROWTH_MAX: u32 = 3;
/// Tokens an answer may have however short the code is: a stub of one line may become a screenful.
const ANSWER_TOKENS_MIN: u32 = 1_024;
/// At most one part in this many of the model's window is kept free for that alone.
const WINDOW_SHARE: u32 = 4;
/// Passages of other files looked at for one edit.
const RELATED_MAX: usize = 4;
/// They get one part in this many of what the prompt has room for besides the code.
const RELATED_SHARE: u32 = 3;
/// How freely another version of an edit is written, on top of what a retry gets.
const VARIED_TEMPERATURE: f32 = 0.6;
/// How long what was written waits to be reported: as often as a reader can follow.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// An edit that is ready to be asked for.
pub(super) struct Asking {
    pub(super) model: Arc<dyn RunningModel>,
    pub(super) info: ModelInfo,
    pub(super) task: Arc<EditTask>,
    pub(super) format: Format,
    pub(super) size: Size,
    pub(super) related: Vec<Passage>,
    /// How many other versions were made.
    pub(super) variation: u32,
    /// The folder that other files lie in.
    pub(super) root: Option<PathBuf>,
}

/// What a form costs, in tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// The prompt without passages of other files.
    pub(super) prompt_tokens: u32,
    /// The longest answer that is waited for.
    pub(super) answer_tokens_max: u32,
}

impl App {
    /// Asks until an answer is an edit, at most [`ATTEMPTS_MAX`] times.
    pub(super) async fn ask_for_edit(&self, asking: &Asking, events: &Events<EditEvent>) -> Result<EditOutcome> {
        let mut refused: Option<Refusal> = None;
        let mut answers = 0;
        while answers < ATTEMPTS_MAX {
            if let Some(refusal) = &refused {
                events.send(EditEvent::TryingAgain { reason: refusal.to_string() }).await?;
            }
            let (answer, reason) = match write(asking.chat(answers, refused.as_ref()), asking.format, events).await
            {
                Ok(written) => written,
                // The advice may have made the prompt too long. What the user has to know is still the refusal.
                Err(error) if refused.is_some() && error.kind == ErrorKind::User => break,
                Err(error) => return Err(error),
            };
            answers += 1;
            let made = asking.read(answer.clone(), reason == FinishReason::Stop).await?;
            if answers == 1 && made.as_ref().err().is_none_or(is_about_the_answer) {
                self.note_outcome(asking, made.is_ok()).await;
            }
            events.send(EditEvent::Answered { answer, refused: made.as_ref().err().cloned() }).await?;
            match made {
                Ok(made) => return Ok(made),
                Err(refusal) => {
                    let is_last = !refusal.is_worth_a_retry();
                    refused = Some(refusal);
                    if is_last {
                        break;
                    }
                }
            }
        }
        Ok(given_up(&refused.unwrap_or(Refusal::NoCode), answers))
    }

    /// Notes what became of the first answer. Tests are added and not written in the place of code, so how they go says
    /// nothing of a form.
    async fn note_outcome(&self, asking: &Asking, landed_first_try: bool) {
        if asking.task.action == EditAction::Tests {
            return;
        }
        let (app, model, format) = (self.clone(), asking.info.name.clone(), asking.format);
        let noted = self.stored(move |store| {
            app.inner.edits.record(store, &model, format, landed_first_try);
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "what became of an edit could not be noted");
        }
    }

    /// The form that was asked for, else the one that the model's history speaks for; instead of the latter a rewrite,
    /// which shows least, where that does not fit its window.
    pub(super) async fn form_for(
        &self,
        task: &Arc<EditTask>,
        asked: Option<Format>,
        model: &dyn RunningModel,
        info: &ModelInfo,
    ) -> Result<(Format, Size)> {
        if let Some(form) = asked.filter(|_| !may_change_several(task)) {
            return Ok((form, size_of(task, form, model, info).await?));
        }
        let (app, name, wanted) = (self.clone(), info.name.clone(), Arc::clone(task));
        // Only blocks can name other files.
        let format = match task.others.is_empty() && !may_change_several(task) {
            true => self.stored(move |store| Ok(app.inner.edits.choose(store, &name, &wanted))).await?,
            false => Format::Blocks,
        };
        let size = size_of(task, format, model, info).await?;
        let fits = info
            .context_tokens
            .is_none_or(|window| size.prompt_tokens.saturating_add(size.answer_tokens_max) <= window);
        if fits || format == Format::Rewrite || may_change_several(task) {
            return Ok((format, size));
        }
        Ok((Format::Rewrite, size_of(task, Format::Rewrite, model, info).await?))
    }

    /// Passages of other files that the code to change has to do with, within `room` tokens.
    pub(super) async fn beside(
        &self,
        root: &Path,
        own: Option<&str>,
        task: &EditTask,
        editing: Editing<'_>,
        room: u32,
        model: &dyn RunningModel,
    ) -> Result<Vec<Passage>> {
        let code = task.code();
        let query = format!("{}\n{code}", task.instruction.as_deref().unwrap_or_default());
        // An edit needs no search to be made, so a folder that cannot be searched costs it only its context.
        let found = match self.search_with(root, &query, RELATED_MAX, editing).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "an edit goes on without related passages");
                return Ok(Vec::new());
            }
        };
        let others: Vec<Passage> = found
            .hits
            .into_iter()
            .filter(|hit| own != Some(hit.path.as_str()))
            .map(crate::sources::from_hit)
            .collect();
        let counts = model.count_tokens(others.iter().map(|passage| passage.text.clone()).collect()).await?;
        let counted = others.into_iter().zip(counts).collect();
        Ok(engine::pack(&query, counted, room).passages)
    }
}

impl Asking {
    fn chat(&self, attempt: u32, refused: Option<&Refusal>) -> model::ChatStream {
        let plan = engine::plan_edit(&self.task, &self.related, self.format, refused);
        self.model.chat(ChatRequest {
            messages: plan.messages,
            // The first try takes the likeliest words; a retry with the same ones would fail the same way.
            sampling: Sampling {
                temperature: 0.3 * attempt as f32 + if self.variation > 0 { VARIED_TEMPERATURE } else { 0.0 },
                seed: attempt + self.variation * ATTEMPTS_MAX,
                ..Sampling::default()
            },
            answer_tokens_max: self.size.answer_tokens_max,
            stop: Vec::new(),
            quotation: plan.quotation,
            priority: Priority::Interactive,
        })
    }

    /// What an answer comes to. Looking for places and parsing take their time, so this is done beside the async threads.
    async fn read(&self, answer: String, complete: bool) -> Result<std::result::Result<EditOutcome, Refusal>> {
        let (task, format, root) = (Arc::clone(&self.task), self.format, self.root.clone());
        let read = tokio::task::spawn_blocking(move || {
            let proposal = engine::read_edit(Reply { text: &answer, complete }, &task, format)?;
            let only_its_own = matches!(&proposal.changes[..], [FileChange::Edit(edit)] if edit.path == task.path);
            match (<[FileChange; 1]>::try_from(proposal.changes), root) {
                (Ok([FileChange::Edit(edit)]), _) if only_its_own => Ok(edited(edit)),
                (Ok(changes), Some(root)) if may_change_several(&task) => several(&task, &root, changes.into()),
                (Err(changes), Some(root)) if may_change_several(&task) => several(&task, &root, changes),
                // A part of a proposal is not what was checked.
                _ => Err(Refusal::Malformed { what: "it does more than change the text of the file" }),
            }
        });
        read.await.map_err(AppError::task_died)
    }
}

fn several(task: &EditTask, root: &Path, changes: Vec<FileChange>) -> std::result::Result<EditOutcome, Refusal> {
    let is_unchecked = |change: &FileChange| matches!(change, FileChange::Edit(edit) if edit.is_unchecked);
    let notice = unchecked(changes.iter().any(is_unchecked));
    match proposed_files(task, root, changes) {
        Ok(files) => Ok(EditOutcome::Files { files, notice }),
        Err(why) => {
            tracing::info!(why, "an edit of several files was refused");
            Err(Refusal::Malformed { what: "it changes files outside of the project" })
        }
    }
}

impl Size {
    /// Tokens for passages of other files.
    pub(super) fn room_beside(&self, info: &ModelInfo, prompt_seconds_max: f64) -> u32 {
        let budget = engine::budget(info, self.answer_tokens_max, prompt_seconds_max);
        budget.prompt_tokens_max.saturating_sub(self.prompt_tokens) / RELATED_SHARE
    }
}

async fn size_of(task: &EditTask, format: Format, model: &dyn RunningModel, info: &ModelInfo) -> Result<Size> {
    let prompt = engine::plan_edit(task, &[], format, None).messages;
    let written = if format == Format::Whole { task.document.rope().to_string() } else { task.code() };
    let mut texts: Vec<String> = prompt.into_iter().map(|message| message.content).collect();
    texts.push(written);
    let mut counts = model.count_tokens(texts).await?;
    let written_tokens = counts.pop().unwrap_or(0);
    // Blocks quote the lines they replace.
    let growth = if format == Format::Blocks { GROWTH_MAX + 1 } else { GROWTH_MAX };
    let window = info.context_tokens.unwrap_or(u32::MAX);
    let wanted = written_tokens.saturating_mul(growth).max(ANSWER_TOKENS_MIN.min(window / WINDOW_SHARE));
    Ok(Size {
        prompt_tokens: counts.iter().fold(0, |sum, count| sum.saturating_add(*count)),
        answer_tokens_max: wanted.min(window / 2),
    })
}

/// Whether a refusal says how well a model writes a form. Our own defects and a busy machine say nothing of it.
fn is_about_the_answer(refusal: &Refusal) -> bool {
    refusal.is_worth_a_retry() && !matches!(refusal, Refusal::Unchecked)
}

async fn write(
    mut stream: model::ChatStream,
    format: Format,
    events: &Events<EditEvent>,
) -> Result<(String, FinishReason)> {
    let mut answer = String::new();
    let mut pieces = 0;
    let mut reported = 0;
    // The first piece is reported at once; also of a model that pauses nothing is held back.
    let mut report_at = Instant::now();
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = tokio::time::sleep_until(report_at), if reported != pieces => {
                let code = matches!(format, Format::Rewrite | Format::Whole);
                let code = code.then(|| engine::code_so_far(&answer));
                events.send(EditEvent::Writing { answer_tokens: pieces, code }).await?;
                reported = pieces;
                report_at = Instant::now() + REPORT_EVERY;
                continue;
            }
        };
        let Some(event) = event else { break };
        match event? {
            ChatEvent::Queued { position } => events.send(EditEvent::Queued { position }).await?,
            ChatEvent::Loading { fraction } => events.send(EditEvent::Loading { fraction }).await?,
            ChatEvent::Prompt { done_tokens, total_tokens } => {
                events.send(EditEvent::Reading { done_tokens, total_tokens }).await?;
            }
            ChatEvent::Text(piece) => {
                answer.push_str(&piece);
                pieces += 1;
            }
            ChatEvent::Finished(finished) => return Ok((answer, finished.reason)),
        }
    }
    Err(AppError::new(ErrorKind::Bug, "the model's answer ended without saying why"))
}

fn edited(made: FileEdit) -> EditOutcome {
    let summary = index::counted(made.hunks.len() as u64, "change");
    EditOutcome::Edit { edit: made.edit, summary, notice: unchecked(made.is_unchecked) }
}

/// What the user has to know of an edit whose syntax nobody could look at.
fn unchecked(is_unchecked: bool) -> Option<String> {
    is_unchecked
        .then(|| "the file takes too long to parse, so its syntax was not checked; look at the change".into())
}

/// The end without an edit, after so many answers.
pub(super) fn given_up(refusal: &Refusal, answers: u32) -> EditOutcome {
    let reason = match answers {
        0 | 1 => refusal.to_string(),
        _ => format!("{refusal}; none of {answers} answers could be used"),
    };
    EditOutcome::Refused { reason, hint: refusal.next_step().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_says_that_its_syntax_was_not_checked() {
        let notice = |is_unchecked| {
            let (path, new_text) = ("a.py".to_owned(), "b\n".to_owned());
            let (edit, hunks) = (text::minimal_edit("a\n", "b\n"), text::hunks("a\n", "b\n"));
            match edited(FileEdit { path, version: 1, edit, hunks, new_text, is_unchecked }) {
                EditOutcome::Edit { summary, notice, .. } => (summary, notice),
                other => panic!("it is an edit: {other:?}"),
            }
        };
        assert_eq!(notice(false), ("1 change".to_owned(), None));
        assert!(notice(true).1.is_some_and(|notice| notice.contains("its syntax was not checked")));
    }
}
