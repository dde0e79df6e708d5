//! HTTP over the daemon's socket. Refuses: sockets of another user, and waiting for a daemon that says nothing.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use app::{AppError, ErrorKind};
use futures::Stream;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::UnixStream;

use crate::daemon::sse;
use crate::os;

/// A daemon that takes longer to begin an answer is broken: what takes long streams.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Accepting a connection takes no work.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Events say every 15 s that the daemon lives.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What the connection of a language session becomes.
const LSP_PROTOCOL: &str = "familiar-lsp";
const ROOT_UID: u32 = 0;

/// Reaches one daemon. Every request has a connection of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    socket: PathBuf,
}

/// The items of a stream of events.
pub(crate) type Events<T> = Pin<Box<dyn Stream<Item = app::Result<T>> + Send>>;

/// The JSON of a refused request.
#[derive(Deserialize)]
struct Refused {
    error: RefusedFields,
}

#[derive(Deserialize)]
struct RefusedFields {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

impl Client {
    /// Reaches the daemon that listens on `socket`.
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Whether somebody listens.
    pub(crate) async fn is_answered(&self) -> bool {
        self.connect().await.is_ok()
    }

    /// Gets `path`.
    ///
    /// # Errors
    /// What the daemon says, or `Unavailable` when it does not answer.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> app::Result<T> {
        let request = request(Method::GET, path, None);
        read(self.send(request).await?).await
    }

    /// Posts `body` to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> app::Result<T> {
        let request = request(Method::POST, path, Some(json(body)?));
        read(self.send(request).await?).await
    }

    /// Sends `body` to `path`, where nothing is answered but that it went well.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn tell(&self, method: Method, path: &str, body: &impl Serialize) -> app::Result<()> {
        checked(self.send(request(method, path, Some(json(body)?))).await?).await.map(drop)
    }

    /// Deletes `path` and reads what is said about it.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn delete_and_read<T: DeserializeOwned>(&self, path: &str) -> app::Result<T> {
        read(self.send(request(Method::DELETE, path, None)).await?).await
    }

    /// Deletes `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn delete(&self, path: &str) -> app::Result<()> {
        let response = self.send(request(Method::DELETE, path, None)).await?;
        checked(response).await.map(drop)
    }

    /// Posts `body` to `path` and reads the events of the answer. Dropping them cancels.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn events<T>(&self, path: &str, body: &impl Serialize) -> app::Result<Events<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let request = request(Method::POST, path, Some(json(body)?));
        let response = checked(self.send(request).await?).await?;
        Ok(Box::pin(event_stream(response.into_body())))
    }

    /// Reads the events at `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn watch<T>(&self, path: &str) -> app::Result<Events<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let response = checked(self.send(request(Method::GET, path, None)).await?).await?;
        Ok(Box::pin(event_stream(response.into_body())))
    }

    /// Gets the bytes at `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn bytes(&self, path: &str) -> app::Result<Bytes> {
        bytes(checked(self.send(request(Method::GET, path, None)).await?).await?.into_body()).await
    }

    /// Posts a file as it is to `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post_file<T: DeserializeOwned>(
        &self,
        path: &str,
        kind: &'static str,
        file: Vec<u8>,
    ) -> app::Result<T> {
        let mut request = request(Method::POST, path, Some(Bytes::from(file)));
        request.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
        read(self.send(request).await?).await
    }

    /// Says hello and turns the connection into the raw bytes of a language session.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn language_session(&self, hello: &Value) -> app::Result<TokioIo<Upgraded>> {
        let mut request = request(Method::POST, "/api/v1/lsp", Some(json(hello)?));
        let headers = request.headers_mut();
        headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, hyper::header::HeaderValue::from_static(LSP_PROTOCOL));
        let response = self.send(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(match checked(response).await {
                Ok(_) => broken("it offers no language session"),
                Err(error) => error,
            });
        }
        hyper::upgrade::on(response).await.map(TokioIo::new).map_err(|error| gone().caused_by(error))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> app::Result<Response<Incoming>> {
        let mut connection = self.connect().await.map_err(|error| gone().caused_by(error))?;
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, connection.send_request(request)).await;
        let response = sent.map_err(|_| broken("it does not answer"))?;
        response.map_err(|error| gone().caused_by(error))
    }

    async fn connect(&self) -> std::io::Result<SendRequest<Full<Bytes>>> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(&self.socket)).await;
        let stream = connected.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        let owner = stream.peer_cred()?.uid();
        if owner != os::user_id() && owner != ROOT_UID {
            return Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        tokio::spawn(async move {
            // How it ended is seen by whoever reads the answer.
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }
}

fn request(method: Method, path: &str, body: Option<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.unwrap_or_default()));
    *request.method_mut() = method;
    // Paths are ours; what users write is encoded by `query`.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    for (name, value) in
        [(HOST, "localhost"), (CONTENT_TYPE, "application/json"), (ACCEPT, "application/json, text/event-stream")]
    {
        headers.insert(name, hyper::header::HeaderValue::from_static(value));
    }
    request
}

