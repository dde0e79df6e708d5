//! A question becomes a grounded answer: search, pack, ask the model, cite, check. Refuses: an answer without its
//! sources, and sources that are not what the files say now.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Citation, CitationFilter, Manifest, Passage, Question, Turn};
use futures::{Stream, StreamExt};
use model::{ChatEvent, ChatRequest, FinishReason, Finished, Priority, Sampling};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::images::{Held, Lease};
use crate::models::RunningModel;
use crate::streaming::{Events, streaming};
use crate::{App, AppError, ErrorKind, Result, sources};

/// A longer question is a document; it belongs into a file.
const QUESTION_BYTES_MAX: usize = 64 * 1024;
/// More than this is not read by a person either.
const ATTACHMENT_BYTES_MAX: usize = 1024 * 1024;
/// Passages looked at for one question.
pub(crate) const CANDIDATES_MAX: usize = 16;
/// Passages shown when no model can be asked.
const PASSAGES_WITHOUT_MODEL_MAX: usize = 5;
/// Reasons for waiting that were not passed on yet.
const NOTICES_WAITING_MAX: usize = 4;
/// How often a model that is being loaded is asked how far it is.
pub(crate) const LOAD_LOOK_EVERY: Duration = Duration::from_millis(200);

/// An open document with unsaved text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Where it will be saved, absolute.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// The file a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Focus {
    /// Absolute, or relative to the workspace.
    pub path: PathBuf,
    /// First and last line, 1-based and inclusive; the whole file when `None`.
    pub lines: Option<(u32, u32)>,
    /// The unsaved text of the whole file, where an editor holds one.
    pub text: Option<String>,
}

/// A question with what it is about.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The folder whose files may answer it.
    pub workspace: Option<PathBuf>,
    /// The user's words.
    pub question: String,
    /// Earlier turns, oldest first.
    pub turns: Vec<Turn>,
    /// The file it is about.
    pub focus: Option<Focus>,
    /// The question is the same whatever it is about, such as "explain this": what the focus says is searched for instead.
    pub search_by_focus: bool,
    /// Open documents with unsaved text.
    pub open_buffers: Vec<Buffer>,
    /// Files open in the editor, the one in front first.
    pub open_files: Vec<PathBuf>,
    /// Text the user hands over with the question, such as what was piped in; of more than fits, the lines that matter
    /// most are sent.
    pub attachment: Option<String>,
}

/// Tokens and time of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of those, tokens whose state was re-used.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub answer_tokens: u32,
    /// Waiting for the model, milliseconds.
    pub queue_ms: f64,
    /// Reading the prompt, milliseconds.
    pub prompt_ms: f64,
    /// Writing the answer, milliseconds.
    pub answer_ms: f64,
    /// From the question to the first piece of the answer, milliseconds.
    pub first_token_ms: f64,
}

/// A complete answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its Markdown, citing passages as `[n]`.
    pub text: String,
    /// The passages that were sent.
    pub citations: Vec<Citation>,
    /// The model that wrote it; `None` when there was none to ask.
    pub model: Option<String>,
    /// What went into the prompt and what did not.
    pub manifest: Manifest,
    /// Tokens and time; `None` without a model.
    pub usage: Option<Usage>,
    /// What the user should know about this answer.
    pub notice: Option<String>,
    /// Why the model could not write it, so that it is the passages alone.
    #[serde(default)]
    pub problem: Option<Problem>,
}

/// Why a model that is there gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What happened, one sentence.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

/// What happens while an answer is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerEvent {
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
    /// Passages are being looked for.
    Searching,
    /// The workspace is being indexed for the first time.
    Indexing {
        /// Files done.
        done: u64,
        /// Files in all.
        total: u64,
    },
    /// These passages were found and will be sent.
    Sources {
        /// None of them is marked as used yet.
        passages: Vec<Citation>,
    },
    /// The model reads.
    Reading {
        /// Prompt tokens done.
        done_tokens: u32,
        /// Prompt tokens in all.
        total_tokens: u32,
    },
    /// An image is being drawn.
    Drawing {
        /// Steps done.
        done: u32,
        /// Steps in all.
        all: u32,
        /// Milliseconds it will still take, once that can be told.
        remaining_ms: Option<u64>,
    },
    /// The next piece of the answer.
    Text {
        /// Markdown.
        text: String,
    },
    /// The answer is complete. No event follows.
    Finished {
        /// It, whole; boxed because most events are small.
        answer: Box<Answer>,
    },
}

/// The events of an answer. It ends after `Finished` or after an error. Dropping it cancels.
pub type AnswerStream = Pin<Box<dyn Stream<Item = Result<AnswerEvent>> + Send>>;

impl App {
    /// Answers a question from the workspace; refused once Familiar is ending.
    pub fn ask(&self, ask: Ask) -> AnswerStream {
        let (app, accepted) = (self.clone(), self.accept_work());
        streaming(|events| async move {
            accepted?;
            app.answer(ask, events).await
        })
    }

