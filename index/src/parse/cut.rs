//! One text -> chunks with their names and headers: by syntax where a grammar is known, else by [`prose`].
//!
//! Refuses: files, stores and scores. The same path and text always give the same chunks.
//!
//! [`prose`]: crate::parse::prose

use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tree_sitter::{ParseOptions, ParseState, Parser, QueryCursor, Tree};

use crate::files::lines::{LineStarts, with_newlines};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_NAMES_MAX};
use crate::parse::deadline::Deadline;
use crate::parse::inject::{Injected, injected};
use crate::parse::language::{Language, is_notebook, language_in};
use crate::parse::notebook::{self, CellPart};
use crate::parse::prose;
use crate::parse::split::split;
use crate::parse::symbols::{Definition, definitions, one_line};

/// A name that a chunk defines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name {
    /// The plain name.
    #[serde(rename = "n")]
    pub(crate) name: String,
    /// With the names around it.
    #[serde(rename = "q")]
    pub(crate) qualified: String,
    /// `function`, `class`, ...
    #[serde(rename = "k")]
    pub(crate) kind: String,
    /// Lines from the first one of the chunk to the first one of the definition.
    #[serde(rename = "l", default)]
    pub(crate) line: u32,
    /// Lines of the definition after its first; some may lie in later chunks.
    #[serde(rename = "m", default)]
    pub(crate) more_lines: u32,
}

impl Name {
    /// The name of a definition in a chunk whose first line is `chunk_line`.
    pub(crate) fn of(item: &Definition, chunk_line: u32, lines: &LineStarts) -> Self {
        let first = lines.line_at(item.span.start);
        Self {
            name: item.name.clone(),
            qualified: item.qualified.clone(),
            kind: item.kind.to_owned(),
            line: first.saturating_sub(chunk_line),
            more_lines: lines.line_at(item.span.end.saturating_sub(1)).saturating_sub(first),
        }
    }
}

/// A piece of a file, with everything that search knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Its bytes in the decoded text; no blank lines at either end.
    pub(crate) span: Range<usize>,
    /// 1-based first line.
    pub(crate) start_line: u32,
    /// 1-based last line, inclusive.
    pub(crate) end_line: u32,
    /// The definition it begins with or stands in.
    pub(crate) symbol: Option<String>,
    /// Kind of that definition, `section` for prose under a heading, or `text`.
    pub(crate) kind: String,
    /// Names it defines, in order.
    pub(crate) names: Vec<Name>,
    /// Enclosing symbols and signature: the header without the path.
    pub(crate) context: String,
    /// Documentation of the names it defines.
    pub(crate) doc: String,
    /// Hash of header and text.
    pub(crate) hash: [u8; 16],
}

/// Cuts texts; keeps a parser, so one of these serves a whole thread.
pub(crate) struct Cutter {
    parser: Parser,
    pub(crate) cursor: QueryCursor,
    /// No parse goes on after this, for somebody who waits.
    until: Option<Instant>,
    /// Whether the text that was cut last took too long, so that its syntax is not known, or not all of it.
    pub(crate) gave_up: bool,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { parser: Parser::new(), cursor: QueryCursor::new(), until: None, gave_up: false }
    }
}

impl Cutter {
    /// A cutter that takes windows instead of syntax once `until` is over.
    pub(crate) fn until(until: Instant) -> Self {
        Self { until: Some(until), ..Self::default() }
    }

