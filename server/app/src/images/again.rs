//! What an image was drawn over, so that it can be drawn over again. Refuses: keeping anything for that; what was deleted
//! since is gone.

use store::StoreError;

use super::parameters::ImageParameters;
use super::views::{ImageJobView, ImageOrigin, ImageView};
use crate::{App, Result};

/// What an image, or a job, was drawn over.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageStart {
    /// The image of the gallery, by id; `None` when it is not there any more.
    pub image: Option<String>,
    /// How much of it was drawn anew, above 0 and up to 1.
    pub strength: f64,
    /// What showed where it may change, a PNG file; `None` without one, and when it is not there any more.
    pub mask: Option<Vec<u8>>,
    /// Whether there was one.
    pub has_mask: bool,
}

impl App {
    /// What an image was drawn over; `None` for one that was drawn from nothing, or whose file does not say.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub async fn image_start(&self, image: &ImageView) -> Result<Option<ImageStart>> {
        let (strength, hashes) = match &image.origin {
            ImageOrigin::Made { settings } => {
                (settings.strength, [settings.source.clone(), settings.mask.clone()])
            }
            ImageOrigin::Brought { parameters } => {
                (parameters.as_deref().and_then(strength_over_another), [None, None])
            }
        };
        match strength {
            Some(strength) => self.start_of(strength, hashes).await.map(Some),
            None => Ok(None),
        }
    }

    /// What a job draws over, or drew over; `None` for one that draws from nothing.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub async fn image_job_start(&self, job: &ImageJobView) -> Result<Option<ImageStart>> {
        let Some(strength) = job.strength else { return Ok(None) };
        let id = job.id.clone();
        let mut hashes = self.stored(move |store| store.image_job_blobs(&id)).await?.into_iter();
        if hashes.len() == 0
            && let Some(image) = self.images_of_job(&job.id).await?.first()
        {
            // A job that is done has given up what it began with, but its images say what that was.
            return self.image_start(image).await;
        }
        self.start_of(strength, [hashes.next(), hashes.next()]).await.map(Some)
    }

    async fn start_of(&self, strength: f64, [source, mask]: [Option<String>; 2]) -> Result<ImageStart> {
        self.stored(move |store| {
            let image = source.map(|hash| store.image_of_blob(&hash)).transpose()?.flatten();
            let has_mask = mask.is_some();
            let mask = match mask.map(|hash| store.blob(&hash)).transpose() {
                Err(StoreError::NotFound { .. } | StoreError::Corrupt { .. }) => None,
                mask => mask?,
            };
            let image = image.filter(|image| image.missing_ms.is_none()).map(|image| image.id);
            Ok(ImageStart { image, strength, mask, has_mask })
        })
        .await
    }
}

/// How much of another image was drawn anew. Tools that draw an image small first and then large write it of that too.
fn strength_over_another(said: &ImageParameters) -> Option<f64> {
    said.strength.filter(|_| !said.others.iter().any(|(name, _)| name.starts_with("Hires")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_was_made_large_in_two_goes_was_drawn_over_no_other() {
        let said = |others: &[(&str, &str)]| ImageParameters {
            strength: Some(0.7),
            others: others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..ImageParameters::default()
        };
        assert_eq!(strength_over_another(&said(&[("RNG", "CPU")])), Some(0.7));
        assert_eq!(strength_over_another(&said(&[("Hires upscale", "2")])), None);
        assert_eq!(strength_over_another(&ImageParameters::default()), None);
    }
}
