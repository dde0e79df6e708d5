//! Children that may die: a model in a process of its own, started on first use, watched, restarted and ended.
//!
//! Native code can abort, run out of memory or hang. Here that costs one request a clear error, never the daemon.
//! The parent holds a [`WorkerModel`]; the child calls [`serve`] with a [`Backend`]. Between them runs one socket
//! with length-prefixed frames on which cancels and heartbeats overtake data.
//!
//! Refuses: any knowledge of what runs in the child, and children of another build.

mod backend;
mod child;
mod error;
mod frame;
mod keeper;
mod log_ring;
mod mailbox;
mod memory;
mod model;
mod outbox;
mod process;
mod protocol;
#[cfg(feature = "scripted")]
mod scripted;
mod speeds;
mod supervisor;

pub use backend::{Backend, CancelFlag, CountTokens, Loaded};
pub use child::serve;
pub use error::WorkerError;
pub use keeper::Deadlines;
pub use memory::give_back_freed_memory;
pub use model::{WorkerModel, WorkerOptions};
pub use process::{WorkerSpec, inherited_channel};
#[cfg(feature = "scripted")]
pub use scripted::ScriptedBackend;
pub use supervisor::Supervisor;
