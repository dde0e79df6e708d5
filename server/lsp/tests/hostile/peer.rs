//! The client's end of one session: bytes out in any pieces, messages in, requests of the server answered in the manner
//! of this client.
//!
//! Refuses: losing count. Every frame and every answer goes through the books.

use std::time::Duration;

use kit::{Dice, Encoding};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::books::{Books, Wanted};
use crate::desk::Desk;

/// How long anything owed may take before the run fails, in seconds; far more than a busy machine needs.
const PATIENCE_SECS: u64 = 120;

/// How a client answers the server's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As an editor does; edits are applied.
    Polite,
    /// Not at all.
    Silent,
    /// It says that it did what it was asked for, and did nothing.
    Lying,
    /// With errors.
    Refusing,
    /// With values of any type, twice, and for ids nobody used.
    Odd,
}

impl Manner {
    pub(crate) const ALL: [Self; 5] = [Self::Polite, Self::Silent, Self::Lying, Self::Refusing, Self::Odd];
}

/// One client.
pub(crate) struct Peer {
    pub(crate) dice: Dice,
    pub(crate) books: Books,
    pub(crate) desk: Desk,
    pub(crate) encoding: Encoding,
    pub(crate) manner: Manner,
    /// Frames sent, whole or broken.
    pub(crate) sent: usize,
    /// Edits of the server that were applied.
    pub(crate) applied: usize,
    /// Ids whose answers have come or will come.
    pub(crate) used: Vec<Value>,
    /// Decides about the server's requests, so that their timing does not change what is sent next.
    manners: Dice,
    write: Option<WriteHalf<DuplexStream>>,
    inbox: mpsc::UnboundedReceiver<Value>,
    reader: JoinHandle<Result<(), String>>,
    out: Vec<u8>,
    next_id: i64,
}

/// Ids kept to be cancelled or used again.
const USED_MAX: usize = 64;

