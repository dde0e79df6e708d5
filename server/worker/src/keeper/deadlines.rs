//! What happens when time passes: heartbeats, deadlines, idle unload.
//!
//! Refuses: to take a caller who does not read for a child that hangs.

use std::time::{Duration, Instant};

use model::ModelError;

use super::breaker::Verdict;
use super::link::Phase;
use super::{GRACE, Keeper};
use crate::work::Work;

/// The keeper looks around at least so often while a child runs.
const TICK_MAX: Duration = Duration::from_millis(500);

/// How long a child may show no sign of progress before it is ended.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From start to the first message.
    pub hello: Duration,
    /// Between two signs of progress of a load.
    pub load: Duration,
    /// Between two signs of progress of an answer, the first one included.
    pub answer: Duration,
    /// From a heartbeat to its answer. Detection takes at most half a second longer.
    pub heartbeat: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(10),
            load: Duration::from_secs(60),
            answer: Duration::from_secs(120),
            heartbeat: Duration::from_millis(1400),
        }
    }
}

impl Deadlines {
    /// The defaults for a model that makes images: one step of a large image may take minutes on a slow processor.
    pub fn for_images() -> Self {
        Self { answer: Duration::from_secs(600), ..Self::default() }
    }
}

fn is_late(now: Instant, since: Instant, limit: Duration) -> bool {
    now.duration_since(since) > limit
}

impl<W: Work> Keeper<W> {
    /// Does what is due.
    pub(super) fn look_around(&mut self) {
        self.look_at_callers();
        let now = Instant::now();
        if self.link.as_ref().is_some_and(|link| matches!(link.phase, Phase::Ready { .. })) {
            self.give_up_on_callers(now);
        }
        let silent = self.is_silent(now);
        let deadlines = self.options.deadlines;
        let Some(link) = &mut self.link else { return };
        let why = if silent {
            Some("it showed no progress for too long".to_owned())
        } else if !matches!(link.phase, Phase::Hello) && link.beat(now, deadlines.heartbeat) {
            Some("it did not answer any more".to_owned())
        } else {
            None
        };
        if why.is_some() {
            return self.crashed(why);
        }
        let idle = self.running.is_empty() && self.questions.is_empty() && self.queue.is_empty();
        let ready = matches!(link.phase, Phase::Ready { .. });
        if ready && idle && self.options.idle_unload.is_some_and(|limit| is_late(now, self.used_at, limit)) {
            tracing::info!(model = %self.options.name, "unloaded, nobody used it");
            self.end_child(GRACE);
        }
    }

    /// A child that waits for its reader does not hang; the reader has as much time as the child.
    fn give_up_on_callers(&mut self, now: Instant) {
        let limit = self.options.deadlines.answer;
        for running in self.running.values_mut() {
            if is_late(now, running.progress_at, limit) && !running.cancelled && running.mailbox.is_full() {
                running.mailbox.end(Err(ModelError::Bug("the answer was not read".into())));
                running.mailbox.abandon();
                running.progress_at = now;
            }
        }
        self.look_at_callers();
    }

    fn is_silent(&self, now: Instant) -> bool {
        let deadlines = self.options.deadlines;
        let Some(link) = &self.link else { return false };
        match link.phase {
            Phase::Hello => is_late(now, link.progress_at, deadlines.hello),
            Phase::Loading => is_late(now, link.progress_at, deadlines.load),
            Phase::Ready { .. } => {
                let mut questions = self.questions.values().filter_map(|question| question.sent_at);
                self.running.values().any(|running| is_late(now, running.progress_at, deadlines.answer))
                    || questions.any(|at| is_late(now, at, deadlines.answer))
            }
        }
    }

    /// When to look around, if nothing happens before.
    pub(super) fn wake_at(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(link) = &self.link {
            let idle = self.options.idle_unload.map(|limit| self.used_at + limit).filter(|at| *at > now);
            let tick = link.next_beat().min(now + TICK_MAX);
            return Some(idle.map_or(tick, |at| at.min(tick)));
        }
        match self.breaker.verdict(now) {
            _ if !self.is_wanted() => None,
            Verdict::Wait(at) => Some(at),
            Verdict::Start | Verdict::Refuse { .. } => Some(now),
        }
    }
}
