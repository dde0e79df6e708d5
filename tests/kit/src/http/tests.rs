//! The server against a client that is nothing but a socket.

use super::*;

/// Sends one request and returns everything that comes back until the connection closes.
fn ask(server: &Server, head: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn replies_come_in_order_and_the_last_stays() {
    let server = Server::start();
    server.script("/a", [Reply::status(503), Reply::ok("fine").header("ETag", "\"1\"")]);
    assert!(ask(&server, "GET /a HTTP/1.1").starts_with("HTTP/1.1 503 "));
    for _ in 0..2 {
        let answer = ask(&server, "GET /a HTTP/1.1\r\nX-Test: yes");
        assert!(answer.contains("ETag: \"1\"\r\n") && body(&answer) == "fine", "{answer}");
    }
    assert!(ask(&server, "GET /b HTTP/1.1").starts_with("HTTP/1.1 404 "));
    let requests = server.wait_requests(4);
    assert_eq!(requests[1].header("x-test"), Some("yes"));
    assert_eq!(requests[3].target, "/b");
}

#[test]
fn bodies_are_recorded_and_head_has_none() {
    let server = Server::start();
    server.script("/", [Reply::ok("text")]);
    ask(&server, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(server.requests()[0].body, b"abc");
    let answer = ask(&server, "HEAD / HTTP/1.1");
    assert!(answer.contains("Content-Length: 4\r\n") && body(&answer).is_empty());
}

#[test]
fn ranges_are_served_when_asked_for() {
    let server = Server::start();
    server.script("/f", [Reply::ok("0123456789").ranges()]);
    server.script("/plain", [Reply::ok("0123456789")]);
    let get = |path: &str, range: &str| ask(&server, &format!("GET {path} HTTP/1.1\r\nRange: {range}"));
    let rest = get("/f", "bytes=4-");
    assert!(rest.starts_with("HTTP/1.1 206 ") && rest.contains("Content-Range: bytes 4-9/10\r\n"), "{rest}");
    assert_eq!(body(&rest), "456789");
    assert_eq!(body(&get("/f", "bytes=2-3")), "23");
    let behind = get("/f", "bytes=10-");
    assert!(behind.starts_with("HTTP/1.1 416 ") && behind.contains("bytes */10\r\n"), "{behind}");
    assert_eq!(body(&get("/plain", "bytes=4-")), "0123456789");
}

#[test]
fn it_misbehaves_as_told() {
    let server = Server::start();
    server.script("/cut", [Reply::ok("0123456789").drop_after(4)]);
    server.script("/lie", [Reply::ok("0123").declare_length(99)]);
    server.script("/away", [Reply::redirect("/cut")]);
    let cut = ask(&server, "GET /cut HTTP/1.1");
    assert!(cut.contains("Content-Length: 10\r\n") && body(&cut) == "0123", "{cut}");
    assert!(ask(&server, "GET /lie HTTP/1.1").contains("Content-Length: 99\r\n"));
    let away = ask(&server, "GET /away HTTP/1.1");
    assert!(away.starts_with("HTTP/1.1 302 ") && away.contains("Location: /cut\r\n"), "{away}");
}

#[test]
fn an_answer_waits_at_its_gate() {
    let server = Server::start();
    let gate = Gate::new();
    server.script("/slow", [Reply::ok("0123456789").hold_after(4, &gate)]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\n\r\n").unwrap();
    gate.wait_reached();
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    let mut first = [0; 4];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"0123");
    gate.open();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "456789");
}

#[test]
fn dropping_the_server_frees_whoever_waits() {
    let server = Server::start();
    server.script("/never", [Reply::ok("0123").hold_after(0, &Gate::new())]);
    let mut held = TcpStream::connect(server.address()).unwrap();
    held.write_all(b"GET /never HTTP/1.1\r\n\r\n").unwrap();
    let silent = TcpStream::connect(server.address()).unwrap();
    server.wait_requests(1);
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    drop((held, silent));
}
