//! What every test needs and no room of ours provides: fixtures, temporary workspaces, a strict LSP client,
//! redaction, processes, a scripted HTTP server, an SSE reader, seeded chance, and the page of large runs.
//!
//! Refuses: knowing any other crate of this workspace, so that every one of them can use it in its tests, and so that
//! its own positions, edits and framing check ours instead of repeating them. It is made for tests: whatever goes
//! wrong is a panic that says what was expected and what was seen.

pub mod dice;
pub mod fixture;
pub mod http;
pub mod lsp;
#[cfg(unix)]
pub mod process;
pub mod redact;
pub mod soak;
pub mod sse;
pub mod workspace;

pub use dice::Dice;
pub use fixture::{Fixture, Mark, Place};
pub use lsp::{Client, Encoding, Profile};
#[cfg(unix)]
pub use process::{Finished, Launch, Process, Signal, Stream, TempHome, familiar_binary};
pub use redact::Redactor;
pub use workspace::TempWorkspace;

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");
