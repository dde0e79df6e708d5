//! Where the lines of a text begin. A line ends at `\n`, `\r\n` or a lone `\r`, as editors count.
//!
//! Refuses: columns and encodings; those belong to the room `text`.

use std::ops::Range;

use memchr::memchr2_iter;

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

#[cfg(test)]
mod tests {
    use super::LineStarts;

    #[test]
    fn every_kind_of_line_break_counts() {
        let lines = LineStarts::of("a\nb\r\nc\rd");
        assert_eq!(lines.count(), 4);
        assert_eq!([0, 2, 5, 7].map(|at| lines.line_at(at)), [1, 2, 3, 4]);
        assert_eq!(lines.span(2, 3), 2..7);
        assert_eq!(LineStarts::of("").count(), 0);
        assert_eq!(LineStarts::of("a\n").count(), 1);
    }
}
