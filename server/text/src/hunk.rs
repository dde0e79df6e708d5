//! What differs between two texts: hunks of whole lines to judge one by one, a small edit, a unified diff.
//!
//! Refuses: clocks. The result depends on the two texts alone; size limits, not deadlines, bound the work.

use std::ops::Range;

use similar::{Algorithm, DiffOp, TextDiff, capture_diff_slices};

use crate::edit::{Edit, TextEdit};
use crate::error::TextError;
use crate::line_ending::split_lines;

/// Up to this many lines in either text are compared line by line. A longer text gives one hunk, from the first line
/// that differs to the last.
pub const DIFF_LINES_MAX: usize = 200_000;

/// A changed block of up to this many bytes on either side is compared word by word; a larger one only loses its
/// common beginning and end.
pub const WORD_DIFF_BYTES_MAX: usize = 16 * 1024;

/// Unchanged text shorter than this between two changed words is rewritten with them, so that an edit is not crumbled
/// by spaces and brackets that happen to agree.
pub const GAP_BYTES_MIN: usize = 3;

/// Neighbouring lines that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Lines of the old text, from zero; empty when lines were only added, and then says in front of which line.
    pub old_lines: Range<usize>,
    /// Lines of the new text, from zero; empty when lines were only removed.
    pub new_lines: Range<usize>,
    /// The bytes of `old_lines` in the old text.
    pub old_bytes: Range<usize>,
    /// The bytes of `new_lines` in the new text.
    pub new_bytes: Range<usize>,
    /// The lines of the old text, with their line breaks.
    pub old_text: String,
    /// The lines of the new text, with their line breaks.
    pub new_text: String,
}

impl Hunk {
    /// The edit of the old text that takes over this hunk alone.
    #[must_use]
    pub fn apply(&self) -> Edit {
        single(&self.old_bytes, &self.new_text)
    }

    /// The edit of the new text that takes back this hunk alone.
    #[must_use]
    pub fn revert(&self) -> Edit {
        single(&self.new_bytes, &self.old_text)
    }

    /// The edit of the old text that takes over all of `hunks`, any selection from one call of [`hunks`].
    ///
    /// # Errors
    ///
    /// [`TextError::InvalidEdit`] when they overlap, which those of one comparison never do.
    pub fn apply_all<'a>(hunks: impl IntoIterator<Item = &'a Self>) -> Result<Edit, TextError> {
        let part = |hunk: &Self| TextEdit::new(hunk.old_bytes.start, hunk.old_bytes.end, hunk.new_text.clone());
        Edit::new(hunks.into_iter().map(part).collect())
    }
}

/// The blocks of lines in which `old` and `new` differ, in ascending order, with equal lines between them.
#[must_use]
pub fn hunks(old: &str, new: &str) -> Vec<Hunk> {
    let old_lines = Pieces::new(split_lines(old));
    let new_lines = Pieces::new(split_lines(new));
    let blocks = if old_lines.texts.len().max(new_lines.texts.len()) > DIFF_LINES_MAX {
        trimmed(&old_lines.texts, &new_lines.texts).into_iter().collect()
    } else {
        changed_blocks(&old_lines.texts, &new_lines.texts)
    };
    let hunk = |(old_range, new_range): Block| {
        let old_bytes = old_lines.bytes(&old_range);
        let new_bytes = new_lines.bytes(&new_range);
        Hunk {
            old_text: old[old_bytes.clone()].to_owned(),
            new_text: new[new_bytes.clone()].to_owned(),
            old_lines: old_range,
            new_lines: new_range,
            old_bytes,
            new_bytes,
        }
    };
    blocks.into_iter().map(hunk).collect()
}

/// A small edit that turns `old` into `new`: only the words that differ, where that can be found cheaply. No part
/// begins or ends inside a `\r\n` of `old`.
#[must_use]
pub fn minimal_edit(old: &str, new: &str) -> Edit {
    let parts = hunks(old, new).iter().flat_map(refine).collect();
    Edit::new(parts).expect("words of separate blocks do not overlap")
}

