//! The queue of images as doors use it: ask, watch, take back, try again, change the order. Refuses: depending on whoever
//! asked; a job is the server's once it is stored.

mod draw;
mod file;
mod pace;
mod steps;
mod turns;

pub(crate) use turns::recover;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use store::{IMAGE_JOBS_PAGE_MAX, NewImageJob, Store, StoreError};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::bring::{DrawnOver, drawn_over};
use super::events::{ImageEventStream, ImageJobEvent, ImageJobEventKind};
use super::requests::{GenerateRequest, SourceOf, StoredRequest, leaves_a_step};
use super::views::{ImageJobState, ImageJobView};
use crate::streaming::streaming;
use crate::{App, AppError, ErrorKind, Result};

/// Random seeds stay below this, so that every program can show and type them.
const SEED_BITS: u32 = 32;

/// What the queue is made of besides its table.
#[derive(Default)]
pub(crate) struct Queue {
    /// Wakes who takes the next turn.
    wake: Arc<Notify>,
    /// Takes back jobs that run.
    running: Mutex<HashMap<String, CancellationToken>>,
    /// Held from before a job is claimed until it can be taken back, and while one is taken back.
    claiming: tokio::sync::Mutex<()>,
    /// Held while a job is worked on, until its end is stored.
    working: tokio::sync::Mutex<()>,
    /// Told in one go, so that two changes cannot tell their places in the wrong order.
    places: tokio::sync::Mutex<()>,
}

/// Jobs that are open and those that ended last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageJobs {
    /// Running, then waiting in the order of their turns.
    pub open: Vec<ImageJobView>,
    /// Those that are over, newest first.
    pub ended: Vec<ImageJobView>,
    /// Where the next page of those begins; `None` at the end.
    pub next: Option<String>,
}

impl App {
    /// Asks for images. The job is stored before this returns; the images are the server's work.
    ///
    /// # Errors
    /// `User` with what to change, `NotFound` for a model or an image to start from, `Busy` when too many jobs wait,
    /// `Unavailable` without a model, when Familiar is ending, or when the disk refuses.
    pub async fn generate(&self, request: GenerateRequest) -> Result<ImageJobView> {
        // Counted before it is asked whether work is taken: an end that begins now waits for this.
        let _counted = self.count_run();
        self.accept_work()?;
        request.check()?;
        let model = self.image_model(request.model.as_deref()).await?;
        leaves_a_step(&request, &model, self.inner.images.models.info_at(&model.path).as_ref())?;
        let model = model.name;
        let mut request = request;
        request.model = Some(model.clone());
        if request.seed.is_none() {
            request.seed = Some(random_seed()?);
        }
        let source = request.source.take();
        let (mut blobs, mut source_pixels) = (Vec::new(), None);
        let strength = source.as_ref().map(|source| source.strength);
        if let Some(source) = source {
            let image = match source.image {
                SourceOf::File(bytes) => bytes,
                SourceOf::Image(id) => self.image_file(&id, true).await?,
            };
            let (read, pixels) = readable(image, source.mask).await?;
            (blobs, source_pixels) = (read, Some(pixels));
        }
        let stored = StoredRequest { request, strength, source_pixels };
        stored.check_size()?;
        let job = self.stored_job(stored, model, blobs).await?;
        self.queue_changed().await;
        Ok(self.job_view(job))
    }

    async fn stored_job(
        &self,
        stored: StoredRequest,
        model: String,
        blobs: Vec<Vec<u8>>,
    ) -> Result<store::ImageJob> {
        let json = serde_json::to_string(&stored)
            .map_err(|error| AppError::new(ErrorKind::Bug, "a request cannot be stored").caused_by(error))?;
        self.stored(move |store| {
            let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
            store.enqueue_image_job(&NewImageJob {
                priority: stored.request.priority.rank(),
                model: &model,
                request: &json,
                images: stored.request.count,
                blobs: &blobs,
            })
        })
        .await
    }

