//! Finds definitions by their names: as written, in another letter case, by beginning, by sub-words, one letter off.
//!
//! Refuses: text that only mentions a name.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, TERMINATED, TantivyDocument, Term};

use crate::error::{Doing, IndexError};
use crate::files::admit::Gate;
use crate::files::lines::LineStarts;
use crate::files::role::role_of;
use crate::limits::{CancelFlag, HITS_MAX, SYMBOL_CANDIDATES_MAX, SYMBOL_WORDS_MAX, SYMBOL_WORDS_SEEN_MAX};
use crate::parse::cut::{Chunk, Name};
use crate::parse::deadline::search_deadline;
use crate::parse::qualified::{around, parts};
use crate::parse::terms::NAMES;
use crate::parse::tokenize::{folded, tokens};
use crate::search::corpus::Changed;
use crate::search::live_files::{Differing, LiveFiles};
use crate::search::query::without_arity;
use crate::search::rank::role_factor;
use crate::search::searcher::{Hit, SearchAnswer, SearchRequest, Searcher};
use crate::search::why::only_names as only_names_of;
use crate::storage::document::Card;

/// What a generated definition keeps of its likeness.
const LIGHT_SHARE: f32 = 0.9;

/// A name as it was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    /// End of the path, where the question has one before a colon.
    path: &'a str,
    /// Names around it, the outermost first.
    around: Vec<&'a str>,
    /// The name itself, or its beginning.
    name: &'a str,
    /// Without case and underscores.
    folded: String,
    /// Its words.
    words: Vec<String>,
}

impl<'a> Asked<'a> {
    /// Reads `path:Class.method`, `module::Type::method`, `Class#method`, or a plain name.
    fn of(query: &'a str) -> Self {
        let query = query.trim().trim_matches(['`', '(', ')', '.', ':', '#']);
        let query = without_arity(query);
        let colon = query.match_indices(':').map(|(at, _)| at).find(|&at| {
            let bytes = query.as_bytes();
            bytes.get(at + 1) != Some(&b':') && (at == 0 || bytes[at - 1] != b':')
        });
        let (path, qualified) = colon.map_or(("", query), |at| (&query[..at], &query[at + 1..]));
        let mut around: Vec<&str> = qualified.split(' ').flat_map(parts).collect();
        let name = around.pop().unwrap_or("");
        // Several words that are no qualified name are the words of one.
        let words = if qualified.contains(' ') { tokens(qualified) } else { tokens(name) };
        if qualified.contains(' ') {
            around.clear();
        }
        let whole = if qualified.contains(' ') { qualified } else { name };
        Self { path, around, name, folded: folded(whole), words }
    }

    /// How well a definition in a file answers, from 0 (not at all) to 1.
    fn likeness(&self, known: &Name, path: &str) -> f32 {
        let known_folded = folded(&known.name);
        let alike = if known.name == self.name {
            1.0
        } else if known_folded == self.folded {
            0.9
        } else if known_folded.starts_with(&self.folded) {
            0.7
        } else if self.has_words_of(known) {
            0.6
        } else if one_letter_off(&known_folded, &self.folded) {
            0.5
        } else {
            return 0.0;
        };
        let nested = self.nesting(&around(known), path);
        if nested <= 0.0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "names are short")]
        let spare = known_folded.len().saturating_sub(self.folded.len()) as f32;
        // Of two that begin alike the shorter is meant; the whole range stays within one kind of likeness.
        nested * (alike - 0.09 * spare / (spare + 16.0))
    }

    /// How well the names around a definition are those that were asked for: the inner ones have to be there, what
    /// stands before them may be a module, which is a file or folder, or a package whose name stands nowhere.
    fn nesting(&self, own: &[&str], path: &str) -> f32 {
        for outside in 0..=self.around.len() {
            let (modules, inner) = self.around.split_at(outside);
            let mut outer = own.iter();
            if !inner.iter().all(|asked| outer.any(|part| part.eq_ignore_ascii_case(asked))) {
                continue;
            }
            let of_path = modules.iter().all(|module| is_module(path, module));
            if !of_path && inner.is_empty() {
                continue;
            }
            // Of two the one without further names between is meant.
            let ends =
                own.iter().rev().zip(inner.iter().rev()).all(|(own, asked)| own.eq_ignore_ascii_case(asked));
            let gap = if ends { 1.0 } else { 0.97 };
            return gap
                * if !of_path {
                    0.95
                } else if modules.is_empty() {
                    1.0
                } else {
                    0.98
                };
        }
        0.0
    }

    fn has_words_of(&self, known: &Name) -> bool {
        let parts = tokens(&known.name);
        !self.words.is_empty()
            && self.words.iter().all(|word| parts.iter().any(|part| part.starts_with(word.as_str())))
    }
}

