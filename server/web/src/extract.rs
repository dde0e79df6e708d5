//! Extractors whose refusals look like every other error of ours, in our own words. Refuses: relative workspace paths; a
//! daemon has no current folder that would mean anything to its caller.

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

/// A longer name of a field is not repeated in an answer.
const FIELD_BYTES_MAX: usize = 64;

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
        read.map(|Json(value)| Self(value))
            .map_err(|problem| wrong(&path, problem.status(), "body", &problem.body_text()))
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for Fields<T> {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Shared) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let read: Result<Form<T>, FormRejection> = Form::from_request(request, web).await;
        read.map(|Form(value)| Self(value))
            .map_err(|problem| wrong(&path, problem.status(), "form", &problem.body_text()))
    }
}

impl<T: DeserializeOwned> FromRequestParts<Shared> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Shared) -> Result<Self, Response> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, web).await;
        read.map(|Query(value)| Self(value))
            .map_err(|problem| wrong(parts.uri.path(), problem.status(), "query", &problem.body_text()))
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

fn wrong(path: &str, status: StatusCode, part: &str, said: &str) -> Response {
    respond_with(path, status, &refusal(status, part, said))
}

/// Our words for what the libraries say; of theirs only the name of a field is taken over.
fn refusal(status: StatusCode, part: &str, said: &str) -> AppError {
    let field = |begin: &str| {
        let (_, rest) = said.split_once(begin)?;
        rest.split_once('`').map(|(name, _)| name).filter(|name| name.len() <= FIELD_BYTES_MAX)
    };
    let (message, hint) = match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            format!("the {part} has a type that is not read here"),
            "send JSON with Content-Type: application/json",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (format!("the {part} is too long"), "send less at once"),
        _ => match (field("missing field `"), field("unknown field `"), field("duplicate field `")) {
            (Some(name), _, _) => (format!("the {part} lacks `{name}`"), "add it"),
            (_, Some(name), _) => (format!("the {part} has no field `{name}`"), "leave it out, or check its name"),
            (_, _, Some(name)) => (format!("the {part} has `{name}` twice"), "send it once"),
            _ if status == StatusCode::UNPROCESSABLE_ENTITY || part != "body" => {
                (format!("the {part} has a value that cannot be read"), "check the type of each field")
            }
            _ => (format!("the {part} cannot be read"), "send one valid JSON object"),
        },
    };
    AppError::new(ErrorKind::User, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_in_our_words() {
        for (status, part, said, message) in [
            (
                422,
                "body",
                "Failed to deserialize the JSON body: missing field `question` at line 1",
                "the body lacks `question`",
            ),
            (422, "body", "unknown field `x`, expected one of `y`", "the body has no field `x`"),
            (422, "body", "invalid type: map, expected a string", "the body has a value that cannot be read"),
            (400, "body", "expected value at line 1 column 1", "the body cannot be read"),
            (400, "query", "invalid digit found in string", "the query has a value that cannot be read"),
            (415, "body", "Expected request with `Content-Type`", "the body has a type that is not read here"),
            (413, "form", "length limit exceeded", "the form is too long"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = refusal(status, part, said);
            assert_eq!(error.message, message);
            assert!(error.hint.is_some());
        }
    }
}
