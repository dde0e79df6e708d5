//! The engine on a thread of this process, for benchmarks that measure what the worker process costs.
//!
//! Refuses: to be safe; an abort in native code ends the whole program. Products use `worker::WorkerModel`.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use model::{ChatEvent, ChatModel, ChatRequest, ChatStream, ModelError, ModelInfo};
use tokio::sync::{mpsc as stream, oneshot};
use worker::{Backend, CancelFlag, CountTokens};

use crate::{LlamaBackend, LlamaOptions};

/// Events that wait for the benchmark; then the engine waits.
const EVENTS_LEN_MAX: usize = 1024;

type Item = Result<ChatEvent, ModelError>;

enum Job {
    Load(oneshot::Sender<Result<ModelInfo, ModelError>>),
    Chat { request: Box<ChatRequest>, events: stream::Sender<Item>, cancel: CancelFlag },
    Count { texts: Vec<String>, reply: oneshot::Sender<Result<Vec<u32>, ModelError>> },
}

/// A model on a thread of this process.
pub struct InProcess {
    jobs: Mutex<Sender<Job>>,
    info: Arc<Mutex<ModelInfo>>,
}

impl InProcess {
    /// Starts the thread; the model is loaded on first use.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn new(options: LlamaOptions) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let info = Arc::new(Mutex::new(ModelInfo { name: options.name.clone(), ..ModelInfo::default() }));
        let shared = info.clone();
        thread::Builder::new().name("llama".into()).spawn(move || {
            // Made here, because a loaded model's context stays on the thread that made it.
            let mut engine = Thread { backend: LlamaBackend::new(options), count: None, info: shared };
            while let Ok(job) = inbox.recv() {
                engine.run(job);
            }
        })?;
        Ok(Self { jobs: Mutex::new(jobs), info })
    }

    fn send(&self, job: Job) {
        // When the thread is gone the reply channel in the job breaks and tells the caller.
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job));
    }
}

fn gone<T>(_: oneshot::error::RecvError) -> Result<T, ModelError> {
    Err(ModelError::Bug("the engine's thread ended".into()))
}

impl ChatModel for InProcess {
    fn info(&self) -> ModelInfo {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Load(reply));
        async move { answer.await.unwrap_or_else(gone) }.boxed()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        let (events, receiver) = stream::channel(EVENTS_LEN_MAX);
        let cancel = CancelFlag::default();
        let guard = CancelOnDrop(cancel.clone());
        self.send(Job::Chat { request: Box::new(request), events, cancel });
        Box::pin(answer_stream(receiver, guard))
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Count { texts, reply });
        async move { answer.await.unwrap_or_else(gone) }.boxed()
    }
}

struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

fn answer_stream(receiver: stream::Receiver<Item>, guard: CancelOnDrop) -> impl Stream<Item = Item> + Send {
    futures::stream::unfold((receiver, guard), |(mut receiver, guard)| async move {
        receiver.recv().await.map(|item| (item, (receiver, guard)))
    })
}

struct Thread {
    backend: LlamaBackend,
    count: Option<CountTokens>,
    info: Arc<Mutex<ModelInfo>>,
}

impl Thread {
    fn run(&mut self, job: Job) {
        match job {
            Job::Load(reply) => {
                let loaded = self.load().map(|_| self.lock_info());
                let _ = reply.send(loaded);
            }
            Job::Chat { request, events, cancel } => {
                let mut emit = |event| drop(events.blocking_send(Ok(event)));
                let end = self.load().and_then(|()| self.backend.chat(&request, &mut emit, &cancel));
                drop(events.blocking_send(end.map(ChatEvent::Finished)));
            }
            Job::Count { texts, reply } => {
                let counts = self.load().and_then(|()| {
                    let count = self.count.as_ref().ok_or(ModelError::Cancelled)?;
                    texts.iter().map(|text| count(text)).collect()
                });
                let _ = reply.send(counts);
            }
        }
    }

    fn load(&mut self) -> Result<(), ModelError> {
        if self.count.is_none() {
            let loaded = self.backend.load(&mut |_| {}, &CancelFlag::default())?;
            *self.info.lock().unwrap_or_else(PoisonError::into_inner) = loaded.info;
            self.count = Some(loaded.count_tokens);
        }
        Ok(())
    }

    fn lock_info(&self) -> ModelInfo {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
