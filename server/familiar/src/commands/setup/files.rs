//! Files of the user's: read with care, changed all together, each in one step.
//!
//! A link is followed and what it leads to is changed, so that a folder of dotfiles stays one. Refuses: files that are
//! too large or no text, links that lead nowhere, and losing permissions.

use std::fs::Permissions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::shown;
use crate::failure::Failure;

/// The largest file that is changed, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// What a new file may be used for, before the user's own mask is taken off.
const NEW_FILE: u32 = 0o666;
/// What stands behind the name of a copy of what was there before.
const BEFORE: &str = ".before-familiar";

/// One file before and after.
#[derive(Debug)]
pub(super) struct Change {
    /// The file itself; links have been followed.
    path: PathBuf,
    before: Option<String>,
    after: Option<String>,
    /// Folders that go with the file when nothing else is in them.
    folders: usize,
}

impl Change {
    /// The file at `path` as it is.
    ///
    /// # Errors
    /// When it cannot be read, or is nothing that could be changed.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        let path = followed(path)?;
        let before = read(&path)?;
        Ok(Self { path, after: before.clone(), before, folders: 0 })
    }

    /// What is in the file; `None` when there is none.
    pub(super) fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// The same with other text afterwards; `None` removes the file.
    #[must_use]
    pub(super) fn to(mut self, after: Option<String>) -> Self {
        self.after = after;
        self
    }

    /// Also removes this many folders above a file that goes, while they are empty.
    #[must_use]
    pub(super) fn with_folders(mut self, folders: usize) -> Self {
        self.folders = folders;
        self
    }

    /// The copy of what was there before.
    ///
    /// # Errors
    /// As [`Change::of`].
    pub(super) fn copy(&self) -> Result<Self, Failure> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(BEFORE);
        Self::of(&self.path.with_file_name(name))
    }

    /// Whether anything changes.
    pub(super) fn is_one(&self) -> bool {
        self.before != self.after
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The change for people.
    pub(super) fn diff(&self, context_lines: usize) -> String {
        let name = shown(&self.path);
        let nothing = "/dev/null".to_owned();
        let old_name = if self.before.is_some() { &name } else { &nothing };
        let new_name = if self.after.is_some() { &name } else { &nothing };
        let (old, new) = (self.before.as_deref().unwrap_or_default(), self.after.as_deref().unwrap_or_default());
        let diff = text::unified_diff(old, new, old_name, new_name, context_lines);
        if diff.is_empty() { format!("--- {old_name}\n+++ {new_name}\n") } else { diff }
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        let path = shown(&self.path);
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Failure::new(format!(
                "{path} cannot be written: {error}"
            ))
            .hint("make it and its folder writable; a file that another tool writes is changed in that tool"),
            _ => Failure::new(format!("{path} cannot be written: {error}")),
        }
    }

    /// The new text in a file beside the old one, with its permissions.
    fn prepare(&self) -> Result<Option<NamedTempFile>, Failure> {
        let Some(after) = &self.after else { return Ok(None) };
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let prepare = || {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new()
                .prefix(".familiar-")
                .permissions(Permissions::from_mode(NEW_FILE))
                .tempfile_in(folder)?;
            if let Ok(old) = std::fs::metadata(&self.path) {
                if old.permissions().readonly() {
                    return Err(std::io::Error::new(ErrorKind::PermissionDenied, "it is read-only"));
                }
                file.as_file().set_permissions(old.permissions())?;
            }
            file.write_all(after.as_bytes())?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        prepare().map(Some).map_err(|error| self.failed(&error))
    }

    fn finish(&self, file: Option<NamedTempFile>) -> Result<String, Failure> {
        let path = shown(&self.path);
        if let Some(file) = file {
            file.persist(&self.path).map_err(|error| self.failed(&error.error))?;
            return Ok(format!("wrote {path}"));
        }
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.failed(&error)),
            _ => {}
        }
        for folder in self.path.ancestors().skip(1).take(self.folders) {
            // One that holds something of the user's stays.
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(format!("removed {path}"))
    }
}

/// Makes all changes: every new text is on the disk before the first file is replaced. Returns a line for each.
///
/// # Errors
/// When a file cannot be written; then none was changed, unless the disk itself fails between two of them.
pub(super) fn write(changes: &[Change]) -> Result<Vec<String>, Failure> {
    let changes: Vec<&Change> = changes.iter().filter(|change| change.is_one()).collect();
    for change in &changes {
        if read(&change.path)? != change.before {
            return Err(Failure::new(format!("{} changed meanwhile", shown(&change.path))).hint("try again"));
        }
    }
    let prepared = changes.iter().map(|change| change.prepare()).collect::<Result<Vec<_>, _>>()?;
    changes.iter().zip(prepared).map(|(change, file)| change.finish(file)).collect()
}

/// Where a path leads. What is not there yet leads to itself.
fn followed(path: &Path) -> Result<PathBuf, Failure> {
    match path.canonicalize() {
        Ok(found) => Ok(found),
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => {
            Err(Failure::new(format!("{} is a link that leads nowhere", shown(path)))
                .hint("repair or remove the link"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(unreadable(path, &error.to_string())),
    }
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    // Looked at first: a pipe would be waited for.
    let kind = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(|error| unreadable(path, &error.to_string()))?,
    };
    if !kind.is_file() {
        return Err(unreadable(path, "it is no file"));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(path, &format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| unreadable(path, "it is not UTF-8 text"))
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::new(format!("cannot read {}: {why}", shown(path)))
        .hint("nothing was changed; repair the file or move it away")
}
