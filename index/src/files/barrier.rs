//! Whether the watcher has told of everything that happened until now. The system keeps events in order, so a file of
//! ours that is renamed where the same watcher looks is heard of after all that came before.
//!
//! Refuses: to wait long. A watcher that is behind is a fact that whoever searches can deal with.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::limits::BARRIER_MS_MAX;

/// Beginning of the name of the file that is renamed; its number follows.
const NAME: &str = "mark-";

/// A file that is renamed each time somebody wants to know.
#[derive(Debug)]
pub(crate) struct Barrier {
    /// A folder of the index with nothing else in it, watched by the same watcher as the workspace.
    folder: PathBuf,
    /// The number in the file's name.
    number: Mutex<u64>,
    heard: Mutex<u64>,
    wake: Condvar,
}

impl Barrier {
    /// A barrier in a folder, which is made if it is not there.
    pub(crate) fn new(folder: PathBuf) -> std::io::Result<Self> {
        fs::create_dir_all(&folder)?;
        for stale in fs::read_dir(&folder)?.flatten() {
            fs::remove_file(stale.path())?;
        }
        File::create(folder.join(format!("{NAME}0")))?;
        Ok(Self { folder, number: Mutex::new(0), heard: Mutex::new(0), wake: Condvar::new() })
    }

    /// Where the watcher has to look.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes up an event at a path; false when it is none of ours.
    pub(crate) fn hear(&self, path: &Path) -> bool {
        if !path.starts_with(&self.folder) {
            return false;
        }
        let name = path.file_name().and_then(std::ffi::OsStr::to_str);
        if let Some(number) = name.and_then(|name| name.strip_prefix(NAME)?.parse().ok()) {
            let mut heard = lock(&self.heard);
            *heard = heard.max(number);
            self.wake.notify_all();
        }
        true
    }

    /// Waits until the watcher has told of everything that happened before this call; false when it does not in time.
    pub(crate) fn pass(&self) -> bool {
        let mine = {
            let mut number = lock(&self.number);
            let at = |number: u64| self.folder.join(format!("{NAME}{number}"));
            if fs::rename(at(*number), at(*number + 1)).is_err() {
                return false;
            }
            *number += 1;
            *number
        };
        let waiting = |heard: &mut u64| *heard < mine;
        let longest = Duration::from_millis(BARRIER_MS_MAX);
        let waited = self.wake.wait_timeout_while(lock(&self.heard), longest, waiting);
        *waited.unwrap_or_else(PoisonError::into_inner).0 >= mine
    }
}

/// Locks, also after a panic elsewhere: a number is valid at any moment.
fn lock(mutex: &Mutex<u64>) -> MutexGuard<'_, u64> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_passed_once_its_last_name_is_heard_of() {
        let dir = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(dir.path().join("marks")).unwrap();
        assert!(!barrier.pass(), "nobody tells");
        assert!(barrier.hear(&dir.path().join("marks/mark-1")), "the name before");
        assert!(!barrier.hear(&dir.path().join("work/mark-2")), "a file of somebody else");
        assert!(!barrier.pass(), "the last name was not told");
        assert!(barrier.hear(&dir.path().join("marks/mark-3")));
        assert!(barrier.pass(), "it was told before anybody waited");
        std::fs::remove_dir_all(dir.path().join("marks")).unwrap();
        assert!(!barrier.pass(), "its folder is gone");
    }
}