    /// Answers the question of a run that was accepted before.
    pub(crate) fn ask_accepted(&self, ask: Ask) -> AnswerStream {
        let app = self.clone();
        streaming(|events| async move { app.answer(ask, events).await })
    }

    async fn answer(&self, ask: Ask, events: Events<AnswerEvent>) -> Result<()> {
        let started = Instant::now();
        check_question(&ask)?;
        let _busy = self.count_run();
        let found = sources::find(self, &ask, &events).await?;
        let config = self.config();
        let model = match self.inner.models.current(&config) {
            Ok(model) => model,
            Err(error) => return events.send(without_model(&error, found)).await,
        };
        let _memory = self.wait_for_memory(&model, |notice| events.send(AnswerEvent::Held { notice })).await?;
        let info = match self.wait_for_load(&model, &events).await {
            Ok(info) => info,
            // The passages help also when the model does not; the answer says that it failed.
            Err(error) if error.kind == ErrorKind::Unavailable => {
                return events.send(instead_of_model(error, found)).await;
            }
            Err(error) => return Err(error),
        };
        let budget = engine::budget(&info, config.answer_tokens_max, config.prompt_seconds_max);
        let question = Question { text: ask.question.clone(), turns: ask.turns.clone() };
        let counts = model.count_tokens(engine::ask_texts(&question, &found.passages)).await?;
        let mut plan = engine::plan_ask(&question, found.passages, &counts, budget.prompt_tokens_max);
        plan.manifest.sent_to = Some(format!("{} on this machine", info.name));
        plan.manifest.notes.extend(found.notice.clone());
        events.send(AnswerEvent::Sources { passages: looked_at(&plan.passages) }).await?;
        let request = ChatRequest {
            messages: plan.messages,
            sampling: Sampling::default(),
            answer_tokens_max: budget.answer_tokens_max,
            stop: vec![engine::NEXT_QUESTION.into()],
            quotation: None,
            priority: Priority::Interactive,
        };
        let _writing = self.inner.workspaces.pace().writing();
        let written = write(&model, request, plan.passages.len(), started, &events).await?;
        let mut notice = found.notice;
        if written.cut {
            let limit =
                format!("The answer was cut at {} tokens (`answer_tokens_max`).", written.usage.answer_tokens);
            notice = Some(notice.map_or(limit.clone(), |notice| format!("{notice} {limit}")));
        }
        let mut citations = engine::cite(&written.text, &plan.passages);
        sources::check_live(&found.places, &plan.passages, &mut citations).await;
        let answer = Answer {
            text: written.text,
            citations,
            model: Some(info.name),
            manifest: plan.manifest,
            usage: Some(written.usage),
            notice,
            problem: None,
        };
        events.send(AnswerEvent::Finished { answer: Box::new(answer) }).await
    }
}

impl App {
    /// Waits until the memory that all models share has room for a use of `model`, and says why that takes a while.
    pub(crate) async fn wait_for_memory<F: Future<Output = Result<()>>>(
        &self,
        model: &Arc<dyn RunningModel>,
        mut say: impl FnMut(String) -> F,
    ) -> Result<Lease> {
        let (sender, mut notices) = mpsc::channel(NOTICES_WAITING_MAX);
        let leasing = self.inner.memory.lease(self.inner.models.wish(model), |why| {
            let notice = match why {
                Held::Images => "The model waits until the images are done: both do not fit into memory.",
                Held::Busy => "The model waits for memory that another one uses.",
            };
            // One that finds no place says the same as those before it.
            let _ = sender.try_send(notice.to_owned());
        });
        tokio::pin!(leasing);
        loop {
            tokio::select! {
                biased;
                lease = &mut leasing => return lease,
                Some(notice) = notices.recv() => say(notice).await?,
            }
        }
    }

    /// Loads the model when it is not loaded, and says how far that is meanwhile.
    async fn wait_for_load(
        &self,
        model: &Arc<dyn RunningModel>,
        events: &Events<AnswerEvent>,
    ) -> Result<model::ModelInfo> {
        if !model.info().loaded {
            events.send(AnswerEvent::Loading { fraction: 0.0 }).await?;
        }
        let load = self.inner.models.load(&**model);
        tokio::pin!(load);
        let mut look = tokio::time::interval(LOAD_LOOK_EVERY);
        let mut told = 0.0;
        loop {
            tokio::select! {
                biased;
                loaded = &mut load => return loaded,
                _ = look.tick() => {
                    let advanced = model.info().loading.filter(|fraction| *fraction > told);
                    if let Some(fraction) = advanced {
                        told = fraction;
                        events.send(AnswerEvent::Loading { fraction }).await?;
                    }
                }
            }
        }
    }
}

struct Written {
    text: String,
    usage: Usage,
    /// Whether the model was stopped before it was done.
    cut: bool,
}

