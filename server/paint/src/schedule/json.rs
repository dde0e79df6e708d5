//! The dialect of JSON that Python writes: `NaN`, `Infinity` and `-Infinity` stand where a number may stand.
//!
//! Refuses: to give them as numbers. They come out as strings, and a key that allows one says so.

use serde_json::{Map, Value};

/// Parses an object; bare `NaN`, `Infinity` and `-Infinity` become strings of that name.
///
/// # Errors
/// When the text is not JSON or no object; the text says where.
pub(super) fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(&quote_bare_words(text)) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

fn quote_bare_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(next) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| !in_string && rest.starts_with(word));
        let taken = if let Some(word) = word {
            out.extend(["\"", word, "\""]);
            word.len()
        } else {
            // Within a string a backslash takes the next character along.
            let escaped = (in_string && next == '\\').then(|| rest[1..].chars().next()).flatten();
            let length = next.len_utf8() + escaped.map_or(0, char::len_utf8);
            in_string ^= next == '"';
            out.push_str(&rest[..length]);
            length
        };
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::parse_object;

    #[test]
    fn bare_words_become_strings_and_strings_stay() {
        let map = parse_object(r#"{"a": -Infinity, "b": "NaN \" Infinity", "c": [NaN, 1]}"#).unwrap();
        assert_eq!(map["a"], "-Infinity");
        assert_eq!(map["b"], "NaN \" Infinity");
        assert_eq!(map["c"][0], "NaN");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[1]", "{\"a\": }", "{", "\"\\"] {
            assert!(parse_object(text).is_err(), "{text}");
        }
    }
}
