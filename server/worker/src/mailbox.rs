//! The reader's end of one request: events wait here until the caller polls.
//!
//! A slow caller costs no memory beyond a bound: events of one kind melt together while they wait, and the child sends
//! no more than its caller took. Refuses: children that send more than that, and events after the end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use model::ModelError;

use crate::work::Work;

/// Parts of what may be unread after which the child is told what was read. One message for many small events.
const TOLD_PARTS: usize = 4;

/// What the caller gets; `None` after the end.
type Item<W> = Option<Result<<W as Work>::Event, ModelError>>;

/// An event that was not read yet.
struct Unread<W: Work> {
    event: W::Event,
    /// What the child paid for it; 0 for events of our own.
    cost_bytes: usize,
}

struct State<W: Work> {
    events: VecDeque<Unread<W>>,
    /// What the child paid for these events.
    unread_bytes: usize,
    /// What it paid for events that are read or melted, and was not told yet.
    read_bytes: usize,
    end: Option<Result<W::End, ModelError>>,
    ended: bool,
    waker: Option<Waker>,
}

/// Events on their way to the caller.
pub(crate) struct Mailbox<W: Work> {
    state: Mutex<State<W>>,
    abandoned: AtomicBool,
}

impl<W: Work> Default for Mailbox<W> {
    fn default() -> Self {
        let state = State {
            events: VecDeque::new(),
            unread_bytes: 0,
            read_bytes: 0,
            end: None,
            ended: false,
            waker: None,
        };
        Self { state: Mutex::new(state), abandoned: AtomicBool::new(false) }
    }
}

impl<W: Work> Mailbox<W> {
    /// Adds an event of the child; `false` when it sent more than it may.
    pub(crate) fn push(&self, event: W::Event) -> bool {
        let cost_bytes = W::cost_bytes(&event);
        let mut state = self.lock();
        if state.ended {
            return true;
        }
        state.unread_bytes += cost_bytes;
        if state.unread_bytes + state.read_bytes > W::UNREAD_BYTES_MAX {
            return false;
        }
        state.add(event, cost_bytes);
        wake(state);
        true
    }

    /// Adds an event of our own.
    pub(crate) fn tell(&self, event: W::Event) {
        let mut state = self.lock();
        if !state.ended {
            state.add(event, 0);
            wake(state);
        }
    }

    /// Ends the request. Only the first end counts.
    pub(crate) fn end(&self, end: Result<W::End, ModelError>) {
        let mut state = self.lock();
        if !state.ended {
            state.ended = true;
            state.end = Some(end);
        }
        wake(state);
    }

