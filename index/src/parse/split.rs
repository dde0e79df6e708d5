//! Split then merge on a syntax tree: pieces that follow the code's own structure and stay within the sizes of
//! `limits`.
//!
//! Refuses: recursion; hostile files nest as deep as they like.

use std::ops::Range;

use tree_sitter::{Node, Tree};

use crate::limits::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_TARGET};
use crate::parse::inject::Injected;
use crate::parse::prose::windows;
use crate::parse::symbols::Definition;

/// A last piece smaller than this joins the piece before it, in bytes.
const REMNANT_BYTES_MAX: usize = 120;

/// The spans of the chunks of a parsed text, in order, without gaps.
pub(crate) fn split(
    tree: &Tree,
    injected: &[Injected],
    text: &str,
    definitions: &[Definition],
) -> Vec<Range<usize>> {
    let opening = definitions
        .iter()
        .filter(|d| d.opens_chunk())
        .map(|d| Opening { start: d.outer_start, large: d.span.end - d.outer_start > CHUNK_BYTES_MAX });
    let mut opening: Vec<Opening> = opening.collect();
    opening.sort_unstable_by_key(|opening| opening.start);
    let starts: Vec<usize> = definitions.iter().filter(|d| d.opens_chunk()).map(|d| d.span.start).collect();
    merge(text, &atoms(tree, injected, text, &starts), &opening)
}

/// Where a definition begins that opens a chunk.
struct Opening {
    start: usize,
    /// It does not fit one chunk: its head has to stay with the beginning of its body.
    large: bool,
}

/// The smallest nodes worth keeping whole, in order. `starts` are the starts of definitions that open chunks; pieces
/// of other languages are cut by their own trees.
fn atoms(tree: &Tree, injected: &[Injected], text: &str, starts: &[usize]) -> Vec<Range<usize>> {
    let mut atoms = Vec::new();
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        let keep = stays_whole(node, starts);
        if keep || !cursor.goto_first_child() {
            let span = node.byte_range();
            let piece = injected.iter().find(|piece| piece.span == span).filter(|_| !keep);
            if let Some(piece) = piece {
                atoms.extend(self::atoms(&piece.tree, &[], text, starts));
            } else if span.len() > CHUNK_BYTES_MAX {
                atoms.extend(windows(text, span));
            } else if !span.is_empty() {
                atoms.push(span);
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return atoms;
                }
            }
        }
    }
}

/// Small nodes stay whole, and definitions up to the maximum unless they are made of further ones.
fn stays_whole(node: Node<'_>, starts: &[usize]) -> bool {
    let span = node.byte_range();
    if span.len() <= CHUNK_BYTES_TARGET {
        return true;
    }
    let first = starts.partition_point(|&start| start < span.start);
    // The body of a definition that is too large follows its head in pieces.
    let definition = starts.get(first) == Some(&span.start);
    let inside = starts[first..].iter().take_while(|&&start| start < span.end).take(2).count();
    definition && span.len() <= CHUNK_BYTES_MAX && inside < 2
}

/// Joins neighbours up to the target size; a definition opens a new chunk once the one before it is large enough.
fn merge(text: &str, atoms: &[Range<usize>], opening: &[Opening]) -> Vec<Range<usize>> {
    let opened = |start: usize| {
        opening.binary_search_by_key(&start, |opening| opening.start).ok().map(|index| &opening[index])
    };
    let mut chunks: Vec<Range<usize>> = Vec::new();
    let mut current: Option<Range<usize>> = None;
    for atom in atoms {
        let Some(chunk) = current.as_mut() else {
            current = Some(atom.clone());
            continue;
        };
        let joined = atom.end - chunk.start;
        let opens = opened(atom.start);
        let small = chunk.len() < CHUNK_BYTES_MIN;
        let join = match opens {
            Some(opening) => {
                let small = if opening.large { chunk.len() < REMNANT_BYTES_MAX } else { small };
                small && joined <= CHUNK_BYTES_TARGET
            }
            None => joined <= CHUNK_BYTES_TARGET,
        };
        let join = join || (joined <= CHUNK_BYTES_MAX && closes(&text[atom.clone()]));
        // A signature or a short lead-in stays with the statement or definition that follows.
        let lead_in = small && !opens.is_some_and(|opening| opening.large);
        if join || (lead_in && joined <= CHUNK_BYTES_MAX) {
            chunk.end = chunk.end.max(atom.end);
        } else {
            chunks.push(chunk.clone());
            *chunk = atom.clone();
        }
    }
    if let Some(last) = current {
        let remnant = last.len() < REMNANT_BYTES_MAX && opened(last.start).is_none();
        match chunks.last_mut() {
            Some(before) if remnant && last.end - before.start <= CHUNK_BYTES_MAX => before.end = last.end,
            _ => chunks.push(last),
        }
    }
    snap(text, &mut chunks);
    chunks
}

/// Whether a node only closes what stands before it.
fn closes(node: &str) -> bool {
    node == "end" || (node.len() <= 3 && node.bytes().all(|byte| b")]};,>".contains(&byte)))
}

/// Moves each start back to the start of its line when only blanks stand before it, and closes gaps, so that
/// every byte that is no blank belongs to exactly one chunk.
fn snap(text: &str, chunks: &mut [Range<usize>]) {
    let mut previous_end = 0;
    for index in 0..chunks.len() {
        let start = chunks[index].start;
        let line = text[..start].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        chunks[index].start =
            if text[line..start].trim().is_empty() { line.max(previous_end) } else { previous_end };
        if index > 0 {
            let start = chunks[index].start;
            chunks[index - 1].end = start;
        }
        previous_end = chunks[index].end.max(chunks[index].start);
    }
    if let Some(last) = chunks.last_mut() {
        last.end = text.len();
    }
    if let Some(first) = chunks.first_mut() {
        first.start = 0;
    }
}

#[cfg(all(test, feature = "languages-web"))]
mod tests {
    use crate::limits::CHUNK_BYTES_MAX;
    use crate::parse::cut::Cutter;

    #[test]
    fn the_head_of_a_large_function_stays_with_its_body() {
        let parameters = "argument, ".repeat(30);
        let body = "  statement(argument)\n".repeat(107);
        assert!(body.len() < CHUNK_BYTES_MAX && body.len() + parameters.len() > CHUNK_BYTES_MAX);
        let text =
            format!("function small() {{\n  return 1\n}}\n\nfunction large(\n  {parameters}\n) {{\n{body}}}\n");
        let chunks = Cutter::default().cut("a.js", &text);
        let large = chunks.iter().find(|chunk| chunk.names.iter().any(|name| name.name == "large")).unwrap();
        assert!(text[large.span.clone()].contains("statement"), "{chunks:#?}");
        assert!(chunks.iter().all(|chunk| chunk.span.len() <= CHUNK_BYTES_MAX));
        assert!(chunks.iter().skip(1).all(|chunk| chunk.symbol.as_deref() == Some("large")), "{chunks:#?}");
    }
}
