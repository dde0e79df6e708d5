//! What a repository's past says about its files: which change together, who touched them last and why, and in which
//! commits the words of a question stand.
//!
//! Refuses: any write or lock in the repository, and to fail. Without a readable history there is none, with a note.

mod blame;
mod cache;
mod read;
mod repository;
mod trees;

use std::collections::{HashMap, HashSet};
use std::fs::symlink_metadata;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

pub use blame::{Blame, BlamePart, blame};
pub use cache::HistoryCache;

use crate::files::secrets::is_secret;
use crate::limits::CancelFlag;
use crate::search::query::Plan;

/// Commits that are read, newest first.
pub const HISTORY_COMMITS_MAX: usize = 20_000;
/// Time that reading them may take, in seconds.
const READ_SECONDS: u64 = 20;
/// A commit that changes more files says nothing about any pair of them.
const FILES_PER_COMMIT_MAX: usize = 50;
/// Commits of one file that are looked at for what changes with it.
const COMMITS_PER_FILE_MAX: usize = 1_000;
/// Matching commits whose files are raised.
const MATCHING_COMMITS_MAX: usize = 100;

/// Files looked at on disk for each one wanted: after a large removal most of the best ones may be gone.
const LOOKS_PER_FILE: usize = 4;

/// What reading a history may cost.
#[derive(Debug, Clone)]
pub struct HistoryLimits {
    /// Most commits; at most [`HISTORY_COMMITS_MAX`].
    pub commits: usize,
    /// Most time.
    pub time: Duration,
    /// Ends the reading; what was read until then stays.
    pub cancel: CancelFlag,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { commits: HISTORY_COMMITS_MAX, time: Duration::from_secs(READ_SECONDS), cancel: CancelFlag::new() }
    }
}

/// A commit, as people name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// The first digits of its id.
    pub id: String,
    /// When it was made, in seconds since 1970 (UTC).
    pub time: i64,
    /// Name of its author.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

/// A file that changes together with another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoChange {
    /// Relative to the workspace.
    pub path: String,
    /// Each common commit adds one, divided by the number of other files it changes.
    pub weight: f32,
    /// Common commits.
    pub commits: u32,
}

/// A file that commits speaking of a question have changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matching {
    /// Relative to the workspace.
    pub path: String,
    /// Higher is better; comparable within one answer only.
    pub score: f32,
    /// The commit that speaks of it most.
    pub commit: Commit,
}

/// One commit that was read.
#[derive(Debug)]
struct Read {
    commit: Commit,
    /// Its files, by number; empty when they are too many to say anything.
    files: Vec<u32>,
}

/// The bounded history of a workspace, in memory. Files that are gone or secret do not appear in answers.
#[derive(Debug, Default)]
pub struct History {
    root: PathBuf,
    head: Option<git2::Oid>,
    notes: Vec<String>,
    /// Newest first.
    commits: Vec<Read>,
    paths: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Commits of each file, newest first.
    touches: Vec<Vec<u32>>,
    /// Commits by the words of their subjects.
    words: HashMap<String, Vec<u32>>,
}

impl History {
    /// Reads the history of the repository around a workspace, as far as the limits allow. Takes seconds in a large
    /// repository, so it belongs in the background; see [`HistoryCache`].
    pub fn read(root: &Path, limits: &HistoryLimits) -> Self {
        read::read(root, limits)
    }

    /// Why the history is missing or does not reach all the way back, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How many commits were read.
    pub fn len(&self) -> usize {
        self.commits.len()
    }

    /// Whether there is no history.
    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// The commits that changed a file, newest first, among those that change at most two thousand.
    pub fn commits_of(&self, path: &str) -> impl Iterator<Item = &Commit> {
        let touches = self.numbers.get(path).and_then(|&number| self.touches.get(number as usize));
        let touches = touches.map_or(&[] as &[u32], Vec::as_slice);
        touches.iter().filter_map(|&commit| self.commits.get(commit as usize)).map(|read| &read.commit)
    }

