//! The text of one file, the regions of it that change, and what becomes of them together.
//!
//! Refuses: success that was not read back. The edit, applied to the base, must give the very text that was checked.

use std::ops::Range;

use text::{Document, Edit, Hunk, TextEdit};

use super::limits::BASE_BYTES_MAX;
use super::place::Lines;
use super::suspect::Known;
use super::task::grammar_path;
use super::verify::{self, Definition};
use super::{EditTask, FileEdit, Refusal, layout};

/// What some editors put before a text that is none of it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file as it was shown to the model, without a byte order mark.
pub(crate) struct Source {
    text: String,
    mark_bytes: usize,
}

impl Source {
    /// The text of a document.
    pub(crate) fn of(document: &Document) -> Result<Self, Refusal> {
        let bytes = document.rope().len_bytes();
        if bytes > BASE_BYTES_MAX {
            return Err(Refusal::FileTooLarge { bytes });
        }
        let whole = document.rope().to_string();
        let text = whole.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&whole);
        Ok(Self { mark_bytes: whole.len() - text.len(), text: text.to_owned() })
    }
}

/// A file that changes.
pub(crate) struct Base<'a> {
    /// Its path, for people.
    pub(crate) path: &'a str,
    /// Its text.
    pub(crate) text: &'a str,
    /// Its lines.
    pub(crate) lines: Lines<'a>,
    /// What ends a line that is put into it.
    pub(crate) ending: &'static str,
    /// What the index tells its language by.
    pub(crate) grammar: String,
    /// What is in it already.
    pub(crate) known: Known<'a>,
    document: &'a Document,
    mark_bytes: usize,
}

/// Lines that are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Which, in the base.
    pub(crate) lines: Range<usize>,
    /// The text in their place, with line breaks.
    pub(crate) new: String,
}

/// What is looked at beside the syntax.
pub(crate) enum Watch<'a> {
    /// Pieces that said themselves what they replace.
    Pieces,
    /// Code in the place of these lines, on behalf of these words.
    Rewrite { place: Range<usize>, words: &'a str },
}

impl<'a> Base<'a> {
    /// The file at `path`.
    pub(crate) fn new(path: &'a str, document: &'a Document, source: &'a Source) -> Self {
        Self {
            path,
            text: &source.text,
            lines: Lines::of(&source.text),
            ending: document.shape().line_ending.as_str(),
            grammar: grammar_path(document),
            known: Known::of(&source.text, document.language_id()),
            document,
            mark_bytes: source.mark_bytes,
        }
    }

