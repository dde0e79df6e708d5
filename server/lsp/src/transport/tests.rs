//! The transport's own suite: order, cancellation, panics, ends, bad input and a client that does not read.
//!
//! Refuses: sleeping. Every step waits for a message or for the end of the session.

use std::sync::{Arc, Mutex, mpsc};

use kit::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_lsp::gen_lsp_types::{InitializeParams, InitializeResult};
use tower_lsp::jsonrpc::{Id, Result};
use tower_lsp::{LanguageServer, LspService};

use super::dispatch::REQUESTS_OPEN_MAX;
use super::frames::FRAME_BYTES_MAX;
use super::outbox::OUTBOX_BYTES_MAX;
use super::{Answer, Backend, End, Outbox, run};

const PIPE_BYTES: usize = 64 * 1024;

/// What the probe saw, shared with the test.
#[derive(Default)]
struct Seen {
    log: Mutex<Vec<i64>>,
    answers: Mutex<Vec<Answer>>,
    cancelled: Mutex<Vec<Id>>,
    dropped: Mutex<usize>,
    changed: Notify,
}

impl Seen {
    /// Waits until `done` holds.
    async fn until(&self, done: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if done(self) {
                return;
            }
            changed.await;
        }
    }

    fn log(&self) -> Vec<i64> {
        self.log.lock().unwrap().clone()
    }
}

/// A server whose handlers misbehave on request.
struct Probe {
    seen: Arc<Seen>,
    outbox: Outbox,
    /// Released by the test when the handler that burns CPU may end.
    release: Mutex<Option<mpsc::Receiver<()>>>,
}

struct CountsItsDrop(Arc<Seen>);

impl Drop for CountsItsDrop {
    fn drop(&mut self) {
        *self.0.dropped.lock().unwrap() += 1;
        self.0.changed.notify_waiters();
    }
}

impl Probe {
    async fn note(&self, n: i64) {
        self.seen.log.lock().unwrap().push(n);
        self.seen.changed.notify_waiters();
    }

    async fn note_and_wait(&self, n: i64) -> Result<i64> {
        self.seen.log.lock().unwrap().push(n);
        tokio::task::yield_now().await;
        Ok(n)
    }

    async fn snapshot(&self, _: Value) -> Result<Vec<i64>> {
        let log = self.seen.log();
        tokio::task::yield_now().await;
        Ok(log)
    }

    async fn hang(&self, _: Value) -> Result<()> {
        let _counts = CountsItsDrop(Arc::clone(&self.seen));
        std::future::pending().await
    }

    async fn panic_now(&self, _: Value) -> Result<()> {
        panic!("asked to panic before the first await")
    }

    async fn panic_later(&self, _: Value) -> Result<()> {
        tokio::task::yield_now().await;
        panic!("asked to panic after the first await")
    }

    async fn panic_quietly(&self, _: Value) {
        panic!("asked to panic in a notification")
    }

    /// Keeps its thread until the test releases it.
    async fn burn(&self, _: Value) -> Result<()> {
        let release = self.release.lock().unwrap().take().expect("burning is asked for once");
        tokio::task::yield_now().await;
        release.recv().expect("the test releases what it blocked");
        Ok(())
    }

    async fn flood(&self, params: (String, usize, usize)) {
        let (kind, count, bytes) = params;
        for n in 0..count {
            let text = format!("{n}:{}", "x".repeat(bytes));
            match kind.as_str() {
                "progress" => self.outbox.report("token", "flood", text),
                _ => self.outbox.notify("flood", text),
            }
        }
    }

    async fn ask(&self, params: Value) {
        self.outbox.request("question", params);
    }
}

impl LanguageServer for Probe {
    async fn initialize(&self, _: InitializeParams) -> Result<InitializeResult> {
        tokio::task::yield_now().await;
        Ok(InitializeResult::default())
    }

    async fn shutdown(&self) -> Result<()> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

impl Backend for Probe {
    async fn room(&self) {}

    fn arriving(&self, _: Option<&Id>) {}

    fn cancelled(&self, id: &Id) {
        self.seen.cancelled.lock().unwrap().push(id.clone());
        self.seen.changed.notify_waiters();
    }