/// `path` with `parameters` as its query, percent-encoded.
pub(crate) fn query(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut encoded = path.to_owned();
    for (at, (name, value)) in parameters.iter().enumerate() {
        encoded.push(if at == 0 { '?' } else { '&' });
        encoded.push_str(name);
        encoded.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    encoded
}

fn json(body: &impl Serialize) -> app::Result<Bytes> {
    let body = serde_json::to_vec(body).map_err(|error| broken("the request is no JSON").caused_by(error))?;
    Ok(Bytes::from(body))
}

/// The body of a response that went well.
async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> app::Result<T> {
    let body = bytes(checked(response).await?.into_body()).await?;
    serde_json::from_slice(&body).map_err(|error| broken("its answer is not understood").caused_by(error))
}

/// The response when it went well, else what the daemon says.
async fn checked(response: Response<Incoming>) -> app::Result<Response<Incoming>> {
    let status = response.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let body = bytes(response.into_body()).await?;
    Err(refused(&body).unwrap_or_else(|| broken(&format!("it answers {status}"))))
}

async fn bytes(body: Incoming) -> app::Result<Bytes> {
    let read = tokio::time::timeout(ANSWER_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let read = read.map_err(|_| broken("it does not answer"))?;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| gone().caused_by(std::io::Error::other(error)))
}

fn refused(body: &[u8]) -> Option<AppError> {
    let Refused { error } = serde_json::from_slice(body).ok()?;
    let mut refusal = AppError::new(error.kind, error.message);
    refusal.hint = error.hint;
    Some(refusal)
}

struct Reading {
    body: Incoming,
    reader: sse::Reader,
    ready: std::collections::VecDeque<sse::Event>,
}

fn event_stream<T: DeserializeOwned>(body: Incoming) -> impl Stream<Item = app::Result<T>> + Send {
    let reading = Reading { body, reader: sse::Reader::default(), ready: std::collections::VecDeque::new() };
    futures::stream::try_unfold(reading, |mut reading| async move {
        loop {
            if let Some(event) = reading.ready.pop_front() {
                return Ok(Some((item(&event)?, reading)));
            }
            let next = tokio::time::timeout(SILENCE_MAX, reading.body.frame()).await;
            let Some(frame) = next.map_err(|_| broken("it does not answer any more"))? else { return Ok(None) };
            let frame = frame.map_err(|error| gone().caused_by(error))?;
            if let Some(bytes) = frame.data_ref() {
                let events = reading.reader.read(bytes).map_err(|_| broken("an event does not end"))?;
                reading.ready.extend(events);
            }
        }
    })
}

fn item<T: DeserializeOwned>(event: &sse::Event) -> app::Result<T> {
    if event.name == "error" {
        return Err(refused(event.data.as_bytes()).unwrap_or_else(|| broken("an answer failed without a reason")));
    }
    serde_json::from_str(&event.data).map_err(|error| broken("an event is not understood").caused_by(error))
}

fn gone() -> AppError {
    AppError::new(ErrorKind::Unavailable, "the daemon is gone").hint("run the command again; the log says why")
}

fn broken(why: &str) -> AppError {
    AppError::new(ErrorKind::Unavailable, format!("the daemon is out of order: {why}"))
        .hint("`familiar stop` ends it, `familiar status` names its log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        let path = query("/api/v1/search", &[("workspace", "/a b/\u{e9}"), ("q", "x&y=\"%\"")]);
        assert_eq!(path, "/api/v1/search?workspace=/a%20b/%C3%A9&q=x%26y%3D%22%25%22");
        assert!(path.parse::<hyper::Uri>().is_ok());
        assert_eq!(query("/x", &[]), "/x");
    }

    #[test]
    fn a_refusal_keeps_its_words() {
        let error =
            refused(br#"{"error":{"kind":"busy","message":"too much","hint":"wait"}}"#).expect("a refusal");
        assert_eq!(
            (error.kind, error.message.as_str(), error.hint.as_deref()),
            (ErrorKind::Busy, "too much", Some("wait"))
        );
        assert!(refused(b"<html>").is_none());
    }
}
