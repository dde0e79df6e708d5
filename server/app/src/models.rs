//! Model files: which there are, which one is in use, and the running model behind it. Refuses: naming a backend;
//! the binary brings one as [`Backend`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use futures::future::BoxFuture;
use model::{ChatModel, ModelError, ModelInfo, gguf};
use serde::{Deserialize, Serialize};

use crate::images::{ChatHolder, DeviceMemory, RunningImageModel, Wish};
use crate::{AppError, Config, ErrorKind, Result};

/// A folder with more model files than this is not a model folder.
const MODEL_FILES_MAX: usize = 1024;
/// The end of a model file's name.
const MODEL_EXTENSION: &str = "gguf";
/// What a language model takes besides its weights, in bytes: its context and room to compute. It takes them when it is
/// loaded, so that a further question needs nothing more.
const CONTEXT_BYTES: u64 = 512 << 20;
/// The model that needs no choice.
const STARTER: &str = "starter";

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

    /// Whether `file` can be loaded, as far as its head tells. Reads a few megabytes, so not for async threads.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self, file: &Path) -> std::result::Result<(), ModelError>;

    /// An image model for a folder or file; `None` when this program makes no images. Nothing is loaded before the first
    /// request; its files may be looked at, so not for async threads.
    fn open_image_model(&self, path: &Path, config: &Config) -> Option<Arc<dyn RunningImageModel>> {
        let _ = (path, config);
        None
    }

    /// Memory of the device that models are loaded into: of the accelerator, else the machine's own. May take a moment,
    /// so not for async threads. `None` when it cannot be told; then everything is taken to fit.
    fn memory(&self) -> Option<DeviceMemory> {
        None
    }
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
    /// `none`, `unusable`, `unloaded`, `loading` or `ready`.
    pub state: String,
    /// Share loaded, 0..=1, while it is being loaded.
    pub loading: Option<f32>,
    /// Why the file is unusable.
    pub problem: Option<String>,
    /// Tokens that prompt and answer may fill together.
    pub context_tokens: Option<u32>,
    /// Measured speed of reading, tokens per second.
    pub prompt_tokens_per_s: Option<f64>,
    /// Measured speed of writing, tokens per second.
    pub answer_tokens_per_s: Option<f64>,
    /// What to do when there is none or it is unusable.
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
    checked: Mutex<Option<Checked>>,
}

/// What the check of a file said, which holds until the file is another one.
struct Checked {
    path: PathBuf,
    size_bytes: u64,
    modified: Option<SystemTime>,
    problem: Option<String>,
}

impl Models {
    pub(crate) fn new(folder: PathBuf, backend: Option<Arc<dyn Backend>>) -> Self {
        Self {
            folder,
            backend,
            running: Mutex::default(),
            waiting_for_load: AtomicU32::new(0),
            checked: Mutex::default(),
        }
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
        let name = &config.model;
        let unavailable = |message| AppError::new(ErrorKind::Unavailable, message).hint(how_to_get(name));
        let backend = self.backend.as_ref().ok_or_else(|| unavailable("this program runs no models".into()))?;
        let entry = self.list(config).into_iter().find(|entry| entry.current);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entry else {
            *running = None;
            return Err(unavailable(format!("there is no model named `{name}`")));
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

    /// What a use of `model` takes.
    pub(crate) fn wish(&self, model: &Arc<dyn RunningModel>) -> Wish {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let path = running.as_ref().map(|(path, _)| path.clone()).unwrap_or_default();
        drop(running);
        let size_bytes = std::fs::metadata(&path).map_or(0, |about| about.len()).saturating_add(CONTEXT_BYTES);
        Wish {
            resident: format!("chat {}", path.display()),
            holder: Arc::new(ChatHolder { model: Arc::downgrade(model), size_bytes }),
            working_bytes: 0,
            priority: 0,
        }
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
        model.load().await.map_err(|error| {
            let is_bad = matches!(error, ModelError::BadFile(_));
            let error = AppError::from(error);
            if is_bad { error.hint(pull_again(&model.info().name)) } else { error }
        })
    }

    /// The file of the model that stands in memory.
    pub(crate) fn loaded(&self) -> Option<PathBuf> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().filter(|(_, model)| model.info().loaded).map(|(path, _)| path.clone())
    }

    /// Gives the memory of the running model back.
    pub(crate) async fn unload(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, model)) = running {
            model.unload().await;
        }
    }

    /// What is known now. Looks at the disk, so not for async threads.
    pub(crate) fn status(&self, config: &Config) -> ModelStatus {
        let Some(entry) = self.list(config).into_iter().find(|entry| entry.current) else {
            let hint = Some(how_to_get(&config.model));
            return ModelStatus { state: "none".into(), hint, ..ModelStatus::default() };
        };
        let mut status = ModelStatus {
            name: Some(entry.name.clone()),
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
            status.loading = info.loading.or((state == "loading").then_some(0.0)).filter(|_| state == "loading");
            status.context_tokens = info.context_tokens;
            status.prompt_tokens_per_s = info.prompt_tokens_per_s;
            status.answer_tokens_per_s = info.answer_tokens_per_s;
            status.queue = model.queue_len();
            status.pid = model.process_id();
        }
        drop(running);
        if status.state == "unloaded"
            && let Some(problem) = self.problem_of(&entry)
        {
            status.state = "unusable".into();
            status.problem = Some(problem);
            status.hint = Some(pull_again(&entry.name));
        }
        status
    }

    /// What is wrong with a model file; its head is read once, and again when the file changes.
    fn problem_of(&self, entry: &ModelEntry) -> Option<String> {
        let backend = self.backend.as_ref()?;
        let modified = std::fs::metadata(&entry.path).and_then(|about| about.modified()).ok();
        let is_same = |checked: &&Checked| {
            checked.path == entry.path && checked.size_bytes == entry.size_bytes && checked.modified == modified
        };
        if let Some(checked) = self.last_check().as_ref().filter(is_same) {
            return checked.problem.clone();
        }
        // Nobody waits for this: two who ask at once both read the head.
        let problem = backend.check(&entry.path).err().map(|error| error.to_string());
        let (path, size_bytes) = (entry.path.clone(), entry.size_bytes);
        *self.last_check() = Some(Checked { path, size_bytes, modified, problem: problem.clone() });
        problem
    }

    fn last_check(&self) -> MutexGuard<'_, Option<Checked>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
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
            .hint(pull_again(&model_name(path)))
            .caused_by(error)
    })
}

/// The name a file has as a model, also while it is being brought.
fn model_name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let file = file.strip_suffix(".part").unwrap_or(&file);
    file.strip_suffix(".gguf").unwrap_or(file).to_owned()
}

/// How to get the model that the configuration names.
fn how_to_get(name: &str) -> String {
    if name == STARTER {
        return "get the starter model with `familiar models pull starter`".into();
    }
    format!(
        "bring it with `familiar models pull SOURCE --name {name}`, or take the starter: `familiar models pull \
         starter`, and `model = \"starter\"` in config.toml"
    )
}

/// How to replace a model file that is no good.
fn pull_again(name: &str) -> String {
    if name == STARTER {
        return "pull it again with `familiar models pull starter`".into();
    }
    format!("pull it again with `familiar models pull SOURCE --name {name}`, from where it came")
}
