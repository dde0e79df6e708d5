//! A question that names a place, such as `src/app.py:120` or `File "src/app.py", line 120`: the passage there, first.
//!
//! Refuses: texts with several lines or places. A traceback mentions more than it asks for, and is ranked by its words.

use crate::error::IndexError;
use crate::files::admit::Gate;
use crate::files::lines::whole_lines;
use crate::files::live::{current, inside};
use crate::limits::{FILE_BYTES_MAX, HITS_MAX};
use crate::parse::deadline::search_deadline;
use crate::parse::light;
use crate::search::searcher::{Hit, SearchRequest, Searcher};
use crate::search::why::symbol_at;
use crate::storage::document::Card;

/// Line and column that may stand behind a path, and no more.
const NUMBERS_MAX: usize = 2;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// As the question writes it, with `/`.
    path: String,
    /// 1-based.
    line: u32,
}

impl Searcher {
    /// Puts the passage at a place that the question names before the other hits.
    ///
    /// # Errors
    /// [`IndexError::Root`] when the workspace is gone.
    pub(super) fn with_place(&self, request: &SearchRequest, mut hits: Vec<Hit>) -> Result<Vec<Hit>, IndexError> {
        let Some(place) = place_of(&request.query) else { return Ok(hits) };
        let Some(path) = self.path_of(&place, &hits)? else { return Ok(hits) };
        let Some(mut there) = self.passage_at(&path, place.line, request) else { return Ok(hits) };
        there.score = hits.first().map_or(1.0, |hit| hit.score);
        hits.retain(|hit| {
            hit.path != path || (hit.start_line, hit.end_line) != (there.start_line, there.end_line)
        });
        hits.insert(0, there);
        hits.truncate(request.limit.min(HITS_MAX));
        Ok(hits)
    }

    /// The file that is meant: the one at this very path, else the best hit whose path ends so.
    fn path_of(&self, place: &Place, hits: &[Hit]) -> Result<Option<String>, IndexError> {
        match inside(&self.root, &place.path) {
            Ok((path, full)) if full.is_file() => return Ok(Some(path)),
            Err(error @ IndexError::Root { .. }) => return Err(error),
            _ => {}
        }
        let end = format!("/{}", place.path);
        Ok(hits.iter().find(|hit| hit.path.ends_with(&end)).map(|hit| hit.path.clone()))
    }

    /// The passage of a file that holds a line, as it is now.
    fn passage_at(&self, path: &str, line: u32, request: &SearchRequest) -> Option<Hit> {
        if !request.filter.admits(path) || !Gate::new(&self.root).admits(path) {
            return None;
        }
        let unsaved = request.overlay.text(path);
        let text = match unsaved {
            Some(text) => text.to_owned(),
            None => current(&self.root, path, FILE_BYTES_MAX)?.decoded.text,
        };
        if !request.filter.admits_text(path, &text) {
            return None;
        }
        let chunks = light::cut_until(path, &text, search_deadline());
        let chunk = chunks.iter().find(|chunk| chunk.start_line <= line && line <= chunk.end_line)?;
        let part = text[whole_lines(&text, chunk.span.clone())].to_owned();
        let open = if unsaved.is_some() { "; unsaved text of an open editor" } else { "" };
        let Card { path, lines: (start_line, end_line), symbol, kind, names, .. } = Card::unstored(path, chunk);
        let (symbol, kind) = symbol_at(&names, symbol.as_deref(), &kind, start_line, line);
        let (why, lines) = (format!("holds line {line}{open}"), vec![line]);
        Some(Hit { path, start_line, end_line, symbol, kind, score: 0.0, why, text: part, lines })
    }
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
fn with_line(run: &str) -> Option<(&str, u32)> {
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
