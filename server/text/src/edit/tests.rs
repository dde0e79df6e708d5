//! Edits against string splicing, their inverses, and rebasing from both sides.

use proptest::prelude::*;
use ropey::Rope;

use super::*;
use crate::document::Document;
use crate::samples::{ENCODINGS, edit_of, edit_seed, splice, text};

fn edit(parts: &[(usize, usize, &str)]) -> Edit {
    Edit::new(parts.iter().map(|&(start, end, new)| TextEdit::new(start, end, new)).collect()).unwrap()
}

#[test]
fn parts_are_sorted_and_joined_where_they_touch() {
    assert_eq!(edit(&[(5, 6, "b"), (0, 1, "a")]), edit(&[(0, 1, "a"), (5, 6, "b")]));
    assert_eq!(edit(&[(0, 1, "a"), (1, 2, "b")]), edit(&[(0, 2, "ab")]));
    assert_eq!(edit(&[(3, 5, "c"), (3, 3, "a"), (3, 3, "b")]), edit(&[(3, 5, "abc")]));
    assert_eq!(edit(&[(3, 5, "a"), (5, 5, "b")]), edit(&[(3, 5, "ab")]));
    assert!(edit(&[(2, 2, "")]).is_empty());
}

#[test]
fn overlapping_and_backward_parts_are_refused() {
    for parts in [[(0, 3), (2, 4)], [(0, 3), (1, 1)], [(2, 1), (5, 6)]] {
        let parts = parts.iter().map(|&(start, end)| TextEdit::new(start, end, "x")).collect();
        assert!(matches!(Edit::new(parts), Err(TextError::InvalidEdit { .. })));
    }
}

#[test]
fn an_edit_that_does_not_fit_is_refused_everywhere() {
    let rope = Rope::from_str("a👍");
    for part in [(0, 6, ""), (2, 2, "x"), (1, 4, ""), (9, 9, "x")] {
        let edit = edit(&[part]);
        assert!(matches!(edit.apply(&rope), Err(TextError::InvalidEdit { .. })), "{part:?}");
        assert!(edit.invert(&rope).is_err());
        assert!(edit.to_changes(&rope, PositionEncoding::Utf8).is_err());
    }
    assert_eq!(edit(&[(1, 5, "!")]).apply(&rope).unwrap().to_string(), "a!");
}

/// Rebases `ours` over `theirs` on the text `0123456789` and compares the final text, or expects a conflict.
#[track_caller]
fn check_rebase(ours: &[(usize, usize, &str)], theirs: &[(usize, usize, &str)], wanted: Option<&str>) {
    let base = Rope::from_str("0123456789");
    let (ours, theirs) = (edit(ours), edit(theirs));
    match (ours.rebase(&theirs), wanted) {
        (Ok(rebased), Some(wanted)) => {
            assert_eq!(rebased.apply(&theirs.apply(&base).unwrap()).unwrap().to_string(), wanted);
        }
        (Err(TextError::Conflict { .. }), None) => {
            assert!(theirs.rebase(&ours).is_err(), "a conflict is one from both sides");
        }
        (result, wanted) => panic!("{result:?} instead of {wanted:?}"),
    }
}

#[test]
fn an_edit_moves_with_what_happened_in_front_of_it() {
    check_rebase(&[(5, 6, "F")], &[(0, 3, "")], Some("34F6789"));
    check_rebase(&[(5, 6, "F")], &[(0, 0, "new ")], Some("new 01234F6789"));
    check_rebase(&[(1, 2, "B"), (8, 9, "I")], &[(4, 6, "xyz")], Some("0B23xyz67I9"));
    check_rebase(&[], &[(4, 6, "xyz")], Some("0123xyz6789"));
    check_rebase(&[(4, 6, "xyz")], &[], Some("0123xyz6789"));
}

#[test]
fn touching_borders_do_not_conflict() {
    check_rebase(&[(3, 5, "A")], &[(5, 8, "B")], Some("012AB89"));
    check_rebase(&[(5, 8, "B")], &[(3, 5, "A")], Some("012AB89"));
    check_rebase(&[(5, 5, "+")], &[(5, 8, "B")], Some("01234+B89"));
    check_rebase(&[(5, 5, "+")], &[(3, 5, "A")], Some("012A+56789"));
}

