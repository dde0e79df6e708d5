//! What is indexed of a text that a tool made: the names it defines and where, without their texts.
//!
//! Refuses: to judge which texts those are; see `content`.

use std::ops::Range;
use std::time::Instant;

use crate::files::content::is_generated;
use crate::files::lines::LineStarts;
use crate::limits::{HEADER_PART_BYTES_MAX, LIGHT_NAMES_MAX};
use crate::parse::cut::{Chunk, Cutter, Name, chunk_hash, cut_prose, unless_it_panics};
use crate::parse::deadline::Deadline;
use crate::parse::inject::injected;
use crate::parse::language::{Language, language_in};
use crate::parse::large::LARGE;
use crate::parse::symbols::Definition;

/// Kind of a chunk that holds a name and no text.
pub(crate) const LIGHT: &str = "generated";

/// Whether a chunk of this kind holds a name only.
pub(crate) fn is_light(kind: &str) -> bool {
    kind == LIGHT || kind == LARGE
}

impl Chunk {
    /// Whether only its names are known.
    pub(crate) fn is_light(&self) -> bool {
        is_light(&self.kind)
    }
}

/// The chunks of a text as they are indexed; of a generated one only its names, and none in a language that is not
/// parsed.
pub(crate) fn cut(cutter: &mut Cutter, path: &str, text: &str) -> Vec<Chunk> {
    if !is_generated(path, text) {
        return cutter.cut(path, text);
    }
    cutter.gave_up = false;
    let deadline = cutter.deadline();
    let found = language_in(path, text).and_then(|language| names(cutter, language, path, text, LIGHT, deadline));
    let mut found = found.unwrap_or_default();
    found.truncate(LIGHT_NAMES_MAX);
    found
}

/// The same for a search, which stops parsing at `until`; where a parser panics, a text is cut into windows, and a
/// generated one has no names.
pub(crate) fn cut_until(path: &str, text: &str, until: Instant) -> Vec<Chunk> {
    unless_it_panics(path, || cut(&mut Cutter::until(until), path, text)).unwrap_or_else(|| {
        if is_generated(path, text) { Vec::new() } else { cut_prose(path, text, &LineStarts::of(text)) }
    })
}

/// The definitions of a text, each as a chunk of its name without its text; `None` where the text cannot be parsed.
pub(crate) fn names(
    cutter: &mut Cutter,
    language: &'static Language,
    path: &str,
    text: &str,
    kind: &str,
    deadline: Deadline,
) -> Option<Vec<Chunk>> {
    language.prepare();
    let tree = cutter.parse(language, text, deadline)?;
    let pieces = injected(cutter, language, &tree, text, deadline);
    let all = cutter.definitions(language, &tree, &pieces, text, deadline);
    let lines = LineStarts::of(text);
    let named = all.iter().filter(|item| !item.container);
    let chunk = |item: &Definition| {
        let name = Name::of(item, lines.line_at(item.span.start), &lines);
        let span = first_line(text, item.span.clone());
        let start_line = lines.line_at(span.start);
        Chunk {
            hash: chunk_hash(path, &text[span.clone()]),
            span,
            start_line,
            end_line: start_line,
            symbol: Some(name.qualified.clone()),
            kind: kind.to_owned(),
            names: vec![name],
            context: String::new(),
            doc: String::new(),
        }
    };
    Some(named.map(chunk).collect())
}

/// The part of a definition on its first line.
fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    let line = text[span.clone()].split(['\n', '\r']).next().unwrap_or_default();
    let mut end = span.start + line.len().min(HEADER_PART_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    span.start..end
}
