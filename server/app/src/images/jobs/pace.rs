//! How long the rest of a job will take, by the pace of its last steps. Refuses: a guess before there is a pace.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Steps whose pace is looked at: few enough to follow a machine that became slower.
const STEPS_LOOKED_AT_MAX: usize = 8;

/// When steps were taken.
#[derive(Default)]
pub(super) struct Pace {
    taken: VecDeque<(Instant, u32)>,
}

impl Pace {
    /// Notes that `done` of `all` steps are taken at `now`; tells how long the others will take.
    pub(super) fn step(&mut self, now: Instant, done: u32, all: u32) -> Option<Duration> {
        if self.taken.len() > STEPS_LOOKED_AT_MAX {
            self.taken.pop_front();
        }
        self.taken.push_back((now, done));
        let (began, before) = *self.taken.front()?;
        let steps = done.checked_sub(before).filter(|steps| *steps > 0)?;
        Some(now.saturating_duration_since(began) / steps * all.saturating_sub(done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_follows_the_last_steps() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::default();
        assert_eq!(pace.step(at(0), 1, 30), None);
        assert_eq!(pace.step(at(100), 2, 30), Some(Duration::from_millis(2_800)));
        for step in 3..=20 {
            // From the tenth step on each takes ten times as long.
            let ms = if step <= 10 { step * 100 } else { 1_000 + (step - 10) * 1_000 };
            pace.step(at(ms), step as u32, 30);
        }
        assert_eq!(pace.step(at(12_000), 21, 30), Some(Duration::from_secs(9)));
        assert_eq!(pace.step(at(13_000), 30, 30), Some(Duration::ZERO));
    }
}
