//! Lists the files of a workspace for a search, upper folders first and on several threads, and puts the likely ones in
//! front.
//!
//! Refuses: what a walk for the index leaves out, and to list beyond its share of the time.

use std::collections::VecDeque;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::IndexError;
use crate::files::admit::Gate;
use crate::files::content::skip_by_name;
use crate::files::role::role_of;
use crate::files::rules::{DEPENDENCY_MARKERS, Level};
use crate::files::walk::{Walk, priority, visit};
use crate::limits::{FILES_MAX, FOLDER_DEPTH_MAX};
use crate::search::live::Clock;
use crate::search::live::pattern::Wanted;
use crate::search::searcher::SearchRequest;

/// Folders that are listed however little time there is, so that a busy machine still gives an answer.
const FOLDERS_ALWAYS: usize = 32;

/// The files to search.
pub(super) struct Tree {
    /// Relative paths, the likely ones first.
    pub(super) files: Vec<String>,
    /// There are more that could not be listed.
    pub(super) cut: bool,
}

/// Lists what a request may look at.
///
/// # Errors
/// [`IndexError::Root`] when the workspace cannot be listed, [`IndexError::Cancelled`].
pub(super) fn list(
    root: &Path,
    request: &SearchRequest,
    wanted: &Wanted,
    clock: &Clock<'_>,
) -> Result<Tree, IndexError> {
    let gone = |error: std::io::Error| IndexError::Root { path: root.to_owned(), reason: error.to_string() };
    fs::read_dir(root).map_err(gone)?;
    let (listed, cut) = list_disk(root, clock);
    clock.check_cancel()?;
    let mut gate = Gate::new(root);
    let open: Vec<&str> = request.overlay.paths().filter(|path| gate.admits(path)).collect();
    let on_disk = listed.iter().map(String::as_str).filter(|path| request.overlay.text(path).is_none());
    let on_disk = on_disk.filter(|path| skip_by_name(path).is_none());
    let admitted = open.iter().map(|path| (true, *path)).chain(on_disk.map(|path| (false, path)));
    let admitted = admitted.filter(|(_, path)| request.filter.admits(path));
    // What the question names comes first, wherever it lies: time may be up before the rest.
    let mut files: Vec<(bool, u8, &str)> = admitted
        .map(|(open, path)| (!open && !wanted.is_in_path(path), likely(path, open, wanted), path))
        .collect();
    files.sort_unstable();
    Ok(Tree { files: files.into_iter().map(|(_, _, path)| path.to_owned()).collect(), cut })
}

/// Open files first, then the order in which files are indexed; a role that is asked for is no drawback.
fn likely(path: &str, open: bool, wanted: &Wanted) -> u8 {
    let asked_for = role_of(path) & wanted.roles() != 0;
    if open || asked_for { 0 } else { priority(path) }
}

/// A folder still to be listed.
struct Pending {
    folder: PathBuf,
    relative: String,
    above: Arc<Level>,
    depth: usize,
}

/// What the listing threads share.
#[derive(Default)]
struct Shared {
    pending: VecDeque<Pending>,
    /// Folders that are being listed now.
    busy: usize,
    files: Vec<String>,
    /// Folders whose listing began.
    begun: usize,
    cut: bool,
}

fn list_disk(root: &Path, clock: &Clock<'_>) -> (Vec<String>, bool) {
    let start =
        Pending { folder: root.to_owned(), relative: String::new(), above: Level::of_root(root), depth: 0 };
    let shared = Mutex::new(Shared { pending: VecDeque::from([start]), ..Shared::default() });
    let more = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 1..clock.threads {
            scope.spawn(|| work(&shared, &more, clock));
        }
        work(&shared, &more, clock);
    });
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    (shared.files, shared.cut)
}

/// Lists folders until there are none, or no time.
fn work(shared: &Mutex<Shared>, more: &Condvar, clock: &Clock<'_>) {
    let lock = || -> MutexGuard<'_, Shared> { shared.lock().unwrap_or_else(PoisonError::into_inner) };
    let mut state = lock();
    loop {
        let in_time = state.begun < FOLDERS_ALWAYS && !clock.cancel.is_cancelled();
        if !in_time && clock.is_over(clock.list_until) || state.files.len() > FILES_MAX {
            state.cut |= !state.pending.is_empty();
            state.pending.clear();
            state.files.truncate(FILES_MAX);
        }
        let Some(next) = state.pending.pop_front() else {
            if state.busy == 0 {
                more.notify_all();
                return;
            }
            state = more.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        state.busy += 1;
        state.begun += 1;
        drop(state);
        let (folders, files) = list_folder(&next);
        state = lock();
        state.busy -= 1;
        state.pending.extend(folders);
        state.files.extend(files);
        more.notify_all();
    }
}

/// The folders to enter below a folder, and the files in it. A folder that cannot be read has neither.
fn list_folder(next: &Pending) -> (Vec<Pending>, Vec<String>) {
    let Ok(entries) = fs::read_dir(&next.folder) else { return (Vec::new(), Vec::new()) };
    let entries: Vec<DirEntry> = entries.flatten().collect();
    let has = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
    let is_root = next.depth == 0;
    if !is_root && DEPENDENCY_MARKERS.iter().any(|marker| has(marker)) {
        return (Vec::new(), Vec::new());
    }
    let level = if is_root { next.above.clone() } else { next.above.below(&next.folder, has) };
    let mut walk = Walk::default();
    let mut folders = Vec::new();
    for entry in &entries {
        if let Some((folder, relative)) = visit(entry, &next.relative, &level, &mut walk)
            && next.depth < FOLDER_DEPTH_MAX
        {
            folders.push(Pending { folder, relative, above: level.clone(), depth: next.depth + 1 });
        }
    }
    (folders, walk.files.into_iter().map(|entry| entry.path).collect())
}
