//! Positions as editors count them, and their conversion to and from offsets of a rope.
//!
//! Refuses: failing. A line past the end means the end of the text, a column past the end of its line means the end
//! of that line (before its line break), and an offset inside a character means that character's start.

use std::ops;

use ropey::{Rope, RopeSlice};

/// The unit in which a client counts the columns of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PositionEncoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units, the one every client speaks.
    #[default]
    Utf16,
    /// Unicode scalar values.
    Utf32,
}

/// A place between two characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from zero.
    pub line: u32,
    /// Column from zero, in units of the [`PositionEncoding`] in use.
    pub character: u32,
}

/// The text from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    /// Where the range begins.
    pub start: Position,
    /// Where the range ends. A range whose end lies before its start means the same text as its mirror image.
    pub end: Position,
}

impl Position {
    /// The place at `line` and `character`, both from zero.
    #[must_use]
    pub fn new(line: u32, character: u32) -> Self {
        Self { line, character }
    }
}

impl Range {
    /// The range from `start` to `end`.
    #[must_use]
    pub fn new(start: Position, end: Position) -> Self {
        Self { start, end }
    }

    /// The empty range at `position`.
    #[must_use]
    pub fn empty(position: Position) -> Self {
        Self { start: position, end: position }
    }

    /// Whether the range holds no text, whatever document it is read against.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// The char offset of `position` in `rope`, clamped.
#[must_use]
pub fn char_of(rope: &Rope, position: Position, encoding: PositionEncoding) -> usize {
    let line = position.line as usize;
    if line >= rope.len_lines() {
        return rope.len_chars();
    }
    let content = line_content(rope, line);
    let column = position.character as usize;
    let chars = match encoding {
        PositionEncoding::Utf8 => content.byte_to_char(column.min(content.len_bytes())),
        PositionEncoding::Utf16 => content.utf16_cu_to_char(column.min(content.len_utf16_cu())),
        PositionEncoding::Utf32 => column.min(content.len_chars()),
    };
    rope.line_to_char(line) + chars
}

/// The byte offset of `position` in `rope`, clamped.
#[must_use]
pub fn byte_of(rope: &Rope, position: Position, encoding: PositionEncoding) -> usize {
    rope.char_to_byte(char_of(rope, position, encoding))
}

/// The position of char offset `char`, clamped to the end of the text. An offset between the `\r` and the `\n` of one
/// line break has no position of its own; it becomes the end of its line.
#[must_use]
pub fn position_of_char(rope: &Rope, char: usize, encoding: PositionEncoding) -> Position {
    let char = char.min(rope.len_chars());
    let line = rope.char_to_line(char);
    let content = line_content(rope, line);
    let column = (char - rope.line_to_char(line)).min(content.len_chars());
    let character = match encoding {
        PositionEncoding::Utf8 => content.char_to_byte(column),
        PositionEncoding::Utf16 => content.char_to_utf16_cu(column),
        PositionEncoding::Utf32 => column,
    };
    Position { line: saturate(line), character: saturate(character) }
}

/// The position of byte offset `byte`, clamped to the end of the text and, inside a character, to its start.
#[must_use]
pub fn position_of_byte(rope: &Rope, byte: usize, encoding: PositionEncoding) -> Position {
    position_of_char(rope, rope.byte_to_char(byte.min(rope.len_bytes())), encoding)
}

/// The bytes of `range`, clamped and in ascending order.
#[must_use]
pub fn bytes_of(rope: &Rope, range: Range, encoding: PositionEncoding) -> ops::Range<usize> {
    let start = byte_of(rope, range.start, encoding);
    let end = byte_of(rope, range.end, encoding);
    start.min(end)..start.max(end)
}

/// The range of `bytes`, clamped.
#[must_use]
pub fn range_of(rope: &Rope, bytes: ops::Range<usize>, encoding: PositionEncoding) -> Range {
    Range {
        start: position_of_byte(rope, bytes.start, encoding),
        end: position_of_byte(rope, bytes.end, encoding),
    }
}

/// The text of line `line` without its line break; empty for a line past the end.
#[must_use]
pub fn line_content(rope: &Rope, line: usize) -> RopeSlice<'_> {
    let Some(whole) = rope.get_line(line) else {
        return rope.slice(rope.len_chars()..);
    };
    let len = whole.len_chars();
    let last = |back: usize| len.checked_sub(back).map(|at| whole.char(at));
    let line_break = match (last(2), last(1)) {
        (Some('\r'), Some('\n')) => 2,
        (_, Some('\n' | '\r')) => 1,
        _ => 0,
    };
    whole.slice(..len - line_break)
}

fn saturate(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
