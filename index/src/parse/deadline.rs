//! Until when a text may be parsed.
//!
//! Refuses: to let a busy machine decide how a file is indexed. What one file may cost is counted in the work of the thread
//! that parses it, so that the same text is cut in the same way on any day; only somebody who waits counts by the clock.

use std::time::{Duration, Instant};

use crate::limits::{PARSE_MS_MAX, SEARCH_PARSE_MS_MAX};

/// When a parse must be over. Asked on the thread that made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// The end of what somebody waits for.
    until: Option<Instant>,
    /// No thread works longer than the clock runs, so that before this there is no need to ask how long it worked.
    earliest: Instant,
    /// Work of this thread at which it is over, from the start of the thread.
    work: Duration,
}

impl Deadline {
    /// That of a file whose parse starts now.
    pub(crate) fn of_file() -> Self {
        Self::after(Duration::from_millis(PARSE_MS_MAX))
    }

    /// That of a file whose parse starts now, for somebody who waits until `until` and no longer.
    pub(crate) fn of_file_until(until: Option<Instant>) -> Self {
        Self { until, ..Self::of_file() }
    }

    /// After so much work of this thread from now on.
    pub(crate) fn after(work: Duration) -> Self {
        Self { until: None, earliest: Instant::now() + work, work: worked() + work }
    }

    /// Whether no more may be parsed.
    pub(crate) fn is_over(&self) -> bool {
        let now = Instant::now();
        self.until.is_some_and(|until| now >= until) || (now >= self.earliest && worked() >= self.work)
    }
}

/// When the last parse of a search that starts now must be over.
pub(crate) fn search_deadline() -> Instant {
    Instant::now() + Duration::from_millis(SEARCH_PARSE_MS_MAX)
}

/// How long this thread worked since it started.
#[cfg(unix)]
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Neither is ever negative for this clock.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Where that is not known, the clock stands for it.
#[cfg(not(unix))]
fn worked() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread that waits has all its time left, however long that is; one that works has not.
    #[test]
    fn only_work_counts() {
        let deadline = Deadline::after(Duration::from_millis(40));
        std::thread::sleep(Duration::from_millis(120));
        assert!(!deadline.is_over(), "a thread that slept is stopped");
        let started = Instant::now();
        while !deadline.is_over() {
            assert!(started.elapsed() < Duration::from_secs(60), "a thread that works is never stopped");
        }
    }

    #[test]
    fn who_waits_counts_by_the_clock() {
        assert!(Deadline::of_file_until(Some(Instant::now())).is_over());
        assert!(!Deadline::of_file_until(Some(search_deadline())).is_over());
        assert!(!Deadline::of_file_until(None).is_over());
    }
}
