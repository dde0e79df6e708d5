//! The one place that names backends: a model becomes a worker process that runs it.
//!
//! Refuses: loading anything before the first request, and native code in this process.

use std::path::Path;
#[cfg(feature = "scripted")]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use app::{Backend, Config, DeviceMemory, RunningImageModel, RunningModel};
use futures::StreamExt;
use futures::future::BoxFuture;
use model::{
    ChatModel, ChatRequest, ChatStream, ImageModel, ImageModelInfo, ImageRequest, ImageStream, ModelError,
    ModelInfo,
};
use worker::{Supervisor, WorkerImageModel, WorkerModel, WorkerOptions, WorkerSpec};

use crate::build_id::BuildId;
#[cfg(feature = "scripted")]
use crate::context::Context;
use crate::failure::Failure;
use crate::os;

/// Time workers get to end in order when the daemon leaves.
const WORKERS_END_MAX: Duration = Duration::from_secs(3);
const MINUTE: Duration = Duration::from_secs(60);

/// Runs model files in worker processes.
pub(crate) struct Workers {
    supervisor: Arc<Supervisor>,
    build_id: String,
    #[cfg(feature = "scripted")]
    script: Option<PathBuf>,
}

impl Workers {
    /// Workers of this build. The thread that starts them lives as long as the process.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(build: &BuildId) -> Result<Self, Failure> {
        let supervisor =
            Supervisor::start().map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            supervisor,
            build_id: build.to_string(),
            #[cfg(feature = "scripted")]
            script: None,
        })
    }

    /// The same, but the model follows the script in `file`. The model folder is one of its own then, with a file
    /// that stands for the model, so that the user's models stay untouched.
    ///
    /// # Errors
    /// When that folder cannot be written.
    #[cfg(feature = "scripted")]
    pub(crate) fn scripted(mut self, context: &mut Context, file: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("cannot use {}: {error}", file.display()));
        self.script = Some(std::fs::canonicalize(file).map_err(failed)?);
        context.home.models = context.home.state.join("scripted-models");
        context.home.create().map_err(|error| Failure::new(error.message))?;
        std::fs::write(context.home.models.join("scripted.gguf"), b"").map_err(failed)?;
        let images = context.home.models.join("scripted-images");
        std::fs::create_dir_all(&images).map_err(failed)?;
        std::fs::write(images.join("model_index.json"), b"{}").map_err(failed)?;
        context.config = std::mem::take(&mut context.config).with_argument("model", "scripted");
        Ok(self)
    }

    /// Ends all workers and waits for that.
    pub(crate) fn end(&self) {
        self.supervisor.end_all(WORKERS_END_MAX);
    }

    fn image_spec(&self, path: &Path) -> WorkerSpec {
        #[cfg(feature = "scripted")]
        if let Some(script) = &self.script {
            return WorkerSpec::own_program(["worker".as_ref(), "scripted-images".as_ref(), script.as_os_str()]);
        }
        WorkerSpec::own_program(["worker".as_ref(), "paint".as_ref(), "--model".as_ref(), path.as_os_str()])
    }

    fn spec(&self, file: &Path, name: &str, config: &Config) -> WorkerSpec {
        #[cfg(feature = "scripted")]
        if let Some(script) = &self.script {
            return WorkerSpec::own_program(["worker".as_ref(), "scripted".as_ref(), script.as_os_str()]);
        }
        let context_tokens = config.context_tokens_max.to_string();
        WorkerSpec::own_program([
            "worker".as_ref(),
            "llama".as_ref(),
            "--model".as_ref(),
            file.as_os_str(),
            "--name".as_ref(),
            name.as_ref(),
            "--context-tokens".as_ref(),
            context_tokens.as_ref(),
        ] as [&std::ffi::OsStr; 8])
    }
}

/// How long a model that nobody uses stays in memory; `None` keeps it.
fn idle_unload(config: &Config) -> Option<Duration> {
    let idle = u32::try_from(config.model_idle_minutes).unwrap_or(u32::MAX);
    (idle > 0).then(|| MINUTE.saturating_mul(idle))
}

/// Whether the parts of an image model in a folder fit together, as loading it would tell.
///
/// # Errors
/// `BadFile` with the file, and within it the key or tensor, that is missing, left over or does not fit.
pub(crate) fn check_image_model(folder: &Path) -> Result<(), ModelError> {
    Ok(paint::pipeline::check(folder)?)
}

