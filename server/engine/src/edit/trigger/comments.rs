//! Comments line by line: their words without marks, what stands beside them, and how they are taken out.
//!
//! Refuses: knowing languages. The marks of comments are few, and told by how a comment begins.

use std::ops::Range;

use super::Lines;

/// What block comments begin and end with; the longer beginning of two that fit comes first.
const BLOCKS: [(&str, &str); 10] = [
    ("{/*", "*/}"),
    ("<!--", "-->"),
    ("/*", "*/"),
    ("{-", "-}"),
    ("--[==[", "]==]"),
    ("--[=[", "]=]"),
    ("--[[", "]]"),
    ("(*", "*)"),
    ("#|", "|#"),
    ("=begin", "=end"),
];
/// Signs that marks are made of, and that lines of a block comment begin with.
const MARKS: [char; 9] = ['/', '*', '#', '-', ';', '%', '!', '<', '|'];
/// Marks that elsewhere are quotes, so that only one of them, in front, counts.
const QUOTES: [char; 2] = ['"', '\''];

/// What a comment has on one line.
pub(super) struct CommentLine {
    /// The line.
    pub(super) line: usize,
    /// Its bytes there, with marks, without blanks behind.
    pub(super) bytes: Range<usize>,
    /// The same without marks.
    pub(super) words: Range<usize>,
    /// Which comment it is of.
    comment: usize,
    /// All bytes of that comment, without a line break behind.
    pub(super) whole: Range<usize>,
    block: bool,
    /// How far in it begins, in bytes.
    column: usize,
    /// Whether something stands before it on the line.
    pub(super) before: bool,
    /// Whether something stands behind it on the line.
    pub(super) after: bool,
}

impl CommentLine {
    /// Whether `next` may continue it: in the same block comment, or below it and as far in, with the same marks and
    /// nothing beside.
    pub(super) fn goes_on_in(&self, next: &Self, text: &str) -> bool {
        let marks = |one: &Self| text[one.bytes.start..one.words.start].trim_end().to_owned();
        let alike = || !self.block && !next.block && self.column == next.column && marks(self) == marks(next);
        next.line == self.line + 1
            && !self.after
            && !next.before
            && (!next.after || next.block)
            && (self.comment == next.comment || alike())
    }
}

/// The lines of comments at these bytes.
pub(super) fn comment_lines(lines: &Lines<'_>, comments: &[Range<usize>]) -> Vec<CommentLine> {
    let mut found = Vec::new();
    for (comment, bytes) in comments.iter().enumerate() {
        let trimmed = lines.text[bytes.clone()].trim_end().len();
        let whole = bytes.start..bytes.start + trimmed;
        let text = &lines.text[whole.clone()];
        let pair = BLOCKS.iter().find(|(open, close)| {
            text.starts_with(open) && text.ends_with(close) && text.len() >= open.len() + close.len()
        });
        for line in lines.at(whole.start)..=lines.at(whole.end.saturating_sub(1).max(whole.start)) {
            let bare = lines.bare(line);
            let (start, end) = (bare.start.max(whole.start), bare.end.min(whole.end));
            let mut words = start..end;
            if let Some((open, close)) = pair {
                words.start += if start == whole.start { open.len() } else { 0 };
                words.end -= if end == whole.end { close.len() } else { 0 };
            } else if start == whole.start && text.starts_with(QUOTES) {
                words.start += 1;
            }
            // Both marks of an empty block comment stand on one line.
            let words = words.start..words.end.max(words.start);
            found.push(CommentLine {
                line,
                words: without_marks(lines.text, words),
                comment,
                whole: whole.clone(),
                block: pair.is_some(),
                column: start - bare.start,
                before: !lines.text[bare.start..start].trim().is_empty(),
                after: !lines.text[end..bare.end].trim().is_empty(),
                bytes: start..end,
            });
        }
    }
    found
}

/// The part of `bytes` between blanks, one run of marks and blanks in front, and blanks behind.
fn without_marks(text: &str, bytes: Range<usize>) -> Range<usize> {
    let inner = &text[bytes.clone()];
    let front = inner.trim_start().trim_start_matches(MARKS).trim_start();
    let start = bytes.end - front.len();
    start..start + front.trim_end().len()
}

/// The bytes that go when the comment lines from `first` to `last` do; `None` when what stands on both sides would
/// grow together.
pub(super) fn removal(
    lines: &Lines<'_>,
    comments: &[CommentLine],
    first: usize,
    last: usize,
) -> Option<Range<usize>> {
    let (begin, end) = (&comments[first], &comments[last]);
    let bytes = if !begin.block {
        begin.bytes.start..end.bytes.end
    } else if is_all_of_it(comments, first, last) {
        begin.whole.clone()
    } else {
        let opens = begin.bytes.start == begin.whole.start;
        let closes = end.bytes.end == end.whole.end;
        if !opens && !closes {
            return Some(lines.bytes(begin.line).start..lines.bytes(end.line).end);
        }
        // The comment stays with its other lines, and so do its marks on these.
        let words = begin.words.start..end.words.end;
        let before = lines.text[begin.bytes.start..words.start].trim_end_matches([' ', '\t']).len();
        return Some(begin.bytes.start + before..words.end);
    };
    // A block comment may begin above these lines and end below them.
    let (top, bottom) = (lines.at(bytes.start), lines.at(bytes.end.saturating_sub(1)));
    let (line, tail) = (lines.bare(top), lines.bare(bottom));
    let (before, after) = (&lines.text[line.start..bytes.start], &lines.text[bytes.end..tail.end]);
    match (!before.trim().is_empty(), !after.trim().is_empty()) {
        (false, false) => Some(lines.bytes(top).start..lines.bytes(bottom).end),
        (false, true) => Some(bytes.start..bytes.end + (after.len() - after.trim_start().len())),
        (true, false) => Some(line.start + before.trim_end().len()..tail.end),
        (true, true) => {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let kept = before.trim_end();
            let grown = kept.ends_with(is_word) && after.starts_with(is_word);
            (!grown).then(|| line.start + kept.len()..bytes.end)
        }
    }
}

/// Whether the block comment of these lines says nothing else.
fn is_all_of_it(comments: &[CommentLine], first: usize, last: usize) -> bool {
    let same = |comment: &&CommentLine| comment.comment == comments[first].comment;
    let before = comments[..first].iter().rev().take_while(same);
    let after = comments[last + 1..].iter().take_while(same);
    before.chain(after).all(|other| other.words.is_empty())
}
