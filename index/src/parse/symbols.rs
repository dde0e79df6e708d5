//! What a syntax tree defines: names, kinds, qualified names, signatures, documentation, extents.
//!
//! Refuses: to know a language; the queries in `queries/` say what a definition is.

use std::ops::{ControlFlow, Range};

use tree_sitter::{Node, QueryCursor, QueryCursorOptions, QueryCursorState, StreamingIterator};

use crate::limits::{BODY_STEPS_MAX, DECLARATORS_MAX, HEADER_PART_BYTES_MAX, SYMBOLS_MAX};
use crate::parse::deadline::Deadline;
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
    /// Covers more than one line.
    several_lines: bool,
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
        !self.local && self.several_lines && !matches!(self.kind, "attribute" | "constant" | "variable")
    }
}

/// The definitions of a file's trees in order of their start, the wider first. Stops at `deadline` with what it has.
pub(crate) fn definitions(
    trees: &[(&'static Language, Node<'_>)],
    text: &str,
    cursor: &mut QueryCursor,
    deadline: Deadline,
) -> Vec<Definition> {
    let mut captured = Captured::default();
    for (language, root) in trees {
        capture(language, *root, text, cursor, deadline, None, &mut captured);
    }
    captured.sort();
    // A file counts as one of its outer language.
    let names_max = trees.first().map_or(SYMBOLS_MAX, |(language, _)| language.names_max);
    assemble(names_max, text, &captured)
}

/// The definitions that sorted captures make: names joined to those around them, signatures, documentation; at most
/// `names_max`.
pub(crate) fn assemble(names_max: usize, text: &str, captured: &Captured) -> Vec<Definition> {
    let mut found = keep_widest(captured.definitions.clone());
    if found.len() > names_max {
        found.sort_by_key(|item| (usize::MAX - item.span.len(), item.span.start));
        found.truncate(names_max);
    }
    for item in &mut found {
        item.span.end = last_end(text, &captured.leading, &item.span);
    }
    found.sort_by_key(|item| (item.span.start, usize::MAX - item.span.end, item.name.start));
    let mut all: Vec<Definition> = Vec::with_capacity(found.len());
    let mut open: Vec<usize> = Vec::new();
    for item in found {
        // Two names of one statement stand beside each other, not one inside the other.
        let mut before = None;
        while open.last().is_some_and(|&index| all[index].span.end < item.span.end || all[index].span == item.span)
        {
            before = open.pop();
        }
        let parent = open.last().copied();
        if item.clause
            && let Some(first) = before
            && all[first].kind == item.kind
            && all[first].name == text[item.name.clone()]
        {
            all[first].span.end = item.span.end;
            all[first].several_lines = true;
            open.push(first);
            continue;
        }
        open.push(all.len());
        all.push(finish(text, &captured.leading, item, parent.map(|index| (index, &all[index]))));
    }
    attach_docs(&mut all, text, &captured.docs);
    all
}

/// Where a definition ends without blanks and without whole lines of comment behind it: where indentation closes a
/// body, some grammars count what stands before the next definition as part of this one.
fn last_end(text: &str, leading: &[Range<usize>], span: &Range<usize>) -> usize {
    let trimmed = |end: usize| span.start + text[span.start..end].trim_end().len();
    let mut end = trimmed(span.end);
    let mut next = leading.partition_point(|range| range.end <= span.end.max(end));
    while next > 0 {
        next -= 1;
        let range = &leading[next];
        let line_start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let behind = range.start > span.start && range.start < end && trimmed(range.end.min(span.end)) == end;
        if !behind || line_start <= span.start || !text[line_start..range.start].trim().is_empty() {
            break;
        }
        end = trimmed(range.start);
    }
    end
}

