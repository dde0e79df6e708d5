//! A text that is being edited -> its chunks, from those of the version before: the tree is parsed again only where the
//! text changed, and the queries run only there.
//!
//! Refuses: to differ from [`Cutter::cut`], but for one case: in a large text that does not parse, errors may be mended
//! in another way than from scratch, so that chunks may end elsewhere until it parses again. What costs little (joining
//! names, merging nodes into chunks, hashes) is done anew for the whole text, so that nothing has to be kept in step.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use tree_sitter::{Node, Tree};

use crate::files::lines::{LineStarts, with_newlines};
use crate::limits::FILE_BYTES_MAX;
use crate::parse::changes::Changes;
use crate::parse::cut::{Chunk, Cutter, code_chunks, cut_prose, mostly_broken, unless_it_panics};
use crate::parse::deadline::Deadline;
use crate::parse::language::{Language, is_notebook, language_in};
use crate::parse::symbols::{Captured, Doc, assemble, capture};
use crate::parse::terms::Terms;

/// Smaller texts are parsed anew: that takes a few milliseconds and is exact also where the text does not parse.
const INCREMENTAL_BYTES_MIN: usize = 16 << 10;
/// Siblings on each side of a change that are queried again: patterns of neighbours are no longer than this.
const NEIGHBOURS: usize = 2;
/// A node that holds a change is entered to query only a part of it when it is larger than this, in bytes.
const WHOLE_BYTES_MAX: usize = 1 << 10;
/// Nodes inside each other that are entered so.
const ENTER_DEPTH_MAX: usize = 8;
/// Rounds in which a region may grow to whole nodes of both trees; after that everything is queried.
const GROW_ROUNDS_MAX: usize = 16;
/// Places that are queried again one by one; more are queried as one.
const REGIONS_MAX: usize = 64;

/// One version of a text with its chunks.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The text.
    pub(crate) text: Arc<str>,
    /// Its chunks; none when it is over the limit for files.
    pub(crate) chunks: Vec<Chunk>,
    /// The words of each chunk.
    pub(crate) terms: Vec<Terms>,
    syntax: Option<Syntax>,
}

/// What the next version is made from.
struct Syntax {
    language: &'static Language,
    tree: Tree,
    captured: Captured,
}

impl std::fmt::Debug for Syntax {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Syntax").finish_non_exhaustive()
    }
}

impl Parsed {
    /// Cuts a text; `before` is an earlier version of the same file, if one is known. What is not parsed at `until`, and
    /// what makes a parser panic, becomes windows.
    pub(crate) fn new(path: &str, text: Arc<str>, before: Option<&Self>, until: Instant) -> Self {
        if text.len() as u64 > FILE_BYTES_MAX {
            return Self { text, chunks: Vec::new(), terms: Vec::new(), syntax: None };
        }
        let parsed = (Instant::now() < until)
            .then(|| unless_it_panics(path, || Self::by_syntax(path, &text, before, until)))
            .flatten();
        parsed.unwrap_or_else(|| {
            let chunks = cut_prose(path, &with_newlines(&text), &LineStarts::of(&text));
            let terms = terms(path, &text, &chunks, None);
            Self { text, chunks, terms, syntax: None }
        })
    }

    fn by_syntax(path: &str, whole: &Arc<str>, before: Option<&Self>, until: Instant) -> Self {
        let text = &*with_newlines(whole);
        let lines = LineStarts::of(text);
        let mut syntax = None;
        let chunks = match language_in(path, text) {
            // What holds other languages is cut anew.
            _ if is_notebook(path) => Cutter::until(until).cut(path, text),
            Some(language) if language.injections().is_some() => Cutter::until(until).cut(path, text),
            Some(language) => {
                syntax = Syntax::new(language, text, before, until);
                syntax
                    .as_ref()
                    .and_then(|Syntax { tree, captured, .. }| {
                        let all = assemble(language.names_max, text, captured);
                        let sound = !all.is_empty() || !mostly_broken(tree, text.len());
                        sound.then(|| code_chunks(path, text, &lines, (tree, &[]), &all))
                    })
                    .unwrap_or_else(|| cut_prose(path, text, &lines))
            }
            None => cut_prose(path, text, &lines),
        };
        let terms = terms(path, text, &chunks, before);
        Self { text: whole.clone(), chunks, terms, syntax }
    }
}

