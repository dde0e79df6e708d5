//! A full walk: finds what changed by stat, parses that on several threads, and publishes the result.
//!
//! Refuses: to return before everything it found can be searched, and to read a file whose stat did not change.

use std::collections::HashSet;
use std::fs::symlink_metadata;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::build::pace::{Pace, at_priority, lower_priority};
use crate::build::prepare::{Outcome, Preparation};
use crate::build::status::{Progress, Report, State};
use crate::build::writer::{COMPLETE, REFRESHED, SKIPPED, TOTAL, Tell, Writer, apply};
use crate::error::IndexError;
use crate::files::outside::Outside;
use crate::files::skip::{SkipReason, SkipTally};
use crate::files::walk::{Entry, Walk, left_out_note, priority, walk};
use crate::limits::{
    BUILD_FILES_MIN, COALESCE_MS, CancelFlag, INDEX_LOOKS, INDEXED_FILE_BYTES, PREPARED_QUEUE_MAX,
    PUBLISH_REST_MS, PUBLISH_SECONDS_FIRST, PUBLISH_SECONDS_MAX,
};
use crate::parse::cut::Cutter;
use crate::storage::manifest::FileRow;

/// Progress is told at most this often, in milliseconds.
const PROGRESS_MS: u64 = 50;

/// One file to prepare, with what is indexed of it.
struct Job {
    entry: Entry,
    known: Option<FileRow>,
}

/// What a walk means for the index.
struct Plan {
    jobs: Vec<Job>,
    gone: Vec<String>,
    unchanged: usize,
}

/// How a build stands.
struct Build {
    done: usize,
    total: usize,
    parsed: usize,
    /// Of those, files that were not indexed before.
    added: usize,
    tally: SkipTally,
    /// Paths that were saved meanwhile and dealt with at once; older results for them are dropped.
    overtaken: HashSet<String>,
    /// Nobody waits for it.
    in_background: bool,
    /// Bytes read since the size of the index was looked at.
    unweighed: u64,
    /// The first job that was left out because the index is as large as it may be.
    full_from: Option<usize>,
    told: Option<Instant>,
    /// Files that were done before it began.
    unchanged: usize,
    started: Instant,
    published: Instant,
    publish_every: Duration,
}

impl Build {
    /// Whether the rest takes so long, as far as can be told, that what there is should be shown meanwhile: each
    /// publication makes smaller segments, in which the same words are written again.
    fn is_long(&self) -> bool {
        let done = self.done.saturating_sub(self.unchanged).max(1) as u128;
        let left = self.total.saturating_sub(self.done) as u128;
        self.started.elapsed().as_millis() * left / done > u128::from(PUBLISH_REST_MS)
    }

    /// Whether a path, or a folder above it, was dealt with meanwhile.
    fn is_overtaken(&self, path: &str) -> bool {
        !self.overtaken.is_empty()
            && (self.overtaken.contains(path)
                || path.match_indices('/').any(|(at, _)| self.overtaken.contains(&path[..at])))
    }
}

