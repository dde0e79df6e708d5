//! Prompts as users of image tools write them: emphasis in brackets, `BREAK`, and more than one window of tokens.
//!
//! `(word)` multiplies attention by 1.1, `[word]` divides by it, `(word:1.3)` says how much, brackets nest, a backslash
//! makes a bracket a letter, and `BREAK` begins a new window. Refuses: to fail on brackets that do not match. What is not
//! closed reaches to the end, and what was not opened is text.

mod chunks;
mod emphasis;

pub use chunks::{Chunk, Windows, chunks};
pub use emphasis::{Piece, parse};

/// Most bytes of a prompt.
pub const PROMPT_BYTES_MAX: usize = 64 * 1024;

/// Most windows of tokens a prompt is cut into; each costs a pass of the text encoder and attention in every step.
pub const CHUNKS_MAX: usize = 64;
