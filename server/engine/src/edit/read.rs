//! Reads an answer: sorts it, lets its parts find their place, and gives back what was checked as a proposal.
//!
//! Refuses: changing anything. A proposal is for whoever reviews it.

use text::{Edit, Hunk};

use super::answer::{Draft, Reply, read};
use super::region::{Base, Source, Watch, words};
use super::rewrite::{append, choose, rewrite, shrinkage};
use super::{EditAction, EditTask, Format, Grade, Refusal, pieces};

/// What an answer would change, checked against the base versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The changes. Edits name files as they are before anything is renamed, so they are applied in this order.
    pub changes: Vec<FileChange>,
    /// How well the worst of its places agreed with the file.
    pub grade: Grade,
}

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Its text changes.
    Edit(FileEdit),
    /// It is made. Whether nothing is there yet, only the file system knows: whoever applies this must not overwrite.
    Create {
        /// Path relative to the workspace, with `/`.
        path: String,
        /// Its text.
        text: String,
    },
    /// It gets another name, at which nothing may be overwritten either.
    Rename {
        /// The path it has.
        from: String,
        /// The path it gets.
        to: String,
    },
    /// It goes.
    Delete {
        /// Path relative to the workspace, with `/`.
        path: String,
    },
}

/// Changes in the text of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// The version it was made for.
    pub version: i32,
    /// The smallest edit, for editors.
    pub edit: Edit,
    /// The same as whole lines, for judging one by one.
    pub hunks: Vec<Hunk>,
    /// What the edit makes of that version, without a byte order mark.
    pub new_text: String,
    /// Whether the file takes too long to parse, so that nobody knows whether it parses with the edit.
    pub is_unchecked: bool,
}

impl Proposal {
    /// The edit of the file at `path`.
    #[must_use]
    pub fn edit_of(&self, path: &str) -> Option<&FileEdit> {
        self.changes.iter().find_map(|change| match change {
            FileChange::Edit(edit) if edit.path == path => Some(edit),
            _ => None,
        })
    }
}

/// Refuses an answer that was to add tests and changes or takes away other lines; lines that bring names in may change.
fn only_adds(proposal: &Proposal) -> Result<(), Refusal> {
    let brings_in = |line: &str| {
        let line = line.trim_start();
        ["use ", "import ", "from ", "#include", "require"].iter().any(|word| line.starts_with(word))
    };
    let keeps = |hunk: &Hunk| {
        let mut new = hunk.new_text.lines().map(str::trim_end);
        let mut old = hunk.old_text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !brings_in(line));
        old.all(|line| new.any(|other| other == line))
    };
    let is_added = |change: &FileChange| match change {
        FileChange::Edit(edit) => edit.hunks.iter().all(keeps),
        FileChange::Create { .. } => true,
        FileChange::Rename { .. } | FileChange::Delete { .. } => false,
    };
    if proposal.changes.iter().all(is_added) {
        return Ok(());
    }
    Err(Refusal::Malformed { what: "it changes other code, and only tests were to be added" })
}

/// Turns a model's answer into changes of the task's files.
///
/// # Errors
/// A [`Refusal`] that says why it cannot be one.
pub fn read_edit(reply: Reply<'_>, task: &EditTask, format: Format) -> Result<Proposal, Refusal> {
    let source = Source::of(&task.document)?;
    let replaced = if format == Format::Whole { task.document.rope().to_string() } else { task.code() };
    let blocks = match read(reply, task.document.language_id(), &replaced)? {
        Draft::Pieces(found) => {
            let selection_only = format == Format::Rewrite && task.action != EditAction::Tests;
            let proposal = pieces::apply(task, found, selection_only)?;
            if task.action == EditAction::Tests {
                only_adds(&proposal)?;
            }
            return Ok(proposal);
        }
        Draft::Code(blocks) => blocks,
    };
    if format == Format::Blocks && task.action != EditAction::Tests {
        return Err(Refusal::Malformed { what: "it holds no search and replace blocks" });
    }
    let base = Base::new(&task.path, &task.document, &source);
    let edit = if task.action == EditAction::Tests {
        let code = choose(&blocks, task, &base, &task.code())?;
        let change = append(&code, task, &base)?;
        let place = change.lines.clone();
        base.finish(vec![change], &Watch::Rewrite { place, words: words(task) })?
    } else {
        let whole = format == Format::Whole;
        let place = if whole { 0..base.lines.whole.len() } else { base.lines_of(&task.target) };
        let old = base.text.get(base.lines.bytes(&place)).unwrap_or_default();
        let code = choose(&blocks, task, &base, old)?;
        let change = rewrite(&code, task, &base, place.clone())?;
        let edit = base.finish(vec![change], &Watch::Rewrite { place, words: words(task) })?;
        if whole {
            shrinkage(&base, &edit.new_text)?;
        }
        edit
    };
    Ok(Proposal { changes: vec![FileChange::Edit(edit)], grade: Grade::Exact })
}
