//! Images that somebody brings as files. Refuses: keeping one of several that cannot be read without saying so.

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
    let mut brought = Vec::new();
    for file in &files {
        match web.app.import_image(file.to_vec()).await {
            Ok(image) => brought.push(image.id),
            Err(problem) if files.len() == 1 => return Err(problem.into()),
            Err(problem) => return Err(after(brought.len(), problem).into()),
        }
    }
    match brought.as_slice() {
        [] => Err(AppError::new(ErrorKind::User, "no file was chosen").hint("choose a PNG file first").into()),
        [id] => Ok(see_other(&image_url(id))),
        ids => Ok(see_other(&format!("{IMAGES}?brought={}#gallery", ids.len()))),
    }
}

/// The same problem, with how many files were kept before it.
fn after(kept: usize, mut problem: AppError) -> AppError {
    let place = kept + 1;
    problem.message = format!("of the files, {kept} are kept, and number {place} is not: {}", problem.message);
    problem
}
