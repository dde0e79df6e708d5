//! Tokens and sign-in links. Refuses: programs with a token; a leaked token must not be able to make another one.

use app::{ApiToken, AppError, ErrorKind, NewToken};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::access::caller::Caller;
use crate::error::{ApiError, respond_with};
use crate::extract::{Body, Segments};
use crate::state::Shared;

const TOKENS_PATH: &str = "/api/v1/tokens";

/// A list of tokens, without their secrets.
#[derive(Serialize)]
struct TokenList {
    tokens: Vec<ApiToken>,
}

/// The tokens that are good.
pub(crate) async fn tokens(State(web): State<Shared>, caller: Extension<Caller>) -> Result<Response, ApiError> {
    if let Some(refusal) = refuse_program(&caller) {
        return Ok(refusal);
    }
    Ok(Json(TokenList { tokens: web.app.tokens().await? }).into_response())
}

/// Names a new token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokenBody {
    name: String,
}

/// Makes a token and tells its secret, this once.
pub(crate) async fn create_token(
    State(web): State<Shared>,
    caller: Extension<Caller>,
    Body(body): Body<NewTokenBody>,
) -> Result<Response, ApiError> {
    if let Some(refusal) = refuse_program(&caller) {
        return Ok(refusal);
    }
    let NewToken { id, name, token } = web.app.create_token(&body.name).await?;
    Ok((StatusCode::CREATED, Json(NewToken { id, name, token })).into_response())
}

/// Ends a token.
pub(crate) async fn revoke_token(
    State(web): State<Shared>,
    caller: Extension<Caller>,
    Segments(id): Segments<String>,
) -> Result<Response, ApiError> {
    if let Some(refusal) = refuse_program(&caller) {
        return Ok(refusal);
    }
    web.app.revoke_token(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The secret of a sign-in link, and the path it is opened at.
#[derive(Serialize)]
pub(crate) struct SignInLink {
    secret: String,
    path: String,
}

/// Makes a one-time link. Only on the socket.
pub(crate) async fn mint_sign_in(State(web): State<Shared>) -> Result<Json<SignInLink>, ApiError> {
    let secret = web.app.mint_sign_in().await?;
    let path = format!("{}/{secret}", crate::access::SIGN_IN);
    Ok(Json(SignInLink { secret, path }))
}

fn refuse_program(caller: &Caller) -> Option<Response> {
    let error = AppError::new(ErrorKind::User, "a token cannot manage tokens")
        .hint("use the settings page or `familiar tokens`");
    matches!(caller, Caller::Program).then(|| respond_with(TOKENS_PATH, StatusCode::FORBIDDEN, &error))
}
