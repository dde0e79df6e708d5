//! What every handler may reach: the use cases, how this door is named, and the count of open page streams.
//! Refuses: state of a page; that is in the URL and the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use app::{App, AppError, ErrorKind, Status};
use sha2::{Digest, Sha256};

use crate::access::caller::Caller;
use crate::door::WebOptions;

/// Page streams one browser session may hold open; a browser opens only six connections to one host.
pub(crate) const STREAMS_PER_SESSION_MAX: u32 = 4;
/// Streams about images that all programs together may hold open at one door: what each is behind by is held for it.
pub(crate) const STREAMS_OF_PROGRAMS_MAX: u32 = 32;
/// Under which name those are counted; no session has it.
const PROGRAMS: &str = "programs";
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
        self.open_stream_of(session, STREAMS_PER_SESSION_MAX)
    }

    /// Counts one more open stream about images over the API.
    ///
    /// # Errors
    /// `Busy` when there are as many as there may be.
    pub(crate) fn open_image_stream(self: &Arc<Self>, caller: &Caller) -> Result<StreamGuard, AppError> {
        let place = match caller {
            Caller::Browser { session, .. } => self.open_stream(&session.id),
            Caller::Peer | Caller::Program => self.open_stream_of(PROGRAMS, STREAMS_OF_PROGRAMS_MAX),
        };
        place.ok_or_else(|| {
            AppError::new(ErrorKind::Busy, "too many streams about images are open")
                .hint("end one of them, or try again in a moment")
        })
    }

    fn open_stream_of(self: &Arc<Self>, session: &str, open_max: u32) -> Option<StreamGuard> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams.entry(session.to_owned()).or_default();
        if *open >= open_max {
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
