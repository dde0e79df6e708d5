//! Length-prefixed frames: four bytes of header, then part of a JSON message.
//!
//! A data message longer than a frame is continued in the next ones; a control message (heartbeat, cancel) is one
//! frame and may stand between them. Refuses: frames and messages beyond their bounds, and unknown header bits.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::WorkerError;

const HEADER_BYTES: usize = 4;
/// Bytes of a frame with its header.
pub(crate) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a frame without its header.
pub(crate) const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX - HEADER_BYTES;
/// Bytes of one message over all its frames.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// More frames of this message follow.
const MORE: u32 = 1 << 31;
/// A message of its own that may stand inside another.
const CONTROL: u32 = 1 << 30;
const LENGTH_MASK: u32 = 0xFFFF;

/// A message as bytes, or an error when it is longer than the bound.
pub(crate) fn to_bytes(message: &impl Serialize) -> Result<Vec<u8>, WorkerError> {
    let bytes = serde_json::to_vec(message).map_err(|_| WorkerError::Protocol("a message that is not JSON"))?;
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WorkerError::Protocol("a message that is too long"));
    }
    Ok(bytes)
}

/// A control message as one frame.
pub(crate) fn control(message: &impl Serialize) -> Result<Vec<u8>, WorkerError> {
    let bytes = to_bytes(message)?;
    if bytes.len() > PAYLOAD_BYTES_MAX {
        return Err(WorkerError::Protocol("a control message that is too long"));
    }
    Ok(with_header(&bytes, CONTROL))
}

/// The frame that carries `message` from `offset` on, and where the next one starts, if one follows.
pub(crate) fn data(message: &[u8], offset: usize) -> (Vec<u8>, Option<usize>) {
    let rest = &message[offset..];
    let (part, flags, next) = if rest.len() > PAYLOAD_BYTES_MAX {
        (&rest[..PAYLOAD_BYTES_MAX], MORE, Some(offset + PAYLOAD_BYTES_MAX))
    } else {
        (rest, 0, None)
    };
    (with_header(part, flags), next)
}

fn with_header(payload: &[u8], flags: u32) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload is shorter than a frame");
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend((length | flags).to_le_bytes());
    frame.extend(payload);
    frame
}

/// Reads messages off a stream of frames.
pub(crate) struct FrameReader<R> {
    input: R,
    partial: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// A reader of `input`.
    pub(crate) fn new(input: R) -> Self {
        Self { input, partial: Vec::new() }
    }

    /// The next message, or `None` when the other end closed between two frames.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, WorkerError> {
        loop {
            let mut header = [0; HEADER_BYTES];
            if !self.fill_or_end(&mut header)? {
                return Ok(None);
            }
            let header = u32::from_le_bytes(header);
            let length = (header & LENGTH_MASK) as usize;
            let known = header & !(MORE | CONTROL | LENGTH_MASK) == 0;
            if !known || length == 0 || length > PAYLOAD_BYTES_MAX {
                return Err(WorkerError::Protocol("a frame with a broken header"));
            }
            let mut payload = vec![0; length];
            if !self.fill_or_end(&mut payload)? {
                return Err(WorkerError::Protocol("half a frame"));
            }
            match (header & CONTROL != 0, header & MORE != 0) {
                (true, true) => return Err(WorkerError::Protocol("a continued control frame")),
                (true, false) => return parse(&payload).map(Some),
                (false, more) => {
                    if self.partial.len() + length > MESSAGE_BYTES_MAX {
                        return Err(WorkerError::Protocol("a message that is too long"));
                    }
                    if !more && self.partial.is_empty() {
                        return parse(&payload).map(Some);
                    }
                    self.partial.extend(payload);
                    if !more {
                        return parse(&std::mem::take(&mut self.partial)).map(Some);
                    }
                }
            }
        }
    }

    /// Fills `out`; `false` when the stream ended before its first byte.
    fn fill_or_end(&mut self, out: &mut [u8]) -> Result<bool, WorkerError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.input.read(&mut out[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(WorkerError::Protocol("half a frame")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(WorkerError::system("cannot read from the worker pipe")(error)),
            }
        }
        Ok(true)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WorkerError> {
    serde_json::from_slice(bytes).map_err(|_| WorkerError::Protocol("a message we do not know"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames_of(message: &str) -> Vec<Vec<u8>> {
        let bytes = to_bytes(&message).unwrap();
        let mut frames = Vec::new();
        let mut at = Some(0);
        while let Some(offset) = at {
            let (frame, next) = data(&bytes, offset);
            assert!(frame.len() <= FRAME_BYTES_MAX);
            frames.push(frame);
            at = next;
        }
        frames
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<String>, WorkerError> {
        let mut reader = FrameReader::new(bytes);
        let mut out = Vec::new();
        while let Some(message) = reader.next()? {
            out.push(message);
        }
        Ok(out)
    }

    #[test]
    fn messages_of_every_length_come_back() {
        for length in [0, 1, PAYLOAD_BYTES_MAX - 2, PAYLOAD_BYTES_MAX - 1, 3 * PAYLOAD_BYTES_MAX, 1_000_000] {
            let message = "x".repeat(length);
            assert_eq!(read_all(&frames_of(&message).concat()).unwrap(), [message], "{length} bytes");
        }
    }

    #[test]
    fn a_control_message_overtakes_data() {
        let long = "x".repeat(2 * PAYLOAD_BYTES_MAX);
        let mut frames = frames_of(&long);
        frames.insert(1, control(&"now").unwrap());
        assert_eq!(read_all(&frames.concat()).unwrap(), ["now".to_owned(), long]);
    }

    #[test]
    fn broken_streams_are_refused() {
        let good = frames_of("hello").concat();
        for cut in 1..good.len() {
            assert!(read_all(&good[..cut]).is_err(), "a stream cut after {cut} bytes was accepted");
        }
        let cases: [&[u8]; 5] = [
            b"Content-Length: 12",
            &[0, 0, 0, 0],
            &[0xFF, 0xFF, 0, 0],
            &[1, 0, 0, 0xC0, b'1'],
            &[2, 0, 0, 0, b'{', b'}'],
        ];
        for case in cases {
            assert!(read_all(case).is_err(), "{case:?} was accepted");
        }
    }

    #[test]
    fn endless_messages_are_refused() {
        let part = with_header(&vec![b' '; PAYLOAD_BYTES_MAX], MORE);
        let endless = part.repeat(MESSAGE_BYTES_MAX / PAYLOAD_BYTES_MAX + 1);
        assert!(matches!(read_all(&endless), Err(WorkerError::Protocol("a message that is too long"))));
    }
}