impl Writer {
    /// Brings the index into step with the workspace. In the background it makes way for whatever else there is to do.
    pub(crate) fn refresh(
        &mut self,
        in_background: bool,
        cancel: &CancelFlag,
        tell: Tell<'_>,
    ) -> Result<Report, IndexError> {
        let started = Instant::now();
        // Before the walk, so that a change during it is seen after it.
        let mut outside = match self.shared.outside() {
            Some(known) => known.again(&self.shared.root),
            None => Outside::look(&self.shared.root),
        };
        self.shared.set_outside(outside.clone());
        let mut found = self.look(in_background, cancel)?;
        let broken = self.base_mut().note.clone();
        self.shared.begin_notes(broken);
        if self.shared.watch_folders(&found.folders) {
            // Changes between the walk and the watch would be seen by neither.
            found = self.look(in_background, cancel)?;
        }
        outside.take_up(std::mem::take(&mut found.repositories));
        self.shared.keep_outside(outside);
        let mut notes = std::mem::take(&mut found.notes);
        let mut tally = std::mem::take(&mut found.tally);
        let total = found.files.len();
        let mut plan = self.plan(found, &mut tally);
        let full = self.leave_out_new(&mut plan);
        // What is there and left out all the same is told by its reason.
        let is_gone = |path: &&String| symlink_metadata(self.shared.root.join(path)).is_err();
        let (unchanged, removed) = (plan.unchanged, plan.gone.iter().filter(is_gone).count());
        let mut build = Build {
            done: unchanged,
            total,
            parsed: 0,
            added: 0,
            tally,
            overtaken: HashSet::new(),
            in_background,
            unweighed: 0,
            full_from: None,
            told: None,
            unchanged,
            started: Instant::now(),
            published: Instant::now(),
            publish_every: Duration::from_secs(PUBLISH_SECONDS_FIRST),
        };
        self.carry_out(&plan, &mut build, cancel, tell)?;
        let left_out = full.iter().chain(&plan.jobs[build.full_from.unwrap_or(plan.jobs.len())..]);
        left_out.clone().for_each(|job| build.tally.add(SkipReason::OverDisk, &job.entry.path));
        let why = format!("the index may take {} MB", self.shared.limits.index_bytes_max >> 20);
        notes.extend(left_out_note(left_out.map(|job| job.entry.path.as_str()), &why));
        let skipped = build.tally.list();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let refreshed_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let facts = [
            (COMPLETE, "1".to_owned()),
            (REFRESHED, refreshed_ms.to_string()),
            (SKIPPED, serde_json::to_string(&skipped).unwrap_or_default()),
        ];
        self.base_mut().merge_next();
        self.publish(&facts, Some(State::Ready))?;
        self.shared.all_shown();
        self.shared.set_looked();
        tell(Progress { done: total, total });
        self.shared.update_status(|status| {
            status.skipped.clone_from(&skipped);
            status.refreshed_ms = Some(refreshed_ms);
        });
        for note in &notes {
            self.shared.note(note.clone());
        }
        let status = self.shared.status();
        Ok(Report {
            files: status.files,
            chunks: status.chunks,
            seconds: started.elapsed().as_secs_f64(),
            unchanged: status.files.saturating_sub(build.parsed),
            indexed: build.parsed,
            added: build.added,
            removed,
            skipped,
            notes,
        })
    }

