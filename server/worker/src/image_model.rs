//! A model that makes images and lives in a child process.
//!
//! Refuses: to start the child before it is needed, more waiting requests than its bound, and pixels that nobody reads.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use model::{ImageModel, ImageModelInfo, ImageRequest, ImageStream, ModelError};

use crate::Supervisor;
use crate::handle::Handle;
use crate::options::WorkerOptions;
use crate::process::WorkerSpec;
use crate::work::Images;

/// An image model in a child process. Clones share the child; it is ended after the last clone and the last stream.
///
/// A caller that stops reading holds the child after 8 MiB of pixels, and loses its request when it reads nothing for
/// as long as the child may be silent ([`Deadlines::answer`](crate::Deadlines::answer)).
#[derive(Clone)]
pub struct WorkerImageModel(Handle<Images>);

impl WorkerImageModel {
    /// A model that starts its child on first use. [`WorkerOptions::for_images`] has the deadlines that suit it.
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

    /// Ends the child after the running request, and with it all its memory. The next request starts a new one.
    pub async fn unload(&self) {
        self.0.unload(None).await;
    }

    /// Ends the child after the running request and goes on with another model; waiting requests go to that one.
    pub async fn switch(&self, spec: WorkerSpec, name: impl Into<String>) {
        self.0.unload(Some((spec, name.into()))).await;
    }
}

impl ImageModel for WorkerImageModel {
    fn info(&self) -> ImageModelInfo {
        self.0.info()
    }

    fn load(&self) -> BoxFuture<'_, Result<ImageModelInfo, ModelError>> {
        self.0.load().boxed()
    }

    fn draw(&self, request: ImageRequest) -> ImageStream {
        Box::pin(self.0.work(request))
    }
}
