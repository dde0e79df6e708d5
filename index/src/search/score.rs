//! Scores every chunk and every file for a plan: BM25F over the fields of chunks, and over whole files.
//!
//! BM25F: Robertson, Zaragoza, Taylor, "Simple BM25 extension to multiple weighted fields" (2004).
//!
//! Refuses: order, priors and stored text.

use tantivy::postings::Postings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, Term};

use crate::error::{Doing, IndexError};
use crate::limits::TERMS_MAX;
use crate::parse::terms::{BODY, FIELDS, PATH, Terms, word_hash};
use crate::search::corpus::Corpus;
use crate::search::query::Plan;
use crate::search::snapshot::norm_lengths;

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

/// One score for each chunk and file; 0 for those without any of the words. Stored ones first, changed ones after.
pub(crate) struct Scores {
    /// By chunk number.
    pub(crate) chunks: Vec<f32>,
    /// By file number.
    pub(crate) files: Vec<f32>,
}

impl Scores {
    /// Scores everything for a plan.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the text index cannot be read.
    pub(crate) fn of(corpus: &Corpus<'_>, plan: &Plan) -> Result<Self, IndexError> {
        let mut pass = Pass::new(corpus);
        for term in plan.terms.iter().take(TERMS_MAX) {
            pass.add_word(&term.token, term.weight)?;
        }
        let mut scores = pass.scores;
        for (name, weight) in plan.names() {
            scores.raise(corpus, &corpus.defining(name)?, weight);
        }
        Ok(scores)
    }

    /// Adds what a name tells to the chunks that define it, and to their files. 1 is the weight of a name that the
    /// question spells out.
    pub(crate) fn raise(&mut self, corpus: &Corpus<'_>, defining: &[u32], weight: f32) {
        let rare = weight * EXACT_WEIGHT * rarity(defining.len(), corpus.totals.chunks);
        let mut before = None;
        for &chunk in defining {
            self.chunks[chunk as usize] += rare;
            let file = corpus.file_of(chunk);
            if before.replace(file) != Some(file) {
                self.files[file as usize] += rare;
            }
        }
    }
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
        let mut file_worth: Vec<f32> = corpus.tables().file_words.iter().map(|&words| worth_of(words)).collect();
        file_worth.extend(changed_words.map(worth_of));
        let (chunks, files) = (
            corpus.tables().chunks as usize + corpus.changed.iter().map(|file| file.chunks.len()).sum::<usize>(),
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
        for (reader, table) in corpus.stored() {
            for (field, indexed) in corpus.word_fields().into_iter().enumerate() {
                let words = reader.inverted_index(indexed).doing(doing)?;
                let term = Term::from_field_text(indexed, token);
                let found = words.read_postings(&term, IndexRecordOption::WithFreqs).doing(doing)?;
                lists.extend(found.map(|postings| (field, table, postings)));
            }
        }
        let mentions: u64 = lists.iter().map(|(.., postings)| u64::from(postings.doc_freq())).sum();
        let everywhere = mentions > u64::from(corpus.tables().chunks) / EVERYWHERE_SHARE;
        for (field, table, mut postings) in lists {
            // Most segments have lost nothing, and most questions find no file changed.
            let all_count = !corpus.hides_any && table.lost_none();
            let mut document = postings.doc();
            while document != TERMINATED {
                let file = table.file(document);
                if all_count || table.is_alive(document) && !corpus.hides(file) {
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
        let mut chunk = corpus.tables().chunks;
        for (file, changed) in (corpus.tables().files..).zip(corpus.changed) {
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
