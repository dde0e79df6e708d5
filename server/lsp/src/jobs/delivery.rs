//! An edit the editor was asked to apply: what its documents must show, and what follows when they do.
//!
//! Refuses: believing an answer. What is in the texts counts, and for files that no editor holds, what is on disk.

use std::path::{Path, PathBuf};

use app::{ChangeState, Proposal};
use text::{Document, Hunk, Rope};

use super::landing::is_in;
use super::preparing::Made;
use crate::review::{Accepted, Candidate, Wish};
use crate::uris::path_of;

/// Files larger than this are not read to see whether an edit is in them, in bytes.
const READ_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// An edit that lies with the editor.
pub(crate) struct Delivery {
    /// The documents that it changes.
    pub(crate) targets: Vec<Target>,
    /// Files that it makes (`true`) or takes away (`false`).
    pub(crate) files: Vec<(PathBuf, bool)>,
    /// What it does, for people.
    pub(crate) summary: String,
    /// What follows.
    pub(crate) purpose: Purpose,
    /// What can be worked out anew when the editor's text is another one by then, with the rounds that took so far.
    pub(crate) again: Option<(Made, u32)>,
}

/// One document of an edit.
#[derive(Clone)]
pub(crate) struct Target {
    /// Its URI.
    pub(crate) uri: String,
    /// The document it was sent for; `None` when the editor had not opened it.
    pub(crate) before: Option<Document>,
    /// The text when the edit is applied.
    pub(crate) expected: Rope,
    /// Whether the edit makes the file, where none was.
    pub(crate) creates: bool,
    /// Whether the text was seen.
    pub(crate) landed: bool,
}

impl Target {
    /// Whether a text is what the edit was to make.
    pub(crate) fn is_in(&self, now: &Rope) -> bool {
        // Some editors end a file that they make with a line break of their own.
        let is_made = self.before.is_none();
        *now == self.expected || is_made && same_but_for_its_end(&now.to_string(), &self.expected.to_string())
    }
}

/// Whether two texts differ in nothing but line breaks at the end.
pub(super) fn same_but_for_its_end(one: &str, other: &str) -> bool {
    one.trim_end_matches(['\r', '\n']) == other.trim_end_matches(['\r', '\n'])
}

/// What follows when an edit is in.
pub(crate) enum Purpose {
    /// Its changes wait to be judged.
    Begin(Box<Begun>),
    /// Changes that waited are taken back.
    TakeBack {
        /// Edits by document and proposal, with the numbers of the changes.
        changes: Vec<(String, String, Vec<usize>)>,
    },
    /// What became of changes of a proposal.
    Settle {
        /// The proposal.
        proposal: Proposal,
        /// Changes by file and number.
        changes: Vec<(usize, usize)>,
        /// What becomes of them.
        state: ChangeState,
        /// Whether the user may take over a part of them.
        lets_choose: bool,
        /// What is followed of those that are accepted, by the URI of the document.
        accepted: Vec<(String, Accepted)>,
    },
}

/// An edit whose changes are about to wait.
pub(crate) struct Begun {
    /// What is kept of it.
    pub(crate) proposal: Proposal,
    /// The edit that it stands in the place of.
    pub(crate) over: Option<String>,
    /// The text without it.
    pub(crate) base: Rope,
    /// Its changes, from there to the expected text.
    pub(crate) hunks: Vec<Hunk>,
    /// How it can be asked for again.
    pub(crate) wish: Option<Wish>,
    /// The versions there are.
    pub(crate) candidates: Vec<Candidate>,
    /// Which one this is.
    pub(crate) shown: usize,
}

/// An edit that was given up while it lay with the editor.
pub(crate) struct LateEdit {
    /// What was done, for people.
    pub(crate) title: String,
    /// What follows should it come into the text after all.
    pub(crate) begun: Box<Begun>,
    /// Where.
    pub(crate) target: Target,
}

/// Whether each of `targets` shows its edit, with the documents as they are now, and each file is there or not. `last`
/// says that nothing more will come. Reads files.
pub(crate) fn all_in(targets: &[(Target, Option<Document>)], files: &[(PathBuf, bool)], last: bool) -> bool {
    targets.iter().all(|(target, now)| shows(target, now.as_ref(), last))
        && files.iter().all(|(path, there)| path.try_exists().is_ok_and(|exists| exists == *there))
}

fn shows(target: &Target, now: Option<&Document>, last: bool) -> bool {
    if target.landed {
        return true;
    }
    let expected = target.expected.to_string();
    match (&target.before, now) {
        (_, None) => path_of(&target.uri).and_then(|path| read(&path)).is_some_and(|text| {
            // Of a new file of a kind that the editor does not show us the text is not saved yet, but the file is made.
            text == expected || target.creates && last && text.is_empty()
        }),
        (None, Some(now)) => target.is_in(now.rope()),
        // Nothing happened since it was sent.
        (Some(before), Some(now)) if before.revision() == now.revision() => false,
        // Typing right after the edit changes the text too, so the whole of it is compared.
        (Some(before), Some(now)) => is_in(&before.rope().to_string(), &expected, &now.rope().to_string()),
    }
}

fn read(path: &Path) -> Option<String> {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= READ_BYTES_MAX);
    small.then(|| std::fs::read_to_string(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uris::uri_of;

    /// An editor that attaches us to some kinds of file alone makes a file, whose text it holds unsaved.
    #[test]
    fn a_file_that_was_made_counts_though_its_text_is_not_saved() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("notes.txt");
        let target = |creates| Target {
            uri: uri_of(&path).expect("a path"),
            before: None,
            expected: Rope::from_str("# Careful\n"),
            creates,
            landed: false,
        };
        let shows = |creates, last| all_in(&[(target(creates), None)], &[], last);
        assert!(!shows(true, true), "there is no file");
        std::fs::write(&path, "").expect("written");
        assert!(!shows(true, false), "its text may still come");
        assert!(shows(true, true));
        assert!(!shows(false, true), "an empty file that was there proves nothing");
        std::fs::write(&path, "something else\n").expect("written");
        assert!(!shows(true, true));
        std::fs::write(&path, "# Careful\n").expect("written");
        assert!(shows(true, false));
    }
}
