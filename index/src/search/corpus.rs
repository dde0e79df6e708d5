//! What is scored: the stored chunks of a snapshot, and files as they are now where that differs from what is stored.
//!
//! All statistics are those of what is there now: stored chunks, less those of changed files, plus the changed files as
//! they are. So unsaved or just saved text competes by the same numbers as if everything were indexed anew.
//!
//! Refuses: scores and stored text.

use std::cmp::Ordering;
use std::collections::HashMap;

use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, SegmentReader, TERMINATED, Term};

use crate::error::{Doing, IndexError};
use crate::files::role::role_of;
use crate::parse::cut::Chunk;
use crate::parse::qualified::{ends, normal};
use crate::parse::terms::{FIELDS, NAMES, PATH, Terms, word_hash};
use crate::search::snapshot::{SegmentTable, Snapshot, Tables, Totals, norm_lengths};

/// A file as it is now, when that differs from what is stored of it.
#[derive(Clone, Copy)]
pub(crate) struct Changed<'a> {
    /// Relative path.
    pub(crate) path: &'a str,
    /// Its text.
    pub(crate) text: &'a str,
    /// Its chunks.
    pub(crate) chunks: &'a [Chunk],
    /// The words of each chunk.
    pub(crate) terms: &'a [Terms],
    /// Not on disk, but in an open editor.
    pub(crate) unsaved: bool,
    /// The hash of its bytes on disk when it was saved, if that may have changed since it was read.
    pub(crate) saved: Option<u128>,
}

impl Changed<'_> {
    /// How many chunks have a word in a field.
    pub(crate) fn chunks_with(&self, field: usize, token: &str) -> u32 {
        let hash = word_hash(token);
        let with = self.terms.iter().filter(|terms| terms.count(hash).is_some_and(|count| count[field] > 0));
        u32::try_from(with.count()).unwrap_or(u32::MAX)
    }

    /// How many chunks define a name, plain or qualified.
    pub(crate) fn chunks_that_define(&self, name: &str) -> u32 {
        let defines = |chunk: &&Chunk| chunk.names.iter().any(|one| one.name == name || one.qualified == name);
        u32::try_from(self.chunks.iter().filter(defines).count()).unwrap_or(u32::MAX)
    }
}

/// What is scored: a snapshot and the files that changed since.
pub(crate) struct Corpus<'a> {
    snapshot: &'a Snapshot,
    tables: &'a Tables,
    pub(crate) changed: &'a [Changed<'a>],
    /// Stored files that are hidden by changed ones, or gone.
    hidden: Vec<bool>,
    pub(crate) hides_any: bool,
    pub(crate) totals: Totals,
    changed_names: HashMap<String, Vec<u32>>,
}

