//! A workspace as a searchable snapshot that is never stale: walk, parse, chunk, store, watch, search.
//!
//! Everything works without a model, without git and without a network. Broken files are data: they are counted by
//! reason, never an error. Refuses: protocols, models, prompts, and any write in the workspace.

// Makes a different checkout a different input to cargo; see `.cargo/config.toml`.
const _: Option<&str> = option_env!("FAMILIAR_CHECKOUT");

mod build;
mod error;
pub mod eval;
mod files;
mod handle;
mod history;
mod limits;
mod parse;
mod peek;
mod search;
mod storage;
mod words;

pub use build::measure::{Baseline, read_and_parse};
pub use build::pace::{Pace, Writing};
pub use build::recent::Difference;
pub use build::shared::Ticket;
pub use build::status::{Progress, Report, State, Status, Watching};
pub use error::IndexError;
pub use files::live::{Passage, passage, read_text};
pub use files::roots::git_root;
pub use files::rules::OWN_FOLDER_MARKER;
pub use files::secrets::is_secret;
pub use files::skip::{SkipReason, Skipped};
pub use handle::{Index, Stored};
pub use history::{
    Blame, BlamePart, CoChange, Commit, HISTORY_COMMITS_MAX, History, HistoryCache, HistoryLimits, Matching, blame,
};
pub use limits::{
    BUILD_BYTES_MAX, BUILD_BYTES_MIN, CancelFlag, FILE_BYTES_MAX, FILES_MAX, HITS_MAX, INDEX_BYTES_MAX, IndexDirs,
    Limits, NEARBY_FILES_MAX, PASSAGE_LINES_MAX, QUERY_BYTES_MAX, SOURCE_BYTES_MAX, THREADS_MAX,
};
pub use parse::outline::{Mention, Outline, Symbol, SyntaxCheck, check_syntax, language_name, outline};
pub use parse::syntax::Syntax;
pub use peek::Peek;
pub use search::filter::Filter;
pub use search::live::{LiveAnswer, LiveBudget, live_search};
pub use search::nearby::Nearby;
pub use search::overlay::{Overlay, OverlayMemory};
pub use search::related::{Related, RelatedItem};
pub use search::searcher::{ChunkRef, Hit, SearchAnswer, SearchKind, SearchRequest, Searcher};
pub use words::counted;
