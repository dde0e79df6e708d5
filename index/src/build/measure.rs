//! The yardstick for a cold index: only reading and parsing the same files on the same threads.
//!
//! Refuses: to index or store anything.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::error::IndexError;
use crate::files::content::{decode_named, skip_by_name};
use crate::files::live::read;
use crate::files::walk::{priority, walk};
use crate::limits::{CancelFlag, Limits};
use crate::parse::cut::Cutter;
use crate::parse::deadline::Deadline;
use crate::parse::language::language_of;

/// What reading and parsing took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// Files that were read.
    pub files: usize,
    /// Of those, files that were parsed.
    pub parsed: usize,
    /// Bytes that were read.
    pub bytes: u64,
    /// Seconds, walking not included.
    pub seconds: f64,
}

/// Reads every file that a refresh would index and parses those with a grammar, on as many threads.
///
/// # Errors
/// [`IndexError::Root`] when the folder cannot be walked.
pub fn read_and_parse(root: &Path, limits: &Limits) -> Result<Baseline, IndexError> {
    let limits = limits.clone().bounded();
    let root = crate::handle::canonical(root)?;
    let mut found = walk(&root, &limits, &CancelFlag::new())?;
    found.files.sort_by_cached_key(|entry| priority(&entry.path));
    let started = Instant::now();
    let (next, files, parsed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let bytes = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..limits.threads {
            scope.spawn(|| {
                let mut cutter = Cutter::default();
                while let Some(entry) = found.files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if skip_by_name(&entry.path).is_some() {
                        continue;
                    }
                    let Ok(file) = read(&root.join(&entry.path), limits.file_bytes_max) else { continue };
                    bytes.fetch_add(file.bytes.len() as u64, Ordering::Relaxed);
                    let Ok(decoded) = decode_named(&entry.path, file.bytes) else { continue };
                    files.fetch_add(1, Ordering::Relaxed);
                    if let Some(language) = language_of(&entry.path)
                        && cutter.parse(language, &decoded.text, Deadline::of_file()).is_some()
                    {
                        parsed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Ok(Baseline {
        files: files.into_inner(),
        parsed: parsed.into_inner(),
        bytes: bytes.into_inner(),
        seconds: started.elapsed().as_secs_f64(),
    })
}
