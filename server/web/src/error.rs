//! The web's form of the one error of the use cases: a status with JSON for programs, a page for people. Refuses:
//! causes; they go to the log, once, here.

use std::error::Error;

use app::{AppError, ErrorKind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::pages;

/// What a busy daemon tells programs to wait.
const RETRY_AFTER_S: &str = "2";
/// Every path of the API begins with this.
const API_PREFIX: &str = "/api";

/// An error as the API says it.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) AppError);

/// An error as a page says it.
#[derive(Debug)]
pub(crate) struct PageError(pub(crate) AppError);

/// The JSON of an error.
#[derive(Serialize)]
pub(crate) struct ErrorBody<'a> {
    error: ErrorFields<'a>,
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    kind: ErrorKind,
    message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> From<&'a AppError> for ErrorBody<'a> {
    fn from(error: &'a AppError) -> Self {
        Self { error: ErrorFields { kind: error.kind, message: &error.message, hint: error.hint.as_deref() } }
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl From<AppError> for PageError {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        log(&self.0);
        json(status(self.0.kind), &self.0)
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        log(&self.0);
        page(status(self.0.kind), &self.0)
    }
}

/// The answer to a request for `path` that failed with `error`: JSON below `/api`, a page elsewhere.
pub(crate) fn respond(path: &str, error: AppError) -> Response {
    log(&error);
    respond_with(path, status(error.kind), &error)
}

/// The same with a status of its own, for what goes wrong before any use case is asked.
pub(crate) fn respond_with(path: &str, status: StatusCode, error: &AppError) -> Response {
    if is_api(path) { json(status, error) } else { page(status, error) }
}

/// Whether programs rather than people ask for `path`.
pub(crate) fn is_api(path: &str) -> bool {
    path.strip_prefix(API_PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The status that says the same as `kind`.
pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::User => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Busy | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Stale => StatusCode::CONFLICT,
        // "Client closed request": not registered, but what every proxy calls it.
        ErrorKind::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        ErrorKind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Writes `error` to the log; the door that answers it is the one place that does.
pub(crate) fn log(error: &AppError) {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    match error.kind {
        ErrorKind::Bug => tracing::error!(message = %error.message, cause, "request failed"),
        ErrorKind::Unavailable => tracing::warn!(message = %error.message, cause, "request failed"),
        _ => tracing::debug!(kind = ?error.kind, message = %error.message, cause, "request refused"),
    }
}

fn json(status: StatusCode, error: &AppError) -> Response {
    let mut response = (status, axum::Json(ErrorBody::from(error))).into_response();
    if error.kind == ErrorKind::Busy {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    }
    response
}

fn page(status: StatusCode, error: &AppError) -> Response {
    let mut response = pages::problem(status, error);
    if error.kind == ErrorKind::Busy {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    }
    response
}
