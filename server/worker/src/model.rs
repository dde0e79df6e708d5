//! A chat model that lives in a child process.
//!
//! Refuses: to start the child before it is needed, and more waiting requests than its bound.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use model::{ChatModel, ChatRequest, ChatStream, ModelError, ModelInfo};

use crate::Supervisor;
use crate::handle::Handle;
use crate::options::WorkerOptions;
use crate::process::WorkerSpec;
use crate::work::Chat;

/// A model in a child process. Clones share the child; it is ended after the last clone and the last stream.
#[derive(Clone)]
pub struct WorkerModel(Handle<Chat>);

impl WorkerModel {
    /// A model that starts its child on first use.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn new(options: WorkerOptions, supervisor: Arc<Supervisor>) -> std::io::Result<Self> {
        Handle::new(options, supervisor).map(Self)
    }

    /// Process of the running child.
    pub fn pid(&self) -> Option<u32> {
        self.0.pid()
    }

    /// Ends the child after the running answers, and with it all its memory. The next request starts a new one.
    pub async fn unload(&self) {
        self.0.unload(None).await;
    }

    /// Ends the child after the running answers and goes on with another model; waiting requests go to that one.
    pub async fn switch(&self, spec: WorkerSpec, name: impl Into<String>) {
        self.0.unload(Some((spec, name.into()))).await;
    }
}

impl ChatModel for WorkerModel {
    fn info(&self) -> ModelInfo {
        self.0.info()
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        self.0.load().boxed()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        Box::pin(self.0.work(request))
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        self.0.answer(texts).boxed()
    }
}