    /// Jobs that are open, and a page of those that are over, which begins where `cursor` says.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub async fn image_jobs(&self, cursor: Option<&str>, limit: usize) -> Result<ImageJobs> {
        let before = cursor.map(str::to_owned);
        let limit = limit.clamp(1, IMAGE_JOBS_PAGE_MAX);
        let (open, ended) = self
            .stored(move |store| Ok((store.open_image_jobs()?, store.ended_image_jobs(before.as_deref(), limit)?)))
            .await?;
        let next = (ended.len() == limit).then(|| ended.last().map(|job| job.id.clone())).flatten();
        let view = |jobs: Vec<store::ImageJob>| jobs.into_iter().map(|job| self.job_view(job)).collect();
        Ok(ImageJobs { open: view(open), ended: view(ended), next })
    }

    /// The job `id`.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when the disk refuses.
    pub async fn image_job(&self, id: &str) -> Result<ImageJobView> {
        let id = id.to_owned();
        let job = self.stored(move |store| store.image_job(&id)).await?;
        Ok(self.job_view(job))
    }

    fn job_view(&self, job: store::ImageJob) -> ImageJobView {
        let now = self.inner.images.events.now(&job.id);
        ImageJobView::new(job, now)
    }

    /// Takes a job back. Images that it saved stay; one that is over stays as it is.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when the disk refuses.
    pub async fn cancel_image_job(&self, id: &str) -> Result<()> {
        let stored_id = id.to_owned();
        let claiming = self.inner.images.queue.claiming.lock().await;
        let before = self.stored(move |store| store.cancel_image_job(&stored_id)).await?;
        let running = self.inner.images.queue.running(id);
        drop(claiming);
        match (before, running) {
            // Who works on it tells that it is over once it let go of everything.
            (store::ImageJobState::Running, Some(running)) => running.cancel(),
            (store::ImageJobState::Queued | store::ImageJobState::Running, _) => {
                self.tell_ended(id, ImageJobState::Cancelled, None).await;
            }
            _ => {}
        }
        self.queue_changed().await;
        Ok(())
    }

    /// Takes back every job that waits or runs, and tells how many.
    ///
    /// # Errors
    /// As [`App::cancel_image_job`].
    pub async fn cancel_image_jobs(&self) -> Result<usize> {
        let open = self.stored(Store::open_image_jobs).await?;
        // The last first, so that none of them begins meanwhile.
        for job in open.iter().rev() {
            self.cancel_image_job(&job.id).await?;
        }
        Ok(open.len())
    }

    /// Lets a job that failed or was taken back wait again; it makes the images it had not saved.
    ///
    /// # Errors
    /// `NotFound`; `Stale` in another state; `Busy` when too many wait; `Unavailable` as [`App::generate`].
    pub async fn retry_image_job(&self, id: &str) -> Result<ImageJobView> {
        let _counted = self.count_run();
        self.accept_work()?;
        if self.inner.images.queue.running(id).is_some() {
            return Err(
                AppError::new(ErrorKind::Busy, "the job is just being ended").hint("try again in a moment")
            );
        }
        let id = id.to_owned();
        let job = self.stored(move |store| store.retry_image_job(&id)).await?;
        self.queue_changed().await;
        Ok(self.job_view(job))
    }

    /// Takes a job that is over out of the list; its images stay.
    ///
    /// # Errors
    /// `NotFound`; `Stale` while it is open; `Busy` while it is just being ended; `Unavailable` when the disk refuses.
    pub async fn forget_image_job(&self, id: &str) -> Result<()> {
        if self.inner.images.queue.running(id).is_some() {
            // It may be over in the table a moment before its end was told.
            let state = self.image_job(id).await?.state;
            let (kind, message) = match state {
                ImageJobState::Queued | ImageJobState::Running => (ErrorKind::Stale, "the job is running"),
                _ => (ErrorKind::Busy, "the job is just being ended"),
            };
            return Err(AppError::new(kind, message).hint("cancel it first, or try again in a moment"));
        }
        let id = id.to_owned();
        self.stored(move |store| store.forget_image_job(&id)).await
    }

    /// Puts a waiting job right before another one, or behind all of its priority.
    ///
    /// # Errors
    /// `NotFound`; `Stale` when one of them does not wait any more; `Unavailable` when the disk refuses.
    pub async fn move_image_job(&self, id: &str, before: Option<&str>) -> Result<()> {
        let (id, before) = (id.to_owned(), before.map(str::to_owned));
        self.stored(move |store| store.move_image_job(&id, before.as_deref())).await?;
        self.queue_changed().await;
        Ok(())
    }

    /// How open jobs stand, then what happens to them; of one job, or of all.
    pub fn image_events(&self, job_id: Option<&str>) -> ImageEventStream {
        let (app, wanted) = (self.clone(), job_id.map(str::to_owned));
        // Watched from this call on, so that nothing is missed before the stream is first polled.
        let (mut now, mut coming) = self.inner.images.events.watch();
        streaming(move |events| async move {
            let is_wanted = |event: &ImageJobEvent| wanted.as_ref().is_none_or(|id| *id == event.job_id);
            if let Some(id) = &wanted
                && !now.iter().any(is_wanted)
                && let Some(ended) = app.ended_event(id).await?
            {
                return events.send(ended).await;
            }
            loop {
                let mut seen = 0;
                for event in now.drain(..) {
                    seen = seen.max(event.seq);
                    if is_wanted(&event) {
                        events.send(event).await?;
                    }
                }
                loop {
                    match coming.recv().await {
                        Ok(event) if event.seq <= seen || !is_wanted(&event) => {}
                        Ok(event) => {
                            let is_end = matches!(event.kind, ImageJobEventKind::Ended { .. });
                            events.send(event).await?;
                            if is_end && wanted.is_some() {
                                return Ok(());
                            }
                        }
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return Ok(()),
                    }
                }
                (now, coming) = app.inner.images.events.watch();
                // It may have ended among what was missed.
                if let Some(id) = &wanted
                    && !now.iter().any(is_wanted)
                    && let Some(ended) = app.ended_event(id).await?
                {
                    return events.send(ended).await;
                }
            }
        })
    }

    /// The end of a job that is over.
    async fn ended_event(&self, id: &str) -> Result<Option<ImageJobEvent>> {
        let job = self.image_job(id).await?;
        if matches!(job.state, ImageJobState::Queued | ImageJobState::Running) {
            return Ok(None);
        }
        let kind = ImageJobEventKind::Ended { state: job.state, error: job.error };
        Ok(Some(ImageJobEvent { job_id: job.id, seq: 0, kind }))
    }

    async fn tell_ended(&self, id: &str, state: ImageJobState, error: Option<String>) {
        self.tell_alone(id, ImageJobEventKind::Ended { state, error }).await;
    }

    /// Tells it while nobody tells places that were read before it happened.
    async fn tell_alone(&self, id: &str, kind: ImageJobEventKind) {
        let _alone = self.inner.images.queue.places.lock().await;
        self.inner.images.events.tell(id, kind);
    }

    /// Tells why a job waits, if it still does: whoever takes it back meanwhile tells that after this.
    async fn tell_held(&self, id: &str, notice: String) {
        let _alone = self.inner.images.queue.places.lock().await;
        if self.image_job(id).await.is_ok_and(|job| job.state == ImageJobState::Queued) {
            self.inner.images.events.tell(id, ImageJobEventKind::Held { notice });
        }
    }

    /// Tells everybody the places of waiting jobs, the arbiter how many are open, and wakes who takes the next turn.
    async fn queue_changed(&self) {
        self.tell_places().await;
        self.inner.images.queue.wake.notify_one();
    }

    async fn tell_places(&self) {
        let _alone = self.inner.images.queue.places.lock().await;
        let open = match self.stored(Store::open_image_jobs).await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "the places of waiting image jobs cannot be told");
                return;
            }
        };
        self.inner.memory.images_open(u32::try_from(open.len()).unwrap_or(u32::MAX));
        let waiting = open.iter().filter(|job| job.state == store::ImageJobState::Queued);
        for (job, position) in waiting.zip(1..) {
            self.inner.images.events.tell(&job.id, ImageJobEventKind::Queued { position });
        }
    }
}

