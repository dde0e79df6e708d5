//! The best files of a scan -> hits: each file is read again, cut into chunks, and what it holds now is shown.
//!
//! Refuses: lines that are not there any more, and to parse when time is short; then some lines around are shown.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::IndexError;
use crate::files::lines::{LineStarts, whole_lines};
use crate::files::live::{Current, current};
use crate::files::role::role_of;
use crate::limits::{CHUNK_BYTES_MAX, FILE_BYTES_MAX};
use crate::parse::cut::{Chunk, Cutter, Name};
use crate::parse::qualified::is_asked;
use crate::parse::tokenize::for_each_token;
use crate::search::live::Clock;
use crate::search::live::pattern::{LineMatch, Lines, WORDS_MAX, Wanted, Words};
use crate::search::live::scan::{Found, LINES_PER_FILE_MAX};
use crate::search::overlay::Overlay;
use crate::search::rank::role_factor;
use crate::search::searcher::Hit;
use crate::search::why::{best_name, symbol_at, why};
use crate::storage::document::Card;

/// Files read for each wanted hit, because cutting changes their order, and the fewest.
const FILES_PER_HIT: usize = 2;
const FILES_MIN: usize = 24;
/// Of those, files that are shown however late it is, so that a busy machine still gives an answer.
const FILES_ALWAYS: usize = 8;
/// Hits of one file.
const HITS_PER_FILE_MAX: usize = 8;
/// Larger files are not parsed for their chunks, in bytes: that would take the time of many others.
const CUT_BYTES_MAX: usize = 256 << 10;
/// Time beyond the end in which a file that was found is searched again to show it, in milliseconds.
const GRACE_MS: u64 = 500;
/// Lines shown above and below a match where nothing is parsed, and most bytes of them.
const LINES_AROUND: u32 = 3;
const PLAIN_BYTES_MAX: usize = CHUNK_BYTES_MAX;
/// Line numbers listed in the reason of a hit.
const LINES_LISTED_MAX: usize = 3;
/// What a word in the name of a definition, and in the lines above it, counts against one in its text.
const NAME_WEIGHT: f32 = 2.0;
const CONTEXT_WEIGHT: f32 = 0.6;
/// How much of the score of a file its chunks share.
const FILE_SHARE: f32 = 0.8;
/// What a definition with the very name that is looked for counts.
const DEFINITION_BONUS: f32 = 1.5;

/// What all threads need to know.
pub(super) struct Job<'a> {
    /// The workspace.
    pub(super) root: &'a Path,
    /// Unsaved buffers.
    pub(super) overlay: &'a Overlay,
    /// What is looked for.
    pub(super) wanted: &'a Wanted,
    /// How much each word tells.
    pub(super) rarity: &'a [f32; WORDS_MAX],
    /// When to stop.
    pub(super) clock: &'a Clock<'a>,
}

/// The hits in the best of the files found, best first: the best of each file, then further ones. And whether time was
/// up before all of these files were shown.
///
/// # Errors
/// [`IndexError::Cancelled`].
pub(super) fn hits(
    job: &Job<'_>,
    files: &[String],
    found: &[Found],
    limit: usize,
) -> Result<(Vec<Hit>, bool), IndexError> {
    let chosen = &found[..found.len().min((limit * FILES_PER_HIT).max(FILES_MIN))];
    let next = AtomicUsize::new(0);
    let all: Mutex<Vec<(usize, Hit)>> = Mutex::default();
    let unshown = AtomicBool::new(false);
    let work = || {
        let mut cutter = Cutter::until(job.clock.end);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(found) = chosen.get(index) else { break };
            let Some(path) = files.get(found.file) else { continue };
            let too_late = index >= FILES_ALWAYS && job.clock.is_over(job.clock.end);
            if too_late {
                unshown.store(true, Ordering::Relaxed);
            }
            if too_late || job.clock.cancel.is_cancelled() {
                break;
            }
            let mut hits = job.file(path, found.score, &mut cutter);
            hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.start_line.cmp(&b.start_line)));
            hits.truncate(HITS_PER_FILE_MAX);
            all.lock().unwrap_or_else(PoisonError::into_inner).extend(hits.into_iter().enumerate());
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..job.clock.threads.min(chosen.len()) {
            scope.spawn(work);
        }
        work();
    });
    job.clock.check_cancel()?;
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.sort_by(|(round_a, a), (round_b, b)| {
        let by_score = round_a.cmp(round_b).then(b.score.total_cmp(&a.score));
        by_score.then_with(|| (&a.path, a.start_line).cmp(&(&b.path, b.start_line)))
    });
    Ok((all.into_iter().take(limit).map(|(_, hit)| hit).collect(), unshown.into_inner()))
}