/// A definition as captured.
#[derive(Clone)]
pub(crate) struct Found {
    kind: &'static str,
    pub(crate) span: Range<usize>,
    pub(crate) name: Range<usize>,
    /// What the name belongs to, where that does not stand around the definition in the tree.
    pub(crate) owners: Vec<Range<usize>>,
    pub(crate) body_start: Option<usize>,
    /// Where it begins without attributes.
    pub(crate) plain_start: usize,
    pattern: usize,
    container: bool,
    /// Joins the definition of the same name right before it.
    clause: bool,
    language: &'static Language,
}

/// A piece of documentation.
#[derive(Clone)]
pub(crate) struct Doc {
    pub(crate) span: Range<usize>,
    /// It belongs to the definition right below it or to none.
    pub(crate) only_below: bool,
}

/// What the queries of a language capture in a text.
#[derive(Default)]
pub(crate) struct Captured {
    pub(crate) definitions: Vec<Found>,
    pub(crate) leading: Vec<Range<usize>>,
    pub(crate) docs: Vec<Doc>,
    /// Ended by a bound, so that some of it is missing.
    pub(crate) cut_short: bool,
}

impl Captured {
    /// Puts comments and documentation in the order of the text.
    pub(crate) fn sort(&mut self) {
        self.leading.sort_by_key(|range| range.start);
        self.docs.sort_by_key(|doc| doc.span.start);
    }

    /// Keeps only what lies where `wanted` says.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&Range<usize>) -> bool) {
        self.definitions.retain(|one| wanted(&one.span));
        self.leading.retain(&wanted);
        self.docs.retain(|doc| wanted(&doc.span));
    }

    /// Adds what was captured elsewhere.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.definitions.append(&mut other.definitions);
        self.leading.append(&mut other.leading);
        self.docs.append(&mut other.docs);
        self.cut_short |= other.cut_short;
    }
}

/// Runs the queries of a language over a tree. With `part` only over what intersects these bytes, which also gives
/// some matches around them.
pub(crate) fn capture(
    language: &'static Language,
    root: Node<'_>,
    text: &str,
    cursor: &mut QueryCursor,
    deadline: Deadline,
    part: Option<Range<usize>>,
    out: &mut Captured,
) {
    cursor.set_byte_range(part.clone().unwrap_or(0..u32::MAX as usize));
    let Some(roots) = language.roots().filter(|_| part.is_none()) else {
        cursor.set_max_start_depth(Some(language.depth));
        return capture_at(language, root, text, cursor, deadline, out);
    };
    // Most nodes are of kinds at which no pattern begins. To walk past them takes a fraction of what the query does there.
    cursor.set_max_start_depth(Some(0));
    let mut walk = root.walk();
    let mut depth = 0;
    loop {
        let node = walk.node();
        if roots.get(usize::from(node.kind_id())).is_some_and(|is_root| *is_root) {
            capture_at(language, node, text, cursor, deadline, out);
            if out.cut_short {
                return;
            }
        }
        if depth < language.depth && walk.goto_first_child() {
            depth += 1;
            continue;
        }
        while !walk.goto_next_sibling() {
            if !walk.goto_parent() {
                return;
            }
            depth -= 1;
        }
    }
}

