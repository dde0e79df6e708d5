//! An edit that may change several files: which of them the model is shown, and what its answer proposes for each.
//!
//! Refuses: files outside the workspace, also behind a link, and files that hold secrets.

use std::path::{Path, PathBuf};

use engine::{BaseFile, Block, EditTask, FileChange, Reach};
use text::Document;

use super::EditRequest;
use crate::proposals::{ChangeState, KEPT_FILE_BYTES_MAX, ProposedChange, ProposedFile};
use crate::{App, AppError, Editing, ErrorKind, Result};

/// Other files that are shown whole, and so may be changed.
const OTHERS_MAX: usize = 4;
/// Passages whose files are looked at for that.
const LOOKED_AT_MAX: usize = 16;
/// A file larger than this is not shown whole, in bytes.
const OTHER_BYTES_MAX: usize = 8 * 1024;

impl App {
    /// The task with the files that belong to the wish, and leave to make new ones.
    pub(super) async fn with_files(&self, task: EditTask, request: &EditRequest) -> Result<EditTask> {
        let Some(root) = request.workspace.clone() else {
            return Err(AppError::new(ErrorKind::User, "an edit of several files needs a folder")
                .hint("open the folder of the project in the editor"));
        };
        let query = format!("{}\n{}", task.instruction.as_deref().unwrap_or_default(), task.code());
        let editing = Editing { buffers: &request.open_buffers, open: &request.open_files };
        let found = self.search_with(&root, &query, LOOKED_AT_MAX, editing).await.map(|found| found.hits);
        let mut paths: Vec<String> = Vec::new();
        for hit in found.unwrap_or_default() {
            if hit.path != task.path && !paths.contains(&hit.path) && !index::is_secret(&hit.path) {
                paths.push(hit.path);
            }
        }
        let buffers = request.open_buffers.clone();
        let read = move || {
            let shown = paths.into_iter().filter_map(|path| {
                let file = inside(&root, &path)?;
                let unsaved = buffers.iter().find(|buffer| buffer.path == file).map(|buffer| buffer.text.clone());
                let text = unsaved.or_else(|| read_small(&file))?;
                let language = index::language_name(&path).unwrap_or("plaintext");
                let uri = url::Url::from_file_path(&file).ok()?;
                Some(BaseFile { path, document: Document::new(uri.as_str(), language, 0, &text) })
            });
            shown.take(OTHERS_MAX).collect()
        };
        let others = tokio::task::spawn_blocking(read).await.map_err(AppError::task_died)?;
        Ok(task.with_files(others))
    }
}

/// What an answer proposes for each file. Reads files that are to go.
///
/// # Errors
/// A sentence for the user when a path leads out of the workspace.
pub(super) fn proposed_files(
    task: &EditTask,
    root: &Path,
    changes: Vec<FileChange>,
) -> std::result::Result<Vec<ProposedFile>, String> {
    changes.into_iter().map(|change| proposed(task, root, change)).collect()
}

fn proposed(task: &EditTask, root: &Path, change: FileChange) -> std::result::Result<ProposedFile, String> {
    let place = |path: &str| inside(root, path).ok_or_else(|| format!("{path} lies outside of the project"));
    let (name, place, change) = match change {
        FileChange::Edit(edit) => {
            let own = edit.path == task.path;
            let other = task.others.iter().find(|file| file.path == edit.path).map(|file| &file.document);
            let document = if own { Some(&task.document) } else { other };
            let document = document.ok_or_else(|| format!("{} was not shown to the model", edit.path))?;
            let after = edit.edit.apply(document.rope()).map_err(|error| error.to_string())?;
            let (old, new) = (document.rope().to_string(), after.to_string());
            let blocks: Vec<Block> = text::hunks(&old, &new).iter().map(|hunk| Block::of(hunk, &new)).collect();
            // The document may be no file, or lie outside of the folder that the user works in.
            let place = if own { own_place(document) } else { place(&edit.path)? };
            (edit.path, place, ProposedChange::Edit { blocks })
        }
        FileChange::Create { path, text } => (path.clone(), place(&path)?, ProposedChange::Create { text }),
        FileChange::Rename { from, to } => {
            let to = place(&to)?.to_string_lossy().into_owned();
            (from.clone(), place(&from)?, ProposedChange::Rename { to })
        }
        FileChange::Delete { path } => {
            let file = place(&path)?;
            let small = std::fs::metadata(&file).is_ok_and(|meta| meta.len() <= KEPT_FILE_BYTES_MAX as u64);
            let text = small.then(|| std::fs::read_to_string(&file).ok()).flatten();
            (path, file, ProposedChange::Delete { text })
        }
    };
    let states = match &change {
        ProposedChange::Edit { blocks } => blocks.len(),
        _ => 1,
    };
    let place = place.to_string_lossy().into_owned();
    Ok(ProposedFile { place, name, change, states: vec![ChangeState::Proposed; states] })
}

/// Whether a task may end in more than an edit of its own document.
pub(super) fn may_change_several(task: &EditTask) -> bool {
    task.reach == Reach::Workspace
}

fn own_place(document: &Document) -> PathBuf {
    let path = url::Url::parse(document.uri()).ok().filter(|url| url.scheme() == "file");
    path.and_then(|url| url.to_file_path().ok()).unwrap_or_else(|| document.uri().into())
}

/// The file at a path of the workspace, unless a link on the way leads out of it.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let file = root.join(path);
    let real_root = root.canonicalize().ok()?;
    let there = file.ancestors().find(|ancestor| std::fs::symlink_metadata(ancestor).is_ok())?;
    there.canonicalize().ok()?.starts_with(real_root).then_some(file)
}

fn read_small(file: &Path) -> Option<String> {
    let meta = std::fs::metadata(file).ok()?;
    (meta.is_file() && meta.len() <= OTHER_BYTES_MAX as u64).then(|| std::fs::read_to_string(file).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_touched() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let root = folder.path().join("project");
        let outside = folder.path().join("outside");
        std::fs::create_dir_all(root.join("src")).expect("the folder can be made");
        std::fs::create_dir_all(&outside).expect("the folder can be made");
        std::os::unix::fs::symlink(&outside, root.join("link")).expect("a link can be made");
        std::os::unix::fs::symlink(outside.join("nowhere"), root.join("dangling")).expect("a link can be made");
        assert_eq!(inside(&root, "src/new/a.py"), Some(root.join("src/new/a.py")));
        assert_eq!(inside(&root, "link/a.py"), None);
        assert_eq!(
            inside(&root, "dangling"),
            None,
            "a link that leads nowhere would be followed when it is written"
        );
        assert_eq!(inside(&root, "../outside/a.py"), None);
    }
}
