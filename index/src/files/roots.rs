//! Which folder is meant: the nearest repository, and folders that are never indexed by accident.
//!
//! Refuses: any write or lock in a repository.

use std::path::{Path, PathBuf};

/// The work tree of the nearest git repository at or above `folder`; `None` outside of any.
pub fn git_root(folder: &Path) -> Option<PathBuf> {
    let found = git2::Repository::discover(folder).ok().and_then(|repository| {
        let work_tree = repository.workdir()?.canonicalize().ok()?;
        Some(work_tree)
    });
    // Repositories of another owner are not opened by the library, but their root is still the root.
    found.or_else(|| {
        let folder = folder.canonicalize().ok()?;
        folder.ancestors().find(|parent| parent.join(".git").exists()).map(Path::to_owned)
    })
}

/// Whether a folder is the file system's root, the home folder, or a folder above the home folder: never indexed unless
/// the user names it.
pub(crate) fn is_forbidden(root: &Path, home: Option<&Path>) -> bool {
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let home = home.map(|home| home.canonicalize().unwrap_or_else(|_| home.to_owned()));
    real.parent().is_none() || home.is_some_and(|home| home.starts_with(&real))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_above_are_forbidden() {
        let home = tempfile::tempdir().unwrap();
        let project = home.path().join("project");
        std::fs::create_dir(&project).unwrap();
        let check = |path: &Path| is_forbidden(path, Some(home.path()));
        assert!(check(Path::new("/")));
        assert!(check(home.path()));
        assert!(check(home.path().parent().unwrap()));
        assert!(!check(&project));
        assert!(!is_forbidden(&project, None));
    }

    #[test]
    fn the_nearest_repository_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        git2::Repository::init(&top).unwrap();
        let deep = top.join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(git_root(&deep), Some(top));
    }
}
