//! Image models: which there are, which one is in use, and the running model behind it. Refuses: naming a backend; the
//! binary brings one as [`Backend`].

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use futures::future::BoxFuture;
use model::{ImageModel, ImageModelInfo};
use serde::{Deserialize, Serialize};

use super::arbiter::ResidentKind;
use super::memory::Holder;
use crate::models::RunningModel;
use crate::{App, AppError, Backend, Config, ErrorKind, Result};

/// A folder with more entries than this is not a model folder.
const ENTRIES_MAX: usize = 1_024;
/// Folders that are gone into for the size of a model.
const DEPTH_MAX: usize = 3;
/// The file that makes a folder an image model.
pub(crate) const INDEX_FILE: &str = "model_index.json";
/// The file that says how a pipeline takes its steps.
const SCHEDULER_FILE: &str = "scheduler/scheduler_config.json";
/// Bytes of it that are read.
const SCHEDULER_BYTES_MAX: u64 = 64 * 1024;
/// How the name of a file of weights ends.
const WEIGHTS_EXTENSIONS: [&str; 2] = ["safetensors", "gguf"];
/// Where the choice of the user is kept.
const CHOICE: &str = "image_model";
/// Bytes that drawing takes for each pixel at its peak, which is decoding: 3,200 were seen with the decoder of Stable
/// Diffusion at 512 x 512 in f32, and the rest is room.
const WORKING_BYTES_PER_PIXEL: u64 = 4_096;
/// What the steps alone take of that; the rest can be had by decoding in tiles.
const STEP_BYTES_PER_PIXEL: u64 = 1_024;
/// Pixels of the smallest tile.
const TILE_PIXELS: u64 = 512 * 512;

/// An image model that was opened: what it draws with and what is known of its process.
pub trait RunningImageModel: ImageModel {
    /// The process that runs it, where one does.
    fn process_id(&self) -> Option<u32>;
    /// Gives its memory back; the next request loads it again.
    fn unload(&self) -> BoxFuture<'static, ()>;
    /// Bytes it needs besides its weights for an image of this size.
    fn working_bytes(&self, width_pixels: u32, height_pixels: u32) -> u64 {
        working_bytes(width_pixels, height_pixels)
    }
    /// Bytes that it makes do with where memory is short: slower, and with a picture that is a little different.
    fn working_bytes_min(&self, width_pixels: u32, height_pixels: u32) -> u64 {
        working_bytes_min(width_pixels, height_pixels).min(self.working_bytes(width_pixels, height_pixels))
    }
}

/// Bytes that drawing an image of this size takes besides the weights.
pub(crate) fn working_bytes(width_pixels: u32, height_pixels: u32) -> u64 {
    u64::from(width_pixels) * u64::from(height_pixels) * WORKING_BYTES_PER_PIXEL
}

/// Bytes that drawing an image of this size takes besides the weights when it is decoded in the smallest tiles.
fn working_bytes_min(width_pixels: u32, height_pixels: u32) -> u64 {
    let pixels = u64::from(width_pixels) * u64::from(height_pixels);
    TILE_PIXELS * WORKING_BYTES_PER_PIXEL + pixels * STEP_BYTES_PER_PIXEL
}

/// Memory of the device that models are loaded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// Bytes that its driver calls free.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// An image model in the model folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageModelEntry {
    /// Its name: that of its folder, or of its file without the ending.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Size of its weights in bytes.
    pub size_bytes: u64,
    /// Whether it is the one that draws when none is named.
    pub current: bool,
}

/// The image model that was opened last.
pub(crate) struct ImageModels {
    folder: PathBuf,
    backend: Option<Arc<dyn Backend>>,
    running: Mutex<Option<(PathBuf, Arc<dyn RunningImageModel>)>>,
}

impl ImageModels {
    pub(crate) fn new(folder: PathBuf, backend: Option<Arc<dyn Backend>>) -> Self {
        Self { folder, backend, running: Mutex::default() }
    }

