//! The tasks behind jobs: they ask `app`, tell how far they are, and end in one event.
//!
//! Refuses: touching the session. Everything a task needs was taken as a snapshot before it began.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use app::{
    Answer, AnswerEvent, App, AppError, Ask, Buffer, EditEvent, EditOutcome, EditRequest, ErrorKind, Focus,
    Proposal, ProposedFile,
};
use engine::{EditAction, EditTask, Trigger};
use futures::{FutureExt, StreamExt};
use text::{Document, Edit, Rope};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::judging::Judged;
use super::preparing::Prepared;
use crate::review::marks::shortened;
use crate::uris::path_of;

/// Open documents compared with the disk for one question; further ones are left to the index.
const BUFFERS_MAX: usize = 256;

/// Reports of one stage of a job are at least this far apart, in milliseconds.
const REPORT_INTERVAL_MS: u64 = 100;

const EXPLAIN: &str = "Explain this code: what it does, how it does it, and what a reader should watch out for.";
const REVIEW: &str = "Review this code: defects first, then what is unclear, slow or unsafe, each with its line and a \
                      better way. Say so when there is nothing to mend.";

/// What a task tells the main loop.
pub(crate) enum JobEvent {
    /// How far it is, in words.
    Progress(String),
    /// The explanation lies at this path.
    Explained {
        /// The file.
        path: PathBuf,
        /// What the user should know besides.
        notice: Option<String>,
    },
    /// The edit of the base document.
    Edited {
        /// The edit.
        edit: Edit,
        /// What it does.
        summary: String,
        /// What the user should know besides.
        notice: Option<String>,
    },
    /// What a comment asks for; `None` when none is there.
    Comment(Option<Box<Trigger>>),
    /// What is proposed for several files.
    EditedFiles {
        /// What happens to each.
        files: Vec<ProposedFile>,
        /// What the user should know besides.
        notice: Option<String>,
    },
    /// The bytes of the text that an edit is about, where the selection was empty or ended within lines.
    About(Range<usize>),
    /// The code that is written so far.
    Preview(String),
    /// What is to be sent was worked out and kept.
    Prepared(Box<Prepared>),
    /// A proposal was kept that is to be judged first.
    Proposed {
        /// It.
        proposal: Box<Proposal>,
        /// Its document.
        document: PathBuf,
    },
    /// What was decided about a proposal was worked out.
    Judged(Box<Judged>),
    /// What was decided needed no edit and is written down.
    Settled,
    /// There is no edit, for a reason.
    Refused(String),
    /// No answer of the model can be an edit: why, and the next step.
    GivenUp {
        /// Why.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The editor had time to tell what it did with an edit.
    Waited {
        /// Whether it gets no more.
        last: bool,
    },
    /// The texts were compared with those an edit was to make.
    LookedAt {
        /// Whether the edit is in them.
        is_in: bool,
        /// Whether they are not looked at again.
        last: bool,
    },
    /// Of changes among which the user chose, these are in the texts.
    Chosen {
        /// File and number of each.
        changes: Vec<(usize, usize)>,
        /// Whether the texts are not looked at again.
        last: bool,
    },
    /// It failed.
    Failed(AppError),
    /// It was cancelled.
    Cancelled,
}

/// Where a task sends what it has to tell.
#[derive(Clone)]
pub(crate) struct Teller<E> {
    events: mpsc::Sender<E>,
    wrap: fn(u64, JobEvent) -> E,
    job: u64,
    /// What was said last, and when.
    last: Option<(Stage, Instant)>,
}

/// What a job is at; each new stage is told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Loading,
    Searching,
    Indexing,
    Reading,
    Writing,
    TryingAgain,
    Drawing,
}

/// What explaining needs.
pub(crate) struct Explain {
    /// The workspace of the file.
    pub(crate) workspace: Option<PathBuf>,
    /// The file; a name when the document is no file.
    pub(crate) path: PathBuf,
    /// The file's name for people.
    pub(crate) name: String,
    /// The document, when it is open.
    pub(crate) document: Option<Document>,
    /// What is to be explained.
    pub(crate) part: ExplainPart,
    /// The user's own question.
    pub(crate) question: Option<String>,
    /// What is done, for people.
    pub(crate) title: &'static str,
    /// Whether the code is to be judged rather than explained.
    pub(crate) reviews: bool,
    /// The open documents.
    pub(crate) open: Vec<Document>,
}

