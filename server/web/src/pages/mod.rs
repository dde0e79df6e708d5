//! The pages: complete without scripts, better with them. Refuses: state of its own; what a page shows is in the URL
//! and the database, and what it changes is a form.

mod chat;
mod frame;
mod home;
pub(crate) mod images;
mod live;
mod message;
mod passage;
mod settings;
mod sign_in;
mod words;

use app::{AppError, ErrorKind};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use crate::access;
use crate::access::forms::FORM_BYTES_MAX;
use crate::door::Table;
use crate::error::{respond, respond_with};
use words::Piece;

/// What only a browser with a session sees.
pub(crate) fn routes() -> Table {
    let question = DefaultBodyLimit::max(FORM_BYTES_MAX);
    let mut table = images::routes();
    table.extend(vec![
        ("/", get(home::show)),
        ("/chats", get(home::show).post(home::begin).layer(question)),
        ("/chats/{id}", get(chat::show)),
        ("/chats/{id}/messages", post(chat::send).layer(question)),
        ("/chats/{id}/messages/{message}/retry", post(chat::retry)),
        ("/chats/{id}/rename", post(chat::rename)),
        ("/chats/{id}/trash", post(chat::trash)),
        ("/chats/{id}/restore", post(chat::restore)),
        ("/chats/{id}/runs/{run}/stop", post(chat::stop)),
        ("/chats/{id}/runs/{run}/stream", get(live::stream)),
        ("/passages", get(passage::show)),
        ("/settings", get(settings::show)),
        ("/settings/theme", post(settings::theme)),
        ("/settings/image-model", post(settings::use_image_model)),
        ("/settings/tokens", post(settings::create_token)),
        ("/settings/tokens/{id}/revoke", post(settings::revoke_token)),
        ("/sign-out", post(sign_in::sign_out)),
        ("/favicon.ico", get(no_icon)),
    ]);
    table
}

/// What everyone sees.
pub(crate) fn open_routes() -> Table {
    vec![("/sign-in", get(sign_in::show)), ("/sign-in/{secret}", get(sign_in::redeem))]
}

/// Pages say that there is no icon; a browser that shows an image alone asks all the same, and complains of an error.
async fn no_icon() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The answer to a known caller for a path that is not there.
pub(crate) async fn not_found(request: Request) -> Response {
    let error = AppError::new(ErrorKind::NotFound, "there is nothing at this address");
    respond(request.uri().path(), error)
}

/// The answer to a known caller for a method that a path does not have.
pub(crate) async fn wrong_method(request: Request) -> Response {
    let message = format!("{} is not what this address is for", request.method());
    let error = AppError::new(ErrorKind::User, message);
    respond_with(request.uri().path(), StatusCode::METHOD_NOT_ALLOWED, &error)
}

/// The answer to everyone for a method that an open path does not have: the same a stranger gets anywhere.
pub(crate) async fn stranger(request: Request) -> Response {
    access::refuse(request.uri().path())
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem {
    theme: Option<&'static str>,
    status: u16,
    message: String,
    hint: Vec<Piece>,
    /// Where there is a way on, and what that is called.
    back: (&'static str, &'static str),
}

/// The answer that stands for the page of an error until [`problems`] writes it, which knows who asked for what.
pub(crate) fn problem(status: StatusCode, error: &AppError) -> Response {
    let mut response = status.into_response();
    response.extensions_mut().insert(Failed(error.clone()));
    response
}

/// Marks an answer as the page of this error.
#[derive(Clone, Debug)]
struct Failed(AppError);

/// An error for the page of a script that asked for a piece; it keeps everything else as it is.
#[derive(Template)]
#[template(path = "not_done.html")]
struct NotDone {
    problem: Vec<Piece>,
}

/// Puts an error into the page that is open.
fn not_done(error: &AppError) -> Response {
    page(&NotDone { problem: words::pieces(&home::sentence(error)) })
}

/// Writes what went wrong: a piece where a script asked, which would otherwise paste a whole page into its own, else a page
/// in the theme of whoever asked, with a way back to the part of the house where it happened.
pub(crate) async fn problems(request: Request, next: Next) -> Response {
    let wanted = wants_piece(request.headers());
    let theme = frame::theme(request.headers());
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(Failed(error)) = response.extensions_mut().remove() else { return response };
    let status = response.status();
    let written = if wanted { not_done(&error) } else { page_of(&error, status, &path, theme) };
    let (mut parts, body) = written.into_parts();
    parts.status = status;
    // What the answer said besides, such as when to try again, still holds.
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH {
            parts.headers.insert(name, value.clone());
        }
    }
    Response::from_parts(parts, body)
}

fn page_of(error: &AppError, status: StatusCode, path: &str, theme: Option<&'static str>) -> Response {
    let is_image = path.strip_prefix(images::IMAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    page(&Problem {
        theme,
        status: status.as_u16(),
        message: words::sentence(&error.message),
        hint: words::pieces(&words::sentence(error.hint.as_deref().unwrap_or_default())),
        back: if is_image { (images::IMAGES, "Back to the images") } else { ("/chats", "Back to the chats") },
    })
}

/// Renders a template.
fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Sends a browser on after a form, so that a reload does not repeat it.
fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/chats"));
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Whether our own script asks for a piece of a page rather than a browser for all of it.
fn wants_piece(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}
