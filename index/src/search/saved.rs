//! Files that were saved since the text index was last written: their chunks in memory, shown instead of what is stored.
//!
//! Refuses: to be the only memory of a save. The manifest is not told of these files before the text index is, so after
//! a crash the next walk takes them up again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::limits::{SAVED_BYTES_MAX, SAVED_FILES_MAX};
use crate::parse::cut::Chunk;
use crate::parse::terms::Terms;
use crate::search::corpus::Changed;

/// One saved file, cut.
#[derive(Debug)]
pub(crate) struct SavedFile {
    /// The decoded text.
    pub(crate) text: String,
    /// Hash of the bytes on disk.
    pub(crate) hash: u128,
    /// Its chunks.
    pub(crate) chunks: Vec<Chunk>,
    /// The words of each chunk.
    pub(crate) terms: Vec<Terms>,
}

impl SavedFile {
    /// A file with the words of its chunks counted.
    pub(crate) fn new(path: &str, text: String, hash: u128, chunks: Vec<Chunk>) -> Self {
        let terms = chunks.iter().map(|chunk| Terms::of(path, chunk, &text)).collect();
        Self { text, hash, chunks, terms }
    }
}

/// Saved files by relative path; `None` for one that is not there any more. Clones share texts and chunks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Saved {
    files: BTreeMap<String, Option<Arc<SavedFile>>>,
    /// Something was put in or hidden since the last look.
    new: bool,
    /// Something belongs to these changes that can only be shown as it is stored.
    unshown: bool,
}

impl Saved {
    /// Shows a file as it is now.
    pub(crate) fn put(&mut self, path: &str, file: Arc<SavedFile>) {
        self.files.insert(path.to_owned(), Some(file));
        self.new = true;
    }

    /// Hides what is stored of a file.
    pub(crate) fn hide(&mut self, path: &str) {
        self.files.insert(path.to_owned(), None);
        self.new = true;
    }

    /// Whether anything was put in or hidden since this was asked last.
    pub(crate) fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.new)
    }

    /// Asks not to be kept, for what is known by its path only and not kept here.
    pub(crate) fn ask_to_be_written(&mut self) {
        self.unshown = true;
    }

    /// Shows everything as it is stored.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether everything is shown as it is stored.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether this is more than should be kept so.
    pub(crate) fn is_full(&self) -> bool {
        let bytes: usize = self.files.values().flatten().map(|file| file.text.len()).sum();
        self.unshown || self.files.len() > SAVED_FILES_MAX || bytes > SAVED_BYTES_MAX
    }

    /// Whether what is stored of a file is not to be shown.
    pub(crate) fn hides(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The paths whose stored chunks are not to be shown.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The files that are there.
    pub(crate) fn changed(&self) -> impl Iterator<Item = Changed<'_>> {
        self.files.iter().filter_map(|(path, file)| {
            let file = file.as_ref()?;
            let (text, chunks, terms) = (&file.text, &file.chunks, &file.terms);
            Some(Changed { path, text, chunks, terms, unsaved: false, saved: Some(file.hash) })
        })
    }
}
