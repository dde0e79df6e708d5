//! What a syntax tree defines: names, kinds, qualified names, signatures, documentation, extents.
//!
//! Refuses: to know a language; the queries in `queries/` say what a definition is.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use tree_sitter::{Node, QueryCursor, QueryCursorOptions, QueryCursorState, StreamingIterator};

use crate::limits::{HEADER_PART_BYTES_MAX, SYMBOL_DEPTH_MAX, SYMBOLS_MAX};
use crate::parse::language::Language;

/// Documentation kept of one definition, in bytes.
const DOC_BYTES_MAX: usize = 2_000;

/// One definition of a file.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    /// The plain name; for a container the name it lends to its members.
    pub(crate) name: String,
    /// The name with those of the definitions around it.
    pub(crate) qualified: String,
    /// `function`, `method`, `class`, ...
    pub(crate) kind: &'static str,
    /// The definition itself, in bytes.
    pub(crate) span: Range<usize>,
    /// Where the comments and attributes that belong to it begin.
    pub(crate) outer_start: usize,
    /// The definition around it, by position in the list.
    pub(crate) parent: Option<usize>,
    /// Lends its name to its members and is no symbol of its own.
    pub(crate) container: bool,
    /// Stands inside a function.
    pub(crate) local: bool,
    /// The text up to the body, on one line.
    pub(crate) signature: String,
    /// Its documentation, without markers.
    pub(crate) doc: String,
}

impl Definition {
    /// Whether a chunk should begin here: things with a body of their own, unless local to a function.
    pub(crate) fn opens_chunk(&self) -> bool {
        !self.local && !matches!(self.kind, "attribute" | "constant" | "type")
    }
}

/// The definitions of a file in order of their start, the wider first. Stops at `deadline` with what it has.
pub(crate) fn definitions(
    language: &'static Language,
    root: Node<'_>,
    text: &str,
    cursor: &mut QueryCursor,
    deadline: Instant,
) -> Vec<Definition> {
    assemble(language, text, &capture(language, root, text, cursor, deadline, None))
}

/// The definitions that captures make: names joined to those around them, signatures, documentation.
pub(crate) fn assemble(language: &'static Language, text: &str, captured: &Captured) -> Vec<Definition> {
    let mut found = keep_widest(captured.definitions.clone());
    found.sort_by_key(|item| (item.span.start, usize::MAX - item.span.end));
    let mut all: Vec<Definition> = Vec::with_capacity(found.len());
    let mut open: Vec<usize> = Vec::new();
    for item in found {
        while open.last().is_some_and(|&index| all[index].span.end < item.span.end) {
            open.pop();
        }
        let parent = open.last().copied();
        open.push(all.len());
        all.push(finish(language, text, &captured.leading, item, parent.map(|index| (index, &all[index]))));
    }
    attach_docs(&mut all, text, &captured.docs);
    all
}

/// A definition as captured.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    kind: &'static str,
    pub(crate) span: Range<usize>,
    pub(crate) name: Range<usize>,
    pub(crate) body_start: Option<usize>,
    pattern: usize,
    container: bool,
}

/// What the queries of a language capture in a text.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    pub(crate) definitions: Vec<Found>,
    pub(crate) leading: Vec<Range<usize>>,
    pub(crate) docs: Vec<Range<usize>>,
    /// Ended by a bound, so that some of it is missing.
    pub(crate) cut_short: bool,
}

impl Captured {
    /// Puts comments and documentation in the order of the text.
    pub(crate) fn sort(&mut self) {
        self.leading.sort_by_key(|range| range.start);
        self.docs.sort_by_key(|range| range.start);
    }
}

