//! Texts for the tests of this crate: the awkward characters, and strategies that mix them.
//!
//! Refuses: being part of the crate; it is compiled for tests only.

use proptest::prelude::*;

use crate::edit::{Edit, TextEdit};
use crate::position::PositionEncoding;

/// Every encoding a client may ask for.
pub(crate) const ENCODINGS: [PositionEncoding; 3] =
    [PositionEncoding::Utf8, PositionEncoding::Utf16, PositionEncoding::Utf32];

/// Pieces that break naive code: line breaks of three kinds, characters that look like line breaks and are none,
/// two-, three- and four-byte characters, combining marks, joined emoji.
const PIECES: [&str; 18] = [
    "a",
    "b",
    "word",
    " ",
    "\t",
    "(",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\u{2028}",
    "\u{85}",
    "\u{b}",
    "é",
    "e\u{301}",
    "漢",
    "👍",
    "👩\u{200d}👧",
];

/// A text of up to `pieces_max` awkward pieces.
pub(crate) fn text(pieces_max: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..=pieces_max).prop_map(|pieces| pieces.concat())
}

/// Random numbers from which [`edit_of`] builds an edit for any text.
pub(crate) fn edit_seed(parts_max: usize) -> impl Strategy<Value = Vec<(usize, usize, String)>> {
    prop::collection::vec((0..1000_usize, 0..4_usize, text(3)), 0..=parts_max)
}

/// An edit that fits `text`, with parts at character borders that do not overlap.
pub(crate) fn edit_of(text: &str, seed: &[(usize, usize, String)]) -> Edit {
    let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut places: Vec<_> = seed.iter().map(|(at, len, new)| (at % borders.len(), *len, new)).collect();
    places.sort_by_key(|place| place.0);
    let mut parts = Vec::new();
    let mut free = 0;
    for (at, len, new) in places {
        let start = at.max(free).min(borders.len() - 1);
        let end = (start + len).min(borders.len() - 1);
        parts.push(TextEdit::new(borders[start], borders[end], new.clone()));
        free = end + 1;
    }
    Edit::new(parts).unwrap()
}

/// What `edit` makes of `text`, by plain string splicing.
pub(crate) fn splice(text: &str, edit: &Edit) -> String {
    let mut result = text.to_owned();
    for part in edit.parts().iter().rev() {
        result.replace_range(part.start_byte..part.end_byte, &part.new_text);
    }
    result
}
