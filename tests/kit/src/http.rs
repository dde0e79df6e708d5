//! A scripted HTTP/1.1 server on a loopback port, standing in for the hosts downloads come from.
//!
//! It misbehaves on request: drops the connection in mid-body, lies about the length, waits until the test lets it
//! go on, redirects, or answers nothing but errors. It records what it was asked.
//!
//! Refuses: being a web server. One request per connection, no TLS, no chunked bodies, no clock: a slow answer is one
//! that waits for [`Gate::open`].

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most connections served at a time; more are closed at once.
pub const CONNECTIONS_MAX: usize = 64;
/// Largest request head and largest request body taken, in bytes.
pub const REQUEST_BYTES_MAX: u64 = 8 << 20;
/// How long a wait of the test may take, in seconds, before it fails.
pub const WAIT_SECS_MAX: u64 = 60;

/// A request as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers with lower-case names, in order.
    pub headers: Vec<(String, String)>,
    /// The body, as far as Content-Length announced one.
    pub body: Vec<u8>,
}

impl Request {
    /// The first value of the header `name`, written in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Holds answers back until the test opens it.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    reached: bool,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every answer through, now and later.
    pub fn open(&self) {
        lock(&self.state.0).open = true;
        self.state.1.notify_all();
    }

    /// Waits until an answer has come to this gate, now or earlier: everything in front of it was sent.
    ///
    /// # Panics
    ///
    /// When none comes within [`WAIT_SECS_MAX`].
    #[track_caller]
    pub fn wait_reached(&self) {
        drop(wait_for(&self.state.1, lock(&self.state.0), "an answer to reach the gate", |state| state.reached));
    }

    fn pass(&self) {
        let mut state = lock(&self.state.0);
        state.reached = true;
        self.state.1.notify_all();
        drop(self.state.1.wait_while(state, |state| !state.open));
    }
}

/// One scripted answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    ranges: bool,
    declared_bytes: Option<u64>,
    drop_after_bytes: Option<usize>,
    hold: Option<(usize, Gate)>,
}

impl Reply {
    /// 200 with `body`.
    #[must_use]
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
            ranges: false,
            declared_bytes: None,
            drop_after_bytes: None,
            hold: None,
        }
    }

    /// `status` with a short text as body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::ok(format!("status {status}\n")) }
    }

    /// 302 to `location`.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("Location", location)
    }

    /// Also sends the header `name`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Honours `Range: bytes=N-` and `bytes=N-M`: 206 with that part, 416 when there is none.
    #[must_use]
    pub fn ranges(mut self) -> Self {
        self.ranges = true;
        self
    }

    /// Announces `bytes` in Content-Length, whatever the body has.
    #[must_use]
    pub fn declare_length(mut self, bytes: u64) -> Self {
        self.declared_bytes = Some(bytes);
        self
    }

    /// Closes the connection after `bytes` of the body.
    #[must_use]
    pub fn drop_after(mut self, bytes: usize) -> Self {
        self.drop_after_bytes = Some(bytes);
        self
    }

    /// Sends `bytes` of the body, then waits for `gate`, then sends the rest.
    #[must_use]
    pub fn hold_after(mut self, bytes: usize, gate: &Gate) -> Self {
        self.hold = Some((bytes, gate.clone()));
        self
    }
}

/// The running server. Dropping it closes every connection and waits for its threads.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    scripts: HashMap<String, Vec<Reply>>,
    gates: Vec<Gate>,
    requests: Vec<Request>,
    connections: HashMap<u64, TcpStream>,
    stopping: bool,
}