/// Adds what the queries capture at a node, and below it as deep as the cursor is set.
fn capture_at(
    language: &'static Language,
    root: Node<'_>,
    text: &str,
    cursor: &mut QueryCursor,
    deadline: Deadline,
    out: &mut Captured,
) {
    let query = language.definitions();
    let names = query.capture_names();
    let mut in_time = |_: &QueryCursorState| {
        if deadline.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = QueryCursorOptions::new().progress_callback(&mut in_time);
    let mut matches = cursor.matches_with_options(query, root, text.as_bytes(), options);
    while let Some(found) = matches.next() {
        let mut definition = None;
        let mut name = None;
        let mut body = None;
        let mut clause = false;
        let mut owners = Vec::new();
        for capture in found.captures() {
            let range = capture.node.byte_range();
            match names[capture.index as usize] {
                "leading" => out.leading.push(range),
                "leading.doc" => {
                    out.leading.push(range.clone());
                    out.docs.push(Doc { span: range, only_below: true });
                }
                "doc" => out.docs.push(Doc { span: range, only_below: false }),
                "name" => name = Some((range, false)),
                "container" => name = Some((range, true)),
                "owner" => owners.push(range),
                "declarator" => name = Some((declared(capture.node, &mut owners), false)),
                "body" => body = Some(range.start),
                "clause" => clause = true,
                other => {
                    if let Some(kind) = other.strip_prefix("definition.") {
                        definition = Some((kind, capture.node));
                    }
                }
            }
        }
        let name = name.or_else(|| {
            let (_, node) = definition?;
            Some((node.child_by_field_name("name")?.byte_range(), false))
        });
        if let (Some((kind, node)), Some((name, container))) = (definition, name)
            && !name.is_empty()
        {
            let pattern = found.pattern_index;
            let body_start = body.or_else(|| body_start(node));
            let plain_start = plain_start(node);
            let span = node.byte_range();
            out.definitions.push(Found {
                kind,
                span,
                name,
                owners,
                body_start,
                plain_start,
                pattern,
                container,
                clause,
                language,
            });
        }
        if out.definitions.len() >= SYMBOLS_MAX {
            out.cut_short = true;
            break;
        }
    }
    out.cut_short |= deadline.is_over();
}

/// The name that a C-like declarator declares; the scopes on the way to it are its owners.
fn declared(mut node: Node<'_>, owners: &mut Vec<Range<usize>>) -> Range<usize> {
    for _ in 0..DECLARATORS_MAX {
        let next = if let Some(inner) =
            node.child_by_field_name("declarator").filter(|_| node.kind() != "operator_cast")
        {
            inner
        } else if node.kind() == "qualified_identifier" {
            if let Some(scope) = node.child_by_field_name("scope") {
                owners.push(scope.byte_range());
            }
            match node.child_by_field_name("name") {
                Some(name) => name,
                None => break,
            }
        } else if matches!(node.kind(), "template_function" | "template_method" | "template_type") {
            match node.child_by_field_name("name") {
                Some(name) => name,
                None => break,
            }
        } else if node.kind().ends_with("declarator") {
            // References and parentheses name their content with no field.
            match node.named_child(0) {
                Some(inner) => inner,
                None => break,
            }
        } else {
            break;
        };
        node = next;
    }
    let Range { start, end } = node.byte_range();
    // `operator bool() const` is named without what follows the type.
    let parameters = node.child_by_field_name("declarator").map(|declarator| declarator.start_byte());
    start..parameters.unwrap_or(end)
}

/// Where the body of a definition begins, looking through wrappers: decorators, `export`, templates, assignments.
fn body_start(node: Node<'_>) -> Option<usize> {
    let mut node = node;
    for _ in 0..BODY_STEPS_MAX {
        if let Some(body) = node.child_by_field_name("body") {
            return Some(body.start_byte());
        }
        let last = u32::try_from(node.named_child_count()).ok()?.checked_sub(1)?;
        node = node.named_child(last)?;
    }
    None
}

/// Where a definition begins after its attributes, annotations or decorators.
fn plain_start(node: Node<'_>) -> usize {
    let mut start = node.start_byte();
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        start = child.start_byte();
        if !matches!(child.kind(), "attribute_list" | "attributes" | "decorator" | "modifiers") {
            break;
        }
    }
    start
}

/// One definition for each name: the widest, and of equals the one whose pattern stands first.
fn keep_widest(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| {
        a.name.start.cmp(&b.name.start).then(b.span.len().cmp(&a.span.len())).then(a.pattern.cmp(&b.pattern))
    });
    found.dedup_by(|later, first| later.name == first.name);
    found
}

