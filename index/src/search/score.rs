//! Scores every chunk and every file for a plan: BM25F over the fields of chunks, and over whole files.
//!
//! All statistics are those of what is there now: stored chunks, less those of changed files, plus the changed files as
//! they are. So unsaved or just saved text competes by the same numbers as if everything were indexed anew.
//! BM25F: Robertson, Zaragoza, Taylor, "Simple BM25 extension to multiple weighted fields" (2004).
//!
//! Refuses: order, priors and stored text.

use std::cmp::Ordering;
use std::collections::HashMap;

use tantivy::postings::Postings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, Term};

use crate::error::{Doing, IndexError};
use crate::files::role::role_of;
use crate::limits::TERMS_MAX;
use crate::parse::cut::Chunk;
use crate::parse::qualified::{ends, normal};
use crate::parse::terms::{BODY, FIELDS, NAMES, PATH, Terms, word_hash};
use crate::search::query::Plan;
use crate::search::snapshot::{Snapshot, Tables, Totals, norm_lengths};

/// How much each field of a chunk counts, and how strongly a long field lowers its words.
struct Shape {
    weight: [f32; FIELDS],
    length: [f32; FIELDS],
    /// Where a word's further mentions stop to count.
    saturation: f32,
}

/// Chosen on the development sets; see `tests/eval/results/`.
const CHUNK: Shape =
    Shape { weight: [5.0, 1.6, 1.2, 1.0, 1.0], length: [0.5, 0.3, 0.5, 0.5, 0.75], saturation: 1.8 };
/// The same for whole files.
const FILE: Shape =
    Shape { weight: [2.0, 3.0, 0.0, 0.0, 1.0], length: [0.0, 0.0, 0.0, 0.0, 0.6], saturation: 3.0 };
/// Weight of a name written exactly as in the question.
const EXACT_WEIGHT: f32 = 1.5;
/// A word stands everywhere when its mentions are more than this part of all chunks.
const EVERYWHERE_SHARE: u64 = 8;
/// The usual number of words of each field, for an index that is still empty.
const USUAL_WORDS: [f32; FIELDS] = [3.0, 6.0, 14.0, 12.0, 160.0];

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
    changed: &'a [Changed<'a>],
    /// Stored files that are hidden by changed ones, or gone.
    hidden: Vec<bool>,
    hides_any: bool,
    totals: Totals,
    changed_names: HashMap<String, Vec<u32>>,
}

/// One score for each chunk and file; 0 for those without any of the words. Stored ones first, changed ones after.
pub(crate) struct Scores {
    /// By chunk number.
    pub(crate) chunks: Vec<f32>,
    /// By file number.
    pub(crate) files: Vec<f32>,
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
    pub(crate) fn tables(&self) -> &Tables {
        self.tables
    }

