//! Unsaved buffers of one editor session: search shows them instead of what is on disk.
//!
//! Refuses: secrets, even when they are open in an editor. A search also leaves out what the rules of the workspace
//! exclude; see `admit`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::files::secrets::is_secret;
use crate::limits::FILE_BYTES_MAX;
use crate::parse::cut::{Chunk, Cutter};

/// Buffers by relative path. Clones share texts and chunks.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    buffers: BTreeMap<String, Arc<Buffer>>,
}

#[derive(Debug)]
struct Buffer {
    text: String,
    chunks: OnceLock<Vec<Chunk>>,
}

impl Overlay {
    /// An overlay without buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows `text` as the content of the file at a relative path (with `/`).
    pub fn set(&mut self, path: &str, text: impl Into<String>) {
        if !is_secret(path) {
            let buffer = Buffer { text: text.into(), chunks: OnceLock::new() };
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
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (&str, &str, &[Chunk])> {
        self.buffers.iter().map(|(path, buffer)| {
            let chunks = buffer.chunks.get_or_init(|| {
                let small = buffer.text.len() as u64 <= FILE_BYTES_MAX;
                if small { Cutter::default().cut(path, &buffer.text) } else { Vec::new() }
            });
            (path.as_str(), buffer.text.as_str(), chunks.as_slice())
        })
    }
}
