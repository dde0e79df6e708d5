//! Search and replace blocks, and lines that rename and delete files. Refuses: a block whose beginning, middle or end is
//! missing or stands there twice, because what belongs to it could only be guessed.

use super::Refusal;
use super::answer::Piece;
use super::fences::{info, is_fence};
use super::limits::PIECES_MAX;
use super::paths::path_in_line;

/// Shorter runs of `<`, `=` and `>` occur in code.
const MARK_LEN_MIN: usize = 5;

/// Whether an answer is written as blocks.
pub(crate) fn has_markers(lines: &[&str]) -> bool {
    lines.iter().any(|line| opening(line).is_some() || is_closing(line) || operation(line).is_some())
}

/// The pieces of an answer written as blocks.
pub(crate) fn parse(lines: &[&str], complete: bool) -> Result<Vec<Piece>, Refusal> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut path: Option<String> = None;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        at += 1;
        let piece = if let Some((len, tail)) = opening(line) {
            // A path is for the block below it. What the next one is for is told by its lines.
            let own = path_in_line(tail).or(path.take());
            let rest = lines.get(at..).unwrap_or_default();
            let end = rest.iter().position(|line| is_closing(line) || opening(line).is_some());
            let body = end.and_then(|end| Some((rest.get(..end)?, rest.get(end)?)));
            let Some((body, _)) = body.filter(|(_, end)| is_closing(end)) else {
                return Err(unended(end.is_none() && !complete));
            };
            at += body.len() + 1;
            block(body, len, own)?
        } else if is_closing(line) {
            return Err(Refusal::Malformed { what: "a block ends that has not begun" });
        } else if let Some(piece) = operation(line) {
            piece
        } else {
            let named = if is_fence(line) { info(line).and_then(path_in_info) } else { path_in_line(line) };
            path = named.or(path);
            continue;
        };
        // A model that repeats itself means it once.
        if !pieces.contains(&piece) {
            pieces.push(piece);
        }
        if pieces.len() > PIECES_MAX {
            return Err(Refusal::TooLong);
        }
    }
    // A model that was cut off wanted to say more, and half of an edit may be none.
    if complete { Ok(pieces) } else { Err(Refusal::CutOff) }
}

fn unended(cut_off: bool) -> Refusal {
    if cut_off { Refusal::CutOff } else { Refusal::Malformed { what: "a block has no end" } }
}

/// A block's lines without its first and last: the lines sought, a line of `=`, the lines to stand there.
fn block(body: &[&str], len: usize, path: Option<String>) -> Result<Piece, Refusal> {
    // Headings in prose are underlined likewise; the divider is as long as the block's other marks.
    let is_divider = |line: &&str| line.trim().len() == len && line.trim().bytes().all(|byte| byte == b'=');
    let mut dividers = body.iter().enumerate().filter(|(_, line)| is_divider(line)).map(|(at, _)| at);
    let Some(divider) = dividers.next() else { return Err(Refusal::Malformed { what: "a block has no divider" }) };
    if dividers.next().is_some() {
        return Err(Refusal::Malformed { what: "a block has two dividers" });
    }
    let (search, replace) = (body.get(..divider), body.get(divider + 1..));
    let (search, replace) = (search.unwrap_or_default(), replace.unwrap_or_default());
    let (search, replace) = match (unfenced(search), unfenced(replace)) {
        (Some(search), Some(replace)) => (search, replace),
        (None, Some(replace)) if search.is_empty() => (search, replace),
        _ => (search, replace),
    };
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Ok(Piece::Replace { path, search: owned(search), replace: owned(replace) })
}

/// The lines inside a fence that is around all of them.
fn unfenced<'a, 'b>(lines: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let (first, rest) = lines.split_first()?;
    let (last, inner) = rest.split_last()?;
    let around = is_fence(first) && info(last).is_some_and(str::is_empty);
    (around && !inner.iter().any(|line| is_fence(line))).then_some(inner)
}

/// The length of the mark and what follows its word, of a line that opens a block.
fn opening(line: &str) -> Option<(usize, &str)> {
    let line = line.trim();
    let mark = line.chars().next().filter(|mark| matches!(mark, '<' | '-'))?;
    let len = line.chars().take_while(|c| *c == mark).count();
    let rest = line.get(len..)?.trim_start();
    let word_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, tail) = rest.split_at(word_end);
    let known = ["SEARCH", "ORIGINAL", "HEAD"].iter().any(|known| word.eq_ignore_ascii_case(known));
    let len_min = if mark == '<' { 3 } else { MARK_LEN_MIN };
    (known && len >= len_min).then_some((len, tail))
}

fn is_closing(line: &str) -> bool {
    let line = line.trim();
    let Some(mark) = line.chars().next().filter(|mark| matches!(mark, '>' | '+')) else { return false };
    let len = line.chars().take_while(|c| *c == mark).count();
    let word = line.get(len..).unwrap_or_default().trim();
    let known = ["REPLACE", "UPDATED"].iter().any(|known| word.eq_ignore_ascii_case(known));
    (known && len >= 3) || (word.is_empty() && mark == '>' && len >= MARK_LEN_MIN)
}

/// `RENAME FILE: a -> b` and `DELETE FILE: a`, which are a line of their own.
fn operation(line: &str) -> Option<Piece> {
    let line = line.trim();
    if let Some(names) = line.strip_prefix("RENAME FILE:") {
        let (from, to) = names.split_once("->")?;
        return Some(Piece::Rename { from: plain(from), to: plain(to) });
    }
    line.strip_prefix("DELETE FILE:").map(|path| Piece::Delete { path: plain(path) })
}

fn plain(path: &str) -> String {
    path.trim().trim_matches(['`', '"', '\'']).to_owned()
}

/// `python src/a.py`, `python:src/a.py`.
pub(crate) fn path_in_info(info: &str) -> Option<String> {
    let (_, tail) = info.split_once([' ', ':'])?;
    path_in_line(tail.trim().trim_start_matches("title=").trim_start_matches("filename="))
}
