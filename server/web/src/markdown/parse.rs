//! Markdown to HTML by comrak in its safe mode. Refuses: images, which become links that show their host, and links
//! with a long query, which become text; a page must not send away what it shows.

use comrak::nodes::{Node, NodeCode, NodeLink, NodeValue};
use comrak::{Arena, Options, format_html, parse_document};
use url::Url;

use super::MARKDOWN_BYTES_MAX;

/// A link whose query is longer could carry away what the model read; it is shown, but not as a link.
const LINK_QUERY_BYTES_MAX: usize = 64;
/// Deeper quotes and lists than this are flattened before they are parsed.
const NESTING_MAX: usize = 32;
/// Digits of a number that begins a list item.
const LIST_DIGITS_MAX: usize = 9;
const BLANKS: [char; 2] = [' ', '\t'];

/// The HTML of `markdown`, still to be sanitised.
pub(super) fn to_html(markdown: &str) -> String {
    let arena = Arena::new();
    let options = options();
    let markdown = flatten(markdown);
    let root = parse_document(&arena, &markdown, &options);
    let nodes: Vec<Node<'_>> = root.descendants().collect();
    for node in nodes {
        tame(&arena, node);
    }
    let mut html = String::with_capacity(markdown.len() * 2);
    if format_html(root, &options, &mut html).is_err() {
        tracing::error!("Markdown could not be written as HTML");
    }
    html
}

/// Where the last block of `markdown` begins: everything before it can no longer change when text is added. A text that
/// is too long to be parsed stays open as a whole.
pub(crate) fn open_tail(markdown: &str) -> usize {
    if markdown.len() > MARKDOWN_BYTES_MAX {
        return 0;
    }
    let arena = Arena::new();
    // Flattening keeps the lines, so a line of the one is a line of the other.
    let root = parse_document(&arena, &flatten(markdown), &options());
    let Some(last) = root.last_child() else { return 0 };
    let line = last.data().sourcepos.start.line;
    line_start(markdown, line)
}

/// The byte where the 1-based `line` begins.
fn line_start(text: &str, line: usize) -> usize {
    let mut at = 0;
    for _ in 1..line {
        match text.get(at..).and_then(|rest| rest.find('\n')) {
            Some(newline) => at += newline + 1,
            None => return at,
        }
    }
    at
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options
}

/// Takes away what may not be in a page.
fn tame<'a>(arena: &'a Arena<'a>, node: Node<'a>) {
    let link = match &node.data().value {
        NodeValue::Image(link) => Some((link.url.clone(), true)),
        NodeValue::Link(link) => Some((link.url.clone(), false)),
        _ => None,
    };
    let Some((url, is_image)) = link else { return };
    let parsed = Url::parse(&url).ok();
    let host = parsed.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    let is_long = parsed.as_ref().and_then(Url::query).is_some_and(|query| query.len() > LINK_QUERY_BYTES_MAX);
    if is_long {
        let children: Vec<Node<'a>> = node.children().collect();
        for child in children {
            node.insert_before(child);
        }
        node.insert_before(new(arena, NodeValue::Text(" ".into())));
        node.data_mut().value = NodeValue::Code(NodeCode { num_backticks: 1, literal: url });
        return;
    }
    if is_image {
        node.prepend(new(arena, NodeValue::Text("Image: ".into())));
        if !host.is_empty() {
            node.append(new(arena, NodeValue::Text(format!(" ({host})").into())));
        }
        node.data_mut().value = NodeValue::Link(Box::new(NodeLink { url, title: String::new() }));
    }
}

fn new<'a>(arena: &'a Arena<'a>, value: NodeValue) -> Node<'a> {
    arena.alloc(value.into())
}

/// Cuts runs of block markers that nest deeper than anyone writes, which would cost time without end. Every line stays
/// a line.
fn flatten(markdown: &str) -> String {
    let mut flat = String::with_capacity(markdown.len());
    for line in markdown.split_inclusive('\n') {
        let mut markers = 0;
        let mut rest = line;
        while let Some(next) = after_marker(rest) {
            markers += 1;
            rest = next;
        }
        flat.push_str(if markers > NESTING_MAX { rest.trim_start_matches(BLANKS) } else { line });
    }
    flat
}

/// What follows the marker of a quote or a list item at the beginning of `line`.
fn after_marker(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(BLANKS);
    if let Some(rest) = line.strip_prefix('>') {
        return Some(rest);
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = match digits {
        0 => line.strip_prefix(['-', '*', '+']),
        1..=LIST_DIGITS_MAX => line.get(digits..)?.strip_prefix(['.', ')']),
        _ => None,
    }?;
    (rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r'])).then_some(rest)
}
