//! From bytes of tokens to pieces of text: whole characters only, and nothing of a stop text.
//!
//! Tokens may end in the middle of a character, and stop texts may begin in one token and end in another, so some
//! bytes are held back until it is clear what they are. Refuses: to hold back more than that.

/// What to do after some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Emit this text, which may be empty, and go on.
    Text(String),
    /// Emit this text; then a stop text was reached.
    Stopped(String),
}

/// The bytes held back and the stop texts.
pub(crate) struct Output {
    stops: Vec<String>,
    held: Vec<u8>,
}

impl Output {
    /// An empty output that ends before any of `stops`.
    pub(crate) fn new(stops: &[String]) -> Self {
        Self { stops: stops.iter().filter(|stop| !stop.is_empty()).cloned().collect(), held: Vec::new() }
    }

    /// Adds the bytes of a token.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Step {
        self.held.extend(bytes);
        let found = self.stops.iter().filter_map(|stop| find(&self.held, stop.as_bytes())).min();
        if let Some(at) = found {
            let text = String::from_utf8_lossy(&self.held[..at]).into_owned();
            self.held.clear();
            return Step::Stopped(text);
        }
        let sure = self.held.len() - self.unsure_bytes();
        let rest = self.held.split_off(sure);
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held = rest;
        Step::Text(text)
    }

    /// What was held back, at the end of the answer.
    pub(crate) fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&held[..held.len() - open_character(&held)]).into_owned()
    }

    /// Bytes at the end that may be the beginning of a stop text or of a character.
    fn unsure_bytes(&self) -> usize {
        let begins = |stop: &String| {
            let longest = stop.len().saturating_sub(1).min(self.held.len());
            (1..=longest).rev().find(|count| self.held.ends_with(&stop.as_bytes()[..*count])).unwrap_or(0)
        };
        let stop = self.stops.iter().map(begins).max().unwrap_or(0);
        stop.max(open_character(&self.held))
    }
}

/// Bytes of a character at the end that is not complete yet.
fn open_character(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    for (back, byte) in (1..).zip(tail.iter().rev()) {
        let needed = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => 0,
        };
        return if needed > back { back } else { 0 };
    }
    0
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `tokens` and returns the pieces and whether a stop was reached.
    fn feed(stops: &[&str], tokens: &[&[u8]]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut output = Output::new(&stops);
        let mut pieces = Vec::new();
        for token in tokens {
            match output.push(token) {
                Step::Text(text) => pieces.push(text),
                Step::Stopped(text) => {
                    pieces.push(text);
                    return (pieces, true);
                }
            }
        }
        pieces.push(output.finish());
        (pieces, false)
    }

    #[test]
    fn text_is_whole_and_ends_before_stops() {
        type Case = (&'static [&'static str], &'static [&'static [u8]], &'static [&'static str], bool);
        let cases: &[Case] = &[
            (&[], &[b"ab", b"c"], &["ab", "c", ""], false),
            (&[], &[b"\xE2", b"\x82", b"\xAC!"], &["", "", "€!", ""], false),
            (&[], &[b"\xF0\x9F\x98", b"\x80"], &["", "😀", ""], false),
            (&[], &[b"a\xF0\x9F"], &["a", ""], false),
            (&[], &[b"a\xFFb"], &["a\u{FFFD}b", ""], false),
            (&[], &[b"\x80\x80\x80\x80"], &["\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}", ""], false),
            (&["END"], &[b"a E", b"ND b"], &["a ", ""], true),
            (&["END"], &[b"a E", b"N", b"T"], &["a ", "", "ENT", ""], false),
            (&["END"], &[b"x EN"], &["x ", "EN"], false),
            (&["\n\n", "\n#"], &[b"a\n", b"#b"], &["a", ""], true),
            (&["aab"], &[b"a", b"a", b"a", b"b"], &["", "", "a", ""], true),
            (&["", "bc"], &[b"abcd"], &["a"], true),
            (&["€"], &[b"1 \xE2\x82", b"\xAC"], &["1 ", ""], true),
        ];
        for (stops, tokens, pieces, stopped) in cases {
            let pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
            assert_eq!(feed(stops, tokens), (pieces, *stopped), "{stops:?} {tokens:?}");
        }
    }
}
