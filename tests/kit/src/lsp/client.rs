//! The client itself: sends, waits and claims, and settles accounts at the end.
//!
//! Refuses: polling. Every wait is woken by a message, the end of the stream, or the one overall time limit.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::framing::{frame, read_frame};
use super::ledger::Ledger;
use super::profile::Profile;

/// How long any one wait may take, in seconds, before the test fails with the transcript. Generous: it is there to
/// end a test whose message never comes, not to measure.
pub const WAIT_SECS_MAX: u64 = 90;

/// Messages waiting to be written; a sender waits when there are more.
const OUTBOX_LEN_MAX: usize = 1024;

/// The id of a request this client sent.
pub type Id = i64;

/// One conversation with a language server.
///
/// Ends with [`Client::shutdown`] or [`Client::finish`]. Dropping it checks what arrived so far; both panic when
/// something was left over.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    outbox: Option<mpsc::Sender<Vec<u8>>>,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
    next_id: Id,
    cancels: bool,
    settled: bool,
}

#[derive(Debug, Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    changed: Notify,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn update<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let result = change(&mut self.ledger());
        self.changed.notify_waiters();
        result
    }
}

impl Client {
    /// A client that reads what the server writes from `read` and writes to `write`. Call it inside a tokio runtime.
    #[must_use]
    pub fn start<R, W>(read: R, write: W) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(Shared::default());
        let (outbox, messages) = mpsc::channel(OUTBOX_LEN_MAX);
        let reader = tokio::spawn(read_all(read, Arc::clone(&shared), outbox.downgrade()));
        let writer = tokio::spawn(write_all(write, messages, Arc::clone(&shared)));
        Self { shared, outbox: Some(outbox), reader, writer, next_id: 1, cancels: true, settled: false }
    }

    /// A client on both ends of one `stream`, such as a socket.
    #[must_use]
    pub fn start_on<S>(stream: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(stream);
        Self::start(read, write)
    }

    /// Says hello as the editor `profile` with the workspace folder `root_uri`, and keeps to what that editor does: one
    /// that never cancels makes [`Client::cancel`] panic. Returns what the server can do.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn initialize_as(&mut self, profile: &Profile, root_uri: &str) -> Value {
        self.cancels = profile.cancels;
        self.initialize(profile.initialize_params(root_uri)).await
    }

    /// Says hello with `params` (see [`Profile::initialize_params`]), then `initialized`, and returns what the
    /// server can do.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn initialize(&mut self, params: Value) -> Value {
        match self.request("initialize", params).await {
            Ok(result) => {
                self.notify("initialized", json!({})).await;
                result
            }
            Err(error) => self.fail(&format!("the server refused to initialize: {error}")),
        }
    }

    /// Sends a request and waits for its answer: the result, or the error object.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send_request(method, params).await;
        self.response(id).await
    }

    /// Sends a request whose answer is claimed later with [`Client::response`]. `params` of `null` are left out.
    pub async fn send_request(&mut self, method: &str, params: Value) -> Id {
        let id = self.next_id;
        self.next_id += 1;
        self.shared.ledger().open.insert(id, method.to_owned());
        self.send(with_params(json!({ "jsonrpc": "2.0", "id": id, "method": method }), params)).await;
        id
    }

    /// Waits for the answer to request `id` and claims it.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn response(&mut self, id: Id) -> Result<Value, Value> {
        self.wait(&format!("the response to request {id}"), |ledger| ledger.responses.remove(&id)).await
    }

    /// Sends a notification. `params` of `null` are left out.
    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send(with_params(json!({ "jsonrpc": "2.0", "method": method }), params)).await;
    }

    /// Asks the server to stop working on request `id`, which it must still answer.
    ///
    /// # Panics
    ///
    /// When the editor given to [`Client::initialize_as`] never does that.
    pub async fn cancel(&mut self, id: Id) {
        if !self.cancels {
            self.fail("this editor never cancels a request");
        }
        self.notify("$/cancelRequest", json!({ "id": id })).await;
    }

    /// No longer asks for an answer to request `id`. For tests that end the server in mid-work.
    pub fn abandon(&mut self, id: Id) {
        self.shared.update(|ledger| {
            if ledger.responses.remove(&id).is_none() {
                ledger.abandoned.insert(id);
            }
        });
    }

    /// Waits for a notification with `method` and claims it. Returns its parameters (`null` when it has none).
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn expect_notification(&mut self, method: &str) -> Value {
        self.expect_notification_where(method, |_| true).await
    }

    /// As [`Client::expect_notification`], taking the first whose parameters satisfy `wanted`. Others stay unclaimed.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn expect_notification_where(&mut self, method: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let matches = |message: &Value| {
            message["method"] == method && message.get("id").is_none() && wanted(&message["params"])
        };
        let mut message = self.wait(&format!("a notification {method}"), |ledger| ledger.claim(matches)).await;
        message["params"].take()
    }

    /// Waits for a request of the server with `method` and claims it. Returns its id, for [`Client::respond`], and
    /// its parameters.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn expect_request(&mut self, method: &str) -> (Value, Value) {
        self.expect_request_where(method, |_| true).await
    }

    /// As [`Client::expect_request`], taking the first whose parameters satisfy `wanted`. Others stay unclaimed.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn expect_request_where(&mut self, method: &str, wanted: impl Fn(&Value) -> bool) -> (Value, Value) {
        let matches = |message: &Value| {
            message["method"] == method && message.get("id").is_some() && wanted(&message["params"])
        };
        let mut message = self.wait(&format!("a request {method}"), |ledger| ledger.claim(matches)).await;
        (message["id"].take(), message["params"].take())
    }

    /// Waits for an error answer without id, which a server sends for a message it could not read, and claims it.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn expect_unaddressed_error(&mut self) -> Value {
        let matches = |message: &Value| message.get("method").is_none() && message["id"].is_null();
        let mut message = self.wait("an error without id", |ledger| ledger.claim(matches)).await;
        message["error"].take()
    }

    /// Answers a request of the server.
    ///
    /// # Panics
    ///
    /// When there is no open request with that id.
    pub async fn respond(&mut self, id: Value, result: Value) {
        self.settle_owed(&id);
        self.send(json!({ "jsonrpc": "2.0", "id": id, "result": result })).await;
    }

    /// Answers a request of the server with an error.
    ///
    /// # Panics
    ///
    /// When there is no open request with that id.
    pub async fn respond_error(&mut self, id: Value, code: i64, message: &str) {
        self.settle_owed(&id);
        self.send(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })).await;
    }

    /// From now on drops notifications with `method`, and answers requests with it `null`. What already came and was
    /// not claimed is dropped (or answered) too.
    pub async fn ignore(&mut self, method: &str) {
        let waiting = self.shared.update(|ledger| {
            ledger.ignored.insert(method.to_owned());
            let (dropped, kept): (VecDeque<Value>, _) =
                ledger.inbox.drain(..).partition(|message| message["method"] == method);
            ledger.inbox = kept;
            dropped
        });
        for id in waiting.iter().filter_map(|message| message.get("id")) {
            self.respond(id.clone(), Value::Null).await;
        }
    }

    /// Whether a message with `method` has come and is still unclaimed. To be used after an event that proves that it
    /// would have come by now.
    #[must_use]
    pub fn has_unclaimed(&self, method: &str) -> bool {
        self.shared.ledger().inbox.iter().any(|message| message["method"] == method)
    }

    /// Sends `bytes` as they are, for what a proper client would not send.
    ///
    /// # Panics
    ///
    /// When the server does not take them.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.shared.ledger().sent(&format!("(raw) {}", String::from_utf8_lossy(bytes)));
        self.put(bytes.to_vec()).await;
    }

    /// Closes our side of the conversation, as an editor that goes away does.
    pub async fn close(&mut self) {
        self.outbox = None;
        let written = tokio::time::timeout(Duration::from_secs(WAIT_SECS_MAX), &mut self.writer).await;
        if written.is_err() {
            self.fail("the server does not read what was sent");
        }
    }

    /// Waits until the server has closed its side.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn expect_closed(&mut self) {
        self.wait("the end of the server's output", |ledger| ledger.closed.then_some(())).await;
    }

    /// `shutdown`, `exit`, then [`Client::finish`]: how an editor leaves.
    ///
    /// # Panics
    ///
    /// When the server refuses, or as [`Client::finish`].
    pub async fn shutdown(mut self) {
        let answer = self.request("shutdown", Value::Null).await;
        if answer != Ok(Value::Null) {
            self.fail(&format!("shutdown was answered {answer:?} instead of null"));
        }
        self.notify("exit", Value::Null).await;
        self.finish().await;
    }

    /// Closes our side, waits until the server has closed its own, and settles accounts.
    ///
    /// # Panics
    ///
    /// When the server does not close, left a message unclaimed, or answered a request twice or never.
    pub async fn finish(mut self) {
        if self.outbox.is_some() {
            self.close().await;
        }
        self.expect_closed().await;
        self.settle();
    }

    /// The conversation so far, one message a line.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.shared.ledger().transcript()
    }

    fn settle_owed(&mut self, id: &Value) {
        let owed = self.shared.ledger().owed.remove(&id.to_string());
        if !owed {
            self.fail(&format!("the server has no open request with the id {id}"));
        }
    }

    async fn send(&mut self, message: Value) {
        self.shared.ledger().sent(&message.to_string());
        self.put(frame(&message)).await;
    }

    async fn put(&mut self, bytes: Vec<u8>) {
        let Some(outbox) = self.outbox.clone() else {
            self.fail("the test sends after it closed the conversation");
        };
        let limit = Duration::from_secs(WAIT_SECS_MAX);
        // A closed outbox means that the server is gone; the reader knows, and the next wait says so.
        if tokio::time::timeout(limit, outbox.send(bytes)).await.is_err() {
            self.fail("the server does not read what is sent");
        }
    }

    /// Waits until `find` finds something. Faults of the server and its end fail the wait at once.
    async fn wait<T>(&mut self, what: &str, find: impl Fn(&mut Ledger) -> Option<T>) -> T {
        let shared = Arc::clone(&self.shared);
        let found = within(async {
            loop {
                let changed = shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                {
                    let mut ledger = shared.ledger();
                    if let Some(fault) = ledger.faults.first() {
                        return Err(format!("waited for {what}, but the server sent {fault}"));
                    }
                    if let Some(found) = find(&mut ledger) {
                        return Ok(found);
                    }
                    if ledger.closed {
                        return Err(format!("waited for {what}, but the server closed its output"));
                    }
                }
                changed.await;
            }
        });
        match found.await.unwrap_or_else(|| Err(format!("waited {WAIT_SECS_MAX} s for {what}"))) {
            Ok(found) => found,
            Err(reason) => self.fail(&reason),
        }
    }

    fn settle(&mut self) {
        self.settled = true;
        let leftovers = self.shared.ledger().leftovers();
        if !leftovers.is_empty() {
            self.fail(&leftovers.join("\n"));
        }
    }

    fn fail(&mut self, reason: &str) -> ! {
        self.settled = true;
        panic!("lsp client: {reason}\n--- transcript ---\n{}", self.transcript());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
        self.writer.abort();
        // A second panic would end the whole test run without a word.
        if !self.settled && !std::thread::panicking() {
            self.settle();
        }
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(WAIT_SECS_MAX), work).await.ok()
}

