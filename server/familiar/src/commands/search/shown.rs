//! Hits as a person reads them: one block each, with the lines that matter most. Refuses: colours where no terminal is,
//! and more of a passage than fits under its place.

use app::{Hit, SearchResult};

use super::related;
use crate::render::{self, Style};

/// Lines of a passage that are shown.
const LINES_SHOWN_MAX: usize = 6;
/// A shown line is cut behind this many characters.
const LINE_CHARS_MAX: usize = 160;
/// What the ending of a word has at most, as in `computing`.
const ENDING_CHARS: usize = 3;
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
    let place = format!("{}:{}-{}", render::name(&hit.path), hit.start_line, hit.end_line);
    let symbol = hit.symbol.as_deref().map(|symbol| format!("  {}", render::one_line(symbol))).unwrap_or_default();
    let about = render::one_line(&format!("{}, {}", hit.kind, hit.why));
    let mut text = format!("{}{symbol}  {}\n", style.bold(&place), style.dim(&about));
    // Some old files end their lines with a carriage return alone.
    let hit_text = hit.text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = hit_text.lines().collect();
    let first = most_telling(&tellings(hit, &lines, words));
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

/// How much each line tells: whether it holds what was spelled out, else how many words of the query, or forms of them.
fn tellings(hit: &Hit, lines: &[&str], words: &[String]) -> Vec<usize> {
    if !hit.lines.is_empty() {
        return (hit.start_line..).take(lines.len()).map(|line| usize::from(hit.lines.contains(&line))).collect();
    }
    let telling = |line: &&str| {
        let line = line.to_lowercase();
        let of = |word: &String| match line.contains(word.as_str()) {
            true => 2,
            false => usize::from(line.contains(beginning(word))),
        };
        words.iter().map(of).sum()
    };
    lines.iter().map(telling).collect()
}

/// What the forms of a word have in common, as far as its length tells.
fn beginning(word: &str) -> &str {
    let chars = word.chars().count();
    let kept = if chars > 2 * ENDING_CHARS { chars - ENDING_CHARS } else { chars };
    word.char_indices().nth(kept).map_or(word, |(at, _)| &word[..at])
}

/// The first of the lines to show: the beginning, unless another part tells more. A telling line has what follows it
/// below, and one line above.
fn most_telling(tellings: &[usize]) -> usize {
    let sum = |first: usize| tellings.iter().skip(first).take(LINES_SHOWN_MAX).sum::<usize>();
    let last = tellings.len().saturating_sub(LINES_SHOWN_MAX);
    // The earliest of the best.
    let first = (0..=last).max_by_key(|&first| (sum(first), std::cmp::Reverse(first))).unwrap_or(0);
    let telling = tellings.iter().skip(first).position(|&telling| telling > 0).unwrap_or(0);
    (first + telling.saturating_sub(1)).min(last)
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
            lines: Vec::new(),
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
        hit.text.push_str("the needle\r");
        let result = SearchResult { hits: vec![hit.clone()], notice: None, related: None };
        let text = page(&result, "where is the Needle", Style::plain());
        assert!(text.contains("  12  the needle\n") && !text.contains("line 1\\x07"), "{text}");
        // Another form of the word, and a pattern that says itself where it matches.
        let text = page(&result, "needles", Style::plain());
        assert!(text.contains("  12  the needle\n") && !text.contains("line 1\\x07"), "{text}");
        hit.lines = vec![6];
        hit.text.push_str(&"more\n".repeat(9));
        let result = SearchResult { hits: vec![hit], notice: None, related: None };
        let text = page(&result, "li.e 4", Style::plain());
        let shown: Vec<&str> = text.lines().skip(1).map(str::trim_start).collect();
        assert!(shown.first().is_some_and(|line| line.starts_with("5  line 3")), "{text}");
        assert_eq!(page(&SearchResult::default(), "x", Style::plain()), "nothing found\n");
    }
}
