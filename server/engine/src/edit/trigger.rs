//! Requests that stand in the text itself: a comment `familiar: make it async` is an edit, `familiar? why a copy` a
//! question, in every editor and without a key.
//!
//! Refuses: words in strings, words that only mention the name, and a comment that cannot be taken out cleanly.

mod comments;
mod marks;
mod target;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

use text::Document;

use super::limits::{
    TRIGGER_LINES_MAX, TRIGGER_PARSE_MS_MAX, TRIGGER_SOURCE_BYTES_MAX, TRIGGER_WORDS_BYTES_MAX, TRIGGERS_MAX,
};
use super::task::grammar_path;
use comments::{CommentLine, comment_lines};
use target::Scene;

/// What a comment has to begin with, in any capitals.
const NAME: &str = "familiar";

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TriggerKind {
    /// `familiar: ...`: the code is to be changed.
    Edit,
    /// `familiar? ...`: something is to be said about it.
    Question,
}

/// A comment that asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What is wanted.
    pub kind: TriggerKind,
    /// The user's words, on one line.
    pub instruction: String,
    /// The bytes from the name to the last word; here an editor offers it.
    pub place: Range<usize>,
    /// The bytes to delete so that nothing of the comment stays: whole lines with their line break when nothing else
    /// is on them, else the comment and the blanks before it.
    pub removal: Range<usize>,
    /// The whole lines that it is about. They may hold the comment; where nothing else is there they are its own.
    pub target: Range<usize>,
}

/// The requests in a document, in order, at most [`TRIGGERS_MAX`]. A `selection` that is not empty is what all of them
/// are about, unless it lies in the comment itself. A text without any costs one look for the name; one that is larger
/// than [`TRIGGER_SOURCE_BYTES_MAX`] has none.
#[must_use]
pub fn triggers(document: &Document, selection: Option<Range<usize>>) -> Vec<Trigger> {
    let rope = document.rope();
    if rope.len_bytes() > TRIGGER_SOURCE_BYTES_MAX {
        return Vec::new();
    }
    let text = rope.to_string();
    if may_ask(&text).is_none() {
        return Vec::new();
    }
    let grammar = grammar_path(document);
    let syntax = index::Syntax::parse(&grammar, &text, Duration::from_millis(TRIGGER_PARSE_MS_MAX));
    let lines = Lines::of(&text);
    let comments = match &syntax {
        Some(syntax) => comment_lines(&lines, &syntax.comments()),
        None => comment_lines(&lines, &marks::comments(&lines, document.language_id())),
    };
    let requests = requests(&lines, &comments);
    if requests.is_empty() {
        return Vec::new();
    }
    let scene = Scene::new(&lines, &comments, syntax.as_ref(), &grammar);
    let about = |request: &Request| {
        let own = scene.whole(request.first..=request.last);
        let chosen = selection.clone().filter(|chosen| !chosen.is_empty());
        match chosen.filter(|chosen| chosen.start < own.start || chosen.end > own.end) {
            Some(chosen) => lines.whole(&chosen),
            None => scene.target(request.first, request.last),
        }
    };
    requests
        .into_iter()
        .map(|request| Trigger {
            target: about(&request),
            kind: request.kind,
            instruction: request.instruction,
            place: request.place,
            removal: request.removal,
        })
        .collect()
}

/// What a text seems to ask for: the first name in it that one of its signs follows. Whether it stands in a comment takes a
/// parse, as [`triggers`] does.
#[must_use]
pub fn may_ask(text: &str) -> Option<TriggerKind> {
    let bytes = text.as_bytes();
    let size = NAME.len();
    let letter = |byte: &u8| byte.eq_ignore_ascii_case(&NAME.as_bytes()[0]);
    let mut starts = bytes.iter().enumerate().filter(|(_, byte)| letter(byte)).map(|(at, _)| at);
    starts.find_map(|at| {
        let word = bytes.get(at..at + size).filter(|word| word.eq_ignore_ascii_case(NAME.as_bytes()));
        word.and_then(|_| text.get(at + size..)).and_then(sign).map(|(kind, _)| kind)
    })
}

/// What follows the name, and its length.
fn sign(rest: &str) -> Option<(TriggerKind, usize)> {
    let sign = rest.chars().next()?;
    let kind = match sign {
        ':' | '：' => TriggerKind::Edit,
        '?' | '？' => TriggerKind::Question,
        _ => return None,
    };
    // A path such as `familiar::engine` or an address asks for nothing. The wide signs stand without a blank.
    let behind = rest[sign.len_utf8()..].chars().next();
    let apart = !sign.is_ascii() || behind.is_none_or(char::is_whitespace);
    apart.then_some((kind, sign.len_utf8()))
}

/// What the words of a comment line ask for, and where the instruction begins in them.
fn head(words: &str) -> Option<(TriggerKind, usize)> {
    let name = words.get(..NAME.len()).filter(|name| name.eq_ignore_ascii_case(NAME))?;
    let (kind, length) = sign(&words[name.len()..])?;
    Some((kind, name.len() + length))
}

