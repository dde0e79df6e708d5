//! An instruction becomes an edit of an open document: plan, ask, read, retry. Refuses: edits that were not checked
//! against the version they were made for.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use engine::{EditAction, EditTask, Format, Refusal, Reply};
use futures::{Stream, StreamExt};
use model::{ChatEvent, ChatRequest, FinishReason, ModelInfo, Priority, Sampling};
use text::{Document, Edit};

use crate::streaming::{Events, streaming};
use crate::{App, AppError, Buffer, Editing, ErrorKind, Result, RunningModel};

/// Answers asked for until one can be used.
const ATTEMPTS_MAX: u32 = 3;
/// Code may become this many times longer.
const GROWTH_MAX: u32 = 3;
/// Tokens an answer may have however short the code is.
const ANSWER_TOKENS_MIN: u32 = 256;
/// Passages of other files looked at for one edit.
const RELATED_MAX: usize = 4;
/// They get one part in this many of what the prompt has room for besides the code.
const RELATED_SHARE: u32 = 3;
/// Tokens between two reports of progress.
const REPORT_EVERY_TOKENS: u32 = 8;

/// What is to be changed.
#[derive(Clone, Debug)]
pub struct EditRequest {
    /// The folder the document belongs to.
    pub workspace: Option<PathBuf>,
    /// Where the document is saved.
    pub path: Option<PathBuf>,
    /// The document at the version that is to be changed.
    pub document: Document,
    /// The selection in bytes; an empty one means the enclosing symbol or line.
    pub selection: Range<usize>,
    /// What the user wants done.
    pub action: EditAction,
    /// The user's own words.
    pub instruction: Option<String>,
    /// Open documents with unsaved text.
    pub open_buffers: Vec<Buffer>,
    /// Files open in the editor, the one in front first.
    pub open_files: Vec<PathBuf>,
}

/// What happens while an edit is made.
#[derive(Clone, Debug, PartialEq)]
pub enum EditEvent {
    /// Other requests go first.
    Queued {
        /// How many.
        position: u32,
    },
    /// The model is being loaded.
    Loading {
        /// Share loaded, 0..=1.
        fraction: f32,
    },
    /// The model reads.
    Reading {
        /// Prompt tokens done.
        done_tokens: u32,
        /// Prompt tokens in all.
        total_tokens: u32,
    },
    /// The model writes.
    Writing {
        /// Tokens written, roughly.
        answer_tokens: u32,
    },
    /// It is over. No event follows.
    Finished(EditOutcome),
}

/// How an edit ended.
#[derive(Clone, Debug, PartialEq)]
pub enum EditOutcome {
    /// With an edit of the document at the requested version.
    Edit {
        /// The changes.
        edit: Edit,
        /// One sentence about them.
        summary: String,
    },
    /// With a stated refusal.
    Refused {
        /// Why, one sentence.
        reason: String,
    },
}

/// The events of an edit. It ends after `Finished` or an error. Dropping it cancels.
pub type EditStream = Pin<Box<dyn Stream<Item = Result<EditEvent>> + Send>>;

impl App {
    /// Makes an edit of an open document. Nothing is changed: the caller applies it.
    pub fn edit(&self, request: EditRequest) -> EditStream {
        let app = self.clone();
        streaming(|events| async move {
            let outcome = app.make_edit(request, &events).await?;
            events.send(EditEvent::Finished(outcome)).await
        })
    }

