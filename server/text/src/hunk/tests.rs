//! Hunks and small edits: known cases, and that each really leads from one text to the other.

use proptest::prelude::*;
use ropey::Rope;

use super::*;
use crate::samples::{edit_of, edit_seed, splice, text};

#[test]
fn hunks_name_lines_and_bytes() {
    let found = hunks("a\nb\nc\nd\n", "a\nB\nc\nd\ne\n");
    let lines: Vec<_> = found.iter().map(|h| (h.old_lines.clone(), h.new_lines.clone())).collect();
    assert_eq!(lines, [(1..2, 1..2), (4..4, 4..5)]);
    assert_eq!((found[0].old_bytes.clone(), found[0].new_bytes.clone()), (2..4, 2..4));
    assert_eq!((found[1].old_text.as_str(), found[1].new_text.as_str()), ("", "e\n"));
}

#[test]
fn one_hunk_is_taken_or_taken_back_alone() {
    let (old, new) = ("a\r\nb\r\nc", "A\r\nb\r\nC\r\n");
    let found = hunks(old, new);
    assert_eq!(found.len(), 2);
    assert_eq!(splice(old, &found[0].apply()), "A\r\nb\r\nc");
    assert_eq!(splice(old, &found[1].apply()), "a\r\nb\r\nC\r\n");
    assert_eq!(splice(new, &found[0].revert()), "a\r\nb\r\nC\r\n");
    assert_eq!(splice(new, &found[1].revert()), "A\r\nb\r\nc");
    assert_eq!(splice(old, &Hunk::apply_all(&found).unwrap()), new);
}

#[test]
fn hunks_of_different_comparisons_are_refused_where_they_overlap() {
    let mixed: Vec<Hunk> = [hunks("a\nb\n", "x\ny\n"), hunks("a\nb\n", "a\nz\n")].concat();
    assert!(matches!(Hunk::apply_all(&mixed), Err(TextError::InvalidEdit { .. })));
}

#[test]
fn equal_and_empty_texts_give_no_hunk() {
    for text in ["", "a", "a\n", "\r"] {
        assert_eq!(hunks(text, text), []);
        assert!(minimal_edit(text, text).is_empty());
        assert_eq!(unified_diff(text, text, "a", "b", 3), "");
    }
    assert_eq!(hunks("", "a\n").len(), 1);
    assert_eq!(hunks("a", "a\n").len(), 1, "a missing final line break is a difference");
}

#[test]
fn a_rewrite_becomes_small_edits() {
    let old = "fn main() {\n    let name = old();\n    done(name);\n}\n";
    let new = "fn main() {\n    let name = new_one();\n    done(name, 1);\n}\n";
    let edit = minimal_edit(old, new);
    let parts: Vec<_> =
        edit.parts().iter().map(|p| (&old[p.start_byte..p.end_byte], p.new_text.as_str())).collect();
    assert_eq!(parts, [("old", "new_one"), ("", ", 1")]);
}

#[test]
fn changed_line_endings_do_not_split_a_crlf() {
    let (old, new) = ("a\r\nb\r\n", "a\nb\r\n");
    let edit = minimal_edit(old, new);
    assert_eq!(edit.parts(), [TextEdit::new(1, 3, "\n")]);
    assert_eq!(splice(old, &edit), new);
}

#[test]
fn texts_beyond_the_limits_still_lead_from_one_to_the_other() {
    let middle = "x\n".repeat(DIFF_LINES_MAX);
    let (old, new) = (format!("same\na\n{middle}b\n"), format!("same\nA\n{middle}B\n"));
    let found = hunks(&old, &new);
    assert_eq!(found.len(), 1, "beyond the limit there is one hunk");
    assert_eq!(found[0].old_lines, 1..DIFF_LINES_MAX + 3);
    assert_eq!(splice(&new, &found[0].revert()), old);
    assert_eq!(hunks(&old[..old.len() / 2], &new[..new.len() / 2]).len(), 1);

    let words = "word ".repeat(WORD_DIFF_BYTES_MAX / 4);
    let edit = minimal_edit(&format!("{words}old {words}end"), &format!("{words}new {words}END"));
    assert_eq!(edit.parts(), [TextEdit::new(words.len(), 2 * words.len() + 7, format!("new {words}END"))]);
}

#[test]
fn short_agreements_do_not_crumble_an_edit() {
    assert_eq!(minimal_edit("a(b)", "x(y)").parts(), [TextEdit::new(0, 3, "x(y")]);
    assert_eq!(minimal_edit("a same b", "x same y").parts(), [TextEdit::new(0, 1, "x"), TextEdit::new(7, 8, "y")]);
}

#[test]
fn a_unified_diff_is_what_other_tools_read() {
    let old = "a\nb\nc\nd\ne\n";
    let new = "a\nb\nC\nd\ne";
    let wanted = "--- a/f\n+++ b/f\n@@ -2,4 +2,4 @@\n b\n-c\n+C\n d\n-e\n+e\n\\ No newline at end of file\n";
    assert_eq!(unified_diff(old, new, "a/f", "b/f", 1), wanted);
    assert_eq!(unified_diff("", "x\n", "/dev/null", "b/f", 3), "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n");
    assert_eq!(unified_diff("a\r\n", "b\r\n", "a", "b", 0), "--- a\n+++ b\n@@ -1 +1 @@\n-a\r\n+b\r\n");
    assert_eq!(unified_diff("a\rb", "a\rc", "a", "b", 0).lines().count(), 7, "a lone CR stays in its line");
}

proptest! {
    #[test]
    fn hunks_lead_from_old_to_new_and_back(old in text(40), new in text(40)) {
        let found = hunks(&old, &new);
        prop_assert_eq!(splice(&old, &Hunk::apply_all(&found).unwrap()), new.as_str());
        for pair in found.windows(2) {
            prop_assert!(pair[0].old_lines.end < pair[1].old_lines.start, "equal lines stand between hunks");
        }
        let mut text = Rope::from_str(&new);
        for hunk in found.iter().rev() {
            text = hunk.revert().apply(&text).unwrap();
        }
        prop_assert_eq!(text.to_string(), old);
    }

    #[test]
    fn a_small_edit_leads_from_old_to_new(old in text(40), seed in edit_seed(4)) {
        let new = splice(&old, &edit_of(&old, &seed));
        let edit = minimal_edit(&old, &new);
        prop_assert_eq!(splice(&old, &edit), new.as_str());
        for part in edit.parts() {
            for byte in [part.start_byte, part.end_byte] {
                prop_assert!(!(old[..byte].ends_with('\r') && old[byte..].starts_with('\n')));
            }
        }
    }
}