    /// The model of `entry`, opened but perhaps not loaded; another one that was open gives its memory back first.
    ///
    /// # Errors
    /// `Unavailable` when this program brings no backend for it.
    pub(crate) async fn open(
        &self,
        entry: &ImageModelEntry,
        config: &Config,
    ) -> Result<Arc<dyn RunningImageModel>> {
        if let Some(model) = self.running_at(&entry.path) {
            return Ok(model);
        }
        let (backend, path, config) = (self.backend.clone(), entry.path.clone(), config.clone());
        let open = move || backend.and_then(|backend| backend.open_image_model(&path, &config));
        let Some(model) = tokio::task::spawn_blocking(open).await.map_err(AppError::task_died)? else {
            return Err(AppError::new(ErrorKind::Unavailable, "this program makes no images"));
        };
        let new = Some((entry.path.clone(), Arc::clone(&model)));
        let before = std::mem::replace(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner), new);
        if let Some((_, before)) = before {
            before.unload().await;
        }
        Ok(model)
    }

    /// Whether this program brings a backend, without which nothing is ever drawn.
    pub(crate) fn can_open(&self) -> bool {
        self.backend.is_some()
    }

    /// The path of the model that is open, be it loaded, on its way or neither.
    pub(crate) fn open_path(&self) -> Option<PathBuf> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|(path, _)| path.clone())
    }

    /// The path of the model that stands in memory.
    pub(crate) fn loaded(&self) -> Option<PathBuf> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().filter(|(_, model)| model.info().loaded).map(|(path, _)| path.clone())
    }

    fn running_at(&self, path: &Path) -> Option<Arc<dyn RunningImageModel>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().filter(|(running, _)| running == path).map(|(_, model)| Arc::clone(model))
    }

    /// What is known of the model at `path`, where that is the one which is open.
    pub(crate) fn info_at(&self, path: &Path) -> Option<ImageModelInfo> {
        self.running_at(path).map(|model| model.info())
    }

    /// What is known of the model that is open; `None` before any was.
    pub(crate) fn open_info(&self) -> Option<ImageModelInfo> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|(_, model)| model.info())
    }

    /// Gives the memory of the running model back.
    pub(crate) async fn unload(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, model)) = running {
            model.unload().await;
        }
    }
}

impl ImageModelEntry {
    /// Since when its folder is there, as far as the system tells; files in it may be shared with another model.
    fn since(&self) -> Option<SystemTime> {
        let about = std::fs::metadata(&self.path).ok()?;
        about.created().or_else(|_| about.modified()).ok()
    }

    /// Whether it goes from an image to its noise in parts of steps, so that any strength leaves a step. The scheduler of a
    /// pipeline tells by its name.
    pub(crate) fn matches_flow(&self) -> bool {
        let mut text = String::new();
        let read = std::fs::File::open(self.path.join(SCHEDULER_FILE))
            .and_then(|file| file.take(SCHEDULER_BYTES_MAX).read_to_string(&mut text));
        read.is_ok() && text.contains("FlowMatch")
    }
}

impl App {
    /// Image models by name.
    ///
    /// # Errors
    /// `Unavailable` when the user's choice cannot be read.
    pub async fn image_models(&self) -> Result<Vec<ImageModelEntry>> {
        let app = self.clone();
        self.stored(move |store| Ok(app.list(store.setting(CHOICE)?))).await
    }

    /// Chooses the model that draws when none is named.
    ///
    /// # Errors
    /// `NotFound` when there is no such model.
    pub async fn use_image_model(&self, name: &str) -> Result<()> {
        self.image_model(Some(name)).await?;
        let name = name.to_owned();
        self.stored(move |store| store.set_setting(CHOICE, &name)).await
    }

    /// The model of a name, else the one in use.
    ///
    /// # Errors
    /// `NotFound` for a name, `Unavailable` without any model.
    pub(crate) async fn image_model(&self, name: Option<&str>) -> Result<ImageModelEntry> {
        let models = self.image_models().await?;
        let found = models.into_iter().find(|entry| name.map_or(entry.current, |name| entry.name == name));
        found.ok_or_else(|| match name {
            Some(name) => AppError::new(ErrorKind::NotFound, format!("there is no image model named `{name}`"))
                .hint("`familiar models list` shows which there are"),
            None => AppError::new(ErrorKind::Unavailable, "there is no image model")
                .hint("`familiar models recommend` shows which this machine can draw with"),
        })
    }

