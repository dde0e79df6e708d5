//! The keys and values at the head of the file, and what they must say.
//!
//! Refuses: repeated keys, nested arrays, oversized values, and numbers that native code is known to abort on.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use super::GgufError;
use super::bytes::Bytes;

const KEY_BYTES_MAX: u64 = 64 * 1024;
const STRING_BYTES_MAX: u64 = 4 * 1024 * 1024;
const ARRAY_LEN_MAX: u64 = 8 * 1024 * 1024;
const CHAT_TEMPLATE_BYTES_MAX: u64 = 256 * 1024;
const BLOCK_COUNT_MAX: u64 = 512;
const ALIGNMENT_BYTES_MAX: u64 = 64 * 1024;
const ALIGNMENT_BYTES_DEFAULT: u64 = 32;
const WIDTH_MAX: u64 = 1 << 24;

const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";
const CHAT_TEMPLATE: &str = "tokenizer.chat_template";

const TYPE_I32: u32 = 5;
const TYPE_F32: u32 = 6;
const TYPE_BOOL: u32 = 7;
const TYPE_STRING: u32 = 8;
const TYPE_ARRAY: u32 = 9;

/// A value as far as we need it.
#[derive(Debug)]
enum Value {
    Unsigned(u64),
    Text(Vec<u8>),
    Array { element: u32, len: u64 },
    Other,
}

/// The checked keys and values.
#[derive(Debug)]
pub(super) struct Metadata {
    values: HashMap<Vec<u8>, Value>,
    architecture: String,
}

impl Metadata {
    /// Reads `count` pairs and checks them.
    pub(super) fn read<R: Read>(bytes: &mut Bytes<R>, count: u64) -> Result<Self, GgufError> {
        let mut values = HashMap::new();
        for _ in 0..count {
            let key = bytes.string(KEY_BYTES_MAX, "a key is too long")?;
            let value = read_value(bytes, &key)?;
            if key.is_empty() || values.insert(key, value).is_some() {
                return Err(GgufError::damaged("a key is empty or appears twice"));
            }
        }
        let mut metadata = Self { values, architecture: String::new() };
        metadata.architecture = metadata
            .text("general.architecture")
            .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| GgufError::damaged("the architecture is missing"))?;
        metadata.check()?;
        Ok(metadata)
    }

    /// Name of the model's architecture.
    pub(super) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// A number of this architecture, such as `context_length`.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.get(&format!("{}.{name}", self.architecture)) {
            Some(Value::Unsigned(number)) => Some(*number),
            _ => None,
        }
    }

    /// A text value.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    /// The model's own chat template.
    pub(super) fn chat_template(&self) -> Option<String> {
        self.text(CHAT_TEMPLATE)
    }

    /// Number of tokens in the vocabulary.
    pub(super) fn vocab_len(&self) -> u64 {
        match self.get(TOKENS) {
            Some(Value::Array { len, .. }) => *len,
            _ => 0,
        }
    }

    /// Id of a special token such as `bos`, when it lies inside the vocabulary.
    pub(super) fn token_id(&self, name: &str) -> Option<u32> {
        match self.get(&format!("tokenizer.ggml.{name}_token_id")) {
            Some(Value::Unsigned(id)) if *id < self.vocab_len() => u32::try_from(*id).ok(),
            _ => None,
        }
    }

    /// Alignment of the tensor data in bytes.
    pub(super) fn alignment(&self) -> Result<u64, GgufError> {
        match self.get("general.alignment") {
            None => Ok(ALIGNMENT_BYTES_DEFAULT),
            Some(Value::Unsigned(bytes)) if bytes.is_power_of_two() && *bytes <= ALIGNMENT_BYTES_MAX => Ok(*bytes),
            Some(_) => Err(GgufError::damaged("the alignment is not a small power of two")),
        }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key.as_bytes())
    }

    fn check(&self) -> Result<(), GgufError> {
        if matches!(self.get("split.count"), Some(Value::Unsigned(2..))) {
            return Err(GgufError::Unsupported("it is one part of a split model; merge the parts first"));
        }
        match self.number("block_count") {
            Some(1..=BLOCK_COUNT_MAX) => {}
            _ => return Err(GgufError::damaged("the number of layers is missing or out of range")),
        }
        for name in ["context_length", "embedding_length"] {
            if !matches!(self.number(name), Some(1..=WIDTH_MAX)) {
                return Err(GgufError::damaged("the context or embedding length is missing or out of range"));
            }
        }
        // Some architectures give these per layer, as arrays; native code checks those.
        for name in ["feed_forward_length", "attention.head_count", "attention.head_count_kv"] {
            if self.number(name).is_some_and(|number| number > WIDTH_MAX) {
                return Err(GgufError::damaged("a layer's width or number of heads is out of range"));
            }
        }
        self.check_vocabulary()
    }

    fn check_vocabulary(&self) -> Result<(), GgufError> {
        let vocab_len = match self.get(TOKENS) {
            Some(Value::Array { element: TYPE_STRING, len: len @ 1.. }) => *len,
            _ => return Err(GgufError::damaged("the vocabulary is missing")),
        };
        for (key, expected) in [("tokenizer.ggml.scores", TYPE_F32), ("tokenizer.ggml.token_type", TYPE_I32)] {
            match self.get(key) {
                None => {}
                Some(Value::Array { element, len }) if *element == expected && *len == vocab_len => {}
                Some(_) => return Err(GgufError::damaged("the vocabulary's lists differ in length or type")),
            }
        }
        match self.get(MERGES) {
            None | Some(Value::Array { element: TYPE_STRING, .. }) => {}
            Some(_) => return Err(GgufError::damaged("the tokenizer's merges are not text")),
        }
        match self.get(CHAT_TEMPLATE) {
            None | Some(Value::Text(_)) => Ok(()),
            Some(_) => Err(GgufError::damaged("the chat template is not text")),
        }
    }
}

