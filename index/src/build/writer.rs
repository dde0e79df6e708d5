//! The writer thread: the one place that changes an index. Takes walks and touched paths from the inbox, in order.
//!
//! Refuses: to answer searches. A panic or a failed disk in here ends one piece of work, never the thread.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::build::prepare::{Outcome, Preparation};
use crate::build::shared::{FlushDue, RefreshEvent, Shared, View, Work};
use crate::build::status::{Progress, State};
use crate::error::IndexError;
use crate::files::rules::changes_rules;
use crate::files::skip::SkipTally;
use crate::files::walk::{Entry, Found, look_at};
use crate::limits::{BUILD_FILES_MIN, FLUSH_AGE_MS, FLUSH_IDLE_MS};
use crate::parse::cut::Cutter;
use crate::peek::stored_status;
use crate::search::saved::Saved;
use crate::storage::base::Base;

/// Fact that says that the last walk was completed.
pub(crate) const COMPLETE: &str = "complete";
/// Fact with the time of the last completed walk, in milliseconds since the epoch.
pub(crate) const REFRESHED: &str = "refreshed";
/// Fact with how many files there are, written when a pause ends a build.
pub(crate) const TOTAL: &str = "total";
/// Fact with what the last walk left out.
pub(crate) const SKIPPED: &str = "skipped";

/// State of the writer thread.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// The index's folder in the cache.
    pub(crate) folder: PathBuf,
    /// `None` after a failure, until it is opened again.
    pub(crate) base: Option<Base>,
    pub(crate) cutter: Cutter,
    /// What the base holds but has not published.
    saved: Saved,
    /// Since when it waits, and when something was added to it.
    unwritten: Option<(Instant, Instant)>,
}

impl Writer {
    /// A writer of an open base.
    pub(crate) fn new(shared: Arc<Shared>, folder: PathBuf, base: Base) -> Self {
        let (cutter, saved) = (Cutter::default(), Saved::default());
        Self { shared, folder, base: Some(base), cutter, saved, unwritten: None }
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut last_walk = Instant::now();
        loop {
            match self.shared.next_work(last_walk, self.flush_due()) {
                Work::Stop => return self.flush(),
                Work::Flush => self.flush(),
                Work::Refresh(job, ticket, besides) => {
                    // A walk that nobody waits for ends when the index closes.
                    let cancel = job.as_ref().map_or(&self.shared.closing, |job| &job.cancel).clone();
                    let in_background = job.as_ref().is_none_or(|job| job.in_background);
                    let tell = |progress| {
                        if let Some(job) = &job {
                            // A caller that went away does not stop the walk; its flag does.
                            let _ = job.events.send(RefreshEvent::Progress(progress));
                        }
                    };
                    // A build starts from a written base, because it needs a larger writer.
                    self.flush();
                    let result = self.guarded(|writer| writer.refresh(in_background, &cancel, &tell));
                    last_walk = Instant::now();
                    let is_overtaken = in_background && !cancel.is_cancelled() && self.shared.is_hurried();
                    if is_overtaken && matches!(result, Err(IndexError::Cancelled)) {
                        self.shared.put_back(besides, true);
                        // Whoever waits comes first; this goes on after that, and sees all that was asked for.
                        match job {
                            Some(job) => self.shared.want_refresh(job),
                            None => drop(self.shared.want_walk()),
                        }
                        self.after_build();
                        continue;
                    }
                    self.shared.set_failure(result.as_ref().err());
                    let is_broken_off = matches!(result, Err(IndexError::Cancelled));
                    // In a pause the same walk would be held up again; it is made when the pause ends.
                    let goes_on = is_broken_off && self.shared.put_back(besides, !self.shared.is_paused());
                    if let Err(error) = &result
                        && !matches!(error, IndexError::Cancelled)
                    {
                        self.shared.note(error.to_string());
                    }
                    // Closing ends those who wait by itself; what they wait for was not done.
                    if !self.shared.closing.is_cancelled() && !goes_on {
                        self.shared.serve(ticket);
                    }
                    if let Ok(report) = &result {
                        self.shared.answer_those_before(ticket, report);
                    }
                    if let Some(job) = &job {
                        let _ = job.events.send(RefreshEvent::Done(result));
                    }
                    self.after_build();
                }
                Work::Touch(paths, ticket) => {
                    // A large walk waits for the end of a pause, and a save does not wait for that.
                    let is_held = self.shared.is_paused();
                    if self.takes_a_walk(&paths) && !is_held {
                        // The ticket is served by the walk, which is the very next work.
                        self.shared.want_walk();
                        continue;
                    }
                    if let Err(error) = self.guarded(|writer| writer.touch(&paths)) {
                        self.shared.set_failure(Some(&error));
                        self.shared.note(error.to_string());
                    }
                    if is_held && paths.iter().any(|path| changes_rules(path)) {
                        self.shared.want_walk();
                    }
                    if !self.shared.walk_is_wanted() {
                        self.shared.serve(ticket);
                    }
                }
            }
        }
    }

