//! Images that somebody brings as files. Refuses: keeping some of them when one cannot be read.

use std::collections::BTreeSet;

use app::{AppError, ErrorKind};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{IMAGES, image_url};
use crate::access::caller::Visitor;
use crate::error::PageError;
use crate::pages::see_other;
use crate::state::Shared;
use crate::upload::{Uploaded, boundary, files};

/// The field that holds the files.
const FIELD: &str = "file";

/// Keeps every file as an image; one alone is shown, with what it says about how it was made.
pub(crate) async fn bring(
    State(web): State<Shared>,
    _: Visitor,
    headers: HeaderMap,
    Uploaded(body): Uploaded,
) -> Result<Response, PageError> {
    let Some(boundary) = boundary(&headers) else {
        return Err(AppError::new(ErrorKind::User, "the body is no form with files").into());
    };
    let files = files(&body, &boundary, FIELD)?;
    if files.is_empty() {
        return Err(AppError::new(ErrorKind::User, "no file was chosen").hint("choose a PNG file first").into());
    }
    let brought = web.app.import_images(files.iter().map(|file| file.to_vec()).collect()).await?;
    let ids: BTreeSet<&str> = brought.iter().map(|brought| brought.image.id.as_str()).collect();
    match ids.first() {
        Some(id) if ids.len() == 1 => Ok(see_other(&image_url(id))),
        _ => Ok(see_other(&format!("{IMAGES}?brought={}#gallery", ids.len()))),
    }
}
