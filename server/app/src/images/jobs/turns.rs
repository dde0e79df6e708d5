//! Takes one job after the other, for as long as the daemon lives. Refuses: losing a job. One whose process died waits
//! once more; one that cannot be ended, because the disk refuses, is ended later.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::events::ImageJobEventKind;
use super::super::views::ImageJobState;
use super::{draw, is_conflict};
use crate::app::Inner;
use crate::{App, AppError, ErrorKind, Result, with_hint};

/// Most bytes of what a user reads about a job that failed; models and libraries may say more.
const ERROR_BYTES_MAX: usize = 4 * 1024;

/// How long to wait before asking a disk again that refused.
const DISK_RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long after its start the daemon compares files and rows of images, and how often from then on.
const SWEEP_AFTER: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// What is said of a job that ran when the daemon died, twice.
const DIED: &str = "Familiar ended in the middle of it twice; try a smaller size or fewer images";

/// What comes after a turn.
enum Next {
    /// Another turn.
    Turn,
    /// Nothing, until a job comes.
    Job,
    /// Another turn after so long, or when a job comes.
    Later(Duration),
}

/// How the work on a job went.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Every image is saved, and the job is stored as done with the last of them.
    Done,
    /// The user took it back, which is stored already.
    Cancelled,
    /// The daemon is about to end.
    CutOff,
    /// The process of the model died.
    Died(String),
    /// It could not begin: the process of its model died so often that it is not started for a while. The jobs behind it
    /// wait with it, so that their order stays.
    Rests {
        /// What the user reads meanwhile.
        notice: String,
        /// For how long.
        retry_after: Duration,
    },
    /// It failed; the text has the next step.
    Failed(String),
}

impl App {
    /// Begins to take turns, in a task that holds the App weakly, so that it keeps nothing open.
    pub(crate) fn take_image_turns(&self) {
        // Outside of a runtime there is nobody to work for.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // A command that works in the home without any model leaves the queue to the next daemon.
        if !self.inner.images.models.can_open() {
            return;
        }
        let (inner, shutdown) = (Arc::downgrade(&self.inner), self.shutdown_token());
        let wake = Arc::clone(&self.inner.images.queue.wake);
        let drain = self.drain_token();
        runtime.spawn(async move {
            loop {
                let app = match inner.upgrade() {
                    Some(inner) if !drain.is_cancelled() => App { inner },
                    _ => return,
                };
                let turn = app.take_turn().await;
                drop(app);
                let next = async {
                    match turn {
                        Ok(Next::Turn) => {}
                        Ok(Next::Job) => wake.notified().await,
                        Ok(Next::Later(wait)) => drop(tokio::time::timeout(wait, wake.notified()).await),
                        Err(error) => {
                            tracing::warn!(%error, "the next image job cannot be begun");
                            tokio::time::sleep(DISK_RETRY_AFTER).await;
                        }
                    }
                };
                if drain.run_until_cancelled(next).await.is_none() {
                    return;
                }
            }
        });
        runtime.spawn(shutdown.run_until_cancelled_owned(sweep(Arc::downgrade(&self.inner))));
    }

