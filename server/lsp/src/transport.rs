//! One session's messages: frames in, answers and notifications out, on top of tower-lsp's typed router.
//!
//! tower-lsp's own server runs every message, cancellations included, through one small buffer, ends at the first
//! malformed frame, dies with a panicking handler and outlives its client. So only its router is used here, and this
//! module does the rest: handlers are polled once in the order messages arrive, what is not finished then runs on its
//! own task, each request gets exactly one answer, and the session ends with its input.
//!
//! Refuses: knowing any method by name except the life cycle and `$/cancelRequest`; waiting for a client that does
//! not read.

mod dispatch;
mod frames;
mod outbox;

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::{Error, Id, Request, Response};
use tower_lsp::{LanguageServer, LspService};

use dispatch::Dispatcher;
use frames::{Frame, FrameReader};
pub(crate) use outbox::Outbox;

/// How long answers may still be finished, and then written, after the session has ended, in milliseconds each.
const DRAIN_MS_MAX: u64 = 200;

/// What a session offers beyond its handlers. None of these may wait, except [`Backend::room`].
pub(crate) trait Backend: LanguageServer {
    /// Completes when one more message can be taken: this is how a session that is behind slows its client down.
    fn room(&self) -> impl Future<Output = ()> + Send;

    /// The next handler belongs to the message with this id. Called in order of arrival, before the handler.
    fn arriving(&self, id: Option<&Id>);

    /// The client no longer wants the answer to request `id`, or the work that request began.
    fn cancelled(&self, id: &Id);

    /// The client answered a request of ours.
    fn answered(&self, answer: Answer);
}

/// A client's answer to a request of ours.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// The id [`Outbox::request`] gave.
    pub(crate) id: i64,
    /// The result, or the client's reason for having none.
    pub(crate) result: Result<Value, String>,
}

/// Why a session's messages ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said `exit`, after `shutdown` or without it.
    Exit {
        /// Whether `shutdown` came first.
        after_shutdown: bool,
    },
    /// The input ended or failed.
    Input,
    /// The output failed: nobody reads any more.
    Output,
    /// The client did not read what was sent to it until too much waited.
    Slow,
    /// The caller's token was cancelled.
    Stopped,
}

/// Carries messages between `io` and `service` until one side ends, then finishes and writes open answers for at
/// most [`DRAIN_MS_MAX`] each and returns why.
pub(crate) async fn run<B, I>(service: LspService<B>, io: I, outbox: Outbox, stop: CancellationToken) -> End
where
    B: Backend,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (input, output) = tokio::io::split(io);
    let mut writer = tokio::spawn(write(outbox.clone(), output));
    let mut frames = FrameReader::new(input);
    let mut dispatcher = Dispatcher::new(service, outbox.clone());
    let end = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break End::Stopped,
            () = outbox.overflowed() => break End::Slow,
            _ = &mut writer => break End::Output,
            () = dispatcher.finished_one() => {}
            frame = frames.next() => match frame {
                Frame::Message(value) => {
                    if let Some(end) = dispatcher.take(value).await {
                        break end;
                    }
                }
                Frame::Broken(error) => outbox.respond(Response::from_error(Id::Null, error)),
                Frame::End => break End::Input,
            },
        }
    };
    tracing::debug!(?end, "the session's messages ended");
    let limit = Duration::from_millis(DRAIN_MS_MAX);
    if !matches!(end, End::Output | End::Slow) {
        let _ = tokio::time::timeout(limit, dispatcher.drain()).await;
        outbox.close();
        let _ = tokio::time::timeout(limit, &mut writer).await;
    }
    outbox.close();
    writer.abort();
    end
}

async fn write<I: AsyncWrite>(outbox: Outbox, mut output: WriteHalf<I>) {
    while let Some(bytes) = outbox.next().await {
        let written = async {
            output.write_all(&bytes).await?;
            output.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "the client no longer reads");
            return;
        }
    }
    // The other side may already be gone; there is nobody left to tell.
    let _ = output.shutdown().await;
}

#[cfg(test)]
mod tests;
