//! How a model is kept. Refuses: settings of what runs in the child; those are its arguments.

use std::time::Duration;

use crate::keeper::Deadlines;
use crate::process::WorkerSpec;

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
    /// Options for the chat model `name` run by `spec`, with defaults for the rest.
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

    /// The same for a model that makes images.
    pub fn for_images(name: impl Into<String>, spec: WorkerSpec, build_id: impl Into<String>) -> Self {
        Self { deadlines: Deadlines::for_images(), ..Self::new(name, spec, build_id) }
    }
}