impl<'a> Corpus<'a> {
    /// A snapshot with changes. Stored chunks of `changed` and `gone` paths do not count.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the text index cannot be read.
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        changed: &'a [Changed<'a>],
        gone: &[&str],
    ) -> Result<Self, IndexError> {
        let tables = snapshot.tables()?;
        let mut corpus = Self {
            snapshot,
            tables,
            changed,
            hidden: vec![false; tables.files as usize],
            hides_any: !changed.is_empty() || !gone.is_empty(),
            totals: tables.totals,
            changed_names: names_of(tables.chunks, changed),
        };
        if corpus.hides_any {
            for path in changed.iter().map(|file| file.path).chain(gone.iter().copied()) {
                tables.files_named(path).for_each(|file| corpus.hidden[file as usize] = true);
            }
            corpus.count_changes();
        }
        Ok(corpus)
    }

    fn count_changes(&mut self) {
        let lengths = norm_lengths();
        let mut seen = vec![false; self.hidden.len()];
        for table in self.tables.segments() {
            for document in (0..).take(table.len()) {
                let file = table.file(document) as usize;
                if !self.hidden[file] || !table.is_alive(document) || table.norm(PATH, document) == 0 {
                    continue;
                }
                self.totals.chunks -= 1;
                for field in 0..FIELDS {
                    self.totals.words[field] -= u64::from(lengths[table.norm(field, document) as usize]);
                }
                if !std::mem::replace(&mut seen[file], true) {
                    self.totals.files -= 1;
                }
            }
        }
        let has_words = |terms: &&Terms| terms.norms[PATH] > 0;
        for file in self.changed.iter().filter(|file| file.terms.iter().any(|terms| has_words(&terms))) {
            self.totals.files += 1;
            for terms in file.terms.iter().filter(has_words) {
                self.totals.chunks += 1;
                for field in 0..FIELDS {
                    self.totals.words[field] += u64::from(lengths[terms.norms[field] as usize]);
                }
            }
        }
    }

    /// A file by its number: path and role.
    pub(crate) fn file(&self, file: u32) -> (&str, u64) {
        match file.checked_sub(self.tables.files) {
            Some(changed) => {
                let path = self.changed[changed as usize].path;
                (path, role_of(path))
            }
            None => self.tables.file(file),
        }
    }

    /// Calls `each` with the role of every file, in order of their numbers.
    pub(crate) fn each_role(&self, mut each: impl FnMut(u64)) {
        self.tables.each_role(&mut each);
        self.changed.iter().for_each(|file| each(role_of(file.path)));
    }

    /// The order of two files by their paths.
    pub(crate) fn order_of_paths(&self, one: u32, other: u32) -> Ordering {
        let by_number = self.tables.order_of_paths(one, other);
        by_number.unwrap_or_else(|| self.file(one).0.cmp(self.file(other).0))
    }

    /// The paths of all files in order of their numbers; one that changed may come more than once.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let stored =
            self.tables.files().zip(&self.hidden).filter(|(_, hidden)| !**hidden).map(|((path, _), _)| path);
        stored.chain(self.changed.iter().map(|file| file.path))
    }

    /// Calls `each` with every chunk and its file, in order of their numbers. What is done for all chunks of an index has
    /// to be done in plain loops.
    pub(crate) fn each_chunk(&self, mut each: impl FnMut(u32, u32)) {
        for table in self.tables.segments() {
            (table.first_chunk..).zip(table.files()).for_each(|(chunk, file)| each(chunk, file));
        }
        let mut chunk = self.tables.chunks;
        for (file, changed) in (self.tables.files..).zip(self.changed) {
            for _ in changed.chunks {
                each(chunk, file);
                chunk += 1;
            }
        }
    }

    /// The file that a chunk is of.
    pub(crate) fn file_of(&self, chunk: u32) -> u32 {
        match self.changed_chunk(chunk) {
            Some((file, _)) => self.tables.files + u32::try_from(file).unwrap_or(u32::MAX),
            None => self.tables.file_of(chunk),
        }
    }

    /// Whether a chunk defines anything.
    pub(crate) fn defines(&self, chunk: u32) -> bool {
        match self.changed_chunk(chunk) {
            Some((file, index)) => self.changed[file].terms[index].norms[NAMES] > 0,
            None => self.tables.norm(NAMES, chunk) > 0,
        }
    }

    /// The changed file and the position in it of a chunk that is not stored.
    pub(crate) fn changed_chunk(&self, chunk: u32) -> Option<(usize, usize)> {
        let mut left = chunk.checked_sub(self.tables.chunks)? as usize;
        for (index, file) in self.changed.iter().enumerate() {
            if left < file.chunks.len() {
                return Some((index, left));
            }
            left -= file.chunks.len();
        }
        None
    }

    /// The changed file at a position that [`Self::changed_chunk`] gave.
    pub(crate) fn changed(&self, file: usize) -> &Changed<'a> {
        &self.changed[file]
    }

    /// The tables of the snapshot.
    pub(crate) fn tables(&self) -> &'a Tables {
        self.tables
    }

    /// The segments of the snapshot, each with its table.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (&'a SegmentReader, SegmentTable<'a>)> {
        self.snapshot.text.segment_readers().iter().zip(self.tables.segments())
    }

    /// The stored fields of words.
    pub(crate) fn word_fields(&self) -> [Field; FIELDS] {
        self.snapshot.fields.words
    }

    /// Whether a stored file is hidden by a changed one, or gone.
    pub(crate) fn hides(&self, file: u32) -> bool {
        self.hidden[file as usize]
    }

    /// The chunks that define a name exactly as it is written, or with other signs between its parts; in order of their
    /// numbers.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the text index cannot be read.
    pub(crate) fn defining(&self, name: &str) -> Result<Vec<u32>, IndexError> {
        self.defining_past(name, usize::MAX)
    }

    /// The same; `None` when more than `most` do, which is known without looking at all of them.
    ///
    /// # Errors
    /// As [`Self::defining`].
    pub(crate) fn defining_at_most(&self, name: &str, most: usize) -> Result<Option<Vec<u32>>, IndexError> {
        let defining = self.defining_past(name, most)?;
        Ok((defining.len() <= most).then_some(defining))
    }

    /// All of them, or some when they are more than `most`.
    fn defining_past(&self, name: &str, most: usize) -> Result<Vec<u32>, IndexError> {
        let mut defining = self.defining_as_written(name, most)?;
        let qualified = normal(name);
        if defining.len() <= most && qualified != name {
            defining.extend(self.defining_as_written(&qualified, most)?);
            defining.sort_unstable();
            defining.dedup();
        }
        Ok(defining)
    }

    fn defining_as_written(&self, name: &str, most: usize) -> Result<Vec<u32>, IndexError> {
        let mut defining = Vec::new();
        let doing = "searching";
        let exact = self.snapshot.fields.exact;
        let term = Term::from_field_text(exact, name);
        for (reader, table) in self.stored() {
            let names = reader.inverted_index(exact).doing(doing)?;
            let Some(mut postings) = names.read_postings(&term, IndexRecordOption::Basic).doing(doing)? else {
                continue;
            };
            let mut document = postings.doc();
            while document != TERMINATED && defining.len() <= most {
                if table.is_alive(document) && !self.hidden[table.file(document) as usize] {
                    defining.push(table.first_chunk + document);
                }
                document = postings.advance();
            }
        }
        defining.extend(self.changed_names.get(name).into_iter().flatten());
        Ok(defining)
    }
}

/// The chunks of changed files by the names that they define, as the text index has those of stored files.
fn names_of(first: u32, changed: &[Changed<'_>]) -> HashMap<String, Vec<u32>> {
    let mut names: HashMap<String, Vec<u32>> = HashMap::new();
    for (chunk, one) in (first..).zip(changed.iter().flat_map(|file| file.chunks)) {
        for name in one.names.iter().flat_map(|name| ends(name).into_iter().chain([name.name.clone()])) {
            let chunks = names.entry(name).or_default();
            if chunks.last() != Some(&chunk) {
                chunks.push(chunk);
            }
        }
    }
    names
}
