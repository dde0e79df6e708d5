//! Chooses which passages fit a token budget and says what was left out and why. Refuses: silent cuts.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::label::symbol_of_part;
use crate::{Origin, Passage};

/// Fewer lines than this of a cut passage explain nothing.
const CUT_LINES_MIN: usize = 4;
/// A prompt with more passages than this only confuses a reader.
const PASSAGES_MAX: usize = 12;
/// Shorter words are everywhere.
const WORD_BYTES_MIN: usize = 3;
/// A definition's own line is worth as much as this many words.
const SYMBOL_LINE_WORTH: usize = 3;

/// One line of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// The number the answer cites it by; `None` when it was left out.
    pub n: Option<u32>,
    /// Path relative to the workspace.
    pub path: String,
    /// First line, 1-based.
    pub start_line: u32,
    /// Last line, inclusive.
    pub end_line: u32,
    /// Tokens it costs.
    pub tokens: u32,
    /// Why it was chosen, or why it was left out.
    pub reason: String,
}

/// What went into a prompt, what did not, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Where the prompt was sent; `None` when no model was asked.
    pub sent_to: Option<String>,
    /// Tokens the passages could have used.
    pub budget_tokens: u32,
    /// Tokens the passages did use.
    pub used_tokens: u32,
    /// Passages in the prompt.
    pub sent: Vec<ManifestEntry>,
    /// Passages that were found and not sent.
    pub left_out: Vec<ManifestEntry>,
    /// Anything else the user should know about this prompt.
    pub notes: Vec<String>,
}

/// The passages of a prompt with their manifest. `passages[i]` is cited as `i + 1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// What goes in, best first.
    pub passages: Vec<Passage>,
    /// What went in and what did not.
    pub manifest: Manifest,
}

/// Packs `candidates` (best first, each with its tokens, frame included) into `budget_tokens`.
///
/// A passage inside or overlapping a better one is left out; of one that does not fit, the lines that share most with
/// `question` go in when at least a few fit, else it is left out and a smaller one gets its chance.
pub fn pack(question: &str, candidates: Vec<(Passage, u32)>, budget_tokens: u32) -> Packed {
    let words = words(question);
    let mut packed = Packed { manifest: Manifest { budget_tokens, ..Manifest::default() }, ..Packed::default() };
    let mut room = budget_tokens;
    for (passage, tokens) in candidates {
        if packed.passages.len() >= PASSAGES_MAX {
            leave_out(&mut packed, &passage, tokens, "enough passages already");
        } else if packed.passages.iter().any(|taken| taken.overlaps(&passage)) {
            leave_out(&mut packed, &passage, tokens, "its lines are in another passage");
        } else if tokens <= room {
            room -= tokens;
            take(&mut packed, passage, tokens);
        } else if let Some((part, part_tokens)) = cut(&words, &passage, tokens, room) {
            room -= part_tokens;
            take(&mut packed, part, part_tokens);
            leave_out(&mut packed, &passage, tokens - part_tokens, "all of it did not fit");
        } else {
            leave_out(&mut packed, &passage, tokens, "did not fit");
        }
    }
    packed
}

fn take(packed: &mut Packed, passage: Passage, tokens: u32) {
    let n = u32::try_from(packed.passages.len() + 1).ok();
    packed.manifest.used_tokens += tokens;
    packed.manifest.sent.push(entry(&passage, n, tokens, passage.reason.clone()));
    packed.passages.push(passage);
}

fn leave_out(packed: &mut Packed, passage: &Passage, tokens: u32, why: &str) {
    packed.manifest.left_out.push(entry(passage, None, tokens, why.to_owned()));
}

fn entry(passage: &Passage, n: Option<u32>, tokens: u32, reason: String) -> ManifestEntry {
    ManifestEntry {
        n,
        path: passage.path.clone(),
        start_line: passage.start_line,
        end_line: passage.end_line,
        tokens,
        reason,
    }
}

