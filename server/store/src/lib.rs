//! The user's data: all SQL, all blobs, all migrations. Everything here is synchronous; callers bring their threads.
//!
//! Refuses: opening a damaged or newer `user.db` (it stays untouched), keeping any secret in clear text, and knowing
//! anything of the other rooms. What is JSON to others is text here.
//!
//! A folder holds `user.db` (every commit is flushed), `events.db` (rebuildable, flushed at checkpoints), `blobs/`
//! and `store.lock`. One [`Store`] at a time may have a folder open; [`Store`] can be shared by threads.

mod backup;
mod blob;
mod chats;
mod database;
mod documents;
mod error;
mod events;
mod files;
mod gallery;
mod images;
mod jobs;
mod learned;
mod limits;
mod lock;
mod messages;
mod migrate;
mod open;
mod proposals;
mod runs;
mod secret;
mod settings;
mod sign_in;
mod sweep;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;
mod words;

pub use chats::{CHATS_PAGE_MAX, Chat, ChatCursor, Shelf};
pub use documents::{DOCUMENTS_PAGE_MAX, Document};
pub use error::StoreError;
pub use events::{EVENTS_BATCH_MAX, PRUNE_RUNS_MAX, RunEvent};
pub use gallery::{
    Beside, GALLERY_PAGE_MAX, GALLERY_WORDS_BYTES_MAX, GALLERY_WORDS_MAX, GalleryCursor, GalleryFilter, Totals,
};
pub use images::{IMAGES_REMOVED_MAX, Image, NewImage};
pub use jobs::{
    IMAGE_ATTEMPTS_MAX, IMAGE_JOB_BLOBS_MAX, IMAGE_JOBS_ENDED_MAX, IMAGE_JOBS_PAGE_MAX, IMAGE_JOBS_WAITING_MAX,
    ImageJob, NewImageJob, RecoveredImageJobs,
};
pub use limits::{
    BLOB_BYTES_MAX, EVENT_BYTES_MAX, JSON_BYTES_MAX, LEARNED_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX,
};
pub use messages::{MESSAGES_PAGE_MAX, Message, NewMessage};
pub use open::{Clock, OpenReport, Store, system_clock};
pub use proposals::{PROPOSAL_PLACES_MAX, PROPOSALS_MAX, PROPOSALS_PAGE_MAX, StoredProposal};
pub use runs::{After, BegunRun, NewRun, Run, RunEnd};
pub use secret::Secret;
pub use sign_in::{LINK_MS, LoginLink, NewSession, SESSION_AGE_MS_MAX, SESSION_IDLE_MS_MAX, Session};
pub use sweep::Swept;
pub use tokens::{ApiToken, NewApiToken, TOKEN_PREFIX, TOKENS_MAX};
pub use usage::{RunUsage, UsageEntry};
pub use words::{DocumentKind, ImageJobState, MessageRole, MessageState, RunOutcome, RunState};

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");
