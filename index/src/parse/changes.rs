//! What differs between two versions of a text, as a few small changes, so that the rest is neither parsed nor queried
//! again.
//!
//! Refuses: to look long for the fewest; texts that differ in many places are one large change.

use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};
use tree_sitter::{InputEdit, Point, Tree};

/// Texts are compared in blocks of this size, in bytes.
const BLOCK_BYTES: usize = 1 << 10;
/// What differs is one change up to this size, in bytes.
const ONE_BYTES_MAX: usize = 1 << 10;
/// Changes that are closer than this are one, in bytes.
const GAP_BYTES_MIN: usize = 512;
/// More changes than this are one.
const CHANGES_MAX: usize = 32;
/// Time to compare lines, in milliseconds; after it the changes are larger than they need be.
const COMPARE_MS_MAX: u64 = 2;

/// Bytes of the old text that became others in the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    old: Range<usize>,
    new: Range<usize>,
}

/// All changes between two versions, in order. Between two of them stands text that is the same in both.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    /// What makes one text of another.
    pub(crate) fn between(old: &str, new: &str) -> Self {
        let whole = trimmed(old, new, &Change { old: 0..old.len(), new: 0..new.len() });
        if whole.old.len().min(whole.new.len()) <= ONE_BYTES_MAX {
            return Self(vec![whole]);
        }
        let hunks = hunks(old, new, &whole);
        if hunks.len() > CHANGES_MAX {
            return Self(vec![whole]);
        }
        let changes = hunks.iter().map(|hunk| trimmed(old, new, hunk));
        Self(changes.filter(|change| !change.old.is_empty() || !change.new.is_empty()).collect())
    }

    /// Tells the tree of the old text about all changes.
    pub(crate) fn edit(&self, tree: &mut Tree, old: &str, new: &str) {
        let (mut at, mut point) = (0, Point { row: 0, column: 0 });
        let mut edits = Vec::with_capacity(self.0.len());
        for change in &self.0 {
            let start_position = advance(point, &old.as_bytes()[at..change.old.start]);
            let old_end_position = advance(start_position, &old.as_bytes()[change.old.clone()]);
            (at, point) = (change.old.end, old_end_position);
            edits.push(InputEdit {
                start_byte: change.old.start,
                old_end_byte: change.old.end,
                new_end_byte: change.old.start + change.new.len(),
                start_position,
                old_end_position,
                new_end_position: advance(start_position, &new.as_bytes()[change.new.clone()]),
            });
        }
        // From the last to the first, so that each stands where it stood in the old text.
        edits.iter().rev().for_each(|edit| tree.edit(edit));
    }

    /// Where the changes stand in the new text.
    pub(crate) fn new_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().map(|change| change.new.clone())
    }

    /// The part of the old text that became a part of the new one, at both ends of which nothing changed but inside.
    pub(crate) fn before(&self, part: &Range<usize>) -> Range<usize> {
        let old =
            |change: Option<&Change>, at: usize| change.map_or(at, |change| at - change.new.end + change.old.end);
        let start = self.0.iter().take_while(|change| change.new.start < part.start).last();
        let end = self.0.iter().take_while(|change| change.new.end <= part.end).last();
        old(start, part.start)..old(end, part.end)
    }
}

/// The places within a change in which whole lines differ.
fn hunks(old: &str, new: &str, whole: &Change) -> Vec<Change> {
    let old_lines: Vec<&str> = old[whole.old.clone()].split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new[whole.new.clone()].split_inclusive('\n').collect();
    let deadline = Instant::now() + Duration::from_millis(COMPARE_MS_MAX);
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &old_lines, &new_lines, Some(deadline));
    let mut hunks: Vec<Change> = Vec::new();
    let (mut old_at, mut new_at) = (whole.old.start, whole.new.start);
    for op in ops {
        let bytes = |lines: &[&str]| lines.iter().map(|line| line.len()).sum::<usize>();
        let old_end = old_at + bytes(&old_lines[op.old_range()]);
        let new_end = new_at + bytes(&new_lines[op.new_range()]);
        if !matches!(op, DiffOp::Equal { .. }) {
            match hunks.last_mut().filter(|last| old_at - last.old.end < GAP_BYTES_MIN) {
                Some(last) => (last.old.end, last.new.end) = (old_end, new_end),
                None => hunks.push(Change { old: old_at..old_end, new: new_at..new_end }),
            }
        }
        (old_at, new_at) = (old_end, new_end);
    }
    hunks
}

