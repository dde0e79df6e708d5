//! Waiting changes as clients show them: Information diagnostics, code lenses, entries of the menu, and one notification
//! for clients that draw them themselves.
//!
//! Refuses: state. Everything is made from the text and the reviews as they are.

use std::ops::Range;

use serde_json::{Value, json};
use text::{Document, PositionEncoding, Rope, position};

use super::{Reviews, Standing};
use crate::documents::lsp_range_of;
use crate::uris::path_of;

/// The name under which diagnostics of ours are shown.
pub(crate) const SOURCE: &str = "familiar";
/// Changes at one place that get entries of their own in the menu.
const ACTIONS_MAX: usize = 4;
/// Functions of one document that get lenses.
const FUNCTIONS_MAX: usize = 500;
/// Words of an instruction that are shown, in characters.
const WORDS_CHARS_MAX: usize = 60;
/// Bytes of a change's old and new text that a client is sent; longer ones are cut at a line.
const SENT_BYTES_MAX: usize = 64 * 1024;

/// One waiting change of a document.
pub(crate) struct Mark<'a> {
    /// The edit it belongs to.
    pub(crate) standing: &'a Standing,
    /// Its number in that edit.
    pub(crate) number: usize,
    /// Its bytes in the text now.
    pub(crate) bytes: Range<usize>,
    /// Its place among the waiting changes of the document, from 1.
    pub(crate) place: usize,
    /// How many there are.
    pub(crate) of: usize,
}

/// The waiting changes of a document in the order of the text.
pub(crate) fn marks<'a>(reviews: &'a Reviews, uri: &str) -> Vec<Mark<'a>> {
    let mut marks: Vec<Mark<'a>> = Vec::new();
    for standing in reviews.of(uri) {
        let of_one = standing.review.standing();
        marks.extend(of_one.map(|(number, bytes)| Mark { standing, number, bytes, place: 0, of: 0 }));
    }
    marks.sort_by_key(|mark| (mark.bytes.start, mark.bytes.end));
    let of = marks.len();
    for (place, mark) in (1..).zip(&mut marks) {
        (mark.place, mark.of) = (place, of);
    }
    marks
}

impl Mark<'_> {
    /// Its lines in the client's columns: without the last line break, and the line it lies before when it only removed
    /// lines.
    pub(crate) fn range(&self, rope: &Rope, encoding: PositionEncoding) -> Value {
        let end = rope.len_bytes();
        let (start, mut stop) = (self.bytes.start.min(end), self.bytes.end.min(end));
        if stop > start {
            let last = rope.byte_to_line(stop - 1);
            stop = (rope.line_to_byte(last) + position::line_content(rope, last).len_bytes()).max(start);
        }
        json!(lsp_range_of(position::range_of(rope, start..stop, encoding)))
    }

    /// Whether it lies in these lines, from zero and inclusive.
    pub(crate) fn touches(&self, rope: &Rope, lines: &Range<u32>) -> bool {
        let line = |byte: usize| u32::try_from(rope.byte_to_line(byte.min(rope.len_bytes()))).unwrap_or(u32::MAX);
        let first = line(self.bytes.start);
        let last = line(self.bytes.end.saturating_sub(1).max(self.bytes.start));
        first <= lines.end && lines.start <= last
    }

    /// The arguments that name it in a command.
    pub(crate) fn arguments(&self, uri: &str) -> Value {
        json!({
            "uri": uri,
            "proposal": self.standing.proposal,
            "file": self.standing.file,
            "change": self.number,
        })
    }

    /// What was asked for, else what was done.
    fn words(&self) -> String {
        let instruction = self.standing.instruction.as_deref();
        instruction.map_or_else(|| self.standing.title.clone(), shortened)
    }
}

/// The diagnostics of a document.
pub(crate) fn diagnostics(marks: &[Mark<'_>], rope: &Rope, encoding: PositionEncoding) -> Value {
    let one = |mark: &Mark<'_>| {
        let block = &mark.standing.review.blocks()[mark.number];
        let what = match (block.old_text.is_empty(), block.new_text.is_empty()) {
            (true, _) => "Added here",
            (false, true) => "Removed here",
            (false, false) => "Changed here",
        };
        json!({
            "range": mark.range(rope, encoding),
            "severity": 3,
            "source": SOURCE,
            "message": format!("{what}, {} of {}, keep or revert: {}", mark.place, mark.of, mark.words()),
        })
    };
    marks.iter().map(one).collect()
}