fn finish(text: &str, leading: &[Range<usize>], found: Found, parent: Option<(usize, &Definition)>) -> Definition {
    let written = unquoted(&text[found.name.clone()]);
    // Ruby names accessors by symbols.
    let name = one_line(if matches!(found.kind, "attribute" | "method") {
        written.trim_start_matches(':')
    } else {
        written
    });
    let around = parent.map(|(_, around)| around);
    let owned = !found.owners.is_empty();
    let qualified = qualified(text, &found, &name, around);
    let member = owned || around.is_some_and(|around| has_members(around.kind));
    Definition {
        name,
        qualified,
        kind: match found.kind {
            "function" if member => "method",
            "method" if !owned && around.is_none() => "function",
            kind => kind,
        },
        outer_start: outer_start(text, leading, found.span.start),
        several_lines: text[found.span.clone()].contains('\n'),
        parent: parent.map(|(index, _)| index),
        container: found.container,
        local: around.is_some_and(|around| around.local || is_function(around.kind)),
        signature: signature(text, leading, &found),
        doc: String::new(),
        span: found.span,
    }
}

/// The text up to the body, without comments after the name; without the attributes in front when they are too much.
fn signature(text: &str, leading: &[Range<usize>], found: &Found) -> String {
    let after = leading.partition_point(|range| range.start < found.name.end);
    let end = match (found.body_start, leading.get(after)) {
        (Some(body), Some(comment)) => body.min(comment.start),
        (body, _) => body.unwrap_or(found.span.end),
    };
    let start = if end.saturating_sub(found.span.start) > HEADER_PART_BYTES_MAX {
        found.plain_start
    } else {
        found.span.start
    };
    let line = one_line(text.get(start..end).unwrap_or_default());
    line.trim_end_matches(" =").to_owned()
}

/// The name after those around it and its owners; alone in a language without a separator.
fn qualified(text: &str, found: &Found, name: &str, around: Option<&Definition>) -> String {
    let separator = found.language.separator;
    if separator.is_empty() {
        return name.to_owned();
    }
    let owners = found.owners.iter().map(|owner| plain(&text[owner.clone()]));
    let before: Vec<String> = around.map(|around| around.qualified.clone()).into_iter().chain(owners).collect();
    if before.is_empty() {
        return name.to_owned();
    }
    format!("{}{}{name}", before.join(separator), found.language.separator_of(found.kind))
}

/// Whether a function directly inside is shown as a method.
fn has_members(kind: &str) -> bool {
    matches!(
        kind,
        "class"
            | "trait"
            | "impl"
            | "interface"
            | "struct"
            | "enum"
            | "union"
            | "record"
            | "object"
            | "extension"
            | "actor"
            | "protocol"
            | "given"
    )
}

fn is_function(kind: &str) -> bool {
    matches!(kind, "function" | "method" | "singleton_method" | "constructor")
}

/// A name that is written in quotes, without them.
fn unquoted(name: &str) -> &str {
    let inside = |quote: char| name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).filter(|name| !name.is_empty()).unwrap_or(name)
}

/// The name of an owner without generic arguments and blanks.
fn plain(text: &str) -> String {
    let mut depth = 0u32;
    let mut name = String::new();
    for letter in text.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 && !letter.is_whitespace() && name.len() < HEADER_PART_BYTES_MAX => name.push(letter),
            _ => {}
        }
    }
    name
}

