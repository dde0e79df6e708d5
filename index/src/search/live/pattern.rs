//! A question -> what is looked for in a text: lines that match, or words that occur.
//!
//! Refuses: patterns that are too large or cross lines, with a sentence for whoever wrote them.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use aho_corasick::AhoCorasick;
use grep_matcher::{LineTerminator, Matcher};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};

use crate::error::IndexError;
use crate::limits::QUERY_BYTES_MAX;
use crate::search::live::Clock;
use crate::search::query::Plan;
use crate::search::searcher::{SearchKind, SearchRequest};

/// Memory of one compiled regular expression, in bytes; also bounds the time it takes for one byte of text.
const REGEX_BYTES_MAX: usize = 2 << 20;
/// Memory of the states that it makes while it runs, in bytes, for each thread.
const REGEX_STATES_BYTES_MAX: usize = 8 << 20;
/// Nesting of one regular expression.
const REGEX_NEST_MAX: u32 = 100;
/// The clock is looked at after this much text, in bytes.
const BLOCK_BYTES: usize = 16 << 10;
/// Words of a question that are looked for.
pub(super) const WORDS_MAX: usize = 12;
/// Letters of a word beyond which length says nothing more about how rare it is.
const TELLING_LETTERS_MAX: usize = 12;
/// Places in one line that are judged.
const PLACES_PER_LINE_MAX: usize = 4;
/// Bytes of a query shown in the reason of a hit.
const SHOWN_BYTES_MAX: usize = 80;

/// Words before a name that say that the line defines it.
const DEFINING: &[&str] = &[
    "class",
    "const",
    "def",
    "define",
    "enum",
    "fn",
    "fun",
    "func",
    "function",
    "interface",
    "let",
    "macro_rules",
    "mod",
    "module",
    "namespace",
    "object",
    "protocol",
    "record",
    "static",
    "struct",
    "sub",
    "trait",
    "type",
    "typedef",
    "union",
    "val",
    "var",
];

/// What is looked for.
pub(super) enum Wanted {
    /// Lines that match.
    Lines(Box<Lines>),
    /// Words of a question, any of them.
    Words(Box<Words>),
}

impl Wanted {
    /// What a request asks for; `None` when it asks for nothing.
    pub(super) fn of(request: &SearchRequest) -> Result<Option<Self>, IndexError> {
        let query = request.query.as_str();
        Ok(match request.kind {
            SearchKind::Text => Lines::text(query)?.map(|lines| Self::Lines(Box::new(lines))),
            SearchKind::Regex => Lines::regex(query)?.map(|lines| Self::Lines(Box::new(lines))),
            _ => Words::of(query)?.map(|words| Self::Words(Box::new(words))),
        })
    }

    /// Roles of files that the question asks for.
    pub(super) fn roles(&self) -> u64 {
        match self {
            Self::Lines(_) => 0,
            Self::Words(words) => words.plan.wanted_roles,
        }
    }

    /// Whether a path speaks of what is looked for.
    pub(super) fn is_in_path(&self, path: &str) -> bool {
        match self {
            Self::Lines(lines) => lines.matcher.is_match(path.as_bytes()).unwrap_or(false),
            Self::Words(words) => words.counts(path).iter().any(|&count| count > 0),
        }
    }
}

/// A pattern over lines.
pub(super) struct Lines {
    matcher: RegexMatcher,
    /// Further lines of a text of several lines, with their distance from the line that the matcher finds.
    around: Vec<(i64, String)>,
    case_matters: bool,
    /// The query as the reason of a hit shows it.
    pub(super) shown: String,
}

/// One matching line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LineMatch {
    /// The first match, in bytes of the text.
    pub(super) from: usize,
    /// Byte after it.
    pub(super) to: usize,
    /// How likely this is what is meant; a plain match has 1.
    pub(super) quality: f32,
}

impl Lines {
    /// Text as it stands, in any letter case unless it has capitals. Of several lines the longest is looked for, and the
    /// others have to stand around it.
    fn text(query: &str) -> Result<Option<Self>, IndexError> {
        check_size(query)?;
        let all: Vec<&str> = query.trim_matches(['\n', '\r']).lines().collect();
        let longest = all.iter().enumerate().max_by_key(|(at, line)| (line.trim().len(), usize::MAX - at));
        let Some((anchor, line)) = longest.filter(|(_, line)| !line.is_empty()) else { return Ok(None) };
        let several = all.len() > 1;
        let line = if several { line.trim() } else { line };
        if line.is_empty() || line.contains('\r') {
            return Ok(None);
        }
        let case_matters = query.chars().any(char::is_uppercase);
        let place = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        let fold = |line: &str| if case_matters { line.to_owned() } else { line.to_lowercase() };
        let around = all.iter().enumerate().filter(|(at, other)| *at != anchor && !other.trim().is_empty());
        let around = around.map(|(at, other)| (place(at) - place(anchor), fold(other.trim()))).collect();
        let mut builder = builder();
        builder.fixed_strings(true).case_insensitive(!case_matters);
        let matcher = builder.build(line).map_err(|error| unreadable(line, &error))?;
        Ok(Some(Self { matcher, around, case_matters, shown: shown(query) }))
    }

