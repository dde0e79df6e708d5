//! Edits as sets of replaced byte ranges: apply, invert, rebase over another edit, express as positions.
//!
//! Refuses: guessing. An edit that no longer fits, or that meets somebody else's change, is an error, never a
//! near-enough place.

use ropey::Rope;

use crate::document::Change;
use crate::error::TextError;
use crate::position::{PositionEncoding, bytes_of, range_of};

/// One replaced range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// First byte replaced, in the text before the edit.
    pub start_byte: usize,
    /// Byte after the last replaced, in the text before the edit; equal to `start_byte` for an insertion.
    pub end_byte: usize,
    /// What stands there afterwards.
    pub new_text: String,
}

/// Which side of text inserted exactly at an offset that offset ends up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// The offset stays in front of the inserted text.
    Before,
    /// The offset moves behind the inserted text.
    After,
}

/// Replacements in one text, sorted, with at least one untouched byte between neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    parts: Vec<TextEdit>,
}

impl TextEdit {
    /// Replaces `start_byte..end_byte` by `new_text`.
    #[must_use]
    pub fn new(start_byte: usize, end_byte: usize, new_text: impl Into<String>) -> Self {
        Self { start_byte, end_byte, new_text: new_text.into() }
    }

    fn invalid(&self, reason: &'static str) -> TextError {
        TextError::InvalidEdit { start_byte: self.start_byte, end_byte: self.end_byte, reason }
    }

    fn meets(&self, other: &Self) -> bool {
        let overlap = self.start_byte < other.end_byte && other.start_byte < self.end_byte;
        let both_insert = self.is_insertion() && other.is_insertion() && self.start_byte == other.start_byte;
        overlap || both_insert
    }

    fn is_insertion(&self) -> bool {
        self.start_byte == self.end_byte
    }
}

impl Edit {
    /// An edit of `parts`, given in any order. Parts that change nothing are dropped; parts that touch become one,
    /// insertions at one place in the order given and before a replacement that begins there.
    ///
    /// # Errors
    ///
    /// [`TextError::InvalidEdit`] when two parts overlap or one ends before it starts.
    pub fn new(mut parts: Vec<TextEdit>) -> Result<Self, TextError> {
        // A stable sort keeps insertions at one place in their order.
        parts.sort_by_key(|part| (part.start_byte, part.end_byte));
        let mut merged: Vec<TextEdit> = Vec::with_capacity(parts.len());
        for part in parts {
            if part.end_byte < part.start_byte {
                return Err(part.invalid("it ends before it starts"));
            }
            if part.is_insertion() && part.new_text.is_empty() {
                continue;
            }
            match merged.last_mut() {
                Some(last) if part.start_byte < last.end_byte => {
                    return Err(part.invalid("it overlaps another part of the same edit"));
                }
                Some(last) if part.start_byte == last.end_byte => {
                    last.end_byte = part.end_byte;
                    last.new_text.push_str(&part.new_text);
                }
                _ => merged.push(part),
            }
        }
        Ok(Self { parts: merged })
    }

    /// An edit with one part.
    ///
    /// # Errors
    ///
    /// As [`Edit::new`].
    pub fn replace(start_byte: usize, end_byte: usize, new_text: impl Into<String>) -> Result<Self, TextError> {
        Self::new(vec![TextEdit::new(start_byte, end_byte, new_text)])
    }

    /// An edit from `changes` whose ranges all count in `before`; a change without a range replaces everything.
    ///
    /// # Errors
    ///
    /// [`TextError::InvalidEdit`] when two of them overlap.
    pub fn from_changes(before: &Rope, changes: &[Change], encoding: PositionEncoding) -> Result<Self, TextError> {
        let part = |change: &Change| {
            let bytes = change.range.map_or(0..before.len_bytes(), |range| bytes_of(before, range, encoding));
            TextEdit::new(bytes.start, bytes.end, change.text.clone())
        };
        Self::new(changes.iter().map(part).collect())
    }

    /// The replacements, in ascending order.
    #[must_use]
    pub fn parts(&self) -> &[TextEdit] {
        &self.parts
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The text after this edit. `before` is not changed; both share what they have in common.
    ///
    /// # Errors
    ///
    /// [`TextError::InvalidEdit`] when a part lies outside `before` or splits a character.
    pub fn apply(&self, before: &Rope) -> Result<Rope, TextError> {
        self.check(before)?;
        let mut after = before.clone();
        // From the back, so that earlier offsets stay true.
        for part in self.parts.iter().rev() {
            let start = before.byte_to_char(part.start_byte);
            after.remove(start..before.byte_to_char(part.end_byte));
            after.insert(start, &part.new_text);
        }
        Ok(after)
    }

    /// The edit that turns the text after this edit back into `before`.
    ///
    /// # Errors
    ///
    /// [`TextError::InvalidEdit`] when this edit does not fit `before`.
    pub fn invert(&self, before: &Rope) -> Result<Self, TextError> {
        self.check(before)?;
        let mut drift = Drift::default();
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let start = drift.shift(part.start_byte);
            let old = before.byte_slice(part.start_byte..part.end_byte).to_string();
            parts.push(TextEdit::new(start, start + part.new_text.len(), old));
            drift.pass(part);
        }
        Self::new(parts)
    }

