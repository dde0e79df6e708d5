//! Catches a panic of one handler at its door. Refuses: telling the client what was in it; the log has it.

use std::panic::AssertUnwindSafe;

use app::{AppError, ErrorKind};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;

use crate::error;

/// Answers 500 when the handler behind it panics.
pub(crate) async fn caught(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            let problem = AppError::new(ErrorKind::Bug, "something went wrong inside Familiar")
                .hint("the log has the details; `familiar status` names it");
            error::respond(&path, problem)
        }
    }
}
