//! One image of a grid. Refuses: its file; a grid shows small versions, and a browser asks for those it comes to.

use app::ImageView;

use super::image_url;
use crate::pages::words;

/// An image, ready for its template.
#[derive(Clone, Debug, Default)]
pub(super) struct Tile {
    pub(super) id: String,
    pub(super) url: String,
    /// What the gallery's link to it is called in the page.
    pub(super) anchor: String,
    pub(super) thumbnail_url: String,
    /// Where its mark is put on or taken off.
    pub(super) favourite_url: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) alt: String,
    pub(super) is_favourite: bool,
}

impl Tile {
    /// What the gallery's link to the image `id` is called in the page, so that an address can lead to it.
    pub(super) fn anchor(id: &str) -> String {
        format!("image-{}", words::segment(id))
    }

    /// `image`, whose link keeps the place in the gallery that `query` says.
    pub(super) fn of(image: &ImageView, query: &str) -> Self {
        let url = image_url(&image.id);
        Self {
            id: image.id.clone(),
            anchor: Self::anchor(&image.id),
            thumbnail_url: format!("{url}/thumbnail"),
            favourite_url: format!("{url}/favourite"),
            url: format!("{url}{query}"),
            width: image.width_pixels,
            height: image.height_pixels,
            alt: image.alt_text(),
            is_favourite: image.favourite,
        }
    }
}
