//! Finds the files of a workspace that may be indexed, with their stat, and counts all others by reason.
//!
//! Refuses: to follow links, to fail for a folder it cannot read, and to read any file but ignore files.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::error::IndexError;
use crate::files::content::{extension, skip_by_name};
use crate::files::live::StatKey;
use crate::files::role::{PROSE, VENDORED, role_of};
use crate::files::roots::{folds_case, lists};
use crate::files::rules::{DEPENDENCY_MARKERS, Level, Verdict, holds_dependencies, useful_when_hidden};
use crate::files::secrets::{is_secret, is_secret_folder};
use crate::files::skip::{SkipReason, SkipTally};
use crate::limits::{CancelFlag, FOLDER_DEPTH_MAX, Limits, NOTES_MAX, REPOSITORIES_MAX};
use crate::parse::language::language_of;

/// A file that may be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the workspace, with `/`.
    pub(crate) path: String,
    /// As the file system describes it now.
    pub(crate) stat: StatKey,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Files, sorted by path.
    pub(crate) files: Vec<Entry>,
    /// Absolute paths of all folders that were entered.
    pub(crate) folders: Vec<PathBuf>,
    /// Those of them below the root that are repositories themselves.
    pub(crate) repositories: Vec<PathBuf>,
    /// What was left out.
    pub(crate) tally: SkipTally,
    /// Sentences about what went wrong.
    pub(crate) notes: Vec<String>,
}

/// What stands at one path.
#[derive(Debug)]
pub(crate) enum Found {
    /// A file that may be indexed.
    File(Entry),
    /// A folder that may be entered, with the files below it.
    Folder(Walk),
    /// Nothing, or nothing that may be indexed.
    Nothing,
}

/// Walks a whole workspace.
///
/// # Errors
/// [`IndexError::Root`] when the workspace cannot be listed at the start or is gone at the end, so that an unplugged
/// disk never looks like a folder whose files were all deleted; [`IndexError::Cancelled`].
pub(crate) fn walk(root: &Path, limits: &Limits, cancel: &CancelFlag) -> Result<Walk, IndexError> {
    let gone = |error: std::io::Error| IndexError::Root { path: root.to_owned(), reason: error.to_string() };
    fs::read_dir(root).map_err(gone)?;
    let mut walk = descend(root, String::new(), Level::of_root(root), limits.threads, cancel)?;
    fs::read_dir(root).map_err(gone)?;
    cap(&mut walk, limits);
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk)
}

/// Looks at one path by the same rules, from the root down to it.
///
/// # Errors
/// [`IndexError::Cancelled`].
pub(crate) fn look_at(root: &Path, path: &str, cancel: &CancelFlag) -> Result<Found, IndexError> {
    let mut level = Level::of_root(root);
    let mut here = root.to_owned();
    let mut relative = String::new();
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let folds_case = folds_case(root);
    while let Some(name) = parts.next() {
        let full = here.join(name);
        join(&mut relative, name);
        let Ok(meta) = fs::symlink_metadata(&full) else { return Ok(Found::Nothing) };
        if folds_case && !lists(&here, name) {
            // There under another name; the same file twice would be found twice.
            return Ok(Found::Nothing);
        }
        let kind = Kind { folder: meta.is_dir(), file: meta.is_file(), link: meta.is_symlink() };
        if name == ".git" || left_out(&level, &full, name, &relative, kind).is_some() {
            return Ok(Found::Nothing);
        }
        if parts.peek().is_none() && kind.file {
            return Ok(Found::File(Entry { path: relative, stat: StatKey::of(&meta) }));
        }
        let has = |name: &str| fs::symlink_metadata(full.join(name)).is_ok();
        if !kind.folder || DEPENDENCY_MARKERS.iter().any(|marker| has(marker)) {
            return Ok(Found::Nothing);
        }
        level = level.below(&full, has);
        here = full;
    }
    descend(&here, relative, level, 1, cancel).map(Found::Folder)
}

/// A folder still to be listed: where it is, its relative path, the rules above it, and its depth.
struct Pending {
    folder: PathBuf,
    relative: String,
    level: Arc<Level>,
    depth: usize,
    /// Its own rules are in `level` already.
    is_start: bool,
}

