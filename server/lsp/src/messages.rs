//! Words to the user and to the log: `window/showMessage`, `window/logMessage`, and errors of `app` in LSP's form.
//!
//! Refuses: more than one line per message; some editors show only the first.

use app::{AppError, ErrorKind};
use serde_json::json;
use tower_lsp::jsonrpc::{Error, ErrorCode};

use crate::transport::Outbox;

/// JSON-RPC code of a request that was understood and could not be carried out.
const REQUEST_FAILED: i64 = -32803;

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Something failed.
    Error = 1,
    /// Something was refused.
    Warning = 2,
    /// Good to know.
    Info = 3,
}

/// Shows one line to the user, as it stands.
pub(crate) fn show(outbox: &Outbox, level: Level, message: &str) {
    outbox.notify("window/showMessage", json!({ "type": level as u8, "message": one_line(message) }));
}

/// Writes one line to the client's log.
pub(crate) fn log(outbox: &Outbox, level: Level, message: &str) {
    outbox.notify("window/logMessage", json!({ "type": level as u8, "message": one_line(message) }));
}

/// The error of a request whose use case failed, logged here, once.
pub(crate) fn rpc_error(what: &str, error: &AppError) -> Error {
    log_here(what, error);
    let code = match error.kind {
        ErrorKind::User | ErrorKind::NotFound => ErrorCode::InvalidParams,
        ErrorKind::Cancelled => ErrorCode::RequestCancelled,
        ErrorKind::Stale => ErrorCode::ContentModified,
        ErrorKind::Busy | ErrorKind::Unavailable => ErrorCode::ServerError(REQUEST_FAILED),
        ErrorKind::Bug => ErrorCode::InternalError,
    };
    Error { code, message: sentence(error).into(), data: None }
}

/// The error of a request that was understood and cannot be carried out.
pub(crate) fn request_failed(message: impl Into<String>) -> Error {
    Error { code: ErrorCode::ServerError(REQUEST_FAILED), message: message.into().into(), data: None }
}

/// The message with its next step.
pub(crate) fn sentence(error: &AppError) -> String {
    joined(&error.message, error.hint.as_deref(), false)
}

/// A message and its next step, which goes first where a long line is `cut`.
pub(crate) fn joined(message: &str, hint: Option<&str>, cut: bool) -> String {
    let message = if hint.is_some() { message.trim_end_matches('.') } else { message };
    match hint {
        Some(hint) if cut => format!("{} ({message})", hint.trim_end_matches('.')),
        Some(hint) => format!("{message}; {hint}"),
        None => message.to_owned(),
    }
}

/// Logs a failed use case here, once; nobody else does.
pub(crate) fn log_here(what: &str, error: &AppError) {
    if error.kind == ErrorKind::Bug {
        tracing::error!(what, error = %error.message, source = ?std::error::Error::source(error), "a use case failed");
    } else {
        tracing::info!(what, kind = ?error.kind, error = %error.message, "a use case failed");
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
