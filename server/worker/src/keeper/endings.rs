//! How a child ends, asked to or not, and what its callers are told.
//!
//! Refuses: to leave any stream or reply open once there is nobody to serve it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use model::ModelError;

use super::breaker::Breaker;
use super::link::{Ending, Phase};
use super::{GRACE, Keeper, Unload};
use crate::supervisor::Grace;
use crate::work::Work;

impl<W: Work> Keeper<W> {
    /// The child is gone without having been asked to go.
    pub(super) fn crashed(&mut self, why: Option<String>) {
        let Some(link) = self.link.take() else { return };
        let was_ready = matches!(link.phase, Phase::Ready { .. });
        let reason = link.bury(&self.supervisor, Ending::Crashed, why);
        tracing::warn!(model = %self.options.name, "the model process stopped: {reason}");
        self.forget_child();
        self.breaker.crashed(Instant::now(), &reason);
        let error = ModelError::Crashed(reason);
        self.fail_running(&error);
        if !was_ready {
            self.fail_waiting(&error);
        }
    }

    fn fail_running(&mut self, error: &ModelError) {
        for (_, running) in self.running.drain() {
            running.mailbox.end(Err(error.clone()));
        }
        for (_, question) in self.questions.extract_if(|_, question| question.sent_at.is_some()) {
            let _ = question.reply.send(Err(error.clone()));
        }
    }

    pub(super) fn fail_waiting(&mut self, error: &ModelError) {
        while let Some(waiting) = self.queue.pop() {
            waiting.mailbox.end(Err(error.clone()));
        }
        for reply in self.loads.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
        for (_, question) in self.questions.extract_if(|_, question| question.sent_at.is_none()) {
            let _ = question.reply.send(Err(error.clone()));
        }
    }

    pub(super) fn fail_all(&mut self, error: &ModelError) {
        self.fail_running(error);
        self.fail_waiting(error);
    }

    pub(super) fn unload(&mut self) {
        self.end_child(GRACE);
        for Unload { next, reply } in self.unloads.drain(..) {
            if let Some((spec, name)) = next {
                *self.shared.info.lock().unwrap_or_else(PoisonError::into_inner) = W::unloaded(name.clone());
                self.options.spec = spec;
                self.options.name = name;
                self.breaker = Breaker::default();
            }
            let _ = reply.send(());
        }
    }

    /// Ends the child in order and waits for that.
    pub(super) fn end_child(&mut self, grace: Grace) {
        if let Some(link) = self.link.take() {
            link.bury(&self.supervisor, Ending::Asked(grace), None);
            self.forget_child();
            let error = ModelError::Unavailable("it was unloaded while counting; ask again".into());
            self.fail_running(&error);
        }
    }

    fn forget_child(&self) {
        self.shared.pid.store(0, Ordering::Release);
        W::note_state(&mut self.lock_info(), false, None);
    }
}