/// A live text with its lines.
struct Shown<'a> {
    path: &'a str,
    text: Cow<'a, str>,
    lines: LineStarts,
    unsaved: bool,
}

/// Matching lines that are shown together.
struct Group<'a> {
    /// First and last line.
    span: (u32, u32),
    chunk: Option<&'a Chunk>,
    matches: Vec<LineMatch>,
}

impl Group<'_> {
    /// Whether a line belongs here: in the same chunk, or close by where there are no chunks.
    fn takes(&self, lines: &LineStarts, chunk: Option<&Chunk>, span: (u32, u32)) -> bool {
        match (self.chunk, chunk) {
            (Some(mine), Some(other)) => std::ptr::eq(mine, other),
            // What would be too long to show is shown apart.
            (None, None) => self.span.1 >= span.0 && lines.span(self.span.0, span.1).len() <= PLAIN_BYTES_MAX,
            _ => false,
        }
    }
}

impl Job<'_> {
    /// The hits of one file as it is now.
    fn file(&self, path: &str, score: f32, cutter: &mut Cutter) -> Vec<Hit> {
        let unsaved = self.overlay.text(path);
        let Some(text) = unsaved.map(Cow::Borrowed).or_else(|| live_text(self.root, path).map(Cow::Owned)) else {
            return Vec::new();
        };
        let shown = Shown { path, lines: LineStarts::of(&text), text, unsaved: unsaved.is_some() };
        let in_time = !self.clock.is_over(self.clock.cut_until) && shown.text.len() <= CUT_BYTES_MAX;
        let chunks = if in_time { cut(cutter, path, &shown.text) } else { Vec::new() };
        match self.wanted {
            Wanted::Lines(lines) => self.lines(&shown, lines, &chunks),
            Wanted::Words(words) => self.words(&shown, words, &chunks, score),
        }
    }

    /// One hit for each chunk with matching lines, or for each group of lines where there are no chunks.
    fn lines(&self, shown: &Shown<'_>, lines: &Lines, chunks: &[Chunk]) -> Vec<Hit> {
        // A file was found in time, so its best lines are shown even when the time is up by now.
        let until = self.clock.end + Duration::from_millis(GRACE_MS);
        let mut groups: Vec<Group<'_>> = Vec::new();
        for one in lines.matches(&shown.text, LINES_PER_FILE_MAX, self.clock, until) {
            let line = shown.lines.line_at(one.from);
            let chunk = chunks.iter().find(|chunk| chunk.start_line <= line && line <= chunk.end_line);
            let span =
                chunk.map_or_else(|| around(&shown.lines, line), |chunk| (chunk.start_line, chunk.end_line));
            match groups.last_mut() {
                Some(last) if last.takes(&shown.lines, chunk, span) => {
                    last.span.1 = span.1;
                    last.matches.push(one);
                }
                _ => groups.push(Group { span, chunk, matches: vec![one] }),
            }
        }
        let factor = role_factor(role_of(shown.path), 0);
        groups.iter().map(|group| line_hit(shown, lines, group, factor)).collect()
    }

    /// The chunks that hold the most telling words.
    fn words(&self, shown: &Shown<'_>, words: &Words, chunks: &[Chunk], file_score: f32) -> Vec<Hit> {
        let factor = role_factor(role_of(shown.path), words.plan.wanted_roles);
        let scored = chunks.iter().map(|chunk| (self.chunk_score(shown, words, chunk), chunk));
        let scored = scored.filter(|(score, _)| *score > 0.0);
        let mut hits: Vec<Hit> = scored
            .map(|(score, chunk)| {
                let text = &shown.text[chunk.span.clone()];
                let card = Card::unstored(shown.path, chunk);
                let best = best_name(&chunk.names, &words.plan, None);
                let why = why(&card, best, text, &words.plan, None, shown.unsaved);
                let text = shown.text[whole_lines(&shown.text, chunk.span.clone())].to_owned();
                let score = FILE_SHARE * file_score + factor * score;
                hit(shown.path, (chunk.start_line, chunk.end_line), chunk, best, score, why, text)
            })
            .collect();
        if hits.is_empty() && chunks.is_empty() {
            hits.extend(self.first_mention(shown, words, file_score));
        }
        hits
    }

    fn chunk_score(&self, shown: &Shown<'_>, words: &Words, chunk: &Chunk) -> f32 {
        let mut counts = [0.0f32; WORDS_MAX];
        let mut add = |text: &str, weight: f32| {
            for_each_token(text, |token| {
                if let Some(&word) = words.by_token.get(token) {
                    counts[word] += weight;
                }
            });
        };
        add(&shown.text[chunk.span.clone()], 1.0);
        add(&chunk.context, CONTEXT_WEIGHT);
        for name in &chunk.names {
            add(&name.name, NAME_WEIGHT);
        }
        let named =
            chunk.names.iter().any(|name| words.plan.identifiers.iter().any(|asked| is_asked(name, asked)));
        let score: f32 = (0..WORDS_MAX)
            .map(|word| words.weight(word) * self.rarity[word] * counts[word] / (counts[word] + 1.0))
            .sum();
        if named { score * DEFINITION_BONUS + 1.0 } else { score }
    }

    /// Some lines around the first word, where nothing is parsed.
    fn first_mention(&self, shown: &Shown<'_>, words: &Words, score: f32) -> Option<Hit> {
        let telling = (1..=shown.lines.count()).find(|&line| {
            words.counts(&shown.text[shown.lines.span(line, line)]).iter().any(|&count| count > 0)
        })?;
        let (first, last) = around(&shown.lines, telling);
        let why = with_unsaved("text matches words of the question".to_owned(), shown.unsaved);
        Some(Hit { score, why, ..plain(shown, (first, last), shown.lines.span(telling, telling).start) })
    }
}

