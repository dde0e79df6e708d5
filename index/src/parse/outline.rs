//! The outline of one text: its symbols, references and imports, and whether it parses.
//!
//! Refuses: files. Callers pass the text they have, saved or not.

use std::ops::Range;

use tree_sitter::{Node, Query, QueryCursor, StreamingIterator, Tree};

use crate::files::lines::LineStarts;
use crate::parse::cut::Cutter;
use crate::parse::deadline::Deadline;
use crate::parse::inject::injected;
use crate::parse::language::{Language, language_in, language_of};

/// Errors, references and imports reported of one text.
const ITEMS_MAX: usize = 20_000;

/// The kind of what a query marks as no use of a name although another pattern takes it for one.
const NO_USE: &str = "none";

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Plain name.
    pub name: String,
    /// Name with those of the definitions around it.
    pub qualified: String,
    /// `function`, `method`, `class`, ...
    pub kind: &'static str,
    /// 1-based first line, with the comments and attributes that belong to it.
    pub start_line: u32,
    /// 1-based line on which it begins without them.
    pub line: u32,
    /// 1-based last line, inclusive.
    pub end_line: u32,
    /// The text up to the body, on one line.
    pub signature: String,
    /// Documentation without markers.
    pub doc: String,
}

/// A use of a name, or an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The name, or the path that is imported.
    pub name: String,
    /// `call`, `type`, `macro`, `implementation` or `import`.
    pub kind: &'static str,
    /// 1-based line.
    pub line: u32,
}

/// What a text defines and uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Definitions in order.
    pub symbols: Vec<Symbol>,
    /// Uses of names in order.
    pub references: Vec<Mention>,
    /// Imports in order.
    pub imports: Vec<Mention>,
}

/// The outline of a text, by the extension of its path; `None` for a language that is not parsed, or when parsing
/// took too long.
pub fn outline(path: &str, text: &str) -> Option<Outline> {
    let language = language_in(path, text)?;
    let mut cutter = Cutter::default();
    language.prepare();
    let deadline = Deadline::of_file();
    let tree = cutter.parse(language, text, deadline)?;
    let lines = LineStarts::of(text);
    let pieces = injected(&mut cutter, language, &tree, text, deadline);
    let symbols =
        cutter.definitions(language, &tree, &pieces, text, deadline).into_iter().filter(|item| !item.container);
    let symbols = symbols
        .map(|item| Symbol {
            start_line: lines.line_at(item.outer_start),
            line: lines.line_at(item.span.start),
            end_line: lines.line_at(item.span.end.saturating_sub(1)),
            name: item.name,
            qualified: item.qualified,
            kind: item.kind,
            signature: item.signature,
            doc: item.doc,
        })
        .collect();
    let inner = pieces.iter().map(|piece| (piece.language, piece.tree.root_node()));
    let trees: Vec<_> = std::iter::once((language, tree.root_node())).chain(inner).collect();
    let queries = |which: fn(&'static Language) -> &'static Query| {
        trees.iter().map(move |(language, root)| (which(language), *root))
    };
    Some(Outline {
        symbols,
        references: mentions(queries(Language::references), text, &lines),
        imports: mentions(queries(Language::imports), text, &lines),
    })
}

/// The name of the language of the file at `path`; `None` for what is not parsed.
pub fn language_name(path: &str) -> Option<&'static str> {
    language_of(path).map(|language| language.name)
}

/// What is known of how a text parses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntaxCheck {
    /// Its language is not parsed.
    NoGrammar,
    /// Parsing took too long.
    TimedOut,
    /// The bytes where it does not parse; none of them when it does.
    Errors(Vec<Range<usize>>),
}

/// Parses a text, by the extension of its path. An edit that adds no errors is sound as far as syntax goes.
pub fn check_syntax(path: &str, text: &str) -> SyntaxCheck {
    check_syntax_until(path, text, Deadline::of_file())
}

fn check_syntax_until(path: &str, text: &str, deadline: Deadline) -> SyntaxCheck {
    let Some(language) = language_in(path, text) else { return SyntaxCheck::NoGrammar };
    match Cutter::default().parse(language, text, deadline) {
        Some(tree) => SyntaxCheck::Errors(errors_of(&tree)),
        None => SyntaxCheck::TimedOut,
    }
}

fn errors_of(tree: &Tree) -> Vec<Range<usize>> {
    let mut errors = Vec::new();
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        if node.is_error() || node.is_missing() {
            errors.push(node.byte_range());
        }
        let deeper = node.has_error() && !node.is_error() && errors.len() < ITEMS_MAX && cursor.goto_first_child();
        while !deeper && !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return errors;
            }
        }
        if deeper {
            continue;
        }
    }
}

/// What the queries find in the trees of one text, in order.
fn mentions<'t>(
    trees: impl Iterator<Item = (&'static Query, Node<'t>)>,
    text: &str,
    lines: &LineStarts,
) -> Vec<Mention> {
    let mut found = Vec::new();
    for (query, root) in trees {
        mentions_of_tree(query, root, text, &mut found);
    }
    // One use of a name is of one kind: the first by alphabet is also the most telling.
    found.sort_by_key(|(name, kind)| (name.start, name.end, *kind != NO_USE, *kind));
    found.dedup_by(|later, first| later.0 == first.0);
    found.retain(|(_, kind)| *kind != NO_USE);
    let mention = |(name, kind): (Range<usize>, &'static str)| Mention {
        line: lines.line_at(name.start),
        name: text[name].to_owned(),
        kind,
    };
    found.into_iter().map(mention).collect()
}

fn mentions_of_tree(
    query: &'static Query,
    root: Node<'_>,
    text: &str,
    found: &mut Vec<(Range<usize>, &'static str)>,
) {
    let names = query.capture_names();
    let mut cursor = QueryCursor::new();
    let mut matches = cursor.matches(query, root, text.as_bytes());
    while let Some(one) = matches.next() {
        let mut kind = None;
        let mut name = None;
        for capture in one.captures() {
            match names[capture.index as usize] {
                "name" | "path" => name = Some(capture.node.byte_range()),
                "import" => kind = Some("import"),
                other => kind = other.strip_prefix("reference.").or(kind),
            }
        }
        if let (Some(kind), Some(name)) = (kind, name) {
            found.push((name, kind));
        }
        if found.len() >= ITEMS_MAX {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_takes_too_long_is_not_said_to_parse() {
        let long = "x = 1\n".repeat(100_000);
        assert_eq!(check_syntax_until("a.py", &long, Deadline::after(Duration::ZERO)), SyntaxCheck::TimedOut);
        assert_eq!(check_syntax_until("a.txt", &long, Deadline::after(Duration::ZERO)), SyntaxCheck::NoGrammar);
    }
}
