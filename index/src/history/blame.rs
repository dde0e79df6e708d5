//! Who last changed some lines of a file, when and why: followed back from the live text, version by version.
//!
//! Refuses: renames, and to look longer than it may; lines whose origin lies further back have no answer.

use std::collections::{BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::{DiffOptions, Error, ErrorCode, ObjectType, Oid, Patch, Repository};
use serde::Serialize;

use crate::files::content::decode_bytes;
use crate::files::lines::LineStarts;
use crate::files::live::read_text;
use crate::history::repository::{Opened, describe, open};
use crate::history::{Commit, HistoryLimits};
use crate::limits::{FILE_BYTES_MAX, PASSAGE_LINES_MAX};

/// Longest look, in seconds.
const BLAME_SECONDS_MAX: u64 = 10;
/// Commits that are looked at for one file.
const BLAME_COMMITS_MAX: usize = 100_000;

/// The origin of some lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Blame {
    /// In order of lines; lines whose origin was not found are left out.
    pub parts: Vec<BlamePart>,
    /// Why lines are missing or may be older than they seem.
    pub notes: Vec<String>,
}

/// Lines that one commit brought in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlamePart {
    /// 1-based first line.
    pub start_line: u32,
    /// 1-based last line, inclusive.
    pub end_line: u32,
    /// Who, when and why; `None` for lines that are not committed yet.
    pub commit: Option<Commit>,
}

/// Finds out which commits brought in the lines `start_line..=end_line` (1-based) of a file as it is on disk. Never
/// fails: without a history, or for a file that may not be shown, there are no parts and a note says why.
pub fn blame(root: &Path, path: &str, start_line: u32, end_line: u32, limits: &HistoryLimits) -> Blame {
    let mut blame = Blame::default();
    let result = read_text(root, path).map_err(|error| error.to_string()).and_then(|(path, text)| {
        let opened = open(root)?;
        let shallow = opened.repository.is_shallow();
        let inner = opened.prefix.join(path);
        let mut search = Search::new(opened, inner, limits);
        let lines = search.start(&text, start_line, end_line)?;
        search.run().map_err(|error| format!("the git history cannot be read: {}", error.message()))?;
        Ok((search, lines, shallow))
    });
    match result {
        Ok((search, lines, shallow)) => {
            blame.parts = search.parts(lines);
            let known: u32 = blame.parts.iter().map(|part| part.end_line - part.start_line + 1).sum();
            if known < lines.1 + 1 - lines.0 {
                blame.notes.push("some lines are older than what could be looked at in time".to_owned());
            }
            if shallow {
                let note = "the git history is shallow, so lines may be older than they seem";
                blame.notes.push(note.to_owned());
            }
        }
        Err(note) => blame.notes.push(note),
    }
    blame
}

/// A line that is looked for: its number in the live text, and in the version that is looked at.
type Line = (u32, u32);

/// What became of a line.
#[derive(Clone, Copy)]
enum Origin {
    Uncommitted,
    Commit(Oid),
}

struct Search {
    repository: Repository,
    head: Oid,
    /// In the repository.
    path: PathBuf,
    until: Instant,
    /// Commits to look at, by time: newest first.
    queue: BinaryHeap<(i64, Oid)>,
    /// The lines that each of them holds.
    held: HashMap<Oid, Vec<Line>>,
    origins: HashMap<u32, Origin>,
    cancel: crate::limits::CancelFlag,
}

impl Search {
    fn new(opened: Opened, path: PathBuf, limits: &HistoryLimits) -> Self {
        let Opened { repository, head, .. } = opened;
        let until = Instant::now() + limits.time.min(Duration::from_secs(BLAME_SECONDS_MAX));
        let (queue, held, origins) = (BinaryHeap::new(), HashMap::new(), HashMap::new());
        Self { repository, head, path, until, queue, held, origins, cancel: limits.cancel.clone() }
    }

    /// Maps lines of the live text to those of the commit that is checked out. Gives back which lines are looked for.
    fn start(&mut self, text: &str, start_line: u32, end_line: u32) -> Result<(u32, u32), String> {
        let count = LineStarts::of(text).count();
        if count as usize != text.lines().count() {
            return Err("the file has line breaks that git does not count".to_owned());
        }
        let first = start_line.max(1);
        let last = end_line.min(count).min(first.saturating_add(PASSAGE_LINES_MAX - 1));
        if first > last {
            return Err("the file has no such lines".to_owned());
        }
        let lines: Vec<Line> = (first..=last).map(|line| (line, line)).collect();
        let committed = self.version(self.head).ok().flatten().and_then(|blob| self.text(blob));
        let (passed, stay) = match committed {
            Some(old) => pass(&old, text, lines).map_err(|error| error.message().to_owned())?,
            None => (Vec::new(), lines),
        };
        for (line, _) in stay {
            self.origins.insert(line, Origin::Uncommitted);
        }
        self.hand(self.head, passed);
        Ok((first, last))
    }

