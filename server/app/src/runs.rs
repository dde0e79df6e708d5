//! Runs: answers in the making, owned by the server. Refuses: depending on whoever watches; closing a page or an
//! editor changes nothing, Stop is its own request.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::{Citation, Manifest};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use store::{After, EVENTS_BATCH_MAX, MESSAGES_PAGE_MAX, MessageRole, NewRun, RunEnd, RunOutcome, RunUsage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chats::{self, MessageState};
use crate::streaming::streaming;
use crate::{Answer, AnswerEvent, App, AppError, Ask, ErrorKind, Result, Usage};

/// Answers made or waiting at the same time.
const RUNS_MAX: usize = 64;
/// How often the text so far is made durable.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// How long ending waits for runs to keep their text.
const INTERRUPT_WAIT_MAX: Duration = Duration::from_secs(5);

/// The ids of a question that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The user's message.
    pub user_message_id: String,
    /// The answer, still empty.
    pub answer_message_id: String,
    /// The run that writes it.
    pub run_id: String,
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Its number within the run, from 1.
    pub seq: u64,
    /// What happened.
    pub kind: RunEventKind,
}

/// What can happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEventKind {
    /// The answer goes on.
    Answer(AnswerEvent),
    /// The run is over and stored. No event follows.
    Ended {
        /// How.
        state: MessageState,
        /// Why it failed.
        error: Option<String>,
    },
}

/// Events of a run: those of the past, then those to come. It ends after `Ended`.
pub type RunStream = Pin<Box<dyn Stream<Item = Result<RunEvent>> + Send>>;

/// What is kept of an answer besides its text and citations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) manifest: Option<Manifest>,
    pub(crate) usage: Option<Usage>,
    pub(crate) notice: Option<String>,
}

/// The runs that are not over.
#[derive(Default)]
pub(crate) struct Runs {
    live: Mutex<HashMap<String, Arc<LiveRun>>>,
    tasks: TaskTracker,
    /// Held from before a run is stored until it is among the live ones, so that whoever misses it there can wait.
    beginning: Arc<tokio::sync::Mutex<()>>,
}

struct LiveRun {
    chat_id: String,
    events: Mutex<Vec<RunEvent>>,
    /// The number of the last event.
    last_seq: watch::Sender<u64>,
    stop: CancellationToken,
}

impl LiveRun {
    fn push(&self, kind: RunEventKind) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = events.len() as u64 + 1;
        events.push(RunEvent { seq, kind });
        self.last_seq.send_replace(seq);
    }

    fn after(&self, seq: u64) -> Vec<RunEvent> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(seq).unwrap_or(usize::MAX);
        events.get(from..).unwrap_or_default().to_vec()
    }
}

impl Runs {
    fn live(&self, run_id: &str) -> Option<Arc<LiveRun>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).get(run_id).cloned()
    }

    fn all(&self) -> Vec<Arc<LiveRun>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn is_any_live(&self) -> bool {
        !self.live.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Begins the work of a run that was just stored.
    fn start(&self, app: &App, run_id: &str, chat_id: String, ask: Ask) {
        let live = Arc::new(LiveRun {
            chat_id,
            events: Mutex::default(),
            last_seq: watch::Sender::new(0),
            stop: CancellationToken::new(),
        });
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(run_id.to_owned(), Arc::clone(&live));
        self.tasks.spawn(run(app.clone(), run_id.to_owned(), ask, live));
    }

    pub(crate) fn is_running(&self, chat_id: &str) -> bool {
        self.all().iter().any(|run| run.chat_id == chat_id)
    }

    pub(crate) fn last_seq(&self, run_id: &str) -> u64 {
        self.live(run_id).map_or(0, |run| *run.last_seq.borrow())
    }
}

impl App {
    /// Asks `text` in a chat. Question and run are stored before this returns; the answer is the server's work.
    ///
    /// # Errors
    /// `NotFound`, `Stale` while the chat's last answer is being written, `Busy`, `User` for an empty question,
    /// `Unavailable` when Familiar is ending.
    pub async fn send(&self, chat_id: &str, text: &str) -> Result<Sent> {
        self.begin(chat_id, None, text).await
    }

