//! The only place that knows HTTP and HTML: the pages, the API under `/api/v1`, and the two doors they are served on.
//!
//! The TCP door speaks to browsers and programs and asks everyone who they are; the Unix socket speaks to the user's
//! own processes, checked by their uid. Refuses: deciding anything a use case decides (that is `app`), binding a
//! port, and knowing what is spoken after the upgrade of a language session.

mod access;
mod api;
mod assets;
mod clock;
mod door;
mod error;
mod extract;
mod headers;
mod markdown;
mod pages;
mod panics;
mod pictures;
mod serve;
mod state;
mod upload;

pub use door::{Duplex, LspUpgrade, UpgradedIo, WebOptions, router, socket_router};
pub use serve::{serve_tcp, serve_unix};

#[cfg(test)]
mod tests;