/// The folders that several threads list together.
struct Frontier {
    /// Those that nobody listed yet, and how many are being listed this moment, which may bring more.
    folders: Mutex<(Vec<Pending>, usize)>,
    changed: Condvar,
}

impl Frontier {
    /// A folder to list, once there is one; `None` when all is listed.
    fn take(&self) -> Option<Pending> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(folder) = folders.0.pop() {
                folders.1 += 1;
                return Some(folder);
            }
            if folders.1 == 0 {
                return None;
            }
            folders = self.changed.wait(folders).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives what stands in a folder that was taken.
    fn give(&self, below: Vec<Pending>) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        folders.0.extend(below);
        folders.1 -= 1;
        self.changed.notify_all();
    }
}

/// Lists a folder, whose own rules are in `level` already, and everything below it, on some threads.
fn descend(
    start: &Path,
    relative: String,
    level: Arc<Level>,
    threads: usize,
    cancel: &CancelFlag,
) -> Result<Walk, IndexError> {
    let depth = relative.split('/').count();
    let first = Pending { folder: start.to_owned(), relative, level, depth, is_start: true };
    let frontier = Frontier { folders: Mutex::new((vec![first], 0)), changed: Condvar::new() };
    let work = || {
        let mut walk = Walk::default();
        while let Some(pending) = frontier.take() {
            let below = catch_unwind(AssertUnwindSafe(|| match cancel.is_cancelled() {
                true => Vec::new(),
                false => list(pending, &mut walk),
            }));
            // Also after a panic: whoever waits for what stands below would wait for ever.
            let (below, panic) = below.map_or_else(|panic| (Vec::new(), Some(panic)), |below| (below, None));
            frontier.give(below);
            if let Some(panic) = panic {
                resume_unwind(panic);
            }
        }
        walk
    };
    let mut walk = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut walk = work();
        // A folder that was not listed must not look like one whose files are gone.
        others
            .into_iter()
            .for_each(|other| walk.append(other.join().unwrap_or_else(|panic| resume_unwind(panic))));
        walk
    });
    if cancel.is_cancelled() {
        return Err(IndexError::Cancelled);
    }
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    walk.folders.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    walk.repositories.sort();
    walk.repositories.truncate(REPOSITORIES_MAX);
    walk.notes.sort();
    walk.notes.truncate(NOTES_MAX);
    Ok(walk)
}

impl Walk {
    fn append(&mut self, mut other: Self) {
        self.files.append(&mut other.files);
        self.folders.append(&mut other.folders);
        self.repositories.append(&mut other.repositories);
        self.tally.append(other.tally);
        self.notes.append(&mut other.notes);
    }
}

/// Lists one folder; gives back the folders in it.
fn list(pending: Pending, walk: &mut Walk) -> Vec<Pending> {
    let Pending { folder, relative, level: above, depth, is_start } = pending;
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        // Gone since its parent was listed: nothing to tell.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            walk.tally.add(SkipReason::Unreadable, &relative);
            note(walk, format!("{relative}: {error}"));
            return Vec::new();
        }
    };
    let (listed, failed): (Vec<_>, Vec<_>) = entries.partition(Result::is_ok);
    if let Some(Err(error)) = failed.into_iter().next() {
        walk.tally.add(SkipReason::Unreadable, &relative);
        note(walk, format!("{relative} could be listed in part only: {error}"));
    }
    let entries: Vec<DirEntry> = listed.into_iter().flatten().collect();
    let has = |name: &str| entries.iter().any(|entry| entry.file_name() == name);
    if !is_start && DEPENDENCY_MARKERS.iter().any(|marker| has(marker)) {
        walk.tally.add(SkipReason::Dependencies, &relative);
        return Vec::new();
    }
    if !is_start && has(".git") && walk.repositories.len() < REPOSITORIES_MAX {
        walk.repositories.push(folder.clone());
    }
    let level = if is_start { above } else { above.below(&folder, has) };
    let mut below = Vec::new();
    for entry in &entries {
        if let Some((path, relative)) = visit(entry, &relative, &level, walk) {
            if depth >= FOLDER_DEPTH_MAX {
                walk.tally.add(SkipReason::TooDeep, &relative);
            } else {
                let (folder, level) = (path, level.clone());
                below.push(Pending { folder, relative, level, depth: depth + 1, is_start: false });
            }
        }
    }
    walk.folders.push(folder);
    below
}