fn live_text(root: &Path, path: &str) -> Option<String> {
    let Current { decoded, .. } = current(root, path, FILE_BYTES_MAX)?;
    (!decoded.generated).then_some(decoded.text)
}

fn cut(cutter: &mut Cutter, path: &str, text: &str) -> Vec<Chunk> {
    catch_unwind(AssertUnwindSafe(|| cutter.cut(path, text))).unwrap_or_else(|_| {
        // A parser that panicked is not used again.
        *cutter = Cutter::default();
        Vec::new()
    })
}

/// A line with some lines around it: as many as are short enough to be shown.
fn around(lines: &LineStarts, line: u32) -> (u32, u32) {
    let count = lines.count().max(1);
    let (mut first, mut last) = (line, line);
    for distance in 1..=LINES_AROUND {
        let wider = (line.saturating_sub(distance).max(1), line.saturating_add(distance).min(count));
        if lines.span(wider.0, wider.1).len() > PLAIN_BYTES_MAX {
            break;
        }
        (first, last) = wider;
    }
    (first, last)
}

/// The part of some lines that is shown: all, or of lines that are too long the part from shortly before `from`.
fn part(text: &str, lines: Range<usize>, from: usize) -> Range<usize> {
    if lines.len() <= PLAIN_BYTES_MAX {
        return lines;
    }
    let start = text.floor_char_boundary(from.saturating_sub(PLAIN_BYTES_MAX / 4).max(lines.start));
    start..text.floor_char_boundary(start + PLAIN_BYTES_MAX).min(lines.end)
}

