//! Images: the form that asks for them, the queue that makes them, and the gallery that keeps them.
//!
//! Refuses: deciding anything about a job or an image; that is the use cases'. Every page is complete without scripts.

mod archive;
mod bring;
pub(crate) mod filter;
mod form;
mod gallery;
mod live;
mod many;
mod queue;
mod tile;
mod view;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use url::form_urlencoded::Serializer;

use crate::access::forms::FORM_BYTES_MAX;
use crate::door::Table;
use crate::pages::words;
use crate::upload::UPLOAD_BYTES_MAX;

/// Where the form and the gallery are.
pub(super) const IMAGES: &str = "/images";
/// Where the queue is alone.
const QUEUE: &str = "/images/queue";

/// The routes of these pages.
pub(super) fn routes() -> Table {
    let prompt = DefaultBodyLimit::max(FORM_BYTES_MAX);
    vec![
        (IMAGES, get(gallery::show).post(gallery::generate).layer(prompt)),
        (QUEUE, get(queue::show)),
        (live::STREAM, get(live::stream)),
        ("/images/queue/cancel", post(queue::cancel_all)),
        ("/images/jobs/{id}/cancel", post(queue::cancel)),
        ("/images/jobs/{id}/retry", post(queue::retry)),
        ("/images/jobs/{id}/dismiss", post(queue::dismiss)),
        ("/images/jobs/{id}/up", post(queue::move_up)),
        ("/images/many", post(many::act).layer(prompt)),
        ("/images/look", post(gallery::look)),
        ("/images/bring", post(bring::bring).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX))),
        ("/images/{id}", get(view::show)),
        ("/images/{id}/favourite", post(view::favourite)),
        ("/images/{id}/delete", post(view::delete)),
        ("/images/{id}/file", get(view::file)),
        ("/images/{id}/thumbnail", get(view::thumbnail)),
    ]
}

/// Where an image is.
fn image_url(id: &str) -> String {
    format!("{IMAGES}/{}", words::segment(id))
}

/// The form and the gallery with `parameters`.
fn images_url(parameters: &[(&str, &str)]) -> String {
    if parameters.is_empty() {
        return IMAGES.to_owned();
    }
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters);
    format!("{IMAGES}?{}", query.finish())
}
