//! Content-Length framing, read strictly.
//!
//! Refuses: anything a careful client would not accept: other headers, a missing length, a frame that is not JSON.

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Largest message taken from a server, in bytes.
pub const FRAME_BYTES_MAX: usize = 64 << 20;
/// Largest header taken from a server, in bytes.
pub const HEADER_BYTES_MAX: usize = 4096;

/// The bytes of `message` as sent on the wire.
#[must_use]
pub fn frame(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The next message, `None` at a clean end of the stream, or what is wrong with the bytes.
///
/// # Errors
///
/// When the bytes are no message, or the stream ends inside of one.
pub async fn read_frame(read: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Value>, String> {
    let mut length = None;
    let mut header_bytes = 0;
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut *read).take(HEADER_BYTES_MAX as u64);
        limited.read_until(b'\n', &mut line).await.map_err(|e| format!("the stream broke: {e}"))?;
        if line.is_empty() && header_bytes == 0 {
            return Ok(None);
        }
        header_bytes += line.len();
        let text = String::from_utf8_lossy(&line).into_owned();
        if header_bytes > HEADER_BYTES_MAX {
            return Err(format!("a header longer than {HEADER_BYTES_MAX} bytes: {text:?}"));
        }
        let Some(field) = text.strip_suffix("\r\n") else {
            return Err(format!("a header line that does not end in CRLF: {text:?}"));
        };
        match field.split_once(": ") {
            _ if field.is_empty() => break,
            Some(("Content-Length", value)) if length.is_none() => {
                let value = value.parse().map_err(|_| format!("a length that is no number: {value:?}"))?;
                length = Some(value);
            }
            Some(("Content-Type", _)) => {}
            _ => return Err(format!("an unexpected header line: {text:?}")),
        }
    }
    let length: usize = length.ok_or("a header without Content-Length")?;
    if length > FRAME_BYTES_MAX {
        return Err(format!("a message of {length} bytes, more than {FRAME_BYTES_MAX}"));
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body).await.map_err(|e| format!("the stream ended inside a message: {e}"))?;
    serde_json::from_slice(&body)
        .map(Some)
        .map_err(|e| format!("a message that is not JSON ({e}): {:?}", String::from_utf8_lossy(&body)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn frames_are_read_strictly() {
        let good = b"Content-Type: x\r\nContent-Length: 2\r\n\r\n{}Content-Length: 4\r\n\r\n\"\xc3\xa9\"";
        let mut read = &good[..];
        assert_eq!(read_frame(&mut read).await, Ok(Some(json!({}))));
        assert_eq!(read_frame(&mut read).await, Ok(Some(json!("é"))));
        assert_eq!(read_frame(&mut read).await, Ok(None));
        let message = json!({"text": "é👍"});
        assert_eq!(read_frame(&mut &frame(&message)[..]).await, Ok(Some(message)));
        let bad = [
            "starting up\n",
            "Content-Length: 2\n\n{}",
            "Content-Length: two\r\n\r\n{}",
            "Content-Length: 9\r\n\r\n{}",
            "Content-Length: 3\r\n\r\n{}x",
            "Content-Length: 99999999999\r\n\r\n",
            "Content-Type: x\r\n\r\n{}",
            "Content-Length: 2\r\n",
            "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        ];
        for bytes in bad {
            assert!(read_frame(&mut bytes.as_bytes()).await.is_err(), "{bytes:?}");
        }
        let endless = vec![b'x'; HEADER_BYTES_MAX + 1];
        assert!(read_frame(&mut &endless[..]).await.is_err());
    }
}
