//! Scores: the weights of the fields, the text index's query for a plan, and the same score for chunks in memory.
//!
//! Refuses: to let unsaved or freshly changed text compete by other rules than stored text: both use the base's
//! statistics.

use std::collections::HashMap;

use tantivy::fieldnorm::FieldNormReader;
use tantivy::query::{
    Bm25StatisticsProvider, Bm25Weight, BooleanQuery, BoostQuery, Occur, Query, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use crate::files::role::{EXAMPLE, HISTORY, PROSE, TEST, VENDORED};
use crate::limits::TERMS_MAX;
use crate::parse::cut::Chunk;
use crate::parse::tokenize::for_each_token;
use crate::search::query::Plan;
use crate::storage::document::Fields;

/// Weight of a name written exactly as in the question.
const EXACT_WEIGHT: f32 = 3.0;

/// The searched fields with their weights, and their usual number of words for an index that is still empty.
fn weights(fields: &Fields) -> [(Field, f32, f32); 5] {
    [
        (fields.names, 2.2, 3.0),
        (fields.path, 1.6, 6.0),
        (fields.context, 1.0, 14.0),
        (fields.doc, 0.8, 12.0),
        (fields.body, 1.0, 160.0),
    ]
}

/// How much the role of a file lowers its score.
pub(crate) fn role_factor(role: u64, wanted: u64) -> f32 {
    let mut factor = 1.0;
    for (bit, lower) in [(TEST, 0.45), (EXAMPLE, 0.6), (VENDORED, 0.4), (HISTORY, 0.4), (PROSE, 0.75)] {
        if role & bit != 0 && wanted & bit == 0 {
            factor *= lower;
        }
    }
    factor
}

/// Keeps the words that tell most when a question has too many.
pub(crate) fn keep_telling(plan: &mut Plan, base: &Searcher, fields: &Fields) -> tantivy::Result<()> {
    if plan.terms.len() <= TERMS_MAX {
        return Ok(());
    }
    let documents = base.total_num_docs()?.max(1);
    let mut scored = Vec::with_capacity(plan.terms.len());
    for (index, term) in plan.terms.iter().enumerate() {
        let found = base.doc_freq(&Term::from_field_text(fields.body, &term.token))?.min(documents);
        #[expect(clippy::cast_precision_loss, reason = "an estimate of how rare a word is")]
        let rare = (1.0 + documents as f32 / (found as f32 + 1.0)).ln();
        scored.push((rare * term.weight, index));
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<usize> = scored.into_iter().take(TERMS_MAX).map(|(_, index)| index).collect();
    kept.sort_unstable();
    plan.terms = kept.into_iter().map(|index| plan.terms[index].clone()).collect();
    Ok(())
}

/// The query for a plan, without the `masked` paths.
pub(crate) fn query(plan: &Plan, fields: &Fields, masked: &[&str]) -> BooleanQuery {
    let mut any: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    let mut add = |term: Term, option: IndexRecordOption, weight: f32| {
        any.push((Occur::Should, Box::new(BoostQuery::new(Box::new(TermQuery::new(term, option)), weight))));
    };
    for term in &plan.terms {
        for (field, weight, _) in weights(fields) {
            add(Term::from_field_text(field, &term.token), IndexRecordOption::WithFreqs, weight * term.weight);
        }
    }
    for name in &plan.identifiers {
        add(Term::from_field_text(fields.exact, name), IndexRecordOption::Basic, EXACT_WEIGHT);
    }
    let mut all: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, Box::new(BooleanQuery::new(any)))];
    if !masked.is_empty() {
        let masked = masked.iter().map(|path| Term::from_field_text(fields.under, path));
        all.push((Occur::MustNot, Box::new(TermSetQuery::new(masked))));
    }
    BooleanQuery::new(all)
}

/// Scores chunks that are not in the text index as if they were.
pub(crate) struct MemoryScorer {
    /// For each searched field, the weight of each word.
    words: Vec<HashMap<String, Bm25Weight>>,
    exact: Vec<(String, f32)>,
}

impl MemoryScorer {
    /// A scorer for a plan with the statistics of the base.
    pub(crate) fn new(plan: &Plan, fields: &Fields, base: &Searcher) -> tantivy::Result<Self> {
        let documents = base.total_num_docs()?;
        let mut words = Vec::new();
        for (field, weight, usual_words) in weights(fields) {
            let tokens = base.total_num_tokens(field)?;
            #[expect(clippy::cast_precision_loss, reason = "an average")]
            let average = if tokens == 0 { usual_words } else { tokens as f32 / documents as f32 };
            let mut field_words = HashMap::new();
            for term in &plan.terms {
                let found = base.doc_freq(&Term::from_field_text(field, &term.token))?;
                let scorer = Bm25Weight::for_one_term_without_explain(found, documents.max(1), average);
                field_words.insert(term.token.clone(), scorer.boost_by(weight * term.weight));
            }
            words.push(field_words);
        }
        let mut exact = Vec::new();
        for name in &plan.identifiers {
            let found = base.doc_freq(&Term::from_field_text(fields.exact, name))?;
            // Without norms every document counts as one word long.
            let scorer = Bm25Weight::for_one_term_without_explain(found, documents.max(1), 1.0);
            exact.push((name.clone(), EXACT_WEIGHT * scorer.score(FieldNormReader::fieldnorm_to_id(1), 1)));
        }
        Ok(Self { words, exact })
    }

    /// The score of a chunk of `text`, before its file's role.
    pub(crate) fn score(&self, path: &str, chunk: &Chunk, text: &str) -> f32 {
        let names: Vec<&str> = chunk.names.iter().map(|name| name.name.as_str()).collect();
        let parts: [&[&str]; 5] =
            [&names, &[path], &[&chunk.context], &[&chunk.doc], &[&text[chunk.span.clone()]]];
        let mut score = 0.0;
        for (field_words, parts) in self.words.iter().zip(parts) {
            score += score_field(field_words, parts);
        }
        for (name, value) in &self.exact {
            if chunk.names.iter().any(|known| known.name == *name || known.qualified == *name) {
                score += value;
            }
        }
        score
    }
}

fn score_field(words: &HashMap<String, Bm25Weight>, parts: &[&str]) -> f32 {
    let mut length = 0u32;
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for part in parts {
        for_each_token(part, |token| {
            length += 1;
            if let Some((word, _)) = words.get_key_value(token) {
                *counts.entry(word.as_str()).or_default() += 1;
            }
        });
    }
    let norm = FieldNormReader::fieldnorm_to_id(length);
    counts.into_iter().map(|(word, count)| words[word].score(norm, count)).sum()
}
