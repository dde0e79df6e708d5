//! What every handler may reach: the use cases, how this door is named, and the count of open page streams.
//! Refuses: state of a page; that is in the URL and the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use app::{App, AppError, ErrorKind, Status};
use sha2::{Digest, Sha256};

use crate::door::WebOptions;

/// Page streams one browser session may hold open; a browser opens only six connections to one host.
pub(crate) const STREAMS_PER_SESSION_MAX: u32 = 4;
/// Bytes of the home's hash that stand in the name of the cookie.
const INSTANCE_BYTES: usize = 6;

/// Who answers at a door.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Version of the program.
    pub(crate) version: String,
    /// Names this very build.
    pub(crate) build_id: String,
    /// The process.
    pub(crate) pid: u32,
}

/// Handle to the state, cheap to clone.
pub(crate) type Shared = Arc<Web>;

/// The state behind one door.
pub(crate) struct Web {
    /// The use cases.
    pub(crate) app: App,
    /// How the door was opened.
    pub(crate) options: WebOptions,
    /// Who answers here; it never changes while the process lives.
    pub(crate) identity: Identity,
    /// Name of the session cookie. Cookies do not know ports, so the name tells one home's daemon from another's.
    pub(crate) cookie: String,
    streams: Mutex<HashMap<String, u32>>,
}

impl Web {
    /// The state of a door onto `app`.
    pub(crate) fn new(app: App, options: WebOptions) -> Shared {
        let app::Status { version, build_id, pid, home, .. } = app.status();
        let digest = Sha256::digest(home.as_os_str().as_encoded_bytes());
        let instance: String = digest.iter().take(INSTANCE_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let identity = Identity { version, build_id, pid };
        Arc::new(Self {
            app,
            options,
            identity,
            cookie: format!("familiar_{instance}"),
            streams: Mutex::default(),
        })
    }

    /// What is going on. Asking may wait for a workspace that is just being opened, so it keeps off the async threads.
    pub(crate) async fn status(&self) -> Result<Status, AppError> {
        let app = self.app.clone();
        let status = tokio::task::spawn_blocking(move || app.status());
        status.await.map_err(|error| AppError::new(ErrorKind::Bug, "the state could not be read").caused_by(error))
    }

    /// Counts one more open stream of `session`; `None` when it holds as many as it may.
    pub(crate) fn open_stream(self: &Arc<Self>, session: &str) -> Option<StreamGuard> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams.entry(session.to_owned()).or_default();
        if *open >= STREAMS_PER_SESSION_MAX {
            return None;
        }
        *open += 1;
        Some(StreamGuard { web: Arc::clone(self), session: session.to_owned() })
    }
}

/// One open stream; dropping it gives the place back.
pub(crate) struct StreamGuard {
    web: Shared,
    session: String,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut streams = self.web.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get_mut(&self.session) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                streams.remove(&self.session);
            }
        }
    }
}
