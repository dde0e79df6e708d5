//! Line endings found and given to other text.

use proptest::prelude::*;
use ropey::Rope;

use super::*;
use crate::samples::text;

#[test]
fn the_ending_of_most_lines_is_found() {
    let cases = [
        ("", LineEnding::Lf, true),
        ("one", LineEnding::Lf, false),
        ("one\n", LineEnding::Lf, true),
        ("one\r\ntwo", LineEnding::CrLf, false),
        ("one\r\ntwo\r\nthree\n", LineEnding::CrLf, true),
        ("one\rtwo\r", LineEnding::Cr, true),
        ("one\ntwo\rthree\r", LineEnding::Cr, true),
        ("one\r\r\n\r\n", LineEnding::CrLf, true),
        ("a\u{2028}b\r\n", LineEnding::CrLf, true),
    ];
    for (text, line_ending, final_line_break) in cases {
        assert_eq!(TextShape::of(&Rope::from_str(text)), TextShape { line_ending, final_line_break }, "{text:?}");
    }
}

#[test]
fn only_the_sampled_part_is_judged() {
    let mut text = "a\r\n".repeat(DETECT_BYTES_MAX / 3);
    text.push_str(&"\n".repeat(DETECT_BYTES_MAX));
    assert_eq!(LineEnding::detect(&Rope::from_str(&text)), LineEnding::CrLf);
}

#[test]
fn text_takes_the_ending_it_is_given() {
    let mixed = "a\nb\r\nc\rd\u{2028}e";
    assert_eq!(LineEnding::Lf.convert(mixed), "a\nb\nc\nd\u{2028}e");
    assert_eq!(LineEnding::CrLf.convert(mixed), "a\r\nb\r\nc\r\nd\u{2028}e");
    assert_eq!(LineEnding::Cr.convert(mixed), "a\rb\rc\rd\u{2028}e");
    assert!(matches!(LineEnding::Lf.convert("a\nb"), Cow::Borrowed(_)), "nothing to do costs no copy");
}

#[test]
fn a_replacement_takes_the_shape_of_its_document() {
    let cases = [
        ("x\r\ny\r\n", "a\nb", "a\r\nb\r\n"),
        ("x\r\ny", "a\nb\n", "a\r\nb"),
        ("x\n", "a", "a\n"),
        ("x\n", "a\n\n", "a\n\n"),
        ("x", "a\n\n", "a"),
        ("", "a", "a\n"),
        ("x\n", "", ""),
        ("x\ry\r", "a\r\n", "a\r"),
    ];
    for (document, text, wanted) in cases {
        assert_eq!(TextShape::of(&Rope::from_str(document)).conform(text), wanted, "{document:?} {text:?}");
    }
}

proptest! {
    #[test]
    fn lines_split_without_loss_and_as_the_rope_does(text in text(40)) {
        let lines: Vec<&str> = split_lines(&text).collect();
        prop_assert_eq!(lines.concat(), text.as_str());
        let rope = Rope::from_str(&text);
        let of_rope: Vec<String> = rope.lines().map(|l| l.to_string()).filter(|l| !l.is_empty()).collect();
        prop_assert_eq!(lines, of_rope);
    }

    #[test]
    fn converting_keeps_the_words(text in text(40)) {
        for ending in [LineEnding::Lf, LineEnding::CrLf, LineEnding::Cr] {
            let converted = ending.convert(&text);
            prop_assert!(split_lines(&converted).all(|line| ["", ending.as_str()].contains(&line_break(line))));
            prop_assert_eq!(LineEnding::Lf.convert(&converted), LineEnding::Lf.convert(&text));
        }
    }
}