/// The part of a file to explain.
pub(crate) enum ExplainPart {
    /// Bytes of the open document; an empty range means the symbol around it.
    Bytes(Range<usize>),
    /// Lines of a file that is not open, from 1 and inclusive.
    Lines(u32, u32),
}

impl<E: Send + 'static> Teller<E> {
    /// A teller for job `job`, whose events `wrap` turns into the loop's.
    pub(crate) fn new(events: mpsc::Sender<E>, job: u64, wrap: fn(u64, JobEvent) -> E) -> Self {
        Self { events, wrap, job, last: None }
    }

    /// Says how far the job is, unless the same stage was told just before or the loop has enough to do.
    pub(super) fn report(&mut self, stage: Stage, message: impl FnOnce() -> String) {
        let recent = |at: Instant| at.elapsed() < Duration::from_millis(REPORT_INTERVAL_MS);
        if self.last.is_some_and(|(last, at)| last == stage && recent(at)) {
            return;
        }
        if self.events.try_send((self.wrap)(self.job, JobEvent::Progress(message()))).is_ok() {
            self.last = Some((stage, Instant::now()));
        }
    }

    /// Shows the code that is written so far, as far as the loop has room for it.
    fn preview(&self, code: String) {
        let _ = self.events.try_send((self.wrap)(self.job, JobEvent::Preview(code)));
    }

    /// Tells what an edit is about. It is told once, so it waits for room.
    async fn about(&self, target: Range<usize>) {
        // When the loop is gone the session has ended, and nobody waits for this.
        let _ = self.events.send((self.wrap)(self.job, JobEvent::About(target))).await;
    }

    async fn end(self, event: JobEvent) {
        // When the loop is gone the session has ended, and nobody waits for this.
        let _ = self.events.send((self.wrap)(self.job, event)).await;
    }

    /// Runs `work` until it ends or `cancel` is cancelled, and tells how it ended.
    pub(crate) fn spawn(
        self,
        tasks: &mut JoinSet<()>,
        cancel: CancellationToken,
        work: impl Future<Output = JobEvent> + Send + 'static,
    ) {
        tasks.spawn(async move {
            let event = tokio::select! {
                () = cancel.cancelled() => JobEvent::Cancelled,
                outcome = AssertUnwindSafe(work).catch_unwind() => outcome.unwrap_or_else(|_| defect()),
            };
            self.end(event).await;
        });
    }
}

/// Explains a part of a file and writes the explanation into a document.
pub(crate) async fn explain<E: Send + 'static>(app: App, what: Explain, mut teller: Teller<E>) -> JobEvent {
    let Explain { workspace, path, name, document, part, question, title, reviews, open } = what;
    let (open_files, asked) = (in_front(Some(&path), &open), question.clone());
    let prepared = tokio::task::spawn_blocking(move || {
        let lines = match part {
            ExplainPart::Lines(first, last) => (first, last),
            ExplainPart::Bytes(bytes) => document.as_ref().map_or((1, 1), |document| lines_of(document, bytes)),
        };
        (lines, document.map(|document| document.rope().to_string()), unsaved(&open))
    });
    let Ok((lines, text, open_buffers)) = prepared.await else {
        return defect();
    };
    let ask = Ask {
        workspace: workspace.clone(),
        search_by_focus: question.is_none(),
        question: question.unwrap_or_else(|| if reviews { REVIEW } else { EXPLAIN }.to_owned()),
        focus: Some(Focus { path, lines: Some(lines), text }),
        open_buffers,
        open_files,
        ..Ask::default()
    };
    let answer = match answer(&app, ask, &mut teller).await {
        Ok(answer) => answer,
        Err(error) => return failed(error),
    };
    let place = app::place(&name, lines);
    let title = match asked {
        Some(question) => format!("{title} {place}: {}", shortened(&question)),
        None => format!("{title} {place}"),
    };
    match app.write_answer_document(&title, workspace.as_deref(), &answer).await {
        Ok(path) => JobEvent::Explained { path, notice: said(&answer) },
        Err(error) => failed(error),
    }
}

/// What the user is told beside the document: why the model gave no answer, else what is to be known about it.
fn said(answer: &Answer) -> Option<String> {
    let Some(problem) = &answer.problem else { return answer.notice.clone() };
    Some(app::with_hint(&problem.message, problem.hint.as_deref()))
}

