//! Turns a connection of the socket into the raw bytes of a language session. Refuses: knowing what is spoken on it.

use app::{AppError, ErrorKind};
use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::error::ApiError;
use crate::state::Shared;

/// What the client asks to upgrade to.
const PROTOCOL: &str = "familiar-lsp";

/// Takes the hello and hands the connection over.
pub(crate) async fn lsp(State(web): State<Shared>, mut request: Request) -> Result<Response, ApiError> {
    let Some(run) = web.options.lsp_upgrade.clone() else {
        return Err(user("this daemon runs no language sessions").into());
    };
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let Some(upgrade) = upgrade.filter(|_| asks_for_ours(request.headers())) else {
        return Err(user("this path is for `Connection: upgrade` with `Upgrade: familiar-lsp`").into());
    };
    let body = request.into_limited_body().collect().await.map(|body| body.to_bytes());
    let hello = hello(body.map_err(|error| user("the hello could not be read").caused_by(error))?)?;
    // The session counts itself; here it would count twice.
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => run(hello, Box::pin(TokioIo::new(upgraded))).await,
            Err(error) => tracing::warn!(%error, "a language session ended before it began"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

fn asks_for_ours(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(PROTOCOL.as_bytes()))
}

fn hello(body: Bytes) -> Result<Value, AppError> {
    serde_json::from_slice(&body).map_err(|error| user("the hello is not JSON").caused_by(error))
}

fn user(message: &str) -> AppError {
    AppError::new(ErrorKind::User, message)
}
