//! Why an answer did not become an edit, in words for the user, and what the model is told so that its next answer can.
//!
//! Refuses: blame without a way on. Whatever can be said about the lines that are really there is said.

use super::limits::{BASE_BYTES_MAX, SELECTION_BYTES_MAX};

/// The lines of a file that are most like those a model looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The first of them, from 1.
    pub line: u32,
    /// The lines themselves, each ended by `\n`.
    pub text: String,
}

/// Why an answer did not become an edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There was no code in it.
    #[error("the model's answer holds no code")]
    NoCode,
    /// It holds several pieces of code of which each could be meant.
    #[error("the model's answer holds {count} different code blocks, and which one is meant is not clear")]
    Several {
        /// How many.
        count: usize,
    },
    /// It ended before its end.
    #[error("the model's answer broke off before its end")]
    CutOff,
    /// It is what stands there already.
    #[error("the model proposed no change")]
    NoChange,
    /// Too much was selected.
    #[error("the selection is {bytes} bytes, at most {SELECTION_BYTES_MAX} are changed at once")]
    TooLarge {
        /// Bytes selected.
        bytes: usize,
    },
    /// The file is too large.
    #[error("the file is {bytes} bytes, files up to {BASE_BYTES_MAX} are edited")]
    FileTooLarge {
        /// Bytes of the file.
        bytes: usize,
    },
    /// The answer is too long to be right.
    #[error("the model's answer is too long to be an edit")]
    TooLong,
    /// Its markers are not in order.
    #[error("the model's edit is malformed: {what}")]
    Malformed {
        /// What is wrong with them.
        what: &'static str,
    },
    /// The lines to replace are not there.
    #[error("the lines that the model wants to replace are not in {path}")]
    NotFound {
        /// The file.
        path: String,
        /// What it looked for, shortened.
        wanted: String,
        /// The lines most like them, if any are.
        nearest: Option<Nearest>,
    },
    /// The lines to replace are there more than once.
    #[error("the lines that the model wants to replace stand in {path} more than once (lines {})", numbers(lines))]
    Ambiguous {
        /// The file.
        path: String,
        /// First lines of the places, from 1; further ones are not counted.
        lines: Vec<u32>,
    },
    /// Two replacements of one answer meet.
    #[error("the model changes the same lines of {path} twice")]
    Overlap {
        /// The file.
        path: String,
    },
    /// It does not say which lines it replaces.
    #[error("the model does not say which lines of {path} it replaces")]
    EmptySearch {
        /// The file.
        path: String,
    },
    /// It changes a file nobody asked about.
    #[error("the model wants to change {path}, which is not part of this edit")]
    OtherFile {
        /// As the model wrote it.
        path: String,
    },
    /// It changes lines nobody selected.
    #[error("the model wants to change lines outside the selection")]
    OutsideSelection,
    /// A path that may not be written.
    #[error("the model names the path {path:?}, which is refused: {reason}")]
    Path {
        /// As the model wrote it.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// A file that is to be made is there already.
    #[error("the model wants to create {path}, which is there already")]
    Exists {
        /// The file.
        path: String,
    },
    /// It leaves code out and says so.
    #[error("the model left code out (`{line}`)")]
    Elided {
        /// The line that stands for it.
        line: String,
    },
    /// What should be code is a copy of how code is shown.
    #[error("the model's code holds {what}, which are no part of the file")]
    Decorated {
        /// `line numbers`, `diff markers`, `HTML escapes`.
        what: &'static str,
    },
    /// Something in it is not meant for a file.
    #[error("the model's code holds what belongs in no file (`{line}`)")]
    Leaked {
        /// The line.
        line: String,
    },
    /// Its indentation cannot be told.
    #[error("the indentation of the model's lines cannot be brought into that of {path}")]
    Indentation {
        /// The file.
        path: String,
    },
    /// It would delete definitions that nobody named.
    #[error("the model's code leaves out `{name}`, which stands there now")]
    Lost {
        /// One of them.
        name: String,
    },
    /// It would delete most of the file.
    #[error("the model's code keeps {after} of {before} lines")]
    Shrunk {
        /// Lines that are not blank before.
        before: usize,
        /// Lines that are not blank after.
        after: usize,
    },
    /// It defines what is defined already.
    #[error("the model's code defines `{name}` a second time")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// It repeats lines that follow or precede what it replaces.
    #[error("the model's code repeats lines that stand beside it (`{line}`)")]
    Echo {
        /// One of them.
        line: String,
    },
    /// It has nothing to do with what it replaces.
    #[error("the model's answer has nothing in common with the code it would replace")]
    Unrelated,
    /// It breaks the syntax that was there.
    #[error("the proposed code does not parse ({before} errors before, {after} after)")]
    Syntax {
        /// Syntax errors in the file before.
        before: usize,
        /// Syntax errors in the file after.
        after: usize,
    },
    /// Whether it parses could not be told in time.
    #[error("whether the proposed code parses could not be checked in time")]
    Unchecked,
    /// What came out, read back, is not what was meant.
    #[error("the edit of {path}, read back, is not what was meant; this is a defect of ours")]
    NotReadBack {
        /// The file.
        path: String,
    },
}

