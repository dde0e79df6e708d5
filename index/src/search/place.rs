//! A question that names a place, such as `src/app.py:120` or `File "src/app.py", line 120`: the passage there, first.
//!
//! Refuses: texts with several lines or places; see `traceback`. And silence about a place that is none or may be several.

use std::collections::HashSet;

use crate::error::IndexError;
use crate::files::admit::Gate;
use crate::files::lines::{LineStarts, whole_lines};
use crate::files::live::{current, inside};
use crate::limits::{FILE_BYTES_MAX, HITS_MAX};
use crate::parse::deadline::search_deadline;
use crate::parse::light;
use crate::parse::outline::language_name;
use crate::search::rank::is_end_of;
use crate::search::searcher::{Hit, SearchAnswer, SearchRequest, Searcher};
use crate::search::why::symbol_at;
use crate::storage::document::Card;

/// Line and column that may stand behind a path, and no more.
const NUMBERS_MAX: usize = 2;
/// Files that are named where a path may mean several.
const FILES_LISTED_MAX: usize = 4;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// As the question writes it, with `/`.
    path: String,
    /// 1-based.
    line: u32,
}

/// Why no passage is shown for a line.
pub(super) enum Lacking {
    /// The file has only so many lines.
    Lines(u32),
    /// The file may not be shown, or not to this question.
    File,
}

impl Searcher {
    /// Puts the passage at a place that the question names before the other hits, and says what of the place is not so.
    ///
    /// # Errors
    /// [`IndexError::Root`] when the workspace is gone, [`IndexError::Storage`] when the index cannot be read.
    pub(super) fn with_place(
        &self,
        request: &SearchRequest,
        mut answer: SearchAnswer,
    ) -> Result<SearchAnswer, IndexError> {
        let Some(place) = place_of(&request.query) else { return Ok(answer) };
        let Place { path: named, line } = &place;
        let files = self.files_meant(named, request, &answer.hits)?;
        // Until everything is indexed, it may be one that is not known yet.
        if files.is_empty() && self.complete && is_surely_a_file(named) {
            answer.notes.push(format!("No file here is `{named}` or ends so."));
        }
        let mut there = None;
        let mut short = None;
        for path in &files {
            match self.passage_at(path, *line, request) {
                Ok(hit) => {
                    there = Some(hit);
                    break;
                }
                Err(Lacking::Lines(lines)) => short = short.or(Some((path, lines))),
                Err(Lacking::File) => {}
            }
        }
        let Some(mut there) = there else {
            let said = short.map(|(path, lines)| {
                let lines = if lines == 1 { "one line".to_owned() } else { format!("{lines} lines") };
                format!("`{path}` has {lines}, so there is no line {line} in it.")
            });
            answer.notes.extend(said);
            return Ok(answer);
        };
        if let [_, _, ..] = files.as_slice() {
            let listed: Vec<String> =
                files.iter().take(FILES_LISTED_MAX).map(|path| format!("`{path}`")).collect();
            let more = if files.len() > FILES_LISTED_MAX { ", ..." } else { "" };
            let (count, shown) = (files.len(), &there.path);
            answer.notes.push(format!(
                "{count} files end in `{named}`: {}{more}. This is `{shown}`; more of the path tells which.",
                listed.join(", ")
            ));
        }
        let hits = &mut answer.hits;
        there.score = hits.first().map_or(1.0, |hit| hit.score);
        hits.retain(|hit| !is_same_passage(hit, &there));
        hits.insert(0, there);
        hits.truncate(request.limit.min(HITS_MAX));
        Ok(answer)
    }

    /// The files that a path may mean, the likeliest first: the one at this very path, else those whose paths end so, else
    /// the one whose whole path it ends in, as somebody else has it in another folder.
    fn files_meant(&self, named: &str, request: &SearchRequest, hits: &[Hit]) -> Result<Vec<String>, IndexError> {
        match inside(&self.root, named) {
            Ok((path, full)) if full.is_file() => return Ok(vec![path]),
            Err(error @ IndexError::Root { .. }) => return Err(error),
            _ => {}
        }
        let known = self.files_called(&[named], request)?;
        let mut files: Vec<String> = known.iter().filter(|path| is_end_of(path, named)).cloned().collect();
        if files.is_empty() {
            let whole = known.into_iter().filter(|path| path.contains('/') && is_end_of(named, path));
            files.extend(whole.max_by_key(String::len));
        }
        let place = |path: &String| hits.iter().position(|hit| hit.path == *path).unwrap_or(usize::MAX);
        files.sort_by_cached_key(|path| (place(path), path.matches('/').count(), path.clone()));
        Ok(files)
    }

