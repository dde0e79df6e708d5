//! Watches the folders of a workspace and turns events into touched paths.
//!
//! Refuses: to interpret events. Each only says where to look; lost ones lead to a full walk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::build::shared::Shared;
use crate::error::{Doing, IndexError};

/// An active watcher.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
}

impl Watch {
    /// Starts a watcher that watches nothing yet.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self, IndexError> {
        let shared: Weak<Shared> = Arc::downgrade(shared);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if let Some(shared) = shared.upgrade() {
                take(&shared, event);
            }
        })
        .doing("starting to watch the workspace")?;
        Ok(Self { watcher })
    }

    /// Watches folders; those already watched stay so. Returns a sentence when some cannot be.
    pub(crate) fn add(&mut self, root: &Path, folders: &[PathBuf]) -> Option<String> {
        if !cfg!(target_os = "linux") {
            // Elsewhere the system watches a whole tree at no further cost.
            let watched = self.watcher.watch(root, RecursiveMode::Recursive);
            return watched.err().map(|error| format!("changes are found by walking every half minute: {error}"));
        }
        let mut failure = None;
        for folder in folders {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        failure.map(|error| match error.kind {
            ErrorKind::MaxFilesWatch => {
                "too many folders for this system's watches (fs.inotify.max_user_watches); \
                                         changes are found by walking every half minute"
                    .to_owned()
            }
            _ => format!(
                "not every folder can be watched, so changes are found by walking every half minute: {error}"
            ),
        })
    }
}

fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Takes up one event.
fn take(shared: &Shared, event: notify::Result<Event>) {
    let Ok(event) = event else {
        shared.want_walk();
        return;
    };
    if event.need_rescan() {
        shared.want_walk();
        return;
    }
    match event.kind {
        // Reading a file, as this room does itself, is no change.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return,
        _ => {}
    }
    let outside_git = |path: &&PathBuf| {
        let relative = path.strip_prefix(&shared.root).unwrap_or(path);
        !relative.components().any(|part| part.as_os_str() == ".git")
    };
    let paths: Vec<&PathBuf> = event.paths.iter().filter(outside_git).collect();
    if !paths.is_empty() {
        shared.touch(paths);
    }
}