    /// When a parse that starts now must be over.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::of_file_until(self.until)
    }

    /// The chunks of one text. Never fails: what cannot be parsed in time becomes windows.
    pub(crate) fn cut(&mut self, path: &str, text: &str) -> Vec<Chunk> {
        self.gave_up = false;
        let text = &*with_newlines(text);
        let lines = LineStarts::of(text);
        // A small text is parsed before the time is looked at, and many of them take long as well.
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return cut_prose(path, text, &lines);
        }
        if let Some(cells) = is_notebook(path).then(|| notebook::parts(self, text, self.deadline())).flatten() {
            return cells.into_iter().flat_map(|part| cell_chunks(path, text, &lines, part)).collect();
        }
        let chunks = language_in(path, text).and_then(|language| self.cut_code(language, path, text, &lines));
        chunks.unwrap_or_else(|| cut_prose(path, text, &lines))
    }

    /// The syntax tree of a text; `None` when parsing took too long.
    pub(crate) fn parse(&mut self, language: &Language, text: &str, deadline: Deadline) -> Option<Tree> {
        self.parse_as(language, text, None, None, deadline)
    }

    /// The same, from the tree of an earlier version that was told of the edits since.
    pub(crate) fn parse_after(
        &mut self,
        language: &Language,
        text: &str,
        before: &Tree,
        deadline: Deadline,
    ) -> Option<Tree> {
        self.parse_as(language, text, None, Some(before), deadline)
    }

    /// The tree of a part of the text only; offsets are those of the whole text.
    pub(crate) fn parse_range(
        &mut self,
        language: &Language,
        text: &str,
        part: Option<tree_sitter::Range>,
        deadline: Deadline,
    ) -> Option<Tree> {
        self.parse_as(language, text, part, None, deadline)
    }

    fn parse_as(
        &mut self,
        language: &Language,
        text: &str,
        part: Option<tree_sitter::Range>,
        before: Option<&Tree>,
        deadline: Deadline,
    ) -> Option<Tree> {
        self.parser.set_language(&language.grammar()).ok()?;
        self.parser.set_included_ranges(part.as_slice()).ok()?;
        let mut in_time = |_: &ParseState| {
            if deadline.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut in_time);
        let text = with_newlines(text);
        let bytes = text.as_bytes();
        let tree =
            self.parser.parse_with_options(&mut |at, _| &bytes[at.min(bytes.len())..], before, Some(options));
        if tree.is_none() {
            // A parser that was stopped would otherwise resume with the old text.
            self.parser.reset();
            self.gave_up = true;
        }
        tree
    }

    /// The definitions of a parsed text and of the pieces of other languages in it.
    pub(crate) fn definitions(
        &mut self,
        language: &'static Language,
        tree: &Tree,
        injected: &[Injected],
        text: &str,
        deadline: Deadline,
    ) -> Vec<Definition> {
        let inner = injected.iter().map(|piece| (piece.language, piece.tree.root_node()));
        let trees: Vec<_> = std::iter::once((language, tree.root_node())).chain(inner).collect();
        let found = definitions(&trees, text, &mut self.cursor, deadline);
        self.gave_up |= deadline.is_over();
        found
    }

    fn cut_code(
        &mut self,
        language: &'static Language,
        path: &str,
        text: &str,
        lines: &LineStarts,
    ) -> Option<Vec<Chunk>> {
        // The time of a file does not pay for queries that its language needs first.
        language.prepare();
        let deadline = self.deadline();
        let tree = self.parse(language, text, deadline)?;
        let injected = injected(self, language, &tree, text, deadline);
        let all = self.definitions(language, &tree, &injected, text, deadline);
        if all.is_empty() && mostly_broken(&tree, text.len()) {
            return None;
        }
        Some(code_chunks(path, text, lines, (&tree, &injected), &all))
    }
}

/// The chunks of a parsed text with these definitions.
pub(crate) fn code_chunks(
    path: &str,
    text: &str,
    lines: &LineStarts,
    (tree, injected): (&Tree, &[Injected]),
    all: &[Definition],
) -> Vec<Chunk> {
    let spans = split(tree, injected, text, all);
    spans.into_iter().filter_map(|span| code_chunk(path, text, lines, all, span)).collect()
}

/// What `cut` makes of the file at `path`; `None` where a parser panics, so that a search loses the syntax of this one
/// file and nothing else.
pub(crate) fn unless_it_panics<T>(path: &str, cut: impl FnOnce() -> T) -> Option<T> {
    let made = catch_unwind(AssertUnwindSafe(cut)).ok();
    if made.is_none() {
        tracing::warn!(path, "cutting a file into chunks panicked; it is cut into windows");
    }
    made
}

/// Whether so much of a tree is errors that its structure says nothing.
pub(crate) fn mostly_broken(tree: &Tree, bytes: usize) -> bool {
    let root = tree.root_node();
    if !root.has_error() {
        return false;
    }
    let mut cursor = root.walk();
    let broken: usize =
        root.children(&mut cursor).filter(tree_sitter::Node::is_error).map(|node| node.byte_range().len()).sum();
    root.is_error() || broken * 10 > bytes * 3
}

