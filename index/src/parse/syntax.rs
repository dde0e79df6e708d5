//! One text as a syntax tree that can be asked where its comments stand and which statement begins at a place.
//!
//! Refuses: names and chunks, which the outline and the cutter know, and any text that takes too long.

use std::ops::Range;
use std::time::{Duration, Instant};

use tree_sitter::{Node, Tree};

use crate::limits::{COMMENTS_MAX, SYNTAX_NODES_MAX};
use crate::parse::cut::Cutter;
use crate::parse::deadline::Deadline;
use crate::parse::inject::{Injected, injected};
use crate::parse::language::language_in;

/// Kinds of comments whose name does not say so.
const OTHER_COMMENTS: [&str; 2] = ["haddock", "marginalia"];

/// In the names of what holds statements and begins with the first of them.
const ROWS: [&str; 7] = ["block", "body", "chunk", "declarations", "statement_list", "statements", "then"];

/// A parsed text; its offsets are those of that text.
pub struct Syntax {
    tree: Tree,
    pieces: Vec<Injected>,
}

impl Syntax {
    /// Parses a text, by the extension of its path; `None` for a language that is not parsed, or when it takes longer
    /// than `limit`.
    #[must_use]
    pub fn parse(path: &str, text: &str, limit: Duration) -> Option<Self> {
        let language = language_in(path, text)?;
        let deadline = Deadline::of_file_until(Some(Instant::now() + limit));
        let mut cutter = Cutter::default();
        let tree = cutter.parse(language, text, deadline)?;
        let pieces = injected(&mut cutter, language, &tree, text, deadline);
        Some(Self { tree, pieces })
    }

    /// The bytes of the comments, in order; those of a very large text are not all looked for. Some grammars count the
    /// line break behind a comment in. Braces that hold nothing but a comment, as JSX has them, belong to it.
    #[must_use]
    pub fn comments(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for tree in std::iter::once(&self.tree).chain(self.pieces.iter().map(|piece| &piece.tree)) {
            comments_of(tree, &mut found);
        }
        found.sort_by_key(|bytes| (bytes.start, bytes.end));
        // What a page takes for a comment may hold pieces that have some.
        found.dedup_by(|later, first| later.start < first.end);
        found
    }

    /// The bytes of the statement that begins at byte `at`: the largest part that begins there and is not a row of
    /// several.
    #[must_use]
    pub fn statement_at(&self, at: usize) -> Option<Range<usize>> {
        let piece = self.pieces.iter().find(|piece| piece.span.contains(&at));
        let root = piece.map_or(&self.tree, |piece| &piece.tree).root_node();
        let mut node = root.descendant_for_byte_range(at, at + 1)?;
        if node.start_byte() != at {
            return None;
        }
        while let Some(parent) = node.parent() {
            if parent.start_byte() != at || parent == root || (is_row(parent) && is_first_of_several(node)) {
                break;
            }
            node = parent;
        }
        Some(node.byte_range())
    }
}

fn is_row(node: Node<'_>) -> bool {
    ROWS.iter().any(|row| node.kind().contains(row))
}

/// Whether the next one stands below, as far in.
fn is_first_of_several(node: Node<'_>) -> bool {
    let mut next = node.next_named_sibling();
    while let Some(sibling) = next.filter(|sibling| is_comment(sibling.kind())) {
        next = sibling.next_named_sibling();
    }
    next.is_some_and(|next| {
        let (end, start) = (node.end_position(), next.start_position());
        start.row > end.row && start.column == node.start_position().column
    })
}

fn is_comment(kind: &str) -> bool {
    kind.contains("comment") || OTHER_COMMENTS.contains(&kind)
}