/// Looks for a comment that asks for something on a line, from zero.
pub(crate) async fn find_comment(document: Document, line: u32) -> JobEvent {
    let found = tokio::task::spawn_blocking(move || comment_at(&document, line));
    found.await.map_or_else(|_| defect(), |found| JobEvent::Comment(found.map(Box::new)))
}

/// The comment that asks for something on a line, from zero. Parses the document.
pub(crate) fn comment_at(document: &Document, line: u32) -> Option<Trigger> {
    let rope = document.rope();
    let line_of = |byte: usize| rope.byte_to_line(byte.min(rope.len_bytes()));
    let holds = |trigger: &Trigger| {
        (line_of(trigger.removal.start)..=line_of(trigger.place.end)).contains(&(line as usize))
    };
    engine::triggers(document, None).into_iter().find(holds)
}

/// The edit of a text that still holds the comment which asked for it, from one of the text without.
async fn with_comment_removed(edit: Edit, base: Rope, commented: Rope, notice: Option<String>) -> JobEvent {
    let worked = tokio::task::spawn_blocking(move || {
        let after = edit.apply(&base).ok()?.to_string();
        let before = commented.to_string();
        let changes = text::hunks(&before, &after).len();
        Some((text::minimal_edit(&before, &after), app::counted(changes as u64, "change")))
    });
    match worked.await {
        Ok(Some((edit, summary))) => JobEvent::Edited { edit, summary, notice },
        _ => defect(),
    }
}

/// Makes an edit of a document. `open` are the open documents; `commented` is its text with the comment that asked for
/// the edit, which goes with it.
pub(crate) async fn edit<E: Send + 'static>(
    app: App,
    mut request: EditRequest,
    open: Vec<Document>,
    commented: Option<Rope>,
    mut teller: Teller<E>,
) -> JobEvent {
    let base = request.document.rope().clone();
    request.open_files = in_front(request.path.as_deref(), &open);
    let Ok(open_buffers) = tokio::task::spawn_blocking(move || unsaved(&open)).await else {
        return defect();
    };
    request.open_buffers = open_buffers;
    let mut events = app.edit(request);
    let mut refused = None;
    while let Some(event) = events.next().await {
        match event {
            Ok(EditEvent::Finished(EditOutcome::Edit { edit, summary, notice })) => {
                return match commented {
                    None => JobEvent::Edited { edit, summary, notice },
                    Some(commented) => with_comment_removed(edit, base, commented, notice).await,
                };
            }
            Ok(EditEvent::Finished(EditOutcome::Files { files, notice })) => {
                return JobEvent::EditedFiles { files, notice };
            }
            Ok(EditEvent::Finished(EditOutcome::Refused { reason, hint })) => {
                return JobEvent::GivenUp { reason, hint };
            }
            Ok(EditEvent::TryingAgain { reason }) => {
                teller.report(Stage::TryingAgain, || trying_again(&reason));
                refused = Some(reason);
            }
            Ok(EditEvent::About { target }) => teller.about(target).await,
            Ok(event) => {
                if let EditEvent::Writing { code: Some(code), .. } = &event {
                    teller.preview(code.clone());
                }
                edit_progress(&event, refused.as_deref(), &mut teller);
            }
            Err(error) => return failed(error),
        }
    }
    defect()
}

async fn answer<E: Send + 'static>(app: &App, ask: Ask, teller: &mut Teller<E>) -> app::Result<Answer> {
    let mut events = app.ask(ask);
    let mut pieces = 0_u64;
    while let Some(event) = events.next().await {
        match event? {
            AnswerEvent::Finished { answer } => return Ok(*answer),
            event => {
                pieces += u64::from(matches!(event, AnswerEvent::Text { .. }));
                answer_progress(&event, pieces, teller);
            }
        }
    }
    Err(AppError::new(ErrorKind::Bug, "the answer broke off without saying why"))
}

fn answer_progress<E: Send + 'static>(event: &AnswerEvent, pieces: u64, teller: &mut Teller<E>) {
    match event {
        AnswerEvent::Queued { position } => teller.report(Stage::Waiting, || waiting(*position)),
        AnswerEvent::Held { notice } => teller.report(Stage::Waiting, || notice.clone()),
        AnswerEvent::Loading { fraction } => teller.report(Stage::Loading, || loading(*fraction)),
        AnswerEvent::Searching | AnswerEvent::Sources { .. } => {
            teller.report(Stage::Searching, || "searching the workspace".into());
        }
        AnswerEvent::Indexing { done, total } => {
            teller.report(Stage::Indexing, || format!("indexing, {done} of {total} files"));
        }
        AnswerEvent::Reading { done_tokens, total_tokens } => {
            teller.report(Stage::Reading, || reading(*done_tokens, *total_tokens));
        }
        AnswerEvent::Text { .. } => teller.report(Stage::Writing, || writing(pieces)),
        // Nothing is drawn for an editor, and an end is told by whoever reads it.
        AnswerEvent::Drawing { .. } | AnswerEvent::Finished { .. } => {}
    }
}

