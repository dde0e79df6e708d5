//! Signs that lines a model wrote are not what is to stand in the file: code left out, numbers of lines, markers of
//! diffs, escapes of web pages, its own markers.
//!
//! Refuses: repairing them. What is in the file already is no sign of anything.

use std::collections::HashSet;

use super::paths::is_hidden;
use super::{Refusal, shown};

/// Words that stand for code in a comment, with an ellipsis or without.
const LEFT_OUT: [&str; 14] = [
    "rest of the code",
    "rest of code",
    "rest of the file",
    "rest of the function",
    "rest of the class",
    "rest of the method",
    "rest of the implementation",
    "rest unchanged",
    "rest remains",
    "existing code",
    "remains unchanged",
    "unchanged code",
    "remaining code",
    "same as before",
];
/// Words that do so beside an ellipsis.
const LEFT_OUT_BY_DOTS: [&str; 9] =
    ["rest", "existing", "unchanged", "remaining", "same as", "other", "omitted", "previous", "as before"];
/// What begins a comment, the longer first.
const COMMENTS: [&str; 9] = ["<!--", "///", "//", "/*", "--", "#", ";", "%", "*"];
/// Beginnings of answers that are none.
const EXCUSES: [&str; 6] =
    ["I'm sorry, but", "I am sorry, but", "I can't help", "I cannot help", "As an AI", "As a language model"];
/// Beginnings of lines that belong to the form of an answer.
const FORM: [&str; 13] = [
    "<<<<<<< ",
    ">>>>>>> ",
    "<think",
    "</think",
    "<thought>",
    "</thought>",
    "[THINK]",
    "[/THINK]",
    "<|im_",
    "<|end",
    "<|start",
    "<|channel",
    "*** End Patch",
];

/// What is in a file already, looked at once for all that is to be put into it.
pub(crate) struct Known<'a> {
    text: &'a str,
    lines: HashSet<&'a str>,
    language: &'a str,
}

impl<'a> Known<'a> {
    /// What is known of `text`, which is in `language`.
    pub(crate) fn of(text: &'a str, language: &'a str) -> Self {
        Self { text, lines: text.lines().map(str::trim).collect(), language }
    }
}

/// The first sign that `new` is not meant for a file.
pub(crate) fn check(new: &[String], known: &Known<'_>) -> Result<(), Refusal> {
    let added = || new.iter().enumerate().filter(|(_, line)| !known.lines.contains(line.trim()));
    let mut before = None;
    let mut filled = new.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    for (at, line) in added() {
        while let Some((_, earlier)) = filled.next_if(|(other, _)| *other < at) {
            before = Some(earlier.as_str());
        }
        if is_elision(line, before, known.language) {
            return Err(Refusal::Elided { line: shown(line.trim()) });
        }
        if is_form(line, known) {
            return Err(Refusal::Leaked { line: shown(line.trim()) });
        }
        if let Some(c) = line.chars().find(|c| is_unwanted(*c) && !known.text.contains(*c)) {
            return Err(Refusal::Leaked { line: format!("U+{:04X}", u32::from(c)) });
        }
    }
    if let Some((0, first)) = added().next()
        && EXCUSES.iter().any(|excuse| first.trim().starts_with(excuse))
    {
        return Err(Refusal::Leaked { line: shown(first.trim()) });
    }
    if added().next().is_some() {
        if is_numbered(new) && !is_numbered(&lines(known.text)) {
            return Err(Refusal::Decorated { what: "line numbers" });
        }
        if is_diff_shaped(new) && !is_diff_shaped(&lines(known.text)) {
            return Err(Refusal::Decorated { what: "diff markers" });
        }
        if !is_markup(known.language) && is_escaped(new) && !is_escaped(&lines(known.text)) {
            return Err(Refusal::Decorated { what: "HTML escapes" });
        }
    }
    Ok(())
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Whether a line stands for code that is not written out.
pub(crate) fn is_elision(line: &str, before: Option<&str>, language: &str) -> bool {
    let line = line.trim();
    let comment = COMMENTS.iter().find_map(|mark| line.strip_prefix(mark));
    let body = comment.unwrap_or(line);
    let body =
        body.trim_end_matches("*/").trim_end_matches("-->").trim_matches(['{', '}', '/', '*', ' ', '#', '-']);
    let body = body.trim().to_lowercase();
    let only_dots = matches!(body.as_str(), "..." | "…" | "[...]" | "(...)" | "…." | "....");
    if only_dots {
        // A body of three dots is Python's own way to write an empty one.
        let is_body =
            comment.is_none() && language == "python" && before.is_some_and(|line| line.trim_end().ends_with(':'));
        return !is_body;
    }
    let has_dots = body.contains("...") || body.contains('…');
    let is_words =
        comment.is_some() || body.starts_with("...") || body.starts_with('…') || body.starts_with("[...");
    let begins = body.starts_with("...") || body.starts_with('…');
    is_words
        && (LEFT_OUT.iter().any(|words| body.contains(words))
            || (has_dots && LEFT_OUT_BY_DOTS.iter().any(|words| body.contains(words)))
            || (comment.is_some() && begins))
}

fn is_form(line: &str, known: &Known<'_>) -> bool {
    // Set in, a fence is part of an example in a comment; a text that nothing parses has no such comments.
    let edge = if index::language_name(&format!("x.{}", known.language)).is_some() { line } else { line.trim() };
    let fence = edge.starts_with("``") && !super::answer::nests(known.language) && !known.text.contains("``");
    fence || FORM.iter().any(|form| line.trim().starts_with(form))
}

/// Characters that no editor shows, but for those that lay out a text, and the one for lost bytes.
fn is_unwanted(c: char) -> bool {
    let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // A joiner is part of many emoji.
    direction
        || c == '\u{fffd}'
        || (is_hidden(c) && c != '\u{200d}')
        || (c.is_control() && !"\t\n\r\u{c}".contains(c))
}

/// Whether every line has its number in front.
fn is_numbered(lines: &[String]) -> bool {
    let mut count = 0;
    let mut first = None;
    let mut bars = 0;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line = line.trim_start();
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = line.split_at(digits);
        let bar = rest.trim_start().starts_with('|');
        if digits == 0 || digits > 6 || !(bar || rest.starts_with([':', '\t'])) {
            return false;
        }
        let Ok(number) = number.parse::<usize>() else { return false };
        let offset = number.wrapping_sub(at);
        if *first.get_or_insert(offset) != offset {
            return false;
        }
        bars += usize::from(bar);
        count += 1;
    }
    count > 1 || (count == 1 && bars == 1)
}