/// Titles, commands and arguments of what can be done about the changes at these lines, from zero and inclusive.
pub(crate) fn actions_at(
    marks: &[Mark<'_>],
    uri: &str,
    rope: &Rope,
    lines: &Range<u32>,
) -> Vec<(String, &'static str, Value)> {
    let mut actions = Vec::new();
    let here: Vec<&Mark<'_>> = marks.iter().filter(|mark| mark.touches(rope, lines)).take(ACTIONS_MAX).collect();
    for mark in &here {
        let which = format!("change {} of {}", mark.place, mark.of);
        let touched = mark.standing.review.is_touched(mark.number, rope);
        let also = if touched { ", with what you typed in it" } else { "" };
        actions.push((format!("Keep {which}"), "familiar.keep", mark.arguments(uri)));
        actions.push((format!("Revert {which}{also}"), "familiar.revert", mark.arguments(uri)));
    }
    let Some(first) = here.first() else { return actions };
    if first.of > 1 {
        let all = json!({ "uri": uri });
        actions.push((format!("Keep all {} changes", first.of), "familiar.keep", all.clone()));
        let touched = marks.iter().any(|mark| mark.standing.review.is_touched(mark.number, rope));
        let also = if touched { ", with what you typed in them" } else { "" };
        actions.push((format!("Revert all {} changes{also}", first.of), "familiar.revert", all));
    }
    let edit = json!({ "uri": uri, "proposal": first.standing.proposal });
    if first.standing.wish.is_some() {
        actions.push(("Try again".into(), "familiar.retry", edit.clone()));
    }
    let versions = first.standing.candidates.len();
    if versions > 1 {
        let title = format!("Show another version ({} of {versions})", first.standing.shown + 1);
        actions.push((title, "familiar.alternative", edit));
    }
    actions
}

/// The code lenses of a document.
pub(crate) fn lenses(marks: &[Mark<'_>], uri: &str, rope: &Rope, encoding: PositionEncoding) -> Vec<Value> {
    let mut lenses = Vec::new();
    for mark in marks {
        let range = mark.range(rope, encoding);
        let mut lens = |title: &str, command: &str, arguments: Value| {
            lenses.push(json!({
                "range": { "start": range["start"], "end": range["start"] },
                "command": { "title": title, "command": command, "arguments": [arguments] },
            }));
        };
        lens("Keep", "familiar.keep", mark.arguments(uri));
        lens("Revert", "familiar.revert", mark.arguments(uri));
        if mark.place == 1 && mark.of > 1 {
            lens(&format!("Keep all {}", mark.of), "familiar.keep", json!({ "uri": uri }));
            lens(&format!("Revert all {}", mark.of), "familiar.revert", json!({ "uri": uri }));
        }
    }
    lenses
}

/// Lenses on the functions of a document, for those who want them. Parses it.
pub(crate) fn function_lenses(document: &Document) -> Vec<Value> {
    let path =
        path_of(document.uri()).map_or_else(|| document.uri().to_owned(), |path| path.display().to_string());
    let symbols = app::outline(&path, &document.rope().to_string()).unwrap_or_default();
    let functions = symbols.iter().filter(|symbol| matches!(symbol.kind, "function" | "method" | "constructor"));
    let mut lenses = Vec::new();
    for symbol in functions.take(FUNCTIONS_MAX) {
        let start = json!({ "line": symbol.start_line.saturating_sub(1), "character": 0 });
        let whole = json!({ "start": start, "end": { "line": symbol.end_line, "character": 0 } });
        for (title, command) in
            [("Explain", "familiar.explain"), ("Document", "familiar.document"), ("Tests", "familiar.tests")]
        {
            lenses.push(json!({
                "range": { "start": start, "end": start },
                "command": { "title": title, "command": command, "arguments": [{ "uri": document.uri(), "range": whole }] },
            }));
        }
    }
    lenses
}

/// The whole state of a document, for clients that draw changes themselves.
pub(crate) fn notification(marks: &[Mark<'_>], document: &Document, encoding: PositionEncoding) -> Value {
    let rope = document.rope();
    let one = |mark: &Mark<'_>| {
        let standing = mark.standing;
        let block = &standing.review.blocks()[mark.number];
        let whole = position::range_of(rope, mark.bytes.clone(), encoding);
        json!({
            "proposal": standing.proposal,
            "file": standing.file,
            "change": mark.number,
            "title": standing.title,
            "instruction": standing.instruction,
            "range": lsp_range_of(whole),
            "oldText": cut(&block.old_text),
            "newText": cut(&block.new_text),
            "touched": standing.review.is_touched(mark.number, rope),
            "candidates": standing.candidates.len().max(1),
            "candidate": standing.shown + 1,
        })
    };
    json!({ "uri": document.uri(), "version": document.version(), "changes": marks.iter().map(one).collect::<Vec<_>>() })
}

/// An instruction short enough for one line.
pub(crate) fn shortened(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn cut(text: &str) -> &str {
    if text.len() <= SENT_BYTES_MAX {
        return text;
    }
    let end = text.as_bytes()[..SENT_BYTES_MAX].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &text[..end]
}
