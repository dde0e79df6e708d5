//! A whole evaluation: trees laid out, indexed, asked, and every answer scored.
//!
//! Refuses: to stop for one repository that is missing; what could not be asked is listed beside the scores.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::eval::EvalError;
use crate::eval::layout::{Layout, repository};
use crate::eval::score::{Found, Measure, Wanted, first_shown, score};
use crate::eval::task::{Gold, Sets, Task};
use crate::handle::Index;
use crate::limits::{CancelFlag, EVAL_HITS, EVAL_JOBS_MAX, FILE_BYTES_MAX, IndexDirs, Limits};
use crate::parse::outline::outline;
use crate::search::searcher::{SearchRequest, Searcher};
use crate::words::counted;

/// Digits of a commit that are shown.
const REV_SHOWN: usize = 10;
/// Places of hits kept in a result, for a look at what came instead.
const TOP_KEPT: usize = 10;

/// How an evaluation is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of repositories.
    pub repos: Option<PathBuf>,
    /// The folder that is written: trees and their indexes, kept for the next run.
    pub work: PathBuf,
    /// Trees handled at the same time.
    pub jobs: usize,
}

/// One question and what was made of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The set.
    pub set: String,
    /// The question's name in it.
    pub id: String,
    /// Its repository, or the set's name.
    pub repo: String,
    /// Its kind.
    pub kind: String,
    /// Its language; empty where the set names none.
    pub language: String,
    /// Scores by name.
    pub scores: BTreeMap<String, f64>,
    /// 1-based place of the first hit that shows gold.
    pub first: Option<usize>,
    /// Bytes of text up to the end of that hit; a quarter of it estimates tokens.
    pub first_bytes: Option<usize>,
    /// Time of the search, in milliseconds.
    pub search_ms: f64,
    /// The first hits as `path:start-end symbol`.
    pub top: Vec<String>,
    /// The gold as `path:start-end symbol`.
    pub gold: Vec<String>,
    /// Gold files of which the index holds nothing.
    pub not_indexed: Vec<String>,
}

/// What indexing took, for one set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Indexed {
    /// Trees.
    pub trees: usize,
    /// Files in them, those of several trees counted each time.
    pub files: usize,
    /// Files that had to be parsed in this run.
    pub parsed: usize,
    /// Time for opening and bringing up to date, in seconds, summed over trees.
    pub seconds: f64,
}

/// An evaluation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Every question that was asked, by set, in the order of the set.
    pub tasks: Vec<TaskResult>,
    /// What indexing took, by set.
    pub indexed: BTreeMap<String, Indexed>,
    /// Why questions were not asked: one line for each tree that could not be had.
    pub missing: Vec<String>,
    /// Questions not asked, by set.
    pub not_asked: BTreeMap<String, usize>,
    /// Wall clock of the whole run, in seconds.
    pub seconds: f64,
}

/// The questions that are asked of one tree.
pub(crate) struct Group<'a> {
    pub(crate) tasks: Vec<(usize, &'a Task)>,
}

/// Runs all questions. `progress` is told in short lines what is being done.
///
/// # Errors
/// [`EvalError::Cancelled`], and errors of the work folder and the index. A missing repository is no error.
pub fn run(
    sets: &Sets,
    options: &Options,
    progress: &(dyn Fn(&str) + Sync),
    cancel: &CancelFlag,
) -> Result<Outcome, EvalError> {
    let started = Instant::now();
    let groups = groups(sets);
    let next = AtomicUsize::new(0);
    let jobs = options.jobs.clamp(1, EVAL_JOBS_MAX).min(groups.len().max(1));
    let collected = Mutex::new(Collected::default());
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = ask(group, sets, options, jobs, cancel);
            let mut collected = lock(&collected);
            collected.groups += 1;
            progress(&format!("{} of {} trees: {}", collected.groups, groups.len(), name_of(group)));
            if collected.take(group, result) {
                // Nobody begins another tree after an error.
                next.store(groups.len(), Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(work);
        }
        work();
    });
    let collected = collected.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(error) = collected.error {
        return Err(error);
    }
    let mut outcome = collected.outcome;
    let mut tasks = collected.tasks;
    tasks.sort_by_key(|(at, _)| *at);
    outcome.tasks = tasks.into_iter().map(|(_, task)| task).collect();
    outcome.missing.sort();
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[derive(Default)]
struct Collected {
    outcome: Outcome,
    tasks: Vec<(usize, TaskResult)>,
    groups: usize,
    error: Option<EvalError>,
}

