//! Unsaved buffers of one editor session: search shows them instead of what is on disk.
//!
//! Refuses: secrets, even when they are open in an editor. A search also leaves out what the rules of the workspace
//! exclude; see `admit`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::files::secrets::is_secret;
use crate::limits::{FILE_BYTES_MAX, SEARCH_PARSE_MS_MAX, UNSAVED_KNOWN_MAX};
use crate::parse::incremental::Parsed;
use crate::search::corpus::Changed;

/// Buffers by relative path. Clones share texts and chunks.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    buffers: BTreeMap<String, Arc<Buffer>>,
}

#[derive(Debug)]
struct Buffer {
    text: Arc<str>,
    cut: OnceLock<Parsed>,
    /// Held by the search that cuts it; those that come meanwhile wait, instead of doing the same work beside it.
    cutting: Mutex<()>,
    /// What is shown by searches that have no time left for this one.
    hurried: OnceLock<Parsed>,
    /// An earlier version that is cut already, until this one is. Such a version has none before it, so this is no
    /// chain.
    before: Mutex<Option<Arc<Buffer>>>,
}

impl Buffer {
    /// A next version of `known`.
    fn after(known: Option<&Arc<Self>>, text: &str) -> Self {
        let before = known.and_then(|known| {
            let cut = known.cut.get().is_some();
            if cut { Some(known.clone()) } else { lock(&known.before).clone() }
        });
        Self {
            text: text.into(),
            cut: OnceLock::new(),
            cutting: Mutex::new(()),
            hurried: OnceLock::new(),
            before: Mutex::new(before),
        }
    }

    fn cut(&self, path: &str, until: Instant) -> &Parsed {
        if let Some(cut) = self.cut.get() {
            return cut;
        }
        let _cutting = lock(&self.cutting);
        if let Some(cut) = self.cut.get() {
            return cut;
        }
        let started = Instant::now();
        if started >= until
            && let Some(hurried) = self.hurried.get()
        {
            return hurried;
        }
        let before = lock(&self.before).clone();
        let before = before.as_ref().and_then(|before| before.cut.get());
        let parsed = Parsed::new(path, self.text.clone(), before, until);
        // One that only came late is cut properly by a later search. One that took most of the time would do so again
        // with each search, so it stays as it is.
        let now = Instant::now();
        if now < until || now - started >= Duration::from_millis(SEARCH_PARSE_MS_MAX / 2) {
            lock(&self.before).take();
            return self.cut.get_or_init(|| parsed);
        }
        self.hurried.get_or_init(|| parsed)
    }
}

impl Overlay {
    /// An overlay without buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows `text` as the content of the file at a relative path (with `/`). Where another text was shown before, only
    /// what differs is parsed again.
    pub fn set(&mut self, path: &str, text: impl AsRef<str>) {
        let text = text.as_ref();
        let known = self.buffers.get(path);
        if !is_secret(path) && known.is_none_or(|known| *known.text != *text) {
            let buffer = Buffer::after(known, text);
            self.buffers.insert(path.to_owned(), Arc::new(buffer));
        }
    }

    /// Shows the file on disk again.
    pub fn remove(&mut self, path: &str) {
        self.buffers.remove(path);
    }

    /// The unsaved text of a file, if there is one.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.buffers.get(path).map(|buffer| &*buffer.text)
    }

    /// The paths with unsaved text.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.buffers.keys().map(String::as_str)
    }

    /// Whether there is no unsaved text.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Each buffer with its chunks, which are made once; those that are not parsed at `until` are windows this time. One
    /// over the limit for files has none.
    pub(crate) fn cut(&self, until: Instant) -> impl Iterator<Item = Changed<'_>> {
        self.buffers.iter().map(move |(path, buffer)| {
            let Parsed { chunks, terms, .. } = buffer.cut(path, until);
            Changed { path, text: &buffer.text, chunks, terms, unsaved: true, saved: None }
        })
    }
}

/// The unsaved texts that were searched last, so that the next version of each is cut from the one before. For callers
/// that name all buffers with every question.
#[derive(Debug, Default)]
pub struct OverlayMemory(Mutex<Overlay>);

impl OverlayMemory {
    /// An overlay of these buffers (relative path with `/`, text) and no others.
    pub fn overlay(&self, buffers: impl IntoIterator<Item = (String, impl AsRef<str>)>) -> Overlay {
        let mut known = lock(&self.0);
        let mut shown = Overlay::new();
        for (path, text) in buffers {
            // A larger one is not searched, so that there is nothing to remember of it.
            if text.as_ref().len() as u64 > FILE_BYTES_MAX {
                shown.set(&path, "");
                continue;
            }
            known.set(&path, text);
            if let Some(buffer) = known.buffers.get(&path) {
                shown.buffers.insert(path, buffer.clone());
            }
        }
        if known.buffers.len() > UNSAVED_KNOWN_MAX {
            *known = shown.clone();
        }
        shown
    }
}

/// Locks, also after a panic elsewhere: what lies behind is valid at any moment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::deadline::search_deadline;

    /// A search whose time is over does without syntax; the next one has it.
    #[test]
    fn late_buffers_are_windows_until_there_is_time() {
        let mut overlay = Overlay::new();
        overlay.set("a.py", "def a(): pass\n");
        overlay.set("b.py", "def b(): pass\n");
        let kinds = |until| -> Vec<String> {
            overlay.cut(until).flat_map(|file| file.chunks.iter().map(|chunk| chunk.kind.clone())).collect()
        };
        let over = Instant::now();
        assert_eq!(kinds(over), ["text", "text"]);
        assert_eq!(kinds(search_deadline()), ["function", "function"]);
        assert_eq!(kinds(over), ["function", "function"], "what is cut stays so");
    }

    #[test]
    fn a_memory_shows_what_is_asked_for_and_reuses_the_rest() {
        let memory = OverlayMemory::default();
        let ask = |buffers: &[(&str, &str)]| {
            memory.overlay(buffers.iter().map(|(path, text)| ((*path).to_owned(), *text)))
        };
        let first = ask(&[("a.py", "def a(): pass\n"), ("b.py", "def b(): pass\n"), (".env", "topsecret")]);
        assert_eq!(first.paths().collect::<Vec<_>>(), ["a.py", "b.py"]);
        assert_eq!(first.cut(search_deadline()).count(), 2);
        let second = ask(&[("a.py", "def a(): return 1\n")]);
        assert_eq!(second.paths().collect::<Vec<_>>(), ["a.py"]);
        assert!(lock(&second.buffers["a.py"].before).is_some(), "the next version starts from the one before");
        assert_eq!(second.cut(search_deadline()).count(), 1);
        assert!(lock(&second.buffers["a.py"].before).is_none(), "and lets go of it once it is cut");
        let third = ask(&[("a.py", "def a(): return 1\n"), ("b.py", "def b(): pass\n")]);
        assert!(Arc::ptr_eq(&third.buffers["a.py"], &second.buffers["a.py"]));
        assert!(Arc::ptr_eq(&third.buffers["b.py"], &first.buffers["b.py"]));
        let many = (0..=UNSAVED_KNOWN_MAX).map(|n| (format!("{n}.txt"), "text\n"));
        assert_eq!(memory.overlay(many).paths().count(), UNSAVED_KNOWN_MAX + 1);
        assert_eq!(lock(&memory.0).paths().count(), UNSAVED_KNOWN_MAX + 1, "older ones are forgotten");
    }
}
