//! The caller's end of a keeper, for any kind of work: commands go in, streams and replies come out.
//!
//! Refuses: to wait for the keeper, and to start the child before it is needed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Instant;

use futures::Stream;
use model::ModelError;
use tokio::sync::oneshot;

use crate::Supervisor;
use crate::keeper::{Command, Keeper, Shared, Unload, Waiting};
use crate::mailbox::Mailbox;
use crate::options::WorkerOptions;
use crate::process::WorkerSpec;
use crate::protocol::RequestId;
use crate::work::Work;

/// Commands that may lie in the keeper's inbox; it empties it at once, so only a flood fills it.
const INBOX_LEN_MAX: usize = 4096;

struct Inner<W: Work> {
    commands: SyncSender<Command<W>>,
    shared: Arc<Shared<W>>,
    ids: AtomicU64,
}

impl<W: Work> Inner<W> {
    fn next_id(&self) -> RequestId {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl<W: Work> Drop for Inner<W> {
    fn drop(&mut self) {
        // The flag counts when the inbox is full: the keeper looks at it after every command.
        self.shared.closed.store(true, Ordering::Release);
        drop(self.commands.try_send(Command::Close));
    }
}

/// A handle on a keeper. Clones share the child; it is ended after the last handle and the last stream.
pub(crate) struct Handle<W: Work>(Arc<Inner<W>>);

impl<W: Work> Clone for Handle<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Work> Handle<W> {
    pub(crate) fn new(options: WorkerOptions, supervisor: Arc<Supervisor>) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::sync_channel(INBOX_LEN_MAX);
        let shared = Arc::new(Shared {
            info: Mutex::new(W::unloaded(options.name.clone())),
            pid: AtomicU32::new(0),
            closed: AtomicBool::new(false),
        });
        let keeper = Keeper::new(options, supervisor, shared.clone(), (commands.clone(), inbox));
        thread::Builder::new().name("worker-keeper".into()).spawn(move || keeper.run())?;
        Ok(Self(Arc::new(Inner { commands, shared, ids: AtomicU64::new(0) })))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.0.shared.pid.load(Ordering::Acquire)).filter(|pid| *pid != 0)
    }

    pub(crate) fn info(&self) -> W::Info {
        self.0.shared.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn unload(&self, next: Option<(WorkerSpec, String)>) {
        let (reply, done) = oneshot::channel();
        if self.0.commands.try_send(Command::Unload(Unload { next, reply })).is_ok() {
            // A closed channel means that the keeper ended, and the child with it.
            drop(done.await);
        }
    }

    pub(crate) async fn load(&self) -> Result<W::Info, ModelError> {
        self.ask(Command::Load).await
    }

    pub(crate) async fn answer(&self, question: W::Question) -> Result<W::Answer, ModelError> {
        let id = self.0.next_id();
        self.ask(move |reply| Command::Question { id, question, reply }).await
    }

    pub(crate) fn work(&self, request: W::Request) -> Events<W> {
        let mailbox = Arc::new(Mailbox::default());
        let waiting = Waiting {
            id: self.0.next_id(),
            request: Box::new(request),
            mailbox: mailbox.clone(),
            since: Instant::now(),
            told: 0,
        };
        if self.0.commands.try_send(Command::Work(waiting)).is_err() {
            mailbox.end(Err(ModelError::Busy));
        }
        Events { mailbox, model: self.0.clone() }
    }

    /// Sends the command made from a reply channel and waits for the reply.
    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, ModelError>>) -> Command<W>,
    ) -> Result<T, ModelError> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.try_send(command(reply)).map_err(|_| ModelError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(ModelError::Unavailable("it was closed".into())))
    }
}

/// The stream of one request.
pub(crate) struct Events<W: Work> {
    mailbox: Arc<Mailbox<W>>,
    model: Arc<Inner<W>>,
}

impl<W: Work> Events<W> {
    /// When the inbox is full, the keeper looks at the mailboxes with its next command anyway.
    fn call_keeper(&self) {
        drop(self.model.commands.try_send(Command::LookAtCallers));
    }
}

impl<W: Work> Stream for Events<W> {
    type Item = Result<W::Event, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (item, has_read_much) = self.mailbox.poll(context);
        if has_read_much {
            self.call_keeper();
        }
        item
    }
}

impl<W: Work> Drop for Events<W> {
    fn drop(&mut self) {
        self.mailbox.abandon();
        if !self.mailbox.has_ended() {
            self.call_keeper();
        }
    }
}
