//! Symbols in the protocol's form: of the whole workspace by name, and of one document as a tree.
//!
//! Refuses: reading anything; `app` finds them, and documents come from the loop.

use app::{OutlinedSymbol, SymbolPlace};
use serde_json::{Value, json};
use text::PositionEncoding;

use crate::uris::uri_of;

/// Symbols one answer holds.
pub(crate) const SYMBOLS_MAX: usize = 128;
/// Symbols of one document that are listed.
const OUTLINED_MAX: usize = 10_000;

/// One answer to `workspace/symbol`.
pub(crate) fn workspace_symbols(places: &[SymbolPlace], encoding: PositionEncoding) -> Value {
    let symbols = places.iter().filter_map(|SymbolPlace { path, symbol }| {
        let location = json!({ "uri": uri_of(path)?, "range": name_range(symbol, encoding) });
        let mut one = json!({ "name": symbol.name, "kind": kind_of(symbol.kind), "location": location });
        if !symbol.container.is_empty() {
            one["containerName"] = symbol.container.as_str().into();
        }
        Some(one)
    });
    symbols.collect()
}

/// One answer to `textDocument/documentSymbol`: a tree, or a flat list for clients that know no tree.
pub(crate) fn document_symbols(
    symbols: &[OutlinedSymbol],
    uri: &str,
    is_tree: bool,
    encoding: PositionEncoding,
) -> Value {
    let symbols = &symbols[..symbols.len().min(OUTLINED_MAX)];
    if is_tree {
        return nested(symbols, encoding);
    }
    let flat = symbols.iter().map(|symbol| {
        let location = json!({ "uri": uri, "range": whole_range(symbol) });
        json!({
            "name": symbol.name,
            "kind": kind_of(symbol.kind),
            "location": location,
            "containerName": symbol.container,
        })
    });
    flat.collect()
}

/// How deep symbols are shown below each other; the JSON of a deeper tree could exhaust the stack.
const NESTING_DEPTH_MAX: usize = 32;

/// Each symbol below the innermost one before it whose lines hold its own and more.
fn nested(symbols: &[OutlinedSymbol], encoding: PositionEncoding) -> Value {
    let mut top: Vec<Value> = Vec::new();
    // What is open, outermost first, with the lines of each.
    let mut open: Vec<((u32, u32), Value)> = Vec::new();
    for symbol in symbols {
        let lines = (symbol.start_line, symbol.end_line);
        let holds = |outer: (u32, u32)| outer.0 <= lines.0 && lines.1 <= outer.1 && outer != lines;
        while let Some((outer, _)) = open.last()
            && (!holds(*outer) || open.len() >= NESTING_DEPTH_MAX)
        {
            close(&mut open, &mut top);
        }
        let one = json!({
            "name": symbol.name,
            "detail": symbol.signature,
            "kind": kind_of(symbol.kind),
            "range": whole_range(symbol),
            "selectionRange": name_range(symbol, encoding),
            "children": [],
        });
        open.push((lines, one));
    }
    while !open.is_empty() {
        close(&mut open, &mut top);
    }
    top.into()
}

fn close(open: &mut Vec<((u32, u32), Value)>, top: &mut Vec<Value>) {
    let Some((_, done)) = open.pop() else { return };
    let parent = open.last_mut().and_then(|(_, parent)| parent["children"].as_array_mut());
    parent.unwrap_or(top).push(done);
}

/// The name itself.
fn name_range(symbol: &OutlinedSymbol, encoding: PositionEncoding) -> Value {
    let column = |end: usize| units(symbol.line.get(..end).unwrap_or_default(), encoding);
    let line = symbol.name_line.saturating_sub(1);
    let (start, end) = symbol.name_bytes;
    json!({ "start": { "line": line, "character": column(start) }, "end": { "line": line, "character": column(end) } })
}

/// All its lines, up to the first column of the next one.
fn whole_range(symbol: &OutlinedSymbol) -> Value {
    let start = json!({ "line": symbol.start_line.saturating_sub(1), "character": 0 });
    json!({ "start": start, "end": { "line": symbol.end_line, "character": 0 } })
}

fn units(text: &str, encoding: PositionEncoding) -> usize {
    match encoding {
        PositionEncoding::Utf8 => text.len(),
        PositionEncoding::Utf16 => text.encode_utf16().count(),
        PositionEncoding::Utf32 => text.chars().count(),
    }
}

/// The protocol's number for a kind of ours.
fn kind_of(kind: &str) -> u8 {
    match kind {
        "module" => 2,
        "namespace" => 3,
        "package" => 4,
        "class" | "type" | "union" => 5,
        "method" => 6,
        "property" => 7,
        "field" => 8,
        "constructor" => 9,
        "enum" => 10,
        "interface" | "trait" | "protocol" => 11,
        "constant" | "static" => 14,
        "section" => 15,
        "key" => 20,
        "variant" | "enum member" => 22,
        "struct" | "record" => 23,
        "operator" => 25,
        "variable" => 13,
        _ => 12,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "class A:\n    def é(self):\n        def inner():\n            pass\n\n    def b(self):\n        pass\n\ndef c():\n    pass\n";

    fn names(tree: &Value) -> String {
        let one = |symbol: &Value| {
            let children = names(&symbol["children"]);
            let below = if children.is_empty() { String::new() } else { format!("({children})") };
            format!("{}{below}", symbol["name"].as_str().expect("a name"))
        };
        tree.as_array().expect("a list").iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_document_is_a_tree() {
        let symbols = app::outline("a.py", TEXT).expect("Python is parsed");
        let tree = document_symbols(&symbols, "file:///a.py", true, PositionEncoding::Utf16);
        assert_eq!(names(&tree), "A(é(inner) b) c");
        let method = &tree[0]["children"][0];
        let expected = json!({ "start": { "line": 1, "character": 8 }, "end": { "line": 1, "character": 9 } });
        assert_eq!(method["selectionRange"], expected);
        let flat = document_symbols(&symbols, "file:///a.py", false, PositionEncoding::Utf8);
        assert_eq!(flat.as_array().map(Vec::len), Some(5));
        assert_eq!(flat[1]["containerName"], "A");
    }

    #[test]
    fn columns_are_the_clients() {
        let symbol = |name_bytes| OutlinedSymbol {
            name: "f".into(),
            container: String::new(),
            kind: "function",
            signature: String::new(),
            start_line: 1,
            end_line: 1,
            name_line: 1,
            line: "🦀 f".into(),
            name_bytes,
        };
        for (encoding, column) in
            [(PositionEncoding::Utf8, 5), (PositionEncoding::Utf16, 3), (PositionEncoding::Utf32, 2)]
        {
            assert_eq!(name_range(&symbol((5, 6)), encoding)["start"]["character"], column);
        }
    }
}
