//! Real processes: finding the built binary, giving it a home of its own, reading what it prints, ending it.
//!
//! Refuses: sleeping and leaving anything behind. Waits are woken by a line, an exit, or a deadline; whatever was
//! started ends with the value that started it, and only that: processes are ended by their id or by the one
//! temporary home that no other process knows.

mod child;
mod home;

pub use child::{Finished, LINES_MAX, Launch, Process, Signal, Stream, WAIT_SECS_MAX};
pub use home::{TempHome, familiar_binary};

#[cfg(test)]
mod tests;
