//! Answers of models with what must become of them: recorded as text, and held against the engine without a model.
//!
//! Refuses: files, and a case whose expectation cannot fail. `tests/edits/corpus/README.md` says how they are written.

mod judge;
mod parse;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use text::Document;

use super::{EditAction, Format, Refusal};

/// The version that every document of a recording has.
const VERSION: i32 = 7;

/// Texts to edit and answers about them, as one file records them.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    bases: BTreeMap<String, Base>,
    cases: Vec<Case>,
}

/// Why a text records nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadRecord {
    /// From 1.
    pub line: usize,
    /// What is wrong, in a few words.
    pub reason: String,
}

/// One answer and what must become of it.
#[derive(Clone, Debug, Default)]
pub struct Case {
    title: String,
    /// Of the directive that begins it, from 1.
    line: usize,
    base: String,
    lines: Option<Lines>,
    with: Option<Vec<String>>,
    form: Form,
    say: Option<String>,
    cut: bool,
    escapes: bool,
    answer: String,
    expected: Vec<Expected>,
}

impl Case {
    /// What is told of it, which is its name in its file.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The form that was asked for.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }
}

/// The form in which a recorded answer was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The selection, written anew.
    #[default]
    Rewrite,
    /// Search and replace blocks.
    Blocks,
    /// The whole file, written anew.
    Whole,
    /// Tests, to be added.
    Tests,
}

impl Form {
    /// All of them, with the names they have in recordings.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Rewrite, "rewrite"), (Self::Blocks, "blocks"), (Self::Whole, "whole"), (Self::Tests, "tests")];

    fn asks_for(self) -> (Format, EditAction) {
        match self {
            Self::Rewrite => (Format::Rewrite, EditAction::Edit),
            Self::Blocks => (Format::Blocks, EditAction::Edit),
            Self::Whole => (Format::Whole, EditAction::Edit),
            Self::Tests => (Format::Rewrite, EditAction::Tests),
        }
    }
}

/// How an answer was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It became the edit that was meant.
    Right,
    /// It had to be refused and was.
    Refused,
    /// It was refused, and held the edit that was meant.
    Missed,
    /// It became another edit than the one that was meant, or one where it had to be refused. That must never be.
    Wrong,
}

/// What became of an answer beside what had to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What follows.
    pub verdict: Verdict,
    /// Whether the answer holds the edit that was meant; else it has to be refused.
    pub usable: bool,
    /// Why it was refused, if it was.
    pub refusal: Option<Refusal>,
    /// What had to become of it.
    pub wanted: Vec<Told>,
    /// What became of it.
    pub found: Vec<Told>,
}

impl Judged {
    /// Whether all came as it was recorded, the kind of a refusal included.
    #[must_use]
    pub fn is_as_recorded(&self) -> bool {
        let heads = |told: &[Told]| told.iter().map(|one| one.head.clone()).collect::<Vec<_>>();
        match self.verdict {
            Verdict::Right => true,
            // The words of a refusal are not part of a case, its kind is.
            Verdict::Refused => heads(&self.wanted) == heads(&self.found),
            Verdict::Missed | Verdict::Wrong => false,
        }
    }
}

/// What becomes of a file, or of the answer, in the words of a recording.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// The directive: `gives shop.py`, `refuses malformed`.
    pub head: String,
    /// The text afterwards, or why it was refused.
    pub text: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.head, self.text.escape_debug().to_string().replace("\\n", "\n"))
    }
}

/// The first and the last line, from 1.
type Lines = (usize, usize);

/// One expectation of a case.
#[derive(Clone, Debug)]
enum Expected {
    /// A file, or the one the case is about, has this text, or has it in the place of these lines.
    Gives { path: Option<String>, lines: Option<Lines>, text: String },
    /// A file is made.
    Creates { path: String, text: String },
    /// A file goes, or gets another name; or the answer is refused. The words are those of the recording.
    Head(String),
}

/// A file as a case finds it.
#[derive(Clone, Debug, Default)]
struct Base {
    path: String,
    text: String,
    flags: BTreeSet<String>,
}

impl Base {
    /// `text` in the form of this file: its line endings, its end, its mark.
    fn formed(&self, text: &str) -> String {
        let mut formed = text.to_owned();
        if self.flags.contains("no-eol") {
            formed = formed.strip_suffix('\n').unwrap_or(&formed).to_owned();
        }
        if self.flags.contains("crlf") {
            formed = formed.replace('\n', "\r\n");
        }
        if self.flags.contains("bom") { format!("\u{feff}{formed}") } else { formed }
    }

    fn document(&self) -> Document {
        let ending = self.path.rsplit('.').next().unwrap_or_default();
        let language = match ending {
            "yml" => "yaml",
            "md" => "markdown",
            _ => index::language_name(&self.path).unwrap_or(ending),
        };
        Document::new(&format!("file:///shop/{}", self.path), language, VERSION, &self.formed(&self.text))
    }

    fn has(&self, (first, last): Lines) -> bool {
        1 <= first && first <= last && last <= self.text.lines().count()
    }

    /// Its text with some lines replaced, or another text altogether.
    fn with(&self, lines: Option<Lines>, text: &str) -> String {
        let Some((first, last)) = lines else { return self.formed(text) };
        let whole: Vec<&str> = self.text.split_inclusive('\n').collect();
        let before = whole.get(..first - 1).unwrap_or_default().concat();
        let after = whole.get(last..).unwrap_or_default().concat();
        self.formed(&format!("{before}{text}{after}"))
    }
}

#[cfg(test)]
mod tests;