/// The difference in unified form with `context_lines` unchanged lines around each change, or the empty string when
/// there is none. Lines end at `\n` here, as in every tool that reads this form; a `\r` stays part of its line.
#[must_use]
pub fn unified_diff(old: &str, new: &str, old_name: &str, new_name: &str, context_lines: usize) -> String {
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
    let diff = TextDiff::configure().newline_terminated(true).diff_slices(&old_lines, &new_lines);
    diff.unified_diff().context_radius(context_lines).header(old_name, new_name).to_string()
}

/// A range of the old pieces and the range of the new ones that stands in its place.
type Block = (Range<usize>, Range<usize>);

/// Pieces of a text with the byte each starts at, and the text's length at the end.
struct Pieces<'a> {
    texts: Vec<&'a str>,
    starts: Vec<usize>,
}

impl<'a> Pieces<'a> {
    fn new(pieces: impl Iterator<Item = &'a str>) -> Self {
        let texts: Vec<&str> = pieces.collect();
        let mut starts = Vec::with_capacity(texts.len() + 1);
        let mut at = 0;
        starts.push(at);
        for text in &texts {
            at += text.len();
            starts.push(at);
        }
        Self { texts, starts }
    }

    fn bytes(&self, pieces: &Range<usize>) -> Range<usize> {
        self.starts[pieces.start]..self.starts[pieces.end]
    }
}

/// What remains between the common beginning and the common end, if anything.
fn trimmed(old: &[&str], new: &[&str]) -> Option<Block> {
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let back = old[front..].iter().rev().zip(new[front..].iter().rev()).take_while(|(a, b)| a == b).count();
    let block = (front..old.len() - back, front..new.len() - back);
    (!block.0.is_empty() || !block.1.is_empty()).then_some(block)
}

/// What differs, with at least one equal piece between two blocks.
fn changed_blocks(old: &[&str], new: &[&str]) -> Vec<Block> {
    let ops = capture_diff_slices(Algorithm::Myers, old, new).into_iter();
    ops.filter(|op| !matches!(op, DiffOp::Equal { .. })).map(|op| (op.old_range(), op.new_range())).collect()
}

/// The parts of `hunk` that really differ, as edits of the old text.
fn refine(hunk: &Hunk) -> Vec<TextEdit> {
    let old = Pieces::new(split_words(&hunk.old_text));
    let new = Pieces::new(split_words(&hunk.new_text));
    let blocks = if hunk.old_text.len().max(hunk.new_text.len()) > WORD_DIFF_BYTES_MAX {
        trimmed(&old.texts, &new.texts).into_iter().collect()
    } else {
        close_gaps(changed_blocks(&old.texts, &new.texts), &old)
    };
    let edit = |(old_range, new_range): Block| {
        let bytes = old.bytes(&old_range);
        let start = hunk.old_bytes.start;
        TextEdit::new(start + bytes.start, start + bytes.end, &hunk.new_text[new.bytes(&new_range)])
    };
    blocks.into_iter().map(edit).collect()
}

/// Joins blocks with less than [`GAP_BYTES_MIN`] unchanged bytes between them.
fn close_gaps(blocks: Vec<Block>, old: &Pieces<'_>) -> Vec<Block> {
    let mut joined: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        match joined.last_mut() {
            Some(last) if old.bytes(&(last.0.end..block.0.start)).len() < GAP_BYTES_MIN => {
                last.0.end = block.0.end;
                last.1.end = block.1.end;
            }
            _ => joined.push(block),
        }
    }
    joined
}

/// The words of `text`, its line breaks (each `\r\n` in one piece), runs of spaces and tabs, and single other
/// characters. Nothing is left out.
fn split_words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let run = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let end = if is_word(first) {
            run(is_word)
        } else if is_blank(first) {
            run(is_blank)
        } else if rest.starts_with("\r\n") {
            2
        } else {
            first.len_utf8()
        };
        let (word, tail) = rest.split_at(end);
        rest = tail;
        Some(word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn single(bytes: &Range<usize>, new_text: &str) -> Edit {
    Edit::replace(bytes.start, bytes.end, new_text).expect("one ascending range is always an edit")
}

#[cfg(test)]
mod tests;
