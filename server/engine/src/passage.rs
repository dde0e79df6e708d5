//! A passage: some lines of one file with the reason why they were chosen. Refuses: passages without a place.

use serde::{Deserialize, Serialize};

/// Where a passage came from, strongest reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The user selected it.
    Selection,
    /// The user handed it over with the question.
    Attachment,
    /// The user named the file, or it is the open one.
    File,
    /// The index found it.
    Search,
}

/// Lines of a file that may go into a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, inclusive.
    pub end_line: u32,
    /// Enclosing symbol, where known.
    pub symbol: Option<String>,
    /// The lines themselves.
    pub text: String,
    /// Why it was chosen, in words for the user.
    pub reason: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Passage {
    /// `path:start-end`, the customary way to name the place.
    pub fn place(&self) -> String {
        format!("{}:{}-{}", self.path, self.start_line, self.end_line)
    }

    /// Whether both hold lines of the same file in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.path == other.path && self.start_line <= other.end_line && other.start_line <= self.end_line
    }
}
