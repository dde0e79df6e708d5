//! Chunks of everything without a grammar: sections by headings where there are any, windows of whole lines
//! otherwise.
//!
//! Refuses: to cut inside a line, unless that one line is larger than a chunk; and never inside a character.

use std::ops::Range;

use crate::files::content::extension;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_TARGET};

/// Nested headings that a chunk's header names.
const HEADING_DEPTH_MAX: usize = 6;

/// A piece of prose with the headings it stands under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its bytes.
    pub(crate) span: Range<usize>,
    /// Headings from the outermost to its own.
    pub(crate) headings: Vec<String>,
    /// Its first line is the innermost heading itself.
    pub(crate) opens: bool,
}

/// Cuts a text without a grammar.
pub(crate) fn pieces(path: &str, text: &str) -> Vec<Piece> {
    let sections = match extension(path).to_lowercase().as_str() {
        "md" | "markdown" | "mdx" => markdown_sections(text),
        "rst" | "txt" => underlined_sections(text),
        "adoc" | "asciidoc" => marked_sections(text, b'=', &["----", "....", "```", "////"]),
        "org" => marked_sections(text, b'*', &[]),
        "tex" => tex_sections(text),
        _ => vec![whole(text)],
    };
    let mut pieces: Vec<Piece> = Vec::new();
    for section in sections {
        // A heading over next to nothing joins the section before it, so that a list of links is no list of chunks.
        if let Some(last) = pieces.last_mut()
            && section.span.end - last.span.start <= CHUNK_BYTES_MIN
            && last.headings.len() <= section.headings.len()
        {
            last.span.end = section.span.end;
            continue;
        }
        for (index, span) in windows(text, section.span.clone()).into_iter().enumerate() {
            pieces.push(Piece { span, headings: section.headings.clone(), opens: section.opens && index == 0 });
        }
    }
    pieces
}

/// Windows of whole lines over a part of a text, preferring to end at a blank line.
pub(crate) fn windows(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let mut start = part.start;
    let mut at = part.start;
    // The end of the last paragraph that would make a window of a fair size.
    let mut paragraph = None;
    while at < part.end {
        let line_end = text[at..part.end].find('\n').map_or(part.end, |found| at + found + 1);
        if line_end - start > CHUNK_BYTES_TARGET && at > start {
            let cut = paragraph.take().unwrap_or(at);
            windows.push(start..cut);
            start = cut;
            continue;
        }
        if line_end - at > CHUNK_BYTES_MAX {
            windows.extend(cut_line(text, at..line_end));
            start = line_end;
            paragraph = None;
        } else if text[at..line_end].trim().is_empty() && line_end - start > CHUNK_BYTES_TARGET / 2 {
            paragraph = Some(line_end);
        }
        at = line_end;
    }
    if start < part.end {
        windows.push(start..part.end);
    }
    windows
}

/// Pieces of one enormous line, cut at blanks where possible and always between characters.
fn cut_line(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let mut start = line.start;
    while line.end - start > CHUNK_BYTES_TARGET {
        let mut end = start + CHUNK_BYTES_TARGET;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        if let Some(blank) = text[start..end].rfind(char::is_whitespace)
            && blank > CHUNK_BYTES_TARGET / 2
        {
            end = start + blank;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
        }
        cuts.push(start..end);
        start = end;
    }
    cuts.push(start..line.end);
    cuts
}

fn whole(text: &str) -> Piece {
    Piece { span: 0..text.len(), headings: Vec::new(), opens: false }
}

/// Sections of Markdown: `#` headings and underlined ones, outside of fences and of the settings at the top.
fn markdown_sections(text: &str) -> Vec<Piece> {
    let mut cutter = Sections::new(text);
    let mut fence: Option<&str> = None;
    // A line of plain text that an underline would make a heading.
    let mut title: Option<(usize, &str)> = None;
    let mut in_paragraph = false;
    let mut at = front_matter(text);
    for line in text[at..].split_inclusive('\n') {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        let mut plain = None;
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => {
                let level = line.bytes().take_while(|&byte| byte == b'#').count();
                if (1..=HEADING_DEPTH_MAX).contains(&level) && line[level..].starts_with([' ', '\t']) {
                    cutter.heading(at, level, line[level..].trim().trim_end_matches('#').trim());
                } else if let (Some(mark @ ('=' | '-')), Some((title_at, title))) = (underline(line), title) {
                    cutter.heading(title_at, if mark == '=' { 1 } else { 2 }, title.trim());
                } else if !trimmed.is_empty() && !trimmed.starts_with(['|', '-', '>', '*', '<', '#', '+']) {
                    plain = Some((at, line));
                }
            }
            _ => {}
        }
        // Of a paragraph of several lines, an underline makes no heading worth having.
        title = plain.filter(|_| !in_paragraph);
        in_paragraph = plain.is_some();
        at += line.len();
    }
    cutter.finish()
}

/// Where a text begins after settings between two lines of dashes.
fn front_matter(text: &str) -> usize {
    const MARK: &str = "---";
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == MARK) else { return 0 };
    let mut at = first.len();
    for line in lines {
        at += line.len();
        if line.trim_end() == MARK {
            return at;
        }
    }
    0
}

