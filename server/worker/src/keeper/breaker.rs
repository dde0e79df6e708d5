//! When a child that died may be started again.
//!
//! Refuses: a fourth start after three crashes within a minute, until a minute has passed since the last one.

use std::time::{Duration, Instant};

/// Crashes within the window that stop restarts.
const CRASHES_MAX: usize = 3;
/// The window, and the pause after the last crash.
const WINDOW: Duration = Duration::from_secs(60);
/// Pause before the start after the second crash within the window; the first restart is immediate.
const PAUSE: Duration = Duration::from_millis(500);

/// What may happen now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start.
    Start,
    /// Start at this moment.
    Wait(Instant),
    /// Refuse for so long, and say why.
    Refuse {
        /// Why the child died last, and how often.
        reason: String,
        /// How long.
        retry_after: Duration,
    },
}

/// Memory of crashes.
#[derive(Default)]
pub(crate) struct Breaker {
    crashes: Vec<Instant>,
    reason: String,
}

impl Breaker {
    /// Notes a crash and why it happened.
    pub(crate) fn crashed(&mut self, now: Instant, reason: &str) {
        self.forget(now);
        self.crashes.push(now);
        self.reason = reason.to_owned();
    }

    /// Whether a child may be started at `now`.
    pub(crate) fn verdict(&mut self, now: Instant) -> Verdict {
        self.forget(now);
        match (self.crashes.len(), self.crashes.last()) {
            (CRASHES_MAX.., Some(last)) => {
                let retry_after = (*last + WINDOW).saturating_duration_since(now);
                let reason = format!("it died {CRASHES_MAX} times within a minute, at last: {}", self.reason);
                Verdict::Refuse { reason, retry_after }
            }
            (2, Some(last)) if now < *last + PAUSE => Verdict::Wait(*last + PAUSE),
            _ => Verdict::Start,
        }
    }

    /// A loop that tripped stays open for the whole pause; single crashes age out one by one.
    fn forget(&mut self, now: Instant) {
        if self.crashes.len() >= CRASHES_MAX {
            if self.crashes.last().is_some_and(|last| now >= *last + WINDOW) {
                self.crashes.clear();
            }
        } else {
            self.crashes.retain(|crash| now < *crash + WINDOW);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_crashes_in_a_minute_stop_restarts_for_a_minute() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::default();
        assert_eq!(breaker.verdict(at(0)), Verdict::Start);
        breaker.crashed(at(0), "one");
        assert_eq!(breaker.verdict(at(0)), Verdict::Start);
        breaker.crashed(at(50), "two");
        assert_eq!(breaker.verdict(at(50)), Verdict::Wait(at(50) + PAUSE));
        assert_eq!(breaker.verdict(at(51)), Verdict::Start);
        // The first one is more than a minute ago by now.
        breaker.crashed(at(61), "three");
        assert_eq!(breaker.verdict(at(62)), Verdict::Start);
        breaker.crashed(at(70), "four");
        for (second, refused) in [(70, true), (129, true), (130, false)] {
            let verdict = breaker.verdict(at(second));
            assert_eq!(
                matches!(&verdict, Verdict::Refuse { reason, .. } if reason.contains("four")),
                refused,
                "{verdict:?}"
            );
        }
    }
}