    /// Does what a plan says; what is done when it is broken off stays.
    fn carry_out(
        &mut self,
        plan: &Plan,
        build: &mut Build,
        cancel: &CancelFlag,
        tell: Tell<'_>,
    ) -> Result<(), IndexError> {
        let is_large = plan.jobs.len() >= BUILD_FILES_MIN;
        let is_held_up = is_large && build.in_background && self.shared.is_paused();
        if is_large && !is_held_up {
            // Before anything is changed, and its threads inherit the priority.
            let bytes = self.shared.limits.build_bytes;
            at_priority(build.in_background, || self.base_mut().begin_build(bytes))?;
        }
        for path in &plan.gone {
            self.base_mut().remove(path)?;
            self.shared.recent().note(path, true);
        }
        if is_held_up {
            return Err(self.stop_for_pause(plan, build));
        }
        if !plan.jobs.is_empty() {
            self.show(Some(State::Building { done: build.done, total: build.total }));
            if let Err(error) = self.build(&plan.jobs, build, cancel, tell) {
                if matches!(error, IndexError::Cancelled) && build.in_background && self.shared.is_paused() {
                    return Err(self.stop_for_pause(plan, build));
                }
                if matches!(error, IndexError::Cancelled) {
                    self.publish(&[(COMPLETE, "0".to_owned())], Some(State::Partial))?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Walks the workspace.
    fn look(&self, in_background: bool, cancel: &CancelFlag) -> Result<Walk, IndexError> {
        let shared = &self.shared;
        at_priority(in_background, || walk(&shared.root, &shared.limits, cancel))
    }

    /// Publishes what is done and says how far it is; the error that ends the build.
    fn stop_for_pause(&mut self, plan: &Plan, build: &mut Build) -> IndexError {
        if let Err(error) = self.take_up_latest(plan, build) {
            return error;
        }
        let state = State::Paused { done: build.done, total: build.total };
        let facts = [(COMPLETE, "0".to_owned()), (TOTAL, build.total.to_string())];
        self.publish(&facts, Some(state)).err().unwrap_or(IndexError::Cancelled)
    }

    /// Takes up those of the changed files that were changed last: what somebody saves does not wait for the end of a pause,
    /// also when it was saved among many.
    fn take_up_latest(&mut self, plan: &Plan, build: &mut Build) -> Result<(), IndexError> {
        let rows = &self.base_mut().rows;
        let is_old = |job: &&Job| rows.get(&job.entry.path).is_none_or(|row| row.stat != job.entry.stat);
        let mut changed: Vec<&Job> = plan.jobs.iter().filter(|job| job.known.is_some()).filter(is_old).collect();
        changed.sort_by_key(|job| std::cmp::Reverse(job.entry.stat.modified));
        for job in changed.into_iter().take(BUILD_FILES_MIN) {
            self.take_up(&job.entry)?;
            build.done += 1;
        }
        Ok(())
    }

    /// Compares a walk with what is indexed.
    fn plan(&mut self, found: Walk, tally: &mut SkipTally) -> Plan {
        let bytes_max = self.shared.limits.file_bytes_max;
        let root = self.shared.root.clone();
        let base = self.base_mut();
        let next_id = base.next_id.clone();
        let preparation =
            Preparation { root: &root, fields: base.fields, next_id: &next_id, bytes_max, keep: false };
        let seen: HashSet<&str> = found.files.iter().map(|entry| entry.path.as_str()).collect();
        let gone = base.rows.keys().filter(|path| !seen.contains(path.as_str())).cloned().collect();
        let mut plan = Plan { jobs: Vec::new(), gone, unchanged: 0 };
        drop(seen);
        for entry in found.files {
            let known = base.rows.get(&entry.path).copied();
            match known.filter(|row| preparation.is_unchanged(&entry, row)) {
                Some(row) => {
                    plan.unchanged += 1;
                    if let Some(reason) = row.skip {
                        tally.add(reason, &entry.path);
                    }
                }
                None => plan.jobs.push(Job { entry, known }),
            }
        }
        // What is indexed already comes first: it must not stay as it was.
        plan.jobs.sort_by_cached_key(|job| (job.known.is_none(), priority(&job.entry.path)));
        plan
    }

    /// Takes new files out of a plan when the index is as large as it may be.
    fn leave_out_new(&mut self, plan: &mut Plan) -> Vec<Job> {
        let known = plan.jobs.partition_point(|job| job.known.is_some());
        let is_full = known < plan.jobs.len() && self.is_full();
        if is_full { plan.jobs.split_off(known) } else { Vec::new() }
    }

    /// Whether the index is as large as it may be.
    fn is_full(&mut self) -> bool {
        let bytes_max = self.shared.limits.index_bytes_max;
        self.base_mut().bytes_on_disk() >= bytes_max
    }

    /// Prepares files on several threads and writes them on this one.
    fn build(
        &mut self,
        jobs: &[Job],
        build: &mut Build,
        cancel: &CancelFlag,
        tell: Tell<'_>,
    ) -> Result<(), IndexError> {
        let root = self.shared.root.clone();
        let limits = self.shared.limits.clone();
        let base = self.base_mut();
        let next_id = base.next_id.clone();
        let bytes_max = limits.file_bytes_max;
        let preparation =
            Preparation { root: &root, fields: base.fields, next_id: &next_id, bytes_max, keep: false };
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (sender, results) = sync_channel(PREPARED_QUEUE_MAX);
            for number in 0..limits.threads.min(jobs.len()) {
                let sender = sender.clone();
                let pace = build.in_background.then_some((&limits.pace, number == 0));
                let (preparation, next, stop) = (&preparation, &next, &stop);
                scope.spawn(move || prepare_all(preparation, jobs, next, stop, pace, &sender));
            }
            drop(sender);
            let result = self.collect((jobs, &next), &results, build, cancel, tell);
            // Threads that still prepare find the channel closed.
            stop.store(true, Ordering::Relaxed);
            drop(results);
            result
        })
    }

    fn collect(
        &mut self,
        (jobs, next): (&[Job], &AtomicUsize),
        results: &Receiver<(usize, Outcome)>,
        build: &mut Build,
        cancel: &CancelFlag,
        tell: Tell<'_>,
    ) -> Result<(), IndexError> {
        loop {
            let makes_way = build.in_background && (self.shared.is_hurried() || self.is_held_up(jobs));
            if cancel.is_cancelled() || self.shared.closing.is_cancelled() || makes_way {
                return Err(IndexError::Cancelled);
            }
            match results.recv_timeout(Duration::from_millis(COALESCE_MS)) {
                Ok((index, outcome)) => {
                    let path = &jobs[index].entry.path;
                    build.done += 1;
                    build.unweighed +=
                        INDEXED_FILE_BYTES + jobs[index].entry.stat.size.min(self.shared.limits.file_bytes_max);
                    let is_new = jobs[index].known.is_none_or(|row| row.skip.is_some());
                    if !build.is_overtaken(path) && apply(self.base_mut(), path, outcome, &mut build.tally)? {
                        self.shared.recent().note(path, false);
                        build.parsed += 1;
                        build.added += usize::from(is_new);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.between_files(build, tell)?;
            self.weigh((jobs, next), build)?;
        }
    }

    /// Looks now and then how large the index is, and lets no new file be begun once it is as large as it may be.
    fn weigh(&mut self, (jobs, next): (&[Job], &AtomicUsize), build: &mut Build) -> Result<(), IndexError> {
        if build.unweighed < self.shared.limits.index_bytes_max / INDEX_LOOKS || build.full_from.is_some() {
            return Ok(());
        }
        build.unweighed = 0;
        self.publish_part(build)?;
        let is_at_new = jobs.get(next.load(Ordering::Relaxed)).is_none_or(|job| job.known.is_none());
        if is_at_new && self.is_full() {
            build.full_from = Some(next.swap(jobs.len(), Ordering::Relaxed).min(jobs.len()));
        }
        Ok(())
    }

    /// Makes searchable what is done.
    fn publish_part(&mut self, build: &mut Build) -> Result<(), IndexError> {
        at_priority(build.in_background, || self.publish(&[(COMPLETE, "0".to_owned())], None))?;
        build.published = Instant::now();
        Ok(())
    }

    /// Whether a build of so many files is not wanted now.
    fn is_held_up(&self, jobs: &[Job]) -> bool {
        jobs.len() >= BUILD_FILES_MIN && self.shared.is_paused()
    }

    /// Tells progress, deals with saves, and publishes from time to time.
    fn between_files(&mut self, build: &mut Build, tell: Tell<'_>) -> Result<(), IndexError> {
        if build.told.is_none_or(|at| at.elapsed() >= Duration::from_millis(PROGRESS_MS)) {
            let (done, total) = (build.done, build.total);
            build.told = Some(Instant::now());
            tell(Progress { done, total });
            self.shared.update_status(|status| status.state = State::Building { done, total });
        }
        if let Some((paths, ticket)) = self.shared.due_touches() {
            if self.takes_a_walk(&paths) {
                self.shared.want_walk();
                self.shared.shown(&paths);
            } else {
                self.touch(&paths)?;
                self.shared.shown(&paths);
                build.overtaken.extend(paths);
                if !self.shared.walk_is_wanted() {
                    self.shared.serve(ticket);
                }
            }
        }
        if build.published.elapsed() >= build.publish_every && build.is_long() && self.base_mut().has_pending() {
            self.publish_part(build)?;
            build.publish_every = (build.publish_every * 2).min(Duration::from_secs(PUBLISH_SECONDS_MAX));
        }
        Ok(())
    }
}

fn prepare_all(
    preparation: &Preparation<'_>,
    jobs: &[Job],
    next: &AtomicUsize,
    stop: &AtomicBool,
    pace: Option<(&Pace, bool)>,
    results: &SyncSender<(usize, Outcome)>,
) {
    if pace.is_some() {
        lower_priority();
    }
    let is_over = || stop.load(Ordering::Relaxed) || next.load(Ordering::Relaxed) >= jobs.len();
    let mut cutter = Cutter::default();
    while !stop.load(Ordering::Relaxed) {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = jobs.get(index) else { return };
        let began = Instant::now();
        let outcome = preparation.prepare(&mut cutter, &job.entry, job.known.as_ref());
        if results.send((index, outcome)).is_err() {
            return;
        }
        if let Some((pace, is_first)) = pace {
            pace.make_way(is_first, began.elapsed(), is_over);
        }
    }
}