/// A change without what is the same at both its ends.
fn trimmed(old: &str, new: &str, change: &Change) -> Change {
    let (a, b) = (&old[change.old.clone()], &new[change.new.clone()]);
    // By blocks first: texts are long and edits short.
    let blocks = a.as_bytes().chunks(BLOCK_BYTES).zip(b.as_bytes().chunks(BLOCK_BYTES));
    let mut start = blocks.take_while(|(a, b)| a == b && a.len() == BLOCK_BYTES).count() * BLOCK_BYTES;
    let rest = a.bytes().skip(start).zip(b.bytes().skip(start));
    start += rest.take_while(|(a, b)| a == b).count();
    while !(a.is_char_boundary(start) && b.is_char_boundary(start)) {
        start -= 1;
    }
    let (a_rest, b_rest) = (&a.as_bytes()[start..], &b.as_bytes()[start..]);
    let blocks = a_rest.rchunks(BLOCK_BYTES).zip(b_rest.rchunks(BLOCK_BYTES));
    let mut same = blocks.take_while(|(a, b)| a == b && a.len() == BLOCK_BYTES).count() * BLOCK_BYTES;
    let rest = a_rest.iter().rev().skip(same).zip(b_rest.iter().rev().skip(same));
    same += rest.take_while(|(a, b)| a == b).count();
    while !(a.is_char_boundary(a.len() - same) && b.is_char_boundary(b.len() - same)) {
        same -= 1;
    }
    Change {
        old: change.old.start + start..change.old.end - same,
        new: change.new.start + start..change.new.end - same,
    }
}

/// The row and column, as the parser counts them, after some more bytes.
fn advance(from: Point, bytes: &[u8]) -> Point {
    // Counted in small sums, which the compiler turns into wide instructions.
    let breaks = |block: &[u8]| block.iter().map(|&byte| u8::from(byte == b'\n')).sum::<u8>();
    let rows: usize = bytes.chunks(usize::from(u8::MAX)).map(|block| usize::from(breaks(block))).sum();
    let tail = bytes.iter().rev().take_while(|&&byte| byte != b'\n').count();
    Point { row: from.row + rows, column: if rows == 0 { from.column + tail } else { tail } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both texts cut at the changes.
    fn check(old: &str, new: &str, expected: &[(&str, &str)]) {
        let Changes(changes) = Changes::between(old, new);
        let mut made = old.to_owned();
        for change in changes.iter().rev() {
            made.replace_range(change.old.clone(), &new[change.new.clone()]);
        }
        assert_eq!(made, new);
        let found: Vec<_> =
            changes.iter().map(|change| (&old[change.old.clone()], &new[change.new.clone()])).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn changes_are_few_and_small() {
        let lines = |mark: &str| (0..400).map(|n| format!("{mark} line {n}, café\n")).collect::<String>();
        let text = lines("a");
        let with = |at: &str, line: &str| text.replace(at, &format!("{line}{at}"));
        check(&text, &text, &[("", "")]);
        check("é", "è", &[("é", "è")]);
        check(&with("a line 10,", "one\n"), &with("a line 390,", "two\n"), &[("one\n", ""), ("", "\ntwo")]);
        check(
            &text,
            &with("a line 390,", "two\n").replace("a line 10,", "b line 10,"),
            &[("a", "b"), ("", "\ntwo")],
        );
        // Close to each other.
        let near = text.replace("a line 10,", "b line 10,").replace("a line 12,", "b line 12,");
        let between = "a line 10, café\na line 11, café\na";
        check(
            &text,
            &near,
            &[(
                between,
                &between.replace("a line 10", "b line 10").replace("\na line 11, café\na", "\na line 11, café\nb"),
            )],
        );
        // Everywhere.
        let other = lines("b");
        check(
            &text,
            &other,
            &[(text.trim_end_matches(" line 399, café\n"), other.trim_end_matches(" line 399, café\n"))],
        );
        let changes = Changes::between(&with("a line 10,", "one\n"), &with("a line 390,", "two\n"));
        let old = with("a line 10,", "one\n");
        let at = text.find("a line 10,").unwrap();
        assert_eq!(changes.before(&(at..at)), at..at + "one\n".len());
        assert_eq!(&old[changes.before(&(at + 2..at + 9))], "line 10");
    }
}