impl Backend for Workers {
    fn open(&self, file: &Path, config: &Config) -> Arc<dyn RunningModel> {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut options = WorkerOptions::new(&name, self.spec(file, &name, config), &self.build_id);
        options.idle_unload = idle_unload(config);
        match WorkerModel::new(options, Arc::clone(&self.supervisor)) {
            Ok(model) => Arc::new(WorkerHandle { model, requests: Arc::default() }),
            Err(error) => Arc::new(NoThread { name, why: error.to_string() }),
        }
    }

    fn check(&self, file: &Path) -> Result<(), ModelError> {
        // The file of a scripted model only stands for one.
        #[cfg(feature = "scripted")]
        if self.script.is_some() {
            return Ok(());
        }
        model::gguf::validate(file).map(drop).map_err(ModelError::from)
    }

    fn open_image_model(&self, path: &Path, config: &Config) -> Option<Arc<dyn RunningImageModel>> {
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut options = WorkerOptions::for_images(&name, self.image_spec(path), &self.build_id);
        options.idle_unload = idle_unload(config);
        match WorkerImageModel::new(options, Arc::clone(&self.supervisor)) {
            // What is wrong with a folder is told when it is loaded.
            Ok(model) => Some(Arc::new(ImageWorkerHandle {
                model,
                weight_bytes: paint::pipeline::weight_bytes(path).unwrap_or(0),
            })),
            Err(error) => {
                tracing::error!(%error, "no thread could be had to watch over an image model");
                None
            }
        }
    }

    fn memory(&self) -> Option<DeviceMemory> {
        os::memory().map(|(free_bytes, total_bytes)| DeviceMemory { free_bytes, total_bytes })
    }
}

/// An image model in a worker.
struct ImageWorkerHandle {
    model: WorkerImageModel,
    /// Bytes of its weights by its files, until it says so itself; 0 when they do not tell.
    weight_bytes: u64,
}

impl ImageModel for ImageWorkerHandle {
    fn info(&self) -> ImageModelInfo {
        let info = self.model.info();
        let weight_bytes = if info.weight_bytes == 0 { self.weight_bytes } else { info.weight_bytes };
        ImageModelInfo { weight_bytes, ..info }
    }

    fn load(&self) -> BoxFuture<'_, Result<ImageModelInfo, ModelError>> {
        self.model.load()
    }

    fn draw(&self, request: ImageRequest) -> ImageStream {
        self.model.draw(request)
    }
}

impl RunningImageModel for ImageWorkerHandle {
    fn process_id(&self) -> Option<u32> {
        self.model.pid()
    }

    fn unload(&self) -> BoxFuture<'static, ()> {
        let model = self.model.clone();
        Box::pin(async move { model.unload().await })
    }
}

/// A model in a worker, with a count of what it is asked.
struct WorkerHandle {
    model: WorkerModel,
    requests: Arc<AtomicU32>,
}

/// Counts one request while its answer is read.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(requests: &Arc<AtomicU32>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ChatModel for WorkerHandle {
    fn info(&self) -> ModelInfo {
        self.model.info()
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        self.model.load()
    }

    fn chat(&self, request: ChatRequest) -> ChatStream {
        let counted = Counted::new(&self.requests);
        Box::pin(self.model.chat(request).inspect(move |_| {
            let _held = &counted;
        }))
    }

    fn count_tokens(&self, texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        self.model.count_tokens(texts)
    }
}

impl RunningModel for WorkerHandle {
    fn process_id(&self) -> Option<u32> {
        self.model.pid()
    }

    fn queue_len(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    fn unload(&self) -> BoxFuture<'static, ()> {
        let model = self.model.clone();
        Box::pin(async move { model.unload().await })
    }
}

/// A model that could not even be watched over, because the system has no thread to give.
struct NoThread {
    name: String,
    why: String,
}

impl NoThread {
    fn error(&self) -> ModelError {
        ModelError::Unavailable(self.why.clone())
    }
}

impl ChatModel for NoThread {
    fn info(&self) -> ModelInfo {
        ModelInfo { name: self.name.clone(), ..ModelInfo::default() }
    }

    fn load(&self) -> BoxFuture<'_, Result<ModelInfo, ModelError>> {
        let error = self.error();
        Box::pin(async move { Err(error) })
    }

    fn chat(&self, _request: ChatRequest) -> ChatStream {
        let error = self.error();
        Box::pin(futures::stream::once(async move { Err(error) }))
    }

    fn count_tokens(&self, _texts: Vec<String>) -> BoxFuture<'_, Result<Vec<u32>, ModelError>> {
        let error = self.error();
        Box::pin(async move { Err(error) })
    }
}

impl RunningModel for NoThread {
    fn process_id(&self) -> Option<u32> {
        None
    }

    fn queue_len(&self) -> u32 {
        0
    }

    fn unload(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}
