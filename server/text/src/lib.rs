//! Text as editors see it: documents with versions, positions in three encodings, edits that invert and rebase,
//! and hunks between two texts.
//!
//! Refuses: any input or output, any protocol type, any knowledge of a programming language. Every function here is
//! a pure function of its arguments. Lines end at `\n`, `\r\n` and `\r`, and at nothing else.

pub mod document;
pub mod edit;
mod error;
pub mod hunk;
pub mod line_ending;
pub mod position;
#[cfg(test)]
mod samples;

pub use document::{Change, Document};
pub use edit::{Bias, Edit, TextEdit};
pub use error::TextError;
pub use hunk::{Hunk, hunks, minimal_edit, unified_diff};
pub use line_ending::{LineEnding, TextShape, line_break, split_lines};
pub use position::{Position, PositionEncoding, Range};
pub use ropey::Rope;

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");