fn code_chunk(
    path: &str,
    text: &str,
    lines: &LineStarts,
    all: &[Definition],
    span: Range<usize>,
) -> Option<Chunk> {
    let span = trim(text, span)?;
    let first = all.partition_point(|item| item.span.start < span.start);
    let inside: Vec<usize> = (first..all.len()).take_while(|&index| all[index].span.start < span.end).collect();
    let around = enclosing(all, first, span.start);
    // A chunk that begins with leading comments of a definition is about that definition.
    let named = || inside.iter().copied().filter(|&index| !all[index].container);
    let opens = named().find(|&index| all[index].opens_chunk());
    // A chunk of nothing but leading comments is about what they lead to.
    let below = || all.get(first).filter(|item| item.outer_start < span.end).map(|_| first);
    let subject = match (named().next(), around) {
        (Some(index), Some(outer)) if !all[index].opens_chunk() && all[index].span.end <= all[outer].span.end => {
            Some(outer)
        }
        (Some(index), _) => opens.or(Some(index)),
        (None, outer) => inside.first().copied().or_else(below).or(outer),
    };
    let names: Vec<&Definition> = inside.iter().map(|&index| &all[index]).filter(|item| !item.container).collect();
    let mut doc = String::new();
    for item in names.iter().filter(|item| !item.doc.is_empty()) {
        doc.push_str(&item.doc);
        doc.push('\n');
    }
    let (start_line, end_line) = (lines.line_at(span.start), lines.line_at(span.end - 1));
    let names = names.into_iter().take(CHUNK_NAMES_MAX).map(|item| Name::of(item, start_line, lines)).collect();
    let subject = subject.map(|index| &all[index]);
    let context = subject.map(|item| context(all, item)).unwrap_or_default();
    let first_doc = subject.and_then(|item| item.doc.lines().next()).unwrap_or_default().to_owned();
    let symbol = subject.map(|item| item.qualified.clone());
    let kind = subject.map_or("text", |item| item.kind).to_owned();
    let hash = chunk_hash(&header(path, &context, &first_doc), &text[span.clone()]);
    Some(Chunk { span, start_line, end_line, symbol, kind, names, context, doc, hash })
}

/// The innermost definition that holds the byte at `at`; `before` is the first definition that starts at or after it.
fn enclosing(all: &[Definition], before: usize, at: usize) -> Option<usize> {
    let mut index = before.checked_sub(1);
    while let Some(candidate) = index {
        if all[candidate].span.end > at {
            return Some(candidate);
        }
        // Everything between a definition and its parent has ended before it as well.
        index = all[candidate].parent;
    }
    None
}

/// Enclosing symbols, then the signature.
fn context(all: &[Definition], item: &Definition) -> String {
    let mut parents = Vec::new();
    let mut next = item.parent;
    while let Some(index) = next {
        parents.push(all[index].name.as_str());
        next = all[index].parent;
    }
    parents.reverse();
    let mut context = parents.join(" > ");
    if !context.is_empty() {
        context.push_str(" > ");
    }
    context.push_str(&item.signature);
    context
}

/// The chunks of a text without a grammar.
pub(crate) fn cut_prose(path: &str, text: &str, lines: &LineStarts) -> Vec<Chunk> {
    let chunk = |piece: prose::Piece| {
        let span = trim(text, piece.span)?;
        let title = piece.headings.last().map(|title| one_line(title));
        let context = one_line(&piece.headings.join(" > "));
        let kind = if title.is_some() { "section" } else { "text" }.to_owned();
        let names = title.iter().filter(|_| piece.opens).map(|title| Name {
            name: title.clone(),
            qualified: title.clone(),
            kind: kind.clone(),
            line: 0,
            more_lines: 0,
        });
        let names = names.collect();
        let hash = chunk_hash(&header(path, &context, ""), &text[span.clone()]);
        let (start_line, end_line) = (lines.line_at(span.start), lines.line_at(span.end - 1));
        Some(Chunk { span, start_line, end_line, symbol: title, kind, names, context, doc: String::new(), hash })
    };
    prose::pieces(path, text).into_iter().filter_map(chunk).collect()
}

