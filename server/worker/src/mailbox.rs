//! The reader's end of one answer: events wait here until the caller polls.
//!
//! A slow caller costs no memory beyond the answer itself: events of one kind melt together while they wait.
//! Refuses: answers longer than any real one, and events after the end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use model::{ChatEvent, Finished, ModelError};

/// Bytes of text that may wait for the caller.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Default)]
struct State {
    events: VecDeque<ChatEvent>,
    text_bytes: usize,
    end: Option<Result<Finished, ModelError>>,
    ended: bool,
    waker: Option<Waker>,
}

/// Events on their way to the caller.
#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    abandoned: AtomicBool,
}

impl Mailbox {
    /// Adds an event; `false` when the caller left too much unread.
    pub(crate) fn push(&self, event: ChatEvent) -> bool {
        let mut state = self.lock();
        if state.ended {
            return true;
        }
        if let ChatEvent::Text(piece) = &event {
            state.text_bytes += piece.len();
            if state.text_bytes > TEXT_BYTES_MAX {
                return false;
            }
        }
        let State { events, .. } = &mut *state;
        match (events.back_mut(), event) {
            (Some(ChatEvent::Text(text)), ChatEvent::Text(piece)) => text.push_str(&piece),
            (Some(last @ ChatEvent::Queued { .. }), event @ ChatEvent::Queued { .. })
            | (Some(last @ ChatEvent::Loading { .. }), event @ ChatEvent::Loading { .. })
            | (Some(last @ ChatEvent::Prompt { .. }), event @ ChatEvent::Prompt { .. }) => *last = event,
            (_, event) => events.push_back(event),
        }
        wake(state);
        true
    }

    /// Ends the answer. Only the first end counts.
    pub(crate) fn end(&self, end: Result<Finished, ModelError>) {
        let mut state = self.lock();
        if !state.ended {
            state.ended = true;
            state.end = Some(end);
        }
        wake(state);
    }

    /// The next item for the caller.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<ChatEvent, ModelError>>> {
        let mut state = self.lock();
        if let Some(event) = state.events.pop_front() {
            if let ChatEvent::Text(piece) = &event {
                state.text_bytes = state.text_bytes.saturating_sub(piece.len());
            }
            return Poll::Ready(Some(Ok(event)));
        }
        if state.ended {
            return Poll::Ready(state.end.take().map(|end| end.map(ChatEvent::Finished)));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether the end was reached, seen by the caller or not.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// The caller is gone.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Whether the caller is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the caller after the lock is given back.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(mailbox: &Mailbox) -> Vec<Result<ChatEvent, ModelError>> {
        let mut context = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match mailbox.poll(&mut context) {
            Poll::Ready(item) => item,
            Poll::Pending => None,
        })
        .collect()
    }

    #[test]
    fn a_slow_caller_sees_less_events_but_the_same_text() {
        let mailbox = Mailbox::default();
        for position in [3, 2, 1] {
            assert!(mailbox.push(ChatEvent::Queued { position }));
        }
        for _ in 0..100_000 {
            assert!(mailbox.push(ChatEvent::Text("ab".into())));
        }
        mailbox.end(Err(ModelError::Busy));
        mailbox.end(Err(ModelError::Cancelled));
        mailbox.push(ChatEvent::Text("late".into()));
        let expected = [
            Ok(ChatEvent::Queued { position: 1 }),
            Ok(ChatEvent::Text("ab".repeat(100_000))),
            Err(ModelError::Busy),
        ];
        assert_eq!(drain(&mailbox), expected);
        assert_eq!(drain(&mailbox), [], "nothing follows the end");
    }

    #[test]
    fn unread_text_is_bounded() {
        let mailbox = Mailbox::default();
        let piece = "x".repeat(TEXT_BYTES_MAX / 2);
        assert!(mailbox.push(ChatEvent::Text(piece.clone())));
        assert!(mailbox.push(ChatEvent::Text(piece.clone())));
        assert!(!mailbox.push(ChatEvent::Text(piece)));
    }
}