    /// The next item for the caller, and whether the keeper should look what was read.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> (Poll<Item<W>>, bool) {
        let mut state = self.lock();
        if let Some(Unread { event, cost_bytes }) = state.events.pop_front() {
            state.unread_bytes -= cost_bytes;
            state.read_bytes += cost_bytes;
            return (Poll::Ready(Some(Ok(event))), state.is_due());
        }
        if state.ended {
            return (Poll::Ready(state.end.take().map(|end| end.map(W::finished))), false);
        }
        state.waker = Some(context.waker().clone());
        (Poll::Pending, false)
    }

    /// What was read and the child should be told, once that is enough for a message.
    pub(crate) fn take_read_bytes(&self) -> Option<usize> {
        let mut state = self.lock();
        let due = state.is_due();
        due.then(|| std::mem::take(&mut state.read_bytes))
    }

    /// Whether the child may be waiting for the caller.
    pub(crate) fn is_full(&self) -> bool {
        // A child waits when an event of at most half the bound does not fit beside this and what it was not told.
        self.lock().unread_bytes > W::UNREAD_BYTES_MAX / TOLD_PARTS
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

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Work> State<W> {
    fn add(&mut self, event: W::Event, cost_bytes: usize) {
        let Some(last) = self.events.back_mut() else {
            return self.events.push_back(Unread { event, cost_bytes });
        };
        match W::melt(&mut last.event, event) {
            Some(event) => self.events.push_back(Unread { event, cost_bytes }),
            None => {
                // What the molten events cost less than before is free again.
                let paid = last.cost_bytes + cost_bytes;
                last.cost_bytes = W::cost_bytes(&last.event).min(paid);
                let free = paid - last.cost_bytes;
                self.unread_bytes -= free;
                self.read_bytes += free;
            }
        }
    }

    fn is_due(&self) -> bool {
        self.read_bytes >= W::UNREAD_BYTES_MAX / TOLD_PARTS
    }
}

/// Wakes the caller after the lock is given back.
fn wake<W: Work>(mut state: MutexGuard<'_, State<W>>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use model::{ChatEvent, IMAGE_ROWS_BYTES_MAX, ImageEvent, Preview};

    use super::*;
    use crate::work::{Chat, Images};

    fn drain<W: Work>(mailbox: &Mailbox<W>) -> Vec<Result<W::Event, ModelError>> {
        let mut context = Context::from_waker(Waker::noop());
        std::iter::from_fn(|| match mailbox.poll(&mut context) {
            (Poll::Ready(item), _) => item,
            (Poll::Pending, _) => None,
        })
        .collect()
    }

    fn rows(length: usize) -> ImageEvent {
        ImageEvent::Rows { rgb: vec![7; length] }
    }

    fn step(done: u32, preview: Option<u8>) -> ImageEvent {
        let preview = preview.map(|byte| Preview { width_pixels: 1, height_pixels: 1, rgb: vec![byte; 3] });
        ImageEvent::Step { done, all: 9, preview }
    }

    #[test]
    fn a_slow_caller_sees_less_events_but_the_same_text() {
        let mailbox = Mailbox::<Chat>::default();
        for position in [3, 2, 1] {
            mailbox.tell(ChatEvent::Queued { position });
        }
        for _ in 0..100_000 {
            assert!(mailbox.push(ChatEvent::Text("ab".into())));
            mailbox.take_read_bytes();
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
    fn steps_melt_and_the_newest_preview_stays() {
        let mailbox = Mailbox::<Images>::default();
        let events = [
            ImageEvent::Encoding,
            step(1, None),
            step(2, Some(2)),
            step(3, Some(3)),
            step(4, None),
            ImageEvent::Decoding,
            rows(5),
            rows(6),
            rows(IMAGE_ROWS_BYTES_MAX - 1),
        ];
        for event in events {
            assert!(mailbox.push(event));
        }
        let expected = [
            ImageEvent::Encoding,
            step(4, Some(3)),
            ImageEvent::Decoding,
            rows(11),
            rows(IMAGE_ROWS_BYTES_MAX - 1),
        ];
        assert_eq!(drain(&mailbox), expected.map(Ok));
    }

    #[test]
    fn what_is_unread_is_bounded_and_what_is_read_is_told() {
        let mailbox = Mailbox::<Images>::default();
        let piece = || rows(IMAGE_ROWS_BYTES_MAX);
        let fitting = Images::UNREAD_BYTES_MAX / Images::cost_bytes(&piece());
        for _ in 0..fitting {
            assert!(mailbox.push(piece()));
        }
        assert!(mailbox.is_full());
        assert_eq!(mailbox.take_read_bytes(), None);
        // Read, but not told: the child does not know that it may send more.
        assert_eq!(drain(&mailbox).len(), fitting);
        assert!(!mailbox.push(piece()));

        let mailbox = Mailbox::<Images>::default();
        let mut sent = 0;
        for _ in 0..10 * fitting {
            assert!(mailbox.push(piece()));
            sent += Images::cost_bytes(&piece());
            assert_eq!(drain(&mailbox).len(), 1);
            if let Some(read) = mailbox.take_read_bytes() {
                assert_eq!(read, sent);
                sent = 0;
            }
        }
        assert!(!mailbox.is_full());
    }

    #[test]
    fn molten_events_are_free_again() {
        let mailbox = Mailbox::<Images>::default();
        let preview = || Preview { width_pixels: 100, height_pixels: 100, rgb: vec![0; 30_000] };
        let mut told = 0;
        for done in 0..10_000 {
            assert!(mailbox.push(ImageEvent::Step { done, all: 10_000, preview: Some(preview()) }));
            told += usize::from(mailbox.take_read_bytes().is_some());
        }
        assert!(told > 10, "the child was told {told} times");
        assert!(!mailbox.is_full());
        assert_eq!(drain(&mailbox).len(), 1);
    }
}
