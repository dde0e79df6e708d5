//! How many threads compute right now: all, unless other programs use the processor too.
//!
//! The threads of one computation wait for each other hundreds of times per token. When another program takes one of
//! their cores, all of them wait, and a token takes ten to thirty times longer, while one thread alone keeps its pace.
//! Users of an editor run compilers. So when tokens get much slower than they have been, fewer threads are used, and
//! after a while all are tried again. Refuses: to use more threads than it was given.

use std::time::Duration;
use std::time::Instant;

/// Slower than its best by this factor means that somebody else is at work. Two threads are at most twice as fast as
/// one, so below this, more threads are still better.
const SLOW_FACTOR: f64 = 2.5;
/// So many slow computations in a row count.
const SLOW_COUNT: u32 = 2;
/// So many good ones in a row make the next pause short again.
const GOOD_COUNT: u32 = 32;
/// With longer contexts tokens get slower for good reason; the best time is forgotten at this rate.
const FORGET_RATE: f64 = 1.002;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// Computations of at least so many tokens are prompts, which have a pace of their own; those between are ignored.
const PROMPT_TOKENS_MIN: usize = 32;

/// The threads in use and what is known about their pace.
pub(super) struct Pace {
    threads_max: u32,
    adapts: bool,
    threads: u32,
    /// Best milliseconds per token, for answers and for prompts.
    best_ms: [Option<f64>; 2],
    slow: u32,
    good: u32,
    pause: Duration,
    retry_at: Option<Instant>,
}

impl Pace {
    /// All of `threads_max` threads to begin with, and always when it does not `adapt`.
    pub(super) fn new(threads_max: u32, adapts: bool) -> Self {
        let best_ms = [None; 2];
        let adapts = adapts && threads_max > 1;
        Self {
            threads_max,
            threads: threads_max,
            adapts,
            best_ms,
            slow: 0,
            good: 0,
            pause: PAUSE_FIRST,
            retry_at: None,
        }
    }

    /// Notes that `tokens` took `elapsed`; returns the number of threads to use from now on when it changes.
    pub(super) fn observe(&mut self, tokens: usize, elapsed: Duration, now: Instant) -> Option<u32> {
        let kind = match tokens {
            1 => 0,
            PROMPT_TOKENS_MIN.. => 1,
            _ => return None,
        };
        if !self.adapts {
            return None;
        }
        let ms = elapsed.as_secs_f64() * 1000.0 / tokens as f64;
        let best = self.best_ms[kind].map_or(ms, |best| (best * FORGET_RATE).min(ms));
        self.best_ms[kind] = Some(best);
        if self.threads < self.threads_max {
            return self.observe_few(ms / best, now);
        }
        if ms <= best * SLOW_FACTOR {
            self.slow = 0;
            self.good += 1;
            if self.good >= GOOD_COUNT {
                self.pause = PAUSE_FIRST;
            }
            return None;
        }
        // A piece of a prompt is long enough to count by itself.
        self.slow += if kind == 1 { SLOW_COUNT } else { 1 };
        self.good = 0;
        if self.slow < SLOW_COUNT {
            return None;
        }
        self.slow = 0;
        self.retry_at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.change(self.threads_max / 2)
    }

    /// Uses `threads` threads, for measurements.
    pub(super) fn change(&mut self, threads: u32) -> Option<u32> {
        self.threads = threads.clamp(1, self.threads_max);
        Some(self.threads)
    }

    /// The numbers of threads worth measuring, the one to go on with last.
    pub(super) fn candidates(&self) -> Vec<u32> {
        if self.adapts { vec![1, self.threads_max] } else { vec![self.threads_max] }
    }

    fn observe_few(&mut self, slowness: f64, now: Instant) -> Option<u32> {
        if self.retry_at.is_none_or(|at| now >= at) {
            self.slow = 0;
            return self.change(self.threads_max);
        }
        let expected = f64::from(self.threads_max) / f64::from(self.threads);
        self.slow = if slowness > expected * SLOW_FACTOR { self.slow + 1 } else { 0 };
        if self.threads > 1 && self.slow >= SLOW_COUNT {
            self.slow = 0;
            return self.change(self.threads / 2);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `count` tokens take `cost` of the threads in use; returns the threads at the end and their average.
    fn run(pace: &mut Pace, now: &mut Instant, count: u32, cost: impl Fn(u32) -> u64) -> (u32, f64) {
        let mut sum = 0;
        for _ in 0..count {
            let elapsed = Duration::from_millis(cost(pace.threads));
            *now += elapsed;
            sum += pace.threads;
            pace.observe(1, elapsed, *now);
        }
        (pace.threads, f64::from(sum) / f64::from(count))
    }

    #[test]
    fn busy_cores_are_left_and_taken_back() {
        let mut pace = Pace::new(8, true);
        let mut now = Instant::now();
        let idle = |threads: u32| u64::from(80 / threads);
        assert_eq!(run(&mut pace, &mut now, 100, idle), (8, 8.0));
        // Somebody takes six cores: more than two threads wait for each other.
        let busy = |threads: u32| if threads > 2 { 300 } else { u64::from(80 / threads) };
        let (_, average) = run(&mut pace, &mut now, 500, busy);
        assert!(average < 2.5, "{average} threads on average while the cores are busy");
        let (threads, _) = run(&mut pace, &mut now, 500, idle);
        assert_eq!(threads, 8);
    }

    #[test]
    fn steady_and_single_slow_tokens_change_nothing() {
        let mut pace = Pace::new(2, true);
        let now = Instant::now();
        for token in 0..1000_u32 {
            // Every tenth token is slow, and all get slower with the context.
            let ms = if token % 10 == 9 { 500 } else { 10 + token / 100 };
            assert_eq!(pace.observe(1, Duration::from_millis(ms.into()), now), None, "token {token}");
            assert_eq!(pace.observe(10, Duration::from_secs(1), now), None);
        }
        for mut fixed in [Pace::new(1, true), Pace::new(2, false)] {
            for ms in [10, 500, 500, 500] {
                assert_eq!(fixed.observe(1, Duration::from_millis(ms), now), None);
            }
        }
    }
}
