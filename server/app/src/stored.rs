//! Calls the synchronous store from async code and turns its errors into ours. Refuses: SQL on the runtime's threads.

use store::{Store, StoreError};

use crate::{App, AppError, ErrorKind, Result};

impl App {
    /// Runs `work` on the store, on a thread that may wait for the disk.
    pub(crate) async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> std::result::Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let store = std::sync::Arc::clone(&self.inner.store);
        let done = tokio::task::spawn_blocking(move || work(&store));
        done.await.map_err(AppError::task_died)?.map_err(from_store)
    }
}

/// What the caller can do about an error of the store.
pub(crate) fn from_store(error: StoreError) -> AppError {
    let (kind, hint) = match &error {
        StoreError::NotFound { .. } => (ErrorKind::NotFound, None),
        StoreError::Conflict(_) => (ErrorKind::Stale, Some("look at its present state, then try again")),
        StoreError::TooLarge { .. } => (ErrorKind::User, Some("make it shorter")),
        StoreError::Full { .. } => (ErrorKind::Unavailable, Some("free some space; everything can still be read")),
        StoreError::Corrupt { .. } => {
            (ErrorKind::Unavailable, Some("restore a backup; the file was left as it is"))
        }
        StoreError::Newer { .. } => (ErrorKind::Unavailable, Some("update Familiar; the file was left as it is")),
        StoreError::Locked { .. } => {
            (ErrorKind::Unavailable, Some("end the other process first: `familiar stop`, or close its editor"))
        }
        _ => (ErrorKind::Unavailable, None),
    };
    let mut ours = AppError::new(kind, error.to_string());
    ours.hint = hint.map(str::to_owned);
    ours.caused_by(error)
}
