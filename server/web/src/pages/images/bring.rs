//! Images that somebody brings as files. Refuses: keeping some of them when one cannot be read.

use std::collections::BTreeSet;

use app::{AppError, BroughtFile, ErrorKind};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::gallery::not_brought;
use super::{IMAGES, image_url};
use crate::access::caller::Visitor;
use crate::error::PageError;
use crate::pages::see_other;
use crate::state::{Shared, Web};
use crate::upload::{Uploaded, boundary, files};

/// The field that holds the files.
const FIELD: &str = "file";

/// Keeps every file as an image; one alone is shown, with what it says about how it was made. When that does not work, the
/// page says why where files are chosen.
pub(crate) async fn bring(
    State(web): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    upload: Uploaded,
) -> Result<Response, PageError> {
    match brought(&web, &headers, &upload.body).await {
        Ok(ids) => match ids.as_slice() {
            [id] => Ok(see_other(&image_url(id))),
            ids => Ok(see_other(&format!("{IMAGES}?brought={}#gallery", ids.len()))),
        },
        Err(problem) => not_brought(&web, &visitor, &headers, problem).await,
    }
}

/// The images of the form's files, each once.
async fn brought(web: &Web, headers: &HeaderMap, body: &Bytes) -> Result<Vec<String>, AppError> {
    let Some(boundary) = boundary(headers) else {
        return Err(AppError::new(ErrorKind::User, "the body is no form with files"));
    };
    let files = files(body, &boundary, FIELD)?;
    if files.is_empty() {
        return Err(
            AppError::new(ErrorKind::User, "no file was chosen").hint("choose a PNG, JPEG or WebP file first")
        );
    }
    let files = files.into_iter().map(|file| BroughtFile { name: file.name, bytes: file.bytes.to_vec() });
    let brought = web.app.import_images(files.collect()).await?;
    let ids: BTreeSet<String> = brought.into_iter().map(|brought| brought.image.id).collect();
    Ok(ids.into_iter().collect())
}
