//! The history of one workspace, read in the background and again whenever another commit is checked out.
//!
//! Refuses: to let anybody wait who did not ask to; a question takes what is there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::history::read::head;
use crate::history::{History, HistoryLimits};

/// How long it is taken for granted that the same commit is checked out, in seconds.
const LOOK_AGAIN_SECONDS: u64 = 5;

/// A history that is there once it is read. Clones share it; dropping the last one ends the reading.
#[derive(Debug, Clone)]
pub struct HistoryCache {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    limits: HistoryLimits,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    history: Option<Arc<History>>,
    looking: bool,
    looked: Option<Instant>,
}

impl HistoryCache {
    /// A cache for a workspace; nothing is read yet. It raises the flag in `limits` when it is dropped.
    pub fn new(root: &Path, limits: HistoryLimits) -> Self {
        let state = Mutex::default();
        let shared = Shared { root: root.to_owned(), limits, state, settled: Condvar::new() };
        Self { handle: Arc::new(Handle { shared: Arc::new(shared) }) }
    }

    /// What is known by now, at once. From time to time this starts a look in the background for newer commits; the
    /// first call starts the reading.
    pub fn now(&self) -> Option<Arc<History>> {
        let shared = &self.handle.shared;
        let mut state = shared.lock();
        let fresh = state.looked.is_some_and(|looked| looked.elapsed().as_secs() < LOOK_AGAIN_SECONDS);
        if !state.looking && !fresh {
            shared.look(&mut state);
        }
        state.history.clone()
    }

    /// Looks for newer commits and waits until that is done; what is known then, or at `timeout`.
    pub fn wait(&self, timeout: Duration) -> Option<Arc<History>> {
        let shared = &self.handle.shared;
        let mut state = shared.lock();
        if !state.looking {
            shared.look(&mut state);
        }
        let waited = shared.settled.wait_timeout_while(state, timeout, |state| state.looking);
        waited.unwrap_or_else(PoisonError::into_inner).0.history.clone()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.limits.cancel.cancel();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(self: &Arc<Self>, state: &mut State) {
        let shared = self.clone();
        let known = state.history.clone();
        let thread = std::thread::Builder::new().name("history".to_owned());
        let looking = thread.spawn(move || {
            // Lowered also when the reading panics, so that nobody waits for ever.
            let done = Done(&shared);
            let same = known.is_some_and(|known| known.head == head(&shared.root));
            if !same {
                let history = Arc::new(History::read(&shared.root, &shared.limits));
                shared.lock().history = Some(history);
            }
            drop(done);
        });
        state.looking = looking.is_ok();
    }
}

/// Marks a look as done when it is dropped.
struct Done<'a>(&'a Shared);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.looking = false;
        state.looked = Some(Instant::now());
        self.0.settled.notify_all();
    }
}
