//! Children that may die: a model in a process of its own, started on first use, watched, restarted and ended.
//!
//! Native code can abort, run out of memory or hang. Here that costs one request a clear error, never the daemon.
//! The parent holds a [`WorkerModel`] or a [`WorkerImageModel`]; the child calls [`serve`] with a [`Backend`] or
//! [`serve_images`] with an [`ImageBackend`]. Between them runs one socket with length-prefixed frames on which cancels
//! and heartbeats overtake data. One mechanism carries every kind of work (`work`).
//!
//! Refuses: any knowledge of what runs in the child, and children of another build.

mod backend;
mod child;
mod error;
mod frame;
mod handle;
mod image_model;
mod keeper;
mod log_ring;
mod mailbox;
mod memory;
mod model;
mod options;
mod outbox;
mod process;
mod protocol;
#[cfg(feature = "scripted")]
mod scripted;
mod speeds;
mod supervisor;
mod work;

pub use backend::{Backend, CancelFlag, CountTokens, ImageBackend, Loaded};
pub use child::{serve, serve_images};
pub use error::WorkerError;
pub use image_model::WorkerImageModel;
pub use keeper::Deadlines;
pub use memory::{available_memory_bytes, give_back_freed_memory};
pub use model::WorkerModel;
pub use options::WorkerOptions;
pub use process::{WorkerSpec, inherited_channel};
#[cfg(feature = "scripted")]
pub use scripted::{ScriptedBackend, ScriptedImageBackend};
pub use supervisor::Supervisor;
