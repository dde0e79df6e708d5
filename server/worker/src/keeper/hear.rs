//! What the keeper does about each message of its child.
//!
//! Refuses: a child of another build; messages about requests that are gone are ignored.

use std::time::Instant;

use model::{ChatEvent, Finished, ModelError, ModelInfo};

use super::Keeper;
use super::link::Phase;
use crate::protocol::{ChildMessage, ParentMessage, RequestId};
use crate::supervisor::Grace;
use crate::{WorkerError, speeds};

impl Keeper {
    pub(super) fn hear(&mut self, message: ChildMessage) {
        let now = Instant::now();
        match message {
            ChildMessage::Hello { build_id, .. } => self.hear_hello(&build_id),
            ChildMessage::Loading { fraction } => {
                if let Some(link) = &mut self.link {
                    link.progress_at = now;
                    link.fraction = fraction;
                }
                self.lock_info().loading = Some(fraction);
                self.tell_loading(fraction);
            }
            ChildMessage::Loaded { info, slots } => self.hear_loaded(info, slots),
            ChildMessage::LoadFailed { error } => {
                self.end_child(super::GRACE);
                self.fail_waiting(&error);
            }
            ChildMessage::Event { id, event: ChatEvent::Finished(finished) } => self.hear_finished(id, finished),
            ChildMessage::Event { id, event } => {
                if let Some(running) = self.running.get_mut(&id) {
                    running.progress_at = now;
                    if !running.mailbox.push(event) {
                        running.mailbox.end(Err(ModelError::Bug("the answer was not read".into())));
                        running.mailbox.abandon();
                    }
                }
            }
            ChildMessage::Failed { id, error } => {
                if let Some(running) = self.running.remove(&id) {
                    running.mailbox.end(Err(error));
                } else if let Some(count) = self.counts.remove(&id) {
                    let _ = count.reply.send(Err(error));
                }
            }
            ChildMessage::Counted { id, counts } => {
                if let Some(count) = self.counts.remove(&id) {
                    let _ = count.reply.send(Ok(counts));
                }
            }
            ChildMessage::Pong { n } => {
                if let Some(link) = &mut self.link {
                    link.heard_pong(n);
                }
            }
        }
    }

    fn hear_hello(&mut self, build_id: &str) {
        let Some(link) = &mut self.link else { return };
        if build_id == self.options.build_id {
            link.phase = Phase::Loading;
            link.progress_at = Instant::now();
            link.send(&ParentMessage::Load);
        } else {
            self.end_child(Grace::NONE);
            let why = WorkerError::OtherBuild.to_string();
            self.fail_waiting(&ModelError::Unavailable(why));
        }
    }

    fn hear_loaded(&mut self, loaded: ModelInfo, slots: u32) {
        self.used_at = Instant::now();
        if let Some(link) = &mut self.link {
            link.phase = Phase::Ready { slots: slots.max(1) };
        }
        let info = {
            let mut info = self.lock_info();
            info.context_tokens = loaded.context_tokens;
            // What real answers measured is better than the probe of a new load.
            info.prompt_tokens_per_s = info.prompt_tokens_per_s.or(loaded.prompt_tokens_per_s);
            info.answer_tokens_per_s = info.answer_tokens_per_s.or(loaded.answer_tokens_per_s);
            info.loaded = true;
            info.loading = None;
            info.clone()
        };
        for reply in self.loads.drain(..) {
            let _ = reply.send(Ok(info.clone()));
        }
    }

    fn hear_finished(&mut self, id: RequestId, mut finished: Finished) {
        self.used_at = Instant::now();
        let Some(running) = self.running.remove(&id) else { return };
        speeds::learn(&mut self.lock_info(), &finished);
        finished.timings.queue_ms += running.waited.as_secs_f64() * 1000.0;
        running.mailbox.end(Ok(finished));
    }

    pub(super) fn tell_loading(&self, fraction: f32) {
        for waiting in self.queue.iter() {
            waiting.mailbox.push(ChatEvent::Loading { fraction });
        }
    }
}