/// The words of each chunk; those of a chunk that was there before are not counted again.
fn terms(path: &str, text: &str, chunks: &[Chunk], before: Option<&Parsed>) -> Vec<Terms> {
    let mut known: HashMap<[u8; 16], usize> = HashMap::new();
    if let Some(before) = before {
        known.extend(before.chunks.iter().enumerate().map(|(index, chunk)| (chunk.hash, index)));
    }
    let reuse = |chunk: &Chunk| {
        let (before, index) = (before?, *known.get(&chunk.hash)?);
        let old = &before.chunks[index];
        // The hash covers the text and the header; the rest may differ in the same text, such as a chunk's names.
        let same = old.names == chunk.names && old.context == chunk.context && old.doc == chunk.doc;
        same.then(|| before.terms[index].clone())
    };
    chunks.iter().map(|chunk| reuse(chunk).unwrap_or_else(|| Terms::of(path, chunk, text))).collect()
}

impl Syntax {
    /// Parses a text, from an earlier version where that is sound. `None` when it took too long.
    fn new(language: &'static Language, text: &str, before: Option<&Parsed>, until: Instant) -> Option<Self> {
        language.prepare();
        let mut cutter = Cutter::default();
        let deadline = Deadline::of_file_until(Some(until));
        if let Some(before) = before
            && let Some(known) = &before.syntax
            && std::ptr::eq(known.language, language)
            && !known.captured.cut_short
            && text.len() >= INCREMENTAL_BYTES_MIN
        {
            // As the tree before was made.
            let old = with_newlines(&before.text);
            let changes = Changes::between(&old, text);
            let mut edited = known.tree.clone();
            changes.edit(&mut edited, &old, text);
            let tree = cutter.parse_after(language, text, &edited, deadline)?;
            if let Some(regions) = regions(&edited, &tree, &changes) {
                let mut found = Captured::default();
                for (index, region) in regions.iter().enumerate() {
                    let mut here = Captured::default();
                    let part = Some(region.clone());
                    capture(language, tree.root_node(), text, &mut cutter.cursor, deadline, part, &mut here);
                    // What also lies in a region before this one was found there.
                    here.keep(|span| {
                        !outside(span, region) && regions[..index].iter().all(|one| outside(span, one))
                    });
                    found.append(here);
                }
                if !found.cut_short {
                    let captured = merged(&known.captured, found, &regions, &changes);
                    return Some(Self { language, tree, captured });
                }
            }
            let mut captured = Captured::default();
            capture(language, tree.root_node(), text, &mut cutter.cursor, deadline, None, &mut captured);
            captured.sort();
            return Some(Self { language, tree, captured });
        }
        let tree = cutter.parse(language, text, deadline)?;
        let mut captured = Captured::default();
        capture(language, tree.root_node(), text, &mut cutter.cursor, deadline, None, &mut captured);
        captured.sort();
        Some(Self { language, tree, captured })
    }
}

/// The parts of the new text in which captures may differ, in order and apart from each other: the changes and all that
/// is parsed in another way since, each widened to whole nodes with their neighbours. `None` when that cannot be told.
fn regions(old: &Tree, new: &Tree, changes: &Changes) -> Option<Vec<Range<usize>>> {
    let reparsed = old.changed_ranges(new).map(|range| range.start_byte..range.end_byte);
    let mut hulls = joined(changes.new_ranges().chain(reparsed).collect());
    if hulls.len() > REGIONS_MAX {
        hulls[0].end = hulls.last()?.end;
        hulls.truncate(1);
    }
    Some(joined(hulls.iter().map(|hull| region(old, new, hull)).collect::<Option<_>>()?))
}

/// Ranges in order, with those that overlap or touch made one.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

/// One part, widened.
fn region(old: &Tree, new: &Tree, hull: &Range<usize>) -> Option<Range<usize>> {
    let (mut old_node, mut new_node) = (old.root_node(), new.root_node());
    for _ in 0..ENTER_DEPTH_MAX {
        let (Some(a), Some(b)) = (holder(old_node, hull), holder(new_node, hull)) else { break };
        // Only through nodes that are the same before and after.
        if a.kind_id() != b.kind_id() || a.byte_range() != b.byte_range() {
            break;
        }
        (old_node, new_node) = (a, b);
    }
    let (old, new) = (spans(old_node), spans(new_node));
    let mut region = hull.clone();
    for children in [&old, &new] {
        let first = children.partition_point(|child| child.end < hull.start).saturating_sub(NEIGHBOURS);
        let after = children.partition_point(|child| child.start <= hull.end).saturating_add(NEIGHBOURS);
        if let (Some(first), Some(last)) =
            (children.get(first), children.get(after.min(children.len()).max(1) - 1))
        {
            region = region.start.min(first.start)..region.end.max(last.end);
        }
    }
    for _ in 0..GROW_ROUNDS_MAX {
        let grown = [&old, &new]
            .into_iter()
            .flatten()
            .filter(|child| !outside(child, &region))
            .fold(region.clone(), |region, child| region.start.min(child.start)..region.end.max(child.end));
        if grown == region {
            return (!region.is_empty()).then_some(region);
        }
        region = grown;
    }
    None
}