    /// Follows lines back until each has its origin, or no time is left.
    fn run(&mut self) -> Result<(), Error> {
        let mut looked = 0;
        while let Some((_, id)) = self.queue.pop() {
            looked += 1;
            if looked > BLAME_COMMITS_MAX || self.cancel.is_cancelled() || Instant::now() >= self.until {
                break;
            }
            let Some(lines) = self.held.remove(&id) else { continue };
            let parents: Vec<Oid> = self.repository.find_commit(id)?.parent_ids().collect();
            let rest = self.pass_to_parents(id, &parents, lines)?;
            for (line, _) in rest {
                self.origins.insert(line, Origin::Commit(id));
            }
        }
        Ok(())
    }

    /// Hands lines to the parents that have them already; gives back those that none has.
    fn pass_to_parents(&mut self, id: Oid, parents: &[Oid], mut lines: Vec<Line>) -> Result<Vec<Line>, Error> {
        let mine = self.version(id)?;
        let mut others = Vec::new();
        for &parent in parents {
            // A parent that is missing, as in a partial clone, is as good as none.
            let theirs = self.version(parent).unwrap_or(None);
            if theirs == mine {
                self.hand(parent, lines);
                return Ok(Vec::new());
            }
            others.extend(theirs.map(|theirs| (parent, theirs)));
        }
        let Some(new) = mine.and_then(|mine| self.text(mine)) else { return Ok(lines) };
        for (parent, theirs) in others {
            let Some(old) = self.text(theirs) else { continue };
            let (passed, stay) = pass(&old, &new, lines)?;
            self.hand(parent, passed);
            lines = stay;
        }
        Ok(lines)
    }

    fn hand(&mut self, id: Oid, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        if !self.held.contains_key(&id) {
            let time = self.repository.find_commit(id).map_or(0, |commit| commit.time().seconds());
            self.queue.push((time, id));
        }
        self.held.entry(id).or_default().extend(lines);
    }

    /// The file in a commit.
    fn version(&self, id: Oid) -> Result<Option<Oid>, Error> {
        let tree = self.repository.find_commit(id)?.tree()?;
        match tree.get_path(&self.path) {
            Ok(entry) => Ok((entry.kind() == Some(ObjectType::Blob)).then(|| entry.id())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The text of a version, read as live files are; `None` when it is too large or no text.
    fn text(&self, blob: Oid) -> Option<String> {
        let (size, _) = self.repository.odb().ok()?.read_header(blob).ok()?;
        if size as u64 > FILE_BYTES_MAX {
            return None;
        }
        let bytes = self.repository.find_blob(blob).ok()?.content().to_vec();
        Some(decode_bytes(bytes)?.text)
    }

    /// Lines next to each other with one origin, as one part.
    fn parts(&self, (first, last): (u32, u32)) -> Vec<BlamePart> {
        let mut parts: Vec<BlamePart> = Vec::new();
        let mut before: Option<(u32, Option<Oid>)> = None;
        for line in first..=last {
            let Some(&origin) = self.origins.get(&line) else { continue };
            let id = match origin {
                Origin::Uncommitted => None,
                Origin::Commit(id) => Some(id),
            };
            match parts.last_mut() {
                Some(part) if before == Some((line - 1, id)) => part.end_line = line,
                _ => {
                    let commit = id.and_then(|id| self.repository.find_commit(id).ok());
                    let commit = commit.as_ref().map(describe);
                    parts.push(BlamePart { start_line: line, end_line: line, commit });
                }
            }
            before = Some((line, id));
        }
        parts
    }
}

/// Splits lines of `new` into those that `old` has as well, with their numbers there, and those that it has not.
fn pass(old: &str, new: &str, lines: Vec<Line>) -> Result<(Vec<Line>, Vec<Line>), Error> {
    let mut options = DiffOptions::new();
    // Line breaks of work tree and repository may differ by configuration.
    options.context_lines(0).ignore_whitespace_eol(true);
    let patch = Patch::from_buffers(old.as_bytes(), None, new.as_bytes(), None, Some(&mut options))?;
    let mut hunks = Vec::with_capacity(patch.num_hunks());
    for index in 0..patch.num_hunks() {
        let (hunk, _) = patch.hunk(index)?;
        // Where a hunk has no lines of its own it names the line before.
        let start = hunk.new_start() + u32::from(hunk.new_lines() == 0);
        hunks.push((start, hunk.new_lines(), hunk.old_lines()));
    }
    let mut passed = Vec::new();
    let mut stay = Vec::new();
    for (live, line) in lines {
        let before = hunks.partition_point(|(start, count, _)| start + count <= line);
        let inside = hunks.get(before).is_some_and(|(start, count, _)| *start <= line && line < start + count);
        if inside {
            stay.push((live, line));
            continue;
        }
        let shift: i64 = hunks[..before].iter().map(|(_, new, old)| i64::from(*old) - i64::from(*new)).sum();
        match u32::try_from(i64::from(line) + shift) {
            Ok(there) if there > 0 => passed.push((live, there)),
            _ => stay.push((live, line)),
        }
    }
    Ok((passed, stay))
}