/// Whether a file is what a language may call this module: one of its folders, or its own name.
fn is_module(path: &str, module: &str) -> bool {
    let mut names = path.split('/').map(|name| name.split('.').next().unwrap_or(name));
    names.any(|name| name.eq_ignore_ascii_case(module))
}

/// Whether a query by name means a definition that is known only by its qualified name.
pub(crate) fn names(query: &str, qualified: &str, path: &str) -> bool {
    let name = parts(qualified).pop().unwrap_or(qualified).to_owned();
    let known = Name { name, qualified: qualified.to_owned(), kind: String::new(), line: 0, more_lines: 0 };
    let asked = Asked::of(query);
    !asked.folded.is_empty() && path.ends_with(asked.path) && asked.likeness(&known, path) > 0.0
}

/// A definition before it is put in order.
struct Definition {
    likeness: f32,
    path: String,
    start_line: u32,
    end_line: u32,
    name: Name,
    text: String,
    unsaved: bool,
    /// Why nothing but names is searched in its file, if so.
    only_names: Option<String>,
}

impl Searcher {
    /// Definitions whose names answer the question, best first.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the index cannot be read, [`IndexError::Cancelled`].
    pub(crate) fn symbols(&self, request: &SearchRequest) -> Result<SearchAnswer, IndexError> {
        let asked = Asked::of(&request.query);
        let limit = request.limit.min(HITS_MAX);
        if asked.folded.is_empty() || limit == 0 {
            return Ok(SearchAnswer::default());
        }
        let mut gate = Gate::new(&self.root);
        let until = search_deadline();
        let mut open: Vec<Changed<'_>> = Vec::new();
        for file in request.overlay.cut(until) {
            request.check_cancel()?;
            if gate.admits(file.path) {
                open.push(file);
            }
        }
        self.add_saved(&mut open);
        let mut live = LiveFiles::new(&self.root);
        let mut differing = Differing::default();
        let mut found = Vec::new();
        let mut stale = BTreeSet::new();
        for document in self.candidates(&asked, &request.cancel)? {
            request.check_cancel()?;
            let Some(card) = self.snapshot.fields.card(&document) else { continue };
            let admitted = request.filter.admits(&card.path) && card.path.ends_with(asked.path);
            let replaced = || self.saved.hides(&card.path) || open.iter().any(|file| file.path == card.path);
            if !admitted || replaced() {
                continue;
            }
            if !card.names.iter().any(|name| asked.likeness(name, &card.path) > 0.0) {
                continue;
            }
            if card.is_of_large() {
                match live.at_name(&card) {
                    Some(text) => push_large(&mut found, &asked, &card, &text),
                    None => drop(stale.insert(card.path)),
                }
                continue;
            }
            match live.text(&card) {
                Some(text) if request.filter.admits_text(&card.path, text) => {
                    let before = found.len();
                    push(&mut found, &asked, &card.path, card.lines.0, &card.names, text, false);
                    if card.is_light() {
                        // Of two that are called alike the one that somebody wrote is meant.
                        found[before..].iter_mut().for_each(|one| {
                            one.likeness *= LIGHT_SHARE;
                            one.only_names = card.only_names().map(str::to_owned);
                        });
                    }
                }
                Some(_) => {}
                None => drop(stale.insert(card.path)),
            }
        }
        open.retain(|file| {
            if request.cancel.is_cancelled() {
                return false;
            }
            let defines = |chunk: &Chunk| chunk.names.iter().any(|name| asked.likeness(name, file.path) > 0.0);
            let as_it_was = !file.chunks.iter().any(defines) || live.is_as(file);
            if !as_it_was {
                stale.insert(file.path.to_owned());
            }
            as_it_was
        });
        for path in stale {
            request.check_cancel()?;
            differing.take_up(&self.root, vec![path], until, self.report_stale.as_ref());
        }
        request.check_cancel()?;
        for file in open.iter().copied().chain(differing.changed()) {
            let filter = &request.filter;
            let admitted = filter.admits(file.path) && filter.admits_text(file.path, file.text);
            if admitted && file.path.ends_with(asked.path) {
                for chunk in file.chunks {
                    push(&mut found, &asked, file.path, chunk.start_line, &chunk.names, file.text, file.unsaved);
                }
            }
        }
        found.sort_by(|a, b| {
            let key = |one: &Definition| one.likeness * role_factor(role_of(&one.path), 0);
            key(b).total_cmp(&key(a)).then_with(|| a.path.cmp(&b.path)).then(a.start_line.cmp(&b.start_line))
        });
        found.truncate(limit);
        let cut = differing.left_out;
        Ok(SearchAnswer {
            hits: found.into_iter().map(hit).collect(),
            cut,
            many_changed: cut,
            ..SearchAnswer::default()
        })
    }