/// Whether every line begins as in a diff, and some as added ones do.
fn is_diff_shaped(lines: &[String]) -> bool {
    let filled = || lines.iter().filter(|line| !line.trim().is_empty());
    filled().all(|line| line.starts_with(['+', '-', ' '])) && filled().any(|line| line.starts_with('+'))
}

fn is_markup(language: &str) -> bool {
    const MARKUP: [&str; 12] = [
        "html",
        "xml",
        "markdown",
        "md",
        "vue",
        "svelte",
        "php",
        "jsx",
        "tsx",
        "javascriptreact",
        "typescriptreact",
        "svg",
    ];
    MARKUP.contains(&language) || super::answer::nests(language)
}

/// Whether all of `<`, `>` and `&` are written as in a web page.
fn is_escaped(lines: &[String]) -> bool {
    const ENTITIES: [&str; 5] = ["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"];
    let mut found = false;
    for line in lines {
        let mut rest = line.as_str();
        while let Some(at) = rest.find(['<', '>', '&']) {
            let Some(entity) = ENTITIES.iter().find(|entity| rest[at..].starts_with(**entity)) else {
                return false;
            };
            found = true;
            rest = &rest[at + entity.len()..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elisions_are_told_from_code_and_comments() {
        for (line, language, expected) in [
            ("...", "rust", true),
            ("    // ... existing code ...", "rust", true),
            ("# rest of the code", "python", true),
            ("/* ... */", "c", true),
            ("<!-- ... -->", "html", true),
            ("// … other methods unchanged …", "java", true),
            ("{/* ... */}", "tsx", true),
            ("... existing code ...", "go", true),
            ("# Loading...", "python", false),
            ("# the rest of the arguments are passed on", "python", false),
            ("f(...args)", "javascript", false),
            ("...args,", "javascript", false),
            ("let [first, ..] = list;", "rust", false),
        ] {
            assert_eq!(is_elision(line, None, language), expected, "{line:?}");
        }
        assert!(!is_elision("    ...", Some("    def f(self):"), "python"));
    }

    #[test]
    fn decoration_is_told_from_code() {
        let lines = |text: &str| lines(text);
        assert!(
            is_numbered(&lines("12 | a\n13 | b"))
                && is_numbered(&lines("7| a"))
                && is_numbered(&lines("1: a\n2: b"))
        );
        assert!(
            !is_numbered(&lines("1: a\n3: b"))
                && !is_numbered(&lines("8: a"))
                && !is_numbered(&lines("1. a\n2. b"))
        );
        assert!(is_diff_shaped(&lines(" a\n-b\n+c")) && !is_diff_shaped(&lines("- a\n- b")));
        assert!(is_escaped(&lines("a &lt; b")) && !is_escaped(&lines("x.replace(\"<\", \"&lt;\")")));
    }
}