    /// Whether these changes are better found by one walk.
    pub(crate) fn takes_a_walk(&self, paths: &BTreeSet<String>) -> bool {
        paths.len() > BUILD_FILES_MIN || paths.iter().any(|path| changes_rules(path))
    }

    /// Runs work on an open base. After an error or a panic the base is opened anew next time, from what is on disk.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, IndexError>) -> Result<T, IndexError> {
        if self.base.is_none() {
            let base = Base::open(&self.folder).map_err(|error| error.if_full(&self.folder))?;
            if let Some(note) = &base.note {
                self.shared.note(note.clone());
            }
            self.base = Some(base);
            // Whoever waits for a change compares with what was shown.
            let shown = self.shared.view().generation;
            let base = self.base_mut();
            base.generation = base.generation.max(shown);
            self.unwritten = None;
            // The new base does not know what was saved last, and one that was made anew knows nothing.
            self.saved.clear();
            self.shared.want_walk();
            let is_paused = self.shared.is_paused();
            let stored = stored_status(self.base_mut(), is_paused)?;
            self.show(Some(stored.state));
        }
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        let result = result.unwrap_or_else(|_| {
            self.cutter = Cutter::default();
            Err(IndexError::storage("indexing")("an internal error; the index is opened anew".into()))
        });
        let result = result.map_err(|error| error.if_full(&self.folder));
        if matches!(result, Err(IndexError::Storage { .. } | IndexError::DiskFull { .. })) {
            self.base = None;
            self.shared.update_status(|status| {
                if matches!(status.state, State::Building { .. }) {
                    status.state = State::Partial;
                }
            });
        }
        result
    }

    fn after_build(&mut self) {
        let ended = self.guarded(|writer| {
            if writer.base_mut().has_pending() {
                // What a build that failed had done is kept; ending it would drop it, but not the rows that name it.
                writer.publish(&[(COMPLETE, "0".to_owned())], Some(State::Partial))?;
            }
            writer.base_mut().end_build()
        });
        if let Err(error) = ended {
            self.shared.note(error.to_string());
        } else if let Some(base) = &self.base {
            self.shared.set_view(View::of(base, &self.saved, Some(&self.shared.view())));
        }
    }

    /// The open base.
    pub(crate) fn base_mut(&mut self) -> &mut Base {
        self.base.as_mut().expect("work runs inside `guarded`, which opens the base first")
    }

    /// Publishes all changes, with facts, and shows them to searchers.
    pub(crate) fn publish(&mut self, facts: &[(&str, String)], state: Option<State>) -> Result<(), IndexError> {
        self.base_mut().publish(facts)?;
        self.saved.clear();
        self.unwritten = None;
        self.show(state);
        Ok(())
    }

    /// When what waits to be written should be.
    fn flush_due(&self) -> Option<FlushDue> {
        let (first, last) = self.unwritten?;
        let (due, latest) =
            (last + Duration::from_millis(FLUSH_IDLE_MS), first + Duration::from_millis(FLUSH_AGE_MS));
        Some(FlushDue { due, latest })
    }

    /// Writes what waits to be written.
    fn flush(&mut self) {
        if self.unwritten.is_some()
            && let Err(error) = self.guarded(|writer| writer.publish(&[], None))
        {
            // Once is enough: the base is opened anew by the next work, which is a walk before long.
            self.unwritten = None;
            self.shared.set_failure(Some(&error));
            self.shared.note(error.to_string());
        }
    }

    /// Shows changes to searchers before they are written, unless they are too many.
    fn show_saved(&mut self) -> Result<(), IndexError> {
        if self.saved.is_full() {
            return self.publish(&[], None);
        }
        let now = Instant::now();
        self.unwritten = Some((self.unwritten.map_or(now, |(first, _)| first), now));
        if self.saved.take_new() {
            self.base_mut().generation += 1;
            self.show(None);
        }
        Ok(())
    }

    /// Shows what is published, and what was saved since.
    pub(crate) fn show(&mut self, state: Option<State>) {
        let Some(base) = &self.base else { return };
        let (files, chunks) = base.shown_counts();
        let generation = base.generation;
        let view = View::of(base, &self.saved, Some(&self.shared.view()));
        self.shared.update_status(|status| {
            // Inside, so that nobody sees a new view beside an old status.
            self.shared.set_view(view);
            self.shared.recent().show(generation);
            (status.files, status.chunks, status.generation) = (files, chunks, generation);
            if let Some(state) = state {
                status.state = state;
            }
        });
    }

    /// Looks at touched paths and shows what changed.
    pub(crate) fn touch(&mut self, paths: &BTreeSet<String>) -> Result<(), IndexError> {
        let root = self.shared.root.clone();
        if !root.is_dir() {
            return Err(IndexError::Root { path: root, reason: "the folder is gone".to_owned() });
        }
        let closing = self.shared.closing.clone();
        // Old names first: what has a new one is watched under it below.
        self.shared.release_gone(paths);
        for path in paths {
            match look_at(&root, path, &closing)? {
                Found::File(entry) => self.take_up(&entry)?,
                Found::Nothing => self.forget_below(path, &BTreeSet::new())?,
                Found::Folder(mut found) => {
                    if self.shared.watch_folders(&found.folders) {
                        // What came into a new folder before it was watched is seen by a second look.
                        if let Found::Folder(again) = look_at(&root, path, &closing)? {
                            found = again;
                        }
                    }
                    if found.files.len() > BUILD_FILES_MIN {
                        self.shared.want_walk();
                        continue;
                    }
                    let seen: BTreeSet<String> = found.files.iter().map(|entry| entry.path.clone()).collect();
                    self.forget_below(path, &seen)?;
                    for entry in &found.files {
                        self.take_up(entry)?;
                    }
                }
            }
        }
        if self.base_mut().has_pending() { self.show_saved() } else { Ok(()) }
    }

    /// Indexes one file again if it is not the one that is indexed.
    pub(crate) fn take_up(&mut self, entry: &Entry) -> Result<(), IndexError> {
        let (bytes_max, files_max) = (self.shared.limits.file_bytes_max, self.shared.limits.files_max);
        let root = self.shared.root.clone();
        let base = self.base.as_mut().expect("work runs inside `guarded`, which opens the base first");
        let known = base.rows.get(&entry.path).copied();
        if known.is_none() && base.rows.len() >= files_max {
            self.shared
                .note(format!("{} and other new files are left out, over the limit of {files_max}", entry.path));
            return Ok(());
        }
        if known.is_none() && base.bytes_on_disk() >= self.shared.limits.index_bytes_max {
            let megabytes = self.shared.limits.index_bytes_max >> 20;
            self.shared.note(format!(
                "{} and other new files are left out, as the index may take {megabytes} MB",
                entry.path
            ));
            return Ok(());
        }
        let next_id = base.next_id.clone();
        let preparation =
            Preparation { root: &root, fields: base.fields, next_id: &next_id, bytes_max, keep: true };
        if known.as_ref().is_some_and(|row| preparation.is_unchanged(entry, row)) {
            return Ok(());
        }
        let mut outcome = preparation.prepare(&mut self.cutter, entry, known.as_ref());
        match &mut outcome {
            Outcome::Indexed(_, _, kept) => {
                if let Some(file) = kept.take() {
                    self.saved.put(&entry.path, Arc::new(file));
                }
            }
            Outcome::Same(_) => {}
            Outcome::Skipped(..) | Outcome::Refused(_) | Outcome::Gone => {
                if known.is_some_and(|row| row.chunks > 0) {
                    self.saved.hide(&entry.path);
                }
                if matches!(&outcome, Outcome::Skipped(_, _, documents) if !documents.is_empty()) {
                    self.saved.ask_to_be_written();
                }
            }
        }
        let is_gone = matches!(outcome, Outcome::Refused(_) | Outcome::Gone) && known.is_some();
        let is_read = apply(base, &entry.path, outcome, &mut SkipTally::default())?;
        if is_read || is_gone {
            self.shared.recent().note(&entry.path, is_gone);
        }
        Ok(())
    }

    /// Forgets a path and everything below it, except what was seen there.
    fn forget_below(&mut self, path: &str, seen: &BTreeSet<String>) -> Result<(), IndexError> {
        let base = self.base.as_mut().expect("work runs inside `guarded`, which opens the base first");
        let folder = format!("{path}/");
        let below =
            base.rows.range(folder.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&folder));
        let mut lost: Vec<String> = below.filter(|path| !seen.contains(*path)).cloned().collect();
        if base.rows.contains_key(path) {
            lost.push(path.to_owned());
        }
        for path in lost {
            if base.rows.get(&path).is_some_and(|row| row.chunks > 0) {
                self.saved.hide(&path);
            }
            base.remove(&path)?;
            self.shared.recent().note(&path, true);
        }
        Ok(())
    }
}

/// Puts the outcome for one file into the base; true when the file was parsed.
pub(crate) fn apply(
    base: &mut Base,
    path: &str,
    outcome: Outcome,
    tally: &mut SkipTally,
) -> Result<bool, IndexError> {
    match outcome {
        Outcome::Indexed(row, documents, _) => {
            base.put(path, row, documents)?;
            return Ok(true);
        }
        Outcome::Same(row) => {
            if let Some(reason) = row.skip {
                tally.add(reason, path);
            }
            base.put(path, row, Vec::new())?;
        }
        Outcome::Skipped(row, reason, documents) => {
            tally.add(reason, path);
            base.put(path, row, documents)?;
        }
        Outcome::Refused(reason) => {
            tally.add(reason, path);
            base.remove(path)?;
        }
        Outcome::Gone => base.remove(path)?,
    }
    Ok(false)
}

/// Where a refresh tells its progress.
pub(crate) type Tell<'a> = &'a dyn Fn(Progress);

#[cfg(test)]
mod tests;
