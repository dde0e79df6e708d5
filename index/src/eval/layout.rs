//! The tree of one commit, or the documents of a set, as plain files.
//!
//! Refuses: history, links, submodules, names that could leave the folder, and any write in the repository. A finished
//! folder is taken as it is; an unfinished one is begun again.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use git2::{FileMode, ObjectType, Oid, Repository, RepositoryOpenFlags};

use crate::eval::EvalError;
use crate::eval::task::documents;
use crate::limits::{CancelFlag, EVAL_TREE_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, FOLDER_DEPTH_MAX};

/// Mode bits of a git tree entry: what kind it is, and the two kinds of plain files.
const MODE_KIND: i32 = 0o170_000;
const MODE_FILE: i32 = 0o100_000;

/// Finds the git directory of `owner/name` in a folder of repositories: `owner+name`, a checkout, a bare one, or either
/// inside it.
///
/// # Errors
/// [`EvalError::Repository`] with the command that would fetch it.
pub fn repository(name: &str, repos: &Path) -> Result<Repository, EvalError> {
    let missing =
        |reason: String| EvalError::Repository { name: name.to_owned(), folder: repos.to_owned(), reason };
    let parts: Vec<&str> = name.split('/').collect();
    let [owner, short] = parts[..] else { return Err(missing("it has no form `owner/name`".to_owned())) };
    if !is_plain(name) {
        return Err(missing("its name cannot be a folder".to_owned()));
    }
    let folder = folder_of(name, repos);
    let mut places = vec![folder.clone(), folder.join("repo"), repos.join(format!("{owner}+{short}.git"))];
    let inside = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    places.extend(inside.filter(|path| path.extension().is_some_and(|end| end == "git")));
    let open = |path: &PathBuf| Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path]).ok();
    places.iter().find_map(open).ok_or_else(|| {
        let place = folder.display();
        missing(format!("fetch it: git clone --bare https://github.com/{name} {place}/repo"))
    })
}

/// The folder of `owner/name` in a folder of repositories.
fn folder_of(name: &str, repos: &Path) -> PathBuf {
    repos.join(name.replace('/', "+"))
}

/// Those of some repositories that do not lie in a folder of repositories, each with the folder in which a clone of it is
/// looked for. Names that cannot be folders are left out.
pub fn missing<'a>(names: impl IntoIterator<Item = &'a str>, repos: &Path) -> Vec<(String, PathBuf)> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let absent = names.into_iter().filter(|name| is_plain(name) && repository(name, repos).is_err());
    absent.map(|name| (name.to_owned(), folder_of(name, repos).join("repo"))).collect()
}

/// Whether a name has the form `owner/name` and can be a folder.
fn is_plain(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let parts: Vec<&str> = name.split('/').collect();
    parts.len() == 2 && parts.into_iter().all(plain)
}

/// Where files are laid out.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The work folder.
    pub work: PathBuf,
}

impl Layout {
    /// Lays out the tree of a commit, or only its folder `root`, and gives back the folder of `root`.
    ///
    /// # Errors
    /// [`EvalError::Repository`] when commit or folder is not there, [`EvalError::Files`], [`EvalError::Cancelled`].
    pub fn tree(
        &self,
        repository: &Repository,
        name: &str,
        rev: &str,
        root: Option<&str>,
        cancel: &CancelFlag,
    ) -> Result<PathBuf, EvalError> {
        let missing = |reason: String| EvalError::Repository {
            name: name.to_owned(),
            folder: repository.path().to_owned(),
            reason,
        };
        let commit = Oid::from_str(rev).map_err(|_| missing(format!("`{rev}` is no commit's name")))?;
        let tree = repository
            .find_commit(commit)
            .and_then(|commit| commit.tree())
            .map_err(|error| missing(format!("commit {rev}: {}", error.message())))?;
        let root = root.map(|root| root.trim_matches('/')).filter(|root| !root.is_empty());
        let tree = match root {
            None => tree.id(),
            Some(root) => {
                let entry =
                    tree.get_path(Path::new(root)).map_err(|_| missing(format!("no folder {root} at {rev}")))?;
                entry.id()
            }
        };
        let key = blake3::hash(format!("{rev}\n{}", root.unwrap_or_default()).as_bytes()).to_hex();
        let slug = name.replace('/', "+");
        let folder = self.work.join("trees").join(&slug).join(&key.as_str()[..16]);
        let shared = self.work.join("blobs").join(&slug);
        finished(&folder, |part| write_tree(repository, tree, part, &shared, cancel))?;
        Ok(folder)
    }