/// The chunks of a part of a notebook's cell; a string that is larger than a chunk gives several.
fn cell_chunks(path: &str, text: &str, lines: &LineStarts, part: CellPart) -> Vec<Chunk> {
    let CellPart { span, heading, definitions, code } = part;
    let spans = if span.len() > CHUNK_BYTES_MAX { prose::windows(text, span) } else { vec![span] };
    let subject = definitions.iter().find(|item| !item.container);
    let mut context = heading.clone().unwrap_or_default();
    if let Some(item) = subject {
        context.push_str(if context.is_empty() { "" } else { " > " });
        context.push_str(&item.signature);
    }
    let kind = subject.map_or(if code { "cell" } else { "section" }, |item| item.kind);
    let mut chunks = Vec::new();
    for span in spans.into_iter().filter_map(|span| trim(text, span)) {
        let first = chunks.is_empty();
        let names = definitions.iter().filter(|item| first && !item.container).take(CHUNK_NAMES_MAX);
        let docs = definitions.iter().filter(|item| first && !item.doc.is_empty());
        let doc: Vec<&str> = docs.map(|item| item.doc.as_str()).collect();
        let hash = chunk_hash(&header(path, &context, ""), &text[span.clone()]);
        let (start_line, end_line) = (lines.line_at(span.start), lines.line_at(span.end - 1));
        // Places in the code of a cell are none in the file, which holds it as JSON strings.
        let more_lines = end_line - start_line;
        let names = names.map(|item| Name { line: 0, more_lines, ..Name::of(item, start_line, lines) }).collect();
        let symbol = subject.map(|item| item.qualified.clone()).or_else(|| heading.clone());
        let (context, doc, kind) = (context.clone(), doc.join("\n"), kind.to_owned());
        chunks.push(Chunk { span, start_line, end_line, symbol, kind, names, context, doc, hash });
    }
    chunks
}

/// The header of a chunk: path > enclosing symbols > signature > first line of documentation.
fn header(path: &str, context: &str, first_doc: &str) -> String {
    let mut header = path.to_owned();
    for part in [context, first_doc] {
        if !part.is_empty() {
            header.push_str(" > ");
            header.push_str(part);
        }
    }
    header
}

pub(crate) fn chunk_hash(header: &str, text: &str) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header.as_bytes());
    hasher.update(&[0]);
    hasher.update(text.as_bytes());
    short_hash(&hasher.finalize())
}

/// The first half of a hash: plenty to tell texts of one workspace apart.
pub(crate) fn short_hash(hash: &blake3::Hash) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

