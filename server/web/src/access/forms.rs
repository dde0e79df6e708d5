//! Proof that a changing request of a browser comes from one of our own pages: the origin, the browser's own word on
//! where it came from, and the token of the session. All of them, or it is refused.

use app::{AppError, ErrorKind};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Limited};

use crate::access::host::Host;
use crate::upload::boundary;

/// The longest form a page sends; percent-encoding may triple a question.
pub(crate) const FORM_BYTES_MAX: usize = 256 * 1024;
/// The field of every form that holds the session's token.
pub(crate) const FORM_TOKEN_FIELD: &str = "form_token";
/// The header scripts may send it in.
const FORM_TOKEN_HEADER: &str = "x-form-token";
const FETCH_SITE_HEADER: &str = "sec-fetch-site";

/// The same request when it carries every proof, with its body still to be read.
pub(crate) async fn prove(request: Request, token: &str) -> Result<Request, AppError> {
    let headers = request.headers();
    let host = request.extensions().get::<Host>();
    if !host.is_some_and(|host| is_own_origin(headers, host)) || !is_own_site(headers) {
        return Err(foreign());
    }
    let mut sent = headers.get_all(FORM_TOKEN_HEADER).iter();
    if let Some(value) = sent.next() {
        let proven = sent.next().is_none() && same(value.as_bytes(), token.as_bytes());
        return if proven { Ok(request) } else { Err(foreign()) };
    }
    if let Some(boundary) = boundary(headers) {
        return prove_first_part(request, &boundary, token).await;
    }
    if !is_form(headers) {
        return Err(foreign());
    }
    let (parts, body) = request.into_parts();
    let bytes = Limited::new(body, FORM_BYTES_MAX).collect().await.map_err(|_| too_long())?.to_bytes();
    let mut tokens = url::form_urlencoded::parse(&bytes).filter(|(name, _)| name == FORM_TOKEN_FIELD);
    let proven = tokens.next().is_some_and(|(_, value)| same(value.as_bytes(), token.as_bytes()));
    if proven && tokens.next().is_none() {
        drop(tokens);
        return Ok(Request::from_parts(parts, Body::from(bytes)));
    }
    Err(foreign())
}

/// The same for a form with files, whose first part is the token: no more is read before it is proven, and then all of it
/// is there again.
async fn prove_first_part(request: Request, boundary: &str, token: &str) -> Result<Request, AppError> {
    let field = format!("Content-Disposition: form-data; name=\"{FORM_TOKEN_FIELD}\"");
    let proof = format!("--{boundary}\r\n{field}\r\n\r\n{token}\r\n--{boundary}");
    let (parts, body) = request.into_parts();
    let mut pieces = body.into_data_stream();
    let mut begun = Vec::new();
    while begun.len() < proof.len() {
        let Some(piece) = pieces.next().await else { return Err(foreign()) };
        begun.extend_from_slice(&piece.map_err(|_| foreign())?);
    }
    if !same(&begun[..proof.len()], proof.as_bytes()) {
        return Err(foreign());
    }
    let whole = stream::once(std::future::ready(Ok(begun.into()))).chain(pieces);
    Ok(Request::from_parts(parts, Body::from_stream(whole)))
}

/// Exactly one `Origin`, and it is ours. A browser sends one with every form.
fn is_own_origin(headers: &HeaderMap, host: &Host) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let own = origins.next().and_then(|origin| origin.to_str().ok()).is_some_and(|origin| host.is_origin(origin));
    own && origins.next().is_none()
}

/// Nothing but `same-origin` where the browser says it: `same-site` is what another port of this machine is.
fn is_own_site(headers: &HeaderMap) -> bool {
    headers.get_all(FETCH_SITE_HEADER).iter().all(|site| site == "same-origin")
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// Equality whose time does not depend on where two texts differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn foreign() -> AppError {
    AppError::new(ErrorKind::User, "this request does not come from one of Familiar's own pages")
        .hint("open the page again and repeat it there")
}

fn too_long() -> AppError {
    AppError::new(ErrorKind::User, format!("what was sent is longer than {} KiB", FORM_BYTES_MAX / 1024))
        .hint("send less at once")
}
