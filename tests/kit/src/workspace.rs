//! A temporary workspace on disk, written from a fixture and deleted on drop.
//!
//! Refuses: paths outside of it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::fixture::{Fixture, is_inside};

/// A folder with the files of a fixture. Everything in it goes when the value is dropped.
#[derive(Debug)]
pub struct TempWorkspace {
    root: PathBuf,
    fixture: Fixture,
    // Held for its drop, which deletes the folder.
    _folder: TempDir,
}

impl TempWorkspace {
    /// Writes the files of the fixture `text` into a new folder.
    ///
    /// # Panics
    ///
    /// When `text` is not a fixture or the disk refuses.
    #[must_use]
    #[track_caller]
    pub fn new(text: &str) -> Self {
        let workspace = Self::of(Fixture::parse(text));
        for file in &workspace.fixture.files {
            workspace.write(&file.path, &file.text);
        }
        workspace
    }

    /// A workspace without files.
    ///
    /// # Panics
    ///
    /// When the disk refuses.
    #[must_use]
    #[track_caller]
    pub fn empty() -> Self {
        Self::of(Fixture { files: Vec::new() })
    }

    #[track_caller]
    fn of(fixture: Fixture) -> Self {
        // No dot in front: hidden folders are not indexed.
        let folder =
            tempfile::Builder::new().prefix("workspace-").tempdir().expect("a temporary folder can be made");
        // Canonical, because a program under test reports canonical paths.
        let root = folder.path().canonicalize().expect("the new folder exists");
        Self { root, fixture, _folder: folder }
    }

    /// The folder, as a canonical path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The fixture the workspace was made from.
    #[must_use]
    pub fn fixture(&self) -> &Fixture {
        &self.fixture
    }

    /// The absolute path of `path`, which need not exist.
    ///
    /// # Panics
    ///
    /// When `path` leaves the workspace.
    #[must_use]
    #[track_caller]
    pub fn path(&self, path: &str) -> PathBuf {
        assert!(is_inside(path), "workspace: the path {path:?} is empty or leaves the workspace");
        self.root.join(path)
    }

    /// The `file:` URI of the workspace.
    #[must_use]
    pub fn root_uri(&self) -> String {
        file_uri(&self.root)
    }

    /// The `file:` URI of `path`.
    ///
    /// # Panics
    ///
    /// When `path` leaves the workspace.
    #[must_use]
    #[track_caller]
    pub fn uri(&self, path: &str) -> String {
        file_uri(&self.path(path))
    }

    /// Writes `bytes` to `path`, making folders as needed.
    ///
    /// # Panics
    ///
    /// When `path` leaves the workspace or the disk refuses.
    #[track_caller]
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let target = self.path(path);
        let folder = target.parent().expect("a path in the workspace has a folder");
        fs::create_dir_all(folder).unwrap_or_else(|e| panic!("workspace: cannot make {}: {e}", folder.display()));
        fs::write(&target, bytes).unwrap_or_else(|e| panic!("workspace: cannot write {path}: {e}"));
    }

    /// The text of `path`.
    ///
    /// # Panics
    ///
    /// When it cannot be read as UTF-8.
    #[must_use]
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("workspace: cannot read {path}: {e}"))
    }

    /// Removes the file or folder `path`.
    ///
    /// # Panics
    ///
    /// When it does not exist or the disk refuses.
    #[track_caller]
    pub fn remove(&self, path: &str) {
        let target = self.path(path);
        let result = if target.is_dir() { fs::remove_dir_all(&target) } else { fs::remove_file(&target) };
        result.unwrap_or_else(|e| panic!("workspace: cannot remove {path}: {e}"));
    }

    /// Renames `from` to `to`, making folders as needed.
    ///
    /// # Panics
    ///
    /// When `from` does not exist or the disk refuses.
    #[track_caller]
    pub fn rename(&self, from: &str, to: &str) {
        let (source, target) = (self.path(from), self.path(to));
        let folder = target.parent().expect("a path in the workspace has a folder");
        fs::create_dir_all(folder).unwrap_or_else(|e| panic!("workspace: cannot make {}: {e}", folder.display()));
        fs::rename(source, target).unwrap_or_else(|e| panic!("workspace: cannot rename {from} to {to}: {e}"));
    }
}

/// The `file:` URI of the absolute `path`, percent-encoded.
///
/// # Panics
///
/// When `path` is not UTF-8.
#[must_use]
#[track_caller]
pub fn file_uri(path: &Path) -> String {
    let text = path.to_str().expect("paths of tests are UTF-8");
    let mut uri = "file://".to_owned();
    for byte in text.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_changed_and_deleted_with_the_workspace() {
        let workspace = TempWorkspace::new("//- /src/a.rs\nfn a$0() {}\n");
        let root = workspace.root().to_owned();
        assert_eq!(workspace.read("src/a.rs"), "fn a() {}\n");
        assert_eq!(workspace.fixture().mark().start.byte, 4);
        workspace.write("deep/er/b.bin", [0, 255]);
        workspace.rename("src/a.rs", "new/a.rs");
        workspace.remove("src");
        assert!(root.join("new/a.rs").is_file() && root.join("deep/er/b.bin").is_file());
        assert!(!root.join("src").exists());
        drop(workspace);
        assert!(!root.exists());
    }

    #[test]
    fn paths_outside_are_refused() {
        let workspace = TempWorkspace::empty();
        for path in ["../x", "/etc/x", "", "a/../../x"] {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| workspace.path(path)));
            assert!(caught.is_err(), "{path:?}");
        }
    }

    #[test]
    fn uris_are_percent_encoded() {
        assert_eq!(file_uri(Path::new("/a b/é#.rs")), "file:///a%20b/%C3%A9%23.rs");
    }
}
