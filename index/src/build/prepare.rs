//! One file on disk -> what the index stores of it. Runs on many threads at once.
//!
//! Refuses: to write anything, and to fail: whatever is wrong with a file becomes an outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::TantivyDocument;

use crate::files::content::{Decoded, decode_named, skip_by_name};
use crate::files::lines::LineStarts;
use crate::files::live::{ReadFailure, StatKey, read};
use crate::files::skip::SkipReason;
use crate::files::walk::Entry;
use crate::parse::cut::{Cutter, cut_prose};
use crate::parse::language::recipe_of;
use crate::parse::light;
use crate::search::saved::SavedFile;
use crate::storage::document::{Fields, FileFacts, chunks_hash};
use crate::storage::manifest::FileRow;

/// What became of a file.
pub(crate) enum Outcome {
    /// New or changed: replace what is indexed of it.
    Indexed(FileRow, Vec<TantivyDocument>, Option<SavedFile>),
    /// Its bytes are those that are indexed; only the stat is new.
    Same(FileRow),
    /// Left out for a reason that lies in the file; remembered so that it is not read again, and known by its path and,
    /// where it is generated, by its names.
    Skipped(FileRow, SkipReason, Vec<TantivyDocument>),
    /// Left out for a reason that may pass.
    Refused(SkipReason),
    /// No longer there.
    Gone,
}

/// What every preparation needs to know.
pub(crate) struct Preparation<'a> {
    /// The workspace.
    pub(crate) root: &'a Path,
    /// Fields of the text index.
    pub(crate) fields: Fields,
    /// Numbers for new states.
    pub(crate) next_id: &'a AtomicU64,
    /// Largest file, in bytes.
    pub(crate) bytes_max: u64,
    /// Also keeps what is needed to search a file before the text index is written.
    pub(crate) keep: bool,
}

impl Preparation<'_> {
    /// Whether a file on disk is the one that a row describes, as far as its stat can tell.
    pub(crate) fn is_unchanged(&self, entry: &Entry, row: &FileRow) -> bool {
        // The limit may be another one than last time.
        let same_side_of_limit = match row.skip {
            None => row.stat.size <= self.bytes_max,
            Some(SkipReason::TooLarge) => row.stat.size > self.bytes_max,
            Some(_) => true,
        };
        row.stat == entry.stat && !row.racy && same_side_of_limit && row.recipe == recipe_of(&entry.path)
    }

    /// Prepares one file. `known` is what the index has of it.
    pub(crate) fn prepare(&self, cutter: &mut Cutter, entry: &Entry, known: Option<&FileRow>) -> Outcome {
        let path = entry.path.as_str();
        if let Some(reason) = skip_by_name(path) {
            return self.skipped(entry.stat, path, reason, known);
        }
        let file = match read(&self.root.join(path), self.bytes_max) {
            Ok(file) => file,
            Err(ReadFailure::Gone) => return Outcome::Gone,
            Err(ReadFailure::Skipped(SkipReason::TooLarge, Some(stat))) => {
                return self.large(cutter, path, stat, known);
            }
            Err(ReadFailure::Skipped(reason, Some(stat))) => return self.skipped(stat, path, reason, known),
            Err(ReadFailure::Skipped(reason, None)) => return Outcome::Refused(reason),
        };
        let hash = file.hash();
        let stat = file.stat;
        let recipe = recipe_of(path);
        if let Some(known) = known
            && known.hash == hash
            && known.recipe == recipe
            && known.stat.size == stat.size
        {
            return Outcome::Same(FileRow { stat, racy: stat.racy(), ..*known });
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let row =
            FileRow { id, stat, racy: stat.racy(), hash, recipe, chunks: 0, skip: None, chunks_hash: [0; 16] };
        let facts = FileFacts { id, path, hash };
        let Decoded { text, generated, .. } = match decode_named(path, file.bytes) {
            Ok(decoded) => decoded,
            Err(reason) => {
                return same_by_path(known, &row, reason)
                    .unwrap_or_else(|| self.by_path(row, &facts, reason, Vec::new()));
            }
        };
        let chunks = catch_unwind(AssertUnwindSafe(|| light::cut(cutter, path, &text)));
        let chunks = chunks.unwrap_or_else(|_| {
            // A parser that panicked is not used again.
            *cutter = Cutter::default();
            tracing::error!(path, "parsing a file panicked; it is cut as if it were prose");
            cut_prose(path, &text, &LineStarts::of(&text))
        });
        let reason = if generated {
            Some(SkipReason::Generated)
        } else {
            cutter.gave_up.then_some(SkipReason::SlowToParse)
        };
        let row = FileRow { chunks_hash: chunks_hash(&chunks), skip: reason, ..row };
        if let Some(known) = known
            .filter(|known| known.skip == reason && known.hash == hash && known.chunks_hash == row.chunks_hash)
        {
            // It is cut in another way by now, and comes out the same.
            return Outcome::Same(FileRow { id: known.id, chunks: known.chunks, ..row });
        }
        let documents: Vec<_> = chunks.iter().map(|chunk| self.fields.document(&facts, chunk, &text)).collect();
        if generated {
            return self.by_path(row, &facts, SkipReason::Generated, documents);
        }
        let row = FileRow { chunks: u32::try_from(documents.len()).unwrap_or(u32::MAX), ..row };
        if let Some(reason) = reason {
            return Outcome::Skipped(row, reason, documents);
        }
        let kept = self.keep.then(|| SavedFile::new(path, text, u128::from_le_bytes(hash), chunks));
        Outcome::Indexed(row, documents, kept)
    }

    /// A file that is known by its path only.
    pub(crate) fn skipped(
        &self,
        stat: StatKey,
        path: &str,
        reason: SkipReason,
        known: Option<&FileRow>,
    ) -> Outcome {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let recipe = recipe_of(path);
        // The content was not looked at, so no change of it can be missed.
        let row =
            FileRow { id, stat, racy: false, hash: [0; 16], recipe, chunks: 0, skip: None, chunks_hash: [0; 16] };
        same_by_path(known, &row, reason)
            .unwrap_or_else(|| self.by_path(row, &FileFacts { id, path, hash: row.hash }, reason, Vec::new()))
    }

    /// A file whose text is left out; `names` are documents of names in it.
    pub(crate) fn by_path(
        &self,
        row: FileRow,
        file: &FileFacts<'_>,
        reason: SkipReason,
        names: Vec<TantivyDocument>,
    ) -> Outcome {
        let mut documents = names;
        documents.push(self.fields.path_document(file, reason));
        let chunks = u32::try_from(documents.len()).unwrap_or(u32::MAX);
        Outcome::Skipped(FileRow { chunks, skip: Some(reason), ..row }, reason, documents)
    }
}

/// What is left of a file that was known by its path only, and is again: logs and databases change all the time, and
/// there is nothing new to find by that.
fn same_by_path(known: Option<&FileRow>, now: &FileRow, reason: SkipReason) -> Option<Outcome> {
    let known =
        known.filter(|known| known.skip == Some(reason) && known.chunks == 1 && known.recipe == now.recipe)?;
    Some(Outcome::Same(FileRow { id: known.id, chunks: known.chunks, skip: known.skip, ..*now }))
}
