//! The life of the daemon: who holds the home, how it is found, started, replaced and ended.
//!
//! Refuses: deciding races by the socket; the lock of the home decides, and dies with its process.

pub(crate) mod attach;
pub(crate) mod client;
pub(crate) mod idle;
pub(crate) mod lock;
pub(crate) mod ports;
pub(crate) mod run;
pub(crate) mod sse;
