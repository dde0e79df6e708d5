//! Messages to handlers, in order, each request answered once.
//!
//! Refuses: polling a handler out of order. A handler's first poll happens here, before the next message is looked
//! at, so whatever it does before its first await is done in the order of arrival.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::task::JoinSet;
use tower::Service;
use tower_lsp::jsonrpc::ErrorCode;
use tower_lsp::{ExitedError, LspService};

use super::{Answer, Backend, End, Error, Id, Outbox, Request, Response};

/// Requests of one client that may be open at once; a further one is refused.
pub(super) const REQUESTS_OPEN_MAX: usize = 4096;

type Outcome = Result<Option<Response>, ExitedError>;

/// The router with the requests that are still open.
pub(super) struct Dispatcher<B: Backend> {
    service: LspService<B>,
    outbox: Outbox,
    open: JoinSet<()>,
    shut_down: bool,
}

impl<B: Backend> Dispatcher<B> {
    pub(super) fn new(service: LspService<B>, outbox: Outbox) -> Self {
        Self { service, outbox, open: JoinSet::new(), shut_down: false }
    }

    /// Takes one message. Returns why the session ends, if it ends with this message.
    pub(super) async fn take(&mut self, message: Value) -> Option<End> {
        if !is_request(&message) {
            match answer_of(&message) {
                Some(answer) => {
                    self.service.inner().room().await;
                    self.service.inner().answered(answer);
                }
                None if message.get("id").is_some() => tracing::debug!("an answer nobody waits for was ignored"),
                None => self.refuse(Id::Null, Error::invalid_request()),
            }
            return None;
        }
        let id = message.get("id").and_then(|id| serde_json::from_value::<Id>(id.clone()).ok());
        let message = with_params(message);
        let request = match serde_json::from_value::<Request>(message) {
            Ok(request) => request,
            Err(error) => {
                let reason =
                    Error { message: format!("Invalid request: {error}").into(), ..Error::invalid_request() };
                self.refuse(id.unwrap_or_default(), reason);
                return None;
            }
        };
        if self.open.len() >= REQUESTS_OPEN_MAX
            && let Some(id) = request.id()
        {
            let message = format!("{REQUESTS_OPEN_MAX} requests are open already; wait for some of them");
            self.refuse(id.clone(), Error { message: message.into(), ..Error::new(ErrorCode::InternalError) });
            return None;
        }
        self.service.inner().room().await;
        self.call(request)
    }

    /// Completes when an open request was finished; never when none is open.
    pub(super) async fn finished_one(&mut self) {
        if self.open.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Waits until every open request has its answer.
    pub(super) async fn drain(&mut self) {
        while self.open.join_next().await.is_some() {}
    }

    fn call(&mut self, request: Request) -> Option<End> {
        let id = request.id().cloned();
        let method = request.method().to_owned();
        let cancels = (method == "$/cancelRequest").then(|| cancelled_id(&request)).flatten();
        self.service.inner().arriving(id.as_ref());
        let started = catch_unwind(AssertUnwindSafe(|| {
            let mut future = self.service.call(request);
            let first = future.poll_unpin(&mut Context::from_waker(Waker::noop()));
            (future, first)
        }));
        // Whether the message is being or was carried out; a running one may still fail, but not `shutdown`.
        let accepted = match started {
            Err(_) => self.settle(id, panicked()),
            Ok((_, Poll::Ready(outcome))) => self.settle(id, outcome.map_err(Some)),
            Ok((future, Poll::Pending)) => {
                self.run(id, future);
                true
            }
        };
        if let Some(id) = cancels {
            self.service.inner().cancelled(&id);
        }
        match method.as_str() {
            "shutdown" => self.shut_down |= accepted,
            "exit" => return Some(End::Exit { after_shutdown: self.shut_down }),
            _ => {}
        }
        None
    }

    /// Long work: its own task and its own panic boundary.
    fn run(&mut self, id: Option<Id>, future: BoxFuture<'static, Outcome>) {
        debug_assert!(id.is_some(), "a notification handler waited before it was done");
        let outbox = self.outbox.clone();
        self.open.spawn(async move {
            let outcome = AssertUnwindSafe(future).catch_unwind().await;
            let response = response_to(id, outcome.map_or_else(|_| panicked(), |outcome| outcome.map_err(Some)));
            if let Some(response) = response {
                outbox.respond(response);
            }
        });
    }

    /// Sends what a finished handler gave; says whether that was a result.
    fn settle(&self, id: Option<Id>, outcome: Result<Option<Response>, Option<ExitedError>>) -> bool {
        match response_to(id, outcome) {
            Some(response) => {
                let is_ok = response.is_ok();
                self.outbox.respond(response);
                is_ok
            }
            None => false,
        }
    }

    fn refuse(&self, id: Id, error: Error) {
        self.outbox.respond(Response::from_error(id, error));
    }
}

/// Stands for a handler that panicked.
fn panicked() -> Result<Option<Response>, Option<ExitedError>> {
    Err(None)
}

/// The one answer a message gets: none for a notification, always one for a request.
fn response_to(id: Option<Id>, outcome: Result<Option<Response>, Option<ExitedError>>) -> Option<Response> {
    let id = id?;
    Some(match outcome {
        Ok(Some(response)) => response,
        // The router stays silent about unknown methods that begin with `$/`, also when they ask for an answer.
        Ok(None) => Response::from_error(id, Error::method_not_found()),
        Err(Some(_exited)) => Response::from_error(id, Error::invalid_request()),
        Err(None) => Response::from_error(id, Error::internal_error()),
    })
}

fn is_request(message: &Value) -> bool {
    message.get("method").is_some()
}

/// Absent parameters and `null` mean the same, and nothing a client adds to `shutdown` keeps it here.
fn with_params(mut message: Value) -> Value {
    if let Some(fields) = message.as_object_mut() {
        let leaves = fields.get("method").is_some_and(|method| method == "shutdown");
        let params = fields.entry("params").or_insert(Value::Null);
        if leaves {
            *params = Value::Null;
        }
    }
    message
}

fn answer_of(message: &Value) -> Option<Answer> {
    let id = message.get("id")?.as_i64()?;
    let result = match message.get("error") {
        Some(error) => {
            Err(error.get("message").and_then(Value::as_str).unwrap_or("no reason was given").to_owned())
        }
        None => Ok(message.get("result").cloned().unwrap_or(Value::Null)),
    };
    Some(Answer { id, result })
}

fn cancelled_id(request: &Request) -> Option<Id> {
    serde_json::from_value(request.params()?.get("id")?.clone()).ok()
}
