//! The folders a session works in, held open while it lasts.
//!
//! Refuses: deciding which folder may be indexed. `app` does; a refusal is remembered, so that it is said once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use app::WorkspaceGuard;
use tower_lsp::gen_lsp_types::InitializeParams;

use crate::Hello;
use crate::uris::path_of;

/// Folders one session may hold open; further ones are left out.
pub(crate) const FOLDERS_MAX: usize = 64;

/// The folders of a session.
#[derive(Default)]
pub(crate) struct Workspaces {
    folders: BTreeMap<PathBuf, Folder>,
}

enum Folder {
    /// `app` was asked.
    Opening,
    /// Open while the guard is held.
    Open(#[expect(dead_code, reason = "held for its drop, which closes the workspace")] WorkspaceGuard),
    /// `app` said no.
    Refused,
}

impl Workspaces {
    /// Whether `root` must now be opened: it is new and there is room.
    pub(crate) fn want(&mut self, root: &Path) -> bool {
        if self.folders.contains_key(root) || self.folders.len() >= FOLDERS_MAX {
            return false;
        }
        self.folders.insert(root.to_owned(), Folder::Opening);
        true
    }

    /// Keeps an open workspace, if its folder is still wanted.
    pub(crate) fn opened(&mut self, root: PathBuf, guard: WorkspaceGuard) {
        if let Some(folder) = self.folders.get_mut(&root) {
            *folder = Folder::Open(guard);
        }
    }

    /// Remembers that `root` may not be opened.
    pub(crate) fn refused(&mut self, root: &Path) {
        if let Some(folder) = self.folders.get_mut(root) {
            *folder = Folder::Refused;
        }
    }

    /// Forgets a folder and closes it.
    pub(crate) fn close(&mut self, root: &Path) {
        self.folders.remove(root);
    }

    /// The folders that can be searched.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        let usable = self.folders.iter().filter(|(_, folder)| !matches!(folder, Folder::Refused));
        usable.map(|(root, _)| root.clone()).collect()
    }

    /// The workspace of a file: the innermost folder around it, else the only one there is.
    pub(crate) fn of(&self, path: Option<&Path>) -> Option<PathBuf> {
        let usable =
            || self.folders.iter().filter(|(_, folder)| !matches!(folder, Folder::Refused)).map(|(root, _)| root);
        let around =
            |path: &Path| usable().filter(|root| path.starts_with(root)).max_by_key(|root| root.as_os_str().len());
        path.and_then(around).or_else(|| usable().next()).cloned()
    }
}

/// The folders the client names: its workspace folders, else its root.
pub(crate) fn named_folders(params: &InitializeParams) -> Vec<PathBuf> {
    // Read as JSON, because the types of the older fields are marked as such.
    let params = serde_json::to_value(params).unwrap_or_default();
    let folders = params["workspaceFolders"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named: Vec<PathBuf> = folders.iter().filter_map(|folder| path_of(folder["uri"].as_str()?)).collect();
    if !named.is_empty() {
        return named;
    }
    let root = params["rootUri"].as_str().and_then(path_of);
    let older = || params["rootPath"].as_str().map(PathBuf::from).filter(|path| path.is_absolute());
    root.or_else(older).into_iter().collect()
}

/// The folders to use when the client names none: those of the command line, else the git root around the working
/// directory. A folder nobody named is not indexed only because an editor was started there. Reads the disk.
pub(crate) fn fallback_folders(hello: &Hello) -> Vec<PathBuf> {
    if !hello.folders.is_empty() {
        return hello.folders.clone();
    }
    if !hello.cwd.is_absolute() {
        return Vec::new();
    }
    app::git_root(&hello.cwd).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn folders_are_taken_where_the_client_names_them() {
        let check = |fields: Value, expected: &[&str]| {
            let mut params = json!({ "capabilities": {} });
            params.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
            let params = serde_json::from_value(params).expect("the parameters are complete");
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(named_folders(&params), expected, "{fields}");
        };
        check(json!({}), &[]);
        check(json!({ "rootUri": null, "workspaceFolders": null }), &[]);
        check(json!({ "rootUri": "file:///a" }), &["/a"]);
        check(json!({ "rootPath": "/old" }), &["/old"]);
        let folders = json!([{ "uri": "file:///b", "name": "b" }, { "uri": "file:///c", "name": "c" }]);
        check(json!({ "rootUri": "file:///a", "workspaceFolders": folders }), &["/b", "/c"]);
        check(
            json!({ "rootUri": "file:///a", "workspaceFolders": [{ "uri": "vscode-remote://x/y", "name": "y" }] }),
            &["/a"],
        );
    }

    #[test]
    fn without_a_named_folder_the_git_root_counts() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let inner = folder.path().join("src/deep");
        std::fs::create_dir_all(&inner).expect("the folder can be made");
        let hello = Hello { cwd: inner.clone(), ..Hello::default() };
        assert_eq!(fallback_folders(&hello), Vec::<PathBuf>::new(), "a folder nobody named is not indexed");
        std::fs::create_dir(folder.path().join(".git")).expect("the folder can be made");
        assert_eq!(fallback_folders(&hello), [folder.path().to_owned()]);
        let hello = Hello { folders: vec!["/named".into()], ..hello };
        assert_eq!(fallback_folders(&hello), [PathBuf::from("/named")]);
        assert_eq!(fallback_folders(&Hello::default()), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_file_belongs_to_the_innermost_folder() {
        let mut workspaces = Workspaces::default();
        for root in ["/a", "/a/b", "/c"] {
            assert!(workspaces.want(Path::new(root)));
        }
        assert!(!workspaces.want(Path::new("/a")));
        let of = |workspaces: &Workspaces, path: &str| workspaces.of(Some(Path::new(path)));
        assert_eq!(of(&workspaces, "/a/b/x.rs"), Some("/a/b".into()));
        assert_eq!(of(&workspaces, "/a/bc/x.rs"), Some("/a".into()));
        workspaces.refused(Path::new("/a"));
        assert_eq!(of(&workspaces, "/a/bc/x.rs"), Some("/a/b".into()));
        workspaces.close(Path::new("/a/b"));
        assert_eq!(of(&workspaces, "/elsewhere/x.rs"), Some("/c".into()));
        assert_eq!(workspaces.of(None), Some("/c".into()));
    }
}
