//! Positions against a table of awkward lines and against a slow model that walks characters.

use proptest::prelude::*;
use ropey::Rope;

use super::*;
use crate::samples::{ENCODINGS, text};

/// One text, one byte offset, and the column it has in each encoding.
#[track_caller]
fn check(text: &str, byte: usize, line: u32, columns: [u32; 3]) {
    let rope = Rope::from_str(text);
    for (encoding, column) in ENCODINGS.into_iter().zip(columns) {
        let position = Position::new(line, column);
        assert_eq!(position_of_byte(&rope, byte, encoding), position, "{text:?} {encoding:?} byte {byte}");
        assert_eq!(byte_of(&rope, position, encoding), byte, "{text:?} {encoding:?} {position:?}");
    }
}

#[test]
fn columns_count_in_the_unit_of_the_encoding() {
    check("", 0, 0, [0, 0, 0]);
    check("ab", 2, 0, [2, 2, 2]);
    check("é!", 2, 0, [2, 1, 1]);
    check("漢字", 3, 0, [3, 1, 1]);
    check("👍!", 4, 0, [4, 2, 1]);
    check("e\u{301}!", 3, 0, [3, 2, 2]);
    check("👩\u{200d}👧!", 11, 0, [11, 5, 3]);
}

#[test]
fn lines_end_at_lf_crlf_and_cr_only() {
    check("a\nb", 2, 1, [0, 0, 0]);
    check("a\r\nb", 3, 1, [0, 0, 0]);
    check("a\rb", 2, 1, [0, 0, 0]);
    check("a\r\r\nb", 4, 2, [0, 0, 0]);
    check("a\n", 2, 1, [0, 0, 0]);
    check("a\u{2028}b", 4, 0, [4, 2, 2]);
    check("a\u{85}b", 3, 0, [3, 2, 2]);
    check("a\u{b}\u{c}b", 3, 0, [3, 3, 3]);
}

#[test]
fn a_position_outside_the_text_is_clamped() {
    let rope = Rope::from_str("ab\r\n👍\n");
    for encoding in ENCODINGS {
        let byte = |line, character| byte_of(&rope, Position::new(line, character), encoding);
        assert_eq!(byte(0, 3), 2, "a column past the end stays in front of the line break");
        assert_eq!(byte(0, u32::MAX), 2);
        assert_eq!(byte(1, u32::MAX), 8);
        assert_eq!(byte(2, 5), 9);
        assert_eq!(byte(3, 0), 9, "a line past the end is the end of the text");
        assert_eq!(byte(u32::MAX, u32::MAX), 9);
        assert_eq!(position_of_byte(&rope, usize::MAX, encoding), Position::new(2, 0));
        assert_eq!(position_of_char(&rope, usize::MAX, encoding), Position::new(2, 0));
        assert_eq!(line_content(&rope, 99).len_bytes(), 0);
    }
}

#[test]
fn the_inside_of_a_character_is_its_start() {
    let rope = Rope::from_str("x👍y");
    for column in 1..5 {
        assert_eq!(byte_of(&rope, Position::new(0, column), PositionEncoding::Utf8), 1);
    }
    assert_eq!(byte_of(&rope, Position::new(0, 2), PositionEncoding::Utf16), 1);
    assert_eq!(position_of_byte(&rope, 3, PositionEncoding::Utf32), Position::new(0, 1));
}

#[test]
fn between_cr_and_lf_there_is_no_position() {
    let rope = Rope::from_str("a\r\nb");
    assert_eq!(position_of_byte(&rope, 2, PositionEncoding::Utf16), Position::new(0, 1));
}

#[test]
fn a_backward_range_means_the_same_text() {
    let rope = Rope::from_str("one\ntwo");
    let range = Range::new(Position::new(1, 1), Position::new(0, 2));
    assert_eq!(bytes_of(&rope, range, PositionEncoding::Utf16), 2..5);
}

/// The position of byte `at`, found by walking the text from its start.
fn walk(text: &str, at: usize, encoding: PositionEncoding) -> Position {
    let (mut line, mut start) = (0, 0);
    for (index, c) in text.char_indices() {
        let end = index + c.len_utf8();
        let breaks = c == '\n' || (c == '\r' && !text[end..].starts_with('\n'));
        if breaks && end <= at {
            (line, start) = (line + 1, end);
        }
    }
    let before = &text[start..at];
    let column = match encoding {
        PositionEncoding::Utf8 => before.len(),
        PositionEncoding::Utf16 => before.encode_utf16().count(),
        PositionEncoding::Utf32 => before.chars().count(),
    };
    Position::new(line, u32::try_from(column).unwrap())
}

proptest! {
    #[test]
    fn every_place_survives_the_round_trip(text in text(40)) {
        let rope = Rope::from_str(&text);
        for (byte, _) in text.char_indices().chain([(text.len(), ' ')]) {
            if text[..byte].ends_with('\r') && text[byte..].starts_with('\n') {
                continue;
            }
            for encoding in ENCODINGS {
                let position = position_of_byte(&rope, byte, encoding);
                prop_assert_eq!(position, walk(&text, byte, encoding));
                prop_assert_eq!(byte_of(&rope, position, encoding), byte);
            }
        }
    }

    #[test]
    fn any_position_is_some_place(text in text(12), line in 0..8_u32, character in 0..30_u32) {
        let rope = Rope::from_str(&text);
        for encoding in ENCODINGS {
            let byte = byte_of(&rope, Position::new(line, character), encoding);
            prop_assert!(text.is_char_boundary(byte));
            let found = position_of_byte(&rope, byte, encoding);
            prop_assert!(found <= Position::new(line, character));
        }
    }
}
