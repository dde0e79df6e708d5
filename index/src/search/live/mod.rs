//! Search over the live tree without any index: text as it stands, regular expressions, and the words of a question.
//! It answers before anything is indexed, from what is on disk and in open buffers at this moment.
//!
//! Refuses: to outlive its budget; what was found until then is the answer, and says that it was cut.

mod pattern;
mod scan;
mod show;
mod tree;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::IndexError;
use crate::handle::canonical;
use crate::limits::{CancelFlag, HITS_MAX, Limits, THREADS_MAX};
use crate::search::searcher::{Hit, SearchRequest};

/// Time a person waits for a first answer, in milliseconds.
const INTERACTIVE_MS: u64 = 1_000;
/// Longest search that a caller may ask for, in seconds.
const SECONDS_MAX: u64 = 60;
/// Shares of the time, in percent, at which listing folders, reading files, and cutting the best of them into passages
/// have to be over; what is left is for those that are being cut then.
const LIST_UNTIL_PERCENT: u32 = 40;
const SCAN_UNTIL_PERCENT: u32 = 72;
const CUT_UNTIL_PERCENT: u32 = 90;

/// What one search over the live tree may cost.
#[derive(Debug, Clone)]
pub struct LiveBudget {
    /// After this the answer is what was found until then; at most a minute.
    pub time: Duration,
    /// Threads that read files; at most [`THREADS_MAX`].
    pub threads: usize,
    /// Ends the search with [`IndexError::Cancelled`].
    pub cancel: CancelFlag,
}

impl Default for LiveBudget {
    fn default() -> Self {
        Self {
            time: Duration::from_millis(INTERACTIVE_MS),
            threads: Limits::default().threads,
            cancel: CancelFlag::new(),
        }
    }
}

/// What a search over the live tree found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveAnswer {
    /// Best first: the best of each file, then further ones of the same files.
    pub hits: Vec<Hit>,
    /// Not all was looked at: time was up, or there were more matches than anybody reads.
    pub cut: bool,
    /// Files that were looked at.
    pub searched: usize,
    /// Files that there are to look at, as far as folders were listed.
    pub files: usize,
}

/// Searches the files of a workspace as they are now, with the unsaved buffers of the request in place of theirs. Text
/// and regular expressions are searched line by line; any other question by its words.
///
/// # Errors
/// [`IndexError::Query`] for a regular expression that cannot be read or is too large, [`IndexError::Root`],
/// [`IndexError::Cancelled`].
pub fn live_search(root: &Path, request: &SearchRequest, budget: &LiveBudget) -> Result<LiveAnswer, IndexError> {
    let clock = Clock::start(budget);
    let root = canonical(root)?;
    let limit = request.limit.min(HITS_MAX);
    let Some(wanted) = pattern::Wanted::of(request)? else { return Ok(LiveAnswer::default()) };
    if limit == 0 {
        return Ok(LiveAnswer::default());
    }
    let tree = tree::list(&root, request, &wanted, &clock)?;
    let mut scanned = scan::scan(&root, &tree.files, request, &wanted, &clock)?;
    let rarity = scanned.rank(&tree.files, &wanted);
    let job =
        show::Job { root: &root, overlay: &request.overlay, wanted: &wanted, rarity: &rarity, clock: &clock };
    let (hits, unshown) = show::hits(&job, &tree.files, &scanned.found, limit)?;
    Ok(LiveAnswer {
        hits,
        cut: tree.cut || scanned.cut || unshown,
        searched: scanned.searched,
        files: tree.files.len(),
    })
}

/// When the parts of a search have to be over.
struct Clock<'a> {
    list_until: Instant,
    scan_until: Instant,
    cut_until: Instant,
    end: Instant,
    threads: usize,
    cancel: &'a CancelFlag,
}

impl<'a> Clock<'a> {
    fn start(budget: &'a LiveBudget) -> Self {
        let start = Instant::now();
        let time = budget.time.min(Duration::from_secs(SECONDS_MAX));
        Self {
            list_until: start + time * LIST_UNTIL_PERCENT / 100,
            scan_until: start + time * SCAN_UNTIL_PERCENT / 100,
            cut_until: start + time * CUT_UNTIL_PERCENT / 100,
            end: start + time,
            threads: budget.threads.clamp(1, THREADS_MAX),
            cancel: &budget.cancel,
        }
    }

    /// Whether a part that ends at `until` has to stop.
    fn is_over(&self, until: Instant) -> bool {
        self.cancel.is_cancelled() || Instant::now() >= until
    }

    fn check_cancel(&self) -> Result<(), IndexError> {
        if self.cancel.is_cancelled() { Err(IndexError::Cancelled) } else { Ok(()) }
    }
}
