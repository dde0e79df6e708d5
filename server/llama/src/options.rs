//! What may be chosen about one model. Refuses nothing; the engine keeps the numbers within the model's bounds.

use std::path::PathBuf;

use crate::threads::physical_cores;

const CONTEXT_TOKENS_DEFAULT: u32 = 4096;

/// What may be chosen about one model.
#[derive(Clone, Debug)]
pub struct LlamaOptions {
    /// The model file.
    pub path: PathBuf,
    /// Name users know the model by.
    pub name: String,
    /// Tokens that prompt and answer may fill together; less when the model was trained for less.
    pub context_tokens_max: u32,
    /// Threads that compute. 0 takes the physical cores this process may use, and fewer while other programs are at
    /// work on them; with contexts over 256 tokens the last digits of results, and so rarely a word, depend on that.
    pub threads: u32,
    /// Measures the speeds right after loading, which takes about half a second.
    pub measure_speeds: bool,
}

impl LlamaOptions {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            name: name.into(),
            context_tokens_max: CONTEXT_TOKENS_DEFAULT,
            threads: 0,
            measure_speeds: true,
        }
    }

    /// Threads that compute.
    pub(crate) fn threads(&self) -> u32 {
        if self.threads == 0 { physical_cores() } else { self.threads }
    }
}
