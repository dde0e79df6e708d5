//! The last word on HTML that came from a model: an allow-list of elements and attributes. Refuses: `hx-*`, `x-*`,
//! `@*`, `:*`, `on*`, `data-*`, style, id, name and class, which scripts of our own pages would obey.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

/// Everything Markdown makes, and nothing else.
const ELEMENTS: [&str; 30] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
    "s",
    "i",
    "b",
];
const LANGUAGE_PREFIX: &str = "language-";
/// The longest name of a language.
const LANGUAGE_BYTES_MAX: usize = 32;

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(ELEMENTS))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("code", HashSet::from(["class"])),
            ("ol", HashSet::from(["start"])),
            ("td", HashSet::from(["align"])),
            ("th", HashSet::from(["align"])),
        ]))
        // Without this, `title` and `lang` would be allowed on everything.
        .generic_attributes(HashSet::new())
        .clean_content_tags(HashSet::from(["script", "style"]))
        .url_schemes(HashSet::from(["https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .attribute_filter(attribute);
    builder
});

/// What is left of `html`.
pub(super) fn clean(html: &str) -> String {
    CLEANER.clean(html).to_string()
}

/// Attributes whose values are narrower than any text.
fn attribute<'v>(element: &str, name: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let is_fine = match (element, name) {
        ("code", "class") => is_language(value),
        ("ol", "start") => value.len() <= 9 && value.bytes().all(|byte| byte.is_ascii_digit()),
        ("td" | "th", "align") => matches!(value, "left" | "center" | "right"),
        _ => true,
    };
    is_fine.then_some(Cow::Borrowed(value))
}

fn is_language(class: &str) -> bool {
    class.strip_prefix(LANGUAGE_PREFIX).is_some_and(|name| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'#' | b'-' | b'_');
        !name.is_empty() && name.len() <= LANGUAGE_BYTES_MAX && name.bytes().all(is_name)
    })
}
