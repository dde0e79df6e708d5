//! Walks the commits of a repository, newest first, and notes which files each of them changed.
//!
//! Refuses: merges (what they bring in is told by its own commits), and to stop at a broken object.

use std::path::Path;
use std::time::Instant;

use git2::{Error, ErrorCode, Oid, Repository, Sort};

use crate::history::repository::{Opened, describe, open};
use crate::history::trees::differences;
use crate::history::{FILES_PER_COMMIT_MAX, HISTORY_COMMITS_MAX, History, HistoryLimits};

/// Files of one commit for which it counts as a touch.
const TOUCHED_FILES_MAX: usize = 2_000;
/// Objects that may be missing or broken before the rest is given up.
const BROKEN_OBJECTS_MAX: usize = 200;

/// Reads what the limits allow.
pub(super) fn read(root: &Path, limits: &HistoryLimits) -> History {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut history = History { root: root.clone(), ..History::default() };
    let opened = match open(&root) {
        Ok(opened) => opened,
        Err(note) => {
            history.notes.push(note);
            return history;
        }
    };
    history.head = Some(opened.head);
    if let Err(error) = walk(&opened, limits, &mut history) {
        history.notes.push(format!("the git history cannot be read: {}", error.message()));
    }
    history
}

/// The commit that is checked out around a workspace.
pub(super) fn head(root: &Path) -> Option<Oid> {
    open(root).ok().map(|opened| opened.head)
}

fn walk(opened: &Opened, limits: &HistoryLimits, history: &mut History) -> Result<(), Error> {
    let until = Instant::now() + limits.time;
    let most = limits.commits.min(HISTORY_COMMITS_MAX);
    let shallow = opened.repository.is_shallow();
    let mut broken = 0;
    let mut commits = opened.repository.revwalk()?;
    commits.set_sorting(Sort::TIME)?;
    commits.push(opened.head)?;
    for (seen, id) in commits.enumerate() {
        if limits.cancel.is_cancelled() {
            break;
        }
        if seen >= most || Instant::now() >= until {
            history.notes.push(format!("git history before the last {seen} commits is not looked at"));
            break;
        }
        if id.and_then(|id| take_up(opened, id, shallow, history)).is_err() {
            broken += 1;
            if broken >= BROKEN_OBJECTS_MAX {
                break;
            }
        }
    }
    if broken > 0 {
        history.notes.push("parts of the git history are missing or broken, and left out".to_owned());
    }
    if shallow {
        history.notes.push("the git history is shallow: it was cloned without its older commits".to_owned());
    }
    Ok(())
}

fn take_up(opened: &Opened, id: Oid, shallow: bool, history: &mut History) -> Result<(), Error> {
    let repository = &opened.repository;
    let commit = repository.find_commit(id)?;
    let parents = commit.parent_count();
    // The oldest commit of a shallow clone looks as if it had made every file.
    if parents > 1 || (parents == 0 && shallow) {
        return Ok(());
    }
    let new = tree_at(repository, &commit, &opened.prefix)?;
    let old = match commit.parent_ids().next() {
        Some(parent) => tree_at(repository, &repository.find_commit(parent)?, &opened.prefix)?,
        None => None,
    };
    let found = differences(repository, old, new, TOUCHED_FILES_MAX)?;
    if !found.paths.is_empty() && !found.cut {
        let broad = found.paths.len() > FILES_PER_COMMIT_MAX;
        history.add(describe(&commit), found.paths, broad);
    }
    Ok(())
}

/// The tree of a commit at a folder; `None` where it has no such folder.
fn tree_at(repository: &Repository, commit: &git2::Commit<'_>, prefix: &Path) -> Result<Option<Oid>, Error> {
    if prefix.as_os_str().is_empty() {
        return Ok(Some(commit.tree_id()));
    }
    match repository.find_tree(commit.tree_id())?.get_path(prefix) {
        Ok(entry) => Ok((entry.kind() == Some(git2::ObjectType::Tree)).then(|| entry.id())),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