/// Takes up one directory entry; gives back a folder to enter.
pub(crate) fn visit(entry: &DirEntry, parent: &str, level: &Level, walk: &mut Walk) -> Option<(PathBuf, String)> {
    let name = entry.file_name();
    if name == ".git" {
        return None;
    }
    let full = entry.path();
    let mut relative = parent.to_owned();
    let Some(name) = name.to_str() else {
        join(&mut relative, &name.to_string_lossy());
        walk.tally.add(SkipReason::NameNotUtf8, &relative);
        return None;
    };
    join(&mut relative, name);
    let Ok(kind) = entry.file_type() else {
        walk.tally.add(SkipReason::Unreadable, &relative);
        return None;
    };
    let kind = Kind { folder: kind.is_dir(), file: kind.is_file(), link: kind.is_symlink() };
    if let Some(reason) = left_out(level, &full, name, &relative, kind) {
        walk.tally.add(reason, &relative);
        return None;
    }
    if kind.folder {
        return Some((full, relative));
    }
    match entry.metadata() {
        Ok(meta) => walk.files.push(Entry { path: relative, stat: StatKey::of(&meta) }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(_) => walk.tally.add(SkipReason::Unreadable, &relative),
    }
    None
}

/// What kind of thing a path is.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// A folder.
    pub(crate) folder: bool,
    /// A regular file.
    pub(crate) file: bool,
    /// A symbolic link.
    pub(crate) link: bool,
}

/// Why a path is left out without being opened. The secrets list comes first: nothing can lift it.
pub(crate) fn left_out(level: &Level, full: &Path, name: &str, relative: &str, kind: Kind) -> Option<SkipReason> {
    // A folder of a package is not left out because a file of its name would be.
    let is_secret = if kind.folder { is_secret_folder(relative) } else { is_secret(relative) };
    if is_secret {
        return Some(SkipReason::Secret);
    }
    let verdict = level.verdict(full, kind.folder);
    if verdict == Verdict::Ignore {
        return Some(SkipReason::Ignored);
    }
    if kind.link {
        return Some(SkipReason::Symlink);
    }
    if !kind.folder && !kind.file {
        return Some(SkipReason::Special);
    }
    if name.starts_with('.') && verdict != Verdict::Allow && !useful_when_hidden(name, kind.folder) {
        return Some(SkipReason::Hidden);
    }
    if kind.folder && verdict != Verdict::Allow && holds_dependencies(name) {
        return Some(SkipReason::Dependencies);
    }
    None
}

fn join(relative: &mut String, name: &str) {
    if !relative.is_empty() {
        relative.push('/');
    }
    relative.push_str(name);
}

fn note(walk: &mut Walk, sentence: String) {
    if walk.notes.len() < NOTES_MAX {
        walk.notes.push(sentence);
    }
}

/// Keeps the most useful files when there are too many, or too much of them, and says what is left out.
fn cap(walk: &mut Walk, limits: &Limits) {
    let (files_max, bytes_max) = (limits.files_max, limits.source_bytes_max);
    // What is not read takes no room.
    let bytes_of = |entry: &Entry| {
        let is_read = entry.stat.size <= limits.file_bytes_max && skip_by_name(&entry.path).is_none();
        if is_read { entry.stat.size } else { 0 }
    };
    // Asked first whether it can matter at all: names are looked at one by one.
    let at_most: u64 = walk.files.iter().map(|entry| entry.stat.size).sum();
    if walk.files.len() <= files_max
        && (at_most <= bytes_max || walk.files.iter().map(bytes_of).sum::<u64>() <= bytes_max)
    {
        return;
    }
    sort_by_use(&mut walk.files);
    let over_files = walk.files.split_off(files_max.min(walk.files.len()));
    let mut bytes = 0;
    let mut fits = |entry: &Entry| {
        bytes += bytes_of(entry);
        bytes <= bytes_max
    };
    let fitting = walk.files.iter().take_while(|entry| fits(entry)).count();
    let over_bytes = walk.files.split_off(fitting);
    leave_out(walk, &over_files, SkipReason::OverLimit, &format!("over the limit of {files_max}"));
    leave_out(
        walk,
        &over_bytes,
        SkipReason::OverSize,
        &format!("over the limit of {bytes_max} bytes for all files"),
    );
}

