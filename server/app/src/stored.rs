//! Calls the synchronous store from async code and turns its errors into ours. Refuses: SQL on the runtime's threads,
//! and events of old runs that nobody replays any more.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use store::{PRUNE_RUNS_MAX, Store, StoreError};

use crate::{App, AppError, ErrorKind, Result};

/// How long the events of a run can be replayed after its last one, and how often older ones are removed.
const EVENTS_KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Batches removed in one go; what is left waits for the next day.
const PRUNE_BATCHES_MAX: usize = 100;

impl App {
    /// Removes events of old runs now and once a day, until the daemon ends. The task holds the App weakly, so that it
    /// keeps nothing open.
    pub(crate) fn keep_events_short(&self) {
        // Outside of a runtime nothing stays up for days.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (inner, shutdown) = (Arc::downgrade(&self.inner), self.shutdown_token());
        runtime.spawn(shutdown.run_until_cancelled_owned(async move {
            let mut daily = tokio::time::interval(EVENTS_KEPT_FOR);
            loop {
                daily.tick().await;
                let Some(inner) = inner.upgrade() else { return };
                match (App { inner }).prune_events(SystemTime::now()).await {
                    Ok(0) => {}
                    Ok(runs) => tracing::info!(runs, "events of old runs were removed"),
                    Err(error) => tracing::warn!(%error, "events of old runs could not be removed"),
                }
            }
        }));
    }

    /// Removes the events of runs that ended long before `now`; tells of how many.
    pub(crate) async fn prune_events(&self, now: SystemTime) -> Result<usize> {
        let before = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(EVENTS_KEPT_FOR);
        let before_ms = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
        self.stored(move |store| {
            let mut runs = 0;
            for _ in 0..PRUNE_BATCHES_MAX {
                let batch = store.prune_run_events(before_ms)?;
                runs += batch;
                if batch < PRUNE_RUNS_MAX {
                    break;
                }
            }
            Ok(runs)
        })
        .await
    }

    /// Runs `work` on the store, on a thread that may wait for the disk.
    pub(crate) async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> std::result::Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.inner.store);
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
        StoreError::TooMany { .. } => (ErrorKind::Busy, Some("wait until one is done, or take one back")),
        StoreError::Full { .. } => (ErrorKind::Unavailable, Some("free some space; everything can still be read")),
        StoreError::Corrupt { .. } => {
            (ErrorKind::Unavailable, Some("restore a backup; the file was left as it is"))
        }
        StoreError::Newer { .. } => (ErrorKind::Unavailable, Some("update Familiar; the file was left as it is")),
        StoreError::Locked { .. } => {
            (ErrorKind::Unavailable, Some("end the other process first: `familiar stop`, or close its editor"))
        }
        StoreError::Io { .. } => (ErrorKind::Unavailable, Some("check the disk and the permissions of that file")),
        _ => (ErrorKind::Unavailable, None),
    };
    let mut ours = AppError::new(kind, error.to_string());
    ours.hint = hint.map(str::to_owned);
    ours.caused_by(error)
}
