//! One block of lines that an edit changed, and where it stands in a text that went on being changed.
//!
//! Refuses: near-enough places. A block whose text no longer stands in one place is said to be lost, never guessed.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use text::{Hunk, split_lines};

/// Unchanged lines kept on each side of a block, by which it is found again.
const CONTEXT_LINES: usize = 3;
/// Lines with words in them from which a text is found without any line around it.
const ALONE_LINES_MIN: usize = 2;

/// Lines that an edit changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The lines that were there, with their line breaks.
    pub old_text: String,
    /// The lines in their place.
    pub new_text: String,
    /// The lines in front of them.
    pub before: String,
    /// The lines behind them.
    pub after: String,
    /// Where the old lines began, from zero.
    pub old_line: usize,
    /// Where the new lines began, from zero.
    pub new_line: usize,
}

/// Which text of a block is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The text that was there.
    Old,
    /// The text in its place.
    New,
}

/// Why a block is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its text is not there.
    Gone,
    /// Its text is there more than once.
    Ambiguous,
}

impl Block {
    /// The block of a hunk, in the text that the hunk leads to.
    #[must_use]
    pub fn of(hunk: &Hunk, new: &str) -> Self {
        let before: Vec<&str> = split_lines(&new[..hunk.new_bytes.start]).collect();
        let after = split_lines(&new[hunk.new_bytes.end..]).take(CONTEXT_LINES);
        Self {
            old_text: hunk.old_text.clone(),
            new_text: hunk.new_text.clone(),
            before: before[before.len().saturating_sub(CONTEXT_LINES)..].concat(),
            after: after.collect(),
            old_line: hunk.old_lines.start,
            new_line: hunk.new_lines.start,
        }
    }

    /// Its text on one side.
    #[must_use]
    pub fn text(&self, side: Side) -> &str {
        match side {
            Side::Old => &self.old_text,
            Side::New => &self.new_text,
        }
    }

    /// Where its text stands in `now`, in bytes: with all lines around it if they are there, else with fewer, else with
    /// those on one side. Alone only a text of some lines is found: one line may stand anywhere, and mean something else.
    ///
    /// # Errors
    /// [`Lost`] unless that is one place.
    pub fn find(&self, now: &str, side: Side) -> Result<Range<usize>, Lost> {
        let text = self.text(side);
        let around = |lines: usize| (last_lines(&self.before, lines), first_lines(&self.after, lines));
        let both = [around(CONTEXT_LINES), around(2), around(1)];
        let one_side = [(self.before.as_str(), ""), ("", self.after.as_str()), ("", "")];
        let is_telling =
            text.lines().filter(|line| line.contains(char::is_alphanumeric)).count() >= ALONE_LINES_MIN;
        let weaker = match (text.is_empty(), is_telling) {
            // Only lines on both sides tell where a text is not; one side of them would fit too many places.
            (true, _) => &[][..],
            (false, false) => &one_side[..2],
            (false, true) => &one_side[..],
        };
        for (before, after) in both.iter().chain(weaker) {
            if !is_telling && !text.is_empty() && before.is_empty() && after.is_empty() && !self.is_all() {
                continue;
            }
            match places(now, &[before, text, after].concat())[..] {
                [] => {}
                [at] => return Ok(at + before.len()..at + before.len() + text.len()),
                // Fewer lines around it are in no fewer places.
                _ => return Err(Lost::Ambiguous),
            }
        }
        Err(Lost::Gone)
    }

    /// Whether it is the whole of its file, so that no line stands around it.
    fn is_all(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

fn first_lines(text: &str, count: usize) -> &str {
    let bytes: usize = split_lines(text).take(count).map(str::len).sum();
    &text[..bytes]
}

fn last_lines(text: &str, count: usize) -> &str {
    let skipped = split_lines(text).count().saturating_sub(count);
    let bytes: usize = split_lines(text).take(skipped).map(str::len).sum();
    &text[bytes..]
}

/// The bytes at which whole lines `wanted` begin in `text`; two are enough to know that there is more than one.
fn places(text: &str, wanted: &str) -> Vec<usize> {
    if wanted.is_empty() {
        return if text.is_empty() { vec![0] } else { Vec::new() };
    }
    let starts_line = |at: usize| at == 0 || text[..at].ends_with(['\n', '\r']) && !splits_break(text, at);
    let ends_line = |end: usize| end == text.len() || wanted.ends_with(['\n', '\r']) && !splits_break(text, end);
    let mut found = Vec::new();
    let mut from = 0;
    while found.len() < 2
        && let Some(at) = text.get(from..).and_then(|rest| rest.find(wanted)).map(|at| at + from)
    {
        if starts_line(at) && ends_line(at + wanted.len()) {
            found.push(at);
        }
        from = at + wanted.chars().next().map_or(1, char::len_utf8);
    }
    found
}

/// Whether a byte lies between the two characters of one line break.
fn splits_break(text: &str, at: usize) -> bool {
    text[..at].ends_with('\r') && text[at..].starts_with('\n')
}
