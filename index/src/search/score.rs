//! Scores every chunk and every file for a plan: BM25F over the fields of chunks, and over whole files.
//!
//! All statistics are those of what is there now: stored chunks, less those of changed files, plus the changed files as
//! they are. So unsaved or just saved text competes by the same numbers as if everything were indexed anew.
//! BM25F: Robertson, Zaragoza, Taylor, "Simple BM25 extension to multiple weighted fields" (2004).
//!
//! Refuses: order, priors and stored text.

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
            totals: tables.totals,
            changed_names: names_of(tables.chunks, changed),
        };
        if !changed.is_empty() || !gone.is_empty() {
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

    /// The roles of all files in order of their numbers.
    pub(crate) fn roles(&self) -> impl Iterator<Item = u64> {
        self.tables.roles().chain(self.changed.iter().map(|file| role_of(file.path)))
    }

    /// The paths of all files in order of their numbers; one that changed may come more than once.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let stored =
            self.tables.files().zip(&self.hidden).filter(|(_, hidden)| !**hidden).map(|((path, _), _)| path);
        stored.chain(self.changed.iter().map(|file| file.path))
    }

    /// The file of each chunk, in order of their numbers.
    pub(crate) fn chunk_files(&self) -> impl Iterator<Item = u32> {
        let stored =
            self.tables.segments().flat_map(|table| (0..).take(table.len()).map(move |chunk| table.file(chunk)));
        let changed = (self.tables.files..).zip(self.changed);
        stored.chain(changed.flat_map(|(number, file)| std::iter::repeat_n(number, file.chunks.len())))
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
        let mut defining = self.defining_as_written(name)?;
        let qualified = normal(name);
        if qualified != name {
            defining.extend(self.defining_as_written(&qualified)?);
            defining.sort_unstable();
            defining.dedup();
        }
        Ok(defining)
    }

    fn defining_as_written(&self, name: &str) -> Result<Vec<u32>, IndexError> {
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
            while document != TERMINATED {
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
    /// Divisors for lengths, by field and coarse length.
    divisors: [[f32; 256]; FIELDS],
    /// Words of each file.
    file_words: Vec<u32>,
    mean_file_words: f32,
    in_chunk: Vec<f32>,
    in_file: Vec<f32>,
    in_path: Vec<f32>,
    chunks: Vec<u32>,
    files: Vec<u32>,
}

#[expect(clippy::cast_precision_loss, reason = "scores are estimates, and no count comes near 2^24 mentions")]
impl<'a> Pass<'a> {
    fn new(corpus: &'a Corpus<'a>) -> Self {
        let lengths = norm_lengths();
        let totals = &corpus.totals;
        let mut divisors = [[1.0; 256]; FIELDS];
        for field in 0..FIELDS {
            let mean = match totals.words[field] {
                0 => USUAL_WORDS[field],
                words => words as f32 / totals.chunks.max(1) as f32,
            };
            for (divisor, length) in divisors[field].iter_mut().zip(lengths) {
                *divisor = 1.0 - CHUNK.length[field] + CHUNK.length[field] * length as f32 / mean;
            }
        }
        let mut file_words = corpus.tables.file_words.clone();
        let words_of = |terms: &Terms| lengths[terms.norms[BODY] as usize];
        file_words.extend(corpus.changed.iter().map(|file| file.terms.iter().map(words_of).sum::<u32>()));
        let (chunks, files) = (
            corpus.tables.chunks as usize + corpus.changed.iter().map(|file| file.chunks.len()).sum::<usize>(),
            file_words.len(),
        );
        Self {
            corpus,
            scores: Scores { chunks: vec![0.0; chunks], files: vec![0.0; files] },
            divisors,
            mean_file_words: totals.words[BODY] as f32 / totals.files.max(1) as f32,
            file_words,
            in_chunk: vec![0.0; chunks],
            in_file: vec![0.0; files],
            in_path: vec![0.0; files],
            chunks: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Adds one word of the question to all scores.
    fn add_word(&mut self, token: &str, weight: f32) -> Result<(), IndexError> {
        let corpus = self.corpus;
        let doing = "searching";
        for (reader, table) in corpus.snapshot.text.segment_readers().iter().zip(corpus.tables.segments()) {
            for (field, indexed) in corpus.snapshot.fields.words.into_iter().enumerate() {
                let words = reader.inverted_index(indexed).doing(doing)?;
                let term = Term::from_field_text(indexed, token);
                let found = words.read_postings(&term, IndexRecordOption::WithFreqs).doing(doing)?;
                let Some(mut postings) = found else { continue };
                let mut document = postings.doc();
                while document != TERMINATED {
                    let file = table.file(document);
                    if table.is_alive(document) && !corpus.hidden[file as usize] {
                        let norm = table.norm(field, document);
                        self.mention(field, table.first_chunk + document, file, postings.term_freq(), norm);
                    }
                    document = postings.advance();
                }
            }
        }
        let hash = word_hash(token);
        let mut chunk = corpus.tables.chunks;
        for (file, changed) in (corpus.tables.files..).zip(corpus.changed) {
            for terms in changed.terms {
                for (field, &count) in terms.count(hash).into_iter().flatten().enumerate() {
                    if count > 0 {
                        self.mention(field, chunk, file, u32::from(count), terms.norms[field]);
                    }
                }
                chunk += 1;
            }
        }
        self.fold(weight);
        Ok(())
    }

    /// Notes that a field of a chunk holds the word `count` times.
    fn mention(&mut self, field: usize, chunk: u32, file: u32, count: u32, norm: u8) {
        let count = count as f32;
        let in_chunk = &mut self.in_chunk[chunk as usize];
        if *in_chunk == 0.0 {
            self.chunks.push(chunk);
        }
        *in_chunk += CHUNK.weight[field] * count / self.divisors[field][norm as usize];
        let (in_file, in_path) = (&mut self.in_file[file as usize], &mut self.in_path[file as usize]);
        if *in_file == 0.0 && *in_path == 0.0 {
            self.files.push(file);
        }
        // Every chunk repeats the path of its file.
        if field == PATH {
            *in_path = count;
        } else {
            *in_file += FILE.weight[field] * count;
        }
    }

    /// Turns the mentions of one word into scores and forgets them.
    fn fold(&mut self, weight: f32) {
        let totals = &self.corpus.totals;
        let rare = weight * rarity(self.chunks.len(), totals.chunks) * (CHUNK.saturation + 1.0);
        for chunk in self.chunks.drain(..) {
            let mentions = std::mem::take(&mut self.in_chunk[chunk as usize]);
            self.scores.chunks[chunk as usize] += rare * mentions / (CHUNK.saturation + mentions);
        }
        let rare = weight * rarity(self.files.len(), totals.files) * (FILE.saturation + 1.0);
        for file in self.files.drain(..) {
            let file = file as usize;
            let length = self.file_words[file] as f32 / self.mean_file_words;
            let divisor = 1.0 - FILE.length[BODY] + FILE.length[BODY] * length;
            let mentions = std::mem::take(&mut self.in_file[file]) / divisor
                + FILE.weight[PATH] * std::mem::take(&mut self.in_path[file]);
            self.scores.files[file] += rare * mentions / (FILE.saturation + mentions);
        }
    }
}

/// How much a word tells that stands in `found` of `all` places.
#[expect(clippy::cast_precision_loss, reason = "an estimate of how rare a word is")]
fn rarity(found: usize, all: u64) -> f32 {
    let (found, all) = (found as f32, (all as f32).max(found as f32));
    (1.0 + (all - found + 0.5) / (found + 0.5)).ln()
}