    fn answered(&self, answer: Answer) {
        self.seen.answers.lock().unwrap().push(answer);
        self.seen.changed.notify_waiters();
    }
}

struct Server {
    seen: Arc<Seen>,
    release: mpsc::Sender<()>,
    stop: CancellationToken,
    ended: JoinHandle<End>,
}

fn serve() -> (Server, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let (seen, outbox, stop) = (Arc::new(Seen::default()), Outbox::default(), CancellationToken::new());
    let (release, released) = mpsc::channel();
    let probe = Probe { seen: Arc::clone(&seen), outbox: outbox.clone(), release: Mutex::new(Some(released)) };
    let (service, _socket) = LspService::build_with_lifecycle_methods(|_| probe)
        .custom_method("note", Probe::note)
        .custom_method("noteAndWait", Probe::note_and_wait)
        .custom_method("snapshot", Probe::snapshot)
        .custom_method("hang", Probe::hang)
        .custom_method("panic/now", Probe::panic_now)
        .custom_method("panic/later", Probe::panic_later)
        .custom_method("panic/quietly", Probe::panic_quietly)
        .custom_method("burn", Probe::burn)
        .custom_method("flood", Probe::flood)
        .custom_method("ask", Probe::ask)
        .finish();
    let ended = tokio::spawn(run(service, ours, outbox, stop.clone()));
    (Server { seen, release, stop, ended }, theirs)
}

async fn connect() -> (Server, Client) {
    let (server, pipe) = serve();
    let mut client = Client::start_on(pipe);
    client.initialize(json!({ "capabilities": {} })).await;
    (server, client)
}

async fn code(client: &mut Client, id: i64) -> Option<i64> {
    client.response(id).await.err().and_then(|error| error["code"].as_i64())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_take_effect_in_the_order_they_arrive() {
    let (_server, mut client) = connect().await;
    let mut expected = Vec::new();
    let mut open = Vec::new();
    for n in 0..300 {
        match n % 3 {
            0 => client.notify("note", json!(n)).await,
            1 => open.push((client.send_request("noteAndWait", json!(n)).await, json!(n))),
            // A request sees exactly what was sent before it.
            _ => open.push((client.send_request("snapshot", Value::Null).await, json!(expected))),
        }
        if n % 3 != 2 {
            expected.push(n);
        }
    }
    for (id, answer) in open {
        assert_eq!(client.response(id).await, Ok(answer));
    }
    assert_eq!(client.request("snapshot", Value::Null).await, Ok(json!(expected)));
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_requests_neither_block_cancelling_nor_changes() {
    for count in [4, 5, 300] {
        let (server, mut client) = connect().await;
        let mut open = Vec::new();
        for _ in 0..count {
            open.push(client.send_request("hang", json!({})).await);
        }
        let first = open.remove(0);
        client.cancel(first).await;
        assert_eq!(code(&mut client, first).await, Some(-32800), "{count} open requests");
        client.notify("note", json!(1)).await;
        assert_eq!(client.request("snapshot", json!({})).await, Ok(json!([1])));
        for id in open {
            client.cancel(id).await;
            assert_eq!(code(&mut client, id).await, Some(-32800));
        }
        server.seen.until(|seen| *seen.dropped.lock().unwrap() == count).await;
        server.seen.until(|seen| seen.cancelled.lock().unwrap().len() == count).await;
        // Cancelling what is not open is no mistake: the answer may be on its way.
        client.cancel(first).await;
        client.shutdown().await;
        assert_eq!(server.ended.await.unwrap(), End::Exit { after_shutdown: true });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_answered_and_life_goes_on() {
    let (_server, mut client) = connect().await;
    for method in ["panic/now", "panic/later"] {
        let id = client.send_request(method, json!({})).await;
        assert_eq!(code(&mut client, id).await, Some(-32603), "{method}");
    }
    client.notify("panic/quietly", json!({})).await;
    client.notify("note", json!(7)).await;
    assert_eq!(client.request("snapshot", json!({})).await, Ok(json!([7])));
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_busy_handler_keeps_nobody_waiting() {
    let (server, mut client) = connect().await;
    let burning = client.send_request("burn", json!({})).await;
    assert_eq!(client.request("noteAndWait", json!(1)).await, Ok(json!(1)));
    server.release.send(()).unwrap();
    assert_eq!(client.response(burning).await, Ok(Value::Null));
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_ends_the_session() {
    let (server, mut client) = connect().await;
    let open = client.send_request("hang", json!({})).await;
    assert_eq!(client.request("snapshot", json!({})).await, Ok(json!([])));
    client.abandon(open);
    client.finish().await;
    assert_eq!(server.ended.await.unwrap(), End::Input);
    server.seen.until(|seen| *seen.dropped.lock().unwrap() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_end_of_input_is_still_answered() {
    let (server, pipe) = serve();
    let (mut read, mut write) = tokio::io::split(pipe);
    let initialize =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": {} } });
    write.write_all(&kit::lsp::frame(&initialize)).await.unwrap();
    write.shutdown().await.unwrap();
    let mut output = String::new();
    read.read_to_string(&mut output).await.unwrap();
    assert!(output.contains("\"capabilities\""), "{output}");
    assert_eq!(server.ended.await.unwrap(), End::Input);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_and_exit_work_with_a_request_open() {
    let (server, mut client) = connect().await;
    let open = client.send_request("hang", json!({})).await;
    assert_eq!(client.request("shutdown", Value::Null).await, Ok(Value::Null));
    let late = client.send_request("snapshot", json!({})).await;
    assert_eq!(code(&mut client, late).await, Some(-32600));
    client.notify("exit", Value::Null).await;
    assert_eq!(code(&mut client, open).await, Some(-32800));
    client.expect_closed().await;
    assert_eq!(server.ended.await.unwrap(), End::Exit { after_shutdown: true });
    client.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_ends_the_session_while_the_input_stays_open() {
    let (server, mut client) = connect().await;
    client.notify("exit", Value::Null).await;
    client.expect_closed().await;
    assert_eq!(server.ended.await.unwrap(), End::Exit { after_shutdown: false });
    client.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_can_stop_a_session() {
    let (server, mut client) = connect().await;
    server.stop.cancel();
    client.expect_closed().await;
    assert_eq!(server.ended.await.unwrap(), End::Stopped);
    client.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_answered_once_also_unknown_ones() {
    let (_server, pipe) = serve();
    let mut client = Client::start_on(pipe);
    let early = client.send_request("snapshot", json!({})).await;
    assert_eq!(code(&mut client, early).await, Some(-32002));
    client.initialize(json!({ "capabilities": {} })).await;
    for (method, params, expected) in [
        ("textDocument/hover", json!({}), -32601),
        ("no/such/method", Value::Null, -32601),
        ("$/unknown", json!({}), -32601),
        ("noteAndWait", json!("text"), -32602),
        ("noteAndWait", Value::Null, -32602),
        ("note", json!(1), -32600),
        ("initialize", json!({ "capabilities": {} }), -32600),
    ] {
        let id = client.send_request(method, params).await;
        assert_eq!(code(&mut client, id).await, Some(expected), "{method}");
    }
    // Nobody may answer these.
    for method in ["$/unknown", "no/such/method", "noteAndWait", "snapshot"] {
        client.notify(method, json!(1)).await;
    }
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_open_requests_are_refused_one_by_one() {
    let (_server, mut client) = connect().await;
    let mut open = Vec::new();
    for _ in 0..REQUESTS_OPEN_MAX {
        open.push(client.send_request("hang", json!({})).await);
    }
    let further = client.send_request("hang", json!({})).await;
    let error = client.response(further).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("requests are open"), "{error}");
    client.cancel(open[0]).await;
    assert_eq!(code(&mut client, open[0]).await, Some(-32800));
    for id in &open[1..] {
        client.abandon(*id);
    }
    client.notify("exit", Value::Null).await;
    client.expect_closed().await;
    client.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_input_is_answered_and_skipped() {
    let (_server, mut client) = connect().await;
    let too_large = format!("Content-Length: {}\r\n\r\n", FRAME_BYTES_MAX + 1).into_bytes();
    let cases: [(&str, Vec<u8>, i64); 9] = [
        ("not JSON", b"Content-Length: 3\r\n\r\n{}}".to_vec(), -32700),
        ("not UTF-8", b"Content-Length: 4\r\n\r\n\"\xff\xfe\"".to_vec(), -32700),
        ("no length", b"Content-Type: text\r\n\r\n".to_vec(), -32700),
        ("a wrong length", b"Content-Length: many\r\n\r\n{}".to_vec(), -32700),
        ("no header", vec![b'z'; 10_000], -32700),
        ("no JSON-RPC", b"Content-Length: 2\r\n\r\n{}".to_vec(), -32600),
        ("a batch", b"Content-Length: 4\r\n\r\n[{}]".to_vec(), -32600),
        (
            "another version",
            b"Content-Length: 33\r\n\r\n{\"jsonrpc\":\"1.0\",\"method\":\"note\"}".to_vec(),
            -32600,
        ),
        ("a wrong method", b"Content-Length: 28\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":1}".to_vec(), -32600),
    ];
    for (what, bytes, expected) in cases {
        client.send_raw(&bytes).await;
        let error = client.expect_unaddressed_error().await;
        assert_eq!(error["code"], expected, "{what}: {error}");
        let answer = client.request("noteAndWait", json!(1)).await;
        assert_eq!(answer, Ok(json!(1)), "after {what}");
    }
    client.send_raw(&too_large).await;
    assert_eq!(client.expect_unaddressed_error().await["code"], -32600);
    let chunk = vec![b' '; 1024 * 1024];
    for _ in 0..FRAME_BYTES_MAX / chunk.len() {
        client.send_raw(&chunk).await;
    }
    client.send_raw(b" ").await;
    assert_eq!(client.request("noteAndWait", json!(2)).await, Ok(json!(2)));
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn split_merged_and_large_messages_are_read() {
    let (server, mut client) = connect().await;
    let note = |n: i64| kit::lsp::frame(&json!({ "jsonrpc": "2.0", "method": "note", "params": n }));
    for byte in note(1) {
        client.send_raw(&[byte]).await;
    }
    client.send_raw(&[note(2), note(3)].concat()).await;
    client.send_raw(b"content-length:0\r\n\r\n").await;
    let mut large = json!({ "jsonrpc": "2.0", "method": "note", "params": 4 });
    large["padding"] = "é".repeat(2 * 1024 * 1024).into();
    client.send_raw(&kit::lsp::frame(&large)).await;
    assert_eq!(client.request("snapshot", json!({})).await, Ok(json!([1, 2, 3, 4])));
    assert_eq!(server.seen.log(), [1, 2, 3, 4]);
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_our_requests_come_back() {
    let (server, mut client) = connect().await;
    client.notify("ask", json!({ "what": 1 })).await;
    client.notify("ask", json!({ "what": 2 })).await;
    let (first, params) = client.expect_request("question").await;
    assert_eq!(params, json!({ "what": 1 }));
    let (second, _) = client.expect_request("question").await;
    client.respond_error(second.clone(), -32601, "not here").await;
    client.respond(first.clone(), json!("yes")).await;
    server.seen.until(|seen| seen.answers.lock().unwrap().len() == 2).await;
    let answers = std::mem::take(&mut *server.seen.answers.lock().unwrap());
    assert_eq!(
        answers,
        [
            Answer { id: second.as_i64().unwrap(), result: Err("not here".into()) },
            Answer { id: first.as_i64().unwrap(), result: Ok(json!("yes")) },
        ]
    );
    client.shutdown().await;
}

/// Makes the server send `count` messages of `bytes` each to a client that reads nothing, and returns how that ended.
async fn flooded(kind: &str, count: usize, bytes: usize) -> (End, String) {
    let (mut server, pipe) = serve();
    let (mut read, mut write) = tokio::io::split(pipe);
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": {} } }),
        json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }),
        json!({ "jsonrpc": "2.0", "method": "flood", "params": [kind, count, bytes] }),
        json!({ "jsonrpc": "2.0", "method": "note", "params": 1 }),
    ];
    let initialize = kit::lsp::frame(&messages[0]);
    write.write_all(&initialize).await.unwrap();
    let mut byte = [0; 1];
    read.read_exact(&mut byte).await.unwrap();
    for message in &messages[1..] {
        // The session may already be closed.
        let _ = write.write_all(&kit::lsp::frame(message)).await;
    }
    // Nothing is read until the handler has sent everything, or the session was closed for it.
    let early = tokio::select! {
        () = server.seen.until(|seen| !seen.log().is_empty()) => None,
        end = &mut server.ended => Some(end.unwrap()),
    };
    let reading = tokio::spawn(async move {
        let mut output = String::new();
        read.read_to_string(&mut output).await.map(|_| output)
    });
    let _ = write.write_all(&kit::lsp::frame(&json!({ "jsonrpc": "2.0", "method": "exit" }))).await;
    let end = match early {
        Some(end) => end,
        None => server.ended.await.unwrap(),
    };
    (end, reading.await.unwrap().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_loses_its_own_session_only() {
    let (end, _) = flooded("messages", 2 * OUTBOX_BYTES_MAX / PIPE_BYTES, PIPE_BYTES).await;
    assert_eq!(end, End::Slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_that_is_not_read_takes_one_place() {
    let count = 2 * OUTBOX_BYTES_MAX / PIPE_BYTES;
    let (end, output) = flooded("progress", count, PIPE_BYTES).await;
    assert_eq!(end, End::Exit { after_shutdown: false });
    let reports = output.matches("\"flood\"").count();
    assert!((1..count / 2).contains(&reports), "{reports} reports");
    assert!(output.contains(&format!("\"{}:", count - 1)), "the last report is the one that arrives");
}
