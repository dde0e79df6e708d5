//! Unified diffs and `*** Update File:` patches, read as blocks: removed and unchanged lines are sought, their numbers
//! are not believed. Refuses: lines in a hunk that are neither removed, added nor unchanged.

use super::Refusal;
use super::answer::Piece;
use super::fences::{info, is_fence};
use super::limits::PIECES_MAX;

/// What the lines of a hunk belong to.
#[derive(Default)]
struct File {
    old: Option<String>,
    new: Option<String>,
}

/// Whether an answer is a diff.
pub(crate) fn is_diff(lines: &[&str]) -> bool {
    let pairs = lines.iter().zip(lines.iter().skip(1));
    let headed = pairs.into_iter().any(|(a, b)| a.starts_with("--- ") && b.starts_with("+++ "));
    headed
        || lines.iter().any(|line| {
            is_hunk(line)
                || patch_file(line).is_some()
                || info(line).is_some_and(|info| matches!(info, "diff" | "patch" | "udiff"))
        })
}

/// The pieces of an answer that is a diff.
pub(crate) fn parse(lines: &[&str]) -> Result<Vec<Piece>, Refusal> {
    let mut pieces = Vec::new();
    let mut file = File::default();
    let mut hunk: Option<Vec<&str>> = None;
    let mut fenced = false;
    let mut rest = lines.iter().peekable();
    while let Some(line) = rest.next() {
        let header = line.starts_with("--- ") && rest.peek().is_some_and(|next| next.starts_with("+++ "));
        let starts_file = header || line.starts_with("diff --git ") || patch_file(line).is_some();
        let ends = starts_file || is_hunk(line) || line.starts_with("*** ") || (fenced && is_fence(line));
        if ends && let Some(lines) = hunk.take() {
            finish(&file, &lines, &mut pieces)?;
        }
        if is_fence(line) && hunk.is_none() {
            fenced = !fenced;
            // A diff may leave out all headers; then the fence alone says what it is.
            let bare = rest.peek().is_some_and(|next| next.starts_with(['+', '-', ' ']));
            if fenced && bare && !rest.peek().is_some_and(|next| next.starts_with("---")) {
                hunk = Some(Vec::new());
            }
        } else if header {
            let new = rest.next().copied().unwrap_or_default();
            file = File { old: name(line), new: name(new) };
            deletion(&file, &mut pieces);
        } else if let Some((word, path)) = patch_file(line) {
            file = patched(word, path);
            deletion(&file, &mut pieces);
            hunk = (word == "Add").then(Vec::new);
        } else if is_hunk(line) {
            hunk = Some(Vec::new());
        } else if let Some(lines) = &mut hunk {
            lines.push(line);
        } else if line.starts_with("rename from ") || line.starts_with("*** Move to: ") {
            return Err(Refusal::Malformed { what: "a diff renames a file" });
        }
        if pieces.len() > PIECES_MAX {
            return Err(Refusal::TooLong);
        }
    }
    if let Some(lines) = hunk {
        finish(&file, &lines, &mut pieces)?;
    }
    if pieces.is_empty() { Err(Refusal::NoCode) } else { Ok(pieces) }
}

/// The file that a diff removes as a whole.
fn deletion(file: &File, pieces: &mut Vec<Piece>) {
    if let (Some(path), None) = (&file.old, &file.new) {
        pieces.push(Piece::Delete { path: path.clone() });
    }
}

fn patched(word: &str, path: &str) -> File {
    let path = Some(path.to_owned());
    match word {
        "Add" => File { old: None, new: path },
        "Delete" => File { old: path, new: None },
        _ => File { old: path.clone(), new: path },
    }
}

fn finish(file: &File, lines: &[&str], pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
    if file.old.is_some() && file.new.is_none() {
        return Ok(());
    }
    let blank_end = lines.iter().rev().take_while(|line| line.trim().is_empty()).count();
    let (mut search, mut replace) = (Vec::new(), Vec::new());
    for line in lines.get(..lines.len() - blank_end).unwrap_or_default() {
        match line.chars().next() {
            Some('+') => replace.push(line[1..].to_owned()),
            Some('-') => search.push(line[1..].to_owned()),
            Some('\\') => {}
            Some(' ') | None => {
                let same = line.get(1..).unwrap_or_default();
                search.push(same.to_owned());
                replace.push(same.to_owned());
            }
            Some(_) => {
                return Err(Refusal::Malformed { what: "a line of a diff is neither kept, removed nor added" });
            }
        }
    }
    let piece = match (&file.old, &file.new) {
        (None, Some(path)) if search.is_empty() => Piece::Create { path: path.clone(), lines: replace },
        (_, path) => Piece::Replace { path: path.clone(), search, replace },
    };
    if !pieces.contains(&piece) {
        pieces.push(piece);
    }
    Ok(())
}

/// `@@ -1,2 +3,4 @@ anything`, `@@ ... @@`, `@@ def f` and `@@`.
fn is_hunk(line: &str) -> bool {
    line == "@@" || line.starts_with("@@ ")
}

fn patch_file(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("*** ")?;
    let (word, rest) = rest.split_once(" File: ")?;
    matches!(word, "Add" | "Update" | "Delete").then_some((word, rest.trim()))
}

/// The file named in a `---` or `+++` line; `None` for no file.
fn name(line: &str) -> Option<String> {
    let path = line.get(4..)?.split('\t').next()?.trim().trim_matches('"');
    let own = path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path);
    (path != "/dev/null").then(|| own.to_owned())
}
