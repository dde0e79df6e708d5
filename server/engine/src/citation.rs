//! Which passages an answer rests on. Refuses: numbers that name no passage; they never reach the user.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Passage;

/// A bracket longer than this is no citation.
const BRACKET_BYTES_MAX: usize = 32;
/// Shorter words are shared by chance.
const IDENTIFIER_CHARS_MIN: usize = 3;

/// A passage that was sent, and whether the answer rests on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The number in the answer, from 1.
    pub n: u32,
    /// Path relative to the workspace, with `/`.
    pub path: String,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, inclusive.
    pub end_line: u32,
    /// Whether the answer names it or shares its identifiers; the others were only looked at.
    pub used: bool,
    /// What these lines define or belong to, where known.
    pub symbol: Option<String>,
    /// Why it was chosen.
    pub reason: String,
    /// Whether the file still held these lines when the answer was finished.
    pub live: bool,
}

/// Removes citations of unknown passages from an answer while it streams. Code is left alone.
#[derive(Debug)]
pub struct CitationFilter {
    known: u32,
    in_fence: bool,
    in_span: bool,
    at_line_start: bool,
    ticks: usize,
    ticks_at_line_start: bool,
    held: String,
    last: char,
}

impl CitationFilter {
    /// A filter for answers that may cite `1..=known`.
    pub fn new(known: usize) -> Self {
        Self {
            known: u32::try_from(known).unwrap_or(u32::MAX),
            in_fence: false,
            in_span: false,
            at_line_start: true,
            ticks: 0,
            ticks_at_line_start: false,
            held: String::new(),
            last: '\n',
        }
    }

    /// The part of the answer that is certain after `piece`.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::with_capacity(piece.len());
        for c in piece.chars() {
            self.push_char(c, &mut out);
        }
        out
    }

    /// What was still held back when the answer ended.
    pub fn finish(mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn push_char(&mut self, c: char, out: &mut String) {
        self.track_code(c);
        if self.in_fence || self.in_span || c == '`' {
            self.release(out);
            out.push(c);
            self.last = c;
            return;
        }
        match (self.held.as_str(), c) {
            ("", ' ' | '[') => self.held.push(c),
            ("", _) => self.emit(c, out),
            (" ", '[') => self.held.push(c),
            (held, '0'..='9' | ',' | ' ') if held.contains('[') && held.len() < BRACKET_BYTES_MAX => {
                self.held.push(c);
            }
            (held, ']') if held.contains(|c: char| c.is_ascii_digit()) => self.close(out),
            _ => {
                self.release(out);
                if matches!(c, ' ' | '[') {
                    self.held.push(c);
                } else {
                    self.emit(c, out);
                }
            }
        }
    }

    fn emit(&mut self, c: char, out: &mut String) {
        out.push(c);
        self.last = c;
    }

    fn release(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.last = self.held.chars().next_back().unwrap_or(self.last);
        self.held.clear();
    }

    fn close(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        let all = bracket_numbers(&held);
        // `argv[0]` is an element, not a citation: passages are counted from 1.
        let element = all == [0] && !held.starts_with(' ') && (self.last.is_alphanumeric() || self.last == '_');
        let known: Vec<String> =
            all.iter().filter(|n| (1..=self.known).contains(*n)).map(ToString::to_string).collect();
        if element {
            out.push_str(&held);
            out.push(']');
        } else if !known.is_empty() {
            let space = if held.starts_with(' ') { " " } else { "" };
            out.push_str(&format!("{space}[{}]", known.join(", ")));
        } else {
            return;
        }
        self.last = ']';
    }

    /// Follows Markdown's fences and code spans, closely enough to leave code alone.
    fn track_code(&mut self, c: char) {
        if c == '`' {
            if self.ticks == 0 {
                self.ticks_at_line_start = self.at_line_start;
            }
            self.ticks += 1;
        } else {
            if self.ticks >= 3 && self.ticks_at_line_start {
                self.in_fence = !self.in_fence;
            } else if self.ticks > 0 && !self.in_fence {
                self.in_span = !self.in_span;
            }
            self.ticks = 0;
        }
        if c == '\n' {
            self.at_line_start = true;
            self.in_span = false;
        } else if !c.is_whitespace() {
            self.at_line_start = false;
        }
    }
}

/// The citations of `answer`: every passage that was sent, `used` when the answer names it or when one of its
/// sentences shares identifiers with it.
pub fn cite(answer: &str, passages: &[Passage]) -> Vec<Citation> {
    let named = numbers_outside_code(answer);
    let words: Vec<BTreeSet<&str>> = passages.iter().map(|passage| identifiers(&passage.text)).collect();
    let sentences: Vec<BTreeSet<&str>> =
        answer.split_inclusive(['\n', '.', '?', '!']).map(code_identifiers).collect();
    let mut citations = Vec::with_capacity(passages.len());
    for (at, passage) in passages.iter().enumerate() {
        let n = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let used = named.contains(&n) || sentences.iter().any(|sentence| rests_on(sentence, at, &words));
        citations.push(Citation {
            n,
            path: passage.path.clone(),
            start_line: passage.start_line,
            end_line: passage.end_line,
            used,
            symbol: passage.symbol.clone(),
            reason: passage.reason.clone(),
            live: true,
        });
    }
    citations
}

