//! A chat model that lives in a child process.
//!
//! Refuses: to start the child before it is needed, and more waiting requests than its bound.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use model::{ChatEvent, ChatModel, ChatRequest, ChatStream, ModelError, ModelInfo};
use tokio::sync::oneshot;

use crate::Supervisor;
use crate::keeper::{Command, Deadlines, Keeper, Shared, Unload, Waiting};
use crate::mailbox::Mailbox;
use crate::process::WorkerSpec;
use crate::protocol::RequestId;

/// Commands that may lie in the keeper's inbox; it empties it at once, so only a flood fills it.
const INBOX_LEN_MAX: usize = 4096;
const QUEUE_LEN_MAX_DEFAULT: usize = 64;

/// How a model is kept.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Name users know the model by.
    pub name: String,
    /// What to start.
    pub spec: WorkerSpec,
    /// Build of this program; a child of another build is refused.
    pub build_id: String,
    /// Requests that may wait; more are refused as busy.
    pub queue_len_max: usize,
    /// The child is ended when nobody used it for so long; `None` keeps it.
    pub idle_unload: Option<Duration>,
    /// How long a child may show no progress.
    pub deadlines: Deadlines,
}

impl WorkerOptions {
    /// Options for the model `name` run by `spec`, with defaults for the rest.
    pub fn new(name: impl Into<String>, spec: WorkerSpec, build_id: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            spec,
            build_id: build_id.into(),
            queue_len_max: QUEUE_LEN_MAX_DEFAULT,
            idle_unload: None,
            deadlines: Deadlines::default(),
        }
    }
}

struct Inner {
    commands: SyncSender<Command>,
    shared: Arc<Shared>,
    ids: AtomicU64,
}

impl Inner {
    fn next_id(&self) -> RequestId {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The flag counts when the inbox is full: the keeper looks at it after every command.
        self.shared.closed.store(true, Ordering::Release);
        drop(self.commands.try_send(Command::Close));
    }
}

/// A model in a child process. Clones share the child; it is ended after the last clone and the last stream.
#[derive(Clone)]
pub struct WorkerModel(Arc<Inner>);

impl WorkerModel {
    /// A model that starts its child on first use.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn new(options: WorkerOptions, supervisor: Arc<Supervisor>) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::sync_channel(INBOX_LEN_MAX);
        let shared = Arc::new(Shared::default());
        shared.info.lock().unwrap_or_else(PoisonError::into_inner).name.clone_from(&options.name);
        let keeper = Keeper::new(options, supervisor, shared.clone(), (commands.clone(), inbox));
        thread::Builder::new().name("worker-keeper".into()).spawn(move || keeper.run())?;
        Ok(Self(Arc::new(Inner { commands, shared, ids: AtomicU64::new(0) })))
    }

    /// Process of the running child.
    pub fn pid(&self) -> Option<u32> {
        Some(self.0.shared.pid.load(Ordering::Acquire)).filter(|pid| *pid != 0)
    }

    /// Ends the child after the running answers, and with it all its memory. The next request starts a new one.
    pub async fn unload(&self) {
        self.send_unload(None).await;
    }

    /// Ends the child after the running answers and goes on with another model; waiting requests go to that one.
    pub async fn switch(&self, spec: WorkerSpec, name: impl Into<String>) {
        self.send_unload(Some((spec, name.into()))).await;
    }

    async fn send_unload(&self, next: Option<(WorkerSpec, String)>) {
        let (reply, done) = oneshot::channel();
        if self.0.commands.try_send(Command::Unload(Unload { next, reply })).is_ok() {
            // A closed channel means that the keeper ended, and the child with it.
            drop(done.await);
        }
    }

    /// Sends the command made from a reply channel and waits for the reply.
    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, ModelError>>) -> Command,
    ) -> Result<T, ModelError> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.try_send(command(reply)).map_err(|_| ModelError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(ModelError::Unavailable("it was closed".into())))
    }
}

impl ChatModel for WorkerModel {
    fn info(&self) -> ModelInfo {
        self.0.shared.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        self.ask(Command::Load).boxed()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        let mailbox = Arc::new(Mailbox::default());
        let waiting = Waiting {
            id: self.0.next_id(),
            request: Box::new(request),
            mailbox: mailbox.clone(),
            since: Instant::now(),
            told: 0,
        };
        if self.0.commands.try_send(Command::Chat(waiting)).is_err() {
            mailbox.end(Err(ModelError::Busy));
        }
        Box::pin(Answer { mailbox, model: self.0.clone() })
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        let id = self.0.next_id();
        self.ask(move |reply| Command::Count { id, texts, reply }).boxed()
    }
}

/// The stream of one answer.
struct Answer {
    mailbox: Arc<Mailbox>,
    model: Arc<Inner>,
}

impl Stream for Answer {
    type Item = Result<ChatEvent, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.mailbox.poll(context)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.mailbox.abandon();
        if !self.mailbox.has_ended() {
            // When the inbox is full, the keeper sees the abandoned mailbox with its next command.
            drop(self.model.commands.try_send(Command::Abandoned));
        }
    }
}