/// Counts files that are left out, and says where they are.
fn leave_out(walk: &mut Walk, rest: &[Entry], reason: SkipReason, why: &str) {
    if let Some(sentence) = left_out_note(rest.iter().map(|entry| entry.path.as_str()), why) {
        rest.iter().for_each(|entry| walk.tally.add(reason, &entry.path));
        note(walk, sentence);
    }
}

/// A sentence about files that are left out; `None` when there are none.
pub(crate) fn left_out_note<'a>(paths: impl Iterator<Item = &'a str> + Clone, why: &str) -> Option<String> {
    let folders: BTreeSet<&str> = paths.clone().map(|path| path.split('/').next().unwrap_or_default()).collect();
    let folders: Vec<_> = folders.into_iter().take(EXAMPLE_FOLDERS_MAX).collect();
    let count = paths.count();
    (count > 0).then(|| format!("{count} files are left out, {why}, among others in {}", folders.join(", ")))
}

/// Puts first what is likeliest to be looked for: by what a file is for, then what changed lately, compared with the
/// newest file instead of the clock, then what is near the root.
fn sort_by_use(files: &mut [Entry]) {
    let newest = files.iter().map(|entry| entry.stat.modified).max().unwrap_or_default();
    files.sort_by_cached_key(|entry| {
        let days = newest.saturating_sub(entry.stat.modified) / (24 * 60 * 60 * 1_000_000_000);
        let lateness = AGES_DAYS.partition_point(|&age| age <= days);
        let depth = entry.path.matches('/').count();
        (priority(&entry.path), lateness, depth, -entry.stat.modified, entry.path.clone())
    });
}

/// Ages at which a file counts as less lately changed, in days.
const AGES_DAYS: [i64; 4] = [1, 7, 30, 365];

/// Folders named in the note about the limit.
const EXAMPLE_FOLDERS_MAX: usize = 8;

/// The order in which files are taken up: parsed code first, then prose and other text, then tests and examples, then
/// data and copies of others' code, then what its name alone will skip.
pub(crate) fn priority(path: &str) -> u8 {
    let role = role_of(path);
    if skip_by_name(path).is_some() {
        4
    } else if role & VENDORED != 0 || DATA_EXTENSIONS.contains(&extension(path).to_lowercase().as_str()) {
        3
    } else if role & !PROSE != 0 {
        2
    } else {
        u8::from(role & PROSE != 0 || language_of(path).is_none())
    }
}

/// Extensions of files that hold data more often than somebody's words, in lower case.
const DATA_EXTENSIONS: &[&str] =
    &["csv", "geojson", "json", "jsonl", "log", "ndjson", "snap", "svg", "tsv", "xml"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_likeliest_to_be_looked_for_comes_first() {
        let day = 24 * 60 * 60 * 1_000_000_000;
        let entry = |path: &str, days: i64| Entry {
            path: path.to_owned(),
            stat: StatKey { modified: 1_000 * day - days * day, ..StatKey::default() },
        };
        let sorted = [
            entry("a/b/new.rs", 0),
            entry("near.rs", 3),
            entry("a/far.rs", 2),
            entry("old.rs", 400),
            entry("README.md", 0),
            entry("tests/a.rs", 0),
            entry("data.json", 0),
            entry("vendor/a.rs", 5),
            entry("Cargo.lock", 0),
        ];
        let mut files = sorted.to_vec();
        files.reverse();
        sort_by_use(&mut files);
        assert_eq!(files, sorted);
    }
}
