//! The live files behind one search: each is read once, compared with what was indexed, and cut again if it differs.
//!
//! Refuses: to trust time stamps; the whole content is hashed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::files::live::{Current, current, part};
use crate::limits::{CHUNK_BYTES_MAX, FILE_BYTES_MAX, RECUT_FILES_MAX};
use crate::parse::cut::{Chunk, chunk_hash};
use crate::parse::light;
use crate::parse::terms::Terms;
use crate::search::corpus::Changed;
use crate::storage::document::Card;

type ReportStale = Arc<dyn Fn(&str) + Send + Sync>;

/// Texts of the files that are what was indexed, read at most once.
pub(crate) struct LiveFiles<'a> {
    root: &'a Path,
    /// `None` for a file that is not what was indexed.
    read: HashMap<String, Option<String>>,
}

/// Files that are not what was indexed: as they are now.
#[derive(Default)]
pub(crate) struct Differing {
    changed: BTreeMap<String, Recut>,
    /// Not there any more, or not to be shown.
    gone: Vec<String>,
    /// More files differ than one search cuts again: some that may answer are left out.
    pub(crate) left_out: bool,
}

struct Recut {
    text: String,
    chunks: Vec<Chunk>,
    terms: Vec<Terms>,
}

impl<'a> LiveFiles<'a> {
    /// Nothing is read yet.
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root, read: HashMap::new() }
    }

    /// The text of a stored chunk's file, if the file still is what was indexed.
    pub(crate) fn text(&mut self, card: &Card) -> Option<&str> {
        self.text_of(&card.path, card.file_hash)
    }

    /// What stands at a name in a file over the limit, a few lines of it, if that file still is what was indexed.
    pub(crate) fn at_name(&self, card: &Card) -> Option<String> {
        let (start, end) = card.bytes;
        let bytes = part(self.root, &card.path, card.file_hash, u64::from(start), CHUNK_BYTES_MAX)?;
        let end = end.checked_sub(start)? as usize;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            // The last letter may be cut.
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        };
        let is_same = u128::from_le_bytes(chunk_hash(&card.path, text.get(..end)?)) == card.hash;
        is_same.then(|| text.to_owned())
    }

    /// Whether a file is still what it was when its chunks were made. Unsaved text is.
    pub(crate) fn is_as(&mut self, file: &Changed<'_>) -> bool {
        file.saved.is_none_or(|hash| self.text_of(file.path, hash).is_some())
    }

    /// The text of a file whose bytes have this hash. No search asks for one file with two hashes.
    fn text_of(&mut self, path: &str, hash: u128) -> Option<&str> {
        if !self.read.contains_key(path) {
            let text = load(self.root, path).filter(|(now, _)| *now == hash).map(|(_, text)| text);
            self.read.insert(path.to_owned(), text);
        }
        self.read.get(path)?.as_deref()
    }
}

impl Differing {
    /// Takes up files as they are now, those that are not parsed at `until` in windows; false when all were known before,
    /// so that asking again is no use. `report` hears of each.
    pub(crate) fn take_up(
        &mut self,
        root: &Path,
        paths: Vec<String>,
        until: Instant,
        report: Option<&ReportStale>,
    ) -> bool {
        let mut anything = false;
        for path in paths {
            if self.knows(&path) {
                continue;
            }
            if let Some(report) = report {
                report(&path);
            }
            anything = true;
            match load(root, &path) {
                Some(_) if self.changed.len() >= RECUT_FILES_MAX => {
                    self.left_out = true;
                    self.gone.push(path);
                }
                Some((_, text)) => {
                    let chunks = light::cut_until(&path, &text, until);
                    let terms = chunks.iter().map(|chunk| Terms::of(&path, chunk, &text)).collect();
                    self.changed.insert(path, Recut { text, chunks, terms });
                }
                None => self.gone.push(path),
            }
        }
        anything
    }

    /// Files that are there.
    pub(crate) fn changed(&self) -> impl Iterator<Item = Changed<'_>> {
        self.changed.iter().map(|(path, file)| Changed {
            path,
            text: &file.text,
            chunks: &file.chunks,
            terms: &file.terms,
            unsaved: false,
            saved: None,
        })
    }

    /// Files that are not.
    pub(crate) fn gone(&self) -> impl Iterator<Item = &str> {
        self.gone.iter().map(String::as_str)
    }

    /// Whether a file was taken up.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.changed.contains_key(path) || self.gone.iter().any(|gone| gone == path)
    }
}

/// Hash and text of a file that may be shown.
fn load(root: &Path, path: &str) -> Option<(u128, String)> {
    let Current { hash, decoded } = current(root, path, FILE_BYTES_MAX)?;
    Some((hash, decoded.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::deadline::search_deadline;

    /// However many files changed, one search parses for so long and no longer.
    #[test]
    fn what_is_over_the_time_of_a_search_is_windows() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("a.py"), "def f():\n    pass\n").unwrap();
        let kind = |until| {
            let mut differing = Differing::default();
            assert!(differing.take_up(&root, vec!["a.py".to_owned()], until, None));
            differing.changed().next().unwrap().chunks[0].kind.clone()
        };
        assert_eq!(kind(Instant::now()), "text");
        assert_eq!(kind(search_deadline()), "function");
    }
}
