//! Which folder is meant: the nearest repository, folders that are never indexed by accident, and what the file system
//! under a folder does otherwise than most: letter case, changes that nobody tells.
//!
//! Refuses: any write or lock in a repository.

use std::path::{Path, PathBuf};

use crate::files::live::StatKey;

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

/// The kind of file system under a folder, where other machines can change files without this one being told.
pub(crate) fn remote_kind(root: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        // The numbers have 32 bits; what is above is a sign.
        let kind = rustix::fs::statfs(root).ok()?.f_type;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of 32 bits is meant"
        )]
        remote_kind_of(kind as u32)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = root;
        None
    }
}

/// File systems by their numbers, as `statfs(2)` lists them.
#[cfg(target_os = "linux")]
fn remote_kind_of(number: u32) -> Option<&'static str> {
    Some(match number {
        0x6969 => "NFS",
        0x517B | 0xFE53_4D42 => "SMB",
        0xFF53_4D42 => "CIFS",
        0x0102_1997 => "9P",
        0x00C3_6400 => "Ceph",
        0x5346_414F => "AFS",
        0x6573_5546 => "FUSE",
        _ => return None,
    })
}

/// Whether names that differ in letter case only are one name under a folder, as far as its own name can tell.
pub(crate) fn folds_case(root: &Path) -> bool {
    let Some(name) = root.file_name().and_then(std::ffi::OsStr::to_str) else { return false };
    let swap = |letter: char| {
        if letter.is_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    };
    let other: String = name.chars().map(swap).collect();
    let real = |path: &Path| StatKey::of_folder(path);
    other != name && real(root).is_some_and(|own| real(&root.with_file_name(other)) == Some(own))
}

/// Whether a folder lists a name just so: a file system that folds letter case finds it under others as well.
pub(crate) fn lists(folder: &Path, name: &str) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() == name))
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

    #[cfg(target_os = "linux")]
    #[test]
    fn file_systems_of_other_machines_are_known() {
        for (number, kind) in
            [(0x6969, Some("NFS")), (0xFF53_4D42, Some("CIFS")), (0xEF53, None), (0x0102_1994, None)]
        {
            assert_eq!(remote_kind_of(number), kind, "{number:x}");
        }
        assert_eq!(remote_kind(Path::new("/proc")), None);
        assert_eq!(remote_kind(Path::new("/missing")), None);
    }

    /// Here no file system folds case, so a link under the other name stands in for one.
    #[cfg(unix)]
    #[test]
    fn a_folder_that_answers_to_another_case_folds_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("Work");
        std::fs::create_dir(&root).unwrap();
        let before = folds_case(&root);
        if !before {
            std::os::unix::fs::symlink(&root, dir.path().join("wORK")).unwrap();
        }
        assert!(folds_case(&root));
        std::fs::write(root.join("a.rs"), "").unwrap();
        assert_eq!((lists(&root, "a.rs"), lists(&root, "A.rs")), (true, false));
        assert!(!folds_case(Path::new("/")));
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
