//! Runs the backend: loads, does what is asked, and sends what happens.
//!
//! Refuses: to send more than the reader at the other end takes, and to go on after the backend panicked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use model::ModelError;

use super::{Asked, Flow, Flows, Job, spawn};
use crate::WorkerError;
use crate::backend::{CancelFlag, Runs};
use crate::outbox::Outbox;
use crate::protocol::{ChildMessage, RequestId};
use crate::work::{Answerer, Work};

/// Time between two signs of a load whose share does not grow: far within the deadline of the parent.
const LOAD_SIGN_EVERY: Duration = Duration::from_secs(1);

/// What runs the backend.
pub(super) struct Engine<'a, W: Work> {
    pub(super) outbox: &'a Arc<Outbox>,
    pub(super) flows: &'a Flows,
    pub(super) stop: &'a CancelFlag,
    /// Questions, until there is somebody to answer them.
    pub(super) asked: Option<Receiver<Asked<W>>>,
}

impl<W: Work> Engine<'_, W> {
    /// Runs until the parent is gone.
    pub(super) fn run(
        mut self,
        backend: &mut (impl Runs<W> + ?Sized),
        jobs: &Receiver<Job<W>>,
    ) -> Result<(), WorkerError> {
        // The channel ends with the reader, and the reader with the pipe.
        while let Ok(job) = jobs.recv() {
            if self.stop.is_set() {
                break;
            }
            match job {
                Job::Load => self.load(backend)?,
                Job::Work { id, request, flow } => self.work(backend, id, &request, &flow)?,
            }
        }
        Ok(())
    }

    fn load(&mut self, backend: &mut (impl Runs<W> + ?Sized)) -> Result<(), WorkerError> {
        let outbox = self.outbox;
        let mut signs = LoadSigns::default();
        let mut progress = |fraction: f32| {
            if signs.is_due(fraction, Instant::now())
                && outbox.push_control(&ChildMessage::<W>::Loading { fraction }).is_err()
            {
                tracing::warn!("a control message was too long");
            }
        };
        let stop = self.stop;
        let ready = catch_unwind(AssertUnwindSafe(|| backend.load(&mut progress, stop)))
            .map_err(|_| WorkerError::Panicked)?;
        match ready {
            Ok(ready) => {
                if let Some(answer) = ready.answer
                    && let Some(asked) = self.asked.take()
                {
                    let outbox = self.outbox.clone();
                    spawn("answerer", move || answer_all(&asked, &answer, &outbox))?;
                }
                self.send(&ChildMessage::Loaded { info: ready.info, slots: ready.slots })
            }
            Err(error) => self.send(&ChildMessage::LoadFailed { error }),
        }
    }

    fn work(
        &self,
        backend: &mut (impl Runs<W> + ?Sized),
        id: RequestId,
        request: &W::Request,
        flow: &Flow,
    ) -> Result<(), WorkerError> {
        let mut emit = |event: W::Event| {
            // What is cancelled may still have something to say, but nobody to hear it.
            if flow.pay(W::cost_bytes(&event)) && self.send(&ChildMessage::Event { id, event }).is_err() {
                flow.cancel();
            }
        };
        let cancel = flow.cancel_flag();
        let end = if cancel.is_set() {
            Ok(Err(ModelError::Cancelled))
        } else {
            catch_unwind(AssertUnwindSafe(|| backend.run(request, &mut emit, cancel)))
        };
        self.flows.close(id);
        match end {
            // Its last events may be among those that were not sent.
            Ok(Ok(_)) if cancel.is_set() => self.send(&ChildMessage::Failed { id, error: ModelError::Cancelled }),
            Ok(Ok(end)) => self.send(&ChildMessage::Event { id, event: W::finished(end) }),
            Ok(Err(error)) => self.send(&ChildMessage::Failed { id, error }),
            Err(_) => {
                let error = ModelError::Bug("the backend panicked; see the log".into());
                self.send(&ChildMessage::Failed { id, error })?;
                Err(WorkerError::Panicked)
            }
        }
    }

    fn send(&self, message: &ChildMessage<W>) -> Result<(), WorkerError> {
        self.outbox.push_data(message)
    }
}

fn answer_all<W: Work>(asked: &Receiver<Asked<W>>, answer: &Answerer<W>, outbox: &Outbox) {
    while let Ok(Asked { id, question }) = asked.recv() {
        let message = match answer(&question) {
            Ok(answer) => ChildMessage::<W>::Answered { id, answer },
            Err(error) => ChildMessage::Failed { id, error },
        };
        if outbox.push_data(&message).is_err() {
            break;
        }
    }
}

/// Which of a backend's many signs of progress are told to the parent.
#[derive(Default)]
struct LoadSigns {
    told: Option<(f32, Instant)>,
}

impl LoadSigns {
    /// A percent at a time is enough to look at. The same share again is told from time to time: it says that a slow
    /// load still advances.
    fn is_due(&mut self, fraction: f32, now: Instant) -> bool {
        let due = self.told.is_none_or(|(told, at)| {
            fraction - told >= 0.01
                || (fraction >= 1.0 && told < 1.0)
                || now.saturating_duration_since(at) >= LOAD_SIGN_EVERY
        });
        if due {
            self.told = Some((fraction, now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_advances_is_told_however_slow_it_is() {
        let start = Instant::now();
        let mut signs = LoadSigns::default();
        let cases = [
            (0.0, 0, true),
            (0.001, 10, false),
            (0.02, 20, true),
            (0.02, 1019, false),
            (0.02, 1020, true),
            (0.021, 2020, true),
            (1.0, 2021, true),
            (1.0, 2022, false),
        ];
        for (fraction, ms, expected) in cases {
            let due = signs.is_due(fraction, start + Duration::from_millis(ms));
            assert_eq!(due, expected, "{fraction} after {ms} ms");
        }
    }
}