    /// A regular expression, in any letter case unless it has capitals.
    fn regex(query: &str) -> Result<Option<Self>, IndexError> {
        check_size(query)?;
        if query.is_empty() {
            return Ok(None);
        }
        let matcher = builder().case_smart(true).build(query);
        let matcher = matcher.map_err(|error| unreadable(query, &error))?;
        Ok(Some(Self { matcher, around: Vec::new(), case_matters: true, shown: shown(query) }))
    }

    /// The matching lines of a text, in order, at most `most` of them; those found until `until`,
    /// but for the first block, which is always searched.
    pub(super) fn matches(&self, text: &str, most: usize, clock: &Clock<'_>, until: Instant) -> Vec<LineMatch> {
        let mut searcher = SearcherBuilder::new()
            .line_terminator(LineTerminator::crlf())
            .line_number(false)
            .binary_detection(BinaryDetection::none())
            .build();
        let mut found = Vec::new();
        let mut start = 0;
        while start < text.len() && found.len() < most && (start == 0 || !clock.is_over(until)) {
            let end = block_end(text.as_bytes(), start);
            let sink = Gather { lines: self, text, base: start, most, found: &mut found };
            // A slice cannot fail to be read, and the sink never fails.
            let searched = searcher.search_slice(&self.matcher, &text.as_bytes()[start..end], sink);
            if let Err(error) = searched {
                tracing::debug!(%error, "a text could not be searched");
                break;
            }
            start = end;
        }
        found
    }

    /// Judges the matches of one line; `None` when none of them counts.
    fn judge(&self, text: &str, at: usize, line: &[u8]) -> Option<LineMatch> {
        let mut best: Option<LineMatch> = None;
        let mut places = 0;
        let judged = self.matcher.find_iter(line, |place| {
            let (from, to) = (at + place.start(), at + place.end());
            let quality = quality(text.as_bytes(), at, from, to);
            if best.is_none_or(|best| quality > best.quality) {
                best = Some(LineMatch { from, to, quality });
            }
            places += 1;
            places < PLACES_PER_LINE_MAX
        });
        judged.ok()?;
        best.filter(|_| self.around.is_empty() || self.stands_around(text, at))
    }

    /// Whether the other lines of a text of several lines stand where they should.
    fn stands_around(&self, text: &str, at: usize) -> bool {
        let holds = |line: Option<&str>, wanted: &String| {
            line.is_some_and(|line| {
                if self.case_matters { line.contains(wanted) } else { line.to_lowercase().contains(wanted) }
            })
        };
        self.around.iter().all(|(distance, wanted)| {
            let steps = usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX);
            if *distance > 0 {
                holds(text[at..].lines().nth(steps), wanted)
            } else {
                holds(text[..at].lines().rev().nth(steps.saturating_sub(1)), wanted)
            }
        })
    }
}

fn builder() -> RegexMatcherBuilder {
    let mut builder = RegexMatcherBuilder::new();
    builder
        .multi_line(true)
        .line_terminator(Some(b'\n'))
        .crlf(true)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_STATES_BYTES_MAX)
        .nest_limit(REGEX_NEST_MAX);
    builder
}

/// What is wrong with a pattern, where, and what to do about one that is too large.
fn unreadable(pattern: &str, error: &grep_regex::Error) -> IndexError {
    let parsed = regex_syntax::ParserBuilder::new().nest_limit(REGEX_NEST_MAX).build().parse(pattern);
    let (what, span) = match &parsed {
        Err(regex_syntax::Error::Parse(error)) => (error.kind().to_string(), Some(error.span())),
        Err(regex_syntax::Error::Translate(error)) => (error.kind().to_string(), Some(error.span())),
        _ => (one_line(&error.to_string()), None),
    };
    let place = span.map(|span| place_in(pattern, span.start.offset, span.end.offset)).unwrap_or_default();
    let mut sentence = format!("{what}{place}");
    if sentence.contains("size limit") {
        sentence.push_str("; write smaller counts in braces, or [a-z] in place of \\w");
    }
    if sentence.contains("is not allowed in a regex") {
        sentence.push_str("; a pattern matches within one line");
    }
    IndexError::Query(sentence)
}

