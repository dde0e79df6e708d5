//! Documentation -> function: the first sentence asks, and the documentation is taken out of the searched copy.
//!
//! Refuses: functions whose name says what the sentence says, getters, tests, and sentences that fit several functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::eval::EvalError;
use crate::eval::own::is_source;
use crate::eval::own::words::{alike, stems};
use crate::eval::statistics::Chance;
use crate::eval::task::{Gold, Task};
use crate::files::walk::walk;
use crate::limits::{
    CancelFlag, EVAL_SEED, FILE_BYTES_MAX, Limits, OWN_CANDIDATES_MAX, OWN_FILES_MAX, OWN_QUERY_BYTES_MAX,
};
use crate::parse::outline::{Symbol, language_name, outline};

/// Words of a sentence that can be looked for.
const WORDS_MIN: usize = 4;
/// Lines of a function that does something, besides its documentation.
const BODY_LINES_MIN: usize = 5;
/// Documentation from this size may have been cut, so that its rest would stay in the copy, in bytes.
const DOC_BYTES_MAX: usize = 1_600;
/// Beginnings of the names of functions that only pass a value on.
const GETTERS: &[&str] = &["get", "set", "is", "has", "new", "test", "__"];
/// Beginnings of lines after which documentation is a list, not a sentence.
const LISTS: &[&str] =
    &[":", "@", "#", "-", "*", ">>>", "```", "Args", "Param", "Return", "Raises", "Yields", "Example"];

struct Candidate {
    path: String,
    symbol: Symbol,
    query: String,
    words: BTreeSet<String>,
}

/// Chooses up to `most` documented functions of a copy, takes their documentation out of it, and asks for them.
pub(super) fn questions(copy: &Path, most: usize, cancel: &CancelFlag) -> Result<Vec<Task>, EvalError> {
    let mut candidates = candidates(copy, cancel)?;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in &candidates {
        *times.entry(candidate.query.clone()).or_default() += 1;
    }
    candidates.retain(|candidate| times.get(&candidate.query) == Some(&1));
    let mut chance = Chance::new(EVAL_SEED);
    let mut chosen: Vec<Candidate> = Vec::new();
    while chosen.len() < most && !candidates.is_empty() {
        let candidate = candidates.swap_remove(chance.below(candidates.len()));
        if !chosen.iter().any(|other| alike(&other.words, &candidate.words)) && take_out(copy, &candidate)? {
            chosen.push(candidate);
        }
    }
    chosen.sort_by(|a, b| (&a.path, a.symbol.start_line).cmp(&(&b.path, b.symbol.start_line)));
    Ok(chosen.into_iter().map(task).collect())
}

fn task(candidate: Candidate) -> Task {
    let Candidate { path, symbol, query, .. } = candidate;
    Task {
        set: "own-docs".to_owned(),
        id: format!("{path}:{}", symbol.qualified),
        kind: symbol.kind.to_owned(),
        language: language_name(&path).map(str::to_owned),
        query,
        gold: vec![Gold {
            path,
            start: Some(symbol.start_line),
            end: Some(symbol.end_line),
            symbol: Some(symbol.qualified),
            gain: None,
        }],
        ..Task::default()
    }
}

fn candidates(copy: &Path, cancel: &CancelFlag) -> Result<Vec<Candidate>, EvalError> {
    let mut paths: Vec<String> =
        walk(copy, &Limits::default(), cancel)?.files.into_iter().map(|entry| entry.path).collect();
    paths.retain(|path| is_source(path));
    paths.sort();
    paths.truncate(OWN_FILES_MAX);
    let mut candidates = Vec::new();
    for path in paths {
        if cancel.is_cancelled() {
            return Err(EvalError::Cancelled);
        }
        let Some(text) = text_of(&copy.join(&path)) else { continue };
        for symbol in outline(&path, &text).unwrap_or_default().symbols {
            candidates.extend(candidate(&path, symbol));
        }
        if candidates.len() >= OWN_CANDIDATES_MAX {
            break;
        }
    }
    Ok(candidates)
}

/// A small file that is text; others have no documentation to ask for.
fn text_of(path: &Path) -> Option<String> {
    let small = fs::metadata(path).is_ok_and(|meta| meta.len() <= FILE_BYTES_MAX);
    if small { fs::read_to_string(path).ok() } else { None }
}

fn candidate(path: &str, symbol: Symbol) -> Option<Candidate> {
    let name = symbol.name.to_lowercase();
    let lines = (symbol.end_line + 1).saturating_sub(symbol.start_line) as usize;
    let body = lines.saturating_sub(symbol.doc.lines().count());
    let getter = GETTERS.iter().any(|start| name.starts_with(start));
    if !matches!(symbol.kind, "function" | "method") || getter || body < BODY_LINES_MIN {
        return None;
    }
    if symbol.doc.is_empty() || symbol.doc.len() > DOC_BYTES_MAX {
        return None;
    }
    let query = first_sentence(&symbol.doc);
    let words = stems(&query);
    let names = stems(&symbol.name);
    let told = 2 * names.intersection(&words).count() >= names.len().max(1);
    if told || words.len() < WORDS_MIN || query.len() > OWN_QUERY_BYTES_MAX {
        return None;
    }
    Some(Candidate { path: path.to_owned(), symbol, query, words })
}

/// Documentation up to the end of its first sentence.
fn first_sentence(doc: &str) -> String {
    let mut sentence = String::new();
    for line in doc.lines().map(str::trim) {
        if LISTS.iter().any(|start| line.starts_with(start)) {
            break;
        }
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        if let Some((end, _)) = line.match_indices(['.', '!', '?']).find(|(at, _)| {
            let rest = &line[at + 1..];
            rest.is_empty() || rest.starts_with(' ')
        }) {
            sentence.push_str(&line[..end]);
            break;
        }
        sentence.push_str(line);
    }
    sentence
}

/// Takes the words of a function's documentation out of the copy; comment marks and quotes stay, so that every line keeps
/// its number. False when they are not where they were expected.
fn take_out(copy: &Path, candidate: &Candidate) -> Result<bool, EvalError> {
    let path = copy.join(&candidate.path);
    let Some(text) = text_of(&path) else { return Ok(false) };
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut at = candidate.symbol.start_line.saturating_sub(1) as usize;
    let end = (candidate.symbol.end_line as usize).min(lines.len());
    for doc in candidate.symbol.doc.lines() {
        let Some(found) = (at..end).find(|&line| lines[line].contains(doc)) else { return Ok(false) };
        lines[found] = lines[found].replacen(doc, "", 1);
        at = found;
    }
    // Not written through: the file may be one with many names.
    fs::remove_file(&path).map_err(EvalError::files("editing the copy", &path))?;
    fs::write(&path, lines.join("\n")).map_err(EvalError::files("editing the copy", &path))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_the_first_sentence() {
        for (doc, sentence) in [
            ("Reads e.g. a file.\nThen more.", "Reads e.g"),
            ("Reads the whole of\na file. More.", "Reads the whole of a file"),
            ("Reads a file\n:param path: where", "Reads a file"),
            ("Reads 1.5 files", "Reads 1.5 files"),
        ] {
            assert_eq!(first_sentence(doc), sentence);
        }
    }
}
