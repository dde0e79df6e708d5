//! Coming in by a one-time link, and going out. Refuses: passwords; whoever may run a command on this machine may
//! come in.

use app::{AppError, ErrorKind};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::access::caller::Visitor;
use crate::access::{SIGN_IN, cookies};
use crate::error::PageError;
use crate::extract::Segments;
use crate::pages::{frame, not_done, page, see_other, wants_piece};
use crate::state::Shared;

/// Secrets longer than this are none of ours.
const SECRET_BYTES_MAX: usize = 512;

/// What to do when a session ended while a page was open.
const SIGN_IN_HINT: &str = "sign in again with `familiar open`; what you typed stays here";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    theme: Option<&'static str>,
    /// Whether a link was tried that is no longer good.
    is_stale: bool,
}

/// Says how to get a link.
pub(crate) async fn show(headers: HeaderMap) -> Response {
    if wants_piece(&headers) {
        // A script was sent here in the middle of its work: the page stays, with what was typed in it.
        let problem = AppError::new(ErrorKind::User, "you are signed out").hint(SIGN_IN_HINT);
        // A stream that was led here would take a good answer for its own, and ask again at once.
        return (StatusCode::UNAUTHORIZED, not_done(&problem)).into_response();
    }
    page(&SignIn { theme: frame::theme(&headers), is_stale: false })
}

/// Uses a link up. Asking with HEAD does not.
pub(crate) async fn redeem(
    State(web): State<Shared>,
    Segments(secret): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    if method == Method::HEAD {
        return Ok(StatusCode::OK.into_response());
    }
    let signed_in = if secret.len() > SECRET_BYTES_MAX { None } else { web.app.redeem_sign_in(&secret).await? };
    let Some(signed_in) = signed_in else {
        let stale = SignIn { theme: frame::theme(&headers), is_stale: true };
        return Ok((StatusCode::FORBIDDEN, page(&stale)).into_response());
    };
    let cookie = cookies::session(&web.cookie, &signed_in.cookie)
        .ok_or_else(|| AppError::new(ErrorKind::Bug, "the session's cookie cannot be written"))?;
    let mut response = see_other("/");
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Ends the session.
pub(crate) async fn sign_out(State(web): State<Shared>, visitor: Visitor) -> Result<Response, PageError> {
    web.app.sign_out(&visitor.cookie).await?;
    let mut response = see_other(SIGN_IN);
    if let Some(cookie) = cookies::forget(&web.cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
