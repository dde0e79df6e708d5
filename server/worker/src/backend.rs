//! What a child runs: a backend that loads a model, answers requests and stops when told.
//!
//! Refuses: knowledge of pipes and processes; those are the business of [`crate::serve`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{ChatEvent, ChatRequest, Finished, ModelError, ModelInfo};

/// Counts the tokens of a text; works while an answer is made.
pub type CountTokens = Box<dyn Fn(&str) -> Result<u32, ModelError> + Send>;

/// A model that stands ready.
pub struct Loaded {
    /// What is known about it, measured speeds included.
    pub info: ModelInfo,
    /// Requests the parent may send at once; one for now.
    pub slots: u32,
    /// Counts tokens on a thread of its own.
    pub count_tokens: CountTokens,
}

/// A model as the child sees it. All calls come from one thread.
pub trait Backend {
    /// Loads the model and tells `progress` the share loaded, 0..=1, often enough to show that it is alive.
    ///
    /// # Errors
    /// [`ModelError`] when the model cannot be used.
    fn load(&mut self, progress: &mut dyn FnMut(f32), cancel: &CancelFlag) -> Result<Loaded, ModelError>;

    /// Makes one answer. Everything but the end goes to `emit`.
    ///
    /// # Errors
    /// [`ModelError::Cancelled`] soon after `cancel` is set, or another [`ModelError`].
    fn chat(
        &mut self,
        request: &ChatRequest,
        emit: &mut dyn FnMut(ChatEvent),
        cancel: &CancelFlag,
    ) -> Result<Finished, ModelError>;
}

#[derive(Default)]
struct Inner {
    set: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

/// Set once, when nobody wants the answer any more.
#[derive(Clone, Default)]
pub struct CancelFlag(Arc<Inner>);

impl CancelFlag {
    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Acquire)
    }

    /// Sets it and wakes who waits.
    pub fn set(&self) {
        // Under the lock, so that nobody falls asleep between looking at the flag and waiting.
        let _guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.set.store(true, Ordering::Release);
        self.0.changed.notify_all();
    }

    /// Waits until it is set or `time` is over and returns whether it is set.
    pub fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut guard = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_set() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (guard, _) = self.0.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}