/// Walks up over the comments and attributes that end on the line before.
fn outer_start(text: &str, leading: &[Range<usize>], start: usize) -> usize {
    let mut outer = start;
    let mut next = leading.partition_point(|range| range.start < start);
    while next > 0 {
        next -= 1;
        let range = &leading[next];
        let end = range.start + text[range.clone()].trim_end().len();
        // A comment in documentation form means what follows even across a blank line.
        let breaks_max = if text[range.start..].starts_with("/**") { 2 } else { 1 };
        let adjacent = text.get(end..outer).is_some_and(|gap| {
            gap.chars().all(char::is_whitespace) && gap.bytes().filter(|&byte| byte == b'\n').count() <= breaks_max
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
fn attach_docs(all: &mut [Definition], text: &str, docs: &[Doc]) {
    for Doc { span: doc, only_below } in docs {
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
        if let Some(owner) = below.or_else(|| if *only_below { None } else { around() }) {
            add_doc(&mut all[owner].doc, &text[doc.clone()]);
        }
    }
}

/// What opens a comment in some language, longer ones first.
const COMMENT_MARKS: &[&str] = &["/*", "//", "<!--", "--", "{-", "(*", "#", ";", "%", "=begin"];

/// Adds documentation without comment markers and quotes.
fn add_doc(doc: &mut String, raw: &str) {
    let raw = raw.trim();
    let comment = COMMENT_MARKS.iter().find(|mark| raw.starts_with(**mark));
    let raw = match comment {
        Some(&"=begin") => raw.trim_start_matches("=begin").trim_end_matches("=end"),
        Some(_) => raw.trim_end_matches("-->").trim_end_matches("-}").trim_end_matches("*)"),
        None => {
            let quoted = raw.trim_start_matches(['~', 'r', 'R', 'b', 'u', 'f', 's', 'S']);
            if quoted.starts_with(['"', '\'']) { quoted.trim_matches(['"', '\'']) } else { raw }
        }
    };
    for line in raw.lines() {
        let mut line = line.trim();
        if let Some(mark) = comment {
            let of_mark = |letter: char| mark.contains(letter) || matches!(letter, '*' | '!' | '/');
            line = line.trim_end_matches("*/").trim_start_matches(of_mark).trim();
            line = line.trim_start_matches("<summary>").trim_end_matches("</summary>");
            // Haddock says with one more mark whether a comment is about what follows or what stands before.
            line = line.strip_prefix("| ").or(line.strip_prefix("^ ")).unwrap_or(line);
        }
        // A line of only a tag (`<summary>`) says nothing.
        let tag = line.starts_with('<')
            && line.ends_with('>')
            && !line.contains(char::is_whitespace)
            && line.matches('<').count() == 1;
        if line.is_empty() || tag || doc.len() + line.len() > DOC_BYTES_MAX {
            continue;
        }
        if !doc.is_empty() {
            doc.push('\n');
        }
        doc.push_str(line);
    }
}

/// Text on one line with single spaces, cut at the bound for parts of a header: between words, or in the first one where
/// that is longer, so that no name is empty.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.is_empty() {
            line.push_str(&word[..word.floor_char_boundary(HEADER_PART_BYTES_MAX)]);
            continue;
        }
        if line.len() + word.len() > HEADER_PART_BYTES_MAX {
            break;
        }
        line.push(' ');
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::cut::Cutter;
    use crate::parse::language::language_in;

    /// The definitions of a text; `whole` runs the query over the whole tree at once.
    fn found(path: &str, text: &str, whole: bool) -> Vec<String> {
        let Some(language) = language_in(path, text) else { return Vec::new() };
        let mut cutter = Cutter::default();
        let tree = cutter.parse(language, text, Deadline::of_file()).unwrap();
        let (part, mut captured) = (whole.then_some(0..text.len()), Captured::default());
        let cursor = &mut cutter.cursor;
        capture(language, tree.root_node(), text, cursor, Deadline::of_file(), part, &mut captured);
        captured.sort();
        let all = assemble(language.names_max, text, &captured);
        let leading = captured.leading.iter().map(|range| format!("{range:?}"));
        all.iter().map(|one| format!("{one:?}")).chain(leading).collect()
    }

    /// A walk that stops where patterns begin finds what the query finds by itself, also in texts that are torn.
    #[test]
    fn a_walk_finds_what_the_query_finds() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../queries");
        let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut walked = 0;
        for file in folders.filter(|path| path.is_dir()).flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let Some(language) = language_in(name, &text).filter(|_| name.starts_with("sample.")) else {
                continue;
            };
            walked += usize::from(language.roots().is_some());
            for at in (0..text.len()).step_by(977).filter(|&at| text.is_char_boundary(at)) {
                let torn = format!("{}{}", &text[at..], &text[..at]);
                assert_eq!(found(name, &torn, false), found(name, &torn, true), "{name} torn at {at}");
            }
        }
        assert!(walked > 0, "no language is walked");
    }
}
