//! Requests that wait for the child: by class, then by age.
//!
//! Refuses: more waiting requests than the bound.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use model::Priority;

use crate::mailbox::Mailbox;
use crate::protocol::RequestId;
use crate::work::Work;

/// A request that was not sent yet.
pub(crate) struct Waiting<W: Work> {
    pub(crate) id: RequestId,
    pub(crate) request: Box<W::Request>,
    pub(crate) mailbox: Arc<Mailbox<W>>,
    pub(crate) since: Instant,
    /// The position the caller was told last; 0 = none.
    pub(crate) told: u32,
}

/// The waiting requests.
pub(crate) struct Queue<W: Work> {
    classes: [VecDeque<Waiting<W>>; 3],
    len_max: usize,
}

impl<W: Work> Queue<W> {
    /// An empty queue for `len_max` requests.
    pub(crate) fn new(len_max: usize) -> Self {
        Self { classes: Default::default(), len_max }
    }

    /// Adds a request, or gives it back when the queue is full.
    pub(crate) fn push(&mut self, waiting: Waiting<W>) -> Result<(), Waiting<W>> {
        if self.classes.iter().map(VecDeque::len).sum::<usize>() >= self.len_max {
            return Err(waiting);
        }
        let class = match W::priority(&waiting.request) {
            Priority::Completion => 0,
            Priority::Interactive => 1,
            Priority::Background => 2,
        };
        self.classes[class].push_back(waiting);
        Ok(())
    }

    /// Takes the request that goes next.
    pub(crate) fn pop(&mut self) -> Option<Waiting<W>> {
        self.classes.iter_mut().find_map(VecDeque::pop_front)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }

    /// Forgets requests whose caller is gone.
    pub(crate) fn drop_abandoned(&mut self) {
        for class in &mut self.classes {
            class.retain(|waiting| !waiting.mailbox.is_abandoned());
        }
    }

    /// All waiting requests, next first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting<W>> {
        self.classes.iter().flatten()
    }

    /// Tells every caller whose position changed.
    pub(crate) fn tell_positions(&mut self) {
        for (waiting, position) in self.classes.iter_mut().flatten().zip(1..) {
            if waiting.told != position {
                waiting.told = position;
                waiting.mailbox.tell(W::queued(position));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Chat;
    use model::{ChatRequest, Sampling};

    fn waiting(id: RequestId, priority: Priority) -> Waiting<Chat> {
        let request = ChatRequest {
            messages: Vec::new(),
            sampling: Sampling::default(),
            answer_tokens_max: 1,
            stop: Vec::new(),
            quotation: None,
            priority,
        };
        let mailbox = Arc::default();
        Waiting { id, request: Box::new(request), mailbox, since: Instant::now(), told: 0 }
    }

    #[test]
    fn classes_go_before_age_and_the_bound_holds() {
        let mut queue = Queue::new(5);
        let order = [
            Priority::Background,
            Priority::Interactive,
            Priority::Completion,
            Priority::Interactive,
            Priority::Completion,
        ];
        for (id, priority) in (1..).zip(order) {
            assert!(queue.push(waiting(id, priority)).is_ok());
        }
        assert!(queue.push(waiting(6, Priority::Completion)).is_err());
        queue.iter().find(|waiting| waiting.id == 5).unwrap().mailbox.abandon();
        queue.drop_abandoned();
        queue.tell_positions();
        assert_eq!(queue.iter().map(|waiting| waiting.told).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let popped: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|waiting| waiting.id).collect();
        assert_eq!(popped, [3, 2, 4, 1]);
        assert!(queue.is_empty());
    }
}
