//! Checks a model file in the GGUF format before native code sees it.
//!
//! Native loaders abort the process, or worse, on many malformed files. This reads the head of the file, never the
//! tensor data, within fixed bounds. Refuses: every file whose head is not consistent or whose length is not the one
//! the head announces, which is how partial downloads are caught.

mod bytes;
mod metadata;
mod tensors;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::ModelError;
use bytes::Bytes;
use metadata::Metadata;
pub use tensors::block_of;

const MAGIC: [u8; 4] = *b"GGUF";
const VERSION_MIN: u32 = 2;
const VERSION_MAX: u32 = 3;
const KEYS_MAX: u64 = 64 * 1024;
const TENSORS_MAX: u64 = 64 * 1024;

/// What the head of a good file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Kind of network, such as `llama`.
    pub architecture: String,
    /// Name the author gave, when there is one.
    pub name: Option<String>,
    /// Tokens the model was trained to read.
    pub context_length: u64,
    /// Number of layers.
    pub block_count: u64,
    /// Number of tokens in the vocabulary.
    pub vocab_len: u64,
    /// Template that turns a conversation into a prompt, when there is one.
    pub chat_template: Option<String>,
    /// Token that begins a text, when there is one.
    pub bos_token: Option<u32>,
    /// Token that ends a text, when there is one.
    pub eos_token: Option<u32>,
    /// Bytes of all tensors.
    pub tensor_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[source] std::io::Error),
    /// It is not a GGUF file of a version we know.
    #[error("it is not a GGUF file of version 2 or 3")]
    NotGguf,
    /// It ends too early.
    #[error("it is incomplete")]
    Truncated,
    /// Its head contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It is good, but of a kind we do not load.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl GgufError {
    fn damaged(why: &'static str) -> Self {
        Self::Damaged(why)
    }
}

impl From<GgufError> for ModelError {
    fn from(error: GgufError) -> Self {
        Self::BadFile(error.to_string())
    }
}

/// Checks the file at `path`, reading its head only.
///
/// # Errors
/// [`GgufError`] when it must not be loaded.
pub fn validate(path: &Path) -> Result<Summary, GgufError> {
    let file = File::open(path).map_err(GgufError::Io)?;
    let about = file.metadata().map_err(GgufError::Io)?;
    if !about.is_file() {
        return Err(GgufError::NotGguf);
    }
    validate_head(file, about.len())
}

/// Checks a file of `file_bytes` bytes, reading its head from `input`.
///
/// # Errors
/// [`GgufError`] when it must not be loaded.
pub fn validate_head(input: impl Read, file_bytes: u64) -> Result<Summary, GgufError> {
    let mut bytes = Bytes::new(input, file_bytes);
    if file_bytes < MAGIC.len() as u64 || bytes.array()? != MAGIC {
        return Err(GgufError::NotGguf);
    }
    if !(VERSION_MIN..=VERSION_MAX).contains(&bytes.u32()?) {
        return Err(GgufError::NotGguf);
    }
    let (tensors, keys) = (bytes.u64()?, bytes.u64()?);
    if tensors == 0 || tensors > TENSORS_MAX || keys > KEYS_MAX {
        return Err(GgufError::damaged("it announces no tensors, or too many tensors or keys"));
    }
    let metadata = Metadata::read(&mut bytes, keys)?;
    let alignment = metadata.alignment()?;
    let extent = tensors::read(&mut bytes, tensors, alignment)?;

    let data_start = bytes.position().next_multiple_of(alignment);
    let end = |size: u64| data_start.checked_add(size).ok_or(GgufError::Damaged("the tensors are too large"));
    if file_bytes < end(extent.bytes)? {
        return Err(GgufError::Truncated);
    }
    if file_bytes > end(extent.padded_bytes)? {
        return Err(GgufError::damaged("it is longer than its tensors"));
    }
    Ok(Summary {
        architecture: metadata.architecture().to_owned(),
        name: metadata.text("general.name"),
        context_length: metadata.number("context_length").unwrap_or_default(),
        block_count: metadata.number("block_count").unwrap_or_default(),
        vocab_len: metadata.vocab_len(),
        chat_template: metadata.chat_template(),
        bos_token: metadata.token_id("bos"),
        eos_token: metadata.token_id("eos"),
        tensor_bytes: extent.bytes,
        file_bytes,
    })
}

#[cfg(test)]
mod tests;
