//! What is done with several images at once. Refuses: more than [`MANY_MAX`], and nothing at all.

use std::collections::HashSet;

use app::{App, AppError, ErrorKind};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};

use super::archive::Archive;
use super::view::{forgotten, kept};
use super::{IMAGES, image_url};
use crate::access::caller::Visitor;
use crate::error::{self, PageError};
use crate::extract::Fields;
use crate::pages::see_other;
use crate::pictures::file_name;
use crate::state::Shared;

/// Images of one form; more than a page shows.
const MANY_MAX: usize = 300;
/// What the archive is called.
const ARCHIVE_NAME: &str = "attachment; filename=\"images.zip\"";

/// Does to every chosen image what the button said.
pub(crate) async fn act(
    State(web): State<Shared>,
    _: Visitor,
    Fields(fields): Fields<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let ids = chosen(&fields)?;
    let value =
        |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str());
    let kept = kept(value("kept"));
    match value("action") {
        "delete" => {
            let deleted = web.app.delete_images(&ids).await?;
            let separator = if kept.is_empty() { '?' } else { '&' };
            Ok(forgotten(see_other(&format!("{IMAGES}{kept}{separator}deleted={deleted}#gallery"))))
        }
        action @ ("mark" | "unmark") => {
            for id in &ids {
                web.app.favourite(id, action == "mark").await?;
            }
            Ok(see_other(&format!("{IMAGES}{kept}#gallery")))
        }
        "save" | "save-plain" => Ok(save(web.app.clone(), ids, value("action") == "save-plain").await?),
        _ => Err(AppError::new(ErrorKind::User, "this form does nothing").hint("press one of its buttons").into()),
    }
}

/// The chosen ids, each once.
fn chosen(fields: &[(String, String)]) -> Result<Vec<String>, AppError> {
    let mut seen = HashSet::new();
    let ids = fields.iter().filter(|(name, id)| name == "id" && seen.insert(id.as_str()));
    let ids: Vec<String> = ids.map(|(_, id)| id.clone()).collect();
    if ids.is_empty() {
        return Err(AppError::new(ErrorKind::User, "no image is chosen").hint("mark some in the gallery first"));
    }
    if ids.len() > MANY_MAX {
        let message = format!("{} images are too many at once", ids.len());
        return Err(AppError::new(ErrorKind::User, message).hint(format!("choose at most {MANY_MAX}")));
    }
    Ok(ids)
}

/// One image is sent as it is, several as an archive, of which one file is in memory at a time.
async fn save(app: App, ids: Vec<String>, plain: bool) -> Result<Response, AppError> {
    if let [id] = ids.as_slice() {
        let plain = if plain { "&plain=1" } else { "" };
        return Ok(see_other(&format!("{}/file?save=1{plain}", image_url(id))));
    }
    // Nothing is sent before the first file is there: until then an error still has a page of its own.
    app.image(&ids[0]).await?;
    let mut response = Body::from_stream(packed(app, ids, plain)).into_response();
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    out.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(ARCHIVE_NAME));
    Ok(response)
}

/// The pieces of the archive. An image that is gone meanwhile is left out; when a file cannot be read the download breaks.
fn packed(app: App, ids: Vec<String>, plain: bool) -> impl Stream<Item = Result<Bytes, AppError>> + Send {
    let state = (app, ids.into_iter(), Some(Archive::default()));
    stream::try_unfold(state, move |(app, mut ids, archive)| async move {
        let Some(mut archive) = archive else { return Ok(None) };
        for id in ids.by_ref() {
            match read(&app, &id, plain).await {
                Ok((name, file)) => {
                    let piece = archive.entry(&name, &file)?;
                    return Ok(Some((piece.into(), (app, ids, Some(archive)))));
                }
                Err(problem) if problem.kind == ErrorKind::NotFound => {}
                Err(problem) => {
                    error::log(&problem);
                    return Err(problem);
                }
            }
        }
        Ok(Some((archive.end().into(), (app, ids, None))))
    })
}

async fn read(app: &App, id: &str, plain: bool) -> Result<(String, Vec<u8>), AppError> {
    let name = file_name(&app.image(id).await?);
    Ok((name, app.image_file(id, !plain).await?))
}
