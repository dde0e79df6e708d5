//! The painter as the model of a worker process.
//!
//! What the accelerator has no memory for, be it the weights or an image in its smallest parts, is done on the processor, if
//! that has room. Refuses: to keep two models in memory, and to hide why an image was not made.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::PathBuf;

use candle_core::Device;
use model::{ImageEvent, ImageModelInfo, ImageRequest, ModelError, Timings};
use worker::{CancelFlag, ImageBackend, WorkerError};

use crate::error::PaintError;
use crate::painter::Painter;
use crate::pipeline::folder::weight_bytes_on;

/// Bytes of the machine's memory that are left to others.
const RESERVE_BYTES: u64 = 1024 * 1024 * 1024;

/// An image model in one folder, loaded when the worker is told to.
pub struct PaintBackend {
    folder: PathBuf,
    /// One that had to move to the processor stays there until the process gives its memory back.
    painter: Option<Painter>,
}

impl PaintBackend {
    /// A backend that will load the model in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), painter: None }
    }

    /// The model on the best device that has room for its weights.
    fn open(&self, progress: &mut dyn FnMut(f32), stop: &dyn Fn() -> bool) -> Result<Painter, PaintError> {
        let device = best_device();
        match Painter::open(&self.folder, &device, progress, stop) {
            Err(PaintError::OutOfMemory(reason)) if !device.is_cpu() => {
                self.check_processor(&reason, 0)?;
                Painter::open(&self.folder, &Device::Cpu, progress, stop)
            }
            painter => painter,
        }
    }

    /// # Errors
    /// `OutOfMemory` with the first reason and with numbers when the machine has no room for the model either.
    fn check_processor(&self, reason: &str, working_bytes: u64) -> Result<(), PaintError> {
        let needed = weight_bytes_on(&self.folder, true)?.saturating_add(working_bytes);
        has_room(reason, needed, worker::available_memory_bytes())
    }
}

/// Runs this process as the worker of the image model in `folder` until its parent is gone. `build_id` must be the
/// parent's.
///
/// # Errors
/// [`WorkerError`] when this process was not started as a worker, or the pipe or the engine broke.
pub fn serve_worker(folder: PathBuf, build_id: &str) -> Result<(), WorkerError> {
    worker::serve_images(&mut PaintBackend::new(folder), build_id)
}

impl ImageBackend for PaintBackend {
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<ImageModelInfo, ModelError> {
        // Frees the old one first: there may be no room for two.
        self.painter = None;
        let painter = self.open(progress, &|| cancel.is_set())?;
        Ok(self.painter.insert(painter).info().clone())
    }

    fn draw(
        &mut self,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent),
        cancel: &CancelFlag,
    ) -> Result<Timings, ModelError> {
        let stop = || cancel.is_set();
        if self.painter.is_none() {
            // A request was taken back while the model moved to the processor.
            self.painter = Some(self.open(&mut |fraction| emit(ImageEvent::Loading { fraction }), &stop)?);
        }
        let painter = self.painter.as_ref().ok_or_else(|| ModelError::Bug("no model is loaded".into()))?;
        let (sent, end) = (Cell::new(0), Cell::new(None));
        let mut pass_on = |event| {
            match event {
                ImageEvent::Finished { timings } => end.set(Some(timings)),
                event => {
                    if let ImageEvent::Image { index, .. } = &event {
                        sent.set(index + 1);
                    }
                    emit(event);
                }
            }
            if cancel.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match painter.draw_from(0, request, &mut pass_on, &stop) {
            Err(PaintError::OutOfMemory(reason)) if painter.is_accelerated() => {
                self.check_processor(&reason, request.working_bytes_max.unwrap_or(0))?;
                // Its memory is given back before the other one takes any.
                self.painter = None;
                let mut loading = |fraction| {
                    // Whether it is taken back is asked at every tensor.
                    let _: ControlFlow<()> = pass_on(ImageEvent::Loading { fraction });
                };
                let painter = Painter::open(&self.folder, &Device::Cpu, &mut loading, &stop)?;
                self.painter.insert(painter).draw_from(sent.get(), request, &mut pass_on, &stop)?;
            }
            drawn => drawn?,
        }
        end.take().ok_or_else(|| ModelError::Bug("the painter did not say when it was done".into()))
    }
}

/// # Errors
/// `OutOfMemory` when so much cannot be had. Where the system does not say what can be had, it is tried.
fn has_room(reason: &str, needed: u64, available: Option<u64>) -> Result<(), PaintError> {
    let available = available.unwrap_or(u64::MAX).saturating_sub(RESERVE_BYTES);
    if needed <= available {
        return Ok(());
    }
    let [needed, available] = [needed, available].map(|bytes| bytes.div_ceil(1 << 20));
    Err(PaintError::OutOfMemory(format!(
        "{reason}; the processor would need {needed} MiB for it, and {available} MiB can be had"
    )))
}

/// The accelerator that this build knows and this machine has, or else the processor. One that cannot be opened is as good
/// as none: images are made without it, slower.
fn best_device() -> Device {
    let found = |device: candle_core::Result<Device>| device.ok().filter(|device| !device.is_cpu());
    found(Device::cuda_if_available(0)).or_else(|| found(Device::metal_if_available(0))).unwrap_or(Device::Cpu)
}

impl From<PaintError> for ModelError {
    fn from(error: PaintError) -> Self {
        match error {
            PaintError::BadModel { file, reason } => Self::BadFile(format!("{file}: {reason}")),
            PaintError::BadRequest(what) => Self::BadRequest(what),
            PaintError::NotFinite { .. } => {
                Self::BadRequest(format!("{error}; use the model's own steps and guidance, or pull it again"))
            }
            PaintError::Compute(_) => {
                Self::Unavailable(format!("{error}; try it again, and with a smaller image if it fails again"))
            }
            PaintError::OutOfMemory(_) => Self::Unavailable(format!(
                "{error}; take a smaller size or a smaller model, or end other programs that use the device"
            )),
            PaintError::Cancelled => Self::Cancelled,
            PaintError::Bug(what) => Self::Bug(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_takes_over_where_it_has_room() {
        let gib = |count: u64| count << 30;
        assert_eq!(has_room("short", gib(4), Some(gib(5))), Ok(()));
        assert_eq!(has_room("short", gib(400), None), Ok(()));
        let refused = has_room("short", gib(4) + 1, Some(gib(5))).unwrap_err();
        let said = "short; the processor would need 4097 MiB for it, and 4096 MiB can be had";
        assert_eq!(refused, PaintError::OutOfMemory(said.to_owned()));
        let told = ModelError::from(refused).to_string();
        assert!(told.contains(said) && told.contains("smaller size"), "{told}");
    }

    #[test]
    fn a_folder_without_a_model_is_told_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut backend = PaintBackend::new(folder.path());
        let error = backend.load(&mut |_| {}, &CancelFlag::default()).unwrap_err();
        assert!(matches!(&error, ModelError::BadFile(why) if why.contains("model_index.json")), "{error}");
    }
}
