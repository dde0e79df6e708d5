//! Whether a path may be shown, by the rules of a walk, also where nothing is on disk yet: the gate for unsaved buffers.
//!
//! Refuses: to remember. Rules are read anew for each search, because they are edited like any file.

use std::collections::HashMap;
use std::fs::symlink_metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::rules::{DEPENDENCY_MARKERS, Level};
use crate::files::walk::{Kind, left_out};

/// The rules of a workspace, read as far as the paths asked about need them.
pub(crate) struct Gate<'a> {
    root: &'a Path,
    /// The rules in each folder seen so far, by relative path; `None` for a folder that is not entered.
    folders: HashMap<String, Option<Arc<Level>>>,
}

impl<'a> Gate<'a> {
    /// The gate of a workspace; nothing is read yet.
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root, folders: HashMap::new() }
    }

    /// Whether a walk would take up a file at a relative path (with `/`).
    pub(crate) fn admits(&mut self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.level(folder).is_some_and(|level| {
            let full = self.root.join(path);
            is_plain(name) && left_out(&level, &full, name, path, kind_of(&full, false)).is_none()
        })
    }

    /// The rules in a folder; `None` when a walk does not enter it.
    fn level(&mut self, folder: &str) -> Option<Arc<Level>> {
        if let Some(level) = self.folders.get(folder) {
            return level.clone();
        }
        // By turns downwards instead of by recursion: a path may be absurdly deep.
        let mut level =
            self.folders.entry(String::new()).or_insert_with(|| Some(Level::of_root(self.root))).clone();
        let ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
        for end in ends.filter(|_| !folder.is_empty()) {
            let here = &folder[..end];
            level = match self.folders.get(here) {
                Some(known) => known.clone(),
                None => {
                    let entered = level.and_then(|above| enter(&above, self.root.join(here), here));
                    self.folders.insert(here.to_owned(), entered.clone());
                    entered
                }
            };
        }
        level
    }
}

/// The rules in a folder below others; `None` when it is left out.
fn enter(above: &Arc<Level>, full: PathBuf, relative: &str) -> Option<Arc<Level>> {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    if !is_plain(name) || left_out(above, &full, name, relative, kind_of(&full, true)).is_some() {
        return None;
    }
    let has = |name: &str| symlink_metadata(full.join(name)).is_ok();
    (!DEPENDENCY_MARKERS.iter().any(|marker| has(marker))).then(|| above.below(&full, has))
}

/// What stands at a path; where nothing does, what the path would make of it.
fn kind_of(full: &Path, as_folder: bool) -> Kind {
    match symlink_metadata(full) {
        Ok(meta) => Kind { folder: meta.is_dir(), file: meta.is_file(), link: meta.is_symlink() },
        Err(_) => Kind { folder: as_folder, file: !as_folder, link: false },
    }
}

/// Whether a part of a path is a name that a walk could meet and would look at.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | ".." | ".git")
}
