//! A workspace as a searchable snapshot that is never stale: walk, parse, chunk, store, watch, search.
//!
//! Everything works without a model, without git and without a network. Broken files are data: they are counted by
//! reason, never an error. Refuses: protocols, models, prompts, and any write in the workspace.

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");

mod admit;
mod base;
mod content;
mod cut;
mod document;
mod error;
mod handle;
mod language;
mod limits;
mod lines;
mod live;
mod manifest;
mod measure;
mod outline;
mod overlay;
mod prepare;
mod prose;
mod query;
mod refresh;
mod role;
mod roots;
mod rules;
mod score;
mod search;
mod secrets;
mod shared;
mod skip;
mod split;
mod status;
mod symbols;
mod tokenize;
mod walk;
mod watch;
mod why;
mod writer;

pub use error::IndexError;
pub use handle::Index;
pub use limits::{
    CancelFlag, FILE_BYTES_MAX, FILES_MAX, HITS_MAX, IndexDirs, Limits, PASSAGE_LINES_MAX, QUERY_BYTES_MAX,
    THREADS_MAX,
};
pub use live::{Passage, passage, read_text};
pub use measure::{Baseline, read_and_parse};
pub use outline::{Mention, Outline, Symbol, language_name, outline, syntax_errors};
pub use overlay::Overlay;
pub use roots::git_root;
pub use search::{ChunkRef, Hit, SearchRequest, Searcher};
pub use secrets::is_secret;
pub use shared::Ticket;
pub use skip::{SkipReason, Skipped};
pub use status::{Progress, Report, State, Status};
