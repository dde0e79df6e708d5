//! What is to be changed: a document at a version, a place in it, and the user's wish.
//!
//! Refuses: more at once than can be rewritten and reviewed.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use text::Document;

use super::Refusal;
use super::limits::SELECTION_BYTES_MAX;

/// What the user wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditAction {
    /// Mend a defect.
    Fix,
    /// Add or improve documentation.
    Document,
    /// Write tests; they are added at the end of the document.
    Tests,
    /// Put it in a better order without changing what it does.
    Refactor,
    /// Make it faster or simpler without changing what it does.
    Optimise,
    /// Follow the user's own words.
    Edit,
}

impl EditAction {
    pub(crate) fn wish(self) -> &'static str {
        match self {
            Self::Fix => "Fix the defects in the code.",
            Self::Document => "Add documentation comments to the code. Change nothing else.",
            Self::Tests => "Write tests for the code. Answer with the tests only.",
            Self::Refactor => {
                "Refactor the code: clearer names, smaller parts, no repetition. Do not change what it does."
            }
            Self::Optimise => "Make the code faster and simpler without changing what it does.",
            Self::Edit => "Change the code as asked.",
        }
    }
}

/// A file that an edit may touch, with the text that the model was shown.
#[derive(Clone, Debug)]
pub struct BaseFile {
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// Its text at a version. Where it is not open, the caller makes a document of the saved text.
    pub document: Document,
}

/// Which files an edit may touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The document alone.
    #[default]
    Document,
    /// The document, the other files of the task, and new ones in the workspace.
    Workspace,
}

/// What is to be changed, in the version of the document it was asked for.
#[derive(Clone, Debug)]
pub struct EditTask {
    /// The document at that version.
    pub document: Document,
    /// Its path relative to the workspace, with `/`; the end of its URI when there is none.
    pub path: String,
    /// The lines that are replaced, in bytes.
    pub target: Range<usize>,
    /// What the user wants done.
    pub action: EditAction,
    /// The user's own words.
    pub instruction: Option<String>,
    /// What the user asked for before, which is done already.
    pub earlier: Option<String>,
    /// Files that may be changed as well.
    pub others: Vec<BaseFile>,
    /// Which files may be touched.
    pub reach: Reach,
}

impl EditTask {
    /// A task for `selection` (bytes): an empty one means the enclosing symbol, or else its line; any other grows to
    /// whole lines, so that the answer has an indentation to keep.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn new(
        document: Document,
        selection: Range<usize>,
        action: EditAction,
        instruction: Option<String>,
    ) -> Result<Self, Refusal> {
        let target = if selection.is_empty() {
            enclosing_symbol(&document, selection.start).unwrap_or_else(|| whole_lines(&document, selection))
        } else {
            whole_lines(&document, selection)
        };
        if target.len() > SELECTION_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes: target.len() });
        }
        let path = document.uri().rsplit('/').next().unwrap_or_default().to_owned();
        let (others, reach) = (Vec::new(), Reach::Document);
        Ok(Self { document, path, target, action, instruction, earlier: None, others, reach })
    }

    /// The bytes that are to be rewritten.
    #[must_use]
    pub fn target(&self) -> Range<usize> {
        self.target.clone()
    }

    /// The same for a file at this path, relative to the workspace and with `/`.
    #[must_use]
    pub fn at_path(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// The same, going on from what the user asked for before.
    #[must_use]
    pub fn after(self, earlier: Option<String>) -> Self {
        Self { earlier, ..self }
    }

    /// The same with other files that may be changed, and leave to create, rename and delete.
    #[must_use]
    pub fn with_files(self, others: Vec<BaseFile>) -> Self {
        Self { others, reach: Reach::Workspace, ..self }
    }

    /// The text that is to be changed.
    pub fn code(&self) -> String {
        slice(&self.document, self.target.clone())
    }

    /// Whether the user spoke of white space, which then is not kept behind the model's back.
    pub(crate) fn is_about_blanks(&self) -> bool {
        const WORDS: [&str; 6] = ["space", "indent", "format", "tabs", "trailing", "align"];
        let words = self.instruction.as_deref().unwrap_or_default().to_lowercase();
        WORDS.iter().any(|word| words.contains(word))
    }
}

/// The whole lines of the innermost definition around byte `at`.
fn enclosing_symbol(document: &Document, at: usize) -> Option<Range<usize>> {
    let rope = document.rope();
    let outline = index::outline(&grammar_path(document), &rope.to_string())?;
    let lines = innermost(&outline, rope.byte_to_line(at.min(rope.len_bytes())))?;
    Some(rope.line_to_byte(lines.start)..rope.line_to_byte(lines.end.min(rope.len_lines())))
}

/// The lines of the innermost definition around a line, all counted from zero.
pub(crate) fn innermost(outline: &index::Outline, line: usize) -> Option<Range<usize>> {
    let line = u32::try_from(line + 1).ok()?;
    let around = outline.symbols.iter().filter(|symbol| {
        (symbol.start_line..=symbol.end_line).contains(&line)
            && !matches!(symbol.kind, "attribute" | "constant" | "type")
    });
    let innermost = around.min_by_key(|symbol| symbol.end_line - symbol.start_line)?;
    Some(innermost.start_line.saturating_sub(1) as usize..innermost.end_line as usize)
}

/// The index tells languages by a path's extension; the editor's name for the language is one too, and unlike the path
/// it is there before the first save.
pub(crate) fn grammar_path(document: &Document) -> String {
    // Some editors name what others call by the ending of its files.
    let name = match document.language_id() {
        "typescriptreact" => "tsx",
        "javascriptreact" => "jsx",
        other => other,
    };
    let by_name = format!("document.{name}");
    if index::language_name(&by_name).is_some() { by_name } else { document.uri().to_owned() }
}

fn whole_lines(document: &Document, selection: Range<usize>) -> Range<usize> {
    let rope = document.rope();
    let start = selection.start.min(rope.len_bytes());
    let end = selection.end.clamp(start, rope.len_bytes());
    let first = rope.byte_to_line(start);
    let last = rope.byte_to_line(end);
    // A selection that ends at the start of a line does not mean that line.
    let last = if last > first && rope.line_to_byte(last) == end { last - 1 } else { last };
    rope.line_to_byte(first)..rope.line_to_byte((last + 1).min(rope.len_lines()))
}

pub(crate) fn slice(document: &Document, bytes: Range<usize>) -> String {
    document.rope().byte_slice(bytes).to_string()
}
