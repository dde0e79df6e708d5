//! Extractors whose refusals look like every other error of ours. Refuses: relative workspace paths; a daemon has no
//! current folder that would mean anything to its caller.

use std::error::Error;
use std::path::{Path, PathBuf};

use app::{AppError, ErrorKind};
use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Json, Path as UrlPath, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use crate::error::respond_with;
use crate::state::Shared;

/// The longest path a request may name.
const PATH_BYTES_MAX: usize = 4096;
/// Characters of what a parser found wrong that are passed on.
const DETAIL_CHARS_MAX: usize = 200;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);
/// The fields of a form.
pub(crate) struct Fields<T>(pub(crate) T);
/// The query of the URL.
pub(crate) struct Params<T>(pub(crate) T);
/// The named segments of the URL's path.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let read: Result<Json<T>, JsonRejection> = Json::from_request(request, web).await;
        read.map(|Json(value)| Self(value)).map_err(|problem| {
            let (message, hint) = match &problem {
                JsonRejection::JsonDataError(_) => ("the body does not hold what this address reads", None),
                JsonRejection::JsonSyntaxError(_) => ("the body is no JSON", None),
                JsonRejection::MissingJsonContentType(_) => {
                    ("the body is not marked as JSON", Some("send it with `Content-Type: application/json`"))
                }
                _ => unread(problem.status()),
            };
            wrong(&path, problem.status(), message, hint.map_or_else(|| detail(&problem), str::to_owned))
        })
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for Fields<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let read: Result<Form<T>, FormRejection> = Form::from_request(request, web).await;
        read.map(|Form(value)| Self(value)).map_err(|problem| {
            let (message, hint) = match &problem {
                FormRejection::FailedToDeserializeForm(_) | FormRejection::FailedToDeserializeFormBody(_) => {
                    ("the form does not hold what this address reads", None)
                }
                FormRejection::InvalidFormContentType(_) => (
                    "the body is not marked as a form",
                    Some("send it with `Content-Type: application/x-www-form-urlencoded`"),
                ),
                _ => unread(problem.status()),
            };
            wrong(&path, problem.status(), message, hint.map_or_else(|| detail(&problem), str::to_owned))
        })
    }
}

impl<T: DeserializeOwned> FromRequestParts<Shared> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Response> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, web).await;
        read.map(|Query(value)| Self(value)).map_err(|problem| {
            let message = "what follows the `?` does not hold what this address reads";
            wrong(parts.uri.path(), problem.status(), message, detail(&problem))
        })
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Segments<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Response> {
        let read: Result<UrlPath<T>, PathRejection> = UrlPath::from_request_parts(parts, web).await;
        read.map(|UrlPath(value)| Self(value)).map_err(|problem| {
            wrong(
                parts.uri.path(),
                problem.status(),
                "the address is no text",
                "an id has letters and digits".into(),
            )
        })
    }
}

/// A folder as a request names it: absolute, and no longer than a path can be.
pub(crate) fn workspace(path: &str) -> Result<PathBuf, AppError> {
    let trimmed = path.trim();
    if trimmed.len() > PATH_BYTES_MAX || trimmed.contains('\0') || !Path::new(trimmed).is_absolute() {
        return Err(AppError::new(ErrorKind::User, "a workspace is named by its absolute path")
            .hint("for example /home/me/project"));
    }
    Ok(PathBuf::from(trimmed))
}

/// Why a body was not read at all, and what to do.
fn unread(status: StatusCode) -> (&'static str, Option<&'static str>) {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ("the body is larger than this address takes", Some("send less at once"));
    }
    ("the body did not arrive whole", Some("send it again"))
}

/// What the parser found wrong, such as the name of a missing field; the outermost error only says that it failed.
fn detail(problem: &dyn Error) -> String {
    let mut innermost = problem;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().chars().take(DETAIL_CHARS_MAX).collect()
}

fn wrong(path: &str, status: StatusCode, message: &str, hint: String) -> Response {
    respond_with(path, status, &AppError::new(ErrorKind::User, message).hint(hint))
}