impl Refusal {
    /// A short name that does not change, for histories and tests.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoCode => "no-code",
            Self::Several { .. } => "several",
            Self::CutOff => "cut-off",
            Self::NoChange => "no-change",
            Self::TooLarge { .. } => "too-large",
            Self::FileTooLarge { .. } => "file-too-large",
            Self::TooLong => "too-long",
            Self::Malformed { .. } => "malformed",
            Self::NotFound { .. } => "not-found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Overlap { .. } => "overlap",
            Self::EmptySearch { .. } => "empty-search",
            Self::OtherFile { .. } => "other-file",
            Self::OutsideSelection => "outside-selection",
            Self::Path { .. } => "path",
            Self::Exists { .. } => "exists",
            Self::Elided { .. } => "elided",
            Self::Decorated { .. } => "decorated",
            Self::Leaked { .. } => "leaked",
            Self::Indentation { .. } => "indentation",
            Self::Lost { .. } => "lost",
            Self::Shrunk { .. } => "shrunk",
            Self::Duplicate { .. } => "duplicate",
            Self::Echo { .. } => "echo",
            Self::Unrelated => "unrelated",
            Self::Syntax { .. } => "syntax",
            Self::Unchecked => "unchecked",
            Self::NotReadBack { .. } => "not-read-back",
        }
    }

    /// Whether the answer could not even be read in the form that was asked for; else it was read, and its content refused.
    #[must_use]
    pub fn is_about_the_form(&self) -> bool {
        matches!(self, Self::NoCode | Self::Several { .. } | Self::CutOff | Self::TooLong | Self::Malformed { .. })
    }

    /// What the model is told: the reason, and the lines that are really there where that is known.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::NotFound { wanted, nearest: Some(nearest), .. } => format!(
                "{self}. You looked for:\n{}\nThe nearest lines that are there, from line {}:\n{}\nCopy them exactly",
                crate::fenced("", wanted),
                nearest.line,
                crate::fenced("", &nearest.text)
            ),
            Self::Ambiguous { .. } => {
                format!("{self}. Add the lines above or below, so that it is one place")
            }
            Self::Elided { .. } => format!("{self}. Write every line out"),
            Self::Several { .. } => format!("{self}. Answer with one block"),
            _ => self.to_string(),
        }
    }

    /// What the user can do when no further answer is asked for.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::CutOff | Self::TooLong | Self::Elided { .. } | Self::Shrunk { .. } => {
                "select fewer lines"
            }
            Self::FileTooLarge { .. } => "move the code into a smaller file",
            Self::NoChange => "say more exactly what is to change",
            Self::OutsideSelection => "select every line that has to change",
            Self::OtherFile { .. } | Self::Path { .. } | Self::Exists { .. } => {
                "an edit changes one file; ask for the rest in the other file"
            }
            Self::Lost { .. } => "say by name what may go, or select fewer lines",
            Self::Unchecked => "try again when the machine has less to do",
            Self::NotReadBack { .. } => "nothing was changed; try again with other lines selected",
            Self::NoCode
            | Self::Several { .. }
            | Self::Malformed { .. }
            | Self::NotFound { .. }
            | Self::Ambiguous { .. }
            | Self::Overlap { .. }
            | Self::EmptySearch { .. }
            | Self::Decorated { .. }
            | Self::Leaked { .. }
            | Self::Indentation { .. }
            | Self::Duplicate { .. }
            | Self::Echo { .. }
            | Self::Unrelated
            | Self::Syntax { .. } => "try again in other words, or select fewer lines",
        }
    }

    /// Whether another answer could be better. The others are about what was asked, not about the answer.
    #[must_use]
    pub fn is_worth_a_retry(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::FileTooLarge { .. } | Self::NotReadBack { .. })
    }
}

fn numbers(lines: &[u32]) -> String {
    lines.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