    /// Stored chunks that may define such a name.
    fn candidates(&self, asked: &Asked<'_>, cancel: &CancelFlag) -> Result<Vec<TantivyDocument>, IndexError> {
        let fields = &self.snapshot.fields;
        let mut documents = Vec::new();
        // What is called exactly so comes first: of a common word there are more names than are looked at.
        let qualified = [&asked.around[..], &[asked.name]].concat().join(".");
        self.collect(fields.exact, &qualified, cancel, &mut documents)?;
        if !asked.around.is_empty() {
            self.collect(fields.exact, asked.name, cancel, &mut documents)?;
        }
        self.candidates_in(fields.words[NAMES], asked, cancel, &mut documents)?;
        self.candidates_in(fields.light_names, asked, cancel, &mut documents)?;
        Ok(documents)
    }

    fn candidates_in(
        &self,
        field: Field,
        asked: &Asked<'_>,
        cancel: &CancelFlag,
        documents: &mut Vec<TantivyDocument>,
    ) -> Result<(), IndexError> {
        let mut words = self.words_from(field, &asked.folded, cancel)?;
        // The rarest word of several leads to all definitions that have them all.
        let mut rarest: Option<(u64, &String)> = None;
        for word in &asked.words {
            let found = self.snapshot.text.doc_freq(&Term::from_field_text(field, word)).doing("searching")?;
            if found > 0 && rarest.is_none_or(|(least, _)| found < least) {
                rarest = Some((found, word));
            }
        }
        words.extend(rarest.map(|(_, word)| word.clone()));
        if words.is_empty() {
            words = self.words_one_letter_off(field, &asked.folded, cancel)?;
        }
        words.iter().try_for_each(|word| self.collect(field, word, cancel, documents))
    }

    fn collect(
        &self,
        field: Field,
        word: &str,
        cancel: &CancelFlag,
        out: &mut Vec<TantivyDocument>,
    ) -> Result<(), IndexError> {
        let doing = "searching";
        for reader in self.snapshot.text.segment_readers() {
            let words = reader.inverted_index(field).doing(doing)?;
            let term = Term::from_field_text(field, word);
            let Some(mut postings) = words.read_postings(&term, IndexRecordOption::Basic).doing(doing)? else {
                continue;
            };
            let store = reader.get_store_reader(STORE_BLOCKS).doing(doing)?;
            let mut document = postings.doc();
            while document != TERMINATED && out.len() < SYMBOL_CANDIDATES_MAX {
                if cancel.is_cancelled() {
                    return Err(IndexError::Cancelled);
                }
                if !reader.is_deleted(document) {
                    out.push(store.get(document).doing(doing)?);
                }
                document = postings.advance();
            }
        }
        Ok(())
    }

    /// Words of names that begin so, itself included.
    fn words_from(&self, field: Field, beginning: &str, cancel: &CancelFlag) -> Result<Vec<String>, IndexError> {
        self.names_words(field, beginning, cancel, |word| match word.starts_with(beginning) {
            true => ControlFlow::Continue(true),
            false => ControlFlow::Break(()),
        })
    }