    /// This edit, made for some text, as it must be after `other`, made for the same text, was applied first.
    ///
    /// Edits that only touch each other's borders do not conflict, and the result does not depend on which came first.
    ///
    /// # Errors
    ///
    /// [`TextError::Conflict`] when both change the same text, one changes text in which the other inserts, or both
    /// insert at one place.
    pub fn rebase(&self, other: &Self) -> Result<Self, TextError> {
        let mut drift = Drift::default();
        let mut others = other.parts.iter().peekable();
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            while let Some(earlier) = others.next_if(|o| o.end_byte <= part.start_byte && !o.meets(part)) {
                drift.pass(earlier);
            }
            if others.peek().is_some_and(|next| next.meets(part)) {
                return Err(TextError::Conflict { start_byte: part.start_byte, end_byte: part.end_byte });
            }
            let start = drift.shift(part.start_byte);
            parts.push(TextEdit::new(start, drift.shift(part.end_byte), part.new_text.clone()));
        }
        Self::new(parts)
    }

    /// Where byte offset `byte` of the text before this edit lies after it. An offset inside replaced text goes to
    /// the start or the end of what replaced it, as `bias` says.
    #[must_use]
    pub fn map_byte(&self, byte: usize, bias: Bias) -> usize {
        let mut drift = Drift::default();
        for part in &self.parts {
            let behind = part.end_byte < byte || (part.end_byte == byte && !part.is_insertion());
            if behind {
                drift.pass(part);
                continue;
            }
            let inside = part.start_byte < byte || (part.is_insertion() && part.start_byte == byte);
            if !inside {
                break;
            }
            let start = drift.shift(part.start_byte);
            return match bias {
                Bias::Before => start,
                Bias::After => start + part.new_text.len(),
            };
        }
        drift.shift(byte)
    }

    /// The parts as ranges of `before`, ascending. A part that begins or ends inside one `\r\n`, where no position
    /// can point, is widened to hold the whole line break.
    ///
    /// # Errors
    ///
    /// [`TextError::InvalidEdit`] when this edit does not fit `before`.
    pub fn to_changes(&self, before: &Rope, encoding: PositionEncoding) -> Result<Vec<Change>, TextError> {
        self.check(before)?;
        let widened = Self::new(self.parts.iter().map(|part| widen(before, part)).collect())?;
        let change = |part: TextEdit| Change {
            range: Some(range_of(before, part.start_byte..part.end_byte, encoding)),
            text: part.new_text,
        };
        Ok(widened.parts.into_iter().map(change).collect())
    }

    fn check(&self, before: &Rope) -> Result<(), TextError> {
        for part in &self.parts {
            if part.end_byte > before.len_bytes() {
                return Err(part.invalid("it lies past the end of the text"));
            }
            let splits = |byte: usize| before.char_to_byte(before.byte_to_char(byte)) != byte;
            if splits(part.start_byte) || splits(part.end_byte) {
                return Err(part.invalid("it splits a character"));
            }
        }
        Ok(())
    }
}

/// How far offsets behind the parts passed so far have moved.
#[derive(Default)]
struct Drift {
    removed_bytes: usize,
    added_bytes: usize,
}

impl Drift {
    fn pass(&mut self, part: &TextEdit) {
        self.removed_bytes += part.end_byte - part.start_byte;
        self.added_bytes += part.new_text.len();
    }

    fn shift(&self, byte: usize) -> usize {
        byte - self.removed_bytes + self.added_bytes
    }
}

fn widen(before: &Rope, part: &TextEdit) -> TextEdit {
    let inside_crlf = |byte: usize| {
        byte > 0 && byte < before.len_bytes() && before.byte(byte - 1) == b'\r' && before.byte(byte) == b'\n'
    };
    let mut wide = part.clone();
    if inside_crlf(part.start_byte) {
        wide.start_byte -= 1;
        wide.new_text.insert(0, '\r');
    }
    if inside_crlf(part.end_byte) {
        wide.end_byte += 1;
        wide.new_text.push('\n');
    }
    wide
}

#[cfg(test)]
mod tests;
