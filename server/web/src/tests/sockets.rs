//! The doors on real sockets: what only the user's own processes may do, upgrades, slow clients and the end.

use std::sync::Arc;

use app::App;
use futures::FutureExt;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::{LspUpgrade, WebOptions, router, serve_tcp, serve_unix, socket_router};

struct Socket {
    app: App,
    path: std::path::PathBuf,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Socket {
    fn new(lsp_upgrade: Option<LspUpgrade>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = App::for_tests(&folder.path().join("home"), None);
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let router = socket_router(app.clone(), WebOptions { port: 0, lsp_upgrade });
        let server = tokio::spawn(serve_unix(listener, router, app.shutdown_token()));
        Self { app, path, server, _folder: folder }
    }

    async fn ask(&self, head: &str, body: &str) -> (String, BufReader<UnixStream>) {
        let mut stream = BufReader::new(UnixStream::connect(&self.path).await.unwrap());
        let request =
            format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = String::new();
        stream.read_line(&mut status).await.unwrap();
        (status.trim().to_owned(), stream)
    }

    async fn json(&self, head: &str, body: &str) -> Value {
        let (status, mut stream) = self.ask(&format!("{head}\r\nconnection: close"), body).await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        serde_json::from_str(rest.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

#[tokio::test]
async fn the_socket_needs_no_credentials_and_makes_links() {
    let socket = Socket::new(None);
    assert_eq!(socket.json("GET /api/v1/status HTTP/1.1\r\nhost: familiar", "").await["build_id"], "test");
    let link = socket.json("POST /api/v1/sign-in-links HTTP/1.1\r\nhost: familiar", "").await;
    let secret = link["secret"].as_str().unwrap();
    assert_eq!(link["path"], format!("/sign-in/{secret}"));
    assert!(socket.app.redeem_sign_in(secret).await.unwrap().is_some());
    let (status, _) = socket.ask("GET /chats HTTP/1.1\r\nhost: familiar", "").await;
    assert_eq!(status, "HTTP/1.1 404 Not Found", "pages are for browsers");
}

#[tokio::test]
async fn another_build_is_made_way_for_and_the_same_one_is_not() {
    let socket = Socket::new(None);
    let head = "POST /api/v1/hand-over HTTP/1.1\r\nhost: familiar";
    assert_eq!(socket.json(head, r#"{"build_id":"test"}"#).await["leaving"], false);
    assert!(!socket.app.shutdown_token().is_cancelled());
    assert!(!socket.app.drain_token().is_cancelled());
    assert_eq!(socket.json(head, r#"{"build_id":"newer"}"#).await["leaving"], true);
    assert!(socket.app.drain_token().is_cancelled() && !socket.app.shutdown_token().is_cancelled());
    assert_eq!(socket.json(head, r#"{"build_id":"test"}"#).await["leaving"], true, "it is ending anyway");
    assert!(!socket.app.shutdown_token().is_cancelled());
}

#[tokio::test]
async fn stopping_takes_nothing_new_and_stopping_twice_ends_the_server_after_its_answer() {
    let socket = Socket::new(None);
    let stop = "POST /api/v1/stop HTTP/1.1\r\nhost: familiar";
    assert_eq!(socket.json(stop, "").await["leaving"], true);
    assert_eq!(socket.json("GET /api/v1/status HTTP/1.1\r\nhost: familiar", "").await["build_id"], "test");
    let (refused, _) = socket.ask("POST /api/v1/ask HTTP/1.1\r\nhost: familiar", r#"{"question":"why?"}"#).await;
    assert_eq!(refused, "HTTP/1.1 503 Service Unavailable");
    assert!(!socket.app.shutdown_token().is_cancelled());
    assert_eq!(socket.json(stop, "").await["leaving"], true);
    socket.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_language_session_gets_its_hello_and_raw_bytes() {
    let echo: LspUpgrade = Arc::new(|hello, mut io| {
        async move {
            io.write_all(format!("{}\n", hello["cwd"].as_str().unwrap()).as_bytes()).await.unwrap();
            let mut byte = [0];
            while io.read(&mut byte).await.unwrap() == 1 {
                io.write_all(&byte).await.unwrap();
            }
        }
        .boxed()
    });
    let socket = Socket::new(Some(echo));
    let head = "POST /api/v1/lsp HTTP/1.1\r\nhost: familiar\r\nconnection: upgrade\r\nupgrade: familiar-lsp";
    let (status, mut stream) = socket.ask(head, r#"{"cwd":"/here"}"#).await;
    assert_eq!(status, "HTTP/1.1 101 Switching Protocols");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
    }
    line.clear();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line, "/here\n");
    stream.write_all(b"\0raw\xff").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"\0raw\xff");
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_refused() {
    let session: LspUpgrade = Arc::new(|_, _| async { panic!("nothing may begin") }.boxed());
    let socket = Socket::new(Some(session));
    for (head, body) in [
        ("POST /api/v1/lsp HTTP/1.1\r\nhost: familiar", "{}"),
        ("POST /api/v1/lsp HTTP/1.1\r\nhost: familiar\r\nconnection: upgrade\r\nupgrade: websocket", "{}"),
        (
            "POST /api/v1/lsp HTTP/1.1\r\nhost: familiar\r\nconnection: upgrade\r\nupgrade: familiar-lsp",
            "no hello",
        ),
    ] {
        assert_eq!(socket.ask(head, body).await.0, "HTTP/1.1 400 Bad Request", "{head}");
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_its_headers_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::for_tests(folder.path(), None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = WebOptions { port: address.port(), lsp_upgrade: None };
    let server = tokio::spawn(serve_tcp(listener, router(app.clone(), options), app.shutdown_token()));
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127").await.unwrap();
    // Others are answered meanwhile.
    let mut other = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    other.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // The clock of the test jumps to the deadline, and the connection ends.
    tokio::time::pause();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    tokio::time::resume();
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    app.shutdown_token().cancel();
    server.await.unwrap().unwrap();
}
