//! Images: the queue, the memory it shares with language models, and the gallery. Refuses: drawing; that is a model's.

mod again;
mod arbiter;
mod beside;
mod bring;
mod derive;
mod events;
mod gallery;
mod jobs;
mod memory;
mod models;
mod parameters;
mod photo;
mod picture;
mod requests;
mod settings;
#[cfg(test)]
mod tests;
mod verify;
mod views;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::Backend;

pub use again::ImageStart;
pub use beside::ImagesBeside;
pub use bring::{BroughtFile, BroughtImage, IMPORTS_AT_ONCE_MAX, ImportGuard, check_source};
pub use derive::{Derivation, derive_image_model};
pub use events::{ImageEventStream, ImageJobEvent, ImageJobEventKind, ImagePreview, StepPlace};
pub use gallery::{GalleryFilter, GalleryPage, GalleryTotals, SweptImages};
pub use jobs::ImageJobs;
pub use model::IMAGE_SIDE_PIXELS_MAX;
pub use models::{DeviceMemory, ImageModelEntry, RunningImageModel, list_image_models};
pub use parameters::{ImageParameters, ParametersForm};
pub use picture::{IMPORT_BYTES_MAX, IMPORT_PIXELS_MAX};
pub use requests::{
    GenerateRequest, IMAGE_PIXELS_MAX, IMAGE_SIDE_PIXELS_MIN, ImagePriority, ImageSource, SourceOf,
};
pub use settings::ImageSettings;
pub use verify::{VerifiedImageModel, verify_image_model};
pub use views::{ImageJobState, ImageJobView, ImageOrigin, ImageView};

pub(crate) use arbiter::Held;
pub(crate) use jobs::recover;
pub(crate) use memory::{Lease, Memory, Wish};
pub(crate) use models::{ChatHolder, INDEX_FILE, working_bytes};
pub(crate) use verify::{RECORD_FILE, check_weights, sha256_of};

/// What the use cases about images share.
pub(crate) struct Images {
    pub(crate) models: models::ImageModels,
    pub(crate) events: events::Events,
    pub(crate) queue: jobs::Queue,
    /// Places for those who bring files.
    imports: Arc<Semaphore>,
}

impl Images {
    pub(crate) fn new(models_folder: PathBuf, backend: Option<Arc<dyn Backend>>) -> Self {
        Self {
            models: models::ImageModels::new(models_folder, backend),
            events: events::Events::default(),
            queue: jobs::Queue::default(),
            imports: Arc::new(Semaphore::new(IMPORTS_AT_ONCE_MAX)),
        }
    }
}
