//! A second, independent idea of what a document is after a change, to hold the server's against.
//!
//! Refuses: cleverness. It walks the text from its start, as the specification is written.

use kit::Encoding;
use serde_json::{Value, json};

/// A change as it is sent: the replaced text, or everything.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Start line, start column, end line, end column, in the client's units; in any order.
    pub(crate) range: Option<[u32; 4]>,
    pub(crate) text: String,
}

impl Change {
    pub(crate) fn json(&self) -> Value {
        match self.range {
            None => json!({ "text": self.text }),
            Some(range) => json!({ "range": lsp_range(range), "text": self.text }),
        }
    }

    /// `text` after this change.
    pub(crate) fn apply(&self, text: &mut String, encoding: Encoding) {
        let Some([line, column, end_line, end_column]) = self.range else {
            text.clone_from(&self.text);
            return;
        };
        let a = offset(text, line, column, encoding);
        let b = offset(text, end_line, end_column, encoding);
        text.replace_range(a.min(b)..a.max(b), &self.text);
    }
}

pub(crate) fn lsp_range([line, column, end_line, end_column]: [u32; 4]) -> Value {
    json!({
        "start": { "line": line, "character": column },
        "end": { "line": end_line, "character": end_column },
    })
}

/// The byte of a position. A line past the end is the end of the text, a column past the end of its line the end of that
/// line, and a column inside a character the start of it.
pub(crate) fn offset(text: &str, line: u32, column: u32, encoding: Encoding) -> usize {
    let mut start = 0;
    for _ in 0..line {
        let Some(at) = text[start..].find(['\n', '\r']) else { return text.len() };
        let at = start + at;
        start = if text[at..].starts_with("\r\n") { at + 2 } else { at + 1 };
    }
    let mut units = 0;
    for (at, c) in text[start..].char_indices() {
        units += width(c, encoding);
        if c == '\n' || c == '\r' || units > column as usize {
            return start + at;
        }
    }
    text.len()
}

/// Columns that `text` takes.
pub(crate) fn columns(text: &str, encoding: Encoding) -> usize {
    text.chars().map(|c| width(c, encoding)).sum()
}

fn width(c: char, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Utf8 => c.len_utf8(),
        Encoding::Utf16 => c.len_utf16(),
        Encoding::Utf32 => 1,
    }
}

/// How many lines an editor shows.
pub(crate) fn line_count(text: &str) -> usize {
    text.replace("\r\n", "\n").matches(['\n', '\r']).count() + 1
}

#[test]
fn positions_are_clamped() {
    let text = "é🦀x\r\ny\rz\n";
    for (encoding, column) in [(Encoding::Utf8, 6), (Encoding::Utf16, 3), (Encoding::Utf32, 2)] {
        assert_eq!(&text[offset(text, 0, column, encoding)..][..1], "x");
    }
    assert_eq!(offset(text, 0, 2, Encoding::Utf16), 2, "inside the crab");
    assert_eq!(offset(text, 0, 99, Encoding::Utf16), 7, "before the line break");
    assert_eq!(offset(text, 2, 0, Encoding::Utf16), 11);
    assert_eq!((offset(text, 3, 9, Encoding::Utf16), offset(text, 4, 0, Encoding::Utf16)), (13, 13));
    assert_eq!((line_count(text), line_count("")), (4, 1));
    let mut inverted = "one two".to_owned();
    Change { range: Some([0, 7, 0, 4]), text: "2".into() }.apply(&mut inverted, Encoding::Utf16);
    assert_eq!(inverted, "one 2");
}