    /// Asks the question of an answer once more, beside the first try.
    ///
    /// # Errors
    /// As [`App::send`]; `User` when the message is no answer.
    pub async fn regenerate(&self, chat_id: &str, message_id: &str) -> Result<Sent> {
        let id = message_id.to_owned();
        let question = self
            .stored(move |store| {
                let answer = store.message(&id)?;
                match answer.parent_id {
                    Some(parent) if answer.role == MessageRole::Assistant => store.message(&parent).map(Some),
                    _ => Ok(None),
                }
            })
            .await?;
        let question = question.filter(|question| question.chat_id == chat_id);
        let question = question.ok_or_else(|| AppError::new(ErrorKind::User, "this message is no answer"))?;
        self.begin(chat_id, Some(question.parent_id), &question.content).await
    }

    async fn begin(&self, chat_id: &str, after: Option<Option<String>>, text: &str) -> Result<Sent> {
        if text.trim().is_empty() {
            return Err(
                AppError::new(ErrorKind::User, "the question is empty").hint("ask something about the code")
            );
        }
        // Counted before it is asked whether work is taken: an end that begins now waits for this.
        let counted = self.count_run();
        self.accept_work()?;
        if self.inner.runs.all().len() >= RUNS_MAX {
            return Err(
                AppError::new(ErrorKind::Busy, "too many answers are being made").hint("try again in a moment")
            );
        }
        let (chat, branch) = self.branch_after(chat_id, after.clone()).await?;
        let ask = Ask {
            workspace: chat.workspace.as_ref().map(PathBuf::from),
            question: text.to_owned(),
            turns: chats::turns(&branch),
            ..Ask::default()
        };
        let (id, words, untitled) = (chat_id.to_owned(), text.to_owned(), chat.title.is_empty());
        let app = self.clone();
        let beginning = Arc::clone(&self.inner.runs.beginning).lock_owned().await;
        // One piece of work to the end: a caller who leaves meanwhile leaves no run that nobody works on.
        self.stored(move |store| {
            let _held = (beginning, counted);
            let after = match &after {
                None => After::Newest,
                Some(None) => After::Start,
                Some(Some(parent)) => After::Message(parent),
            };
            let begun = store.begin_run(&NewRun { chat_id: &id, after, text: &words, model: None })?;
            app.inner.runs.start(&app, &begun.run_id, id.clone(), ask);
            if untitled && let Err(error) = store.rename_chat(&id, &chats::title_of(&words)) {
                tracing::warn!(%error, "a chat could not be named after its first question");
            }
            Ok(Sent {
                user_message_id: begun.user_message_id,
                answer_message_id: begun.answer_message_id,
                run_id: begun.run_id,
            })
        })
        .await
    }

    /// The chat with what was said before a new question: up to the message `after` where one is named, else to the
    /// newest.
    async fn branch_after(
        &self,
        chat_id: &str,
        after: Option<Option<String>>,
    ) -> Result<(store::Chat, Vec<store::Message>)> {
        let Some(parent) = after else { return self.branch(chat_id, None).await };
        let id = chat_id.to_owned();
        self.stored(move |store| {
            let branch = match parent {
                Some(parent) => store.thread(&parent, MESSAGES_PAGE_MAX)?,
                None => Vec::new(),
            };
            Ok((store.chat(&id)?, branch))
        })
        .await
    }

