//! Jupyter notebooks: the lines of the file that hold the source of a cell are chunks; outputs and settings are not.
//!
//! A chunk's text stays the file's own, escapes and all, so that what is shown is what is on disk; names and headings
//! are read from the cell as its author wrote it. Refuses: to show a notebook as anything but its file.

use std::ops::Range;

use tree_sitter::Node;

use crate::limits::{CELLS_MAX, CHUNK_BYTES_MAX, CHUNK_BYTES_TARGET};
use crate::parse::cut::Cutter;
use crate::parse::deadline::Deadline;
use crate::parse::language::{Language, named};
use crate::parse::symbols::{Definition, one_line};

/// A run of lines of one cell.
pub(crate) struct CellPart {
    /// Its bytes in the file: whole JSON strings.
    pub(crate) span: Range<usize>,
    /// The last heading of the text cells before it, or its own.
    pub(crate) heading: Option<String>,
    /// What it defines, with spans of the cell's own text.
    pub(crate) definitions: Vec<Definition>,
    /// Code rather than prose.
    pub(crate) code: bool,
}

/// One cell: its strings in the file and where each begins in the text that they make.
struct Cell {
    code: bool,
    /// Bytes in the file, and the offset in `source` at which the string's content begins.
    lines: Vec<(Range<usize>, usize)>,
    source: String,
}

/// The parts of a notebook's cells; `None` for what is no notebook or took too long.
pub(crate) fn parts(cutter: &mut Cutter, text: &str, deadline: Deadline) -> Option<Vec<CellPart>> {
    let json = named("json")?;
    let tree = cutter.parse(json, text, deadline)?;
    let top = tree.root_node().named_child(0).filter(|node| node.kind() == "object")?;
    let language = value_of(top, "metadata", text)
        .and_then(|metadata| value_of(metadata, "kernelspec", text))
        .and_then(|kernel| value_of(kernel, "language", text))
        .and_then(|name| named(&unescaped(&text[name.byte_range()]).to_lowercase()))
        .or_else(|| named("python"))?;
    language.prepare();
    let cells = value_of(top, "cells", text)?;
    let mut parts = Vec::new();
    let mut heading = None;
    let mut cursor = cells.walk();
    for cell in cells.named_children(&mut cursor).take(CELLS_MAX) {
        let Some(cell) = read_cell(cell, text) else { continue };
        if !cell.code {
            let title = cell.source.lines().find(|line| line.starts_with('#'));
            heading = title.map(|title| one_line(title.trim_start_matches('#').trim())).or(heading);
        }
        parts.extend(cell.parts(cutter, language, heading.as_ref(), deadline));
    }
    Some(parts)
}

/// The value of a key of a JSON object.
fn value_of<'t>(object: Node<'t>, key: &str, text: &str) -> Option<Node<'t>> {
    let mut cursor = object.walk();
    let pair = object.named_children(&mut cursor).find(|pair| {
        pair.child_by_field_name("key").is_some_and(|it| text[it.byte_range()].trim_matches('"') == key)
    });
    pair.and_then(|pair| pair.child_by_field_name("value"))
}

fn read_cell(cell: Node<'_>, text: &str) -> Option<Cell> {
    let kind = value_of(cell, "cell_type", text)?;
    let value = value_of(cell, "source", text)?;
    let mut cursor = value.walk();
    let strings: Vec<Node<'_>> = match value.kind() {
        "string" => vec![value],
        _ => value.named_children(&mut cursor).filter(|node| node.kind() == "string").collect(),
    };
    let mut source = String::new();
    let mut lines = Vec::with_capacity(strings.len());
    for string in strings {
        lines.push((string.byte_range(), source.len()));
        source.push_str(&unescaped(&text[string.byte_range()]));
    }
    (!source.trim().is_empty()).then(|| Cell { code: text[kind.byte_range()].contains("code"), lines, source })
}

/// The content of a JSON string; the raw text of one that is broken.
fn unescaped(string: &str) -> String {
    serde_json::from_str(string).unwrap_or_else(|_| string.trim_matches('"').to_owned())
}

