//! A finished image on its way to the gallery: rows become a file with its settings in it, a small version, and a row.
//! Refuses: more rows than the image has.

use model::IMAGE_ROWS_BYTES_MAX;

use super::super::picture::Pixels;
use super::super::settings::ImageSettings;
use super::super::views::{ImageOrigin, ImageView};
use super::is_conflict;
use crate::{App, AppError, ErrorKind, Result};

/// The rows of the image that is being sent.
#[derive(Default)]
pub(super) struct Rows {
    rgb: Vec<u8>,
}

impl Rows {
    /// Takes the next rows of an image of `bytes_max` bytes.
    ///
    /// # Errors
    /// `Bug` for more than that, or too many at once.
    pub(super) fn push(&mut self, rgb: &[u8], bytes_max: usize) -> Result<()> {
        if rgb.len() > IMAGE_ROWS_BYTES_MAX || self.rgb.len() + rgb.len() > bytes_max {
            return Err(AppError::new(ErrorKind::Bug, "the model sent more rows than its image has"));
        }
        self.rgb.extend_from_slice(rgb);
        Ok(())
    }

    /// The image, after its last rows.
    ///
    /// # Errors
    /// `Bug` when rows are missing.
    pub(super) fn take(&mut self, width: u32, height: u32) -> Result<Pixels> {
        Pixels::new(width, height, std::mem::take(&mut self.rgb))
    }
}

impl App {
    /// Keeps an image of a running job; `None` when the job was taken back meanwhile.
    pub(super) async fn keep_image(
        &self,
        job_id: &str,
        place: u32,
        settings: ImageSettings,
        pixels: Pixels,
    ) -> Result<Option<ImageView>> {
        let made = tokio::task::spawn_blocking(move || {
            let (file, thumbnail) = (pixels.png(Some(&settings))?, pixels.thumbnail()?);
            Ok::<_, AppError>((settings, file, thumbnail))
        });
        let (settings, file, thumbnail) = made.await.map_err(AppError::task_died)??;
        let (seed, model) = (settings.seed, settings.model.clone());
        let (width_pixels, height_pixels) = (settings.width_pixels, settings.height_pixels);
        let (prompt, negative_prompt) = (settings.prompt.clone(), settings.negative_prompt.clone());
        let origin = ImageOrigin::Made { settings: Box::new(settings) };
        let json = serde_json::to_string(&origin)
            .map_err(|error| AppError::new(ErrorKind::Bug, "settings cannot be stored").caused_by(error))?;
        let job_id = job_id.to_owned();
        let kept = self
            .stored(move |store| {
                let new = store::NewImage {
                    job: Some((&job_id, place)),
                    file: &file,
                    thumbnail: &thumbnail,
                    width_pixels,
                    height_pixels,
                    seed,
                    model: &model,
                    prompt: &prompt,
                    negative_prompt: &negative_prompt,
                    settings: &json,
                };
                match store.add_image(&new) {
                    Ok(image) => Ok(Some(image)),
                    Err(error) if is_conflict(&error) => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .await?;
        Ok(kept.map(ImageView::from))
    }
}