/// Where in a pattern, in characters from 1, and what stands there.
fn place_in(pattern: &str, start: usize, end: usize) -> String {
    let before = pattern.get(..start).unwrap_or(pattern);
    let character = before.chars().count() + 1;
    let part = pattern.get(start..end).map(shown).unwrap_or_default();
    if part.is_empty() {
        format!(" at character {character}")
    } else {
        format!(" at character {character}, `{part}`")
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check_size(query: &str) -> Result<(), IndexError> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(IndexError::Query(format!("it is longer than {QUERY_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn shown(query: &str) -> String {
    let line = query.trim().lines().next().unwrap_or_default();
    if line.len() == query.trim().len() && line.len() <= SHOWN_BYTES_MAX {
        return line.to_owned();
    }
    let mut end = line.len().min(SHOWN_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &line[..end])
}

/// Where a block of whole lines ends that begins at `start`.
fn block_end(text: &[u8], start: usize) -> usize {
    let least = start.saturating_add(BLOCK_BYTES);
    let rest = text.get(least..).unwrap_or_default();
    rest.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| least + at + 1)
}

/// Whole words count more than parts of words, and lines that define what is matched more than any.
fn quality(text: &[u8], line: usize, from: usize, to: usize) -> f32 {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let inside = |edge: usize, next: Option<&u8>| is_word(text.get(edge)) && is_word(next);
    if from >= to {
        return 0.5;
    }
    let begins = !inside(from, from.checked_sub(1).and_then(|at| text.get(at)));
    let ends = !inside(to - 1, text.get(to));
    let mut quality = 1.0;
    if begins && ends {
        quality += 1.0;
    }
    let before = text.get(line..from).unwrap_or_default().trim_ascii_end();
    let before = before.strip_suffix(b"!").unwrap_or(before);
    let word =
        before.iter().rposition(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').map_or(0, |at| at + 1);
    let defines = std::str::from_utf8(&before[word..]).is_ok_and(|word| DEFINING.contains(&word));
    // What is matched may itself be written with its keyword.
    let first = text[from..to].split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').next();
    let keyword =
        first.is_some_and(|word| word.len() < to - from && DEFINING.iter().any(|one| one.as_bytes() == word));
    if begins && (defines || keyword) {
        quality += if ends { 2.0 } else { 0.75 };
    }
    quality
}

/// Takes up the matching lines of one block.
struct Gather<'a> {
    lines: &'a Lines,
    text: &'a str,
    /// Where the block begins.
    base: usize,
    most: usize,
    found: &'a mut Vec<LineMatch>,
}

impl Sink for Gather<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, line: &SinkMatch<'_>) -> Result<bool, io::Error> {
        let at = self.base + usize::try_from(line.absolute_byte_offset()).unwrap_or(usize::MAX);
        self.found.extend(self.lines.judge(self.text, at, line.bytes()));
        Ok(self.found.len() < self.most)
    }
}

/// The words of a question, as they are looked for.
pub(super) struct Words {
    /// The question.
    pub(super) plan: Plan,
    /// For each word its place among the plan's terms.
    pub(super) terms: Vec<usize>,
    /// Places of words by token.
    pub(super) by_token: HashMap<String, usize>,
    search: AhoCorasick,
}

impl Words {
    fn of(query: &str) -> Result<Option<Self>, IndexError> {
        let plan = Plan::of(query);
        let mut order: Vec<usize> = (0..plan.terms.len()).collect();
        let telling = |index: usize| {
            let term = &plan.terms[index];
            #[expect(clippy::cast_precision_loss, reason = "a dozen letters")]
            let letters = term.token.chars().count().min(TELLING_LETTERS_MAX) as f32;
            term.weight * letters
        };
        order.sort_by(|&a, &b| telling(b).total_cmp(&telling(a)).then(a.cmp(&b)));
        let mut terms = Vec::new();
        let mut needles: Vec<String> = Vec::new();
        for index in order {
            let term = &plan.terms[index];
            let needle = needle(&term.token, &term.word);
            if !needles.contains(&needle) && needles.len() < WORDS_MAX {
                needles.push(needle);
                terms.push(index);
            }
        }
        if needles.is_empty() {
            return Ok(None);
        }
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(&needles);
        let search = search.map_err(|error| IndexError::Query(error.to_string()))?;
        let by_token = terms.iter().enumerate().map(|(at, &term)| (plan.terms[term].token.clone(), at)).collect();
        Ok(Some(Self { plan, terms, by_token, search }))
    }

    /// How much a word counts in the question.
    pub(super) fn weight(&self, word: usize) -> f32 {
        self.terms.get(word).and_then(|&term| self.plan.terms.get(term)).map_or(0.0, |term| term.weight)
    }

    /// How often each word begins a part of an identifier in a text.
    pub(super) fn counts(&self, text: &str) -> [u16; WORDS_MAX] {
        let bytes = text.as_bytes();
        let mut counts = [0u16; WORDS_MAX];
        for place in self.search.find_overlapping_iter(bytes) {
            if begins_part(bytes, place.start()) {
                let count = &mut counts[place.pattern().as_usize()];
                *count = count.saturating_add(1);
            }
        }
        counts
    }
}

/// What all forms of a word begin with.
fn needle(token: &str, word: &str) -> String {
    let stem = token.strip_suffix('y').filter(|stem| stem.len() >= 4).unwrap_or(token);
    // A compound is one token without its underscores, but stands in texts with them.
    if word.starts_with(stem) { stem.to_owned() } else { word.to_owned() }
}

/// Whether a word part begins at `at`: no letter stands before it, or a hump begins.
fn begins_part(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    match (before, text.get(at)) {
        (Some(before), Some(first)) if before.is_ascii_alphabetic() => {
            before.is_ascii_lowercase() && first.is_ascii_uppercase()
        }
        _ => true,
    }
}