    fn list(&self, choice: Option<String>) -> Vec<ImageModelEntry> {
        let mut entries = list_image_models(&self.inner.images.models.folder);
        let chosen = entries.iter().position(|entry| Some(&entry.name) == choice.as_ref());
        // One that is brought later changes nothing until it is chosen.
        let first = || (0..entries.len()).min_by_key(|&at| (entries[at].since(), at));
        if let Some(at) = chosen.or_else(first) {
            entries[at].current = true;
        }
        entries
    }
}

/// The image models of `folder` by name; none is marked as the one in use.
pub fn list_image_models(folder: &Path) -> Vec<ImageModelEntry> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = files.take(ENTRIES_MAX).filter_map(std::result::Result::ok).map(|file| file.path());
    // What is still being brought has a name with a dot in front.
    let is_hidden = |path: &PathBuf| path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_model = |path: &PathBuf| path.join(INDEX_FILE).is_file() && !is_hidden(path);
    let mut entries: Vec<ImageModelEntry> = paths
        .filter(is_model)
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(ImageModelEntry { name, size_bytes: size_bytes(&path, 0), path, current: false })
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Whether a file holds weights, by its name.
pub(super) fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|end| WEIGHTS_EXTENSIONS.iter().any(|known| end == *known))
}

fn size_bytes(path: &Path, depth: usize) -> u64 {
    let Ok(about) = std::fs::metadata(path) else { return 0 };
    if about.is_file() {
        return if is_weights(path) { about.len() } else { 0 };
    }
    if depth > DEPTH_MAX {
        return 0;
    }
    let Ok(files) = std::fs::read_dir(path) else { return 0 };
    let files = files.take(ENTRIES_MAX).filter_map(std::result::Result::ok);
    files.map(|file| size_bytes(&file.path(), depth + 1)).sum()
}

/// An image model, as far as its memory goes. It is held weakly: a model that was replaced ends.
pub(crate) struct ImageHolder {
    pub(crate) model: Weak<dyn RunningImageModel>,
    /// Size of its files, until it says how much it takes.
    pub(crate) size_bytes: u64,
}

impl Holder for ImageHolder {
    fn kind(&self) -> ResidentKind {
        ResidentKind::Image
    }

    fn weight_bytes(&self) -> u64 {
        let known = self.model.upgrade().map_or(0, |model| model.info().weight_bytes);
        if known == 0 { self.size_bytes } else { known }
    }

    fn is_loaded(&self) -> bool {
        self.model.upgrade().is_some_and(|model| model.info().loaded)
    }

    fn is_loading(&self) -> bool {
        self.model.upgrade().is_some_and(|model| model.info().loading.is_some())
    }

    fn unload(&self) -> BoxFuture<'static, ()> {
        let model = self.model.upgrade();
        Box::pin(async move {
            if let Some(model) = model {
                model.unload().await;
            }
        })
    }

    fn load(&self) -> BoxFuture<'static, bool> {
        let model = self.model.upgrade();
        Box::pin(async move {
            match model {
                Some(model) => model.load().await.is_ok(),
                None => false,
            }
        })
    }
}

/// A language model, likewise.
pub(crate) struct ChatHolder {
    pub(crate) model: Weak<dyn RunningModel>,
    pub(crate) size_bytes: u64,
}

impl Holder for ChatHolder {
    fn kind(&self) -> ResidentKind {
        ResidentKind::Chat
    }

    fn weight_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn is_loaded(&self) -> bool {
        self.model.upgrade().is_some_and(|model| model.info().loaded)
    }

    fn is_loading(&self) -> bool {
        self.model.upgrade().is_some_and(|model| model.info().loading.is_some())
    }

    fn unload(&self) -> BoxFuture<'static, ()> {
        let model = self.model.upgrade();
        Box::pin(async move {
            if let Some(model) = model {
                model.unload().await;
            }
        })
    }

    fn load(&self) -> BoxFuture<'static, bool> {
        let model = self.model.upgrade();
        Box::pin(async move {
            match model {
                Some(model) => model.load().await.is_ok(),
                None => false,
            }
        })
    }
}