impl Cell {
    fn parts(
        &self,
        cutter: &mut Cutter,
        language: &'static Language,
        heading: Option<&String>,
        deadline: Deadline,
    ) -> Vec<CellPart> {
        let definitions = if self.code { self.definitions(cutter, language, deadline) } else { Vec::new() };
        let mut parts: Vec<CellPart> = Vec::new();
        let mut names = definitions.into_iter().peekable();
        let mut first = 0;
        for index in 0..self.lines.len() {
            let bytes = self.lines[index].0.end - self.lines[first].0.start;
            let next = self.lines.get(index + 1);
            let full = next.is_some_and(|(string, _)| string.end - self.lines[first].0.start > CHUNK_BYTES_MAX)
                || (next.is_some() && bytes > CHUNK_BYTES_TARGET && self.starts_block(index + 1));
            if next.is_some() && !full {
                continue;
            }
            let end = next.map_or(self.source.len(), |(_, offset)| *offset);
            let mut inside = Vec::new();
            while let Some(item) = names.next_if(|item| item.span.start < end) {
                inside.push(item);
            }
            parts.push(CellPart {
                span: self.lines[first].0.start..self.lines[index].0.end,
                heading: heading.cloned(),
                definitions: inside,
                code: self.code,
            });
            first = index + 1;
        }
        parts
    }

    /// Whether the line at `index` begins something at the left edge.
    fn starts_block(&self, index: usize) -> bool {
        let line = &self.source[self.lines[index].1..];
        line.starts_with(|letter: char| !letter.is_whitespace() && !matches!(letter, ')' | ']' | '}'))
    }

    fn definitions(
        &self,
        cutter: &mut Cutter,
        language: &'static Language,
        deadline: Deadline,
    ) -> Vec<Definition> {
        // Commands of the notebook (`%timeit`, `!pip`) are no code.
        let source: String =
            self.source
                .split_inclusive('\n')
                .map(|line| {
                    if line.starts_with(['%', '!']) { line.replacen(['%', '!'], "#", 1) } else { line.to_owned() }
                })
                .collect();
        match cutter.parse(language, &source, deadline) {
            Some(tree) => cutter.definitions(language, &tree, &[], &source, deadline),
            None => Vec::new(),
        }
    }
}

#[cfg(all(test, feature = "languages-data"))]
mod tests {
    use crate::parse::cut::Cutter;

    #[test]
    fn cells_are_chunks_with_the_lines_of_the_file() {
        let text = "{\n \"cells\": [\n  {\n   \"cell_type\": \"markdown\",\n   \"source\": [\n    \"# Prices\\n\",\n    \"What things \
                    cost.\"\n   ]\n  },\n  {\n   \"cell_type\": \"code\",\n   \"outputs\": [\"iVBORw0KGgo\"],\n   \"source\": [\n    \
                    \"%matplotlib inline\\n\",\n    \"def total(basket):\\n\",\n    \"    return \\\"sum\\\"\"\n   ]\n  },\n  \
                    {\"cell_type\": \"code\", \"source\": []}\n ]\n}\n";
        let chunks = Cutter::default().cut("a.ipynb", text);
        let seen: Vec<_> = chunks
            .iter()
            .map(|chunk| (chunk.start_line, chunk.end_line, chunk.kind.as_str(), chunk.context.as_str()))
            .collect();
        assert_eq!(seen, [(6, 7, "section", "Prices"), (14, 16, "function", "Prices > def total(basket):")]);
        assert_eq!(chunks[1].names[0].name, "total");
        assert!(chunks.iter().all(|chunk| !text[chunk.span.clone()].contains("iVBOR")));
        // What is no notebook is still text.
        assert_eq!(Cutter::default().cut("b.ipynb", "plain words\n").len(), 1);
        assert_eq!(Cutter::default().cut("c.ipynb", "{\"cells\": [[], {\"source\": 1}, null]}\n").len(), 0);
    }
}
