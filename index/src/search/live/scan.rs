//! Reads the listed files on several threads and notes which of them hold what is looked for.
//!
//! Refuses: to keep texts; the few files that are shown are read again, so that what is shown is there.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::IndexError;
use crate::files::content::decode;
use crate::files::live::read;
use crate::files::role::role_of;
use crate::limits::{FILE_BYTES_MAX, SNIFF_BYTES};
use crate::search::live::Clock;
use crate::search::live::pattern::{WORDS_MAX, Wanted};
use crate::search::rank::role_factor;
use crate::search::searcher::SearchRequest;

/// Matching lines noted of one file.
pub(super) const LINES_PER_FILE_MAX: usize = 200;
/// Matching lines after which the search is ended: files come in order of likelihood, and nobody reads on.
const LINES_MAX: usize = 20_000;
/// Files that are looked at however little time there is, so that a busy machine still gives an answer.
const FILES_ALWAYS: usize = 64;
/// How fast further mentions of a word in one file stop to count.
const SATURATION: f32 = 1.2;
/// How much the length of a file counts against it, from 0 to 1.
const LENGTH_SHARE: f32 = 0.6;

/// A file that holds what is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Its place in the list of files.
    pub(super) file: usize,
    /// Higher is better; set by [`Scanned::rank`].
    pub(super) score: f32,
    /// Matching lines, or mentions of each word.
    counts: [u16; WORDS_MAX],
    bytes: u32,
    best: f32,
}

/// What a scan found.
#[derive(Default)]
pub(super) struct Scanned {
    /// Files that hold something; after [`Self::rank`] the best first.
    pub(super) found: Vec<Found>,
    /// Files that were looked at.
    pub(super) searched: usize,
    /// Not all files were looked at.
    pub(super) cut: bool,
    bytes: u64,
}

/// Looks at files until there are none, or no time.
///
/// # Errors
/// [`IndexError::Cancelled`].
pub(super) fn scan(
    root: &Path,
    files: &[String],
    request: &SearchRequest,
    wanted: &Wanted,
    clock: &Clock<'_>,
) -> Result<Scanned, IndexError> {
    let next = AtomicUsize::new(0);
    let lines = AtomicUsize::new(0);
    let cut = AtomicBool::new(false);
    let all = Mutex::new(Scanned::default());
    let work = || {
        let mut mine = Scanned::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.get(index) else { break };
            let in_time = index < FILES_ALWAYS && !clock.cancel.is_cancelled() || !clock.is_over(clock.scan_until);
            if !in_time || lines.load(Ordering::Relaxed) > LINES_MAX {
                cut.store(true, Ordering::Relaxed);
                break;
            }
            mine.searched += 1;
            let Some((found, bytes)) = look(root, path, request, wanted, clock) else { continue };
            mine.bytes += u64::from(bytes);
            if let Some(found) = found {
                if matches!(wanted, Wanted::Lines(_)) {
                    lines.fetch_add(usize::from(found.counts[0]), Ordering::Relaxed);
                }
                mine.found.push(Found { file: index, ..found });
            }
        }
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.found.append(&mut mine.found);
        all.searched += mine.searched;
        all.bytes += mine.bytes;
    };
    std::thread::scope(|scope| {
        for _ in 1..clock.threads {
            scope.spawn(work);
        }
        work();
    });
    clock.check_cancel()?;
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.cut = cut.into_inner();
    Ok(all)
}

/// Looks at one file; `None` when it is no text. Gives what was found in it, and its size.
fn look(
    root: &Path,
    path: &str,
    request: &SearchRequest,
    wanted: &Wanted,
    clock: &Clock<'_>,
) -> Option<(Option<Found>, u32)> {
    let text = match request.overlay.text(path) {
        Some(text) if text.len() as u64 > FILE_BYTES_MAX => return None,
        Some(text) => Cow::Borrowed(text),
        None => {
            let bytes = read(&root.join(path), FILE_BYTES_MAX).ok()?.bytes;
            // Most files hold nothing and need no decoding to know it.
            let plain = !bytes[..bytes.len().min(SNIFF_BYTES)].contains(&0);
            if plain
                && let Ok(text) = std::str::from_utf8(&bytes)
                && evaluate(text, wanted, clock).is_none()
            {
                return Some((None, size(&bytes)));
            }
            Cow::Owned(decode(path, bytes).ok()?.text)
        }
    };
    if !request.filter.admits_text(path, &text) {
        return None;
    }
    Some((evaluate(&text, wanted, clock), size(text.as_bytes())))
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn evaluate(text: &str, wanted: &Wanted, clock: &Clock<'_>) -> Option<Found> {
    let mut counts = [0; WORDS_MAX];
    let mut best = 0.0f32;
    match wanted {
        Wanted::Lines(lines) => {
            let matches = lines.matches(text, LINES_PER_FILE_MAX, clock, clock.scan_until);
            counts[0] = u16::try_from(matches.len()).unwrap_or(u16::MAX);
            best = matches.iter().map(|one| one.quality).fold(best, f32::max);
        }
        Wanted::Words(words) => counts = words.counts(text),
    }
    let any = counts.iter().any(|&count| count > 0);
    any.then(|| Found { file: 0, score: 0.0, counts, bytes: size(text.as_bytes()), best })
}

impl Scanned {
    /// Scores what was found and puts the best first. Gives back how rare each word is.
    pub(super) fn rank(&mut self, files: &[String], wanted: &Wanted) -> [f32; WORDS_MAX] {
        let rarity = self.rarity();
        #[expect(clippy::cast_precision_loss, reason = "an average")]
        let usual = (self.bytes as f32 / self.searched.max(1) as f32).max(1.0);
        for found in &mut self.found {
            let path = files.get(found.file).map_or("", String::as_str);
            let score = match wanted {
                Wanted::Lines(_) => found.best + 0.1 * f32::from(found.counts[0]).ln_1p(),
                Wanted::Words(words) => {
                    let in_path = words.counts(path);
                    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
                    let length = 1.0 - LENGTH_SHARE + LENGTH_SHARE * found.bytes as f32 / usual;
                    (0..WORDS_MAX).fold(0.0, |sum, word| {
                        let count = f32::from(found.counts[word]);
                        let named = f32::from(u8::from(in_path[word] > 0));
                        let mentions = count / (count + SATURATION * length);
                        sum + words.weight(word) * rarity[word] * (mentions + named)
                    })
                }
            };
            found.score = score * role_factor(role_of(path), wanted.roles());
        }
        // Of equals, those that come first in the list of files.
        self.found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.file.cmp(&b.file)));
        rarity
    }

    /// How much each word tells: less, the more files hold it.
    fn rarity(&self) -> [f32; WORDS_MAX] {
        let mut rarity = [0.0; WORDS_MAX];
        for (word, rarity) in rarity.iter_mut().enumerate() {
            let holders = self.found.iter().filter(|found| found.counts[word] > 0).count();
            #[expect(clippy::cast_precision_loss, reason = "an estimate of how rare a word is")]
            let (holders, all) = (holders as f32, self.searched as f32);
            *rarity = (1.0 + (all - holders).max(0.0) / (holders + 0.5)).ln().max(0.05);
        }
        rarity
    }
}
