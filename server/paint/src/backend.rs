//! The painter as the model of a worker process.
//!
//! Refuses: to keep two models in memory, and to hide why an image was not made.

use std::ops::ControlFlow;
use std::path::PathBuf;

use candle_core::Device;
use model::{ImageEvent, ImageModelInfo, ImageRequest, ModelError, Timings};
use worker::{CancelFlag, ImageBackend, WorkerError};

use crate::error::PaintError;
use crate::painter::Painter;

/// An image model in one folder, loaded when the worker is told to.
pub struct PaintBackend {
    folder: PathBuf,
    painter: Option<Painter>,
}

impl PaintBackend {
    /// A backend that will load the model in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), painter: None }
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
        let painter = Painter::open(&self.folder, &best_device()?, progress, &|| cancel.is_set())?;
        Ok(self.painter.insert(painter).info().clone())
    }

    fn draw(
        &mut self,
        request: &ImageRequest,
        emit: &mut dyn FnMut(ImageEvent),
        cancel: &CancelFlag,
    ) -> Result<Timings, ModelError> {
        let painter = self.painter.as_ref().ok_or_else(|| ModelError::Bug("no model is loaded".into()))?;
        let mut end = None;
        let mut pass_on = |event| {
            match event {
                ImageEvent::Finished { timings } => end = Some(timings),
                event => emit(event),
            }
            if cancel.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        painter.draw(request, &mut pass_on, &|| cancel.is_set())?;
        end.ok_or_else(|| ModelError::Bug("the painter did not say when it was done".into()))
    }
}

/// The accelerator that this build knows and this machine has, or else the processor.
fn best_device() -> Result<Device, PaintError> {
    let device = Device::cuda_if_available(0)?;
    if device.is_cpu() { Ok(Device::metal_if_available(0)?) } else { Ok(device) }
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
                Self::Unavailable(format!("{error}; a smaller image or fewer at once need less memory"))
            }
            PaintError::Cancelled => Self::Cancelled,
            PaintError::Bug(what) => Self::Bug(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_model_is_told_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut backend = PaintBackend::new(folder.path());
        let error = backend.load(&mut |_| {}, &CancelFlag::default()).unwrap_err();
        assert!(matches!(&error, ModelError::BadFile(why) if why.contains("model_index.json")), "{error}");
    }
}
