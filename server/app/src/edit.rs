//! An instruction becomes an edit of an open document: what is asked for, in which form, and how it ends. Refuses: edits
//! that were not checked against the version they were made for.

mod asking;
mod files;
mod history;

use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use engine::{EditAction, EditTask, Format, Refusal};
use futures::Stream;
use text::{Document, Edit};

use self::asking::{Asking, given_up};
pub(crate) use self::history::History;
#[cfg(test)]
pub(crate) use self::history::NAME;
use crate::streaming::{Events, streaming};
use crate::{App, AppError, Buffer, Editing, ErrorKind, ProposedFile, Result};

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
    /// What the user asked for before, when this goes on from an edit that is already in the document.
    pub earlier: Option<String>,
    /// How many other versions of this edit were made; each is made differently.
    pub variation: u32,
    /// Whether it may change other files of the folder, and make, rename and delete some.
    pub several_files: bool,
    /// The form that the model is asked for, whether or not it fits; without one the model's own history decides.
    /// Several files are changed by blocks in any case.
    pub form: Option<Format>,
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
    /// The model waits for memory that something else uses.
    Held {
        /// Why, one sentence.
        notice: String,
    },
    /// What it is about is known.
    About {
        /// The bytes of the document that are to be rewritten: the selection in whole lines, or the symbol around it.
        target: Range<usize>,
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
        /// The code so far, where the answer is to be code and nothing else.
        code: Option<String>,
    },
    /// An answer was read.
    Answered {
        /// What the model wrote.
        answer: String,
        /// Why it is no edit, if it is none.
        refused: Option<Refusal>,
    },
    /// The last answer could not be used, and the model is asked for another one.
    TryingAgain {
        /// Why, a clause.
        reason: String,
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
        /// What the user has to know of them, a clause.
        notice: Option<String>,
    },
    /// With changes of more than the document, which are to be judged before anything is changed.
    Files {
        /// What happens to each file.
        files: Vec<ProposedFile>,
        /// What the user has to know of it, a clause.
        notice: Option<String>,
    },
    /// With a stated refusal.
    Refused {
        /// Why, one sentence.
        reason: String,
        /// The next step.
        hint: String,
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
        let (action, instruction) = (request.action, request.instruction.clone());
        let (workspace, path) = (request.workspace.as_deref(), request.path.as_deref());
        if action == EditAction::Edit && instruction.as_deref().is_none_or(|words| words.trim().is_empty()) {
            return Err(AppError::new(ErrorKind::User, "an edit needs an instruction")
                .hint("say what to change, or use the fix, document, tests or optimise action"));
        }
        let own = workspace.zip(path).and_then(|(root, path)| path.strip_prefix(root).ok());
        let own = own.map(crate::indexing::slashed);
        let (document, selection) = (request.document.clone(), request.selection.clone());
        let task = match task(document, selection, action, instruction, own.clone()).await? {
            Ok(task) => task.after(request.earlier.clone()),
            Err(refusal) => return Ok(given_up(&refusal, 0)),
        };
        events.send(EditEvent::About { target: task.target() }).await?;
        let task = Arc::new(if request.several_files { self.with_files(task, &request).await? } else { task });
        let config = self.config();
        let model = self.inner.models.current(&config)?;
        let _memory = self.wait_for_memory(&model, |notice| events.send(EditEvent::Held { notice })).await?;
        if !model.info().loaded {
            events.send(EditEvent::Loading { fraction: 0.0 }).await?;
        }
        let info = self.inner.models.load(&*model).await?;
        let (format, size) = self.form_for(&task, request.form, &*model, &info).await?;
        let room = size.room_beside(&info, config.prompt_seconds_max);
        let editing = Editing { buffers: &request.open_buffers, open: &request.open_files };
        let related = match workspace {
            // What is shown whole already needs no passages.
            Some(root) if task.others.is_empty() => {
                self.beside(root, own.as_deref(), &task, editing, room, &*model).await?
            }
            _ => Vec::new(),
        };
        let _writing = self.inner.workspaces.pace().writing();
        self.ask_for_edit(
            &Asking {
                model,
                info,
                task,
                format,
                size,
                related,
                variation: request.variation,
                root: request.workspace.clone(),
            },
            events,
        )
        .await
    }
}

/// The task of a request. Finding the symbol around an empty selection parses the document, which takes its time.
async fn task(
    document: Document,
    selection: Range<usize>,
    action: EditAction,
    instruction: Option<String>,
    path: Option<String>,
) -> Result<std::result::Result<EditTask, Refusal>> {
    let made = tokio::task::spawn_blocking(move || {
        let bytes = document.rope().len_bytes();
        // No answer for such a file is read, so that none is worth waiting for.
        if bytes > engine::edit_limits::BASE_BYTES_MAX {
            return Err(Refusal::FileTooLarge { bytes });
        }
        let task = EditTask::new(document, selection, action, instruction)?;
        Ok(match path {
            Some(path) => task.at_path(path),
            None => task,
        })
    });
    made.await.map_err(AppError::task_died)
}
