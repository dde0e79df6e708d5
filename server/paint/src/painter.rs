//! One door for whoever runs an image model: open a folder, say what it is, draw what is asked for.
//!
//! Refuses: requests out of range, with words that say what to change; and to keep anything of a request after it ended.

mod groups;
mod ladder;
mod preview;
mod request;
mod resample;
mod source;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use candle_core::Device;
use model::{IMAGE_ROWS_BYTES_MAX, ImageEvent, ImageModelInfo, ImageRequest, Timings};

use crate::error::PaintError;
use crate::pipeline::{Image, Loading, OwnSide, Pipeline, Prepared, StepTaken, Watch};
use crate::stop::{Room, Stop};
use ladder::{Ladder, Work};
use preview::Previews;

/// A model that stands in memory.
pub struct Painter {
    pipeline: Pipeline,
    info: ImageModelInfo,
    previews: Previews,
}

impl Painter {
    /// Loads the models of a folder. `progress` is told the share that was read, 0..=1; `stop` is asked at every tensor.
    ///
    /// # Errors
    /// `BadModel` with the file, and within it the key or tensor, that is missing, left over, damaged or not finite;
    /// `Cancelled` soon after `stop` says so.
    pub fn open(
        folder: &Path,
        device: &Device,
        progress: &mut dyn FnMut(f32),
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, PaintError> {
        let loading = Loading { device: device.clone(), progress, stop: Stop::when(stop) };
        let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self::new(Pipeline::open(folder, loading)?, &name))
    }

    /// The same with models that are there already.
    #[must_use]
    pub fn new(pipeline: Pipeline, name: &str) -> Self {
        let info = info(&pipeline, name);
        Self { pipeline, info, previews: Previews::default() }
    }

    /// Whether it is on another device than the processor.
    pub(crate) fn is_accelerated(&self) -> bool {
        !self.pipeline.device.is_cpu()
    }

    /// What is known about the model.
    #[must_use]
    pub fn info(&self) -> &ImageModelInfo {
        &self.info
    }

    /// Draws all images of a request. The events are those of [`model::ImageStream`] from `Encoding` to `Finished`; each
    /// image is sent as soon as it is there. `emit` may end the request, and so may `stop`, which is asked between the
    /// blocks of the models. Where the device runs out of memory, less is done at once from then on.
    ///
    /// # Errors
    /// `BadRequest` with what to change, `Cancelled`, `NotFinite` when the model's numbers are not, `OutOfMemory` when the
    /// device has not even enough for the smallest parts, `Compute` when it fails.
    pub fn draw(
        &self,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent) -> ControlFlow<()>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), PaintError> {
        self.draw_from(0, request, emit, stop)
    }

    /// The same for the images from `first` on; those before it were sent already.
    pub(crate) fn draw_from(
        &self,
        first: u32,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent) -> ControlFlow<()>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), PaintError> {
        let started = Instant::now();
        let drawing = request::checked(request, &self.pipeline)?;
        let mut send = |event| if emit(event).is_break() { Err(PaintError::Cancelled) } else { Ok(()) };
        let stop = Stop::when(stop);
        send(ImageEvent::Encoding)?;
        let image_bytes_max = request.working_bytes_max.unwrap_or(Room::AMPLE.image_bytes_max);
        let mut ladder = Ladder::new(Room { image_bytes_max, ..Room::AMPLE });
        let settle = || self.pipeline.settle();
        let work = if drawing.start.is_some() { Work::Picture } else { Work::Prompt };
        let prepared =
            ladder.climb_down(work, settle, |room| self.pipeline.prepare(&drawing, stop.within(room)))?;
        let read = Instant::now();
        let planned = groups::size(&self.pipeline, &prepared, request.count);
        let mut first = first;
        while first < request.count {
            let group = first..request.count.min(first + ladder.images(planned));
            let within = stop.within(ladder.room());
            let latents = match self.steps(request, &prepared, group.clone(), &mut send, within) {
                Err(error) if ladder.down(&error, Work::Steps(group.end - group.start)) => {
                    settle();
                    continue;
                }
                latents => latents?,
            };
            send(ImageEvent::Decoding)?;
            for (index, latent) in group.zip(latents) {
                let decode = |room| self.pipeline.decode(&prepared, &latent, stop.within(room));
                let image = ladder.climb_down(Work::Picture, settle, decode)?;
                send_image(&image, index, request.seed, &mut send)?;
                first = index + 1;
            }
        }
        let timings = Timings {
            queue_ms: 0.0,
            prompt_ms: (read - started).as_secs_f64() * 1e3,
            answer_ms: read.elapsed().as_secs_f64() * 1e3,
        };
        send(ImageEvent::Finished { timings })
    }

    /// The latents of a group, with an event for each step.
    fn steps(
        &self,
        request: &ImageRequest,
        prepared: &Prepared<'_>,
        group: std::ops::Range<u32>,
        send: &mut dyn FnMut(ImageEvent) -> Result<(), PaintError>,
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<f32>>, PaintError> {
        let images = group.end - group.start;
        let mut pace = preview::Pace::default();
        let mut failed = Ok(());
        let mut step = |taken: StepTaken<'_>| {
            let (done, all) = (taken.done as u32, taken.all as u32);
            let wanted = request.previews && done < all && pace.is_due();
            let preview = if wanted {
                self.previews.of(&self.pipeline, taken.image, prepared.shape(), stop)
            } else {
                Ok(None)
            };
            let (done, all) = (group.start * all + images * done, request.count * all);
            failed = preview.and_then(|preview| send(ImageEvent::Step { done, all, preview }));
            if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let mut watch = Watch { step: &mut step, stop };
        let range = u64::from(group.start)..u64::from(group.end);
        let latents = self.pipeline.latents(prepared, range, &mut watch);
        failed?;
        latents
    }
}

/// The rows of an image in pieces, then its end.
fn send_image(
    image: &Image,
    index: u32,
    seed: u64,
    send: &mut dyn FnMut(ImageEvent) -> Result<(), PaintError>,
) -> Result<(), PaintError> {
    let row_bytes = image.width * 3;
    let piece = (IMAGE_ROWS_BYTES_MAX / row_bytes).max(1) * row_bytes;
    for rows in image.rgb.chunks(piece) {
        send(ImageEvent::Rows { rgb: rows.to_vec() })?;
    }
    send(ImageEvent::Image {
        index,
        seed: seed.wrapping_add(u64::from(index)),
        width_pixels: image.width as u32,
        height_pixels: image.height as u32,
    })
}

/// What a model's own files say about it.
fn info(pipeline: &Pipeline, name: &str) -> ImageModelInfo {
    let family = pipeline.family();
    let side = match family.own_side {
        OwnSide::Places(places) => places * pipeline.vae.config().factor(),
        OwnSide::Pixels(pixels) => pixels,
        OwnSide::Unknown => 0,
    };
    ImageModelInfo {
        name: name.to_owned(),
        family: family.name.to_owned(),
        side_multiple_pixels: pipeline.side_multiple() as u32,
        side_pixels: side as u32,
        steps: family.steps,
        guidance: family.guidance,
        samplers: pipeline.schedule.samplers(),
        takes_source: true,
        takes_mask: true,
        weight_bytes: pipeline.weight_bytes,
        loaded: true,
        loading: None,
    }
}