/// A request by its comment lines, before it is known what it is about.
struct Request {
    kind: TriggerKind,
    instruction: String,
    place: Range<usize>,
    removal: Range<usize>,
    first: usize,
    last: usize,
}

fn requests(lines: &Lines<'_>, comments: &[CommentLine]) -> Vec<Request> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < comments.len() && found.len() < TRIGGERS_MAX {
        let first = at;
        at += 1;
        let words = |comment: &CommentLine| &lines.text[comment.words.clone()];
        let Some((kind, begin)) = head(words(&comments[first])) else { continue };
        let mut instruction = words(&comments[first])[begin..].trim().to_owned();
        while let Some(next) = comments.get(at)
            && at - first < TRIGGER_LINES_MAX
            && comments[at - 1].goes_on_in(next, lines.text)
            && goes_on(&instruction, words(next))
        {
            let space = if instruction.is_empty() { "" } else { " " };
            instruction.push_str(space);
            instruction.push_str(words(next));
            at += 1;
        }
        let last = at - 1;
        if instruction.is_empty() || instruction.len() > TRIGGER_WORDS_BYTES_MAX {
            continue;
        }
        if let Some(removal) = comments::removal(lines, comments, first, last) {
            let place = comments[first].words.start..comments[last].words.end;
            found.push(Request { kind, instruction, place, removal, first, last });
        }
    }
    found
}

/// Whether the words of a comment line continue what was said so far. In doubt they do not: they are the user's own
/// comment then, and would go with the request.
fn goes_on(so_far: &str, next: &str) -> bool {
    const OPEN_WORDS: [&str; 22] = [
        "a", "an", "and", "as", "at", "but", "by", "for", "from", "in", "into", "is", "of", "on", "or", "so",
        "than", "that", "the", "to", "using", "with",
    ];
    // Words to tools, which look like words to people.
    const TOOLS: [&str; 6] = ["clang-", "eslint-", "nolint", "noqa", "prettier-", "rubocop"];
    let Some(first) = next.chars().next() else { return false };
    if head(next).is_some() || !(first.is_alphanumeric() || matches!(first, '"' | '\'' | '`' | '(')) {
        return false;
    }
    if so_far.is_empty() || so_far.ends_with([',', ':', '(', '/', '-', '、', '，', '：']) {
        return true;
    }
    if so_far.ends_with(['.', '!', '?', ';', '。', '！', '？']) {
        return false;
    }
    let open = so_far.rsplit(' ').next().is_some_and(|word| OPEN_WORDS.contains(&word.to_lowercase().as_str()));
    let word = next.split_whitespace().next().unwrap_or_default();
    let to_tools = word.contains([':', '=', '_']) || TOOLS.iter().any(|tool| word.starts_with(tool));
    open || (!first.is_uppercase() && !to_tools)
}

/// A text by its lines.
pub(super) struct Lines<'t> {
    /// All of it.
    pub(super) text: &'t str,
    /// Where each line begins, and the end of the text.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let mut starts = vec![0];
        for line in text::split_lines(text) {
            starts.push(starts.last().copied().unwrap_or(0) + line.len());
        }
        // A byte order mark is no part of the first line.
        starts[0] = text.len() - text.trim_start_matches('\u{feff}').len();
        Self { text, starts }
    }

    /// How many there are, without an empty one behind a final line break.
    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The line that holds a byte; the last one for the end of the text.
    pub(super) fn at(&self, byte: usize) -> usize {
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        line.min(self.count().saturating_sub(1))
    }

    /// The bytes of a line with its line break.
    pub(super) fn bytes(&self, line: usize) -> Range<usize> {
        let end = self.text.len();
        let at = |line: usize| self.starts.get(line).copied().unwrap_or(end);
        at(line)..at(line + 1)
    }

    /// The bytes of a line without its line break.
    pub(super) fn bare(&self, line: usize) -> Range<usize> {
        let bytes = self.bytes(line);
        let broken = text::line_break(&self.text[bytes.clone()]).len();
        bytes.start..bytes.end - broken
    }

    /// The text of a line without its line break.
    pub(super) fn line(&self, line: usize) -> &'t str {
        &self.text[self.bare(line)]
    }

    /// Where the first thing on a line stands that is no blank.
    pub(super) fn begin(&self, line: usize) -> usize {
        let text = self.line(line);
        self.bytes(line).start + (text.len() - text.trim_start().len())
    }

    /// The whole lines that a selection touches; one that ends at the start of a line does not mean that line.
    fn whole(&self, bytes: &Range<usize>) -> Range<usize> {
        let (first, mut last) = (self.at(bytes.start), self.at(bytes.end));
        if last > first && self.bytes(last).start == bytes.end {
            last -= 1;
        }
        self.bytes(first).start..self.bytes(last).end
    }
}
