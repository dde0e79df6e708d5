//! What the user's own processes tell the daemon: stop, or make way for another build. Only on the socket.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::extract::Body;
use crate::state::Shared;

/// What was decided.
#[derive(Serialize)]
pub(crate) struct Leaving {
    /// Whether the daemon ends now, once running answers are done.
    leaving: bool,
    build_id: String,
    pid: u32,
}

/// Ends the daemon; running answers get a few seconds, unless it is asked for the second time.
pub(crate) async fn stop(State(web): State<Shared>) -> Json<Leaving> {
    if is_ending(&web) {
        web.app.shutdown_token().cancel();
    }
    Json(leave(&web, true))
}

/// Who asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandOver {
    build_id: String,
}

/// Makes way for another build; the same build is told to use what runs.
pub(crate) async fn hand_over(State(web): State<Shared>, Body(body): Body<HandOver>) -> Json<Leaving> {
    let is_other = body.build_id != web.identity.build_id;
    // One that is ending anyway is of no use to the same build either.
    Json(leave(&web, is_other || is_ending(&web)))
}

fn leave(web: &Shared, leaving: bool) -> Leaving {
    if leaving {
        // The server finishes this very answer before it goes.
        web.app.drain();
    }
    Leaving { leaving, build_id: web.identity.build_id.clone(), pid: web.identity.pid }
}

fn is_ending(web: &Shared) -> bool {
    web.app.drain_token().is_cancelled()
}
