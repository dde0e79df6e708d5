//! Reads what the parent says, and answers heartbeats. Refuses: to wait for the engine.

use std::io::BufReader;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use model::ModelError;

use super::{Asked, Flows, Job};
use crate::WorkerError;
use crate::backend::CancelFlag;
use crate::frame::FrameReader;
use crate::outbox::Outbox;
use crate::process::Channel;
use crate::protocol::{ChildMessage, ParentMessage, RequestId};
use crate::work::Work;

/// The reading thread of a child.
pub(super) struct Reader<W: Work> {
    pub(super) build_id: String,
    pub(super) jobs: SyncSender<Job<W>>,
    pub(super) questions: SyncSender<Asked<W>>,
    pub(super) flows: Arc<Flows>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) stop: CancelFlag,
}

impl<W: Work> Reader<W> {
    /// Reads until the parent is gone, then stops everything.
    pub(super) fn run(self, channel: Channel) -> Result<(), WorkerError> {
        let result = self.read(channel);
        self.stop.set();
        self.flows.cancel_all();
        self.outbox.finish();
        result
    }

    fn read(&self, channel: Channel) -> Result<(), WorkerError> {
        let mut reader = FrameReader::new(BufReader::new(channel));
        match reader.next::<ParentMessage<W>>()? {
            Some(ParentMessage::Hello { build_id, .. }) if build_id != self.build_id => {
                return Err(WorkerError::OtherBuild);
            }
            Some(ParentMessage::Hello { work, .. }) if work != W::NAME => {
                return Err(WorkerError::OtherWork { done: W::NAME.to_owned(), asked: work });
            }
            Some(ParentMessage::Hello { .. }) => {}
            Some(_) => return Err(WorkerError::Protocol("something before its hello")),
            None => return Ok(()),
        }
        loop {
            match reader.next() {
                Ok(Some(ParentMessage::Shutdown)) | Ok(None) | Err(WorkerError::System { .. }) => return Ok(()),
                Ok(Some(message)) => self.hear(message)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn hear(&self, message: ParentMessage<W>) -> Result<(), WorkerError> {
        match message {
            ParentMessage::Ping { n } => self.outbox.push_control(&ChildMessage::<W>::Pong { n })?,
            ParentMessage::Cancel { id } => self.flows.cancel(id),
            ParentMessage::Read { id, bytes } => self.flows.was_read(id, bytes),
            ParentMessage::Load => drop(self.jobs.try_send(Job::Load)),
            ParentMessage::Work { id, request } => {
                let flow = self.flows.open(id, W::UNREAD_BYTES_MAX);
                if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Work { id, request, flow }) {
                    self.flows.close(id);
                    self.refuse(id)?;
                }
            }
            ParentMessage::Question { id, question } => {
                if let Err(TrySendError::Full(_)) = self.questions.try_send(Asked { id, question }) {
                    self.refuse(id)?;
                }
            }
            ParentMessage::Hello { .. } | ParentMessage::Shutdown => {}
        }
        Ok(())
    }

    fn refuse(&self, id: RequestId) -> Result<(), WorkerError> {
        self.outbox.push_control(&ChildMessage::<W>::Failed { id, error: ModelError::Busy })
    }
}
