//! What is stored about an index, told without a walk: to its owner when it opens, and to whoever only looks.
//!
//! Refuses: writing, waiting for the owner, and calling complete what the owner is still at.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::build::status::{State, Status, Watching};
use crate::build::writer::{COMPLETE, REFRESHED, SKIPPED, TOTAL};
use crate::error::IndexError;
use crate::files::skip::Skipped;
use crate::handle::{Index, PAUSE_MARK, Stored};
use crate::limits::IndexDirs;
use crate::storage::base::{Base, open_text};
use crate::storage::manifest::Manifest;

/// A look at an index from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// What it says of itself.
    pub status: Status,
    /// Another handle has it open this moment.
    pub in_use: bool,
}

impl Index {
    /// What the stored index of a workspace says of itself, read without opening it for writing: also while another
    /// process has it, whose work counts from the moment it stores it. Without a stored one it is an empty status.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when it cannot be read.
    pub fn peek(root: &Path, dirs: &IndexDirs) -> Result<Peek, IndexError> {
        let Some(Stored { folder, .. }) = Self::stored(root, dirs) else { return Ok(Peek::default()) };
        // Before it is read: what is complete then is complete in it.
        let in_use = is_locked(&folder);
        match look(&folder, in_use) {
            Ok(status) => Ok(Peek { status, in_use }),
            // Its owner is only making it, or making it anew.
            Err(_) if in_use => {
                let state = State::Building { done: 0, total: 0 };
                Ok(Peek { status: Status { state, ..Status::default() }, in_use })
            }
            Err(error) => Err(error),
        }
    }
}

fn look(folder: &Path, in_use: bool) -> Result<Status, IndexError> {
    let base = folder.join("base");
    open_text(&base.join("text"))?;
    let manifest = Manifest::look(&base.join("manifest.db"))?;
    let (files, chunks, known) = manifest.counts()?;
    let facts = Facts::read(|key| manifest.fact(key))?;
    let is_paused = folder.join(PAUSE_MARK).exists();
    let generation = manifest.fact("generation")?.and_then(|text| text.parse().ok()).unwrap_or_default();
    let state = match facts.state(known, is_paused) {
        State::Empty | State::Partial if in_use => {
            State::Building { done: known, total: facts.total.unwrap_or_default() }
        }
        state => state,
    };
    let Facts { refreshed_ms, skipped, .. } = facts;
    Ok(Status { files, chunks, generation, state, refreshed_ms, paused: is_paused, skipped, ..Status::default() })
}

/// How often, and after how long, a taken lock is looked at again.
const LOCK_LOOKS: u32 = 3;
const LOCK_LOOK_AFTER: Duration = Duration::from_millis(10);

/// Whether somebody owns the index in a folder this moment.
fn is_locked(folder: &Path) -> bool {
    let Ok(file) = File::open(folder.join("lock")) else { return false };
    // Shared, so that two who only look do not see each other; an owner that comes this moment tries again. A program that
    // is being started holds copies of a lock that was let go already, for a moment.
    let is_taken = || matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    (0..LOCK_LOOKS).all(|look| {
        if look > 0 {
            std::thread::sleep(LOCK_LOOK_AFTER);
        }
        is_taken()
    })
}

/// What the manifest tells of the last walk.
struct Facts {
    complete: bool,
    refreshed_ms: Option<u64>,
    skipped: Vec<Skipped>,
    /// Files of a walk that was not completed.
    total: Option<usize>,
}

impl Facts {
    fn read(fact: impl Fn(&str) -> Result<Option<String>, IndexError>) -> Result<Self, IndexError> {
        Ok(Self {
            complete: fact(COMPLETE)?.is_some_and(|value| value == "1"),
            refreshed_ms: fact(REFRESHED)?.and_then(|text| text.parse().ok()),
            skipped: fact(SKIPPED)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            total: fact(TOTAL)?.and_then(|text| text.parse().ok()),
        })
    }

    fn state(&self, known: usize, is_paused: bool) -> State {
        match (self.complete, self.total) {
            (true, _) => State::Ready,
            (false, Some(total)) if is_paused => State::Paused { done: known, total },
            (false, _) if known == 0 => State::Empty,
            (false, _) => State::Partial,
        }
    }
}

/// The status that an earlier run left behind.
pub(crate) fn stored_status(base: &Base, is_paused: bool) -> Result<Status, IndexError> {
    let facts = Facts::read(|key| base.fact(key))?;
    let state = facts.state(base.rows.len(), is_paused);
    let (files, chunks) = base.counts();
    Ok(Status {
        files,
        chunks,
        generation: base.generation,
        state,
        refreshed_ms: facts.refreshed_ms,
        watching: Watching::Nothing,
        paused: is_paused,
        skipped: facts.skipped,
        notes: base.note.iter().cloned().collect(),
    })
}
