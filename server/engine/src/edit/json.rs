//! Code that a model wrapped in JSON although nobody asked it to. Refuses: shapes it does not know.

use serde_json::Value;

use super::Refusal;
use super::answer::{Draft, Piece};
use super::fences::Fenced;
use super::limits::PIECES_MAX;

const CODE: [&str; 5] = ["code", "content", "new_code", "new_text", "text"];
const SEARCH: [&str; 4] = ["search", "old_string", "old_str", "old"];
const REPLACE: [&str; 4] = ["replace", "new_string", "new_str", "new"];
const PATH: [&str; 4] = ["path", "file", "file_path", "filename"];
/// Words that a wrapped answer may have besides, and that change nothing.
const CHATTER: [&str; 5] = ["explanation", "language", "reason", "description", "summary"];

/// What is wrapped in `text`; `None` when it is no JSON object or list of this kind, and an error when it is one whose
/// meaning is not known.
pub(crate) fn read(text: &str) -> Option<Result<Draft, Refusal>> {
    let unknown = || Some(Err(Refusal::Malformed { what: "the answer is JSON of an unknown form" }));
    let value: Value = serde_json::from_str(text.trim()).ok()?;
    let list = match &value {
        Value::Array(list) => list.as_slice(),
        Value::Object(object) => match object.get("edits") {
            Some(Value::Array(list)) if object.len() == 1 => list.as_slice(),
            _ => std::slice::from_ref(&value),
        },
        _ => return None,
    };
    if !list.iter().any(Value::is_object) {
        return None;
    }
    if list.len() > PIECES_MAX {
        return Some(Err(Refusal::TooLong));
    }
    if let [one] = list
        && let Some(code) = only(one, &[&CODE]).and_then(|found| found.into_iter().next().flatten())
    {
        let text = code.to_owned();
        return Some(Ok(Draft::Code(vec![Fenced { info: Some(String::new()), text, closed: true }])));
    }
    let mut pieces = Vec::with_capacity(list.len());
    for one in list {
        let found = only(one, &[&SEARCH, &REPLACE, &PATH]);
        let Some([Some(search), Some(replace), path]) = found.as_deref() else { return unknown() };
        let lines = |text: &str| text::LineEnding::Lf.convert(text).lines().map(str::to_owned).collect();
        let path = path.map(str::to_owned);
        pieces.push(Piece::Replace { path, search: lines(search), replace: lines(replace) });
    }
    Some(Ok(Draft::Pieces(pieces)))
}

/// Whether a text is JSON, or has a line that is an object or a list of it, such as a line of a log or of a table.
pub(crate) fn is_in(text: &str) -> bool {
    let is_json = |text: &str| {
        let text = text.trim().trim_end_matches([',', ';']);
        text.starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok()
    };
    is_json(text) || text.lines().any(is_json)
}

/// The text under one of each list of keys, if the object holds no other.
fn only<'a>(value: &'a Value, wanted: &[&[&str]]) -> Option<Vec<Option<&'a str>>> {
    let object = value.as_object()?;
    let known = |key: &str| CHATTER.contains(&key) || wanted.iter().any(|keys| keys.contains(&key));
    if !object.keys().all(|key| known(key)) {
        return None;
    }
    let text = |keys: &&[&str]| keys.iter().find_map(|key| object.get(*key)).and_then(Value::as_str);
    Some(wanted.iter().map(text).collect())
}