    /// Lays out a folder of the commit that a repository has checked out, or would, and gives back where the folder lies
    /// and the commit.
    ///
    /// # Errors
    /// As [`repository`] and [`Layout::tree`].
    pub fn newest(
        &self,
        name: &str,
        repos: &Path,
        root: &str,
        cancel: &CancelFlag,
    ) -> Result<(PathBuf, String), EvalError> {
        let repository = repository(name, repos)?;
        let head = repository.head().and_then(|head| head.peel_to_commit());
        let rev = head.map_err(|error| EvalError::git(&repository, &error))?.id().to_string();
        Ok((self.tree(&repository, name, &rev, Some(root), cancel)?, rev))
    }

    /// Writes the documents of a set as files, and gives back their folder.
    ///
    /// # Errors
    /// [`EvalError::Input`] for a file of another form, [`EvalError::Files`].
    pub fn documents(&self, set: &str, file: &Path) -> Result<PathBuf, EvalError> {
        let bytes = fs::read(file).map_err(EvalError::unread(file))?;
        let key = blake3::hash(&bytes).to_hex();
        let set: String = set.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let folder = self.work.join("trees").join(format!("documents+{set}")).join(&key.as_str()[..16]);
        finished(&folder, |part| {
            for document in documents(file)? {
                if !document.path.split('/').all(is_plain_name) {
                    return Err(EvalError::input(file, None, format!("`{}` is no plain path", document.path)));
                }
                let path = part.join(&document.path);
                let parent = path.parent().unwrap_or(part);
                fs::create_dir_all(parent).map_err(EvalError::files("making a folder", parent))?;
                fs::write(&path, document.text).map_err(EvalError::files("writing a document", &path))?;
            }
            Ok(())
        })?;
        Ok(folder)
    }
}

/// Fills a folder under another name and gives it its own when it is complete.
fn finished(folder: &Path, fill: impl FnOnce(&Path) -> Result<(), EvalError>) -> Result<(), EvalError> {
    if folder.is_dir() {
        return Ok(());
    }
    let part = folder.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(EvalError::files("clearing an unfinished folder", &part))?;
    }
    fs::create_dir_all(&part).map_err(EvalError::files("making a folder", &part))?;
    fill(&part)?;
    fs::rename(&part, folder).map_err(EvalError::files("finishing a folder", folder))
}

/// Writes a whole tree into an empty folder.
pub(crate) fn write_tree(
    repository: &Repository,
    tree: Oid,
    folder: &Path,
    shared: &Path,
    cancel: &CancelFlag,
) -> Result<(), EvalError> {
    let mut writer = TreeWriter { repository, shared, cancel, files: 0, bytes: 0 };
    writer.write(tree, folder).map_err(|stop| stop.into_error(repository))
}

/// Turns a folder that holds the tree `from` into one that holds the tree `to`, by the files in which they differ.
pub(crate) fn change_tree(
    repository: &Repository,
    (from, to): (Oid, Oid),
    folder: &Path,
    shared: &Path,
    cancel: &CancelFlag,
) -> Result<(), EvalError> {
    let mut writer = TreeWriter { repository, shared, cancel, files: 0, bytes: 0 };
    writer.change((from, to), folder).map_err(|stop| stop.into_error(repository))
}

enum Stop {
    Git(git2::Error),
    Eval(EvalError),
}

impl Stop {
    fn into_error(self, repository: &Repository) -> EvalError {
        match self {
            Self::Git(error) => EvalError::git(repository, &error),
            Self::Eval(error) => error,
        }
    }
}

impl From<git2::Error> for Stop {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

/// Writes files; equal ones of many commits are one file with many names, which keeps a hundred trees of one repository
/// small.
struct TreeWriter<'a> {
    repository: &'a Repository,
    shared: &'a Path,
    cancel: &'a CancelFlag,
    files: usize,
    bytes: u64,
}

