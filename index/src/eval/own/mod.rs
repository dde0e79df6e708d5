//! Questions about a user's own repository, made from it: documentation asks for its function, commits ask for the files
//! they changed.
//!
//! Refuses: any write in the repository, and to search what would give the answer away: the documentation is taken out
//! of the copy that is searched, and a commit's question is asked of the tree before it, laid out without history.

mod commits;
mod docstrings;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};

use crate::eval::EvalError;
use crate::eval::layout::{change_tree, write_tree};
use crate::eval::run::{Asked, Group, Options, Snapshot, refresh, up_to_date};
use crate::eval::task::{Sets, Task};
use crate::files::role::role_of;
use crate::handle::Index;
use crate::limits::CancelFlag;
use crate::parse::outline::language_name;

/// Languages of data, prose and looks, which nobody asks for by what a function does.
const NO_SOURCE: &[&str] = &["css", "html", "json", "markdown", "scss", "toml", "xml", "yaml"];

/// Where the questions about a user's repository are asked.
#[derive(Debug)]
pub struct Own {
    /// The repository, only ever read.
    pub repository: PathBuf,
    /// A copy of its newest commit, without the documentation that is asked for.
    pub edited: PathBuf,
}

/// Makes up to `most` questions of each kind about the repository at `folder`, and lays out under `work` the copy that is
/// searched.
///
/// # Errors
/// [`EvalError::NoHistory`] when there is no repository or no commit, [`EvalError::Files`], [`EvalError::Cancelled`].
pub fn sets(folder: &Path, work: &Path, most: usize, cancel: &CancelFlag) -> Result<Sets, EvalError> {
    let none = |error: &git2::Error, absent: &str| {
        let is_absent = matches!(error.code(), ErrorCode::NotFound | ErrorCode::UnbornBranch);
        let reason = if is_absent { absent } else { error.message() };
        EvalError::NoHistory { folder: folder.into(), reason: reason.to_owned() }
    };
    let repository = Repository::discover(folder).map_err(|error| none(&error, "it lies in no git repository"))?;
    let head = repository.head().and_then(|head| head.peel_to_tree());
    let tree = head.map_err(|error| none(&error, "its git repository has no commit yet"))?.id();
    let edited = work.join("trees").join("own-docs");
    clear(&edited)?;
    write_tree(&repository, tree, &edited, &work.join("blobs").join("own"), cancel)?;
    let mut tasks = docstrings::questions(&edited, most, cancel)?;
    tasks.extend(commits::questions(&repository, most, cancel)?);
    let own = Own { repository: repository.path().to_owned(), edited };
    Ok(Sets { tasks, own: Some(own), ..Sets::default() })
}

impl Own {
    /// Asks each commit's question of the tree before it. The trees follow each other in one folder, so that each step
    /// indexes what it changed.
    pub(crate) fn replay(
        &self,
        group: &Group<'_>,
        options: &Options,
        cancel: &CancelFlag,
    ) -> Result<Asked, EvalError> {
        let repository = Repository::open(&self.repository).map_err(|error| EvalError::Repository {
            name: "the repository".to_owned(),
            folder: self.repository.clone(),
            reason: error.message().to_owned(),
        })?;
        let folder = options.work.join("trees").join("own-commits");
        clear(&folder)?;
        let shared = options.work.join("blobs").join("own");
        let mut asked = Asked::default();
        let mut open: Option<(Oid, Index)> = None;
        for (at, task) in &group.tasks {
            let to = tree_before(&repository, task)?;
            let index = match open.take() {
                None => {
                    write_tree(&repository, to, &folder, &shared, cancel)?;
                    let (index, indexed) = up_to_date(&folder, options, 1, cancel)?;
                    asked.indexed = indexed;
                    index
                }
                Some((from, index)) => {
                    change_tree(&repository, (from, to), &folder, &shared, cancel)?;
                    let step = refresh(&index, cancel)?;
                    asked.indexed.trees += 1;
                    asked.indexed.files += step.files;
                    asked.indexed.parsed += step.parsed;
                    asked.indexed.seconds += step.seconds;
                    index
                }
            };
            asked.tasks.push((*at, Snapshot::of(&index, &folder).ask(task)?));
            open = Some((to, index));
        }
        Ok(asked)
    }
}

/// The tree that a commit's question is asked of.
fn tree_before(repository: &Repository, task: &Task) -> Result<Oid, EvalError> {
    let tree = || {
        let commit = Oid::from_str(task.rev.as_deref().unwrap_or_default())?;
        Ok(repository.find_commit(commit)?.tree_id())
    };
    tree().map_err(|error: git2::Error| EvalError::git(repository, &error))
}

/// Whether a file is code that does something, and no test, example or copy of others' code.
fn is_source(path: &str) -> bool {
    role_of(path) == 0 && language_name(path).is_some_and(|name| !NO_SOURCE.contains(&name))
}

fn clear(folder: &Path) -> Result<(), EvalError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(EvalError::files("clearing a folder", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_tests_are_no_source() {
        for (path, source) in [
            ("src/a.rs", true),
            ("a.py", true),
            ("Cargo.toml", false),
            ("tests/a.py", false),
            ("README.md", false),
            ("a.bin", false),
        ] {
            assert_eq!(is_source(path), source, "{path}");
        }
    }
}
