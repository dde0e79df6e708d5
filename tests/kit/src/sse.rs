//! Reads a stream of server-sent events, in whatever pieces the bytes arrive.
//!
//! Refuses: events that were not finished by a blank line, as browsers do.

/// Most bytes one unfinished line may have.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last `id` seen so far, also from earlier events.
    pub id: Option<String>,
    /// The `event` field; empty when there was none, which means `message`.
    pub event: String,
    /// The `data` lines, joined by `\n`.
    pub data: String,
}

/// Collects events from pieces of bytes.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    started: bool,
    event: String,
    data: Option<String>,
    last_id: Option<String>,
    retry_ms: Option<u64>,
    comments: usize,
}

impl Parser {
    /// Takes the next `bytes` and returns the events they finish.
    ///
    /// # Panics
    ///
    /// When a line is longer than [`LINE_BYTES_MAX`] or not UTF-8.
    #[track_caller]
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let second_half = std::mem::take(&mut self.after_cr) && byte == b'\n';
            if second_half {
                continue;
            }
            if byte == b'\n' || byte == b'\r' {
                self.after_cr = byte == b'\r';
                let line = std::mem::take(&mut self.line);
                let text = String::from_utf8(line).expect("sse: a line is not UTF-8");
                events.extend(self.take_line(&text));
            } else {
                assert!(self.line.len() < LINE_BYTES_MAX, "sse: a line is longer than {LINE_BYTES_MAX} bytes");
                self.line.push(byte);
            }
        }
        events
    }

    /// The last `retry` seen, in milliseconds.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// How many comments (keep-alives) were seen.
    #[must_use]
    pub fn comments(&self) -> usize {
        self.comments
    }

    fn take_line(&mut self, line: &str) -> Option<Event> {
        let first = !std::mem::replace(&mut self.started, true);
        let line = if first { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        if line.is_empty() {
            return self.finish_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.last_id = (!value.is_empty()).then(|| value.to_owned()),
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            _ => {}
        }
        None
    }

    fn finish_event(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        // An event without data is not dispatched.
        let data = self.data.take()?;
        Some(Event { id: self.last_id.clone(), event, data })
    }
}

/// The finished events of a whole stream.
///
/// # Panics
///
/// As [`Parser::push`].
#[must_use]
#[track_caller]
pub fn parse(bytes: &[u8]) -> Vec<Event> {
    Parser::default().push(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, event: &str, data: &str) -> Event {
        Event { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn fields_are_read_as_browsers_read_them() {
        let stream = "\u{feff}: hello\nid: 1\nevent: delta\ndata: a\ndata:  b\n\ndata\n\nid:2\r\ndata:x\r\r\
                      event: lost\n\nunknown: 1\nretry: 500\nretry: soon\nid: a\0b\ndata: z\n\ndata: unfinished\n";
        let wanted = [
            event(Some("1"), "delta", "a\n b"),
            event(Some("1"), "", ""),
            event(Some("2"), "", "x"),
            event(Some("2"), "", "z"),
        ];
        assert_eq!(parse(stream.as_bytes()), wanted);
        let mut parser = Parser::default();
        let by_byte: Vec<Event> = stream.bytes().flat_map(|byte| parser.push(&[byte])).collect();
        assert_eq!(by_byte, wanted, "the pieces do not matter");
        assert_eq!((parser.retry_ms(), parser.comments()), (Some(500), 1));
    }

    #[test]
    fn crlf_is_one_line_break() {
        assert_eq!(parse(b"data: p\r\ndata: q\r\n\r\n"), [event(None, "", "p\nq")]);
    }

    #[test]
    fn an_empty_id_forgets_the_last_one() {
        assert_eq!(parse(b"id: 1\ndata: a\n\nid\ndata: b\n\n")[1], event(None, "", "b"));
    }
}