impl TreeWriter<'_> {
    fn write(&mut self, tree: Oid, folder: &Path) -> Result<(), Stop> {
        let odb = self.repository.odb()?;
        fs::create_dir_all(self.shared).map_err(|error| self.stop(error, self.shared))?;
        let mut open = vec![(tree, folder.to_owned(), 0)];
        while let Some((tree, folder, depth)) = open.pop() {
            let tree = self.repository.find_tree(tree)?;
            fs::create_dir_all(&folder).map_err(|error| self.stop(error, &folder))?;
            for entry in tree.iter() {
                if self.cancel.is_cancelled() {
                    return Err(Stop::Eval(EvalError::Cancelled));
                }
                // Names that are not UTF-8 cannot be cited, and the index leaves them out too.
                let Ok(name) = entry.name() else { continue };
                if !is_plain_name(name) {
                    continue;
                }
                let path = folder.join(name);
                match entry.kind() {
                    Some(ObjectType::Tree) if depth < FOLDER_DEPTH_MAX => open.push((entry.id(), path, depth + 1)),
                    Some(ObjectType::Blob) if entry.filemode() & MODE_KIND == MODE_FILE => {
                        let (size, _) = odb.read_header(entry.id())?;
                        self.file(entry.id(), size as u64, &path)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, (from, to): (Oid, Oid), folder: &Path) -> Result<(), Stop> {
        let odb = self.repository.odb()?;
        let (from, to) = (self.repository.find_tree(from)?, self.repository.find_tree(to)?);
        let diff = self.repository.diff_tree_to_tree(Some(&from), Some(&to), None)?;
        let plain = |path: Option<&Path>| {
            let path = path?.to_str().filter(|path| path.split('/').all(is_plain_name))?;
            Some(folder.join(path))
        };
        // What goes makes room first: a file may take the name of a folder.
        for path in diff.deltas().filter_map(|delta| plain(delta.old_file().path())) {
            // Never written through: the file has other names in other trees. One that is not there was left out.
            let _ = fs::remove_file(&path);
            let mut parent = path.parent();
            while let Some(empty) = parent.filter(|parent| *parent != folder && fs::remove_dir(parent).is_ok()) {
                parent = empty.parent();
            }
        }
        for delta in diff.deltas() {
            let file = delta.new_file();
            let Some(path) = plain(file.path()) else { continue };
            if !file.exists()
                || !matches!(file.mode(), FileMode::Blob | FileMode::BlobExecutable | FileMode::BlobGroupWritable)
            {
                continue;
            }
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| self.stop(error, parent))?;
            }
            let (size, _) = odb.read_header(file.id())?;
            self.file(file.id(), size as u64, &path)?;
        }
        Ok(())
    }

    fn file(&mut self, blob: Oid, size: u64, path: &Path) -> Result<(), Stop> {
        // The index would leave it out for its size.
        if size > FILE_BYTES_MAX {
            return Ok(());
        }
        self.files += 1;
        self.bytes += size;
        if self.files > FILES_MAX || self.bytes > EVAL_TREE_BYTES_MAX {
            let reason = format!("more than {FILES_MAX} files or {EVAL_TREE_BYTES_MAX} bytes in one tree");
            return Err(Stop::Eval(EvalError::input(path, None, reason)));
        }
        let shared = self.shared.join(blob.to_string());
        if fs::hard_link(&shared, path).is_ok() {
            return Ok(());
        }
        let blob = self.repository.find_blob(blob)?;
        let mut file = fs::File::create(path).map_err(|error| self.stop(error, path))?;
        file.write_all(blob.content()).map_err(|error| self.stop(error, path))?;
        // Where files cannot have two names each tree has its own, which only takes more room.
        let _ = fs::hard_link(path, &shared);
        Ok(())
    }

    fn stop(&self, error: std::io::Error, path: &Path) -> Stop {
        Stop::Eval(EvalError::files("laying out a tree", path)(error))
    }
}

/// Whether a name stays in its folder on every system and is no repository of its own.
fn is_plain_name(name: &str) -> bool {
    let reserved = matches!(name, "" | "." | "..") || name.eq_ignore_ascii_case(".git");
    !reserved && !name.contains(['/', '\\', ':', '\0'])
}
