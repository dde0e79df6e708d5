//! What the keeper does about each message of its child.
//!
//! Refuses: a child of another build or of another kind of work, and events that may not follow those before them.
//! Messages about requests that are gone are ignored.

use std::time::Instant;

use model::ModelError;

use super::Keeper;
use super::link::Phase;
use crate::WorkerError;
use crate::protocol::{ChildMessage, ParentMessage, RequestId};
use crate::supervisor::Grace;
use crate::work::Work;

impl<W: Work> Keeper<W> {
    pub(super) fn hear(&mut self, message: ChildMessage<W>) {
        match message {
            ChildMessage::Hello { build_id, work, .. } => self.hear_hello(&build_id, work),
            ChildMessage::Loading { fraction } => {
                if let Some(link) = &mut self.link {
                    link.progress_at = Instant::now();
                    link.fraction = fraction;
                }
                W::note_state(&mut self.lock_info(), false, Some(fraction));
                self.tell_loading(fraction);
            }
            ChildMessage::Loaded { info, slots } => self.hear_loaded(info, slots),
            ChildMessage::LoadFailed { error } => {
                self.end_child(super::GRACE);
                self.fail_waiting(&error);
            }
            ChildMessage::Event { id, event } => {
                if let Err(what) = self.hear_event(id, event) {
                    self.crashed(Some(format!("it sent {what}")));
                }
            }
            ChildMessage::Failed { id, error } => {
                if let Some(running) = self.running.remove(&id) {
                    running.mailbox.end(Err(error));
                } else if let Some(question) = self.questions.remove(&id) {
                    let _ = question.reply.send(Err(error));
                }
            }
            ChildMessage::Answered { id, answer } => {
                if let Some(question) = self.questions.remove(&id) {
                    let _ = question.reply.send(Ok(answer));
                }
            }
            ChildMessage::Pong { n } => {
                if let Some(link) = &mut self.link {
                    link.heard_pong(n);
                }
            }
        }
    }

    fn hear_hello(&mut self, build_id: &str, work: String) {
        let Some(link) = &mut self.link else { return };
        let why = if build_id != self.options.build_id {
            WorkerError::OtherBuild
        } else if work != W::NAME {
            WorkerError::OtherWork { done: work, asked: W::NAME.to_owned() }
        } else {
            link.phase = Phase::Loading;
            link.progress_at = Instant::now();
            link.send(&ParentMessage::Load);
            return;
        };
        self.end_child(Grace::NONE);
        self.fail_waiting(&ModelError::Unavailable(why.to_string()));
    }

    fn hear_loaded(&mut self, loaded: W::Info, slots: u32) {
        self.used_at = Instant::now();
        if let Some(link) = &mut self.link {
            link.phase = Phase::Ready { slots: slots.max(1) };
        }
        let info = {
            let mut info = self.lock_info();
            W::adopt(&mut info, loaded);
            W::note_state(&mut info, true, None);
            info.clone()
        };
        for reply in self.loads.drain(..) {
            let _ = reply.send(Ok(info.clone()));
        }
    }

    /// Passes an event on, or says what is wrong with it.
    fn hear_event(&mut self, id: RequestId, event: W::Event) -> Result<(), &'static str> {
        let Some(running) = self.running.get_mut(&id) else { return Ok(()) };
        running.progress_at = Instant::now();
        W::check(&mut running.check, &event)?;
        match W::end_of(event) {
            Ok(end) => self.hear_end(id, end),
            // Nobody reads it, and the child was told to stop.
            Err(_) if running.mailbox.is_abandoned() => {}
            Err(event) => {
                if !running.mailbox.push(event) {
                    return Err("more than was read");
                }
                // Steps that melt are as good as read.
                if let Some(bytes) = running.mailbox.take_read_bytes()
                    && let Some(link) = &self.link
                {
                    link.send_control(&ParentMessage::Read { id, bytes });
                }
            }
        }
        Ok(())
    }

    fn hear_end(&mut self, id: RequestId, mut end: W::End) {
        self.used_at = Instant::now();
        let Some(running) = self.running.remove(&id) else { return };
        W::learn(&mut self.lock_info(), &end);
        *W::queue_ms(&mut end) += running.waited.as_secs_f64() * 1000.0;
        running.mailbox.end(Ok(end));
    }

    pub(super) fn tell_loading(&self, fraction: f32) {
        for waiting in self.queue.iter() {
            waiting.mailbox.tell(W::loading(fraction));
        }
    }
}
