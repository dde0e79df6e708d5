//! Model files: which there are, which one is in use, and the running model behind it. Refuses: naming a backend;
//! the binary brings one as [`Backend`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use model::{ChatModel, ModelInfo, gguf};
use serde::{Deserialize, Serialize};

use crate::{AppError, Config, ErrorKind, Result};

/// A folder with more model files than this is not a model folder.
const MODEL_FILES_MAX: usize = 1024;
/// The end of a model file's name.
const MODEL_EXTENSION: &str = "gguf";
/// How to get a model, said wherever one is missing.
pub(crate) const PULL_HINT: &str = "get the starter model with `familiar models pull starter`";

/// A model that was opened: what it answers with and what is known of its process.
pub trait RunningModel: ChatModel {
    /// The process that runs it, where one does.
    fn process_id(&self) -> Option<u32>;
    /// Requests that wait or run.
    fn queue_len(&self) -> u32;
    /// Gives its memory back after the running answers; the next request loads it again.
    fn unload(&self) -> BoxFuture<'_, ()>;
}

/// Opens model files. The binary implements it with worker processes.
pub trait Backend: Send + Sync {
    /// A model for `file`. Nothing is loaded before the first request.
    fn open(&self, file: &Path, config: &Config) -> Arc<dyn RunningModel>;
}

/// A model file in the model folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Its name: the file's name without its ending.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether it is the one in use.
    pub current: bool,
}

/// The state of the model in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelStatus {
    /// Its name, when there is one.
    pub name: Option<String>,
    /// Its file.
    pub path: Option<PathBuf>,
    /// `none`, `unloaded`, `loading` or `ready`.
    pub state: String,
    /// Tokens that prompt and answer may fill together.
    pub context_tokens: Option<u32>,
    /// Measured speed of reading, tokens per second.
    pub prompt_tokens_per_s: Option<f64>,
    /// Measured speed of writing, tokens per second.
    pub answer_tokens_per_s: Option<f64>,
    /// What to do when there is none.
    pub hint: Option<String>,
    /// Requests that wait or run.
    pub queue: u32,
    /// The process that runs it.
    pub pid: Option<u32>,
}

/// The models of one home.
pub(crate) struct Models {
    folder: PathBuf,
    backend: Option<Arc<dyn Backend>>,
    running: Mutex<Option<(PathBuf, Arc<dyn RunningModel>)>>,
    /// Requests that wait for the model to be loaded.
    waiting_for_load: AtomicU32,
}

impl Models {
    pub(crate) fn new(folder: PathBuf, backend: Option<Arc<dyn Backend>>) -> Self {
        Self { folder, backend, running: Mutex::default(), waiting_for_load: AtomicU32::new(0) }
    }

    /// Model files by name.
    pub(crate) fn list(&self, config: &Config) -> Vec<ModelEntry> {
        list_models(&self.folder, &config.model)
    }

    /// The model in use, opened but perhaps not loaded.
    ///
    /// # Errors
    /// `Unavailable` when there is no such file or this program brings no backend.
    pub(crate) fn current(&self, config: &Config) -> Result<Arc<dyn RunningModel>> {
        let backend = self.backend.as_ref().ok_or_else(|| unavailable("this program runs no models".into()))?;
        let entry = self.list(config).into_iter().find(|entry| entry.current);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entry else {
            *running = None;
            return Err(unavailable(format!("there is no model named `{}`", config.model)));
        };
        if let Some((path, model)) = &*running
            && *path == entry.path
        {
            return Ok(Arc::clone(model));
        }
        let model = backend.open(&entry.path, config);
        *running = Some((entry.path, Arc::clone(&model)));
        Ok(model)
    }

    /// Loads `model` when it is not loaded; the status says so meanwhile, also when the caller leaves early.
    pub(crate) async fn load(&self, model: &dyn RunningModel) -> Result<ModelInfo> {
        struct Waiting<'a>(&'a AtomicU32);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.waiting_for_load.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting_for_load);
        Ok(model.load().await?)
    }

    /// Gives the memory of the running model back.
    pub(crate) async fn unload(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, model)) = running {
            model.unload().await;
        }
    }

    pub(crate) fn status(&self, config: &Config) -> ModelStatus {
        let Some(entry) = self.list(config).into_iter().find(|entry| entry.current) else {
            return ModelStatus { state: "none".into(), hint: Some(PULL_HINT.into()), ..ModelStatus::default() };
        };
        let mut status = ModelStatus {
            name: Some(entry.name),
            path: Some(entry.path.clone()),
            state: "unloaded".into(),
            ..ModelStatus::default()
        };
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, model)) = &*running
            && *path == entry.path
        {
            let info = model.info();
            let waited_for = self.waiting_for_load.load(Ordering::Relaxed) > 0;
            let state = if info.loaded {
                "ready"
            } else if waited_for {
                "loading"
            } else {
                "unloaded"
            };
            status.state = state.into();
            status.context_tokens = info.context_tokens;
            status.prompt_tokens_per_s = info.prompt_tokens_per_s;
            status.answer_tokens_per_s = info.answer_tokens_per_s;
            status.queue = model.queue_len();
            status.pid = model.process_id();
        }
        status
    }
}

/// The model files of `folder` by name; `current` is the name of the one in use.
pub fn list_models(folder: &Path, current: &str) -> Vec<ModelEntry> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut entries: Vec<ModelEntry> = files
        .take(MODEL_FILES_MAX)
        .filter_map(std::result::Result::ok)
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == MODEL_EXTENSION))
        .filter_map(|path| {
            let size_bytes = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?.len();
            let name = path.file_stem()?.to_str()?.to_owned();
            Some(ModelEntry { current: name == current, name, path, size_bytes })
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Checks a model file without loading it.
///
/// # Errors
/// `Unavailable` with what is wrong in it.
pub fn verify_model(path: &Path) -> Result<gguf::Summary> {
    gguf::validate(path).map_err(|error| {
        AppError::new(ErrorKind::Unavailable, format!("{} cannot be used: {error}", path.display()))
            .hint("pull the model again with `familiar models pull NAME`")
            .caused_by(error)
    })
}

fn unavailable(message: String) -> AppError {
    AppError::new(ErrorKind::Unavailable, message).hint(PULL_HINT)
}