    /// Stops a run; what was written is kept. A run that is over stays as it is.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stop_run(&self, run_id: &str) -> Result<()> {
        let runs = &self.inner.runs;
        let live = match runs.live(run_id) {
            Some(live) => Some(live),
            None => {
                // It may be stored and about to begin.
                let _begun = runs.beginning.lock().await;
                runs.live(run_id)
            }
        };
        if let Some(live) = live {
            live.stop.cancel();
            return Ok(());
        }
        let id = run_id.to_owned();
        self.stored(move |store| store.run(&id)).await.map(drop)
    }

    /// The events of a run after number `after_seq` (0 for all).
    pub fn run_events(&self, run_id: &str, after_seq: u64) -> RunStream {
        let (app, run_id) = (self.clone(), run_id.to_owned());
        streaming(move |events| async move {
            let Some(live) = app.inner.runs.live(&run_id) else {
                for event in app.past_events(&run_id, after_seq).await? {
                    events.send(event).await?;
                }
                return Ok(());
            };
            let mut last_seq = live.last_seq.subscribe();
            let mut seen = after_seq;
            loop {
                for event in live.after(seen) {
                    seen = event.seq;
                    let ended = matches!(event.kind, RunEventKind::Ended { .. });
                    events.send(event).await?;
                    if ended {
                        return Ok(());
                    }
                }
                let changed = last_seq.wait_for(|last| *last > seen).await.map(drop);
                changed.map_err(|_| AppError::new(ErrorKind::Bug, "a run ended without saying so"))?;
            }
        })
    }

    /// What is stored of a run that is over, its end included.
    async fn past_events(&self, run_id: &str, after_seq: u64) -> Result<Vec<RunEvent>> {
        let id = run_id.to_owned();
        let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
        self.stored(move |store| {
            let run = store.run(&id)?;
            let message = store.message(&run.message_id)?;
            let mut events: Vec<RunEvent> = Vec::new();
            let mut last = after;
            loop {
                let batch = store.run_events(&id, last, EVENTS_BATCH_MAX)?;
                let Some(newest) = batch.last() else { break };
                last = newest.seq;
                events.extend(batch.iter().filter_map(|event| {
                    let kind = serde_json::from_str(&event.data).ok()?;
                    Some(RunEvent { seq: u64::try_from(event.seq).ok()?, kind })
                }));
            }
            let seq = u64::try_from(last).unwrap_or(0) + 1;
            let kind = RunEventKind::Ended { state: chats::state(message.state), error: message.error };
            events.push(RunEvent { seq, kind });
            Ok(events)
        })
        .await
    }

    /// Waits until the runs, which see the shutdown, have kept their text.
    pub(crate) async fn interrupt_runs(&self) {
        let tasks = &self.inner.runs.tasks;
        tasks.close();
        if tokio::time::timeout(INTERRUPT_WAIT_MAX, tasks.wait()).await.is_err() {
            tracing::warn!("a run did not end in time; the next start marks it as interrupted");
        }
    }
}

/// What became of a run.
struct Outcome {
    outcome: RunOutcome,
    error: Option<String>,
    answer: Option<Box<Answer>>,
}

/// Makes the answer of one run, keeping what it writes.
async fn run(app: App, run_id: String, ask: Ask, live: Arc<LiveRun>) {
    let mut journal = Journal {
        app: app.clone(),
        run_id: run_id.clone(),
        text: String::new(),
        sources: Vec::new(),
        kept: 0,
        stored: 0,
    };
    let outcome = match journal.start().await {
        Ok(()) => follow(&app, ask, &live, &mut journal).await,
        Err(error) => failed(error),
    };
    let end = journal.finish(outcome).await;
    journal.keep_events(&live).await;
    // Whoever hears of the end may ask again at once, so the run is off the list by then. The end itself is told from
    // the stored state of the run.
    app.inner.runs.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&run_id);
    live.push(end);
    app.inner.activity.tell();
}

async fn follow(app: &App, ask: Ask, live: &LiveRun, journal: &mut Journal) -> Outcome {
    let mut answer = app.ask_accepted(ask);
    let mut checkpoint = tokio::time::interval(CHECKPOINT_EVERY);
    let ended = |outcome| Outcome { outcome, error: None, answer: None };
    loop {
        tokio::select! {
            biased;
            () = live.stop.cancelled() => return ended(RunOutcome::Stopped),
            () = app.inner.shutdown.cancelled() => return ended(RunOutcome::Interrupted),
            event = answer.next() => match event {
                Some(Ok(event)) => {
                    let mut finished = None;
                    match &event {
                        AnswerEvent::Text { text } => journal.text.push_str(text),
                        AnswerEvent::Sources { passages } => journal.sources.clone_from(passages),
                        AnswerEvent::Finished { answer } => finished = Some(answer.clone()),
                        _ => {}
                    }
                    live.push(RunEventKind::Answer(event));
                    if finished.is_some() {
                        return Outcome { outcome: RunOutcome::Done, error: None, answer: finished };
                    }
                }
                Some(Err(error)) => return failed(error),
                None => return failed(AppError::new(ErrorKind::Bug, "the answer ended without saying why")),
            },
            _ = checkpoint.tick() => {
                journal.checkpoint().await;
                journal.keep_events(live).await;
            }
        }
    }
}

