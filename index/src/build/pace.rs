//! How a build that nobody waits for makes way: less of the processor, and pauses while somebody types or a model writes.
//!
//! Refuses: to hold up saves, and to stop a build for ever; see `YIELD_SHARE_MAX`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{YIELD_LOOK_MS, YIELD_MS, YIELD_SHARE_MAX, YIELD_WAIT_MS_MAX};

/// What builds in the background make way for; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Reasons>);

#[derive(Debug, Default)]
struct Reasons {
    /// Until when somebody counts as typing.
    typing_until: Mutex<Option<Instant>>,
    /// Models that write.
    writing: AtomicUsize,
}

impl Pace {
    /// Nobody types and no model writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Somebody pressed a key: builds in the background make way for a moment.
    pub fn typed(&self) {
        let until = Instant::now() + Duration::from_millis(YIELD_MS);
        *self.0.typing_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// While the guard is held a model writes, and builds in the background make way.
    pub fn writing(&self) -> Writing {
        self.0.writing.fetch_add(1, Ordering::Relaxed);
        Writing(self.0.clone())
    }

    /// Whether there is a reason to make way now.
    pub(crate) fn is_needed(&self) -> bool {
        let typing = *self.0.typing_until.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.writing.load(Ordering::Relaxed) > 0 || typing.is_some_and(|until| Instant::now() < until)
    }

    /// Waits after a file that took so long, while there is a reason to. The first thread of a build only waits for a
    /// multiple of its own work, so the build goes on; the others wait until it is over, or until `is_over`.
    pub(crate) fn make_way(&self, is_first: bool, took: Duration, is_over: impl Fn() -> bool) {
        let longest = (took * YIELD_SHARE_MAX).min(Duration::from_millis(YIELD_WAIT_MS_MAX));
        let began = Instant::now();
        while self.is_needed() && !is_over() {
            let left = longest.saturating_sub(began.elapsed());
            if is_first && left.is_zero() {
                return;
            }
            let look = Duration::from_millis(YIELD_LOOK_MS);
            std::thread::sleep(if is_first { look.min(left) } else { look });
        }
    }
}

/// While held, a model writes; see [`Pace::writing`].
#[derive(Debug)]
#[must_use]
pub struct Writing(Arc<Reasons>);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.writing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs work on a thread of its own that leaves the processor to others, where the system gives threads their own
/// priority; threads that the work starts inherit it. With `is_low` false the work runs here.
pub(crate) fn at_priority<T: Send>(is_low: bool, work: impl FnOnce() -> T + Send) -> T {
    if !is_low {
        return work();
    }
    let lowered = || {
        lower_priority();
        work()
    };
    match std::thread::scope(|scope| scope.spawn(lowered).join()) {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Lowers the priority of this thread for the rest of its life; raising it again takes rights that users lack. Elsewhere
/// than on Linux such a call would mean the whole process, so there builds make way by pausing only.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        // Best effort: a build at full priority is still right.
        let _ = rustix::process::nice(crate::limits::NICE_STEPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_reason_while_a_model_writes_or_somebody_types() {
        let pace = Pace::new();
        assert!(!pace.is_needed());
        let (one, other) = (pace.writing(), pace.clone().writing());
        drop(one);
        assert!(pace.is_needed());
        drop(other);
        assert!(!pace.is_needed());
        pace.clone().typed();
        assert!(pace.is_needed());
    }

    #[test]
    fn a_build_that_makes_way_still_ends() {
        let pace = Pace::new();
        let _writing = pace.writing();
        let began = Instant::now();
        pace.make_way(true, Duration::from_millis(5), || false);
        assert!(began.elapsed() >= Duration::from_millis(20), "it makes way");
        // The other threads stay until there is nothing left to do.
        pace.make_way(false, Duration::ZERO, || began.elapsed() > Duration::from_millis(60));
        assert!(began.elapsed() >= Duration::from_millis(60));
        pace.make_way(false, Duration::from_secs(60), || true);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_thread_that_works_is_lowered() {
        let now = || rustix::process::getpriority_process(None).unwrap();
        let before = now();
        let low = at_priority(true, || (now(), std::thread::spawn(now).join().unwrap()));
        assert_eq!(low, ((before + 10).min(19), (before + 10).min(19)));
        assert_eq!(at_priority(false, now), before);
        assert_eq!(now(), before);
    }
}
