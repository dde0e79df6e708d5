//! A second, independent application of workspace edits, to check the server's own idea of positions.
//!
//! Refuses: what an editor would have to guess. A position outside its line or inside a character, an overlap, or an
//! edit of a version other than the open one panics.

use serde_json::Value;

/// The unit in which columns are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units.
    Utf16,
    /// Unicode scalar values.
    Utf32,
}

impl Encoding {
    /// The encoding a server chose, from the result of `initialize`. Without one it is UTF-16.
    ///
    /// # Panics
    ///
    /// When the server named none that exists.
    #[must_use]
    #[track_caller]
    pub fn chosen(initialize_result: &Value) -> Self {
        match &initialize_result["capabilities"]["positionEncoding"] {
            Value::Null => Self::Utf16,
            name => Self::named(name.as_str().unwrap_or_default()),
        }
    }

    /// The encoding LSP calls `name`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn named(name: &str) -> Self {
        match name {
            "utf-8" => Self::Utf8,
            "utf-16" => Self::Utf16,
            "utf-32" => Self::Utf32,
            other => panic!("edit: {other:?} is no position encoding"),
        }
    }

    fn width(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        }
    }
}

/// `text`, open as `uri` with `version`, after the WorkspaceEdit `edit`; edits of other files are left alone.
///
/// # Panics
///
/// When an editor would refuse `edit`: another version, a position that does not exist, overlapping edits.
#[must_use]
#[track_caller]
pub fn apply_edit(text: &str, uri: &str, version: Option<i64>, edit: &Value, encoding: Encoding) -> String {
    let mut text = text.to_owned();
    if let Some(changes) = edit["documentChanges"].as_array() {
        for change in changes.iter().filter(|change| change["textDocument"]["uri"] == uri) {
            let meant = change["textDocument"]["version"].as_i64();
            let fits = meant.is_none() || version.is_none() || meant == version;
            assert!(fits, "edit: made for version {meant:?}, the open one is {version:?}");
            text = apply_text_edits(&text, &change["edits"], encoding);
        }
    } else if let Some(edits) = edit["changes"].get(uri) {
        text = apply_text_edits(&text, edits, encoding);
    }
    text
}

/// `text` after the LSP array `edits`, whose positions all count in the original text.
///
/// # Panics
///
/// When a position does not exist in `text` or two edits overlap.
#[must_use]
#[track_caller]
pub fn apply_text_edits(text: &str, edits: &Value, encoding: Encoding) -> String {
    let edits = edits.as_array().unwrap_or_else(|| panic!("edit: an array of edits wanted, got {edits}"));
    let mut places = Vec::new();
    for edit in edits {
        let start = offset(text, &edit["range"]["start"], encoding);
        let end = offset(text, &edit["range"]["end"], encoding);
        assert!(start <= end, "edit: ends before it starts: {edit}");
        let new = edit["newText"].as_str().unwrap_or_else(|| panic!("edit: no newText in {edit}"));
        places.push((start, end, new));
    }
    // Stable: insertions at one place keep their order.
    places.sort_by_key(|&(start, end, _)| (start, end));
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end, new) in places {
        assert!(done <= start, "edit: two edits overlap at byte {start}");
        result.push_str(&text[done..start]);
        result.push_str(new);
        done = end;
    }
    result.push_str(&text[done..]);
    result
}

/// The byte of an LSP position, walking the text from its start.
#[track_caller]
fn offset(text: &str, position: &Value, encoding: Encoding) -> usize {
    let number = |key: &str| position[key].as_u64().unwrap_or_else(|| panic!("edit: no position: {position}"));
    let (mut lines_left, column) = (number("line"), number("character"));
    let mut chars = text.char_indices().peekable();
    let mut start = 0;
    while lines_left > 0 {
        let (at, c) = chars.next().unwrap_or_else(|| panic!("edit: {position} lies behind the last line"));
        let crlf = c == '\r' && chars.peek().is_some_and(|&(_, next)| next == '\n');
        if (c == '\n' || c == '\r') && !crlf {
            lines_left -= 1;
            start = at + 1;
        }
    }
    let mut units = 0;
    for (at, c) in text[start..].char_indices() {
        if units == column {
            return start + at;
        }
        assert!(c != '\n' && c != '\r', "edit: {position} lies behind the end of its line");
        units += encoding.width(c) as u64;
        assert!(units <= column, "edit: {position} lies inside a character");
    }
    assert!(units == column, "edit: {position} lies behind the end of its line");
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edits(places: &[(u32, u32, u32, u32, &str)]) -> Value {
        let edit = |&(a, b, c, d, new): &(u32, u32, u32, u32, &str)| json!({ "range": { "start": { "line": a, "character": b }, "end": { "line": c, "character": d } }, "newText": new });
        Value::Array(places.iter().map(edit).collect())
    }

    #[test]
    fn edits_apply_in_each_encoding() {
        let text = "é👍x\r\ny\rz\n";
        let cases = [(Encoding::Utf8, 6), (Encoding::Utf16, 3), (Encoding::Utf32, 2)];
        for (encoding, column) in cases {
            let edits = edits(&[(2, 0, 2, 1, "Z"), (0, column, 0, column + 1, "X"), (3, 0, 3, 0, "end")]);
            assert_eq!(apply_text_edits(text, &edits, encoding), "é👍X\r\ny\rZ\nend");
        }
        let insertions = edits(&[(0, 0, 0, 0, "a"), (0, 0, 0, 0, "b"), (0, 0, 0, 1, "c")]);
        assert_eq!(apply_text_edits("x", &insertions, Encoding::Utf16), "abc");
    }

    #[test]
    fn only_edits_of_the_named_file_and_version_apply() {
        let change = |uri: &str, new: &str| json!({ "textDocument": { "uri": uri, "version": 3 }, "edits": edits(&[(0, 0, 0, 1, new)]) });
        let edit = json!({ "documentChanges": [change("file:///b", "no"), change("file:///a", "yes")] });
        assert_eq!(apply_edit("x", "file:///a", Some(3), &edit, Encoding::Utf16), "yes");
        let stale = || apply_edit("x", "file:///a", Some(4), &edit, Encoding::Utf16);
        assert!(std::panic::catch_unwind(stale).is_err());
        let plain = json!({ "changes": { "file:///a": edits(&[(0, 1, 0, 1, "!")]) } });
        assert_eq!(apply_edit("x", "file:///a", None, &plain, Encoding::Utf16), "x!");
        assert_eq!(apply_edit("x", "file:///c", None, &plain, Encoding::Utf16), "x");
    }

    #[test]
    fn places_that_do_not_exist_panic() {
        let cases = [
            edits(&[(0, 9, 0, 9, "")]),
            edits(&[(2, 0, 2, 0, "")]),
            edits(&[(0, 1, 0, 2, "")]),
            edits(&[(0, 4, 0, 3, "")]),
            edits(&[(0, 0, 0, 3, ""), (0, 2, 0, 4, "")]),
            json!({}),
            json!([{ "newText": "" }]),
        ];
        for case in cases {
            // In UTF-16 the thumb takes columns 0 and 1, and each line has text to go past.
            let apply = || apply_text_edits("👍ab\ncd", &case, Encoding::Utf16);
            assert!(std::panic::catch_unwind(apply).is_err(), "{case}");
        }
    }

    #[test]
    fn the_chosen_encoding_is_read_from_the_hello() {
        assert_eq!(Encoding::chosen(&json!({ "capabilities": {} })), Encoding::Utf16);
        assert_eq!(Encoding::chosen(&json!({ "capabilities": { "positionEncoding": "utf-8" } })), Encoding::Utf8);
    }
}
