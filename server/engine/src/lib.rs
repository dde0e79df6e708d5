//! Features as pure functions: what is known becomes a prompt with a manifest of what went in and why; an answer
//! becomes citations or a verified edit.
//!
//! Refuses: files, clocks, threads, models. Whoever calls brings the passages, the token counts and the answer.

mod answer;
mod ask;
mod budget;
mod citation;
mod code;
mod edit;
mod label;
mod pack;
mod passage;
mod review;

pub use answer::strip_reasoning;
pub use ask::{AskPlan, NEXT_QUESTION, Question, Turn, ask_texts, plan_ask};
pub use budget::{Budget, budget};
pub use citation::{Citation, CitationFilter, cite};
pub use code::fenced;
pub use edit::limits as edit_limits;
pub use edit::recorded;
pub use edit::{
    BaseFile, EditAction, EditPlan, EditTask, FileChange, FileEdit, Format, Grade, Nearest, OutcomeRow, Outcomes,
    Proposal, Reach, Refusal, Reply, Standing, Trigger, TriggerKind, code_so_far, may_ask, plan_edit, read_edit,
    triggers,
};
pub use pack::{Manifest, ManifestEntry, Packed, pack};
pub use passage::{Origin, Passage};
pub use review::{Block, Followed, Lost, Review, Side};
