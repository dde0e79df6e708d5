//! Turns `[n]` in sanitised HTML into links to passages of our own. Refuses: touching code, links and attributes, and
//! passing on `<` or `>` inside an attribute, where a page's script might take it for a tag.

use std::collections::BTreeMap;

/// Passages by number, each with the URL that opens it and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources(BTreeMap<u32, (String, String)>);

/// Digits of the largest number a citation may have.
const NUMBER_DIGITS_MAX: usize = 4;
/// Elements whose text is left as it is.
const LITERAL_ELEMENTS: [&str; 3] = ["a", "code", "pre"];

impl Sources {
    /// Knows the passage `n`, opened at `url` and described by `label`.
    pub(crate) fn insert(&mut self, n: u32, url: String, label: String) {
        self.0.insert(n, (url, label));
    }
}

/// The same HTML with links for every known `[n]` in running text.
pub(super) fn link(html: &str, sources: &Sources) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 8);
    let mut literal_depth = 0_usize;
    let mut rest = html;
    while !rest.is_empty() {
        let (text, from_tag) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        if literal_depth == 0 {
            link_text(text, sources, &mut out);
        } else {
            out.push_str(text);
        }
        let (tag, after) = from_tag.split_at(tag_len(from_tag));
        match tag {
            // What may scroll sideways must be reachable by keyboard.
            "<pre>" => out.push_str("<pre tabindex=\"0\">"),
            "<table>" => out.push_str("<table tabindex=\"0\">"),
            _ => copy_tag(tag, &mut out),
        }
        if is_literal(tag) {
            let closes = tag.starts_with("</");
            literal_depth = if closes { literal_depth.saturating_sub(1) } else { literal_depth + 1 };
        }
        rest = after;
    }
    out
}

/// Appends `text` with the five characters escaped that mean something in HTML.
pub(super) fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
}

fn link_text(text: &str, sources: &Sources, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let (before, from_bracket) = rest.split_at(at);
        out.push_str(before);
        let found = number(from_bracket).and_then(|(n, len)| Some((n, len, sources.0.get(&n)?)));
        let len = match found {
            Some((n, len, (url, label))) => {
                out.push_str("<a class=\"cite\" href=\"");
                escape_into(url, out);
                out.push_str("\" title=\"");
                escape_into(label, out);
                out.push_str(&format!("\">{n}</a>"));
                len
            }
            None => {
                out.push('[');
                1
            }
        };
        rest = from_bracket.get(len..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// The number of a text that begins with `[n]`, and the bytes it takes.
fn number(text: &str) -> Option<(u32, usize)> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(']').filter(|end| *end <= NUMBER_DIGITS_MAX)?;
    let digits = inner.get(..end).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((digits.parse().ok()?, end + 2))
}

/// Bytes of the tag `html` begins with; a `>` inside quotes does not end it.
fn tag_len(html: &str) -> usize {
    let mut quoted = false;
    for (at, byte) in html.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'>' if !quoted => return at + 1,
            _ => {}
        }
    }
    html.len()
}

/// Copies a tag. Serialised HTML may hold bare angle brackets in attributes, and a script that looks for tags in the
/// text of an answer must find none there.
fn copy_tag(tag: &str, out: &mut String) {
    let last = tag.len().saturating_sub(1);
    for (at, c) in tag.char_indices() {
        match c {
            '<' if at > 0 => out.push_str("&lt;"),
            '>' if at < last => out.push_str("&gt;"),
            _ => out.push(c),
        }
    }
}

fn is_literal(tag: &str) -> bool {
    let name = tag.trim_start_matches(['<', '/']);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    name.get(..end).is_some_and(|name| LITERAL_ELEMENTS.contains(&name))
}