    /// The editor's name for its language.
    pub(crate) fn language(&self) -> &'a str {
        self.document.language_id()
    }

    /// The lines that bytes of the document touch.
    pub(crate) fn lines_of(&self, bytes: &Range<usize>) -> Range<usize> {
        let own = |byte: usize| byte.saturating_sub(self.mark_bytes);
        self.lines.lines(&(own(bytes.start)..own(bytes.end)))
    }

    /// The edit that makes `changes`, checked.
    pub(crate) fn finish(&self, changes: Vec<Change>, watch: &Watch<'_>) -> Result<FileEdit, Refusal> {
        let changes = self.ordered(changes)?;
        let mut new_text = String::with_capacity(self.text.len());
        let (mut hunks, mut parts, mut at) = (Vec::new(), Vec::new(), 0);
        let mut line_at = 0;
        for change in &changes {
            let bytes = self.lines.bytes(&change.lines);
            let (kept, old) = (&self.text[at..bytes.start], &self.text[bytes.clone()]);
            new_text.push_str(kept);
            line_at += text::split_lines(kept).count();
            let moved = |part: &TextEdit| {
                let by = bytes.start + self.mark_bytes;
                TextEdit::new(part.start_byte + by, part.end_byte + by, part.new_text.clone())
            };
            parts.extend(text::minimal_edit(old, &change.new).parts().iter().map(moved));
            let new_at = new_text.len() + self.mark_bytes;
            let old_at = bytes.start + self.mark_bytes;
            hunks.extend(text::hunks(old, &change.new).into_iter().map(|hunk| Hunk {
                old_lines: shifted(&hunk.old_lines, change.lines.start),
                new_lines: shifted(&hunk.new_lines, line_at),
                old_bytes: shifted(&hunk.old_bytes, old_at),
                new_bytes: shifted(&hunk.new_bytes, new_at),
                ..hunk
            }));
            line_at += text::split_lines(&change.new).count();
            new_text.push_str(&change.new);
            at = bytes.end;
        }
        new_text.push_str(&self.text[at..]);
        if new_text == self.text {
            return Err(Refusal::NoChange);
        }
        let is_unchecked = !self.check(&new_text, &hunks, watch)?;
        let edit = Edit::new(parts).map_err(|_| self.not_read_back())?;
        self.read_back(&edit, &hunks, &new_text)?;
        let (path, version) = (self.path.to_owned(), self.document.version());
        Ok(FileEdit { path, version, edit, hunks, new_text, is_unchecked })
    }

    /// Refuses what is no longer the file but for the edit. False when its syntax could not be looked at in time.
    fn check(&self, new_text: &str, hunks: &[Hunk], watch: &Watch<'_>) -> Result<bool, Refusal> {
        let is_checked = verify::syntax(&self.grammar, self.text, new_text, hunks)?;
        layout::check(self.language(), self.text, new_text)?;
        let definitions = |text: &str| verify::definitions(&self.grammar, text);
        let (before, after): (Vec<Definition>, Vec<Definition>) = (definitions(self.text), definitions(new_text));
        let looked = match watch {
            Watch::Pieces => verify::duplicates(&before, &after, false),
            Watch::Rewrite { place, words } => {
                verify::duplicates(&before, &after, true)?;
                verify::losses(&before, &after, place, words)
            }
        };
        looked.map(|()| is_checked)
    }

    /// Changes in order, neighbours joined.
    fn ordered(&self, mut changes: Vec<Change>) -> Result<Vec<Change>, Refusal> {
        changes.sort_by_key(|change| (change.lines.start, change.lines.end));
        let mut joined: Vec<Change> = Vec::with_capacity(changes.len());
        for change in changes {
            match joined.last_mut() {
                Some(last) if change.lines.start < last.lines.end => {
                    return Err(Refusal::Overlap { path: self.path.to_owned() });
                }
                Some(last) if change.lines.start == last.lines.end => {
                    last.lines.end = change.lines.end;
                    last.new.push_str(&change.new);
                }
                _ => joined.push(change),
            }
        }
        // A text without a final line break gets none because its last lines went.
        if let Some(last) = joined.last_mut()
            && last.new.is_empty()
            && last.lines.end == self.lines.whole.len()
            && last.lines.start > 0
            && !self.text.ends_with(['\n', '\r'])
        {
            last.lines.start -= 1;
            last.new = self.lines.bare.get(last.lines.start).map(|line| (*line).to_owned()).unwrap_or_default();
        }
        Ok(joined)
    }

    fn read_back(&self, edit: &Edit, hunks: &[Hunk], new_text: &str) -> Result<(), Refusal> {
        let rope = self.document.rope();
        let by_edit = edit.apply(rope).map_err(|_| self.not_read_back())?;
        let by_hunks =
            Hunk::apply_all(hunks).and_then(|edit| edit.apply(rope)).map_err(|_| self.not_read_back())?;
        let expected = by_edit.byte_slice(self.mark_bytes.min(by_edit.len_bytes())..) == new_text;
        if expected && by_edit == by_hunks { Ok(()) } else { Err(self.not_read_back()) }
    }

    fn not_read_back(&self) -> Refusal {
        Refusal::NotReadBack { path: self.path.to_owned() }
    }
}

/// The user's words of a task.
pub(crate) fn words(task: &EditTask) -> &str {
    task.instruction.as_deref().unwrap_or_default()
}

fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}
