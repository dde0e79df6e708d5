//! Which folder a command is about. Refuses: folders that are missing or may not be read, before any work begins.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The canonical path of a folder the user named.
///
/// # Errors
/// When it is missing, is no folder, or may not be read.
pub(crate) fn named(folder: &Path) -> Result<PathBuf, Failure> {
    let shown = folder.display();
    let canonical = std::fs::canonicalize(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(format!("there is no folder {shown}")).hint("check its name"),
        std::io::ErrorKind::PermissionDenied => unreadable(folder),
        _ => Failure::new(format!("{shown} cannot be used: {error}")).hint("name a folder"),
    })?;
    if !canonical.is_dir() {
        return Err(Failure::new(format!("{shown} is not a folder")).hint("name the folder it lies in"));
    }
    match std::fs::read_dir(&canonical) {
        Ok(_) => Ok(canonical),
        Err(_) => Err(unreadable(folder)),
    }
}

/// The folder the user named, else the nearest git repository around the working directory, else that directory.
///
/// # Errors
/// As [`named`].
pub(crate) fn named_or_here(folder: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = folder {
        return named(folder);
    }
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(format!("the working directory is gone: {error}")).hint("name a folder, or change into one")
    })?;
    named(&app::git_root(&here).unwrap_or(here))
}

/// The same for what would index it: the home folder and folders above it are indexed only when they are named.
///
/// # Errors
/// As [`named`], and for such a folder that was not named.
pub(crate) fn named_or_here_to_index(folder: Option<&Path>) -> Result<PathBuf, Failure> {
    let root = named_or_here(folder)?;
    if folder.is_none() && index::Index::is_forbidden_root(&root) {
        return Err(Failure::new(format!("{} is indexed only when it is named", root.display()))
            .hint("change into a project, or name the folder"));
    }
    Ok(root)
}

/// A path as the daemon's JSON carries it.
///
/// # Errors
/// When it is no text.
pub(crate) fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::new(format!("{} is not valid UTF-8", path.display())).hint("rename it, or name another one")
    })
}

fn unreadable(folder: &Path) -> Failure {
    Failure::new(format!("{} may not be read by this user", folder.display())).hint("check its permissions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_folder_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "x").expect("a file");
        for (path, message) in [
            (folder.path().join("missing"), format!("there is no folder {}/missing", folder.path().display())),
            (file.clone(), format!("{} is not a folder", file.display())),
        ] {
            assert_eq!(named(&path).expect_err("it is none").message, message);
        }
    }
}
