//! Languages inside a language: scripts and styles of a page, as the outer language's `injections.scm` says.
//!
//! Each piece gets a tree of its own whose offsets are those of the whole text. Refuses: pieces inside pieces.

use std::ops::Range;

use tree_sitter::{Query, QueryCursor, StreamingIterator, Tree};

use crate::limits::INJECTIONS_MAX;
use crate::parse::cut::Cutter;
use crate::parse::deadline::Deadline;
use crate::parse::language::{Language, language_of, named};

/// A piece of a text that is of another language than the text around it.
pub(crate) struct Injected {
    /// Its language.
    pub(crate) language: &'static Language,
    /// Its tree, with offsets of the whole text.
    pub(crate) tree: Tree,
    /// Its bytes.
    pub(crate) span: Range<usize>,
}

/// The pieces of other languages in a parsed text, in order. Stops at `deadline` with what it has.
pub(crate) fn injected(
    cutter: &mut Cutter,
    language: &'static Language,
    tree: &Tree,
    text: &str,
    deadline: Deadline,
) -> Vec<Injected> {
    let Some(query) = language.injections() else { return Vec::new() };
    let mut found = Vec::new();
    for (range, inner) in pieces(query, tree, text) {
        if deadline.is_over() {
            break;
        }
        inner.prepare();
        let span = range.start_byte..range.end_byte;
        if let Some(tree) = cutter.parse_range(inner, text, Some(range), deadline) {
            found.push(Injected { language: inner, tree, span });
        }
    }
    found
}

/// Where pieces stand and of which language they are. Of several patterns for one piece the first counts.
fn pieces(query: &Query, tree: &Tree, text: &str) -> Vec<(tree_sitter::Range, &'static Language)> {
    let names = query.capture_names();
    let mut cursor = QueryCursor::new();
    let mut found = Vec::new();
    let mut matches = cursor.matches(query, tree.root_node(), text.as_bytes());
    while let Some(one) = matches.next() {
        let mut content = None;
        let mut language = None;
        for capture in one.captures() {
            match names[capture.index as usize] {
                "injection.content" => content = Some(capture.node.range()),
                "injection.language" => language = text.get(capture.node.byte_range()),
                _ => {}
            }
        }
        let set = || {
            let settings = query.property_settings(one.pattern_index).iter();
            settings
                .filter(|setting| &*setting.key == "injection.language")
                .find_map(|setting| setting.value.as_deref())
        };
        // Names, and extensions such as `ts`, both say what a piece is.
        let language =
            language.or_else(set).and_then(|name| named(name).or_else(|| language_of(&format!("_.{name}"))));
        if let (Some(content), Some(language)) = (content, language)
            && content.start_byte < content.end_byte
        {
            found.push((content, language, one.pattern_index));
        }
        if found.len() >= INJECTIONS_MAX {
            break;
        }
    }
    found.sort_by_key(|(content, _, pattern)| (content.start_byte, *pattern));
    found.dedup_by(|later, first| later.0.start_byte < first.0.end_byte);
    found.into_iter().map(|(content, language, _)| (content, language)).collect()
}
