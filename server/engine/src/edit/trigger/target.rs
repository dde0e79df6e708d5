//! What a request in a comment is about: the code below it, or the definition around it.
//!
//! Refuses: nothing at all. Where there is no code, it is the place of the comment itself.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};

use index::{Outline, Syntax};

use super::Lines;
use super::comments::CommentLine;
use crate::edit::task::innermost;

/// Columns from one tab stop to the next, where the depth of lines is compared.
const TAB_COLUMNS: usize = 8;
/// Words that end a block.
const END_WORDS: [&str; 9] = ["end", "fi", "done", "esac", "endif", "endfor", "endwhile", "else", "elif"];

/// A text with all that is known of its structure.
pub(super) struct Scene<'a> {
    lines: &'a Lines<'a>,
    comments: &'a [CommentLine],
    /// Lines with a comment and nothing else.
    alone: HashSet<usize>,
    syntax: Option<&'a Syntax>,
    outline: Outline,
}

impl<'a> Scene<'a> {
    /// The scene of a text; `grammar` is what the index tells its language by.
    pub(super) fn new(
        lines: &'a Lines<'a>,
        comments: &'a [CommentLine],
        syntax: Option<&'a Syntax>,
        grammar: &str,
    ) -> Self {
        let alone = comments.iter().filter(|comment| !comment.before && !comment.after);
        Self {
            lines,
            comments,
            alone: alone.map(|comment| comment.line).collect(),
            syntax,
            outline: index::outline(grammar, lines.text).unwrap_or_default(),
        }
    }

    /// The whole lines of the comment lines of a request.
    pub(super) fn whole(&self, request: RangeInclusive<usize>) -> Range<usize> {
        self.of_lines(self.comments[*request.start()].line..self.comments[*request.end()].line + 1)
    }

    /// The whole lines that the request of these comment lines is about.
    pub(super) fn target(&self, first: usize, last: usize) -> Range<usize> {
        let line = self.comments[first].line;
        let begin = self.lines.at(self.comments[first].whole.start);
        if !self.alone.contains(&line) {
            return self.around(line).or_else(|| self.statement(line)).unwrap_or_else(|| self.bytes(line));
        }
        let below = self.below(self.comments[last].line).filter(|&below| {
            // Code that is less far in belongs to what is around the block that the comment stands in.
            self.depth(below) >= self.depth(begin) && !ends_block(self.lines.line(below).trim())
        });
        let after = self.lines.at(self.comments[last].whole.end.saturating_sub(1)) + 1;
        let about = below.and_then(|below| {
            self.definition(after, below).or_else(|| self.statement(below)).or_else(|| Some(self.paragraph(below)))
        });
        about.or_else(|| self.around(line)).unwrap_or_else(|| self.whole(first..=last))
    }

    /// The next line with code.
    fn below(&self, line: usize) -> Option<usize> {
        let code = |line: &usize| !self.lines.line(*line).trim().is_empty() && !self.alone.contains(line);
        (line + 1..self.lines.count()).find(code)
    }

    /// The innermost definition around a line.
    fn around(&self, line: usize) -> Option<Range<usize>> {
        innermost(&self.outline, line).map(|lines| self.of_lines(lines))
    }

    /// The largest definition whose first code is on this line, with what leads to it from line `after` on.
    fn definition(&self, after: usize, line: usize) -> Option<Range<usize>> {
        let begins = self.outline.symbols.iter().map(|symbol| {
            symbol.start_line.saturating_sub(1) as usize..(symbol.end_line as usize).min(self.lines.count())
        });
        let code = |line: usize| !self.lines.line(line).trim().is_empty() && !self.alone.contains(&line);
        let here = begins.filter(|lines| lines.contains(&line) && !(lines.start..line).any(code));
        let largest = here.max_by_key(|lines| lines.end - line)?;
        Some(self.of_lines(largest.start.max(after).min(line)..largest.end))
    }

    /// The statement that begins a line.
    fn statement(&self, line: usize) -> Option<Range<usize>> {
        let bytes = self.syntax?.statement_at(self.lines.begin(line))?;
        Some(self.lines.whole(&bytes))
    }

    /// A line with those below that are farther in, and the one that closes them.
    fn paragraph(&self, line: usize) -> Range<usize> {
        let depth = self.depth(line);
        let mut end = line + 1;
        while end < self.lines.count() && !self.lines.line(end).trim().is_empty() && self.depth(end) > depth {
            end += 1;
        }
        let closes = end > line + 1
            && end < self.lines.count()
            && self.depth(end) == depth
            && ends_block(self.lines.line(end).trim());
        self.of_lines(line..end + usize::from(closes))
    }

    fn depth(&self, line: usize) -> usize {
        let blanks = self.lines.line(line).chars().take_while(|c| c.is_whitespace());
        blanks.fold(0, |at, c| if c == '\t' { at / TAB_COLUMNS * TAB_COLUMNS + TAB_COLUMNS } else { at + 1 })
    }

    fn bytes(&self, line: usize) -> Range<usize> {
        self.lines.bytes(line)
    }

    fn of_lines(&self, lines: Range<usize>) -> Range<usize> {
        let last = lines.end.max(lines.start + 1) - 1;
        self.lines.bytes(lines.start).start..self.lines.bytes(last).end
    }
}

/// Whether a line of code begins with the end of a block.
fn ends_block(code: &str) -> bool {
    let word = code.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    code.starts_with(['}', ')', ']']) || code.starts_with("</") || END_WORDS.contains(&word)
}