fn read_value<R: Read>(bytes: &mut Bytes<R>, key: &[u8]) -> Result<Value, GgufError> {
    Ok(match bytes.u32()? {
        0 | TYPE_BOOL => {
            let [byte] = bytes.array()?;
            Value::Unsigned(byte.into())
        }
        2 => Value::Unsigned(u16::from_le_bytes(bytes.array()?).into()),
        4 => Value::Unsigned(bytes.u32()?.into()),
        10 => Value::Unsigned(bytes.u64()?),
        TYPE_STRING => {
            let bytes_max =
                if key == CHAT_TEMPLATE.as_bytes() { CHAT_TEMPLATE_BYTES_MAX } else { STRING_BYTES_MAX };
            Value::Text(bytes.string(bytes_max, "a text is too long")?)
        }
        TYPE_ARRAY => read_array(bytes, key)?,
        other => {
            bytes.skip(scalar_bytes(other)?)?;
            Value::Other
        }
    })
}

fn read_array<R: Read>(bytes: &mut Bytes<R>, key: &[u8]) -> Result<Value, GgufError> {
    let element = bytes.u32()?;
    let len = bytes.u64()?;
    if len > ARRAY_LEN_MAX {
        return Err(GgufError::damaged("a list is too long"));
    }
    if element != TYPE_STRING {
        // At most 8 M elements of 8 bytes: no overflow.
        bytes.skip(len * scalar_bytes(element)?)?;
        return Ok(Value::Array { element, len });
    }
    if key != TOKENS.as_bytes() {
        for _ in 0..len {
            bytes.skip_string(STRING_BYTES_MAX, "a text in a list is too long")?;
        }
        return Ok(Value::Array { element, len });
    }
    // Native code aborts on a word that appears twice. It also renames empty words, each differently.
    let mut words = HashSet::new();
    for _ in 0..len {
        let word = bytes.string(STRING_BYTES_MAX, "a word of the vocabulary is too long")?;
        if !word.is_empty() && !words.insert(word) {
            return Err(GgufError::damaged("a word appears twice in the vocabulary"));
        }
    }
    Ok(Value::Array { element, len })
}

/// Bytes of one value of a type without length; nested arrays and unknown types have none.
fn scalar_bytes(type_id: u32) -> Result<u64, GgufError> {
    match type_id {
        0 | 1 | TYPE_BOOL => Ok(1),
        2 | 3 => Ok(2),
        4..=TYPE_F32 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(GgufError::damaged("a value has a type we do not know")),
    }
}