    fn words_one_letter_off(
        &self,
        field: Field,
        name: &str,
        cancel: &CancelFlag,
    ) -> Result<Vec<String>, IndexError> {
        self.names_words(field, "", cancel, |word| ControlFlow::Continue(one_letter_off(word, name)))
    }

    /// Words of names from `first` on, for as long and as far as `take` says.
    fn names_words(
        &self,
        field: Field,
        first: &str,
        cancel: &CancelFlag,
        take: impl Fn(&str) -> ControlFlow<(), bool>,
    ) -> Result<Vec<String>, IndexError> {
        let doing = "searching";
        let mut found = BTreeSet::new();
        for reader in self.snapshot.text.segment_readers() {
            let words = reader.inverted_index(field).doing(doing)?;
            let mut stream = words.terms().range().ge(first.as_bytes()).into_stream().doing(doing)?;
            let mut seen = 0_usize;
            while stream.advance() && seen < SYMBOL_WORDS_SEEN_MAX && found.len() < SYMBOL_WORDS_MAX {
                if seen.is_multiple_of(WORDS_UNASKED_MAX) && cancel.is_cancelled() {
                    return Err(IndexError::Cancelled);
                }
                seen += 1;
                let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
                match take(word) {
                    ControlFlow::Continue(true) => drop(found.insert(word.to_owned())),
                    ControlFlow::Continue(false) => {}
                    ControlFlow::Break(()) => break,
                }
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Blocks of stored documents that stay unpacked while one word is followed.
const STORE_BLOCKS: usize = 16;
/// Words of names that are looked at before it is asked again whether anybody still waits.
const WORDS_UNASKED_MAX: usize = 1_024;

fn push(
    found: &mut Vec<Definition>,
    asked: &Asked<'_>,
    path: &str,
    first_line: u32,
    names: &[Name],
    text: &str,
    unsaved: bool,
) {
    let mut lines = None;
    for name in names {
        let likeness = asked.likeness(name, path);
        let (start_line, end_line) = (first_line + name.line, first_line + name.line + name.more_lines);
        let known = |one: &Definition| one.path == path && one.start_line == start_line && one.name == *name;
        if likeness <= 0.0 || found.iter().any(known) {
            continue;
        }
        let lines = lines.get_or_insert_with(|| LineStarts::of(text));
        let text = text[lines.span(start_line, end_line)].trim_end_matches(['\n', '\r']).to_owned();
        let path = path.to_owned();
        let name = name.clone();
        found.push(Definition { likeness, path, start_line, end_line, name, text, unsaved, only_names: None });
    }
}

/// Adds the name in a file over the limit that stands at the beginning of a text, with as many of its lines as are there.
fn push_large(found: &mut Vec<Definition>, asked: &Asked<'_>, card: &Card, text: &str) {
    for name in &card.names {
        let likeness = asked.likeness(name, &card.path) * LIGHT_SHARE;
        if likeness <= 0.0 {
            continue;
        }
        let lines = LineStarts::of(text);
        // The last line may be cut.
        let last = (1 + name.more_lines).min(lines.count().saturating_sub(1).max(1));
        let start_line = card.lines.0 + name.line;
        found.push(Definition {
            likeness,
            path: card.path.clone(),
            start_line,
            end_line: start_line + last - 1,
            name: name.clone(),
            text: text[lines.span(1, last)].trim_end_matches(['\n', '\r']).to_owned(),
            unsaved: false,
            only_names: card.only_names().map(str::to_owned),
        });
    }
}

fn hit(definition: Definition) -> Hit {
    let Definition { likeness, path, start_line, end_line, name, text, unsaved, only_names } = definition;
    let light = only_names.map(|because| format!("; {}", only_names_of(&because))).unwrap_or_default();
    let unsaved = if unsaved { "; unsaved text of an open editor" } else { "" };
    Hit {
        why: format!("defines `{}`{light}{unsaved}", name.qualified),
        symbol: Some(name.qualified),
        kind: name.kind,
        score: likeness,
        path,
        start_line,
        end_line,
        text,
        lines: Vec::new(),
    }
}

/// Whether one inserted, lost or changed letter, or two swapped neighbours, make one word the other.
pub(crate) fn one_letter_off(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.len() < 3 || long.len() - short.len() > 1 || !one.is_ascii() || !other.is_ascii() {
        return false;
    }
    let (short, long) = (short.as_bytes(), long.as_bytes());
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long_rest) = (&short[same..], &long[same..]);
    if short.len() < long_rest.len() {
        return short == &long_rest[1..];
    }
    match (short, long_rest) {
        ([], _) => false,
        ([_, after @ ..], [_, rest @ ..]) if after == rest => true,
        ([a, b, after @ ..], [c, d, rest @ ..]) => a == d && b == c && after == rest,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::handle::Index;
    use crate::limits::{IndexDirs, Limits};
    use crate::search::searcher::SearchKind;

    fn check(query: &str, qualified: &str, expected: bool) {
        let name = qualified.rsplit(['.', ':']).next().unwrap().to_owned();
        let known =
            Name { name, qualified: qualified.to_owned(), kind: "function".to_owned(), line: 0, more_lines: 0 };
        let likeness = Asked::of(query).likeness(&known, "src/web/session.py");
        assert_eq!(likeness > 0.0, expected, "{query} for {qualified}: {likeness}");
    }

    #[test]
    fn names_are_found_by_their_forms() {
        check("get_user", "Session.get_user", true);
        check("getUser", "Session.get_user", true);
        check("get_us", "get_user", true);
        check("user get", "get_user", true);
        check("Session.get_user", "Session.get_user", true);
        check("Session::get_user", "web::Session::get_user", true);
        check("Request.get_user", "Session.get_user", false);
        check("src/a.py:Session.get_user", "Session.get_user", true);
        check("get_usr", "get_user", true);
        check("gte_user", "get_user", true);
        check("set_user", "get_user", true);
        check("put_user", "get_user", false);
        check("web::Session::get_user", "Session.get_user", true);
        check("session.get_user", "get_user", true);
        check("shop::get_user", "get_user", false);
        check("shop::Session#get_user", "Session.get_user", true);
        check("Session/get_user", "web::Session::get_user", true);
        check("Web.Session.get_user/2", "Web.Session.get_user", true);
    }

    /// What nobody waits for any more ends before the next file is read, not behind the last one.
    #[test]
    fn a_search_that_is_taken_back_ends_soon() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("work");
        std::fs::create_dir(&root).unwrap();
        let write = |body: &str| {
            for number in 0..4 {
                let text = format!("def total_{number}():\n    {body}\n");
                std::fs::write(root.join(format!("file_{number}.py")), text).unwrap();
            }
        };
        write("pass");
        let dirs = IndexDirs { cache: folder.path().join("cache") };
        let index = Index::open(&root, &dirs, Limits::default()).unwrap();
        index.refresh(&mut |_| {}, &CancelFlag::new()).unwrap();
        let mut searcher = index.searcher();
        let request = SearchRequest { kind: SearchKind::Symbol, ..SearchRequest::new("total", 10) };
        assert_eq!(searcher.search(&request).unwrap().len(), 4);
        // None of them is what was indexed, so that each is cut again.
        write("return 1");
        let reported = Arc::new(AtomicUsize::new(0));
        let (count, cancel) = (reported.clone(), request.cancel.clone());
        searcher.report_stale = Some(Arc::new(move |_: &str| {
            count.fetch_add(1, Ordering::Relaxed);
            cancel.cancel();
        }));
        assert!(matches!(searcher.search(&request), Err(IndexError::Cancelled)));
        assert_eq!(reported.load(Ordering::Relaxed), 1);
        for kind in [SearchKind::Auto, SearchKind::Symbol, SearchKind::Text, SearchKind::Regex] {
            let request = SearchRequest { kind, ..request.clone() };
            assert!(matches!(searcher.search(&request), Err(IndexError::Cancelled)), "{kind:?}");
        }
    }

    #[test]
    fn a_path_stands_before_a_single_colon() {
        assert_eq!(Asked::of("a/b.rs:c::D").path, "a/b.rs");
        assert_eq!(Asked::of("c::D").path, "");
        assert_eq!(Asked::of("c::D::e").around, ["c", "D"]);
    }
}