fn line_hit(shown: &Shown<'_>, lines: &Lines, group: &Group<'_>, factor: f32) -> Hit {
    let Group { span, chunk, matches } = group;
    let is_match = |name: &&Name| {
        matches.iter().any(|one| shown.text.get(one.from..one.to).is_some_and(|part| defines(part, name)))
    };
    let name = chunk.and_then(|chunk| chunk.names.iter().find(is_match));
    let best = matches.iter().map(|one| one.quality).fold(0.0, f32::max);
    let defined = if name.is_some() { DEFINITION_BONUS } else { 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "a few hundred lines")]
    let many = 0.1 * (matches.len() as f32).ln_1p();
    let score = factor * (best + defined + many);
    let numbers: Vec<u32> = matches.iter().map(|one| shown.lines.line_at(one.from)).collect();
    let why = with_unsaved(line_why(lines, &numbers, name), shown.unsaved);
    let found = match chunk {
        Some(chunk) => {
            let text = shown.text[whole_lines(&shown.text, chunk.span.clone())].to_owned();
            let first = numbers.first().copied().unwrap_or(chunk.start_line);
            let subject = chunk.symbol.as_deref();
            let (symbol, kind) = match name {
                Some(name) => (Some(name.qualified.clone()), name.kind.clone()),
                None => symbol_at(&chunk.names, subject, &chunk.kind, chunk.start_line, first),
            };
            Hit { symbol, kind, ..hit(shown.path, *span, chunk, name, score, why, text) }
        }
        None => Hit { score, why, ..plain(shown, *span, matches.first().map_or(0, |one| one.from)) },
    };
    let is_shown = |line: &u32| (found.start_line..=found.end_line).contains(line);
    Hit { lines: numbers.into_iter().filter(is_shown).collect(), ..found }
}

/// Whether a matched text is the name of a definition, alone or with its keyword before it.
fn defines(part: &str, name: &Name) -> bool {
    let part = part.trim_end_matches(|letter: char| !letter.is_alphanumeric() && letter != '_');
    part == name.name || part == name.qualified || part.rsplit(' ').next() == Some(name.name.as_str())
}

fn line_why(lines: &Lines, numbers: &[u32], name: Option<&Name>) -> String {
    let listed: Vec<String> = numbers.iter().take(LINES_LISTED_MAX).map(u32::to_string).collect();
    let more = numbers.len().saturating_sub(LINES_LISTED_MAX);
    let plural = if numbers.len() == 1 { "line" } else { "lines" };
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let place = format!("text matches `{}` in {plural} {}{more}", lines.shown, listed.join(", "));
    match name {
        Some(name) => format!("defines `{}`; {place}", name.qualified),
        None => place,
    }
}

fn with_unsaved(why: String, unsaved: bool) -> String {
    if unsaved { format!("{why}; unsaved text of an open editor") } else { why }
}

/// Lines without syntax, around a byte of the text; an empty one where there is no text. What is too long is cut, and
/// the lines are those of what is left.
fn plain(shown: &Shown<'_>, (first, last): (u32, u32), at: usize) -> Hit {
    let part = part(&shown.text, shown.lines.span(first, last), at);
    let start = part.start;
    let text = shown.text[part].trim_end_matches(['\n', '\r']);
    Hit {
        path: shown.path.to_owned(),
        start_line: shown.lines.line_at(start),
        end_line: shown.lines.line_at((start + text.len()).saturating_sub(1).max(start)),
        symbol: None,
        kind: "text".to_owned(),
        score: 0.0,
        why: String::new(),
        text: text.to_owned(),
        lines: Vec::new(),
    }
}

fn hit(
    path: &str,
    span: (u32, u32),
    chunk: &Chunk,
    name: Option<&Name>,
    score: f32,
    why: String,
    text: String,
) -> Hit {
    let (symbol, kind) = match name {
        Some(name) => (Some(name.qualified.clone()), name.kind.clone()),
        None => (chunk.symbol.clone(), chunk.kind.clone()),
    };
    let path = path.to_owned();
    Hit { path, start_line: span.0, end_line: span.1, symbol, kind, score, why, text, lines: Vec::new() }
}
