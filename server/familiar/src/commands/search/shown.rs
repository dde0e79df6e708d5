//! Hits as a person reads them: one block each, with the lines that matter most. Refuses: colours where no terminal is,
//! and more of a passage than fits under its place.

use app::{Hit, SearchResult};

use super::related;
use crate::render::{self, Style};

/// Lines of a passage that are shown.
const LINES_SHOWN_MAX: usize = 6;
/// A shown line is cut behind this many characters.
const LINE_CHARS_MAX: usize = 160;
/// A shorter word of a query says nothing about a line.
const WORD_CHARS_MIN: usize = 3;

/// All of a result.
pub(super) fn page(result: &SearchResult, query: &str, style: Style) -> String {
    let words: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.chars().count() >= WORD_CHARS_MIN)
        .map(str::to_lowercase)
        .collect();
    let mut blocks: Vec<String> = result.hits.iter().map(|hit| block(hit, &words, style)).collect();
    if result.hits.is_empty() {
        blocks.push("nothing found\n".to_owned());
    }
    if let Some(found) = &result.related {
        blocks.push(related::block(found, style));
    }
    if let Some(notice) = &result.notice {
        blocks.push(format!("{}\n", style.dim(&render::one_line(notice))));
    }
    blocks.join("\n")
}

fn block(hit: &Hit, words: &[String], style: Style) -> String {
    let place = render::one_line(&format!("{}:{}-{}", hit.path, hit.start_line, hit.end_line));
    let symbol = hit.symbol.as_deref().map(|symbol| format!("  {}", render::one_line(symbol))).unwrap_or_default();
    let about = render::one_line(&format!("{}, {}", hit.kind, hit.why));
    let mut text = format!("{}{symbol}  {}\n", style.bold(&place), style.dim(&about));
    let lines: Vec<&str> = hit.text.lines().collect();
    let first = most_telling(&lines, words);
    let width = hit.end_line.to_string().len();
    for (at, line) in lines.iter().enumerate().skip(first).take(LINES_SHOWN_MAX) {
        let number = hit.start_line as usize + at;
        let line: String = line.chars().take(LINE_CHARS_MAX).collect();
        let number = style.dim(&format!("{number:>width$}"));
        text.push_str(format!("  {number}  {}", render::escape(&line)).trim_end());
        text.push('\n');
    }
    text
}

/// The first of the lines to show: the beginning, unless another part has more words of the query.
fn most_telling(lines: &[&str], words: &[String]) -> usize {
    let found: Vec<usize> = lines
        .iter()
        .map(|line| {
            let line = line.to_lowercase();
            words.iter().filter(|word| line.contains(word.as_str())).count()
        })
        .collect();
    let sum = |first: usize| found.iter().skip(first).take(LINES_SHOWN_MAX).sum::<usize>();
    let last = lines.len().saturating_sub(LINES_SHOWN_MAX);
    // The earliest of the best.
    (0..=last).max_by_key(|&first| (sum(first), std::cmp::Reverse(first))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit() -> Hit {
        Hit {
            path: "a/b.py".into(),
            start_line: 3,
            end_line: 20,
            symbol: Some("f".into()),
            kind: "function".into(),
            score: 1.0,
            why: "defines `f`".into(),
            text: (1..=9).map(|n| format!("line {n}\x07\n")).collect(),
        }
    }

    #[test]
    fn a_hit_is_shown_with_its_place() {
        let result = SearchResult { hits: vec![hit()], notice: Some("not all".into()), related: None };
        let text = page(&result, "f", Style::plain());
        assert!(text.starts_with("a/b.py:3-20  f  function, defines `f`\n   3  line 1\\x07\n"), "{text}");
        assert!(text.ends_with("\n\nnot all\n"), "{text}");
        assert_eq!(text.lines().count(), 1 + LINES_SHOWN_MAX + 2);
    }

    #[test]
    fn the_lines_with_the_words_are_shown() {
        let mut hit = hit();
        hit.text.push_str("the needle\n");
        let result = SearchResult { hits: vec![hit], notice: None, related: None };
        let text = page(&result, "where is the Needle", Style::plain());
        assert!(text.contains("  12  the needle\n") && !text.contains("line 1\\x07"), "{text}");
        assert_eq!(page(&SearchResult::default(), "x", Style::plain()), "nothing found\n");
    }
}