#[test]
fn the_same_text_changed_twice_is_a_conflict() {
    check_rebase(&[(3, 5, "A")], &[(4, 6, "B")], None);
    check_rebase(&[(3, 5, "A")], &[(3, 5, "A")], None);
    check_rebase(&[(0, 10, "A")], &[(5, 5, "B")], None);
    check_rebase(&[(5, 5, "A")], &[(5, 5, "B")], None);
    check_rebase(&[(0, 1, "A"), (7, 8, "B")], &[(2, 3, "x"), (7, 9, "y")], None);
}

#[test]
fn offsets_follow_an_edit() {
    let edit = edit(&[(2, 4, "xyz"), (6, 6, "++"), (8, 9, "")]);
    let map = |byte| (edit.map_byte(byte, Bias::Before), edit.map_byte(byte, Bias::After));
    assert_eq!(map(0), (0, 0));
    assert_eq!(map(2), (2, 2));
    assert_eq!(map(3), (2, 5), "inside replaced text");
    assert_eq!(map(4), (5, 5));
    assert_eq!(map(6), (7, 9), "where text was inserted");
    assert_eq!(map(7), (10, 10));
    assert_eq!(map(8), (11, 11));
    assert_eq!(map(9), (11, 11));
    assert_eq!(map(10), (12, 12));
}

#[test]
fn a_part_inside_crlf_is_widened() {
    let rope = Rope::from_str("a\r\nb");
    for (part, wanted) in [((2, 2, "x"), "a\rx\nb"), ((1, 2, ""), "a\nb"), ((2, 4, "c"), "a\rc")] {
        let changes = edit(&[part]).to_changes(&rope, PositionEncoding::Utf16).unwrap();
        let mut document = Document::new("untitled:1", "plaintext", 1, "a\r\nb");
        document.apply(&changes, 2, PositionEncoding::Utf16).unwrap();
        assert_eq!(document.rope().to_string(), wanted);
    }
}

proptest! {
    #[test]
    fn applying_agrees_with_splicing_and_the_inverse_undoes_it(before in text(30), seed in edit_seed(6)) {
        let rope = Rope::from_str(&before);
        let edit = edit_of(&before, &seed);
        let after = edit.apply(&rope).unwrap();
        prop_assert_eq!(after.to_string(), splice(&before, &edit));
        prop_assert_eq!(rope.to_string(), before.as_str(), "the original is untouched");
        let inverse = edit.invert(&rope).unwrap();
        prop_assert_eq!(inverse.apply(&after).unwrap().to_string(), before.as_str());
        prop_assert_eq!(inverse.invert(&after).unwrap(), edit);
    }

    #[test]
    fn edits_that_rebase_do_so_from_both_sides_alike(
        before in text(30), ours in edit_seed(4), theirs in edit_seed(4),
    ) {
        let rope = Rope::from_str(&before);
        let (ours, theirs) = (edit_of(&before, &ours), edit_of(&before, &theirs));
        let meet = ours.parts().iter().any(|a| theirs.parts().iter().any(|b| a.meets(b)));
        prop_assert_eq!(ours.rebase(&theirs).is_err(), meet);
        prop_assert_eq!(theirs.rebase(&ours).is_err(), meet);
        if !meet {
            let one = ours.rebase(&theirs).unwrap().apply(&theirs.apply(&rope).unwrap()).unwrap();
            let other = theirs.rebase(&ours).unwrap().apply(&ours.apply(&rope).unwrap()).unwrap();
            prop_assert_eq!(one.to_string(), other.to_string());
        }
    }

    #[test]
    fn positions_say_the_same_as_bytes(before in text(30), seed in edit_seed(5)) {
        let rope = Rope::from_str(&before);
        let edit = edit_of(&before, &seed);
        for encoding in ENCODINGS {
            let changes = edit.to_changes(&rope, encoding).unwrap();
            let back = Edit::from_changes(&rope, &changes, encoding).unwrap();
            prop_assert_eq!(splice(&before, &back), splice(&before, &edit));
        }
    }

    #[test]
    fn mapped_offsets_keep_their_neighbours(before in text(30), seed in edit_seed(5)) {
        let edit = edit_of(&before, &seed);
        let after = splice(&before, &edit);
        let replaced = |byte: usize| edit.parts().iter().any(|p| p.start_byte <= byte && byte < p.end_byte);
        for (byte, c) in before.char_indices().filter(|(byte, _)| !replaced(*byte)) {
            prop_assert!(after[edit.map_byte(byte, Bias::After)..].starts_with(c));
        }
    }
}
