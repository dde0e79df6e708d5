//! Use cases and the actors behind them: the one API every door calls.
//!
//! Refuses: protocols, HTML, SQL, native code. It defines the types it returns, so that no door names a type of the
//! store or the index. A use case is a page of orchestration; logic lies below, formats lie above.

mod access;
mod activity;
mod answer;
mod app;
mod chats;
mod config;
mod documents;
mod edit;
mod error;
mod home;
mod images;
mod indexing;
mod models;
mod new_file;
mod proposals;
mod pull;
mod runs;
mod sources;
mod status;
mod stored;
mod streaming;
#[cfg(any(test, feature = "testing"))]
mod testing;
#[cfg(test)]
mod tests;
mod unload;

pub use access::{ApiToken, NewToken, Session, SignedIn};
pub use activity::ActivityGuard;
pub use answer::{Answer, AnswerEvent, AnswerStream, Ask, Buffer, Focus, Problem, Usage};
pub use app::{App, Parts};
pub use chats::{ChatPage, ChatSummary, ChatView, MessageState, MessageView, Role, RunView};
pub use config::{CONFIG_BYTES_MAX, Config, ConfigOrigin, Setting};
pub use documents::place;
pub use edit::{EditEvent, EditOutcome, EditRequest, EditStream};
pub use error::{AppError, ErrorKind, Result, disk_hint, with_hint};
pub use home::Home;
pub use images::{
    BroughtFile, BroughtImage, Derivation, DeviceMemory, GalleryFilter, GalleryPage, GalleryTotals,
    GenerateRequest, IMAGE_PIXELS_MAX, IMAGE_SIDE_PIXELS_MAX, IMAGE_SIDE_PIXELS_MIN, IMPORT_BYTES_MAX,
    IMPORT_PIXELS_MAX, IMPORTS_AT_ONCE_MAX, ImageEventStream, ImageJobEvent, ImageJobEventKind, ImageJobState,
    ImageJobView, ImageJobs, ImageModelEntry, ImageOrigin, ImageParameters, ImagePreview, ImagePriority,
    ImageSettings, ImageSource, ImageStart, ImageView, ImagesBeside, ImportGuard, ParametersForm,
    RunningImageModel, SourceOf, StepPlace, SweptImages, VerifiedImageModel, check_source, derive_image_model,
    list_image_models, verify_image_model,
};
pub use index::counted;
pub use indexing::{
    BatchAnswer, BatchQuery, BatchStream, ChangesWith, Commit, Editing, FirstIndex, Hit, IndexChange,
    IndexChanges, IndexEvent, IndexProgress, IndexReport, IndexStatus, IndexStream, LeftOut, OutlinedSymbol,
    Passage, Related, RelatedPlace, SEARCH_HITS_MAX, SearchKind, SearchOptions, SearchResult, SymbolPlace,
    WorkspaceGuard, WorkspaceStatus, git_root, outline, search_read_only, stored_index,
};
pub use models::{Backend, ModelEntry, ModelStatus, RunningModel, list_models, verify_model};
pub use proposals::{
    ChangeState, KEPT_FILE_BYTES_MAX, Proposal, ProposalChanged, ProposalDocument, Proposed, ProposedChange,
    ProposedFile, ShownChange,
};
pub use pull::{KNOWN_IMAGE_MODELS, KnownImageModel, Pull, PullProgress, Pulled, pull};
pub use runs::{ChatImage, RunEvent, RunEventKind, RunStream, Sent};
pub use status::Status;
#[cfg(any(test, feature = "testing"))]
pub use testing::TestModels;
