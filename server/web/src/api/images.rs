//! Images for programs: ask for some, list, read, mark, delete, bring. Refuses: names nobody knows; a filter or setting that
//! is quietly ignored gives other images than were asked for.

use app::{
    AppError, BroughtImage, ErrorKind, GalleryPage, GalleryTotals, GenerateRequest, ImageJobView, ImageModelEntry,
    ImageSource, ImageView, SourceOf,
};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::extract::{Body, Params, Segments};
use crate::pages::images::filter::Filter;
use crate::pictures::{self, Wanted};
use crate::state::Shared;
use crate::upload::Uploaded;

/// Images of one page when the caller names no number, and at most.
const IMAGES_DEFAULT: usize = 50;
const IMAGES_MAX: usize = 200;
/// The field that names the image to start from.
const SOURCE: &str = "source";

/// Which images.
#[derive(Deserialize)]
pub(crate) struct ListQuery {
    #[serde(flatten)]
    filter: Filter,
    cursor: Option<String>,
    /// A number; text, because the filter is read beside it.
    limit: Option<String>,
}

/// A page of the gallery.
pub(crate) async fn list(
    State(web): State<Shared>,
    Params(query): Params<ListQuery>,
) -> Result<Json<GalleryPage>, ApiError> {
    let limit = match query.limit.as_deref().map(str::parse) {
        None => IMAGES_DEFAULT,
        Some(Ok(limit)) if (1..=IMAGES_MAX).contains(&limit) => limit,
        Some(_) => {
            let message = format!("`limit` is a number from 1 to {IMAGES_MAX}");
            return Err(AppError::new(ErrorKind::User, message).hint("for example limit=10").into());
        }
    };
    Ok(Json(web.app.gallery(query.filter.checked()?, query.cursor.as_deref(), limit).await?))
}

/// How many images a filter shows.
pub(crate) async fn totals(
    State(web): State<Shared>,
    Params(filter): Params<Filter>,
) -> Result<Json<GalleryTotals>, ApiError> {
    Ok(Json(web.app.gallery_totals(filter.checked()?).await?))
}

/// The image to start from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    image: String,
    #[serde(default)]
    strength: Option<f64>,
    /// A PNG file in base64, white where the image may change.
    #[serde(default)]
    mask: Option<String>,
}

/// Asks for images; the answer is the job that makes them.
pub(crate) async fn create(
    State(web): State<Shared>,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<ImageJobView>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(web.app.generate(request(body)?).await?)))
}

fn request(mut body: Map<String, Value>) -> Result<GenerateRequest, AppError> {
    let source = body.remove(SOURCE).filter(|source| !source.is_null());
    // Other tools write a random seed so.
    if body.get("seed").and_then(Value::as_i64) == Some(-1) {
        body.remove("seed");
    }
    let known = serde_json::to_value(GenerateRequest::default()).unwrap_or_default();
    if let Some(unknown) = body.keys().find(|name| known.get(name.as_str()).is_none()) {
        let unknown: String = unknown.chars().take(80).collect();
        let names: Vec<&str> = known.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
        let message = format!("a request for images takes no `{unknown}`");
        return Err(AppError::new(ErrorKind::User, message).hint(format!("{} and {SOURCE}", names.join(", "))));
    }
    let unreadable = |error: serde_json::Error| {
        AppError::new(ErrorKind::User, "the body does not hold what this address reads").hint(error.to_string())
    };
    let mut request: GenerateRequest = serde_json::from_value(Value::Object(body)).map_err(unreadable)?;
    if let Some(source) = source {
        let Source { image, strength, mask } = serde_json::from_value(source).map_err(unreadable)?;
        let mask = mask.map(|mask| STANDARD.decode(mask)).transpose().map_err(|error| {
            AppError::new(ErrorKind::User, "the mask cannot be read")
                .hint(format!("send a PNG file in base64 ({error})"))
        })?;
        // What is under a mask is drawn anew from nothing unless the caller wants some of it kept.
        let usual = || ImageSource::usual_strength(mask.is_some(), request.upscale.is_some());
        let strength = strength.unwrap_or_else(usual);
        request.source = Some(ImageSource { image: SourceOf::Image(image), strength, mask });
    }
    Ok(request)
}

/// One image.
pub(crate) async fn show(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<Json<ImageView>, ApiError> {
    Ok(Json(web.app.image(&id).await?))
}

/// What changes about an image.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    favourite: bool,
}

