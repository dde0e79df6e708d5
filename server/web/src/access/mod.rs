//! Who may ask: the name this door is called by, the credentials, and the proof that a form is ours.
//!
//! Everything is refused unless a layer of this module let it pass; no list of paths says what is protected.

pub(crate) mod caller;
pub(crate) mod cookies;
pub(crate) mod folders;
pub(crate) mod forms;
pub(crate) mod host;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use app::{AppError, ErrorKind};

use crate::error::{is_api, respond, respond_with};
use crate::state::Shared;
use caller::Caller;

/// Where a person without a session is sent.
pub(crate) const SIGN_IN: &str = "/sign-in";

/// Lets a request pass when it calls this door by one of its own names.
pub(crate) async fn known_host(State(web): State<Shared>, mut request: Request, next: Next) -> Response {
    let allowed = host::Allowed { port: web.options.port, names: &web.app.config().allowed_hosts };
    match allowed.check(request.headers(), request.uri()) {
        Some(host) => {
            request.extensions_mut().insert(host);
            next.run(request).await
        }
        None => {
            let error = AppError::new(ErrorKind::User, "Familiar does not answer to this host name").hint(
                "open it as http://127.0.0.1 with its port, or add the name to `allowed_hosts` in config.toml",
            );
            respond_with(request.uri().path(), StatusCode::MISDIRECTED_REQUEST, &error)
        }
    }
}

/// Lets a request pass when its sender is known, and a changing one when it provably comes from our own pages.
pub(crate) async fn known_caller(State(web): State<Shared>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let caller = match caller::identify(&web, request.headers(), &path).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return refuse(&path),
        Err(error) => return respond(&path, error),
    };
    if let Caller::Browser { session, .. } = &caller
        && is_unsafe(request.method())
    {
        request = match forms::prove(request, &session.form_token).await {
            Ok(request) => request,
            Err(problem) => return respond_with(&path, StatusCode::FORBIDDEN, &problem),
        };
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Marks everyone as the user's own process; for the socket, whose folder and peer check already said so.
pub(crate) async fn trusted_peer(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Caller::Peer);
    next.run(request).await
}

/// The answer to someone unknown, the same for every path: people are sent to sign in, programs are told how.
pub(crate) fn refuse(path: &str) -> Response {
    if !is_api(path) {
        let mut response = StatusCode::SEE_OTHER.into_response();
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(SIGN_IN));
        return response;
    }
    let error = AppError::new(ErrorKind::User, "this needs a token")
        .hint("create one with `familiar tokens create --name NAME` and send it as `Authorization: Bearer TOKEN`");
    let mut response = respond_with(path, StatusCode::UNAUTHORIZED, &error);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Whether a method may change something.
fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
