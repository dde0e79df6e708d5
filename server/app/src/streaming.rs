//! A task whose events are a stream. Refuses: outliving its reader, and ending silently when it dies.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{AppError, ErrorKind, Result};

/// Events a reader may be behind before the task waits for it.
const EVENTS_WAITING_MAX: usize = 64;

/// The task's end of the stream.
#[derive(Clone)]
pub(crate) struct Events<T>(mpsc::Sender<Result<T>>);

impl<T> Events<T> {
    /// Hands `event` to the reader.
    ///
    /// # Errors
    /// `Cancelled` when nobody reads any more.
    pub(crate) async fn send(&self, event: T) -> Result<()> {
        self.0.send(Ok(event)).await.map_err(|_| AppError::new(ErrorKind::Cancelled, "nobody reads the answer"))
    }
}

struct TaskStream<T> {
    events: mpsc::Receiver<Result<T>>,
    task: JoinHandle<()>,
}

/// Runs `work` in a task of its own and streams what it sends; its error is the last item. Dropping the stream ends
/// the task.
pub(crate) fn streaming<T, W, F>(work: W) -> Pin<Box<dyn Stream<Item = Result<T>> + Send>>
where
    T: Send + 'static,
    W: FnOnce(Events<T>) -> F,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
    let work = work(Events(sender.clone()));
    let task = tokio::spawn(async move {
        // The inner task is the panic boundary: its death becomes an error of the stream.
        let mut inner = AbortOnDrop(tokio::spawn(work));
        let ended = match (&mut inner.0).await {
            Ok(ended) => ended,
            Err(error) => Err(AppError::task_died(error)),
        };
        if let Err(error) = ended {
            // The reader may be gone, and then there is nobody to tell.
            let _ = sender.send(Err(error)).await;
        }
    });
    Box::pin(TaskStream { events, task })
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Stream for TaskStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(context)
    }
}

impl<T> Drop for TaskStream<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_its_stream_with_an_error() {
        let mut stream = streaming(|events: Events<u32>| async move {
            events.send(1).await?;
            panic!("as a defect would");
        });
        assert_eq!(stream.next().await.map(|item| item.ok()), Some(Some(1)));
        let error = stream.next().await.expect("an error follows").expect_err("it is one");
        assert_eq!(error.kind, ErrorKind::Bug);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn dropping_the_stream_ends_the_task() {
        let (dropped, when_dropped) = tokio::sync::oneshot::channel::<()>();
        let mut stream = streaming(|events: Events<u32>| async move {
            let _held = dropped;
            events.send(1).await?;
            std::future::pending::<()>().await;
            Ok(())
        });
        assert!(stream.next().await.is_some());
        drop(stream);
        assert!(when_dropped.await.is_err(), "what the task held is gone");
    }
}