/// Passes the model's answer on, without citations of passages that were not sent.
async fn write(
    model: &Arc<dyn RunningModel>,
    request: ChatRequest,
    passages: usize,
    started: Instant,
    events: &Events<AnswerEvent>,
) -> Result<Written> {
    let mut stream = model.chat(request);
    let mut filter = CitationFilter::new(passages);
    let mut text = String::new();
    let mut first_token_ms = 0.0;
    while let Some(event) = stream.next().await {
        match event? {
            ChatEvent::Queued { position } => events.send(AnswerEvent::Queued { position }).await?,
            ChatEvent::Loading { fraction } => events.send(AnswerEvent::Loading { fraction }).await?,
            ChatEvent::Prompt { done_tokens, total_tokens } => {
                events.send(AnswerEvent::Reading { done_tokens, total_tokens }).await?;
            }
            ChatEvent::Text(piece) => {
                if first_token_ms == 0.0 {
                    first_token_ms = milliseconds(started);
                }
                pass_on(filter.push(&piece), &mut text, events).await?;
            }
            ChatEvent::Finished(finished) => {
                pass_on(filter.finish(), &mut text, events).await?;
                let cut = finished.reason == FinishReason::Length;
                return Ok(Written { text, usage: usage(&finished, first_token_ms), cut });
            }
        }
    }
    Err(AppError::new(ErrorKind::Bug, "the model's answer ended without saying why"))
}

async fn pass_on(piece: String, text: &mut String, events: &Events<AnswerEvent>) -> Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    text.push_str(&piece);
    events.send(AnswerEvent::Text { text: piece }).await
}

fn check_question(ask: &Ask) -> Result<()> {
    let question = &ask.question;
    if ask.attachment.as_ref().is_some_and(|text| text.len() > ATTACHMENT_BYTES_MAX) {
        let message = format!("more than {ATTACHMENT_BYTES_MAX} bytes are attached");
        return Err(AppError::new(ErrorKind::User, message).hint("attach the part that matters"));
    }
    if question.trim().is_empty() {
        return Err(AppError::new(ErrorKind::User, "the question is empty").hint("ask something about the code"));
    }
    if question.len() > QUESTION_BYTES_MAX {
        let message = format!("the question has {} bytes, at most {QUESTION_BYTES_MAX} are read", question.len());
        return Err(AppError::new(ErrorKind::User, message).hint("put the text into a file and ask about it"));
    }
    Ok(())
}

/// What is answered when there is no model: the passages themselves, and how to get one.
fn without_model(error: &AppError, found: sources::Found) -> AnswerEvent {
    let hint = error.hint.as_deref().unwrap_or_default();
    let mut notice = format!("No model is loaded ({}): {hint}.", error.message);
    notice.extend(found.notice.iter().flat_map(|more| [" ", more.as_str()]));
    let answer = passages_alone(found.passages, "nothing was sent: no model is loaded");
    AnswerEvent::Finished { answer: Box::new(Answer { notice: Some(notice), ..answer }) }
}

/// What is answered when the model that is there cannot be loaded: the passages, and why.
fn instead_of_model(error: AppError, found: sources::Found) -> AnswerEvent {
    tracing::warn!(%error, "the model could not be loaded; the passages are shown");
    let answer = passages_alone(found.passages, "nothing was sent: the model could not be loaded");
    let problem = Some(Problem { message: error.message, hint: error.hint });
    AnswerEvent::Finished { answer: Box::new(Answer { notice: found.notice, problem, ..answer }) }
}

/// An answer that is its best passages.
fn passages_alone(passages: Vec<Passage>, why: &str) -> Answer {
    let shown: Vec<Passage> = passages.into_iter().take(PASSAGES_WITHOUT_MODEL_MAX).collect();
    let mut text = String::new();
    for (at, passage) in shown.iter().enumerate() {
        let block = engine::fenced("", &passage.text);
        // In code marks, because names of files may hold marks of their own.
        text.push_str(&format!("[{}] `{}`: {}\n\n{block}\n\n", at + 1, passage.place(), passage.reason));
    }
    if shown.is_empty() {
        text.push_str("Nothing in the workspace matches the question.\n");
    }
    let citations = looked_at(&shown);
    let manifest = Manifest { notes: vec![why.into()], ..Manifest::default() };
    Answer { text, citations, manifest, ..Answer::default() }
}

/// The passages before an answer used any.
fn looked_at(passages: &[Passage]) -> Vec<Citation> {
    engine::cite("", passages)
}

fn usage(finished: &Finished, first_token_ms: f64) -> Usage {
    Usage {
        prompt_tokens: finished.usage.prompt_tokens,
        cached_tokens: finished.usage.cached_tokens,
        answer_tokens: finished.usage.answer_tokens,
        queue_ms: whole_microseconds(finished.timings.queue_ms),
        prompt_ms: whole_microseconds(finished.timings.prompt_ms),
        answer_ms: whole_microseconds(finished.timings.answer_ms),
        first_token_ms: whole_microseconds(first_token_ms),
    }
}

/// What is stored reads back as the same number: the JSON reader may miss the last digit of a longer one.
fn whole_microseconds(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// `path` inside `workspace`, absolute.
pub(crate) fn absolute(workspace: Option<&Path>, path: &Path) -> PathBuf {
    match workspace {
        Some(root) if path.is_relative() => root.join(path),
        _ => path.to_owned(),
    }
}
