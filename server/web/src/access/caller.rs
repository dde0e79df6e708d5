//! Who sent a request. One function reads every carrier of credentials, so that no route knows another way in.

use app::{AppError, Session};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use crate::access::cookies;
use crate::error::is_api;
use crate::state::{Shared, Web};

/// Credentials longer than this are none of ours.
const CREDENTIAL_BYTES_MAX: usize = 512;

/// The sender of a request, as the layers found out.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A process of this user, over the socket.
    Peer,
    /// A browser with a session.
    Browser {
        /// The session.
        session: Session,
        /// The cookie that named it.
        cookie: String,
    },
    /// A program with a token.
    Program,
}

/// A browser with a session; pages take it and get nobody else.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// The session.
    pub(crate) session: Session,
    /// The cookie that named it.
    pub(crate) cookie: String,
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Response> {
        match parts.extensions.get::<Caller>() {
            Some(Caller::Browser { session, cookie }) => {
                Ok(Self { session: session.clone(), cookie: cookie.clone() })
            }
            _ => Err(super::refuse(parts.uri.path())),
        }
    }
}

/// Finds out who sent a request for `path`; `None` is a stranger. A token counts below `/api` only, and where one is sent it
/// alone decides, so that a bad token never falls back to a good cookie.
pub(crate) async fn identify(web: &Web, headers: &HeaderMap, path: &str) -> Result<Option<Caller>, AppError> {
    if headers.contains_key(header::AUTHORIZATION) && is_api(path) {
        let Some(token) = bearer(headers) else { return Ok(None) };
        return Ok(web.app.check_token(token).await?.map(|_| Caller::Program));
    }
    let Some(cookie) = cookies::read(headers, &web.cookie).filter(|cookie| cookie.len() <= CREDENTIAL_BYTES_MAX)
    else {
        return Ok(None);
    };
    let session = web.app.check_session(cookie).await?;
    Ok(session.map(|session| Caller::Browser { session, cookie: cookie.to_owned() }))
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let is_ours =
        scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= CREDENTIAL_BYTES_MAX;
    is_ours.then_some(token)
}
