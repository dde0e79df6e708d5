//! A strict LSP client for tests: raw JSON over any pair of byte streams, with profiles of real editors.
//!
//! Refuses: silence. Every message of the server must be claimed by the test, every request answered exactly once;
//! whatever is left over fails the test with a transcript of the whole conversation. It has its own framing and its
//! own application of edits, so that it checks the server's instead of repeating them.
//!
//! ```no_run
//! # async fn example(read: tokio::io::DuplexStream, write: tokio::io::DuplexStream) {
//! use kit::{Client, Profile};
//! use serde_json::json;
//!
//! let mut client = Client::start(read, write);
//! client.ignore("window/logMessage").await;
//! client.initialize_as(&Profile::neovim(), "file:///tmp/workspace").await;
//! let hover = client.request("textDocument/hover", json!({})).await;
//! assert!(hover.is_ok());
//! client.shutdown().await;
//! # }
//! ```

mod client;
mod edit;
mod framing;
mod ledger;
mod profile;

pub use client::{Client, Id, WAIT_SECS_MAX};
pub use edit::{Encoding, apply_edit, apply_text_edits};
pub use framing::{FRAME_BYTES_MAX, HEADER_BYTES_MAX, frame, read_frame};
pub use ledger::{BACKLOG_LEN_MAX, TRANSCRIPT_LEN_MAX};
pub use profile::Profile;

#[cfg(test)]
mod tests;
