//! Extractors whose refusals look like every other error of ours. Refuses: relative workspace paths; a daemon has no
//! current folder that would mean anything to its caller.

use std::path::{Path, PathBuf};

use app::{AppError, ErrorKind};
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Json, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use crate::error::respond_with;
use crate::state::Shared;

/// The longest path a request may name.
const PATH_BYTES_MAX: usize = 4096;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);
/// The fields of a form.
pub(crate) struct Fields<T>(pub(crate) T);
/// The query of the URL.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let read: Result<Json<T>, JsonRejection> = Json::from_request(request, web).await;
        read.map(|Json(value)| Self(value)).map_err(|problem| wrong(&path, problem.status(), &problem.body_text()))
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for Fields<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let read: Result<Form<T>, FormRejection> = Form::from_request(request, web).await;
        read.map(|Form(value)| Self(value)).map_err(|problem| wrong(&path, problem.status(), &problem.body_text()))
    }
}

impl<T: DeserializeOwned> FromRequestParts<Shared> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Response> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, web).await;
        read.map(|Query(value)| Self(value))
            .map_err(|problem| wrong(parts.uri.path(), problem.status(), &problem.body_text()))
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

fn wrong(path: &str, status: StatusCode, text: &str) -> Response {
    respond_with(path, status, &AppError::new(ErrorKind::User, text))
}
