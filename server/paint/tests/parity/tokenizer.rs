//! Token ids against transformers' `CLIPTokenizer`, for both layouts of a folder.

use std::fs;
use std::path::Path;

use paint::PaintError;
use paint::tokenizer::ClipTokenizer;
use tiny::integers::numbers;

use crate::references::{References, description, folder};

/// The strings of the script: the fragments themselves, then some of them after each other.
pub(crate) fn strings() -> Vec<String> {
    let description = description("tokenizer");
    let count = description["strings"].as_u64().expect("a count") as usize;
    let fragments: Vec<String> = serde_json::from_value(description["fragments"].clone()).expect("words");
    let mut strings = fragments.clone();
    let pick = |number: f32, of: usize| ((f64::from(number) + 1.0) / 2.0 * of as f64) as usize;
    for at in 0..count - fragments.len() {
        let picks = numbers(&format!("string {at}"), 40, 1.0);
        let count = if at % 50 == 0 { 39 } else { 1 + pick(picks[0], 12) };
        let chosen: Vec<&str> =
            picks[1..=count].iter().map(|number| fragments[pick(*number, fragments.len())].as_str()).collect();
        strings.push(chosen.join(if at % 3 == 0 { "" } else { " " }));
    }
    strings
}

#[test]
fn ids_are_the_same_for_every_string_in_both_layouts() {
    let references = References::open("tokenizer");
    let (ids, lengths) = (references.numbers("ids"), references.numbers("lengths"));
    let strings = strings();
    assert!(strings.len() >= 2_000 && strings.len() == lengths.len());
    for layout in ["tokenizer", "tokenizer-json"] {
        let tokenizer = ClipTokenizer::open(&folder(layout)).unwrap();
        let mut rest = ids.as_slice();
        for (string, length) in strings.iter().zip(&lengths) {
            let (expected, after) = rest.split_at(*length as usize);
            rest = after;
            let got: Vec<f32> = tokenizer.tokens(string).unwrap().into_iter().map(|id| id as f32).collect();
            assert_eq!(got, expected, "{layout}: {string:?}");
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn windows_are_cut_and_padded_alike() {
    let expected = References::open("tokenizer").numbers("windows");
    let tokenizer = ClipTokenizer::open(&folder("tokenizer")).unwrap();
    let strings = strings();
    let got: Vec<f32> = strings[strings.len() - 200..]
        .iter()
        .flat_map(|string| tokenizer.window(string).unwrap())
        .map(|id| id as f32)
        .collect();
    assert_eq!(got, expected);
}

/// A copy of the small vocabulary with one file replaced.
fn with(name: &str, text: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["vocab.json", "merges.txt"] {
        fs::copy(folder("tokenizer").join(file), copy.path().join(file)).expect("a copy");
    }
    fs::write(copy.path().join(name), text).expect("written");
    copy
}

fn refused(folder: &Path) -> String {
    match ClipTokenizer::open(folder) {
        Err(error @ PaintError::BadModel { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn settings_beside_the_vocabulary_count() {
    let folder = with("special_tokens_map.json", r#"{"pad_token": {"content": "!", "lstrip": false}}"#);
    fs::write(folder.path().join("tokenizer_config.json"), r#"{"model_max_length": 20}"#).unwrap();
    let windows = ClipTokenizer::open(folder.path()).unwrap().windows();
    let plain = ClipTokenizer::open(&self::folder("tokenizer")).unwrap().windows();
    assert_eq!((windows.length, plain.length), (20, 77));
    assert!(windows.padding < 256 && plain.padding == plain.end);
}

#[test]
fn damaged_folders_are_refused_by_file() {
    let empty = tempfile::tempdir().unwrap();
    assert!(refused(empty.path()).contains("tokenizer.json"));
    for (name, text, said) in [
        ("vocab.json", "[]", "vocab.json"),
        ("vocab.json", r#"{"a": -1}"#, "out of range"),
        ("vocab.json", r#"{"a": 0}"#, "<|startoftext|>"),
        ("vocab.json", "{", "no JSON"),
        ("merges.txt", "a b c", "two tokens"),
        ("merges.txt", "unheard of", "merges"),
        ("tokenizer_config.json", r#"{"model_max_length": 2}"#, "model_max_length"),
        ("special_tokens_map.json", r#"{"pad_token": "<nothing>"}"#, "<nothing>"),
    ] {
        let got = refused(with(name, text).path());
        assert!(got.contains(said), "{text}: {got}");
    }
    for text in [
        "{}",
        r#"{"model": {"type": "WordPiece"}}"#,
        r#"{"model": {"type": "BPE", "end_of_word_suffix": ""}}"#,
        r#"{"model": {"type": "BPE", "end_of_word_suffix": "</w>", "vocab": {}, "merges": [["a"]]}}"#,
    ] {
        fs::write(empty.path().join("tokenizer.json"), text).unwrap();
        refused(empty.path());
    }
}
