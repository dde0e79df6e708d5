//! CLIP's tokens: lower-case byte pairs with an end-of-word mark.
//!
//! Reads both layouts of a model folder, `vocab.json` with `merges.txt` and `tokenizer.json`, and builds the same
//! tokenizer from either, so that what the second one says about normalising, truncating and padding cannot change what a
//! prompt means. Refuses: vocabularies of another kind, and files over the limits.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

use crate::error::PaintError;
use crate::prompt::Windows;

/// Largest file of a tokenizer, in bytes; CLIP's have 3 MB.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Most entries of a vocabulary; CLIP's has 49,408.
const VOCABULARY_MAX: usize = 1 << 20;

/// Tokens of a window, where the folder does not say.
const LENGTH_DEFAULT: u64 = 77;

/// Longest window, in tokens, that a folder may ask for; long versions of CLIP have 248.
const LENGTH_MAX: u64 = 1_024;

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
const WORD_END: &str = "</w>";

/// What is one word before it is cut into pieces (Radford et al., 2021; `CLIPTokenizer`).
const WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// The tokenizer of a text encoder.
pub struct ClipTokenizer {
    inner: Tokenizer,
    windows: Windows,
}

impl ClipTokenizer {
    /// Reads the `tokenizer` folder of a model.
    ///
    /// # Errors
    /// `BadModel` with the file that is missing, too large or damaged.
    pub fn open(folder: &Path) -> Result<Self, PaintError> {
        let (vocabulary, merges) = match text(folder, "vocab.json")? {
            Some(vocabulary) => {
                let merges = text(folder, "merges.txt")?
                    .ok_or_else(|| PaintError::bad_model("merges.txt", "it is missing beside vocab.json"))?;
                (json("vocab.json", &vocabulary)?, merges_of_text(&merges)?)
            }
            None => {
                let file = text(folder, "tokenizer.json")?.ok_or_else(|| {
                    PaintError::bad_model("tokenizer.json", "neither it nor vocab.json is there")
                })?;
                of_tokenizer_json(json("tokenizer.json", &file)?)?
            }
        };
        let settings = match text(folder, "tokenizer_config.json")? {
            Some(settings) => json("tokenizer_config.json", &settings)?,
            None => Value::Null,
        };
        let special = match text(folder, "special_tokens_map.json")? {
            Some(special) => json("special_tokens_map.json", &special)?,
            None => Value::Null,
        };
        Self::build(vocabulary_of(&vocabulary)?, merges, &settings, &special)
    }

    fn build(
        vocabulary: HashMap<String, u32>,
        merges: Vec<(String, String)>,
        settings: &Value,
        special: &Value,
    ) -> Result<Self, PaintError> {
        let id = |token: &str| {
            vocabulary
                .get(token)
                .copied()
                .ok_or_else(|| PaintError::bad_model("vocab.json", format!("`{token}` is not in the vocabulary")))
        };
        let padding = special_token(special, "pad_token").or_else(|| special_token(settings, "pad_token"));
        let windows = Windows {
            length: length(settings)?,
            start: id(START)?,
            end: id(END)?,
            padding: id(padding.unwrap_or(END))?,
            comma: vocabulary.get(",</w>").copied(),
        };
        // Words of the user's own that look like these are these, as they are in the reference.
        let specials: Vec<AddedToken> = [START, END]
            .into_iter()
            .chain(padding.filter(|token| *token != START && *token != END))
            .map(|token| AddedToken::from(token, true))
            .collect();
        let pairs = serde_json::json!({
            "type": "BPE",
            "vocab": vocabulary,
            "merges": merges,
            "unk_token": END,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": WORD_END,
            "fuse_unk": false,
        });
        // The library reads its own form from text alone.
        let pairs: BPE = serde_json::from_str(&pairs.to_string()).map_err(damaged)?;
        let mut inner = Tokenizer::new(pairs);
        let blanks = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ").map_err(damaged)?;
        let normalizers: Vec<NormalizerWrapper> = vec![NFC.into(), blanks.into(), Lowercase.into()];
        inner.with_normalizer(Some(Normalizers::new(normalizers))).map_err(damaged)?;
        let words = Split::new(SplitPattern::Regex(WORDS.to_owned()), SplitDelimiterBehavior::Removed, true)
            .map_err(damaged)?;
        let steps: Vec<PreTokenizerWrapper> = vec![words.into(), ByteLevel::new(false, true, true).into()];
        inner.with_pre_tokenizer(Some(PreTokenizers::new(steps)));
        inner.add_special_tokens(specials).map_err(damaged)?;
        Ok(Self { inner, windows })
    }

    /// The form of this encoder's windows.
    #[must_use]
    pub fn windows(&self) -> Windows {
        self.windows
    }

