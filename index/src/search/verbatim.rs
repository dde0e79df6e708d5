//! A text that is quoted, or a question that is itself a line of the code, such as an error message: the files that hold
//! it just so come first.
//!
//! Refuses: to change the answer to any other question, and to walk the tree; what holds the words is known.

use tantivy::postings::SegmentPostings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED, TantivyDocument, Term};

use crate::error::{Doing, IndexError};
use crate::files::admit::Gate;
use crate::files::lines::{LineStarts, whole_lines};
use crate::files::role::role_of;
use crate::limits::HITS_MAX;
use crate::parse::cut::Chunk;
use crate::parse::deadline::search_deadline;
use crate::parse::terms::BODY;
use crate::parse::tokenize::for_each_token;
use crate::search::corpus::Changed;
use crate::search::live_files::LiveFiles;
use crate::search::rank::role_factor;
use crate::search::searcher::{Hit, SearchRequest, Searcher};
use crate::search::why::symbol_at;
use crate::storage::document::Card;

/// Words that make a question without quotes a line of its own.
const LINE_WORDS_MIN: usize = 4;
/// Signs of code that stand in no name and no path.
const CODE_SIGNS: [char; 12] = ['(', ')', '[', ']', '{', '}', '=', ';', '+', '|', '&', ','];
/// A longer line is a report.
const LINE_BYTES_MAX: usize = 400;
/// A shorter part in quotes is a name.
const QUOTED_WORDS_MIN: usize = 2;
/// What quotes a text.
const QUOTES: [(char, char); 4] = [('"', '"'), ('\u{201c}', '\u{201d}'), ('`', '`'), ('\'', '\'')];
/// Words by which chunks that may hold it are found.
const WORDS_MAX: usize = 16;
/// Chunks that are read to see whether they do.
const CHUNKS_READ_MAX: usize = 48;
/// Hits that come first for holding it.
const FIRST_MAX: usize = 5;
/// Lines of one hit that are told.
const LINES_TOLD_MAX: usize = 64;
/// Blocks of stored documents that stay unpacked while lists are followed.
const STORE_BLOCKS: usize = 4;

/// The text that a question spells out, if it does.
fn literal_of(question: &str) -> Option<&str> {
    let question = question.trim();
    if question.len() > LINE_BYTES_MAX || question.contains('\n') {
        return None;
    }
    for (open, close) in QUOTES {
        let Some((before, rest)) = question.split_once(open) else { continue };
        // An apostrophe within a word quotes nothing.
        if before.ends_with(char::is_alphanumeric) {
            continue;
        }
        let Some((quoted, after)) = rest.rsplit_once(close) else { continue };
        let quoted = quoted.trim();
        let is_all = before.is_empty() && after.is_empty() && !quoted.is_empty();
        if is_all
            || quoted.split_whitespace().nth(QUOTED_WORDS_MIN - 1).is_some()
                && !after.starts_with(char::is_alphanumeric)
        {
            return Some(quoted);
        }
    }
    let is_line = question.split_whitespace().nth(LINE_WORDS_MIN - 1).is_some() || is_code(question);
    (is_line && !question.ends_with('?')).then_some(question)
}

/// Whether a few words are a piece of code rather than a name, which may be written as a call.
fn is_code(question: &str) -> bool {
    let named = question.strip_suffix("()").unwrap_or(question);
    named.contains(CODE_SIGNS) && named.split(|letter: char| !letter.is_alphanumeric()).nth(1).is_some()
}

impl Searcher {
    /// Puts what holds the text that the question spells out before the other hits.
    pub(super) fn with_verbatim(
        &self,
        request: &SearchRequest,
        mut hits: Vec<Hit>,
    ) -> Result<Vec<Hit>, IndexError> {
        let Some(literal) = literal_of(&request.query) else { return Ok(hits) };
        let mut held = self.holding(literal, request)?;
        if held.is_empty() {
            return Ok(hits);
        }
        let known = |one: &Hit| hits.iter().position(|hit| hit.path == one.path).unwrap_or(usize::MAX);
        held.sort_by(|a, b| {
            let role = |hit: &Hit| role_factor(role_of(&hit.path), 0);
            role(b)
                .total_cmp(&role(a))
                .then(known(a).cmp(&known(b)))
                .then_with(|| (&a.path, a.start_line).cmp(&(&b.path, b.start_line)))
        });
        held.truncate(FIRST_MAX);
        hits.retain(|hit| !held.iter().any(|one| one.path == hit.path && one.start_line == hit.start_line));
        let best = hits.first().map_or(1.0, |hit| hit.score);
        held.iter_mut().for_each(|one| one.score = one.score.max(best));
        held.append(&mut hits);
        held.truncate(request.limit.min(HITS_MAX));
        Ok(held)
    }

