//! One image of a grid. Refuses: its file; a grid shows small versions, and a browser asks for those it comes to.

use app::ImageView;

use super::image_url;

/// An image, ready for its template.
#[derive(Clone, Debug, Default)]
pub(super) struct Tile {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) thumbnail_url: String,
    /// Where its mark is put on or taken off.
    pub(super) favourite_url: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) alt: String,
    pub(super) is_favourite: bool,
}

impl Tile {
    /// `image`, whose link keeps the filter that `query` says.
    pub(super) fn of(image: &ImageView, query: &str) -> Self {
        let url = image_url(&image.id);
        Self {
            id: image.id.clone(),
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