/// Sections that begin at a row of marks as long as the heading is deep, outside of blocks between equal delimiters.
fn marked_sections(text: &str, mark: u8, delimiters: &[&str]) -> Vec<Piece> {
    let mut cutter = Sections::new(text);
    let mut block: Option<&str> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let delimiter = delimiters.iter().copied().find(|delimiter| line.starts_with(delimiter));
        match (block, delimiter) {
            (None, Some(delimiter)) => block = Some(delimiter),
            (Some(open), Some(delimiter)) if open == delimiter => block = None,
            (None, None) => {
                let level = line.bytes().take_while(|&byte| byte == mark).count();
                let title = line[level..].trim();
                if (1..=HEADING_DEPTH_MAX).contains(&level) && line[level..].starts_with(' ') && !title.is_empty()
                {
                    cutter.heading(at, level, title);
                }
            }
            _ => {}
        }
        at += line.len();
    }
    cutter.finish()
}

/// Sections of LaTeX.
fn tex_sections(text: &str) -> Vec<Piece> {
    const COMMANDS: [&str; 5] = ["part", "chapter", "section", "subsection", "subsubsection"];
    let mut cutter = Sections::new(text);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some((command, rest)) = line.trim_start().strip_prefix('\\').and_then(|line| line.split_once('{'))
            && let Some(level) = COMMANDS.iter().position(|known| command.trim_end_matches('*') == *known)
        {
            cutter.heading(at, level + 1, rest.split('}').next().unwrap_or(rest).trim());
        }
        at += line.len();
    }
    cutter.finish()
}

/// Sections that begin at a title with a row of punctuation below it.
fn underlined_sections(text: &str) -> Vec<Piece> {
    let mut cutter = Sections::new(text);
    // The order in which kinds of underline appear is their depth.
    let mut marks: Vec<char> = Vec::new();
    let mut previous: Option<(usize, &str)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let (Some(mark), Some((title_at, title))) = (underline(line), previous)
            && !title.trim().is_empty()
            && underline(title).is_none()
            && line.trim_end().len() >= title.trim_end().chars().count()
        {
            let level = marks.iter().position(|&known| known == mark).unwrap_or_else(|| {
                marks.push(mark);
                marks.len() - 1
            });
            cutter.heading(title_at, (level + 1).min(HEADING_DEPTH_MAX), title.trim());
        }
        previous = Some((at, line));
        at += line.len();
    }
    cutter.finish()
}

/// The character of which a line of underlining consists.
fn underline(line: &str) -> Option<char> {
    let line = line.trim_end();
    let mark = line.chars().next().filter(|mark| "=-~^\"'#*+:.`".contains(*mark))?;
    (line.len() >= 3 && line.chars().all(|letter| letter == mark)).then_some(mark)
}

/// Collects sections while headings are found in order.
struct Sections<'a> {
    text: &'a str,
    done: Vec<Piece>,
    start: usize,
    opens: bool,
    headings: Vec<(usize, String)>,
}

impl<'a> Sections<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, done: Vec::new(), start: 0, opens: false, headings: Vec::new() }
    }

    fn heading(&mut self, at: usize, level: usize, title: &str) {
        self.close(at);
        self.headings.retain(|(depth, _)| *depth < level);
        self.headings.push((level, title.to_owned()));
        self.opens = true;
    }

    fn close(&mut self, end: usize) {
        if end > self.start {
            let headings = self.headings.iter().map(|(_, title)| title.clone()).collect();
            self.done.push(Piece { span: self.start..end, headings, opens: self.opens });
            self.start = end;
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        self.close(self.text.len());
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let long: Vec<String> = pieces(path, text)
            .iter()
            .map(|piece| format!("{} | {}", piece.headings.join(" > "), text[piece.span.clone()].lines().count()))
            .collect();
        assert_eq!(long, expected, "{path}");
    }

    #[test]
    fn headings_make_sections() {
        let body = "words\n".repeat(80);
        check(
            "a.md",
            &format!("# A\n{body}## B\n{body}```\n# no heading\n```\n# C\n{body}"),
            &["A | 81", "A > B | 84", "C | 81"],
        );
        check("a.rst", &format!("Title\n=====\n\n{body}Part\n----\n{body}"), &["Title | 83", "Title > Part | 82"]);
        check(
            "a.md",
            &format!("---\ntitle: x\n---\nTop\n===\n{body}\nPart\n----\n{body}\na\nb\nc\n---\n{body}"),
            &[" | 3", "Top | 83", "Top > Part | 167"],
        );
        check(
            "a.adoc",
            &format!("= Top\n{body}----\n== no heading\n----\n== Part\n{body}=== Deep\n{body}"),
            &["Top | 84", "Top > Part | 81", "Top > Part > Deep | 81"],
        );
        check("a.org", &format!("* Top\n{body}** Part\n{body}*bold*\n"), &["Top | 81", "Top > Part | 82"]);
        check(
            "a.tex",
            &format!("\\section{{Top}} \\label{{a}}\n{body}\\subsection*{{Part}}\n{body}"),
            &["Top | 81", "Top > Part | 81"],
        );
        check("a.cfg", "x = 1\n", &[" | 1"]);
        check("empty.md", "", &[]);
    }

    #[test]
    fn windows_tile_the_text_at_lines_and_characters() {
        let mut text = String::new();
        for line in 0..400 {
            text.push_str(&"wörter ".repeat(line % 23));
            text.push_str(if line % 7 == 0 { "\n\n" } else { "\n" });
        }
        text.push_str(&"日本語".repeat(3_000));
        let spans = windows(&text, 0..text.len());
        assert!(spans.iter().all(|span| span.len() <= CHUNK_BYTES_MAX));
        assert_eq!(spans.iter().map(|span| &text[span.clone()]).collect::<String>(), text);
    }
}
