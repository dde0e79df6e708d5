//! The client against a scripted peer: an ordinary conversation, and everything it must not let pass.

use std::future::Future;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

use super::framing::read_frame;
use super::{Client, Profile, frame};

/// The server's end of the pipe. Dropping it ends the server's output.
struct Peer {
    read: BufReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
}

impl Peer {
    async fn send(&mut self, message: Value) {
        self.write.write_all(&frame(&message)).await.unwrap();
    }

    async fn answer(&mut self, id: &Value, result: Value) {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "result": result })).await;
    }

    async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    async fn ask(&mut self, id: Value, method: &str) {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method })).await;
    }

    async fn receive(&mut self) -> Value {
        read_frame(&mut self.read).await.unwrap().expect("the client says something")
    }

    async fn receive_end(&mut self) {
        assert_eq!(read_frame(&mut self.read).await, Ok(None));
    }
}

fn connect() -> (Client, Peer) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(theirs);
    (Client::start_on(ours), Peer { read: BufReader::new(read), write })
}

/// Runs a conversation that the client must fail with a message that contains `wanted`.
async fn check_fails<S, C>(wanted: &str, server: impl FnOnce(Peer) -> S, client: impl FnOnce(Client) -> C)
where
    S: Future<Output = ()> + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let (ours, theirs) = connect();
    let server = tokio::spawn(server(theirs));
    let failed = tokio::spawn(client(ours)).await.expect_err("the client must not let this pass");
    let message = *failed.into_panic().downcast::<String>().unwrap();
    assert!(message.contains(wanted) && message.contains("--- transcript ---"), "{message}");
    server.abort();
}

#[tokio::test]
async fn an_ordinary_conversation_passes() {
    let (mut client, mut peer) = connect();
    let server = tokio::spawn(async move {
        let hello = peer.receive().await;
        peer.answer(&hello["id"], json!({ "capabilities": {} })).await;
        assert_eq!(peer.receive().await["method"], "initialized");
        peer.notify("window/logMessage", json!({ "message": "noise" })).await;
        peer.ask(json!("p1"), "window/workDoneProgress/create").await;
        assert_eq!(peer.receive().await, json!({ "jsonrpc": "2.0", "id": "p1", "result": null }));
        peer.notify("ready", Value::Null).await;
        let (first, second) = (peer.receive().await, peer.receive().await);
        assert_eq!(peer.receive().await["params"], json!({ "id": first["id"] }));
        peer.answer(&second["id"], json!(2)).await;
        let error = json!({ "code": -32800, "message": "cancelled" });
        peer.send(json!({ "jsonrpc": "2.0", "id": first["id"], "error": error })).await;
        for n in 1..=3 {
            peer.notify("n", json!(n)).await;
        }
        peer.ask(json!(7), "workspace/applyEdit").await;
        assert_eq!(peer.receive().await["result"], json!({ "applied": true }));
        peer.ask(json!(8), "window/showDocument").await;
        assert_eq!(peer.receive().await["error"]["code"], -32601);
        let shutdown = peer.receive().await;
        peer.answer(&shutdown["id"], Value::Null).await;
        assert_eq!(peer.receive().await["method"], "exit");
        peer.receive_end().await;
    });
    client.ignore("window/logMessage").await;
    client.ignore("window/workDoneProgress/create").await;
    assert_eq!(client.initialize(json!({})).await, json!({ "capabilities": {} }));
    client.expect_notification("ready").await;
    let first = client.send_request("slow", json!({})).await;
    let second = client.send_request("fast", json!({})).await;
    client.cancel(first).await;
    assert_eq!(client.response(first).await.unwrap_err()["code"], -32800);
    assert_eq!(client.response(second).await, Ok(json!(2)));
    assert_eq!(client.expect_notification_where("n", |n| n == 2).await, json!(2));
    assert!(client.has_unclaimed("n"));
    assert_eq!(client.expect_notification("n").await, json!(1));
    assert_eq!(client.expect_notification("n").await, json!(3));
    let (id, params) = client.expect_request("workspace/applyEdit").await;
    assert_eq!(params, Value::Null);
    client.respond(id, json!({ "applied": true })).await;
    let (id, _) = client.expect_request("window/showDocument").await;
    client.respond_error(id, -32601, "not here").await;
    client.shutdown().await;
    server.await.unwrap();
}

#[tokio::test]
async fn a_client_keeps_to_its_profile() {
    let server = |mut peer: Peer| async move {
        let hello = peer.receive().await;
        assert_eq!(hello["params"]["clientInfo"]["name"], "helix");
        peer.answer(&hello["id"], json!({})).await;
        while read_frame(&mut peer.read).await.is_ok_and(|message| message.is_some()) {}
    };
    check_fails("never cancels", server, |mut client| async move {
        client.initialize_as(&Profile::helix(), "file:///w").await;
        let id = client.send_request("slow", json!({})).await;
        client.cancel(id).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_ignored_late_is_dropped_and_answered() {
    let (mut client, mut peer) = connect();
    peer.ask(json!(1), "window/workDoneProgress/create").await;
    peer.notify("seen", json!(1)).await;
    client.expect_notification("seen").await;
    client.ignore("window/workDoneProgress/create").await;
    for _ in 0..2 {
        assert_eq!(peer.receive().await, json!({ "jsonrpc": "2.0", "id": 1, "result": null }));
        // An answered id may be used again.
        peer.ask(json!(1), "window/workDoneProgress/create").await;
    }
    peer.receive().await;
    drop(peer);
    client.finish().await;
}

#[tokio::test]
async fn raw_bytes_and_errors_without_id_can_be_tested() {
    let (mut client, mut peer) = connect();
    client.send_raw(b"Content-Length: 3\r\n\r\n{}}").await;
    assert!(read_frame(&mut peer.read).await.is_err());
    peer.send(json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700 } })).await;
    assert_eq!(client.expect_unaddressed_error().await["code"], -32700);
    let open = client.send_request("never", Value::Null).await;
    let late = client.send_request("late", Value::Null).await;
    client.abandon(open);
    client.abandon(late);
    peer.answer(&json!(late), json!(1)).await;
    client.close().await;
    drop(peer);
    client.expect_closed().await;
    client.finish().await;
}

