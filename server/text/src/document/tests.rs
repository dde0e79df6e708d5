//! Documents against a plain string that takes the same changes.

use proptest::prelude::*;

use super::*;
use crate::position::{Position, bytes_of};
use crate::samples::{ENCODINGS, text};

fn change(start: (u32, u32), end: (u32, u32), text: &str) -> Change {
    let place = |(line, character)| Position::new(line, character);
    Change { range: Some(Range::new(place(start), place(end))), text: text.to_owned() }
}

#[track_caller]
fn check(before: &str, changes: &[Change], after: &str) {
    let mut document = Document::new("file:///a.rs", "rust", 1, before);
    document.apply(changes, 2, PositionEncoding::Utf16).unwrap();
    assert_eq!(document.rope().to_string(), after);
    assert_eq!((document.version(), document.revision()), (2, 1));
    assert_eq!((document.uri(), document.language_id()), ("file:///a.rs", "rust"));
}

#[test]
fn changes_apply_one_after_the_other() {
    check("ab\ncd", &[change((0, 1), (1, 1), "X"), change((0, 0), (0, 1), "")], "Xd");
    check("ab", &[Change { range: None, text: "new\n".into() }, change((1, 0), (1, 0), "end")], "new\nend");
    check("", &[change((0, 0), (0, 0), "👍"), change((0, 2), (0, 2), "!")], "👍!");
    check("a\r\nb", &[change((0, 99), (0, 99), "!")], "a!\r\nb");
    check("a\nb", &[change((9, 9), (9, 9), "\n")], "a\nb\n");
    check("abc", &[change((0, 2), (0, 1), "-")], "a-c");
    check("a\u{2028}b\nc", &[change((1, 0), (1, 1), "C")], "a\u{2028}b\nC");
    check("same", &[], "same");
}

#[test]
fn an_older_version_is_refused_and_changes_nothing() {
    let mut document = Document::new("untitled:1", "plaintext", 7, "text");
    let full = [Change { range: None, text: "other".into() }];
    let refused = document.apply(&full, 6, PositionEncoding::Utf8);
    assert_eq!(refused, Err(TextError::VersionWentBack { current: 7, given: 6 }));
    assert_eq!((document.rope().to_string().as_str(), document.version()), ("text", 7));
    document.apply(&full, 7, PositionEncoding::Utf8).unwrap();
    assert_eq!(document.revision(), 1, "a repeated version is told apart by the revision");
}

#[test]
fn a_clone_shares_the_text_and_keeps_it() {
    let mut document = Document::new("untitled:1", "plaintext", 1, &"line\n".repeat(10_000));
    let snapshot = document.clone();
    assert!(snapshot.rope().is_instance(document.rope()), "no text is copied");
    document.apply(&[change((0, 0), (9_999, 0), "")], 2, PositionEncoding::Utf8).unwrap();
    assert_eq!(snapshot.rope().len_lines(), 10_001);
    assert_eq!(document.rope().len_lines(), 2);
}

type RandomChange = (Option<(u32, u32, u32, u32)>, String);

fn random_changes() -> impl Strategy<Value = Vec<RandomChange>> {
    let range = prop::option::weighted(0.9, (0..6_u32, 0..8_u32, 0..6_u32, 0..8_u32));
    prop::collection::vec((range, text(5)), 0..12)
}

proptest! {
    #[test]
    fn random_changes_agree_with_a_string(before in text(20), changes in random_changes()) {
        for encoding in ENCODINGS {
            let mut document = Document::new("untitled:1", "plaintext", 0, &before);
            let mut model = before.clone();
            for (step, (range, new)) in changes.iter().enumerate() {
                let range = range.map(|(a, b, c, d)| Range::new(Position::new(a, b), Position::new(c, d)));
                // The conversion of positions has its own model; here it only says which bytes are meant.
                let bytes = range.map_or(0..model.len(), |r| bytes_of(&Rope::from_str(&model), r, encoding));
                model.replace_range(bytes, new);
                let version = i32::try_from(step).unwrap();
                document.apply(&[Change { range, text: new.clone() }], version, encoding).unwrap();
                prop_assert_eq!(document.rope().to_string(), model.as_str());
                let fresh = Rope::from_str(&model);
                prop_assert_eq!(document.rope().len_lines(), fresh.len_lines());
            }
        }
    }
}