/// The large child in whose inside a change lies.
fn holder<'tree>(node: Node<'tree>, hull: &Range<usize>) -> Option<Node<'tree>> {
    let mut cursor = node.walk();
    cursor.goto_first_child_for_byte(hull.start)?;
    let child = cursor.node();
    let span = child.byte_range();
    let holds = span.start < hull.start && hull.end < span.end && span.len() > WHOLE_BYTES_MAX;
    (holds && !child.is_error()).then_some(child)
}

/// Where the children of a node lie, in order.
fn spans(node: Node<'_>) -> Vec<Range<usize>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).map(|child| child.byte_range()).collect()
}

fn outside(span: &Range<usize>, region: &Range<usize>) -> bool {
    span.end <= region.start || span.start >= region.end
}

/// What was captured before outside of all regions, moved to where it stands now, with what was captured in them.
fn merged(before: &Captured, found: Captured, regions: &[Range<usize>], changes: &Changes) -> Captured {
    let known: Vec<(Range<usize>, usize)> = regions.iter().map(|now| (changes.before(now), now.end)).collect();
    // The ends of the region before a span, in the old text and in the new one; `None` for what lies in a region.
    let place = |span: &Range<usize>| {
        let next = known.partition_point(|(region, _)| region.end <= span.start);
        if known.get(next).is_some_and(|(region, _)| region.start < span.end) {
            return None;
        }
        Some(next.checked_sub(1).map_or((0, 0), |last| (known[last].0.end, known[last].1)))
    };
    let moved = |span: &Range<usize>, (old, new): (usize, usize)| span.start - old + new..span.end - old + new;
    let leading = before.leading.iter().filter_map(|span| Some(moved(span, place(span)?)));
    let docs = before
        .docs
        .iter()
        .filter_map(|doc| Some(Doc { span: moved(&doc.span, place(&doc.span)?), only_below: doc.only_below }));
    let definitions = before.definitions.iter().filter_map(|one| {
        let by = place(&one.span)?;
        let at = |at: usize| at - by.0 + by.1;
        let mut one = one.clone();
        (one.span, one.name) = (moved(&one.span, by), moved(&one.name, by));
        one.body_start = one.body_start.map(at);
        one.plain_start = at(one.plain_start);
        one.owners.iter_mut().for_each(|owner| *owner = moved(owner, by));
        Some(one)
    });
    let mut captured = Captured {
        definitions: definitions.collect(),
        leading: leading.collect(),
        docs: docs.collect(),
        cut_short: false,
    };
    captured.append(found);
    captured.sort();
    captured
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::deadline::search_deadline;

    /// What an editing person may type or paste.
    const PIECES: [&str; 24] = [
        "x",
        " ",
        "\n",
        "    ",
        "(",
        ")",
        "{",
        "}",
        "\"",
        "'''",
        "\"\"\"",
        "#",
        "//",
        "/*",
        "*/",
        "é🦀",
        "\r\n",
        ":",
        "\n\ndef added(one, two):\n    \"\"\"Adds.\"\"\"\n    return one\n",
        "\nclass Added:\n    field = 1\n\n    def method(self):\n        pass\n",
        "\n/// Adds.\nfn added(one: u8) -> u8 {\n    one\n}\n",
        "\nimpl Added {\n    pub fn method(&self) {}\n}\n",
        "\n# comment\n",
        "\n@decorated\n",
    ];

    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % sides as u64) as usize
        }

        fn place(&mut self, text: &str) -> usize {
            let mut at = self.roll(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        }
    }

    /// One random edit.
    fn edit(dice: &mut Dice, text: &mut String) {
        let start = dice.place(text);
        match dice.roll(10) {
            0..=5 => text.insert_str(start, PIECES[dice.roll(PIECES.len())]),
            6 | 7 => {
                let length = dice.roll(12);
                let mut end = (start + length).min(text.len());
                while !text.is_char_boundary(end) {
                    end += 1;
                }
                text.replace_range(start..end, "");
            }
            8 => {
                // Whole lines, cut or moved elsewhere.
                let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
                let count = 1 + dice.roll(8);
                let end = text[line..].match_indices('\n').nth(count).map_or(text.len(), |(at, _)| line + at + 1);
                let lines: String = text.drain(line..end).collect();
                if dice.roll(2) == 0 {
                    let at = dice.place(text);
                    let at = text[..at].rfind('\n').map_or(0, |at| at + 1);
                    text.insert_str(at, &lines);
                }
            }
            _ => {
                let from = dice.place(text);
                let part: String = text[from..].chars().take(dice.roll(200)).collect();
                text.insert_str(start, &part);
            }
        }
    }

    /// An edit after which a text mostly parses as before: a letter in a word, or an empty line.
    fn edit_lightly(dice: &mut Dice, text: &mut String) {
        let at = dice.place(text);
        let in_word = |pair: &[u8]| pair.iter().all(u8::is_ascii_lowercase);
        match text.as_bytes()[at..].windows(2).position(in_word) {
            Some(letters) if dice.roll(2) == 0 => text.insert(at + letters + 1, 'x'),
            _ => {
                let line = text[at..].find('\n').map_or(text.len(), |line| at + line);
                text.insert(line, '\n');
            }
        }
    }

    /// Edits a text over and over; each version, cut from the one before, has the chunks of one cut from scratch.
    fn check(seed: u64, path: &str, sample: &str, rounds: usize) {
        let mut dice = Dice(seed);
        let (mut text, mut parses) = (sample.to_owned(), sample.to_owned());
        let mut cutter = Cutter::default();
        let mut parsed = Parsed::new(path, sample.into(), None, search_deadline());
        let mut sound = 0;
        for round in 0..rounds {
            edit(&mut dice, &mut text);
            // Some versions differ in several places.
            for _ in 0..[0, 0, 1, 3][dice.roll(4)] {
                edit_lightly(&mut dice, &mut text);
            }
            parsed = Parsed::new(path, text.as_str().into(), Some(&parsed), search_deadline());
            let expected = cutter.cut(path, &text);
            let broken = parsed.syntax.as_ref().is_some_and(|syntax| syntax.tree.root_node().has_error());
            if broken && text.len() >= INCREMENTAL_BYTES_MIN {
                let shown: String = parsed.chunks.iter().map(|chunk| &text[chunk.span.clone()]).collect();
                let blank = |text: &str| text.split_whitespace().collect::<String>();
                assert_eq!(
                    blank(&shown),
                    blank(&text),
                    "every word is in one chunk; {path}, seed {seed}, {round}"
                );
            } else {
                sound += 1;
                assert_eq!(parsed.chunks, expected, "{path}, seed {seed}, round {round}");
            }
            let counted: Vec<Terms> = parsed.chunks.iter().map(|chunk| Terms::of(path, chunk, &text)).collect();
            assert_eq!(parsed.terms, counted, "{path}, seed {seed}, round {round}");
            // A text that does not parse is mended soon, as one that stays broken tells little.
            if !broken && text.len() < 2 * sample.len() && dice.roll(2) == 0 {
                parses.clone_from(&text);
            } else if !broken || dice.roll(3) > 0 {
                text.clone_from(&parses);
            }
        }
        assert!(sound > rounds / 10, "{path}, seed {seed}: only {sound} texts parsed");
    }

    /// A text of at least `bytes`, made of copies.
    fn long(sample: &str, bytes: usize) -> String {
        sample.repeat(bytes.div_ceil(sample.len()))
    }

    #[test]
    fn any_sequence_of_edits_equals_a_cut_from_scratch() {
        let indented = |sample: &str| sample.replace('\n', "\n    ");
        let python = include_str!("../../../queries/python/sample.py");
        let rust = include_str!("../../../queries/rust/sample.rs");
        let bytes = INCREMENTAL_BYTES_MIN * 5 / 4;
        let nested = format!("class Outer:\n    {}\n\nafter = 1\n", indented(&long(python, bytes)));
        let inner = format!("/// Outer.\nmod outer {{\n{}}}\n\nfn after() {{}}\n", indented(&long(rust, bytes)));
        for seed in [0x9E37_79B9_7F4A_7C15, 42] {
            check(seed, "short.py", python, 60);
            check(seed, "long.py", &long(python, bytes), 60);
            check(seed, "nested.py", &nested, 40);
            check(seed, "long.rs", &long(rust, bytes), 60);
            check(seed, "nested.rs", &inner, 40);
            check(seed, "long.md", &long(include_str!("../../../queries/README.md"), bytes), 20);
            check(seed, "long.txt", &long("Words, and\r\nmore of them.\n\n", bytes), 20);
        }
    }
}
