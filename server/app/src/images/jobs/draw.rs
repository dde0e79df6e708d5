//! The work on one job: memory, model, steps, images. Refuses: an image that is told before it is kept, and holding on to
//! anything once the job is taken back.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use model::{ImageEvent, ImageModelInfo, ImageRequest, ModelError, Preview};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::events::{ImageJobEventKind, ImagePreview};
use super::super::models::{ImageHolder, ImageModelEntry, RunningImageModel};
use super::super::picture::{Pixels, THUMBNAIL_SIDE_PIXELS_MAX};
use super::super::requests::StoredRequest;
use super::super::settings::ImageSettings;
use super::super::verify::mending;
use super::super::{Held, Lease, Wish};
use super::file::Rows;
use super::pace::Pace;
use super::steps::Steps;
use super::turns::{Outcome, outcome_of};
use crate::{App, AppError, ErrorKind, Result};

/// Why the work on a job ended early.
enum Stop {
    /// For a reason the user reads.
    Failed(AppError),
    /// The process of the model died.
    Crashed(AppError),
    /// The process of the model is not started for so long.
    Rests(AppError, Duration),
    /// It was taken back.
    TakenBack,
}

impl From<AppError> for Stop {
    fn from(error: AppError) -> Self {
        Self::Failed(error)
    }
}

impl From<ModelError> for Stop {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Crashed(_) => {
                Self::Crashed(AppError::from(error).hint("take a smaller size, fewer images or a smaller model"))
            }
            ModelError::Resting { retry_after, .. } => Self::Rests(error.into(), retry_after),
            error => Self::Failed(error.into()),
        }
    }
}

/// Makes the images of a job that were not saved before.
pub(super) async fn draw(app: &App, job: store::ImageJob, taken_back: CancellationToken) -> Outcome {
    let drawing = Drawing { app, job_id: job.id.clone(), first: job.images_done };
    tokio::select! {
        biased;
        () = taken_back.cancelled() => Outcome::Cancelled,
        () = app.inner.shutdown.cancelled() => Outcome::CutOff,
        drawn = drawing.run(job) => match drawn {
            Ok(()) => Outcome::Done,
            Err(Stop::TakenBack) => Outcome::Cancelled,
            Err(Stop::Failed(error)) => outcome_of(&error, false),
            Err(Stop::Crashed(error)) => outcome_of(&error, true),
            Err(Stop::Rests(error, retry_after)) => Outcome::Rests { notice: error.message, retry_after },
        },
    }
}

struct Drawing<'a> {
    app: &'a App,
    job_id: String,
    /// Images that an earlier attempt saved.
    first: u32,
}

