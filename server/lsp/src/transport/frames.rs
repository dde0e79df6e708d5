//! Bytes to messages: `Content-Length` headers and JSON bodies.
//!
//! Refuses: dying of bad input. A header that cannot be read, a body that is not JSON and a message that is too large
//! each become one [`Frame::Broken`], and reading goes on at the next header.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tower_lsp::jsonrpc::Error;

/// Largest body accepted; a larger one is skipped without being kept.
pub(super) const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest header block searched for its end.
const HEADER_BYTES_MAX: usize = 4096;

/// Bytes asked of the input at once.
const READ_BYTES: usize = 64 * 1024;

/// Room kept for the next messages once a larger one was read.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// The header that tells how long the body is.
const LENGTH_HEADER: &[u8] = b"content-length";

/// What the input held next.
#[derive(Debug)]
pub(super) enum Frame {
    /// A JSON body.
    Message(Value),
    /// Something else, with the error to answer.
    Broken(Error),
    /// Nothing more.
    End,
}

/// A reader of frames. [`FrameReader::next`] loses nothing when it is dropped half-way.
pub(super) struct FrameReader<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes of `buffer` already used.
    used: usize,
    /// Bytes of a body that was refused, still to be skipped.
    skip: usize,
    /// Length of the body whose header was read.
    body: Option<usize>,
    /// Whether the bytes up to the next length header belong to something already reported.
    lost: bool,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), used: 0, skip: 0, body: None, lost: false }
    }

    /// The next frame.
    pub(super) async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.parse() {
                return frame;
            }
            self.buffer.drain(..self.used);
            self.used = 0;
            if self.body.is_none() && self.buffer.capacity() > KEPT_BYTES_MAX {
                self.buffer.shrink_to(KEPT_BYTES_MAX);
            }
            self.buffer.reserve(READ_BYTES);
            match self.input.read_buf(&mut self.buffer).await {
                Ok(0) => return Frame::End,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the client's input failed");
                    return Frame::End;
                }
            }
        }
    }

    /// A frame out of the bytes at hand, if they hold one.
    fn parse(&mut self) -> Option<Frame> {
        loop {
            let skipped = self.skip.min(self.rest().len());
            self.use_up(skipped);
            self.skip -= skipped;
            if self.skip > 0 {
                return None;
            }
            if let Some(length) = self.body {
                let body = self.rest().get(..length)?;
                let frame = parse_body(body);
                self.use_up(length);
                self.body = None;
                if frame.is_some() {
                    return frame;
                }
                continue;
            }
            match self.parse_header()? {
                Ok(length) if length > FRAME_BYTES_MAX => {
                    self.skip = length;
                    let reason = format!("The message has {length} bytes; at most {FRAME_BYTES_MAX} are accepted");
                    return Some(Frame::Broken(Error { message: reason.into(), ..Error::invalid_request() }));
                }
                Ok(length) => self.body = Some(length),
                Err(error) => return Some(Frame::Broken(error)),
            }
        }
    }

    /// The length a complete header names, or an error once for each stretch of bytes that is no header.
    fn parse_header(&mut self) -> Option<Result<usize, Error>> {
        if self.lost {
            self.resynchronise()?;
        }
        let window = &self.rest()[..self.rest().len().min(HEADER_BYTES_MAX)];
        let Some(end) = find(window, b"\r\n\r\n") else {
            return (window.len() == HEADER_BYTES_MAX).then(|| self.lose(1, "its header has no end"));
        };
        let header = &window[..end];
        let length = match length_in(header) {
            Some(Ok(length)) => length,
            Some(Err(reason)) => return Some(self.lose(end + 4, reason)),
            None => {
                // A length header behind other bytes on its line is where reading goes on.
                let next = find_ignoring_case(header, LENGTH_HEADER).unwrap_or(end + 4);
                return Some(self.lose(next.max(1), "its header has no Content-Length"));
            }
        };
        self.use_up(end + 4);
        Some(Ok(length))
    }

    fn lose(&mut self, bytes: usize, reason: &str) -> Result<usize, Error> {
        self.use_up(bytes);
        self.lost = true;
        Err(Error { message: format!("The message cannot be read: {reason}").into(), ..Error::parse_error() })
    }

    /// Goes to the next length header; `None` when the bytes at hand hold none.
    fn resynchronise(&mut self) -> Option<()> {
        if let Some(at) = find_ignoring_case(self.rest(), LENGTH_HEADER) {
            self.use_up(at);
            self.lost = false;
            return Some(());
        }
        let kept = LENGTH_HEADER.len().min(self.rest().len());
        self.use_up(self.rest().len() - kept);
        None
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.used..]
    }

    fn use_up(&mut self, bytes: usize) {
        self.used += bytes;
    }
}

/// `None` for an empty body, which says nothing and needs no answer.
fn parse_body(body: &[u8]) -> Option<Frame> {
    if body.is_empty() {
        return None;
    }
    Some(match serde_json::from_slice(body) {
        Ok(value) => Frame::Message(value),
        Err(error) => {
            let message = format!("The message is not JSON: {error}");
            Frame::Broken(Error { message: message.into(), ..Error::parse_error() })
        }
    })
}

/// The length a header block names; `None` when it names none.
fn length_in(header: &[u8]) -> Option<Result<usize, &'static str>> {
    let header = String::from_utf8_lossy(header);
    let value = header.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-length").then(|| value.trim().to_owned())
    })?;
    Some(value.parse().map_err(|_| "its Content-Length is not a number"))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn find_ignoring_case(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}