impl Server {
    /// Starts a server that answers 404 to everything.
    ///
    /// # Panics
    ///
    /// When no loopback port can be had.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port can be had");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &of_thread));
        Self { shared, address, acceptor: Some(acceptor) }
    }

    /// Answers requests for `path` (with its query, if any) with `replies`, one after the other; the last one stays.
    ///
    /// # Panics
    ///
    /// When `replies` is empty.
    #[track_caller]
    pub fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut replies: Vec<Reply> = replies.into_iter().collect();
        assert!(!replies.is_empty(), "http: a script needs a reply");
        replies.reverse();
        let mut state = lock(&self.shared.state);
        state.gates.extend(replies.iter().filter_map(|reply| reply.hold.as_ref()).map(|(_, gate)| gate.clone()));
        state.scripts.insert(path.to_owned(), replies);
    }

    /// The address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.state).requests.clone()
    }

    /// Waits until at least `count` requests have come, and returns all.
    ///
    /// # Panics
    ///
    /// When they do not come within [`WAIT_SECS_MAX`].
    #[track_caller]
    pub fn wait_requests(&self, count: usize) -> Vec<Request> {
        let what = format!("{count} requests");
        let state = lock(&self.shared.state);
        wait_for(&self.shared.changed, state, &what, |state| state.requests.len() >= count).requests.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.stopping = true;
        for stream in state.connections.values() {
            // A connection that is already gone needs no closing.
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.gates.iter().for_each(Gate::open);
        drop(state);
        // Wakes the acceptor, which then sees that it should stop.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            // A panic there was already printed by its thread.
            let _ = acceptor.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn wait_for<'a, T>(
    changed: &Condvar,
    state: MutexGuard<'a, T>,
    what: &str,
    done: impl Fn(&T) -> bool,
) -> MutexGuard<'a, T> {
    let limit = Duration::from_secs(WAIT_SECS_MAX);
    let waited = changed.wait_timeout_while(state, limit, |state| !done(state));
    let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
    assert!(!timeout.timed_out(), "http: waited {WAIT_SECS_MAX} s for {what}");
    state
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut workers = Vec::new();
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        let mut state = lock(&shared.state);
        if state.stopping {
            break;
        }
        let Ok(stream) = stream else { continue };
        let (Ok(handle), true) = (stream.try_clone(), state.connections.len() < CONNECTIONS_MAX) else { continue };
        state.connections.insert(number, handle);
        drop(state);
        let shared = Arc::clone(shared);
        workers.push(std::thread::spawn(move || {
            // A client that goes away in mid-answer is what some tests want.
            let _ = serve(&stream, &shared);
            let _ = stream.shutdown(Shutdown::Both);
            lock(&shared.state).connections.remove(&number);
        }));
    }
    for worker in workers {
        let _ = worker.join();
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Some(request) = read_request(stream)? else { return Ok(()) };
    let mut state = lock(&shared.state);
    let reply = match state.scripts.get_mut(&request.target) {
        Some(replies) if replies.len() > 1 => replies.pop(),
        Some(replies) => replies.last().cloned(),
        None => None,
    };
    let reply = reply.unwrap_or_else(|| Reply::status(404));
    let (head, body) = compose(&reply, &request);
    state.requests.push(request);
    shared.changed.notify_all();
    drop(state);
    stream.write_all(head.as_bytes())?;
    let end = reply.drop_after_bytes.unwrap_or(body.len()).min(body.len());
    let held = reply.hold.as_ref().map_or(end, |(bytes, _)| *bytes).min(end);
    stream.write_all(&body[..held])?;
    if let Some((_, gate)) = &reply.hold {
        gate.pass();
    }
    stream.write_all(&body[held..end])
}

/// The head and the body of the answer to `request`.
fn compose<'a>(reply: &'a Reply, request: &Request) -> (String, &'a [u8]) {
    let whole = reply.body.len();
    let (mut status, mut body) = (reply.status, &reply.body[..]);
    let mut head = String::new();
    let range = request.header("range").filter(|_| reply.ranges && status == 200);
    if let Some((start, end)) = range.and_then(|range| parse_range(range, whole)) {
        if start < end {
            (status, body) = (206, &reply.body[start..end]);
            head.push_str(&format!("Content-Range: bytes {start}-{}/{whole}\r\n", end - 1));
        } else {
            (status, body) = (416, &[]);
            head.push_str(&format!("Content-Range: bytes */{whole}\r\n"));
        }
    }
    if reply.ranges {
        head.push_str("Accept-Ranges: bytes\r\n");
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = reply.declared_bytes.unwrap_or(body.len() as u64);
    let head =
        format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {length}\r\nConnection: close\r\n{head}\r\n");
    (head, if request.method == "HEAD" { &[] } else { body })
}

/// The bytes `bytes=N-` or `bytes=N-M` asks for, empty when they lie behind the end; `None` when it is neither.
fn parse_range(value: &str, whole: usize) -> Option<(usize, usize)> {
    let (start, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let start: usize = start.parse().ok()?;
    let end = if last.is_empty() { whole } else { last.parse::<usize>().ok()?.saturating_add(1).min(whole) };
    Some((start.min(whole), end.max(start.min(whole))))
}

/// The next request, or `None` when the connection closes without one.
fn read_request(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream.take(REQUEST_BYTES_MAX));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request =
        Request { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut request.body)?;
    Ok(Some(request))
}

#[cfg(test)]
mod tests;