/// A sentence rests on a passage when it shares two identifiers with it, or one that no other passage has.
fn rests_on(sentence: &BTreeSet<&str>, at: usize, words: &[BTreeSet<&str>]) -> bool {
    let Some(own) = words.get(at) else { return false };
    let shared: Vec<&&str> = sentence.iter().filter(|word| own.contains(**word)).collect();
    shared.len() >= 2
        || shared
            .iter()
            .any(|word| words.iter().enumerate().all(|(other, theirs)| other == at || !theirs.contains(**word)))
}

fn identifiers(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| word.chars().count() >= IDENTIFIER_CHARS_MIN)
        .collect()
}

/// Words that can only be names of code: with an underscore, a digit, or a capital inside.
fn code_identifiers(sentence: &str) -> BTreeSet<&str> {
    identifiers(sentence)
        .into_iter()
        .filter(|word| {
            let inner = word.trim_matches('_');
            let has_letter = word.contains(|c: char| c.is_alphabetic());
            let capital_inside =
                inner.chars().skip(1).any(char::is_uppercase) && inner.contains(char::is_lowercase);
            has_letter && (inner.contains('_') || word.starts_with("__") || capital_inside)
        })
        .collect()
}

fn numbers_outside_code(answer: &str) -> BTreeSet<u32> {
    let mut tracker = CitationFilter::new(usize::MAX);
    let mut numbers = BTreeSet::new();
    let mut held: Option<String> = None;
    for c in answer.chars() {
        tracker.track_code(c);
        if tracker.in_fence || tracker.in_span {
            held = None;
            continue;
        }
        match (&mut held, c) {
            (_, '[') => held = Some(String::new()),
            (Some(text), ']') => {
                numbers.extend(bracket_numbers(text));
                held = None;
            }
            (Some(text), '0'..='9' | ',' | ' ') if text.len() < BRACKET_BYTES_MAX => text.push(c),
            _ => held = None,
        }
    }
    numbers
}

fn bracket_numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    fn filtered(known: usize, pieces: &[&str]) -> String {
        let mut filter = CitationFilter::new(known);
        let mut out: String = pieces.iter().map(|piece| filter.push(piece)).collect();
        out.push_str(&filter.finish());
        out
    }

    #[test]
    fn unknown_citations_vanish_and_everything_else_stays() {
        for (known, answer, expected) in [
            (2, "Hashed [1] and salted [7].", "Hashed [1] and salted."),
            (2, "Both [1, 2, 9] agree", "Both [1, 2] agree"),
            (2, "None [3][4] here", "None here"),
            (0, "a [1]", "a"),
            (2, "array `items[7]` stays", "array `items[7]` stays"),
            (2, "```\nx[7] = 1 [8]\n```\nbut [8] goes", "```\nx[7] = 1 [8]\n```\nbut goes"),
            (2, "argv[0] stays, [0] goes", "argv[0] stays, goes"),
            (2, "a [link](x) and [ ] box", "a [link](x) and [ ] box"),
            (2, "open [1", "open [1"),
            (2, "é [2] 漢字 [5]。", "é [2] 漢字。"),
            (2, "tail ", "tail "),
        ] {
            assert_eq!(filtered(known, &[answer]), expected, "{answer:?}");
            let chars: Vec<String> = answer.chars().map(String::from).collect();
            let pieces: Vec<&str> = chars.iter().map(String::as_str).collect();
            assert_eq!(filtered(known, &pieces), expected, "streamed {answer:?}");
        }
    }

    fn passage(path: &str, text: &str) -> Passage {
        Passage {
            path: path.into(),
            start_line: 1,
            end_line: 2,
            symbol: None,
            text: text.into(),
            reason: String::new(),
            origin: Origin::Search,
        }
    }

    #[test]
    fn passages_are_used_when_named_or_when_their_identifiers_are() {
        let passages = [
            passage("a.py", "def get_session_auth_hash(self): salted_hmac(key)"),
            passage("b.py", "class SessionStore: def cycle_key(self): pass"),
            passage("c.py", "unrelated words of a file"),
        ];
        let used = |answer: &str| -> Vec<u32> {
            cite(answer, &passages).iter().filter(|citation| citation.used).map(|citation| citation.n).collect()
        };
        assert_eq!(used("It is hashed [1]."), [1]);
        assert_eq!(used("`get_session_auth_hash` does it."), [1]);
        assert_eq!(used("SessionStore rotates it with cycle_key [3]."), [2, 3]);
        assert_eq!(used("The words of a file."), [] as [u32; 0]);
        assert_eq!(used("```\nx[1]\n```"), [] as [u32; 0]);
    }
}
