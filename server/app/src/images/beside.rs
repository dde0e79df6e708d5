//! What the page of one image shows besides it: its neighbours, and what is known of the model that draws. Refuses: waiting
//! for a model.

use super::requests::own_side;
use crate::{App, GalleryFilter, Result};

/// The images right before and right after one, among those a filter shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagesBeside {
    /// The id of the next newer one.
    pub newer: Option<String>,
    /// The id of the next older one.
    pub older: Option<String>,
}

impl App {
    /// The neighbours of the image `id` among those that `filter` shows.
    ///
    /// # Errors
    /// `NotFound`; as [`App::gallery`].
    pub async fn images_beside(&self, id: &str, filter: GalleryFilter) -> Result<ImagesBeside> {
        let id = id.to_owned();
        let store::Beside { newer, older } =
            self.stored(move |store| store.images_beside(&id, &filter.into())).await?;
        Ok(ImagesBeside { newer, older })
    }

    /// The side that the image model which is open was trained for, in pixels; 0 while that is not known.
    pub fn image_side_pixels(&self) -> u32 {
        self.inner.images.models.open_info().filter(|info| info.side_pixels != 0).map_or(0, |info| own_side(&info))
    }
}