/// The consecutive lines of `passage` that fit `room` and share most words with the question; of equals the longest,
/// then the earliest, or the last of an attachment.
/// Tokens are taken to be spread evenly over bytes, with a tenth in reserve because they are not.
fn cut(words: &BTreeSet<String>, passage: &Passage, tokens: u32, room: u32) -> Option<(Passage, u32)> {
    let bytes = passage.text.len();
    if tokens == 0 || bytes == 0 {
        return None;
    }
    let bytes_max = (u64::from(room) * bytes as u64 * 9 / (u64::from(tokens) * 10)) as usize;
    let lines: Vec<&str> = passage.text.split_inclusive('\n').collect();
    let symbol = passage.symbol.as_deref().and_then(|symbol| symbol.rsplit(['.', ':']).next());
    let worth: Vec<usize> = lines.iter().map(|line| line_worth(line, words, symbol)).collect();
    let mut best: Option<((usize, usize), Range<usize>)> = None;
    let (mut start, mut kept, mut value) = (0, 0, 0);
    for (end, line) in lines.iter().enumerate() {
        kept += line.len();
        value += worth[end];
        while kept > bytes_max && start <= end {
            kept -= lines[start].len();
            value -= worth[start];
            start += 1;
        }
        // What explains a name stands below it, so of equally good windows the one that begins with it is best.
        let lines_kept = (end + 1).saturating_sub(start);
        // What went wrong is said at the end of a log, so of equals the last window of an attachment wins.
        let from_the_end = passage.origin == Origin::Attachment;
        let length = if from_the_end { 0 } else { lines_kept };
        let score = (2 * value + worth.get(start).copied().unwrap_or(0), length);
        let better = |kept: &(usize, usize)| score > *kept || (from_the_end && score == *kept);
        if lines_kept >= CUT_LINES_MIN && best.as_ref().is_none_or(|(kept, _)| better(kept)) {
            best = Some((score, start..end + 1));
        }
    }
    let (_, window) = best?;
    let text: String = lines.get(window.clone())?.concat();
    let start_line = passage.start_line + u32::try_from(window.start).ok()?;
    let end_line = passage.start_line + u32::try_from(window.end).ok()? - 1;
    let part_tokens = (u64::from(tokens) * text.len() as u64).div_ceil(bytes as u64) as u32;
    let reason = format!("{}, the lines that match most", passage.reason);
    let mut part = Passage { start_line, end_line, text, reason, ..passage.clone() };
    part.symbol = symbol_of_part(passage, &part);
    Some((part, part_tokens.min(room)))
}

/// How much a line says about the question; the line that names the passage's own symbol says most.
fn line_worth(line: &str, words: &BTreeSet<String>, symbol: Option<&str>) -> usize {
    let own = self::words(line);
    let shared = own.intersection(words).count();
    let names_it = symbol.is_some_and(|symbol| own.contains(&symbol.to_lowercase()));
    shared + if names_it { SYMBOL_LINE_WORTH } else { 0 }
}

/// The words of a text in lower case, and the parts of names joined by underscores.
fn words(text: &str) -> BTreeSet<String> {
    let whole = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_lowercase);
    let parts = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    whole.chain(parts).filter(|word| word.len() >= WORD_BYTES_MIN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(path: &str, start_line: u32, lines: u32) -> Passage {
        Passage {
            path: path.into(),
            start_line,
            end_line: start_line + lines - 1,
            symbol: None,
            text: "some line\n".repeat(lines as usize),
            reason: "text matches".into(),
            origin: Origin::Search,
        }
    }

    fn places(entries: &[ManifestEntry]) -> Vec<String> {
        entries.iter().map(|e| format!("{}:{}-{} {}", e.path, e.start_line, e.end_line, e.reason)).collect()
    }

    #[test]
    fn what_fits_goes_in_and_the_rest_is_named() {
        let packed = pack(
            "a question",
            vec![
                (passage("a", 1, 10), 50),
                (passage("a", 5, 3), 15),
                (passage("b", 1, 40), 400),
                (passage("c", 7, 2), 20),
                (passage("d", 1, 50), 500),
            ],
            160,
        );
        assert_eq!(
            places(&packed.manifest.sent),
            ["a:1-10 text matches", "b:1-9 text matches, the lines that match most", "c:7-8 text matches"],
        );
        assert_eq!(
            places(&packed.manifest.left_out),
            ["a:5-7 its lines are in another passage", "b:1-40 all of it did not fit", "d:1-50 did not fit"],
        );
        assert!(packed.manifest.used_tokens <= 160);
    }

    #[test]
    fn nothing_fits_nothing_is_sent() {
        let packed = pack("a question", vec![(passage("a", 1, 3), 50)], 20);
        assert!(packed.passages.is_empty());
        assert_eq!(places(&packed.manifest.left_out), ["a:1-3 did not fit"]);
    }

    #[test]
    fn the_lines_about_the_question_are_cut_out() {
        let text: String = (1..=40)
            .map(|line| {
                if line == 20 {
                    "def salted_hmac(key, value):\n".to_owned()
                } else {
                    format!("filler {line} text\n")
                }
            })
            .collect();
        let long = Passage { symbol: Some("crypto.salted_hmac".into()), text, ..passage("a", 101, 40) };
        let packed = pack("What does salted_hmac do?", vec![(long, 400)], 100);
        let sent = &packed.passages[0];
        assert_eq!(sent.start_line, 120, "the window begins with the definition");
        assert!(sent.text.starts_with("def salted_hmac"), "{}", sent.text);
        assert_eq!(sent.text.lines().count() as u32, sent.end_line - sent.start_line + 1);
    }
}