impl Peer {
    pub(crate) fn new(seed: u64, pipe: DuplexStream, manner: Manner, capabilities: Value, desk: Desk) -> Self {
        let (read, write) = tokio::io::split(pipe);
        let (messages, inbox) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            let mut read = BufReader::new(read);
            while let Some(message) = kit::lsp::read_frame(&mut read).await? {
                if messages.send(message).is_err() {
                    break;
                }
            }
            Ok(())
        });
        Self {
            dice: Dice::new(seed),
            books: Books::new(capabilities),
            desk,
            encoding: Encoding::Utf16,
            manner,
            sent: 0,
            applied: 0,
            used: Vec::new(),
            manners: Dice::new(!seed),
            write: Some(write),
            inbox,
            reader,
            out: Vec::new(),
            next_id: 0,
        }
    }

    /// Queues a request under a new id, of one of the two types ids may have.
    pub(crate) fn request(&mut self, method: &str, params: Value, wanted: Wanted) -> Value {
        self.next_id += 1;
        let id = if self.dice.once_in(4) { json!(format!("é-{}", self.next_id)) } else { json!(self.next_id) };
        self.request_as(id.clone(), method, params, wanted);
        id
    }

    /// Queues a request under `id`.
    pub(crate) fn request_as(&mut self, id: Value, method: &str, params: Value, wanted: Wanted) {
        let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        self.books.owe(&id, &shortened(&message.to_string()), wanted);
        if self.used.len() >= USED_MAX {
            let at = self.dice.roll(USED_MAX);
            self.used.swap_remove(at);
        }
        self.used.push(id);
        self.put(&message);
    }

    /// Queues a notification.
    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        self.put(&message);
    }

    /// Queues a frame with any of the headers that are allowed.
    pub(crate) fn put(&mut self, message: &Value) {
        let body = message.to_string();
        let length = body.len();
        let header = match self.dice.roll(8) {
            0 => format!("content-length:{length}\r\n\r\n"),
            1 => format!(
                "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
            ),
            2 => format!("CONTENT-LENGTH:   {length}  \r\nX-Other: 1\r\n\r\n"),
            _ => format!("Content-Length: {length}\r\n\r\n"),
        };
        self.put_raw(&[header.as_bytes(), body.as_bytes()].concat());
    }

    /// Queues bytes as they are, as one message.
    pub(crate) fn put_raw(&mut self, bytes: &[u8]) {
        self.sent += 1;
        self.out.extend_from_slice(bytes);
    }

    /// Bytes that wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Writes what is queued, and takes what has come until nothing of that has to be answered: the server would wait for an
    /// answer, and the client for the server.
    pub(crate) async fn flush(&mut self) {
        loop {
            self.write_out().await;
            while let Ok(message) = self.inbox.try_recv() {
                self.take(message);
            }
            if self.out.is_empty() {
                return;
            }
        }
    }

    /// Writes what is queued, cut anywhere.
    async fn write_out(&mut self) {
        let bytes = std::mem::take(&mut self.out);
        let piece_max = *self.dice.pick(&[bytes.len().max(1), 4096, 100, 1 << 20]);
        let one_by_one = bytes.len() < 2_000 && self.dice.once_in(40);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let piece = if one_by_one { 1 } else { 1 + self.dice.roll(piece_max.min(rest.len())) };
            let (now, later) = rest.split_at(piece);
            let Some(write) = &mut self.write else { panic!("the client writes after it closed") };
            // A server that is gone is found out by what it still owes.
            let _ = write.write_all(now).await;
            rest = later;
        }
    }

    /// Waits until everything that is owed has come.
    pub(crate) async fn settle(&mut self) {
        self.flush().await;
        while !self.books.is_settled() {
            self.take_next().await;
            if !self.out.is_empty() {
                self.flush().await;
            }
        }
    }

    /// Waits until no progress runs.
    pub(crate) async fn rest(&mut self) {
        while !self.books.running_progress().is_empty() {
            self.take_next().await;
            self.flush().await;
        }
    }

    /// Waits until so many edits of the server are in, and the server has read that.
    pub(crate) async fn until_applied(&mut self, count: usize) {
        self.flush().await;
        while self.applied < count {
            self.take_next().await;
            self.flush().await;
        }
        self.settle().await;
    }

    /// The lines that are marked in a document as it is now.
    pub(crate) async fn marks_of(&mut self, at: usize) -> Vec<String> {
        loop {
            let document = &self.desk.documents[at];
            if let Some((version, ranges)) = self.books.marks.get(&document.uri)
                && *version == document.version
            {
                let line = |place: &Value| u32::try_from(place["line"].as_u64().expect("a line")).expect("a line");
                return ranges
                    .iter()
                    .map(|range| document.lines(line(&range["start"]), line(&range["end"]) + 1).to_owned())
                    .collect();
            }
            self.take_next().await;
            self.flush().await;
        }
    }

    async fn take_next(&mut self) {
        let limit = Duration::from_secs(PATIENCE_SECS);
        match tokio::time::timeout(limit, self.inbox.recv()).await {
            Ok(Some(message)) => self.take(message),
            Ok(None) => {
                let end = (&mut self.reader).await;
                panic!("the server closed ({end:?}) and still owes {}", self.books.state());
            }
            Err(_) => panic!("in {PATIENCE_SECS} s the server did not send {}", self.books.state()),
        }
    }

    /// Closes the client's side. It answers nothing any more: half a frame may be the last thing it says.
    pub(crate) async fn close(&mut self) {
        self.write_out().await;
        if let Some(mut write) = self.write.take() {
            // A server that already left takes nothing more.
            let _ = write.shutdown().await;
        }
    }

    /// Takes everything until the server closes its side. A client that left in the middle may find half a message.
    pub(crate) async fn drain(&mut self, in_the_middle: bool) {
        let limit = Duration::from_secs(PATIENCE_SECS);
        let drained = async {
            while let Some(message) = self.inbox.recv().await {
                self.take(message);
            }
        };
        tokio::time::timeout(limit, drained).await.expect("the server closes its side");
        let end = (&mut self.reader).await.expect("the reader does not panic");
        assert!(end.is_ok() || in_the_middle, "{end:?}");
    }

    fn take(&mut self, message: Value) {
        self.desk.check_marks(&message, self.encoding);
        if let Some((id, method, params)) = self.books.receive(message) {
            self.answer(id, &method, &params);
        }
    }

    fn answer(&mut self, id: Value, method: &str, params: &Value) {
        let agrees = matches!(self.manner, Manner::Polite | Manner::Lying);
        if method == "window/workDoneProgress/create" && (agrees || self.manner == Manner::Odd) {
            self.books.token(&params["token"]);
        }
        match self.manner {
            Manner::Silent => {}
            Manner::Polite if method == "workspace/applyEdit" => self.apply(id, params),
            Manner::Polite | Manner::Lying => {
                let result = match method {
                    "workspace/applyEdit" => json!({ "applied": true }),
                    "window/showDocument" => json!({ "success": true }),
                    _ => Value::Null,
                };
                self.put(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
            }
            Manner::Refusing => {
                let error = json!({ "code": -32601, "message": "not here" });
                self.put(&json!({ "jsonrpc": "2.0", "id": id, "error": error }));
            }
            Manner::Odd => {
                let values = [json!(null), json!(7), json!("yes"), json!([{}]), json!({ "applied": "true" })];
                for _ in 0..1 + self.manners.roll(2) {
                    let result = self.manners.pick(&values).clone();
                    self.put(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
                }
                let error = self.manners.pick(&values).clone();
                self.put(&json!({ "jsonrpc": "2.0", "id": 1_000_000, "error": error }));
            }
        }
    }

    /// Applies an edit as a careful editor does, and tells the server by a change.
    fn apply(&mut self, id: Value, params: &Value) {
        let applied = match self.desk.apply(&params["edit"], self.encoding) {
            Some(change) => {
                self.applied += 1;
                // Some editors answer first, others tell the change first.
                let result = json!({ "jsonrpc": "2.0", "id": id, "result": { "applied": true } });
                let first = self.manners.once_in(2);
                if first {
                    self.put(&result);
                }
                self.notify("textDocument/didChange", change);
                if !first {
                    self.put(&result);
                }
                return;
            }
            None => json!({ "applied": false, "failureReason": "the document has changed" }),
        };
        self.put(&json!({ "jsonrpc": "2.0", "id": id, "result": applied }));
    }
}

pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 2_000;
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}
