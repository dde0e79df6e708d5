//! Runs: answers in the making, owned by the server. Refuses: depending on whoever watches; closing a page or an
//! editor changes nothing, Stop is its own request.

mod drawing;
mod journal;
mod work;

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use serde::{Deserialize, Serialize};
use store::{After, EVENTS_BATCH_MAX, MESSAGES_PAGE_MAX, MessageRole, NewRun};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chats::{self, MessageState};
use crate::streaming::streaming;
use crate::{AnswerEvent, App, AppError, Ask, ErrorKind, Result};

pub use drawing::ChatImage;
pub(crate) use journal::Record;

/// Answers made or waiting at the same time.
const RUNS_MAX: usize = 64;
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
        self.tasks.spawn(work::run(app.clone(), run_id.to_owned(), ask, live));
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
