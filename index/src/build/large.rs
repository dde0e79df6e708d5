//! What is indexed of a file over the limit: its path, and the names that its first part defines.
//!
//! Refuses: to read all of it, so what tells one state of it from the next is what the file system says of it.

use crate::build::prepare::{Outcome, Preparation};
use crate::files::live::{StatKey, open};
use crate::files::skip::SkipReason;
use crate::parse::cut::{Cutter, unless_it_panics};
use crate::parse::language::recipe_of;
use crate::parse::large::names_of_large;
use crate::storage::document::FileFacts;
use crate::storage::manifest::FileRow;

use std::sync::atomic::Ordering;

impl Preparation<'_> {
    /// Prepares a file over the limit that is in the state `stat`.
    pub(crate) fn large(
        &self,
        cutter: &mut Cutter,
        path: &str,
        stat: StatKey,
        known: Option<&FileRow>,
    ) -> Outcome {
        let names = match open(&self.root.join(path)) {
            Ok(file) => unless_it_panics(path, || names_of_large(cutter, path, file)).unwrap_or_else(|| {
                // A parser that panicked is not used again.
                *cutter = Cutter::default();
                Vec::new()
            }),
            Err(_) => Vec::new(),
        };
        if names.is_empty() {
            return self.skipped(stat, path, SkipReason::TooLarge, known);
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let hash = stat.digest();
        let row = FileRow {
            id,
            stat,
            racy: stat.racy(),
            hash,
            recipe: recipe_of(path),
            chunks: 0,
            skip: None,
            chunks_hash: [0; 16],
        };
        let facts = FileFacts { id, path, hash };
        let documents = names.iter().map(|chunk| self.fields.document(&facts, chunk, "")).collect();
        self.by_path(row, &facts, SkipReason::TooLarge, documents)
    }
}