/// Without blank lines at both ends; `None` when nothing is left.
fn trim(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let part = &text[span.clone()];
    let end = span.start + part.trim_end().len();
    let first = span.start + part.find(|letter: char| !letter.is_whitespace())?;
    // Indentation of the first line belongs to the chunk.
    let start = text[span.start..first].rfind(['\n', '\r']).map_or(span.start, |at| span.start + at + 1);
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::deadline::search_deadline;

    /// What cannot be parsed in time becomes windows, and the next text is parsed as ever.
    #[test]
    fn a_parse_that_takes_too_long_is_given_up() {
        let long = "def f():\n    return (1, 2, 3)\n\n".repeat(20_000);
        let language = language_in("a.py", &long).unwrap();
        let mut cutter = Cutter::default();
        assert!(cutter.parse(language, &long, Deadline::of_file_until(Some(Instant::now()))).is_none());
        assert!(cutter.gave_up);
        let windows = cut_prose("a.py", &long, &LineStarts::of(&long));
        assert!(windows.iter().all(|chunk| chunk.kind == "text" && chunk.span.len() <= CHUNK_BYTES_MAX));
        let held: usize = windows.iter().map(|chunk| chunk.span.len()).sum();
        assert!(held * 10 > long.len() * 9, "{held} of {} bytes", long.len());
        assert_eq!(cutter.cut("b.py", "def after():\n    pass\n")[0].names[0].name, "after");
        assert!(!cutter.gave_up, "the next text was not given up");
    }

    /// A text of an old Mac is cut as any other: a comment ends with its line, and lines are counted.
    #[test]
    fn lone_returns_end_lines() {
        for (path, text) in [
            ("a.py", "# about it\n\n\ndef one():\n    # inside\n    return 1\n\n\ndef two():\n    pass\n"),
            ("a.rs", "// about it\n\n/// Documented.\nfn one() {\n    // inside\n    f();\n}\n\nfn two() {}\n"),
            ("a.md", "# One\n\nWords.\n\n## Two\n\nMore words.\n"),
        ] {
            let cut = |text: &str| Cutter::default().cut(path, text);
            let about = |chunk: &Chunk| {
                let names: Vec<_> = chunk.names.iter().map(|name| (name.name.clone(), name.line)).collect();
                (chunk.span.clone(), chunk.start_line, chunk.end_line, names, chunk.doc.clone())
            };
            let expected: Vec<_> = cut(text).iter().map(about).collect();
            assert!(expected.iter().any(|(_, _, _, names, _)| !names.is_empty()), "{path}: {expected:?}");
            let old = text.replace('\n', "\r");
            assert_eq!(cut(&old).iter().map(about).collect::<Vec<_>>(), expected, "{path}");
        }
    }

    /// Somebody who waits no longer gets windows of any text, and one that makes a parser panic is no panic.
    #[test]
    fn a_late_text_is_windows() {
        let chunks = Cutter::until(Instant::now()).cut("a.py", "def f():\n    pass\n");
        assert_eq!(chunks.iter().map(|chunk| chunk.kind.as_str()).collect::<Vec<_>>(), ["text"]);
        assert_eq!(Cutter::until(search_deadline()).cut("a.py", "def f():\n    pass\n")[0].kind, "function");
        assert_eq!(unless_it_panics("a.py", || -> u8 { panic!("as a parser may") }), None);
        assert_eq!(unless_it_panics("a.py", || 1), Some(1));
    }

    #[test]
    fn a_name_that_is_too_long_is_known_by_its_beginning() {
        let text = format!(
            "def {}(one):\n    pass\n\n\ndef _{}():\n    pass\n",
            "long".repeat(100),
            "\u{e9}".repeat(200)
        );
        let chunks = Cutter::default().cut("a.py", &text);
        let names: Vec<&str> =
            chunks.iter().flat_map(|chunk| &chunk.names).map(|name| name.name.as_str()).collect();
        assert_eq!(names, ["long".repeat(60), format!("_{}", "\u{e9}".repeat(119))]);
    }

    /// Every sample, torn at many places: chunks stay in order, within their sizes, and on whole lines of the text.
    #[test]
    fn torn_samples_still_tile() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries");
        let mut cutter = Cutter::default();
        let mut seen = 0;
        for folder in
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
        {
            for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = file.file_name().unwrap().to_str().unwrap();
                if !name.starts_with("sample.") {
                    continue;
                }
                seen += 1;
                let whole = std::fs::read_to_string(&file).unwrap();
                for at in (0..whole.len()).step_by(331).filter(|&at| whole.is_char_boundary(at)) {
                    let torn = format!("{}{}", &whole[at..], &whole[..at]);
                    check_tiles(&mut cutter, name, &torn);
                    check_tiles(&mut cutter, name, &whole[at..]);
                }
            }
        }
        assert!(seen > 10);
    }

    fn check_tiles(cutter: &mut Cutter, name: &str, text: &str) {
        let chunks = cutter.cut(name, text);
        let mut end = 0;
        for chunk in &chunks {
            assert!(chunk.span.start >= end && !chunk.span.is_empty(), "{name}: {:?} after {end}", chunk.span);
            assert!(
                text[end..chunk.span.start].trim().is_empty(),
                "{name}: lost {:?}",
                &text[end..chunk.span.start]
            );
            assert!(chunk.span.len() <= 2 * CHUNK_BYTES_MAX, "{name}: {} bytes", chunk.span.len());
            let breaks = text[..chunk.span.start].matches('\n').count();
            assert_eq!(chunk.start_line as usize, breaks + 1, "{name}: lines");
            end = chunk.span.end;
        }
        assert!(text[end..].trim().is_empty(), "{name}: lost the end");
    }
}