    /// Chunks that hold a text just so, as they are now.
    fn holding(&self, literal: &str, request: &SearchRequest) -> Result<Vec<Hit>, IndexError> {
        let filter = &request.filter;
        let mut gate = Gate::new(&self.root);
        let mut open: Vec<Changed<'_>> =
            request.overlay.cut(search_deadline()).filter(|file| gate.admits(file.path)).collect();
        self.add_saved(&mut open);
        let mut live = LiveFiles::new(&self.root);
        let mut found = Vec::new();
        for document in self.chunks_with_all(literal)? {
            let Some(card) = self.snapshot.fields.card(&document) else { continue };
            let replaced = self.saved.hides(&card.path) || open.iter().any(|file| file.path == card.path);
            if replaced || !filter.admits(&card.path) {
                continue;
            }
            let (start, end) = card.bytes;
            let span = start as usize..end as usize;
            let Some(text) = live.text(&card).filter(|text| filter.admits_text(&card.path, text)) else {
                continue;
            };
            if text.get(span.clone()).is_some_and(|part| part.contains(literal)) {
                let part = text[whole_lines(text, span)].to_owned();
                found.push(hit(card, part, literal, false));
            }
        }
        for file in open {
            let admitted = filter.admits(file.path) && filter.admits_text(file.path, file.text);
            if !admitted || !file.text.contains(literal) || !live.is_as(&file) {
                continue;
            }
            let holds = |chunk: &&Chunk| file.text[chunk.span.clone()].contains(literal);
            if let Some(chunk) = file.chunks.iter().find(holds) {
                let part = file.text[whole_lines(file.text, chunk.span.clone())].to_owned();
                found.push(hit(Card::unstored(file.path, chunk), part, literal, file.unsaved));
            }
        }
        Ok(found)
    }

    /// Stored chunks whose text has all words of another text.
    fn chunks_with_all(&self, literal: &str) -> Result<Vec<TantivyDocument>, IndexError> {
        let doing = "searching";
        let mut words: Vec<String> = Vec::new();
        for_each_token(literal, |token| {
            if words.len() < WORDS_MAX && !words.iter().any(|known| known == token) {
                words.push(token.to_owned());
            }
        });
        let field = self.snapshot.fields.words[BODY];
        let mut found = Vec::new();
        for reader in self.snapshot.text.segment_readers() {
            let index = reader.inverted_index(field).doing(doing)?;
            let mut lists: Vec<SegmentPostings> = Vec::with_capacity(words.len());
            for word in &words {
                let term = Term::from_field_text(field, word);
                lists.extend(index.read_postings(&term, IndexRecordOption::Basic).doing(doing)?);
            }
            if lists.is_empty() || lists.len() < words.len() {
                continue;
            }
            let store = reader.get_store_reader(STORE_BLOCKS).doing(doing)?;
            for document in documents_in_all(lists, CHUNKS_READ_MAX - found.len()) {
                if !reader.is_deleted(document) {
                    found.push(store.get(document).doing(doing)?);
                }
            }
        }
        Ok(found)
    }
}

/// The first documents that stand in each of some lists.
fn documents_in_all(mut lists: Vec<SegmentPostings>, at_most: usize) -> Vec<u32> {
    // The shortest leads.
    lists.sort_by_key(SegmentPostings::doc_freq);
    let mut found = Vec::new();
    let Some((first, others)) = lists.split_first_mut() else { return found };
    let mut document = first.doc();
    while document != TERMINATED && found.len() < at_most {
        let ahead =
            others.iter_mut().map(|list| if list.doc() < document { list.seek(document) } else { list.doc() });
        match ahead.max().unwrap_or(document) {
            TERMINATED => break,
            next if next > document => document = first.seek(next),
            _ => {
                found.push(document);
                document = first.advance();
            }
        }
    }
    found
}

fn hit(card: Card, text: String, literal: &str, unsaved: bool) -> Hit {
    let unsaved = if unsaved { "; unsaved text of an open editor" } else { "" };
    let (start_line, end_line) = card.lines;
    let starts = LineStarts::of(&text);
    let lines = text.match_indices(literal).map(|(at, _)| start_line + starts.line_at(at) - 1);
    let lines: Vec<u32> = lines.take(LINES_TOLD_MAX).collect();
    let first = lines.first().copied().unwrap_or(start_line);
    let (symbol, kind) = symbol_at(&card.names, card.symbol.as_deref(), &card.kind, start_line, first);
    Hit {
        path: card.path,
        start_line,
        end_line,
        symbol,
        kind,
        score: 0.0,
        why: format!("holds `{literal}` just so{unsaved}"),
        text,
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_out_is_told_from_a_question() {
        for (question, expected) in [
            ("\"no such colour\"", Some("no such colour")),
            ("where does \"no such colour\" come from?", Some("no such colour")),
            ("`x`", Some("x")),
            ("what is `HttpRequest`", None),
            ("why doesn't the user's session end?", None),
            ("the tank is empty now", Some("the tank is empty now")),
            ("how is the tank filled?", None),
            ("session hash", None),
            ("tank.fill()", None),
            ("std::mem::take()", None),
            ("tank = fill(1)", Some("tank = fill(1)")),
            ("fill(tank, 1)", Some("fill(tank, 1)")),
            ("one two three four\nfive", None),
            ("", None),
        ] {
            assert_eq!(literal_of(question), expected, "{question}");
        }
    }
}