fn with_params(mut message: Value, params: Value) -> Value {
    if !params.is_null() {
        message["params"] = params;
    }
    message
}

async fn read_all(read: impl AsyncRead + Unpin, shared: Arc<Shared>, outbox: mpsc::WeakSender<Vec<u8>>) {
    let mut read = BufReader::new(read);
    loop {
        match read_frame(&mut read).await {
            Ok(Some(message)) => {
                let Some(id) = shared.update(|ledger| ledger.receive(message)) else { continue };
                let answer = json!({ "jsonrpc": "2.0", "id": id, "result": null });
                shared.update(|ledger| {
                    ledger.owed.remove(&id.to_string());
                    ledger.sent(&answer.to_string());
                    let sent = outbox.upgrade().is_none_or(|outbox| outbox.try_send(frame(&answer)).is_ok());
                    if !sent {
                        ledger.fault("no room to answer an ignored request".to_owned());
                    }
                });
            }
            Ok(None) => break,
            Err(fault) => {
                shared.update(|ledger| ledger.fault(fault));
                break;
            }
        }
    }
    shared.update(|ledger| ledger.closed = true);
}

async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<Vec<u8>>,
    shared: Arc<Shared>,
) {
    while let Some(bytes) = messages.recv().await {
        let written = async {
            write.write_all(&bytes).await?;
            write.flush().await
        };
        if let Err(error) = written.await {
            shared.update(|ledger| ledger.sent(&format!("(could not be written: {error})")));
            return;
        }
    }
    // A stream that is already broken has nobody left to tell.
    let _ = write.shutdown().await;
}
