//! Unsaved buffers of one editor session: search shows them instead of what is on disk.
//!
//! Refuses: secrets, even when they are open in an editor. A search also leaves out what the rules of the workspace
//! exclude; see `admit`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::files::secrets::is_secret;
use crate::limits::FILE_BYTES_MAX;
use crate::parse::cut::{Chunk, Cutter};
use crate::parse::terms::Terms;
use crate::search::score::Changed;

/// Buffers by relative path. Clones share texts and chunks.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    buffers: BTreeMap<String, Arc<Buffer>>,
}

#[derive(Debug)]
struct Buffer {
    text: String,
    cut: OnceLock<(Vec<Chunk>, Vec<Terms>)>,
}

impl Overlay {
    /// An overlay without buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows `text` as the content of the file at a relative path (with `/`).
    pub fn set(&mut self, path: &str, text: impl Into<String>) {
        if !is_secret(path) {
            let buffer = Buffer { text: text.into(), cut: OnceLock::new() };
            self.buffers.insert(path.to_owned(), Arc::new(buffer));
        }
    }

    /// Shows the file on disk again.
    pub fn remove(&mut self, path: &str) {
        self.buffers.remove(path);
    }

    /// The unsaved text of a file, if there is one.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.buffers.get(path).map(|buffer| buffer.text.as_str())
    }

    /// The paths with unsaved text.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.buffers.keys().map(String::as_str)
    }

    /// Whether there is no unsaved text.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Each buffer with its chunks, which are made once. One over the limit for files has none.
    pub(crate) fn cut(&self) -> impl Iterator<Item = Changed<'_>> {
        self.buffers.iter().map(|(path, buffer)| {
            let (chunks, terms) = buffer.cut.get_or_init(|| {
                let small = buffer.text.len() as u64 <= FILE_BYTES_MAX;
                let chunks = if small { Cutter::default().cut(path, &buffer.text) } else { Vec::new() };
                let terms = chunks.iter().map(|chunk| Terms::of(path, chunk, &buffer.text)).collect();
                (chunks, terms)
            });
            Changed { path, text: &buffer.text, chunks, terms, unsaved: true }
        })
    }
}