    /// Scores everything for a plan.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the text index cannot be read.
    pub(crate) fn score(&self, plan: &Plan) -> Result<Scores, IndexError> {
        let mut pass = Pass::new(self);
        for term in plan.terms.iter().take(TERMS_MAX) {
            pass.add_word(&term.token, term.weight)?;
        }
        let mut scores = pass.scores;
        for (name, weight) in plan.names() {
            self.raise(&mut scores, &self.defining(name)?, weight);
        }
        Ok(scores)
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
        for (reader, table) in self.snapshot.text.segment_readers().iter().zip(self.tables.segments()) {
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

    /// Adds what a name tells to the chunks that define it, and to their files. 1 is the weight of a name that the
    /// question spells out.
    pub(crate) fn raise(&self, scores: &mut Scores, defining: &[u32], weight: f32) {
        let rare = weight * EXACT_WEIGHT * rarity(defining.len(), self.totals.chunks);
        let mut before = None;
        for &chunk in defining {
            scores.chunks[chunk as usize] += rare;
            let file = self.file_of(chunk);
            if before.replace(file) != Some(file) {
                scores.files[file as usize] += rare;
            }
        }
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

/// The accumulators of one question. They are as long as the index, and emptied word by word.
struct Pass<'a> {
    corpus: &'a Corpus<'a>,
    scores: Scores,
    /// What one mention counts, by field and coarse length.
    worth: [[f32; 256]; FIELDS],
    /// What one mention in a file counts, less the longer it is.
    file_worth: Vec<f32>,
    in_chunk: Vec<f32>,
    in_file: Vec<f32>,
    in_path: Vec<f32>,
    /// Mentions in fields that do not count for a file, before any that does. Each makes a word as common as a further file
    /// with it would: what is all over signatures and documentation tells files apart less well.
    beside: usize,
    chunks: Vec<u32>,
    files: Vec<u32>,
}

#[expect(clippy::cast_precision_loss, reason = "scores are estimates, and no count comes near 2^24 mentions")]
impl<'a> Pass<'a> {
    fn new(corpus: &'a Corpus<'a>) -> Self {
        let lengths = norm_lengths();
        let totals = &corpus.totals;
        let mut worth = [[0.0; 256]; FIELDS];
        for field in 0..FIELDS {
            let mean = match totals.words[field] {
                0 => USUAL_WORDS[field],
                words => words as f32 / totals.chunks.max(1) as f32,
            };
            for (worth, length) in worth[field].iter_mut().zip(lengths) {
                *worth =
                    CHUNK.weight[field] / (1.0 - CHUNK.length[field] + CHUNK.length[field] * length as f32 / mean);
            }
        }
        let words_of = |terms: &Terms| lengths[terms.norms[BODY] as usize];
        let changed_words = corpus.changed.iter().map(|file| file.terms.iter().map(words_of).sum::<u32>());
        let mean = (totals.words[BODY] as f32 / totals.files.max(1) as f32).max(f32::MIN_POSITIVE);
        let worth_of = |words: u32| 1.0 / (1.0 - FILE.length[BODY] + FILE.length[BODY] * (words as f32 / mean));
        let mut file_worth: Vec<f32> = corpus.tables.file_words.iter().map(|&words| worth_of(words)).collect();
        file_worth.extend(changed_words.map(worth_of));
        let (chunks, files) = (
            corpus.tables.chunks as usize + corpus.changed.iter().map(|file| file.chunks.len()).sum::<usize>(),
            file_worth.len(),
        );
        Self {
            corpus,
            scores: Scores { chunks: vec![0.0; chunks], files: vec![0.0; files] },
            worth,
            file_worth,
            in_chunk: vec![0.0; chunks],
            in_file: vec![0.0; files],
            in_path: vec![0.0; files],
            beside: 0,
            chunks: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Adds one word of the question to all scores.
    fn add_word(&mut self, token: &str, weight: f32) -> Result<(), IndexError> {
        let corpus = self.corpus;
        let doing = "searching";
        let mut lists = Vec::new();
        for (reader, table) in corpus.snapshot.text.segment_readers().iter().zip(corpus.tables.segments()) {
            for (field, indexed) in corpus.snapshot.fields.words.into_iter().enumerate() {
                let words = reader.inverted_index(indexed).doing(doing)?;
                let term = Term::from_field_text(indexed, token);
                let found = words.read_postings(&term, IndexRecordOption::WithFreqs).doing(doing)?;
                lists.extend(found.map(|postings| (field, table, postings)));
            }
        }
        let mentions: u64 = lists.iter().map(|(.., postings)| u64::from(postings.doc_freq())).sum();
        let everywhere = mentions > u64::from(corpus.tables.chunks) / EVERYWHERE_SHARE;
        for (field, table, mut postings) in lists {
            // Most segments have lost nothing, and most questions find no file changed.
            let all_count = !corpus.hides_any && table.lost_none();
            let mut document = postings.doc();
            while document != TERMINATED {
                let file = table.file(document);
                if all_count || table.is_alive(document) && !corpus.hidden[file as usize] {
                    let (chunk, norm) = (table.first_chunk + document, table.norm(field, document));
                    if !everywhere {
                        self.note(field, chunk, file);
                    }
                    self.mention(field, chunk, file, postings.term_freq(), norm);
                }
                document = postings.advance();
            }
        }
        let hash = word_hash(token);
        let mut chunk = corpus.tables.chunks;
        for (file, changed) in (corpus.tables.files..).zip(corpus.changed) {
            for terms in changed.terms {
                for (field, &count) in terms.count(hash).into_iter().flatten().enumerate() {
                    if count > 0 {
                        if !everywhere {
                            self.note(field, chunk, file);
                        }
                        self.mention(field, chunk, file, u32::from(count), terms.norms[field]);
                    }
                }
                chunk += 1;
            }
        }
        if everywhere {
            self.fold_all(weight)
        } else {
            self.fold_noted(weight)
        }
        Ok(())
    }

    /// Remembers that a word stands in a chunk and its file, before that is counted.
    fn note(&mut self, field: usize, chunk: u32, file: u32) {
        if self.in_chunk[chunk as usize] == 0.0 {
            self.chunks.push(chunk);
        }
        let is_new = self.in_file[file as usize] == 0.0 && self.in_path[file as usize] == 0.0;
        if is_new && FILE.weight[field] > 0.0 {
            self.files.push(file);
        }
    }

    /// Counts that a field of a chunk holds the word `count` times.
    fn mention(&mut self, field: usize, chunk: u32, file: u32, count: u32, norm: u8) {
        let count = count as f32;
        self.in_chunk[chunk as usize] += count * self.worth[field][norm as usize];
        let (in_file, in_path) = (&mut self.in_file[file as usize], &mut self.in_path[file as usize]);
        // Every chunk repeats the path of its file.
        if field == PATH {
            *in_path = count;
        } else if FILE.weight[field] > 0.0 {
            *in_file += FILE.weight[field] * count;
        } else if *in_file == 0.0 && *in_path == 0.0 {
            self.beside += 1;
        }
    }

    /// Turns the mentions of a rare word into scores, and forgets them.
    fn fold_noted(&mut self, weight: f32) {
        let in_chunks = self.chunk_rarity(self.chunks.len(), weight);
        for chunk in self.chunks.drain(..) {
            let mentions = std::mem::take(&mut self.in_chunk[chunk as usize]);
            self.scores.chunks[chunk as usize] += saturated(in_chunks, mentions, CHUNK.saturation);
        }
        let in_files = self.file_rarity(self.files.len(), weight);
        for file in self.files.drain(..) {
            let file = file as usize;
            let mentions = std::mem::take(&mut self.in_file[file]) * self.file_worth[file]
                + FILE.weight[PATH] * std::mem::take(&mut self.in_path[file]);
            self.scores.files[file] += saturated(in_files, mentions, FILE.saturation);
        }
    }

    /// The same for a word that stands in so many chunks that to go through all of them takes less than to remember which:
    /// processors do such loops many numbers at a time.
    fn fold_all(&mut self, weight: f32) {
        let found = self.in_chunk.iter().filter(|mentions| **mentions > 0.0).count();
        let rare = self.chunk_rarity(found, weight);
        for (score, mentions) in self.scores.chunks.iter_mut().zip(&mut self.in_chunk) {
            *score += saturated(rare, std::mem::take(mentions), CHUNK.saturation);
        }
        let mentioned = self.in_file.iter().zip(&self.in_path);
        let found = mentioned.filter(|(in_file, in_path)| **in_file + **in_path > 0.0).count();
        let rare = self.file_rarity(found, weight);
        let mentions = self.in_file.iter_mut().zip(&mut self.in_path).zip(&self.file_worth);
        for (score, ((in_file, in_path), worth)) in self.scores.files.iter_mut().zip(mentions) {
            let mentions = std::mem::take(in_file) * worth + FILE.weight[PATH] * std::mem::take(in_path);
            *score += saturated(rare, mentions, FILE.saturation);
        }
    }

    fn chunk_rarity(&self, found: usize, weight: f32) -> f32 {
        weight * rarity(found, self.corpus.totals.chunks) * (CHUNK.saturation + 1.0)
    }

    fn file_rarity(&mut self, found: usize, weight: f32) -> f32 {
        let found = found + std::mem::take(&mut self.beside);
        weight * rarity(found, self.corpus.totals.files) * (FILE.saturation + 1.0)
    }
}

/// What mentions of a word add to a score: less and less the more there are.
fn saturated(rare: f32, mentions: f32, saturation: f32) -> f32 {
    rare * mentions / (saturation + mentions)
}

/// How much a word tells that stands in `found` of `all` places.
#[expect(clippy::cast_precision_loss, reason = "an estimate of how rare a word is")]
fn rarity(found: usize, all: u64) -> f32 {
    let (found, all) = (found as f32, (all as f32).max(found as f32));
    (1.0 + (all - found + 0.5) / (found + 0.5)).ln()
}
