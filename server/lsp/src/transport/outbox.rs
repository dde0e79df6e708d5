//! What waits to be written to one client: answers, notifications and our own requests, in one order, within a bound.
//!
//! Refuses: growing with a client that does not read. Progress of one token takes one place; when still too much
//! waits, this session overflows and ends, and no other one notices.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::Response;

/// Bytes that may wait for one client. A single message may be larger, but nothing may wait behind it then.
pub(super) const OUTBOX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest message of an error, in characters: part of it may be the client's own words, which can be any length.
const ERROR_CHARS_MAX: usize = 2_000;

/// Messages are written together up to about this many bytes.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// The queue, shared by everybody who has something to say to the client.
#[derive(Clone, Default)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
    overflow: CancellationToken,
    next_id: AtomicI64,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Waiting>,
    bytes: usize,
    closed: bool,
}

struct Waiting {
    frame: Vec<u8>,
    /// The progress token of a report that a later report of the same token replaces.
    report_of: Option<String>,
}

impl Outbox {
    /// Queues the answer to a request of the client.
    pub(super) fn respond(&self, response: Response) {
        self.push(&bounded(response), None);
    }

    /// Queues a notification.
    pub(crate) fn notify(&self, method: &str, params: impl Serialize) {
        self.push(&json!({ "jsonrpc": "2.0", "method": method, "params": value(params) }), None);
    }

    /// Queues a progress report, in the place of an earlier one of the same `token` that still waits.
    pub(crate) fn report(&self, token: &str, method: &str, params: impl Serialize) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": value(params) });
        self.push(&message, Some(token.to_owned()));
    }

    /// Queues a request of ours and returns its id; the answer arrives at [`super::Backend::answered`].
    pub(crate) fn request(&self, method: &str, params: impl Serialize) -> i64 {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        self.push(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": value(params) }), None);
        id
    }

    /// Takes what can be written in one go; waits when nothing is queued. `None` once closed and empty.
    pub(super) async fn next(&self) -> Option<Vec<u8>> {
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut queue = self.lock();
                if !queue.messages.is_empty() {
                    return Some(queue.take());
                }
                if queue.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.shared.changed.notify_one();
    }

    /// Completes when too much waited.
    pub(super) async fn overflowed(&self) {
        self.shared.overflow.cancelled().await;
    }

    fn push(&self, message: &impl Serialize, report_of: Option<String>) {
        let Ok(body) = serde_json::to_vec(message) else {
            tracing::error!("a message could not be written as JSON");
            return;
        };
        let mut frame = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        frame.extend_from_slice(&body);
        let mut queue = self.lock();
        if queue.closed {
            return;
        }
        if !queue.push(Waiting { frame, report_of }) {
            queue.closed = true;
            queue.messages.clear();
            self.shared.overflow.cancel();
        }
        drop(queue);
        self.shared.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Whether there was room.
    fn push(&mut self, new: Waiting) -> bool {
        let same = |old: &&mut Waiting| old.report_of.is_some() && old.report_of == new.report_of;
        if let Some(old) = self.messages.iter_mut().find(same) {
            self.bytes = self.bytes - old.frame.len() + new.frame.len();
            *old = new;
            return true;
        }
        if !self.messages.is_empty() && self.bytes + new.frame.len() > OUTBOX_BYTES_MAX {
            return false;
        }
        self.bytes += new.frame.len();
        self.messages.push_back(new);
        true
    }

    fn take(&mut self) -> Vec<u8> {
        let mut together = Vec::new();
        while let Some(first) = self.messages.front() {
            if !together.is_empty() && together.len() + first.frame.len() > WRITE_BYTES_MAX {
                break;
            }
            self.bytes -= first.frame.len();
            together.extend(self.messages.pop_front().into_iter().flat_map(|message| message.frame));
        }
        together
    }
}

/// An error says no more of what the client sent than a person can read.
fn bounded(response: Response) -> Response {
    let (id, body) = response.into_parts();
    let body = body.map_err(|mut error| {
        if let Some((end, _)) = error.message.char_indices().nth(ERROR_CHARS_MAX) {
            error.message = format!("{}…", &error.message[..end]).into();
        }
        error.data.take_if(|data| data.as_str().is_some_and(|text| text.len() > ERROR_CHARS_MAX));
        error
    });
    Response::from_parts(id, body)
}

fn value(params: impl Serialize) -> Value {
    serde_json::to_value(params).unwrap_or_default()
}
