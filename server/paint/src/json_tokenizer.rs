//! The tokenizer of a language model, as its `tokenizer.json` says.
//!
//! Refuses: files over the limit, and what the file says about truncating and padding; that is the pipeline's to decide.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tokenizers::Tokenizer;

use crate::error::PaintError;
use crate::prompt::PROMPT_BYTES_MAX;

/// Largest file of a tokenizer, in bytes; Qwen's has 11 MB.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

const FILE: &str = "tokenizer.json";

/// A tokenizer of any kind that the file can describe.
pub struct JsonTokenizer {
    inner: Tokenizer,
}

impl JsonTokenizer {
    /// Reads the `tokenizer` folder of a model.
    ///
    /// # Errors
    /// `BadModel` when `tokenizer.json` is missing, too large or damaged.
    pub fn open(folder: &Path) -> Result<Self, PaintError> {
        let wrong = |reason: String| PaintError::bad_model(FILE, reason);
        let file = File::open(folder.join(FILE)).map_err(|error| wrong(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        let mut inner = Tokenizer::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))?;
        inner.with_truncation(None).map_err(|error| wrong(error.to_string()))?;
        inner.with_padding(None);
        Ok(Self { inner })
    }

    /// The number of a token that the model cannot do without.
    ///
    /// # Errors
    /// `BadModel` when the vocabulary does not have it.
    pub fn id(&self, token: &str) -> Result<u32, PaintError> {
        let id = self.inner.token_to_id(token);
        id.ok_or_else(|| PaintError::bad_model(FILE, format!("`{token}` is not in the vocabulary")))
    }

    /// The tokens of a text, without those that the file would add before and after.
    ///
    /// # Errors
    /// `BadRequest` when the text has more than [`PROMPT_BYTES_MAX`] bytes, `Bug` when the library fails, which no text
    /// should make it do.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, PaintError> {
        if text.len() > PROMPT_BYTES_MAX {
            let bytes = text.len();
            let reason = format!("the prompt has {bytes} bytes; {PROMPT_BYTES_MAX} are read");
            return Err(PaintError::BadRequest(reason));
        }
        let encoding = self.inner.encode_fast(text, false);
        let encoding = encoding.map_err(|error| PaintError::Bug(format!("a text has no tokens: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }
}