impl Collected {
    /// Adds what came of a group; true when the run has to end.
    fn take(&mut self, group: &Group<'_>, result: Result<Asked, EvalError>) -> bool {
        let set = group.tasks.first().map(|(_, task)| task.set.clone()).unwrap_or_default();
        match result {
            Ok(asked) => {
                let sum = self.outcome.indexed.entry(set).or_default();
                sum.trees += asked.indexed.trees;
                sum.files += asked.indexed.files;
                sum.parsed += asked.indexed.parsed;
                sum.seconds += asked.indexed.seconds;
                self.tasks.extend(asked.tasks);
                false
            }
            Err(error @ (EvalError::Repository { .. } | EvalError::Input { .. })) => {
                for (_, task) in &group.tasks {
                    *self.outcome.not_asked.entry(task.set.clone()).or_default() += 1;
                }
                self.outcome.missing.push(error.to_string());
                false
            }
            Err(error) => {
                self.error.get_or_insert(error);
                true
            }
        }
    }
}

/// Questions by the tree they are asked of, in the order in which these first come. A tree has one group only: its index
/// has one owner.
fn groups(sets: &Sets) -> Vec<Group<'_>> {
    let mut places: HashMap<_, usize> = HashMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (at, task) in sets.tasks.iter().enumerate() {
        let by_set = task.repo.is_none() || sets.own.is_some();
        let set = by_set.then_some(&task.set);
        let tree = (!by_set).then_some((&task.repo, &task.rev, &task.root));
        let key = (set, tree);
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Group { tasks: Vec::new() });
            groups.len() - 1
        });
        groups[place].tasks.push((at, task));
    }
    groups
}

/// What a person calls the tree of a group: its repository and how it went on, or its set.
fn name_of(group: &Group<'_>) -> String {
    let Some((_, one)) = group.tasks.first() else { return String::new() };
    let rev = one.rev.as_deref().map(|rev| format!(" at {}", rev.get(..REV_SHOWN).unwrap_or(rev)));
    let name = one.repo.as_deref().unwrap_or(&one.set);
    format!("{name}{}, {}", rev.unwrap_or_default(), counted(group.tasks.len() as u64, "question"))
}

/// What came of a group.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) tasks: Vec<(usize, TaskResult)>,
    pub(crate) indexed: Indexed,
}

/// Lays out the tree of a group, brings its index up to date and asks its questions.
fn ask(
    group: &Group<'_>,
    sets: &Sets,
    options: &Options,
    jobs: usize,
    cancel: &CancelFlag,
) -> Result<Asked, EvalError> {
    if cancel.is_cancelled() {
        return Err(EvalError::Cancelled);
    }
    let Some((_, one)) = group.tasks.first() else { return Ok(Asked::default()) };
    if let Some(own) = &sets.own
        && one.rev.is_some()
    {
        return own.replay(group, options, cancel);
    }
    let folder = folder_of(one, sets, options, cancel)?;
    let (index, indexed) = up_to_date(&folder, options, jobs, cancel)?;
    let snapshot = Snapshot::of(&index, &folder);
    let mut tasks = Vec::with_capacity(group.tasks.len());
    for (at, task) in &group.tasks {
        if cancel.is_cancelled() {
            return Err(EvalError::Cancelled);
        }
        tasks.push((*at, snapshot.ask(task)?));
    }
    Ok(Asked { tasks, indexed })
}

/// The folder in which the tree of a question lies, laid out now where it is not there yet.
fn folder_of(task: &Task, sets: &Sets, options: &Options, cancel: &CancelFlag) -> Result<PathBuf, EvalError> {
    let layout = Layout { work: options.work.clone() };
    match (&task.repo, &task.rev) {
        (Some(name), Some(rev)) => {
            let repos = options.repos.as_deref().ok_or_else(|| EvalError::Repository {
                name: name.clone(),
                folder: PathBuf::from("."),
                reason: "no folder of repositories was named".to_owned(),
            })?;
            layout.tree(&repository(name, repos)?, name, rev, task.root.as_deref(), cancel)
        }
        (Some(name), None) => {
            Err(EvalError::input(Path::new(name), None, "a question names a repository without a commit"))
        }
        (None, _) => match &sets.own {
            Some(own) => Ok(own.edited.clone()),
            None => {
                let file = sets.documents.get(&task.set).map_or(Path::new("documents"), PathBuf::as_path);
                layout.documents(&task.set, file)
            }
        },
    }
}

/// The index of a folder, complete.
pub(crate) fn up_to_date(
    folder: &Path,
    options: &Options,
    jobs: usize,
    cancel: &CancelFlag,
) -> Result<(Index, Indexed), EvalError> {
    let started = Instant::now();
    let dirs = IndexDirs { cache: options.work.join("cache") };
    let mut limits = Limits::default();
    limits.threads = (limits.threads / jobs).max(1);
    let index = Index::open(folder, &dirs, limits)?;
    let mut indexed = refresh(&index, cancel)?;
    indexed.trees = 1;
    indexed.seconds = started.elapsed().as_secs_f64();
    Ok((index, indexed))
}