    /// The tokens of a text, without start and end.
    ///
    /// # Errors
    /// `Bug` when the library fails, which no text should make it do.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, PaintError> {
        let encoding = self.inner.encode_fast(text, false);
        let encoding = encoding.map_err(|error| PaintError::Bug(format!("a text has no tokens: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// One window of a text without emphasis: cut to the window's length and padded to it.
    ///
    /// # Errors
    /// As for [`ClipTokenizer::tokens`].
    pub fn window(&self, text: &str) -> Result<Vec<u32>, PaintError> {
        let Windows { length, start, end, padding, .. } = self.windows;
        let text = self.tokens(text)?;
        let mut ids = Vec::with_capacity(length);
        ids.push(start);
        ids.extend(text.into_iter().take(length - 2));
        ids.push(end);
        ids.resize(length, padding);
        Ok(ids)
    }
}

fn damaged(error: impl std::fmt::Display) -> PaintError {
    PaintError::bad_model("merges.txt", format!("vocabulary and merges make no tokenizer: {error}"))
}

/// A file's text; `None` when there is no such file.
fn text(folder: &Path, name: &str) -> Result<Option<String>, PaintError> {
    let wrong = |reason: String| PaintError::bad_model(name, reason);
    let file = match File::open(folder.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(Some(text))
}

fn json(name: &str, text: &str) -> Result<Value, PaintError> {
    serde_json::from_str(text).map_err(|error| PaintError::bad_model(name, format!("it is no JSON: {error}")))
}

fn vocabulary_of(value: &Value) -> Result<HashMap<String, u32>, PaintError> {
    let wrong = |reason: &str| PaintError::bad_model("vocab.json", reason);
    let map = value.as_object().ok_or_else(|| wrong("it is no map from tokens to numbers"))?;
    if map.len() > VOCABULARY_MAX {
        return Err(wrong("the vocabulary is too large"));
    }
    let entry = |(token, id): (&String, &Value)| {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| (*id as usize) < VOCABULARY_MAX);
        id.map(|id| (token.clone(), id)).ok_or_else(|| wrong("a token's number is out of range"))
    };
    map.iter().map(entry).collect()
}

/// Lines of two tokens; the first line may name a version.
fn merges_of_text(text: &str) -> Result<Vec<(String, String)>, PaintError> {
    let lines = text.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty());
    lines.map(merge_of_line).collect()
}

fn merge_of_line(line: &str) -> Result<(String, String), PaintError> {
    match line.split_once(' ') {
        Some((first, second)) if !second.contains(' ') => Ok((first.to_owned(), second.to_owned())),
        _ => Err(PaintError::bad_model("merges.txt", "a line has not two tokens")),
    }
}

/// Vocabulary and merges of a `tokenizer.json`, whose merges are lines or pairs.
fn of_tokenizer_json(file: Value) -> Result<(Value, Vec<(String, String)>), PaintError> {
    let wrong = |reason: &str| PaintError::bad_model("tokenizer.json", reason);
    let model = file.get("model").ok_or_else(|| wrong("it has no `model`"))?;
    if model.get("type").is_some_and(|kind| kind != "BPE") {
        return Err(wrong("its `model` is not of type BPE"));
    }
    if model.get("end_of_word_suffix").and_then(Value::as_str) != Some(WORD_END) {
        return Err(wrong("its `end_of_word_suffix` is not that of CLIP"));
    }
    let vocabulary = model.get("vocab").cloned().ok_or_else(|| wrong("its `model` has no `vocab`"))?;
    let merges =
        model.get("merges").and_then(Value::as_array).ok_or_else(|| wrong("its `model` has no `merges`"))?;
    let merge = |merge: &Value| match merge {
        Value::String(line) => merge_of_line(line),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(first), Value::String(second)] => Ok((first.clone(), second.clone())),
            _ => Err(wrong("a merge has not two tokens")),
        },
        _ => Err(wrong("a merge is neither a line nor a pair")),
    };
    Ok((vocabulary, merges.iter().map(merge).collect::<Result<_, _>>()?))
}

/// A special token, which is a word or an object with its word as `content`.
fn special_token<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    let token = map.get(key)?;
    token.as_str().or_else(|| token.get("content")?.as_str())
}

fn length(settings: &Value) -> Result<usize, PaintError> {
    // Files without a limit name a huge number.
    let named = settings.get("model_max_length").and_then(Value::as_u64).unwrap_or(LENGTH_DEFAULT);
    match named {
        3..=LENGTH_MAX => Ok(named as usize),
        _ => Err(PaintError::bad_model("tokenizer_config.json", "`model_max_length` is out of range")),
    }
}