impl Queue {
    /// Waits until nobody works on a job, which is soon after it was cut off.
    pub(crate) async fn at_rest(&self) {
        let _resting = self.working.lock().await;
    }

    fn running(&self, id: &str) -> Option<CancellationToken> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn set_running(&self, id: &str, token: Option<CancellationToken>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match token {
            Some(token) => running.insert(id.to_owned(), token),
            None => running.remove(id),
        };
    }
}

/// The files a job starts from, once they were read as images; a mask has the size of its image.
async fn readable(image: Vec<u8>, mask: Option<Vec<u8>>) -> Result<(Vec<Vec<u8>>, (u32, u32))> {
    let read = tokio::task::spawn_blocking(move || {
        let DrawnOver { image, mask, size_pixels } = drawn_over(image, mask)?;
        Ok((std::iter::once(image).chain(mask).collect(), size_pixels))
    });
    read.await.map_err(AppError::task_died)?
}

fn random_seed() -> Result<u64> {
    let random = getrandom::u64()
        .map_err(|error| AppError::new(ErrorKind::Bug, format!("the system gives no random numbers: {error}")))?;
    Ok(random >> (u64::BITS - SEED_BITS))
}

/// Whether the store says that a job is not in the state that was expected.
fn is_conflict(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict(_) | StoreError::NotFound { .. })
}
