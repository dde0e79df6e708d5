//! Server-sent events as they come over the wire. Refuses: events without an end, and lines that never end.

/// A longer event is none of ours.
const EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; `message` when it has none.
    pub(crate) name: String,
    /// Its data, lines joined.
    pub(crate) data: String,
}

/// Takes events out of bytes that come in pieces.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    waiting: Vec<u8>,
    name: String,
    data: Vec<String>,
}

/// The events are too long to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Reader {
    /// The events that `bytes` complete.
    ///
    /// # Errors
    /// [`TooLong`] when an event does not end.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        self.waiting.extend_from_slice(bytes);
        let mut events = Vec::new();
        let mut from = 0;
        while let Some(length) = self.waiting.iter().skip(from).position(|byte| *byte == b'\n') {
            let line = self.waiting.get(from..from + length).unwrap_or_default();
            let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
            from += length + 1;
            self.line(&line, &mut events);
        }
        self.waiting.drain(..from);
        let held: usize = self.waiting.len() + self.data.iter().map(String::len).sum::<usize>();
        if held > EVENT_BYTES_MAX { Err(TooLong) } else { Ok(events) }
    }

    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            if !self.data.is_empty() {
                let name = if name.is_empty() { "message".to_owned() } else { name };
                events.push(Event { name, data: std::mem::take(&mut self.data).join("\n") });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push(value.to_owned()),
            // Comments keep the connection alive; ids and retries are for browsers.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_come_however_the_bytes_are_cut() {
        let wire =
            ": hello\n\nevent: text\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nid: 7\ndata:\u{e9}\n\nevent: lost\n\n";
        let expected = [event("text", "{\"a\":\n1}"), event("message", "\u{e9}")];
        for size in 1..=wire.len() {
            let mut reader = Reader::default();
            let mut events = Vec::new();
            for piece in wire.as_bytes().chunks(size) {
                events.extend(reader.read(piece).expect("it is short"));
            }
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut reader = Reader::default();
        let piece = vec![b'x'; EVENT_BYTES_MAX / 2 + 1];
        assert_eq!(reader.read(&piece), Ok(Vec::new()));
        assert_eq!(reader.read(&piece), Err(TooLong));
    }
}
