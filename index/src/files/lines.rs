//! Where the lines of a text begin. A line ends at `\n`, `\r\n` or a lone `\r`, as editors count.
//!
//! Refuses: columns and encodings; those belong to the room `text`.

use std::borrow::Cow;
use std::ops::Range;

use crate::limits::LINE_BYTES_SHOWN_MAX;
use memchr::{memchr_iter, memchr2_iter};

/// The byte offsets at which lines begin.
#[derive(Debug, Clone)]
pub(crate) struct LineStarts {
    starts: Vec<u32>,
    bytes: usize,
}

impl LineStarts {
    /// Finds the lines of `text`. Texts are bounded by the file limit, so offsets fit 32 bits.
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = Vec::with_capacity(bytes.len() / 32 + 1);
        starts.push(0);
        for at in memchr2_iter(b'\n', b'\r', bytes) {
            if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
            }
        }
        Self { starts, bytes: bytes.len() }
    }

    /// The 1-based line that holds the byte at `offset`.
    pub(crate) fn line_at(&self, offset: usize) -> u32 {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        u32::try_from(self.starts.partition_point(|&start| start <= offset)).unwrap_or(u32::MAX)
    }

    /// Where the 1-based `line` begins; the end of the text for a line after the last.
    pub(crate) fn start_of(&self, line: u32) -> usize {
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        self.starts.get(index).map_or(self.bytes, |&start| start as usize)
    }

    /// How many lines there are; an empty text has none, and a final line break opens no further line.
    pub(crate) fn count(&self) -> u32 {
        let all = self.starts.len();
        let last_is_empty = self.starts.last().is_some_and(|&start| start as usize == self.bytes);
        u32::try_from(if last_is_empty { all - 1 } else { all }).unwrap_or(u32::MAX)
    }

    /// The bytes of the lines `first..=last` (1-based), with their line breaks.
    pub(crate) fn span(&self, first: u32, last: u32) -> Range<usize> {
        self.start_of(first)..self.start_of(last.saturating_add(1))
    }
}

/// A text with `\n` for each lone `\r`, which no grammar and no pattern takes for the end of a line. Every byte keeps its
/// place, so that what is found in one is in the other.
pub(crate) fn with_newlines(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let lone = |at: &usize| bytes.get(at + 1) != Some(&b'\n');
    if memchr_iter(b'\r', bytes).find(lone).is_none() {
        return Cow::Borrowed(text);
    }
    let mut changed = bytes.to_vec();
    memchr_iter(b'\r', bytes).filter(lone).for_each(|at| changed[at] = b'\n');
    String::from_utf8(changed).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The whole lines that a part of a text lies in, without the last line break. A part of a line that is too long to be shown
/// whole stays as it is.
pub(crate) fn whole_lines(text: &str, part: Range<usize>) -> Range<usize> {
    const BREAKS: [char; 2] = ['\n', '\r'];
    let start = text[..part.start].rfind(BREAKS).map_or(0, |at| at + 1);
    let is_ended = text[part.clone()].ends_with(BREAKS);
    let rest = if is_ended { Some(0) } else { text[part.end..].find(BREAKS) };
    let end = rest.map_or(text.len(), |at| part.end + at);
    if end - start > part.len() + LINE_BYTES_SHOWN_MAX { part } else { start..end }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{LINE_BYTES_SHOWN_MAX, LineStarts, whole_lines, with_newlines};

    #[test]
    fn a_part_grows_to_its_lines() {
        let text = "one two\r\nthree four\nfive";
        let whole = |part: &str| {
            let start = text.find(part).unwrap();
            &text[whole_lines(text, start..start + part.len())]
        };
        assert_eq!(whole("two"), "one two");
        assert_eq!(whole("wo\r\nth"), "one two\r\nthree four");
        assert_eq!(whole("three four"), "three four");
        assert_eq!(whole("ive"), "five");
        assert_eq!(whole("four\n"), "three four\n", "nothing of a line that it does not touch");
        let long = "x".repeat(3 * LINE_BYTES_SHOWN_MAX);
        assert_eq!(whole_lines(&long, 5..10), 5..10, "it would be too much to show");
    }

    #[test]
    fn every_kind_of_line_break_counts() {
        let lines = LineStarts::of("a\nb\r\nc\rd");
        assert_eq!(lines.count(), 4);
        assert_eq!([0, 2, 5, 7].map(|at| lines.line_at(at)), [1, 2, 3, 4]);
        assert_eq!(lines.span(2, 3), 2..7);
        assert_eq!(LineStarts::of("").count(), 0);
        assert_eq!(LineStarts::of("a\n").count(), 1);
    }

    #[test]
    fn only_a_lone_return_becomes_a_newline() {
        assert_eq!(with_newlines("a\rb\r\nc\r\u{e9}\r"), "a\nb\r\nc\n\u{e9}\n");
        assert!(matches!(with_newlines("a\r\nb\n"), Cow::Borrowed(_)), "nothing is copied for nothing");
    }
}
