//! Whether the user and an edit changed the same lines.
//!
//! Refuses: merging inside a line. Two changes of one line may both be right and their mixture wrong, so the line is
//! the smallest thing an edit may share with nobody.

use std::ops::Range;

use text::{Edit, Rope, TextEdit, position};

/// Whether `typed` changed a line of `base` that `edit` changes too, or would join lines that `edit` adds to its own. Whole
/// lines added above or below it do not.
pub(crate) fn meets(base: &Rope, edit: &Edit, typed: &Edit) -> bool {
    edit.parts().iter().any(|part| match lines(base, part) {
        Some(lines) => typed.parts().iter().any(|typed| touches(&lines, typed)),
        None => typed.parts().iter().any(|typed| joins(base, part, typed)),
    })
}

/// Whether the line break went that keeps the lines `part` adds apart from the text beside them.
fn joins(base: &Rope, part: &TextEdit, typed: &TextEdit) -> bool {
    let at = part.start_byte;
    let is_break = |byte: Option<u8>| matches!(byte, None | Some(b'\n' | b'\r'));
    if part.new_text.ends_with(['\n', '\r'])
        && is_break(at.checked_sub(1).and_then(|before| base.get_byte(before)))
    {
        let before = || typed.start_byte.checked_sub(1).and_then(|before| base.get_byte(before));
        return typed.start_byte < at
            && typed.end_byte == at
            && !is_break(typed.new_text.bytes().last().or_else(before));
    }
    let after = || base.get_byte(typed.end_byte);
    typed.start_byte == at && typed.end_byte > at && !is_break(typed.new_text.bytes().next().or_else(after))
}

/// The bytes of the lines a part changes, without the last line break; `None` when it only adds whole lines.
fn lines(base: &Rope, part: &TextEdit) -> Option<Range<usize>> {
    let first = base.byte_to_line(part.start_byte);
    // A part that ends with a line break does not change the next line.
    let last = base.byte_to_line(part.end_byte.saturating_sub(1).max(part.start_byte));
    let start = base.line_to_byte(first);
    let end = base.line_to_byte(last) + position::line_content(base, last).len_bytes();
    let adds_lines = part.start_byte == part.end_byte
        && ((part.start_byte == start && part.new_text.ends_with(['\n', '\r']))
            || (part.start_byte == end && part.new_text.starts_with(['\n', '\r'])));
    (!adds_lines).then_some(start..end)
}

fn touches(lines: &Range<usize>, typed: &TextEdit) -> bool {
    if typed.end_byte < lines.start || typed.start_byte > lines.end {
        return false;
    }
    if typed.end_byte == lines.start && typed.start_byte < lines.end {
        return !typed.new_text.ends_with(['\n', '\r']);
    }
    if typed.start_byte == lines.end && typed.end_byte > lines.start {
        return !typed.new_text.starts_with(['\n', '\r']);
    }
    // An insertion into an empty line, or a change inside.
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `base` with `[old|new]` where the edit changes it and `{old|new}` where the user does.
    fn check(marked: &str, expected: bool) {
        let mut base = String::new();
        let mut parts: [Vec<TextEdit>; 2] = Default::default();
        let mut rest = marked;
        while let Some(at) = rest.find(['[', '{']) {
            base.push_str(&rest[..at]);
            let who = usize::from(rest[at..].starts_with('{'));
            let (inside, after) = rest[at + 1..].split_once([']', '}']).expect("a mark has an end");
            let (old, new) = inside.split_once('|').expect("a mark has two sides");
            parts[who].push(TextEdit::new(base.len(), base.len() + old.len(), new));
            base.push_str(old);
            rest = after;
        }
        base.push_str(rest);
        let [edit, typed] = parts.map(|parts| Edit::new(parts).expect("the parts are apart"));
        assert_eq!(meets(&Rope::from_str(&base), &edit, &typed), expected, "{marked:?}");
    }

    #[test]
    fn the_line_is_the_smallest_shared_thing() {
        check("a\n[b|B]\nc\n", false);
        check("{a|A}\n[b|B]\n{c|C}\n", false);
        check("a\nb [x|X] {y|Y}\nc\n", true);
        check("a\n{|# }b [x|X]\nc\n", true);
        check("a\nb [x|X]{| # more}\nc\n", true);
        check("a\n{|new\n}b [x|X]{|\nnew}\nc\n", false);
        check("a\n[b|B]\n{|new\n}c\n", false);
        check("a{\n|}[b|B]\nc\n", true);
        check("a\n[b|B]{\n|}c\n", true);
        check("a\n{b\nc|}\n[d|D]\n", false);
        check("[a\n|A\n]{b|B}\n", false);
    }

    #[test]
    fn added_lines_leave_their_neighbours_alone() {
        check("[|doc\n]fn {a|b}()\n", false);
        check("fn {a|b}()[|\ntest]\n", false);
        check("fn a()\n[|\ntest\n]", false);
        check("[|async ]fn {a|b}()\n", true);
    }

    #[test]
    fn added_lines_stay_lines() {
        check("a{\n|}[|doc\n]b\n", true);
        check("a{b\nc\n|d}[|doc\n]e\n", true);
        check("{a\n|}[|doc\n]b\n", false);
        check("a{b\nc\n|\n}[|doc\n]d\n", false);
        check("a[|\ndoc]{\n|}b\n", true);
        check("a[|\ndoc]{\nb|c}d\n", true);
        check("a[|\ndoc]{\nb|}\nc\n", false);
        check("a[|\ndoc]{\nb|}", false);
    }
}
