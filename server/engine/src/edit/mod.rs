//! An instruction becomes a prompt, and the answer a verified edit of the files it was made for.
//!
//! An answer is sorted (`answer`, `fences`, `blocks`, `diff`, `json`), its pieces find their place (`paths`, `place`),
//! take on the file's form (`indent`, `fit`), and what comes out is looked at as a whole (`suspect`, `verify`).
//!
//! Refuses: guesses. An answer that does not say clearly what stands where, that leaves code out, or that breaks the
//! syntax that was there is a stated refusal, never an edit.

mod answer;
mod blocks;
mod diff;
mod fences;
mod fit;
mod indent;
mod json;
mod layout;
pub mod limits;
mod nearest;
mod outcomes;
mod paths;
mod pieces;
mod place;
mod prompt;
mod read;
pub mod recorded;
mod refusal;
mod region;
mod rewrite;
mod suspect;
mod task;
mod trigger;
mod verify;

pub use answer::Reply;
pub use fences::code_so_far;
pub use outcomes::{Format, OutcomeRow, Outcomes, Standing};
pub use place::Grade;
pub use prompt::{EditPlan, plan_edit};
pub use read::{FileChange, FileEdit, Proposal, read_edit};
pub use refusal::{Nearest, Refusal};
pub use task::{BaseFile, EditAction, EditTask, Reach};
pub use trigger::{Trigger, TriggerKind, may_ask, triggers};

/// The beginning of a line, short enough to be shown.
fn shown(line: &str) -> String {
    let mut end = line.len().min(limits::SHOWN_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
