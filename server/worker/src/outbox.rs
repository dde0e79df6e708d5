//! The queue before a pipe: control messages go first, long data messages frame by frame.
//!
//! Refuses: unbounded waiting lists. Senders of data wait or are turned away; too many waiting control messages mean
//! that the other end stopped reading, and close the outbox.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::{WorkerError, frame};

/// Data messages that may wait.
const DATA_MESSAGES_MAX: usize = 256;
/// Bytes of waiting data messages after which a sender that can wait does so.
const DATA_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Control messages that may wait.
const CONTROL_MESSAGES_MAX: usize = 1024;

#[derive(Default)]
struct State {
    control: VecDeque<Vec<u8>>,
    data: VecDeque<Vec<u8>>,
    /// Bytes of all of `data`.
    data_bytes: usize,
    /// Bytes of the first data message already taken.
    offset: usize,
    /// No more messages are accepted; those waiting are still sent.
    finishing: bool,
    /// Nothing is sent any more.
    closed: bool,
}

/// Messages on their way out.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

impl Outbox {
    /// Sends `message` before all data.
    pub(crate) fn push_control(&self, message: &impl Serialize) -> Result<(), WorkerError> {
        let frame = frame::control(message)?;
        let mut state = self.lock();
        if state.control.len() >= CONTROL_MESSAGES_MAX {
            state.closed = true;
        }
        if !state.closed && !state.finishing {
            state.control.push_back(frame);
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Sends `message` after all data before it; waits while too many wait.
    pub(crate) fn push_data(&self, message: &impl Serialize) -> Result<(), WorkerError> {
        let bytes = frame::to_bytes(message)?;
        let mut state = self.lock();
        while state.is_full() && !state.closed && !state.finishing {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closed && !state.finishing {
            state.push_data(bytes);
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Sends `message` after all data before it; `false` when too many wait.
    pub(crate) fn try_push_data(&self, message: &impl Serialize) -> Result<bool, WorkerError> {
        let bytes = frame::to_bytes(message)?;
        let mut state = self.lock();
        if state.data.len() >= DATA_MESSAGES_MAX {
            return Ok(false);
        }
        state.push_data(bytes);
        self.changed.notify_all();
        Ok(true)
    }

    /// Accepts nothing more; what waits is still sent.
    pub(crate) fn finish(&self) {
        self.lock().finishing = true;
        self.changed.notify_all();
    }

    /// Drops what waits and accepts nothing more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.control.clear();
        state.data.clear();
        state.data_bytes = 0;
        self.changed.notify_all();
    }

    /// Writes what is pushed to `output` until the outbox is finished or closed, or the pipe breaks.
    pub(crate) fn write_to(&self, mut output: impl Write) {
        while let Some(frame) = self.next_frame() {
            if output.write_all(&frame).is_err() {
                self.close();
            }
        }
    }

    fn next_frame(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(frame) = state.control.pop_front() {
                return Some(frame);
            }
            let offset = state.offset;
            if let Some((frame, next)) = state.data.front().map(|message| frame::data(message, offset)) {
                state.offset = next.unwrap_or_default();
                if next.is_none() {
                    let sent = state.data.pop_front();
                    state.data_bytes -= sent.map_or(0, |message| message.len());
                    self.changed.notify_all();
                }
                return Some(frame);
            }
            if state.finishing {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.data.len() >= DATA_MESSAGES_MAX || self.data_bytes >= DATA_BYTES_MAX
    }

    fn push_data(&mut self, message: Vec<u8>) {
        self.data_bytes += message.len();
        self.data.push_back(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameReader, PAYLOAD_BYTES_MAX};

    #[test]
    fn control_goes_first_even_inside_a_long_message() {
        let outbox = Outbox::default();
        let long = "x".repeat(2 * PAYLOAD_BYTES_MAX);
        outbox.push_data(&long).unwrap();
        let mut wire = outbox.next_frame().unwrap();
        outbox.push_control(&"cancel").unwrap();
        outbox.finish();
        outbox.push_data(&"too late").unwrap();
        outbox.write_to(&mut wire);

        let mut reader = FrameReader::new(wire.as_slice());
        let mut seen: Vec<String> = Vec::new();
        while let Some(message) = reader.next().unwrap() {
            seen.push(message);
        }
        assert_eq!(seen, ["cancel".to_owned(), long]);
    }

    #[test]
    fn waiting_messages_are_bounded() {
        let outbox = Outbox::default();
        for _ in 0..DATA_MESSAGES_MAX {
            assert!(outbox.try_push_data(&1).unwrap());
        }
        assert!(!outbox.try_push_data(&1).unwrap());
        for _ in 0..=CONTROL_MESSAGES_MAX {
            outbox.push_control(&1).unwrap();
        }
        assert!(outbox.next_frame().is_none(), "an end that never reads must close the outbox");
    }

    #[test]
    fn senders_wait_while_much_waits() {
        let outbox = Outbox::default();
        // Even the longest message goes when nothing else waits.
        outbox.push_data(&"x".repeat(2 * DATA_BYTES_MAX)).unwrap();
        assert!(outbox.lock().is_full());
        let mut frames = 0;
        while outbox.lock().is_full() {
            outbox.next_frame().unwrap();
            frames += 1;
        }
        assert!(frames * PAYLOAD_BYTES_MAX > 2 * DATA_BYTES_MAX);
        assert_eq!(outbox.lock().data_bytes, 0);
    }
}