/// Runs the queries of a language over a tree. With `part` only over what intersects these bytes, which also gives
/// some matches around them.
pub(crate) fn capture(
    language: &'static Language,
    root: Node<'_>,
    text: &str,
    cursor: &mut QueryCursor,
    deadline: Instant,
    part: Option<Range<usize>>,
) -> Captured {
    let names = language.definitions.capture_names();
    let mut out = Captured::default();
    let mut in_time = |_: &QueryCursorState| {
        if Instant::now() < deadline { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let options = QueryCursorOptions::new().progress_callback(&mut in_time);
    cursor.set_max_start_depth(Some(SYMBOL_DEPTH_MAX));
    cursor.set_byte_range(part.unwrap_or(0..u32::MAX as usize));
    let mut matches = cursor.matches_with_options(&language.definitions, root, text.as_bytes(), options);
    while let Some(found) = matches.next() {
        let mut definition = None;
        let mut name = None;
        for capture in found.captures() {
            let range = capture.node.byte_range();
            match names[capture.index as usize] {
                "leading" => out.leading.push(range),
                "doc" => out.docs.push(range),
                "name" => name = Some((range, false)),
                "container" => name = Some((range, true)),
                other => definition = other.strip_prefix("definition.").map(|kind| (kind, capture.node)),
            }
        }
        if let (Some((kind, node)), Some((name, container))) = (definition, name) {
            let pattern = found.pattern_index;
            let body_start = body_start(node);
            out.definitions.push(Found { kind, span: node.byte_range(), name, body_start, pattern, container });
        }
        if out.definitions.len() >= SYMBOLS_MAX {
            out.cut_short = true;
            break;
        }
    }
    out.cut_short |= Instant::now() >= deadline;
    out.sort();
    out
}

/// Where the body of a definition begins, looking through a wrapper such as a decorated definition.
fn body_start(node: Node<'_>) -> Option<usize> {
    let inner = node.child_by_field_name("definition").unwrap_or(node);
    inner.child_by_field_name("body").map(|body| body.start_byte())
}

/// One definition for each name: the widest, and of equals the one whose pattern stands first.
fn keep_widest(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| {
        a.name.start.cmp(&b.name.start).then(b.span.len().cmp(&a.span.len())).then(a.pattern.cmp(&b.pattern))
    });
    found.dedup_by(|later, first| later.name == first.name);
    found
}

fn finish(
    language: &Language,
    text: &str,
    leading: &[Range<usize>],
    found: Found,
    parent: Option<(usize, &Definition)>,
) -> Definition {
    let name = text[found.name.clone()].to_owned();
    let (qualified, local, kind) = match parent {
        None => (name.clone(), false, found.kind),
        Some((_, around)) => {
            let is_function = matches!(around.kind, "function" | "method");
            let method = found.kind == "function" && matches!(around.kind, "class" | "trait" | "impl");
            let kind = if method { "method" } else { found.kind };
            (format!("{}{}{name}", around.qualified, language.separator), around.local || is_function, kind)
        }
    };
    let signature_end = found.body_start.unwrap_or(found.span.end);
    let signature = one_line(&text[found.span.start..signature_end]);
    Definition {
        name,
        qualified,
        kind,
        outer_start: outer_start(text, leading, found.span.start),
        span: found.span,
        parent: parent.map(|(index, _)| index),
        container: found.container,
        local,
        signature,
        doc: String::new(),
    }
}

/// Walks up over the comments and attributes that end on the line before.
fn outer_start(text: &str, leading: &[Range<usize>], start: usize) -> usize {
    let mut outer = start;
    let mut next = leading.partition_point(|range| range.start < start);
    while next > 0 {
        next -= 1;
        let range = &leading[next];
        let end = range.start + text[range.clone()].trim_end().len();
        let adjacent = text.get(end..outer).is_some_and(|gap| {
            gap.chars().all(char::is_whitespace) && gap.bytes().filter(|&byte| byte == b'\n').count() <= 1
        });
        let line_start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        if !adjacent || !text[line_start..range.start].trim().is_empty() {
            break;
        }
        outer = range.start;
    }
    outer
}

/// Gives each piece of documentation to the definition below it, else to the innermost around it.
fn attach_docs(all: &mut [Definition], text: &str, docs: &[Range<usize>]) {
    for doc in docs {
        let after = all.partition_point(|item| item.span.start < doc.end);
        let below = all.get(after).filter(|item| item.outer_start <= doc.start).map(|_| after);
        let around = || {
            let mut index = after.checked_sub(1);
            while let Some(at) = index {
                if all[at].span.end >= doc.end {
                    return Some(at);
                }
                index = all[at].parent;
            }
            None
        };
        if let Some(owner) = below.or_else(around) {
            add_doc(&mut all[owner].doc, &text[doc.clone()]);
        }
    }
}

/// Adds documentation without comment markers and quotes.
fn add_doc(doc: &mut String, raw: &str) {
    let raw = raw.trim();
    let raw = raw.trim_start_matches(['r', 'R', 'b', 'u', 'f']).trim_matches(['"', '\'']);
    for line in raw.lines() {
        let line = line.trim().trim_start_matches("///").trim_start_matches("//!").trim_start_matches("/**");
        let line = line.trim_end_matches("*/").trim_start_matches("/*!").trim().trim_start_matches("* ");
        if line.is_empty() || doc.len() + line.len() > DOC_BYTES_MAX {
            continue;
        }
        if !doc.is_empty() {
            doc.push('\n');
        }
        doc.push_str(line);
    }
}

/// Text on one line with single spaces, cut at the bound for parts of a header.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > HEADER_PART_BYTES_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}