fn failed(error: AppError) -> Outcome {
    tracing::warn!(kind = ?error.kind, %error, "an answer failed");
    let hint = error.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    Outcome { outcome: RunOutcome::Failed, error: Some(format!("{}{hint}", error.message)), answer: None }
}

/// Keeps the state of one run in the store.
struct Journal {
    app: App,
    run_id: String,
    text: String,
    /// The passages that were sent: what an answer that broke off cites.
    sources: Vec<Citation>,
    /// Bytes of the text that are stored.
    kept: usize,
    /// Events that are stored.
    stored: u64,
}

impl Journal {
    async fn start(&self) -> Result<()> {
        let id = self.run_id.clone();
        self.app.stored(move |store| store.start_run(&id)).await
    }

    async fn checkpoint(&mut self) {
        if self.kept == self.text.len() {
            return;
        }
        let (id, text) = (self.run_id.clone(), self.text.clone());
        match self.app.stored(move |store| store.checkpoint_run(&id, &text)).await {
            Ok(()) => self.kept = self.text.len(),
            // The answer goes on in memory; the end tries again and says so when it cannot be kept.
            Err(error) => tracing::warn!(%error, "the answer so far could not be kept"),
        }
    }

    async fn keep_events(&mut self, live: &LiveRun) {
        let events = live.after(self.stored);
        let Some(last) = events.last().map(|event| event.seq) else { return };
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        let rows: Vec<store::RunEvent> = events
            .iter()
            .filter_map(|event| {
                let data = serde_json::to_string(&event.kind).ok()?;
                Some(store::RunEvent { seq: event.seq as i64, kind: "answer".into(), data, at_ms })
            })
            .collect();
        let id = self.run_id.clone();
        let kept = self
            .app
            .stored(move |store| {
                rows.chunks(EVENTS_BATCH_MAX).try_for_each(|rows| store.append_run_events(&id, rows))
            })
            .await;
        match kept {
            Ok(()) => self.stored = last,
            // Replay is a convenience: the text itself is kept with the message.
            Err(error) => tracing::warn!(%error, "events of a run could not be kept"),
        }
    }

    /// Stores the end and tells what to show.
    async fn finish(&mut self, outcome: Outcome) -> RunEventKind {
        let Outcome { outcome: how, error, answer } = outcome;
        let id = self.run_id.clone();
        // Without a model the passages are the text, and no piece of it was streamed.
        let text = answer.as_ref().map_or_else(|| self.text.clone(), |answer| answer.text.clone());
        let message = error.clone();
        let sources = std::mem::take(&mut self.sources);
        let stored = self.app.stored(move |store| {
            let citations = answer.as_ref().map_or(&sources, |answer| &answer.citations);
            let citations = serde_json::to_string(citations).ok();
            let record = answer.as_ref().and_then(|answer| {
                let manifest = Some(answer.manifest.clone());
                let record = Record { manifest, usage: answer.usage, notice: answer.notice.clone() };
                serde_json::to_string(&record).ok()
            });
            store.finish_run(
                &id,
                &RunEnd {
                    outcome: how,
                    text: Some(&text),
                    error: message.as_deref(),
                    citations: citations.as_deref(),
                    manifest: record.as_deref(),
                    usage: answer.as_deref().and_then(ledger),
                },
            )
        });
        match stored.await {
            Ok(()) => RunEventKind::Ended { state: chats::state(how.message_state()), error },
            Err(lost) => {
                tracing::error!(error = %lost, "the end of an answer could not be stored");
                let error = Some(format!("the answer could not be stored: {lost}"));
                RunEventKind::Ended { state: MessageState::Failed, error }
            }
        }
    }
}

fn ledger(answer: &Answer) -> Option<RunUsage<'_>> {
    let usage = answer.usage?;
    Some(RunUsage {
        model: answer.model.as_deref()?,
        prompt_tokens: usage.prompt_tokens,
        cached_tokens: usage.cached_tokens,
        answer_tokens: usage.answer_tokens,
        prompt_ms: usage.prompt_ms as u32,
        answer_ms: usage.answer_ms as u32,
    })
}