    /// The files whose names are those at the end of some paths, in order.
    ///
    /// # Errors
    /// [`IndexError::Storage`] when the index cannot be read.
    pub(super) fn files_called(&self, paths: &[&str], request: &SearchRequest) -> Result<Vec<String>, IndexError> {
        let name_of = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let names: HashSet<String> = paths.iter().map(|path| name_of(path)).collect();
        let stored = self.snapshot.tables()?.files().map(|(path, _)| path).filter(|path| !self.saved.hides(path));
        let saved = self.saved.changed().map(|file| file.path);
        let all = stored.chain(saved).chain(request.overlay.paths());
        let is_meant = |path: &&str| names.contains(path.rsplit('/').next().unwrap_or_default());
        let found = all.filter(is_meant).filter(|path| request.filter.admits(path));
        let mut found: Vec<String> = found.map(str::to_owned).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The passage of a file that holds a line, as it is now; of an empty line the passage below it.
    pub(super) fn passage_at(&self, path: &str, line: u32, request: &SearchRequest) -> Result<Hit, Lacking> {
        if !request.filter.admits(path) || !Gate::new(&self.root).admits(path) {
            return Err(Lacking::File);
        }
        let unsaved = request.overlay.text(path);
        let text = match unsaved {
            Some(text) => text.to_owned(),
            None => current(&self.root, path, FILE_BYTES_MAX).ok_or(Lacking::File)?.decoded.text,
        };
        if !request.filter.admits_text(path, &text) {
            return Err(Lacking::File);
        }
        let lines = LineStarts::of(&text).count();
        if line > lines {
            return Err(Lacking::Lines(lines));
        }
        let chunks = light::cut_until(path, &text, search_deadline());
        let chunk = chunks.iter().find(|chunk| line <= chunk.end_line).or(chunks.last()).ok_or(Lacking::File)?;
        let part = text[whole_lines(&text, chunk.span.clone())].to_owned();
        let open = if unsaved.is_some() { "; unsaved text of an open editor" } else { "" };
        let Card { path, lines: (start_line, end_line), symbol, kind, names, .. } = Card::unstored(path, chunk);
        let is_held = (start_line..=end_line).contains(&line);
        let (symbol, kind) = symbol_at(&names, symbol.as_deref(), &kind, start_line, line.max(start_line));
        let holds = if is_held { "holds" } else { "is next to" };
        let why = format!("{holds} line {line}{open}");
        let lines = if is_held { vec![line] } else { Vec::new() };
        Ok(Hit { path, start_line, end_line, symbol, kind, score: 0.0, why, text: part, lines })
    }
}

/// Whether two hits are the same lines of one file.
pub(super) fn is_same_passage(one: &Hit, other: &Hit) -> bool {
    one.path == other.path && (one.start_line, one.end_line) == (other.start_line, other.end_line)
}

/// Whether what stands in front of a number is a path, and no host or version.
fn is_surely_a_file(path: &str) -> bool {
    !path.contains("://") && (path.contains('/') || language_name(path).is_some())
}

/// The one place that a question names.
fn place_of(question: &str) -> Option<Place> {
    let question = question.trim();
    if question.contains(['\n', '\r']) {
        return None;
    }
    let apart = |letter: char| letter.is_whitespace() || "\"'`()[]{}<>,;".contains(letter);
    let runs: Vec<&str> = question.split(apart).filter(|run| !run.is_empty()).collect();
    let mut places = runs.iter().enumerate().filter_map(|(at, run)| {
        let behind = || match runs[at + 1..] {
            ["line", number, ..] => number.trim_end_matches(['.', ':', '?', '!']).parse().ok(),
            _ => None,
        };
        let (path, line) = with_line(run).or_else(|| Some((*run, behind()?)))?;
        let path = path.replace('\\', "/");
        let path = path.strip_prefix("./").unwrap_or(&path);
        let names_a_file = path.rsplit('/').next().is_some_and(|name| name.contains('.') || path.contains('/'));
        (names_a_file && line > 0).then(|| Place { path: path.to_owned(), line })
    });
    let place = places.next()?;
    places.all(|other| other == place).then_some(place)
}

/// A path with the line behind it, as in `a.py:3`, with a column `a.py:3:7`, with the last line `a.py:3-7`, and `a.py#L3` as
/// web pages write it. Of several lines the first is meant.
pub(super) fn with_line(run: &str) -> Option<(&str, u32)> {
    let mut path = run.trim_end_matches([':', '.', '?', '!']);
    let mut line = None;
    for _ in 0..NUMBERS_MAX {
        let Some((before, number)) = path.rsplit_once("#L").or_else(|| path.rsplit_once(':')) else { break };
        let first = number.split_once('-').filter(|(_, last)| is_line(last)).map_or(number, |(first, _)| first);
        let Ok(number) = first.parse() else { break };
        (path, line) = (before, Some(number));
    }
    Some((path, line?)).filter(|(path, _)| !path.is_empty() && !path.ends_with(':'))
}

/// Whether the end of a range of lines is one.
fn is_line(last: &str) -> bool {
    last.strip_prefix('L').unwrap_or(last).parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_names_and_texts() {
        for (question, expected) in [
            ("src/app.py:120", Some(("src/app.py", 120))),
            ("./src/app.py:120:7", Some(("src/app.py", 120))),
            ("what happens at `src\\app.py:3`?", Some(("src/app.py", 3))),
            ("File \"src/app.py\", line 12, in run", Some(("src/app.py", 12))),
            ("error in app.py line 4.", Some(("app.py", 4))),
            ("src/app.py:12: TypeError", Some(("src/app.py", 12))),
            ("src/app.py:904-920", Some(("src/app.py", 904))),
            ("src/app.py#L9-L20", Some(("src/app.py", 9))),
            ("src/app.py#L9", Some(("src/app.py", 9))),
            ("src/app.py:9-x", None),
            ("app.py:1 app.py:1", Some(("app.py", 1))),
            ("app.py:1 or app.py:2", None),
            ("src/app.py", None),
            ("std::fs::File", None),
            ("ratio 16:9", None),
            ("localhost:8080", None),
            ("app.py:0", None),
            ("a.py:3\nb.py:4", None),
            ("app.py:99999999999", None),
        ] {
            let expected = expected.map(|(path, line)| Place { path: path.to_owned(), line });
            assert_eq!(place_of(question), expected, "{question}");
        }
    }
}