#[tokio::test]
async fn a_message_nobody_claimed_fails() {
    let server = |mut peer: Peer| async move {
        peer.notify("surprise", json!(1)).await;
        peer.notify("expected", json!(2)).await;
        peer.receive_end().await;
    };
    check_fails("unclaimed message", server, |client| client.finish()).await;
    // Dropped without a word of good-bye: the messages that came are settled all the same.
    check_fails("surprise", server, |mut client| async move {
        client.expect_notification("expected").await;
    })
    .await;
    let asks = |mut peer: Peer| async move { peer.ask(json!(1), "workspace/applyEdit").await };
    check_fails("workspace/applyEdit", asks, |client| client.finish()).await;
}

#[tokio::test]
async fn an_answer_missing_doubled_or_unasked_fails() {
    let silent = |mut peer: Peer| async move {
        peer.receive().await;
    };
    check_fails("request 1 (hover) was never answered", silent, |mut client| async move {
        client.send_request("hover", json!({})).await;
        client.finish().await;
    })
    .await;
    check_fails("response to request 1, but the server closed", silent, |mut client| async move {
        drop(client.request("hover", json!({})).await);
    })
    .await;
    let twice = |mut peer: Peer| async move {
        let request = peer.receive().await;
        peer.answer(&request["id"], json!(1)).await;
        peer.answer(&request["id"], json!(1)).await;
    };
    check_fails("request 1 was answered twice", twice, |mut client| async move {
        let id = client.send_request("hover", json!({})).await;
        client.expect_closed().await;
        drop(client.response(id).await);
    })
    .await;
    check_fails("unclaimed response to 1", silent_after_answer, |mut client| async move {
        client.send_request("hover", json!({})).await;
        client.finish().await;
    })
    .await;
    let unasked = |mut peer: Peer| async move { peer.answer(&json!(5), json!(1)).await };
    check_fails("never sent", unasked, |client| client.finish()).await;
    let both = |mut peer: Peer| async move {
        let request = peer.receive().await;
        peer.send(json!({ "jsonrpc": "2.0", "id": request["id"], "result": 1, "error": {} })).await;
    };
    check_fails("either a result or an error", both, |mut client| async move {
        drop(client.request("hover", json!({})).await);
    })
    .await;
}

async fn silent_after_answer(mut peer: Peer) {
    let request = peer.receive().await;
    peer.answer(&request["id"], json!(1)).await;
}

#[tokio::test]
async fn a_server_that_does_not_speak_the_protocol_fails() {
    let chatty = |mut peer: Peer| async move { peer.write.write_all(b"starting\n").await.unwrap() };
    check_fails("starting", chatty, |mut client| async move {
        drop(client.request("hover", json!({})).await);
    })
    .await;
    let old = |mut peer: Peer| async move { peer.send(json!({ "id": 1, "method": "x" })).await };
    check_fails("JSON-RPC 2.0", old, |client| client.finish()).await;
    let same_id = |mut peer: Peer| async move {
        peer.ask(json!(1), "a").await;
        peer.ask(json!(1), "b").await;
    };
    check_fails("two open requests", same_id, |client| client.finish()).await;
    let asks = |mut peer: Peer| async move { peer.ask(json!(1), "a").await };
    check_fails("no open request with the id 2", asks, |mut client| async move {
        client.expect_request("a").await;
        client.respond(json!(2), Value::Null).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_never_comes_fails_in_time() {
    let waits = |mut peer: Peer| async move {
        peer.receive().await;
        std::future::pending::<()>().await;
    };
    check_fails("s for a notification progress", waits, |mut client| async move {
        client.notify("hello", Value::Null).await;
        client.expect_notification("progress").await;
    })
    .await;
    let stays = |peer: Peer| async move {
        std::future::pending::<()>().await;
        drop(peer);
    };
    check_fails("s for the end of the server's output", stays, |client| client.finish()).await;
}

#[tokio::test]
async fn long_conversations_keep_the_end_of_the_transcript() {
    let (client, mut peer) = connect();
    let mut client = client;
    client.ignore("noise").await;
    for n in 0..super::TRANSCRIPT_LEN_MAX + 5 {
        peer.notify("noise", json!(n)).await;
    }
    peer.notify("last", json!("x".repeat(10_000))).await;
    client.expect_notification("last").await;
    let transcript = client.transcript();
    assert!(transcript.starts_with("(6 earlier lines dropped)\n") && transcript.len() < 100_000, "{transcript}");
    drop(peer);
    client.finish().await;
}