impl Drawing<'_> {
    fn tell(&self, kind: ImageJobEventKind) {
        self.app.inner.images.events.tell(&self.job_id, kind);
    }

    async fn run(&self, job: store::ImageJob) -> std::result::Result<(), Stop> {
        let stored: StoredRequest = serde_json::from_str(&job.request).map_err(|error| {
            AppError::new(ErrorKind::Stale, "the job was stored by another version and is not understood")
                .hint("ask for the images again")
                .caused_by(error)
        })?;
        let entry = self.app.image_model(Some(&job.model)).await?;
        let model = self.app.inner.images.models.open(&entry, &self.app.config()).await?;
        let (_lease, working_bytes) = self.lease(&model, &stored, &entry).await?;
        let info = self.load(&model, &entry).await?;
        let (settings, mut request) = self.complete(&stored, &info).await?;
        request.working_bytes_max = Some(working_bytes);
        if request.count == 0 {
            // Everything was saved before its end was stored.
            let id = self.job_id.clone();
            self.app.stored(move |store| store.finish_image_job(&id)).await?;
            return Ok(());
        }
        self.follow(&*model, settings, request).await
    }

    /// The use of the model, and the bytes it may work in: as many as it likes, or those it makes do with where all of them
    /// cannot be had.
    async fn lease(
        &self,
        model: &Arc<dyn RunningImageModel>,
        stored: &StoredRequest,
        entry: &ImageModelEntry,
    ) -> Result<(Lease, u64)> {
        // Before it was ever loaded, the model says nothing of its own side.
        let (width, height) = stored.size(&model.info());
        let wish = |working_bytes| {
            let holder = ImageHolder { model: Arc::downgrade(model), size_bytes: entry.size_bytes };
            Wish {
                resident: format!("image {}", entry.path.display()),
                holder: Arc::new(holder),
                working_bytes,
                priority: stored.request.priority.rank(),
            }
        };
        let tell = |why| {
            let notice = match why {
                Held::Busy => {
                    "The images wait until the language model has answered: both do not fit into memory."
                }
                Held::Images => "The images wait for memory that others use.",
            };
            self.tell(ImageJobEventKind::Held { notice: notice.to_owned() });
        };
        let (most, least) = (model.working_bytes(width, height), model.working_bytes_min(width, height));
        let memory = &self.app.inner.memory;
        match memory.lease(wish(most), tell).await {
            Err(_) if least < most => Ok((memory.lease(wish(least), tell).await?, least)),
            lease => Ok((lease?, most)),
        }
    }

    async fn load(
        &self,
        model: &Arc<dyn RunningImageModel>,
        entry: &ImageModelEntry,
    ) -> std::result::Result<ImageModelInfo, Stop> {
        if !model.info().loaded {
            self.tell(ImageJobEventKind::Loading { fraction: 0.0 });
        }
        let mut load = model.load();
        let mut look = tokio::time::interval(crate::answer::LOAD_LOOK_EVERY);
        let mut told = 0.0;
        loop {
            tokio::select! {
                biased;
                loaded = &mut load => return loaded.map_err(|error| match error {
                    ModelError::BadFile(_) => Stop::Failed(AppError::from(error).hint(mending(&entry.path))),
                    error => error.into(),
                }),
                _ = look.tick() => {
                    if let Some(fraction) = model.info().loading.filter(|fraction| *fraction > told) {
                        told = fraction;
                        self.tell(ImageJobEventKind::Loading { fraction });
                    }
                }
            }
        }
    }

    /// The settings of the first image that is missing, and the request for those that are.
    async fn complete(
        &self,
        stored: &StoredRequest,
        info: &ImageModelInfo,
    ) -> Result<(ImageSettings, ImageRequest)> {
        let id = self.job_id.clone();
        let blobs = self
            .app
            .stored(move |store| {
                let hashes = store.image_job_blobs(&id)?;
                hashes.into_iter().map(|hash| Ok((hash.clone(), store.blob_path(&hash)?))).collect()
            })
            .await?;
        let (mut settings, mut request) = stored.complete(info, blobs)?;
        request.seed = request.seed.wrapping_add(u64::from(self.first));
        request.count = request.count.saturating_sub(self.first);
        settings.seed = request.seed;
        Ok((settings, request))
    }

    /// Follows the model until every image is kept.
    async fn follow(
        &self,
        model: &dyn RunningImageModel,
        settings: ImageSettings,
        request: ImageRequest,
    ) -> std::result::Result<(), Stop> {
        let mut kept = 0;
        let (count, bytes_max) =
            (request.count, request.width_pixels as usize * request.height_pixels as usize * 3);
        let (mut pace, mut rows) = (Pace::default(), Rows::default());
        let mut steps = Steps::new(self.first, count);
        let mut stream = model.draw(request);
        while let Some(event) = stream.next().await {
            match event? {
                // The queue is ours: whoever else the model serves, this is about to be drawn.
                ImageEvent::Queued { .. } => {}
                ImageEvent::Loading { fraction } => self.tell(ImageJobEventKind::Loading { fraction }),
                ImageEvent::Encoding => self.tell(ImageJobEventKind::Encoding),
                ImageEvent::Step { done, all, preview } => {
                    let remaining = pace.step(Instant::now(), done, all);
                    let remaining_ms = remaining.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
                    let preview = preview.and_then(shown);
                    let place = steps.place(kept, done, all);
                    self.tell(ImageJobEventKind::Step { done, all, place, remaining_ms, preview });
                }
                ImageEvent::Decoding => self.tell(ImageJobEventKind::Decoding),
                ImageEvent::Rows { rgb } => rows.push(&rgb, bytes_max)?,
                ImageEvent::Image { index, seed, width_pixels, height_pixels } => {
                    if index >= count || index != kept {
                        return Err(AppError::new(ErrorKind::Bug, "the model sent an image out of turn").into());
                    }
                    let pixels = rows.take(width_pixels, height_pixels)?;
                    let settings = ImageSettings { seed, width_pixels, height_pixels, ..settings.clone() };
                    let place = self.first + index;
                    let Some(image) = self.app.keep_image(&self.job_id, place, settings, pixels).await? else {
                        return Err(Stop::TakenBack);
                    };
                    kept += 1;
                    self.tell(ImageJobEventKind::Saved { image: Box::new(image) });
                    if kept == count {
                        // It is stored as done by now, so its end does not wait for what the model has left to say.
                        return Ok(());
                    }
                }
                ImageEvent::Finished { .. } => break,
            }
        }
        let message = format!("the model ended after {kept} of {count} images without saying why");
        Err(AppError::new(ErrorKind::Bug, message).into())
    }
}

/// A preview as it is shown; one whose bytes are not what it says is left out.
fn shown(preview: Preview) -> Option<ImagePreview> {
    let pixels = Pixels::new(preview.width_pixels, preview.height_pixels, preview.rgb).ok()?;
    let small = pixels.within(THUMBNAIL_SIDE_PIXELS_MAX);
    let png_base64 = STANDARD.encode(small.png(None).ok()?);
    Some(ImagePreview { width_pixels: small.width, height_pixels: small.height, png_base64 })
}
