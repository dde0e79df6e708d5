//! Markdown of a model becomes HTML that cannot act: parsed without raw HTML, then reduced to an allow-list, then its
//! citations become our own links. Refuses: images, raw HTML, every attribute that is not named here, and links to
//! anywhere but `https` and `mailto`.

mod citations;
mod parse;
mod sanitize;

use std::fmt;

use askama::filters::HtmlSafe;

pub(crate) use citations::Sources;
pub(crate) use parse::open_tail;

/// A longer text is shown as it is, without markup.
const MARKDOWN_BYTES_MAX: usize = 512 * 1024;

/// HTML that went through this module; nothing else can make one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

impl askama::FastWritable for Html {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(dest.write_str(&self.0)?)
    }
}

impl Html {
    /// Whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Renders `markdown`; `[n]` becomes a link where `sources` knows the passage `n`.
pub(crate) fn render(markdown: &str, sources: &Sources) -> Html {
    if markdown.len() > MARKDOWN_BYTES_MAX {
        return plain(markdown);
    }
    let html = sanitize::clean(&parse::to_html(markdown));
    Html(citations::link(&html, sources))
}

/// Text as it is, in the form of code.
fn plain(text: &str) -> Html {
    let mut html = String::from("<pre tabindex=\"0\"><code>");
    citations::escape_into(text, &mut html);
    html.push_str("</code></pre>");
    Html(html)
}