    /// The files that most often changed together with a file, the closest first, at most `most`.
    pub fn co_changed(&self, path: &str, most: usize) -> Vec<CoChange> {
        let Some(&number) = self.numbers.get(path) else { return Vec::new() };
        let touches = self.touches.get(number as usize).map_or(&[] as &[u32], Vec::as_slice);
        let mut others: HashMap<u32, (f32, u32)> = HashMap::new();
        for &commit in touches.iter().take(COMMITS_PER_FILE_MAX) {
            let Some(read) = self.commits.get(commit as usize) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "at most fifty files")]
            let weight = 1.0 / (read.files.len().saturating_sub(1).max(1) as f32);
            for &other in read.files.iter().filter(|&&other| other != number) {
                let sum = others.entry(other).or_default();
                sum.0 += weight;
                sum.1 += 1;
            }
        }
        let mut order: Vec<(u32, (f32, u32))> = others.into_iter().collect();
        order.sort_by(|(a, (weight_a, _)), (b, (weight_b, _))| weight_b.total_cmp(weight_a).then(a.cmp(b)));
        let best = order.into_iter().take(most.saturating_mul(LOOKS_PER_FILE));
        let live = best.filter_map(|(other, (weight, commits))| {
            self.live_path(other).map(|path| CoChange { path: path.to_owned(), weight, commits })
        });
        live.take(most).collect()
    }

    /// The files changed by commits whose subjects hold words of a question, the best first, at most `most`.
    pub fn matching(&self, question: &str, most: usize) -> Vec<Matching> {
        let plan = Plan::of(question);
        let mut scores: HashMap<u32, f32> = HashMap::new();
        let mut whole = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "an estimate of how rare a word is")]
        for term in &plan.terms {
            let holders = self.words.get(&term.token).map_or(&[] as &[u32], Vec::as_slice);
            let rare = (1.0 + self.commits.len() as f32 / (holders.len() as f32 + 0.5)).ln();
            whole += term.weight * rare;
            for &commit in holders {
                *scores.entry(commit).or_default() += term.weight * rare;
            }
        }
        let mut order: Vec<(u32, f32)> = scores.into_iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut files: HashMap<u32, (f32, u32)> = HashMap::new();
        for (commit, score) in order.into_iter().take(MATCHING_COMMITS_MAX) {
            let Some(read) = self.commits.get(commit as usize) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "at most fifty files")]
            let share = (score / whole).powi(2) / (read.files.len() as f32).max(1.0).sqrt();
            for &file in &read.files {
                // The first commit that names a file is the one that matches best.
                files.entry(file).or_insert((0.0, commit)).0 += share;
            }
        }
        let mut order: Vec<(u32, (f32, u32))> = files.into_iter().collect();
        order.sort_by(|(a, (score_a, _)), (b, (score_b, _))| score_b.total_cmp(score_a).then(a.cmp(b)));
        let best = order.into_iter().take(most.saturating_mul(LOOKS_PER_FILE));
        let live = best.filter_map(|(file, (score, commit))| {
            let path = self.live_path(file)?.to_owned();
            Some(Matching { path, score, commit: self.commits.get(commit as usize)?.commit.clone() })
        });
        live.take(most).collect()
    }

    /// The path of a file that is still there as a file and may be shown.
    fn live_path(&self, number: u32) -> Option<&str> {
        let path = self.paths.get(number as usize)?;
        let is_file = symlink_metadata(self.root.join(path)).is_ok_and(|meta| meta.is_file());
        is_file.then_some(path.as_str())
    }

    /// The number of a path; `None` for one that is never shown.
    fn number(&mut self, path: String) -> Option<u32> {
        if let Some(&known) = self.numbers.get(&path) {
            return Some(known);
        }
        if is_secret(&path) {
            return None;
        }
        let number = u32::try_from(self.paths.len()).ok()?;
        self.paths.push(path.clone());
        self.touches.push(Vec::new());
        self.numbers.insert(path, number);
        Some(number)
    }

    /// Takes up the next older commit with the files it changed; `broad` when it says nothing about pairs of them.
    fn add(&mut self, commit: Commit, paths: Vec<String>, broad: bool) {
        let Ok(index) = u32::try_from(self.commits.len()) else { return };
        let numbers: Vec<u32> = paths.into_iter().filter_map(|path| self.number(path)).collect();
        for &number in &numbers {
            if let Some(touches) = self.touches.get_mut(number as usize) {
                touches.push(index);
            }
        }
        let words: HashSet<String> = crate::parse::tokenize::tokens(&commit.subject).into_iter().collect();
        for word in words {
            self.words.entry(word).or_default().push(index);
        }
        let broad = broad || numbers.len() > FILES_PER_COMMIT_MAX;
        self.commits.push(Read { commit, files: if broad { Vec::new() } else { numbers } });
    }
}
