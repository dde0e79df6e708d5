//! Counts what is going on, so that a daemon nobody needs can leave. Refuses: timers; the binary decides when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use crate::App;

/// What is going on.
#[derive(Clone, Default)]
pub(crate) struct Activity(Arc<Counts>);

#[derive(Default)]
struct Counts {
    sessions: AtomicU32,
    runs: AtomicU32,
    changed: Notify,
}

/// While held, a session or a piece of work is going on.
#[must_use]
pub struct ActivityGuard {
    counts: Arc<Counts>,
    session: bool,
}

impl Counts {
    fn of(&self, session: bool) -> &AtomicU32 {
        if session { &self.sessions } else { &self.runs }
    }
}

impl Activity {
    fn guard(&self, session: bool) -> ActivityGuard {
        self.0.of(session).fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
        ActivityGuard { counts: Arc::clone(&self.0), session }
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn tell(&self) {
        self.0.changed.notify_waiters();
    }

    pub(crate) fn sessions(&self) -> u32 {
        self.0.sessions.load(Ordering::SeqCst)
    }

    pub(crate) fn runs(&self) -> u32 {
        self.0.runs.load(Ordering::SeqCst)
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        self.counts.of(self.session).fetch_sub(1, Ordering::SeqCst);
        self.counts.changed.notify_waiters();
    }
}

impl App {
    /// Counts an editor session or an open stream of the web page while the guard is held.
    pub fn count_session(&self) -> ActivityGuard {
        self.inner.activity.guard(true)
    }

    /// Counts a run or a job while the guard is held.
    pub(crate) fn count_run(&self) -> ActivityGuard {
        self.inner.activity.guard(false)
    }

    /// Sessions and streams, runs and jobs.
    pub fn activity(&self) -> (u32, u32) {
        (self.inner.activity.sessions(), self.inner.activity.runs())
    }

    /// Ready when sessions or runs begin or end after this call, also when that is before the first poll.
    pub fn activity_changed(&self) -> impl Future<Output = ()> + Send + '_ {
        self.inner.activity.0.changed.notified()
    }
}