/// Brings an index into step with its folder.
pub(crate) fn refresh(index: &Index, cancel: &CancelFlag) -> Result<Indexed, EvalError> {
    let report = index.refresh(&mut |_| {}, cancel).map_err(|error| match error {
        crate::error::IndexError::Cancelled => EvalError::Cancelled,
        error => error.into(),
    })?;
    Ok(Indexed { trees: 0, files: report.files, parsed: report.indexed, seconds: report.seconds })
}

/// A searchable state of a folder.
pub(crate) struct Snapshot<'a> {
    searcher: Searcher,
    folder: &'a Path,
    /// Paths that the index holds, read only when a question's gold does not turn up.
    files: OnceCell<BTreeSet<String>>,
}

impl<'a> Snapshot<'a> {
    /// What can be found now.
    pub(crate) fn of(index: &Index, folder: &'a Path) -> Self {
        Self { searcher: index.searcher(), folder, files: OnceCell::new() }
    }

    /// Asks one question and scores the answer.
    pub(crate) fn ask(&self, task: &Task) -> Result<TaskResult, EvalError> {
        let root = task.root.as_deref().unwrap_or_default().trim_matches('/');
        let request = SearchRequest::new(task.query.as_str(), EVAL_HITS);
        let started = Instant::now();
        let hits = self.searcher.search(&request)?;
        let search_ms = started.elapsed().as_secs_f64() * 1e3;
        let found: Vec<Found> = hits.iter().map(|hit| Found::of(hit, root)).collect();
        let wanted: Vec<Wanted<'_>> = task.gold.iter().map(|gold| wanted(gold, self.folder, root)).collect();
        let first = first_shown(&found, &wanted);
        let shown = |found: &Found| place(&found.path, Some(found.lines), found.symbol.as_deref());
        let gold =
            |one: &Wanted<'_>| place(&one.gold.path, one.spans.first().copied(), one.gold.symbol.as_deref());
        let mut not_indexed = Vec::new();
        for gold in task.gold.iter().filter(|gold| !found.iter().any(|found| found.path == gold.path)) {
            if below(&gold.path, root).is_none_or(|path| !self.files().contains(path)) {
                not_indexed.push(gold.path.clone());
            }
        }
        Ok(TaskResult {
            set: task.set.clone(),
            id: task.id.clone(),
            repo: task.repo.clone().unwrap_or_else(|| task.set.clone()),
            kind: task.kind.clone(),
            language: task.language.clone().unwrap_or_default(),
            scores: score(Measure::of(task), &found, &wanted),
            first: first.map(|(at, _)| at + 1),
            first_bytes: first.map(|(_, bytes)| bytes),
            search_ms,
            top: found.iter().take(TOP_KEPT).map(shown).collect(),
            gold: wanted.iter().map(gold).collect(),
            not_indexed,
        })
    }

    fn files(&self) -> &BTreeSet<String> {
        self.files.get_or_init(|| {
            // Only a remark depends on it, so an index that cannot be listed is no reason to stop.
            let chunks = self.searcher.chunks().unwrap_or_default();
            chunks.into_iter().map(|chunk| chunk.path).collect()
        })
    }
}

/// The gold with the lines it stands on: its own, else those of its symbol in the file that was laid out.
fn wanted<'a>(gold: &'a Gold, folder: &Path, root: &str) -> Wanted<'a> {
    let mut spans = Vec::new();
    if let Some(start) = gold.start {
        let end = gold.end.unwrap_or(start);
        // A span that ends before it begins would be no line at all.
        spans.push((start, end.max(start)));
    } else if let Some(symbol) = &gold.symbol
        && let Some(path) = below(&gold.path, root)
    {
        let full = folder.join(path);
        let small = fs::metadata(&full).is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX);
        let text = if small { fs::read(&full).unwrap_or_default() } else { Vec::new() };
        let outline = outline(path, &String::from_utf8_lossy(&text)).unwrap_or_default();
        let named = outline.symbols.iter().filter(|one| one.qualified == *symbol);
        spans.extend(named.map(|one| (one.start_line, one.end_line)));
        // A symbol that is not found has no lines; only its name can be matched, which no empty span does.
        if spans.is_empty() {
            spans.push((0, 0));
        }
    }
    Wanted { gold, spans }
}

/// A path of the repository as the workspace at `root` has it.
fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    if root.is_empty() {
        return Some(path);
    }
    path.strip_prefix(root)?.strip_prefix('/')
}

fn place(path: &str, lines: Option<(u32, u32)>, symbol: Option<&str>) -> String {
    let lines = lines.map(|(start, end)| format!(":{start}-{end}")).unwrap_or_default();
    let symbol = symbol.map(|symbol| format!(" {symbol}")).unwrap_or_default();
    format!("{path}{lines}{symbol}")
}