    async fn make_edit(&self, request: EditRequest, events: &Events<EditEvent>) -> Result<EditOutcome> {
        self.accept_work()?;
        let _busy = self.count_run();
        let EditRequest { workspace, path, document, selection, action, instruction, open_buffers, open_files } =
            request;
        let editing = Editing { buffers: &open_buffers, open: &open_files };
        if action == EditAction::Edit && instruction.as_deref().is_none_or(|words| words.trim().is_empty()) {
            return Err(AppError::new(ErrorKind::User, "an edit needs an instruction")
                .hint("say what to change, or use the fix, document, tests or optimise action"));
        }
        let task = match EditTask::new(document, selection, action, instruction) {
            Ok(task) => task,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let config = self.config();
        let model = self.inner.models.current(&config)?;
        if !model.info().loaded {
            events.send(EditEvent::Loading { fraction: 0.0 }).await?;
        }
        let info = self.inner.models.load(&*model).await?;
        let code_tokens = model.count_tokens(vec![task.code()]).await?.first().copied().unwrap_or(0);
        let answer_tokens_max = answer_room(code_tokens, &info);
        let budget = engine::budget(&info, answer_tokens_max, config.prompt_seconds_max);
        let room = budget.prompt_tokens_max.saturating_sub(code_tokens) / RELATED_SHARE;
        let related = match &workspace {
            Some(root) => self.beside(root, path.as_deref(), &task, editing, room, &*model).await?,
            None => Vec::new(),
        };
        let _writing = self.inner.workspaces.pace().writing();
        let mut previous: Option<Refusal> = None;
        for attempt in 0..ATTEMPTS_MAX {
            let plan = engine::plan_edit(&task, &related, Format::Rewrite, previous.as_ref());
            let request = ChatRequest {
                messages: plan.messages,
                // The first try takes the likeliest words; a retry with the same ones would fail the same way.
                sampling: Sampling { temperature: 0.3 * attempt as f32, seed: attempt, ..Sampling::default() },
                answer_tokens_max,
                stop: Vec::new(),
                priority: Priority::Interactive,
            };
            let (answer, reason) = write(model.chat(request), events).await?;
            let reply = Reply { text: &answer, complete: reason == FinishReason::Stop };
            let proposal = engine::read_edit(reply, &task, Format::Rewrite);
            match proposal.and_then(|made| made.edit_of(&task.path).cloned().ok_or(Refusal::NoChange)) {
                Ok(made) => {
                    let hunks = made.hunks.len();
                    let summary = format!("{hunks} {}", if hunks == 1 { "change" } else { "changes" });
                    return Ok(EditOutcome::Edit { edit: made.edit, summary });
                }
                Err(refusal) => {
                    let again = refusal.is_worth_a_retry();
                    previous = Some(refusal);
                    if !again {
                        break;
                    }
                }
            }
        }
        Ok(previous.as_ref().map_or_else(|| refused(&Refusal::NoCode), refused))
    }
}

impl App {
    /// Passages of other files that the code to change has to do with, within `room` tokens.
    async fn beside(
        &self,
        root: &Path,
        own: Option<&Path>,
        task: &EditTask,
        editing: Editing<'_>,
        room: u32,
        model: &dyn RunningModel,
    ) -> Result<Vec<engine::Passage>> {
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
        let own = own.and_then(|own| own.strip_prefix(root).ok()).map(crate::indexing::slashed);
        let others: Vec<engine::Passage> = found
            .hits
            .into_iter()
            .filter(|hit| own.as_deref() != Some(hit.path.as_str()))
            .map(crate::sources::from_hit)
            .collect();
        let counts = model.count_tokens(others.iter().map(|passage| passage.text.clone()).collect()).await?;
        let counted = others.into_iter().zip(counts).collect();
        Ok(engine::pack(&query, counted, room).passages)
    }
}

/// Tokens for the answer: the code may grow, within the window.
fn answer_room(code_tokens: u32, info: &ModelInfo) -> u32 {
    let wanted = code_tokens.saturating_mul(GROWTH_MAX).max(ANSWER_TOKENS_MIN);
    info.context_tokens.map_or(wanted, |window| wanted.min(window / 2))
}

async fn write(mut stream: model::ChatStream, events: &Events<EditEvent>) -> Result<(String, FinishReason)> {
    let mut answer = String::new();
    let mut pieces = 0;
    while let Some(event) = stream.next().await {
        match event? {
            ChatEvent::Queued { position } => events.send(EditEvent::Queued { position }).await?,
            ChatEvent::Loading { fraction } => events.send(EditEvent::Loading { fraction }).await?,
            ChatEvent::Prompt { done_tokens, total_tokens } => {
                events.send(EditEvent::Reading { done_tokens, total_tokens }).await?;
            }
            ChatEvent::Text(piece) => {
                answer.push_str(&piece);
                pieces += 1;
                if pieces % REPORT_EVERY_TOKENS == 1 {
                    events.send(EditEvent::Writing { answer_tokens: pieces }).await?;
                }
            }
            ChatEvent::Finished(finished) => return Ok((answer, finished.reason)),
        }
    }
    Err(AppError::new(ErrorKind::Bug, "the model's answer ended without saying why"))
}

fn refused(refusal: &Refusal) -> EditOutcome {
    EditOutcome::Refused { reason: refusal.to_string() }
}
