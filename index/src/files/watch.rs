//! Watches the folders of a workspace and turns events into touched paths.
//!
//! Refuses: to interpret events. Each only says where to look; lost ones lead to a full walk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::build::shared::Shared;
use crate::error::{Doing, IndexError};
use crate::files::rules::EXCLUDE_FILE;

/// An active watcher.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    /// Folders watched by themselves.
    watched: BTreeSet<PathBuf>,
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
        Ok(Self { watcher, watched: BTreeSet::new() })
    }

    /// Watches a folder outside the workspace.
    pub(crate) fn add_folder(&mut self, folder: &Path) -> Result<(), IndexError> {
        self.watcher.watch(folder, RecursiveMode::NonRecursive).doing("starting to watch the workspace")
    }

    /// Watches folders; those already watched stay so. Returns a sentence when some cannot be.
    pub(crate) fn add(&mut self, root: &Path, folders: &[PathBuf]) -> Option<String> {
        if !cfg!(target_os = "linux") {
            // Elsewhere the system watches a whole tree at no further cost.
            let watched = self.watcher.watch(root, RecursiveMode::Recursive);
            return watched.err().map(|error| format!("changes are found by walking every half minute: {error}"));
        }
        let mut failure = None;
        let rules = root.join(EXCLUDE_FILE);
        for folder in folders.iter().map(PathBuf::as_path).chain(rules.parent().filter(|folder| folder.is_dir())) {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(folder.to_owned())),
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

impl Watch {
    /// Lets go of folders at or below a path that are not there any more. The system watches what a folder is and not
    /// its name, so a watch under an old name would end, with that name, the watch of the same folder under its new one.
    pub(crate) fn release_gone(&mut self, path: &Path) {
        let below = self.watched.range(path.to_owned()..).take_while(|folder| folder.starts_with(path));
        let gone: Vec<PathBuf> = below.filter(|folder| !folder.is_dir()).cloned().collect();
        for folder in gone {
            // The watcher may know already that it is gone.
            let _ = self.watcher.unwatch(&folder);
            self.watched.remove(&folder);
        }
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
    let mut paths: Vec<&PathBuf> = Vec::new();
    for path in &event.paths {
        if shared.hears(path) {
            continue;
        }
        let relative = path.strip_prefix(&shared.root).unwrap_or(path);
        // Of what git writes all the time only these change what is indexed.
        let in_git =
            relative.parent().is_some_and(|parent| parent.components().any(|part| part.as_os_str() == ".git"));
        let begins_or_ends = relative.ends_with(".git") && !in_git && is_made_or_removed(event.kind);
        if relative == Path::new(EXCLUDE_FILE) || begins_or_ends {
            shared.want_walk();
        } else if !relative.components().any(|part| part.as_os_str() == ".git") {
            paths.push(path);
        }
    }
    if !paths.is_empty() {
        shared.touch(paths);
    }
}

/// Whether something appeared, went or got another name. A folder also counts as changed when something in it does.
fn is_made_or_removed(kind: EventKind) -> bool {
    matches!(kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag};

    use super::*;
    use crate::build::shared::View;
    use crate::build::status::Status;
    use crate::limits::Limits;
    use crate::search::saved::Saved;
    use crate::storage::base::Base;

    /// Whether an event makes the writer walk, or look at something.
    fn check(event: notify::Result<Event>) -> (bool, bool) {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::open(dir.path()).unwrap();
        let shared = Shared::new(
            PathBuf::from("/project"),
            Limits::default(),
            View::of(&base, &Saved::default(), None),
            Status::default(),
        );
        take(&shared, event);
        (shared.walk_is_wanted(), shared.has_touched())
    }

    #[test]
    fn lost_events_lead_to_a_walk_and_reads_to_nothing() {
        let event = |kind, path: &str| Ok(Event::new(kind).add_path(PathBuf::from(path)));
        let created = EventKind::Create(CreateKind::File);
        assert_eq!(check(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))), (true, false));
        assert_eq!(check(Err(notify::Error::generic("lost"))), (true, false));
        assert_eq!(check(event(created, "/project")), (true, false));
        assert_eq!(check(event(created, "/project/a.rs")), (false, true));
        assert_eq!(check(event(created, "/project/.git/index.lock")), (false, false));
        assert_eq!(check(event(created, "/project/.git/info/exclude")), (true, false));
        assert_eq!(check(event(EventKind::Access(AccessKind::Read), "/project/a.rs")), (false, false));
    }
}