/// Marks an image, or takes the mark off.
pub(crate) async fn change(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    Body(body): Body<Change>,
) -> Result<StatusCode, ApiError> {
    web.app.favourite(&id, body.favourite).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes an image for good, with its file.
pub(crate) async fn delete(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, ApiError> {
    if web.app.delete_images(std::slice::from_ref(&id)).await? == 0 {
        return Err(AppError::new(ErrorKind::NotFound, "there is no such image").into());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The images to remove.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Several {
    ids: Vec<String>,
}

/// How many images were removed.
#[derive(Serialize)]
pub(crate) struct Deleted {
    deleted: usize,
}

/// Removes several images for good; ids of none are passed over.
pub(crate) async fn delete_several(
    State(web): State<Shared>,
    Body(body): Body<Several>,
) -> Result<Json<Deleted>, ApiError> {
    Ok(Json(Deleted { deleted: web.app.delete_images(&body.ids).await? }))
}

/// How a file is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileQuery {
    /// Whether it says how it was made.
    #[serde(default = "yes")]
    settings: bool,
}

fn yes() -> bool {
    true
}

/// The PNG file of an image.
pub(crate) async fn file(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
    Params(query): Params<FileQuery>,
) -> Result<Response, ApiError> {
    let wanted = Wanted { to_save: false, plain: !query.settings };
    Ok(pictures::file(&web.app, &id, wanted, &headers).await?)
}

/// The small version of an image, WebP.
pub(crate) async fn thumbnail(
    State(web): State<Shared>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    Ok(pictures::thumbnail(&web.app, &id, &headers).await?)
}

/// Keeps the body, a PNG, JPEG or WebP file, as an image, with what it says about how it was made; the gallery may have
/// it already.
pub(crate) async fn import(
    State(web): State<Shared>,
    upload: Uploaded,
) -> Result<(StatusCode, Json<ImageView>), ApiError> {
    let BroughtImage { image, is_new } = web.app.import_image(upload.body.to_vec()).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(image)))
}

/// A list of image models.
#[derive(Serialize)]
pub(crate) struct ModelList {
    models: Vec<ImageModelEntry>,
}

/// The models that make images.
pub(crate) async fn models(State(web): State<Shared>) -> Result<Json<ModelList>, ApiError> {
    Ok(Json(ModelList { models: web.app.image_models().await? }))
}

/// The model that draws when none is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    name: String,
}

/// Chooses it.
pub(crate) async fn use_model(
    State(web): State<Shared>,
    Body(choice): Body<Choice>,
) -> Result<StatusCode, ApiError> {
    web.app.use_image_model(&choice.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<GenerateRequest, AppError> {
        request(body.as_object().expect("it is an object").clone())
    }

    #[test]
    fn a_request_takes_what_it_knows() {
        let read = |body| read(body).expect("it is read");
        assert_eq!(read(json!({})), GenerateRequest::default());
        let full = read(json!({"prompt": "a fox", "seed": u64::MAX, "sampler": "dpm_pp2m", "count": 2,
            "source": {"image": "id", "strength": 0.3}}));
        assert_eq!((full.prompt.as_str(), full.seed, full.count), ("a fox", Some(u64::MAX), 2));
        let source = full.source.expect("it names one");
        assert_eq!((source.image, source.strength), (SourceOf::Image("id".into()), 0.3));
        assert_eq!(read(json!({"seed": -1})).seed, None);
        assert_eq!(read(json!({"source": null})).source, None);
        let masked = read(json!({"source": {"image": "id", "mask": "UE5H"}})).source.expect("it names one");
        assert_eq!((masked.strength, masked.mask), (1.0, Some(b"PNG".to_vec())));
    }

    #[test]
    fn what_it_does_not_know_is_a_mistake() {
        for (body, message) in [
            (json!({"prompts": "x"}), "a request for images takes no `prompts`"),
            (json!({"count": "two"}), "the body does not hold what this address reads"),
            (json!({"sampler": "fast"}), "the body does not hold what this address reads"),
            (json!({"source": {"file": "/etc/passwd"}}), "the body does not hold what this address reads"),
            (json!({"source": "id"}), "the body does not hold what this address reads"),
            (json!({"source": {"image": "id", "mask": "no base64"}}), "the mask cannot be read"),
        ] {
            assert_eq!(read(body).expect_err(message).message, message);
        }
    }
}