    /// Works on the next job, if there is one.
    async fn take_turn(&self) -> Result<Next> {
        let _counted = self.count_run();
        let _working = self.inner.images.queue.working.lock().await;
        let claiming = self.inner.images.queue.claiming.lock().await;
        let Some(job) = self.stored(store::Store::claim_image_job).await? else {
            drop(claiming);
            self.tell_places().await;
            return Ok(Next::Job);
        };
        let id = job.id.clone();
        let taken_back = CancellationToken::new();
        self.inner.images.queue.set_running(&id, Some(taken_back.clone()));
        drop(claiming);
        self.tell_alone(&id, ImageJobEventKind::Running).await;
        self.tell_places().await;
        let (app, token) = (self.clone(), taken_back.clone());
        // A task of its own is the panic boundary: its death is a failure of the job.
        let outcome = match tokio::spawn(async move { draw::draw(&app, job, token).await }).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(AppError::task_died(error).message),
        };
        let rest = match &outcome {
            Outcome::Rests { notice, retry_after } => Some((notice.clone(), *retry_after)),
            _ => None,
        };
        self.end(&id, outcome).await;
        self.inner.images.queue.set_running(&id, None);
        self.tell_places().await;
        let Some((notice, wait)) = rest else { return Ok(Next::Turn) };
        self.tell_held(&id, notice).await;
        Ok(Next::Later(wait))
    }

    /// Stores how a job ended and tells it; as long as the disk refuses, it is asked again.
    async fn end(&self, id: &str, mut outcome: Outcome) {
        if let Outcome::Failed(error) | Outcome::Died(error) = &mut outcome {
            error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
            tracing::warn!(job = id, %error, "an image job failed");
        }
        let ended = loop {
            match self.store_end(id, &outcome).await {
                Ok(ended) => break ended,
                Err(error) => {
                    tracing::warn!(%error, "the end of an image job cannot be stored yet");
                    let later = tokio::time::sleep(DISK_RETRY_AFTER);
                    if self.inner.shutdown.run_until_cancelled(later).await.is_none() {
                        // The next start finds it running and puts it back.
                        return;
                    }
                }
            }
        };
        if let Some((state, error)) = ended {
            self.tell_ended(id, state, error).await;
        }
    }

    /// Stores how a job ended; `None` when it waits again.
    async fn store_end(&self, id: &str, outcome: &Outcome) -> Result<Option<(ImageJobState, Option<String>)>> {
        let stored_id = id.to_owned();
        let stored = match outcome {
            Outcome::Done => return Ok(Some((ImageJobState::Done, None))),
            Outcome::Cancelled => return Ok(Some((ImageJobState::Cancelled, None))),
            Outcome::Failed(error) => {
                let text = error.clone();
                let stored = self.try_stored(move |store| store.fail_image_job(&stored_id, &text)).await?;
                stored.map(|()| Some((ImageJobState::Failed, Some(error.clone()))))
            }
            Outcome::CutOff | Outcome::Rests { .. } => {
                let stored = self.try_stored(move |store| store.requeue_image_job(&stored_id, false, "")).await?;
                stored.map(|_| None)
            }
            Outcome::Died(error) => {
                let text = error.clone();
                let stored =
                    self.try_stored(move |store| store.requeue_image_job(&stored_id, true, &text)).await?;
                stored.map(|state| match state {
                    store::ImageJobState::Queued => None,
                    _ => Some((ImageJobState::Failed, Some(error.clone()))),
                })
            }
        };
        match stored {
            Some(ended) => Ok(ended),
            // It ended otherwise in the same moment: it was taken back, or its last image was what it was about.
            None => {
                let id = id.to_owned();
                match self.stored(move |store| store.image_job(&id)).await {
                    Ok(job) => Ok(Some((job.state.into(), job.error))),
                    Err(error) if error.kind == ErrorKind::NotFound => Ok(Some((ImageJobState::Cancelled, None))),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Runs `work` on the store; `None` when the job is not in the state it expects.
    async fn try_stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&store::Store) -> std::result::Result<T, store::StoreError> + Send + 'static,
    ) -> Result<Option<T>> {
        self.stored(move |store| match work(store) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_conflict(&error) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }
}

/// Puts back the jobs that ran when the last process ended.
pub(crate) fn recover(store: &store::Store) -> Result<()> {
    let recovered = store.recover_image_jobs(DIED).map_err(crate::stored::from_store)?;
    if recovered != store::RecoveredImageJobs::default() {
        let (requeued, failed) = (recovered.requeued.len(), recovered.failed.len());
        tracing::warn!(requeued, failed, "image jobs of the last process wait again, or failed for good");
    }
    Ok(())
}

/// Compares files and rows of images now and then.
async fn sweep(inner: Weak<Inner>) {
    tokio::time::sleep(SWEEP_AFTER).await;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        match (App { inner }).sweep_images().await {
            Ok(swept) if swept == super::super::SweptImages::default() => {}
            Ok(swept) => tracing::info!(?swept, "files and rows of images were compared"),
            Err(error) => tracing::warn!(%error, "files and rows of images could not be compared"),
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// The outcome of an error: what the user reads, or that its process died.
pub(super) fn outcome_of(error: &AppError, crashed: bool) -> Outcome {
    let text = with_hint(&error.message, error.hint.as_deref());
    match error.kind {
        _ if crashed => Outcome::Died(text),
        ErrorKind::Cancelled => Outcome::Cancelled,
        _ => Outcome::Failed(text),
    }
}