/// Tells how far an edit is, with the reason why the last answer was refused, so that it can be read for a while.
fn edit_progress<E: Send + 'static>(event: &EditEvent, refused: Option<&str>, teller: &mut Teller<E>) {
    let (stage, words) = match event {
        EditEvent::Queued { position } => (Stage::Waiting, waiting(*position)),
        EditEvent::Held { notice } => (Stage::Waiting, notice.clone()),
        EditEvent::Loading { fraction } => (Stage::Loading, loading(*fraction)),
        EditEvent::Reading { done_tokens, total_tokens } => (Stage::Reading, reading(*done_tokens, *total_tokens)),
        EditEvent::Writing { answer_tokens, .. } => (Stage::Writing, writing(u64::from(*answer_tokens))),
        EditEvent::About { .. }
        | EditEvent::Answered { .. }
        | EditEvent::TryingAgain { .. }
        | EditEvent::Finished(_) => return,
    };
    teller.report(stage, || match refused {
        Some(reason) => format!("{}; {words}", trying_again(reason)),
        None => words,
    });
}

fn trying_again(reason: &str) -> String {
    format!("trying again: {reason}")
}

fn waiting(position: u32) -> String {
    format!("waiting, place {position} in the queue")
}

fn loading(fraction: f32) -> String {
    format!("loading the model, {:.0} %", f64::from(fraction.clamp(0.0, 1.0)) * 100.0)
}

fn reading(done: u32, total: u32) -> String {
    format!("reading, {done} of {total} tokens")
}

fn writing(tokens: u64) -> String {
    format!("writing, {tokens} {}", if tokens == 1 { "token" } else { "tokens" })
}

pub(super) fn failed(error: AppError) -> JobEvent {
    if error.kind == ErrorKind::Cancelled { JobEvent::Cancelled } else { JobEvent::Failed(error) }
}

pub(super) fn defect() -> JobEvent {
    JobEvent::Failed(
        AppError::new(ErrorKind::Bug, "the work failed from a defect of ours").hint("the log says more"),
    )
}

/// The lines of `bytes`, from 1 and inclusive; those of the symbol around it when it is empty.
fn lines_of(document: &Document, bytes: Range<usize>) -> (u32, u32) {
    let symbol =
        || EditTask::new(document.clone(), bytes.clone(), EditAction::Edit, None).ok().map(|task| task.target);
    let bytes = if bytes.is_empty() { symbol().unwrap_or_else(|| bytes.clone()) } else { bytes };
    let rope = document.rope();
    let line =
        |byte: usize| u32::try_from(rope.byte_to_line(byte.min(rope.len_bytes()))).unwrap_or(u32::MAX - 1) + 1;
    // The last byte, not the one after it: a range that ends with a line break does not touch the next line.
    (line(bytes.start), line(bytes.end.saturating_sub(1).max(bytes.start)))
}

/// The open files, the one that the user works in first.
pub(crate) fn in_front(path: Option<&Path>, open: &[Document]) -> Vec<PathBuf> {
    let others = open.iter().filter_map(|document| path_of(document.uri()));
    let others = others.filter(|other| Some(other.as_path()) != path);
    path.map(Path::to_owned).into_iter().chain(others).take(BUFFERS_MAX).collect()
}

/// The documents whose text is not what the disk holds. Reads files.
pub(crate) fn unsaved(open: &[Document]) -> Vec<Buffer> {
    let buffer = |document: &Document| {
        let path = path_of(document.uri())?;
        (!is_saved(&path, document)).then(|| Buffer { path, text: document.rope().to_string() })
    };
    open.iter().take(BUFFERS_MAX).filter_map(buffer).collect()
}

fn is_saved(path: &Path, document: &Document) -> bool {
    let rope = document.rope();
    let same_length = std::fs::metadata(path).is_ok_and(|meta| meta.len() == rope.len_bytes() as u64);
    same_length && std::fs::read_to_string(path).is_ok_and(|saved| *rope == saved)
}
