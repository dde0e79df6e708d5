//! The lock that gives a folder one store at a time. Refuses: waiting, and a lock that outlives its process.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::{StoreError, files};

/// Holds the folder until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock(File);

impl FolderLock {
    /// Takes `folder`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another store has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("store.lock");
        let file = files::private_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path, error)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing alone is not enough: a child that was forked but has not yet started its program shares the lock.
        let _ = self.0.unlock();
    }
}
