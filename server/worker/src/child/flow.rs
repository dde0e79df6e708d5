//! How far each request of a child may go: whether it was cancelled, and how much more its reader takes.
//!
//! Refuses: to forget a cancel that comes before its request, within a bound.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::backend::CancelFlag;
use crate::protocol::RequestId;

/// Cancels remembered for requests that have not arrived yet.
const EARLY_CANCELS_MAX: usize = 1024;

/// How far one request may go.
pub(super) struct Flow {
    cancel: CancelFlag,
    /// Bytes that may be sent now.
    left_bytes: Mutex<usize>,
    changed: Condvar,
}

impl Flow {
    fn new(left_bytes: usize) -> Self {
        Self { cancel: CancelFlag::default(), left_bytes: Mutex::new(left_bytes), changed: Condvar::new() }
    }

    /// The flag that the backend looks at.
    pub(super) fn cancel_flag(&self) -> &CancelFlag {
        &self.cancel
    }

    /// Cancels the request, also one that waits for its reader.
    pub(super) fn cancel(&self) {
        let _left = self.lock();
        self.cancel.set();
        self.changed.notify_all();
    }

    /// Waits until `bytes` may be sent; `false` when the request was cancelled.
    pub(super) fn pay(&self, bytes: usize) -> bool {
        let left = self.lock();
        let mut left = self
            .changed
            .wait_while(left, |left| *left < bytes && !self.cancel.is_set())
            .unwrap_or_else(PoisonError::into_inner);
        if self.cancel.is_set() {
            return false;
        }
        *left -= bytes;
        true
    }

    /// The reader took `bytes`.
    fn was_read(&self, bytes: usize) {
        let mut left = self.lock();
        *left = left.saturating_add(bytes);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.left_bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    flows: HashMap<RequestId, Arc<Flow>>,
    early: VecDeque<RequestId>,
}

/// The flows of all requests that arrived and did not end.
#[derive(Default)]
pub(super) struct Flows(Mutex<State>);

impl Flows {
    /// The flow of a request that arrives now.
    pub(super) fn open(&self, id: RequestId, left_bytes: usize) -> Arc<Flow> {
        let flow = Arc::new(Flow::new(left_bytes));
        let mut state = self.lock();
        if state.early.contains(&id) {
            flow.cancel();
        }
        state.flows.insert(id, Arc::clone(&flow));
        flow
    }

    /// The request ended.
    pub(super) fn close(&self, id: RequestId) {
        self.lock().flows.remove(&id);
    }

    /// Cancels a request, or remembers its number when it is still on its way.
    pub(super) fn cancel(&self, id: RequestId) {
        let mut state = self.lock();
        if let Some(flow) = state.flows.get(&id) {
            return flow.cancel();
        }
        if state.early.len() == EARLY_CANCELS_MAX {
            state.early.pop_front();
        }
        state.early.push_back(id);
    }

    /// Cancels all requests.
    pub(super) fn cancel_all(&self) {
        for flow in self.lock().flows.values() {
            flow.cancel();
        }
    }

    /// The reader of a request took `bytes`.
    pub(super) fn was_read(&self, id: RequestId, bytes: usize) {
        if let Some(flow) = self.lock().flows.get(&id) {
            flow.was_read(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_may_come_before_its_request() {
        let flows = Flows::default();
        flows.cancel(1);
        assert!(flows.open(1, 10).cancel_flag().is_set());
        let late = flows.open(2, 10);
        assert!(late.pay(10));
        flows.cancel(2);
        assert!(late.cancel_flag().is_set() && !late.pay(0));
    }

    #[test]
    fn who_waits_for_its_reader_goes_on_when_it_reads_or_leaves() {
        let flows = Flows::default();
        let flow = flows.open(1, 10);
        assert!(flow.pay(7));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| flow.pay(7));
            flows.was_read(1, 3);
            flows.was_read(1, 1);
            assert!(waiting.join().unwrap());
            let waiting = scope.spawn(|| flow.pay(1));
            flows.cancel_all();
            assert!(!waiting.join().unwrap());
        });
        flows.close(1);
        flows.was_read(1, 1);
    }
}