/// The braces of JSX around a comment that is all they hold.
fn in_braces(comment: Node<'_>) -> Option<Node<'_>> {
    comment.parent().filter(|parent| parent.kind() == "jsx_expression" && parent.named_child_count() == 1)
}

fn comments_of(tree: &Tree, found: &mut Vec<Range<usize>>) {
    let mut cursor = tree.walk();
    let mut left = SYNTAX_NODES_MAX;
    loop {
        let node = cursor.node();
        let comment = node.is_named() && is_comment(node.kind());
        if comment {
            found.push(in_braces(node).unwrap_or(node).byte_range());
        }
        left -= 1;
        if left == 0 || found.len() >= COMMENTS_MAX {
            return;
        }
        if !comment && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(path: &str, text: &str) -> Vec<String> {
        let syntax = Syntax::parse(path, text, Duration::from_secs(60)).expect("a language with a grammar");
        syntax.comments().into_iter().map(|bytes| text[bytes].trim_end().to_owned()).collect()
    }

    fn statement<'t>(path: &str, text: &'t str, begins: &str) -> &'t str {
        let syntax = Syntax::parse(path, text, Duration::from_secs(60)).expect("a language with a grammar");
        syntax.statement_at(text.find(begins).expect("it is there")).map_or("", |bytes| &text[bytes])
    }

    #[test]
    fn strings_hold_no_comments() {
        assert_eq!(comments("a.py", "x = '# no'  # yes\n\"\"\"\n# no\n\"\"\"\n"), ["# yes"]);
        assert_eq!(comments("a.rs", "/// doc\nfn f() {\n    g(\"// no\"); // yes\n}\n"), ["/// doc", "// yes"]);
        assert!(Syntax::parse("a.unknown", "# x\n", Duration::from_secs(60)).is_none());
    }

    #[test]
    fn a_statement_is_the_largest_part_that_begins_there() {
        let code = "def f(x):\n    if x:\n        a()\n    else:\n        b()\n    c()\n";
        assert_eq!(statement("a.py", code, "if x"), "if x:\n        a()\n    else:\n        b()");
        assert_eq!(statement("a.py", code, "c()"), "c()");
        assert_eq!(statement("a.py", code, "a()"), "a()");
        assert_eq!(
            statement("a.rs", "fn f() {\n    a()\n        .b();\n    c();\n}\n", "a()"),
            "a()\n        .b();"
        );
        assert_eq!(statement("a.py", code, "f(x"), "f");
        assert_eq!(statement("a.py", code, " if x"), "");
    }

    #[cfg(feature = "languages-web")]
    #[test]
    fn pages_hold_comments_of_other_languages() {
        let page = "<!-- one -->\n<script>\n// two\nlet a = '// no';\n</script>\n<style>\n/* three */\n</style>\n";
        assert_eq!(comments("a.html", page), ["<!-- one -->", "// two", "/* three */"]);
        assert_eq!(statement("a.html", page, "let a"), "let a = '// no';");
    }

    /// Each language's sample has comments, and each is found whole.
    #[test]
    fn every_language_has_comments() {
        let queries = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries");
        let mut seen = 0;
        for folder in std::fs::read_dir(queries).expect("queries is a room") {
            let Ok(files) = std::fs::read_dir(folder.expect("readable").path()) else { continue };
            let sample = files.map(|file| file.expect("readable").path());
            for sample in sample.filter(|file| file.file_stem().is_some_and(|stem| stem == "sample")) {
                let text = std::fs::read_to_string(&sample).expect("it is text");
                let path = sample.to_str().expect("a path");
                let Some(syntax) = Syntax::parse(path, &text, Duration::from_secs(60)) else { continue };
                let found = syntax.comments();
                let marks = ["//", "/*", "#", "--", "{-", "<!--", "=begin"];
                assert!(!found.is_empty() || path.ends_with(".json"), "{path}");
                for bytes in found {
                    let comment = &text[bytes];
                    assert!(marks.iter().any(|mark| comment.starts_with(mark)), "{path}: {comment}");
                }
                seen += 1;
            }
        }
        assert!(seen > 1, "only {seen} samples were looked at");
    }
}
