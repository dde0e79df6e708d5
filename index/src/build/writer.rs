//! The writer thread: the one place that changes an index. Takes walks and touched paths from the inbox, in order.
//!
//! Refuses: to answer searches. A panic or a failed disk in here ends one piece of work, never the thread.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::build::prepare::{Outcome, Preparation};
use crate::build::shared::{RefreshEvent, Shared, View, Work};
use crate::build::status::{Progress, State};
use crate::error::IndexError;
use crate::files::rules::{EXCLUDE_FILE, RULE_FILES};
use crate::files::skip::SkipTally;
use crate::files::walk::{Entry, Found, look_at};
use crate::limits::BUILD_FILES_MIN;
use crate::parse::cut::Cutter;
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
}

impl Writer {
    /// Works until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut last_walk = Instant::now();
        loop {
            match self.shared.next_work(last_walk) {
                Work::Stop => return,
                Work::Refresh(job, ticket) => {
                    // A walk that nobody waits for ends when the index closes.
                    let cancel = job.as_ref().map_or(&self.shared.closing, |job| &job.cancel).clone();
                    let in_background = job.as_ref().is_none_or(|job| job.in_background);
                    let tell = |progress| {
                        if let Some(job) = &job {
                            // A caller that went away does not stop the walk; its flag does.
                            let _ = job.events.send(RefreshEvent::Progress(progress));
                        }
                    };
                    let result = self.guarded(|writer| writer.refresh(in_background, &cancel, &tell));
                    last_walk = Instant::now();
                    let is_overtaken = in_background && !cancel.is_cancelled() && self.shared.is_hurried();
                    if is_overtaken && matches!(result, Err(IndexError::Cancelled)) {
                        // Whoever waits comes first; this goes on after that.
                        match job {
                            Some(job) => self.shared.want_refresh(job),
                            None => drop(self.shared.want_walk()),
                        }
                        self.after_build();
                        continue;
                    }
                    self.shared.set_root_gone(matches!(result, Err(IndexError::Root { .. })));
                    if let Err(error) = &result
                        && !matches!(error, IndexError::Cancelled)
                    {
                        self.shared.note(error.to_string());
                    }
                    // Closing ends those who wait by itself; what they wait for was not done.
                    if !self.shared.closing.is_cancelled() {
                        self.shared.serve(ticket);
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
                        self.shared.note(error.to_string());
                    }
                    if is_held && self.changes_rules(&paths) {
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
        paths.len() > BUILD_FILES_MIN || self.changes_rules(paths)
    }

    /// Whether an ignore file is among these.
    fn changes_rules(&self, paths: &BTreeSet<String>) -> bool {
        paths.iter().any(|path| {
            RULE_FILES.contains(&path.rsplit('/').next().unwrap_or(path)) || path.ends_with(EXCLUDE_FILE)
        })
    }

    /// Runs work on an open base. After an error or a panic the base is opened anew next time, from what is on disk.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, IndexError>) -> Result<T, IndexError> {
        if self.base.is_none() {
            let base = Base::open(&self.folder).map_err(|error| error.if_full(&self.folder))?;
            if let Some(note) = &base.note {
                self.shared.note(note.clone());
            }
            self.base = Some(base);
            self.show(None);
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
        let ended = self.guarded(|writer| writer.base_mut().end_build());
        if let Err(error) = ended {
            self.shared.note(error.to_string());
        } else if let Some(base) = &self.base {
            self.shared.set_view(View::of(base, Some(&self.shared.view())));
        }
    }

    /// The open base.
    pub(crate) fn base_mut(&mut self) -> &mut Base {
        self.base.as_mut().expect("work runs inside `guarded`, which opens the base first")
    }

    /// Publishes all changes, with facts, and shows them to searchers.
    pub(crate) fn publish(&mut self, facts: &[(&str, String)], state: Option<State>) -> Result<(), IndexError> {
        self.base_mut().publish(facts)?;
        self.show(state);
        Ok(())
    }

    /// Shows what is published.
    pub(crate) fn show(&mut self, state: Option<State>) {
        let Some(base) = &self.base else { return };
        let (files, chunks) = base.counts();
        let generation = base.generation;
        let view = View::of(base, Some(&self.shared.view()));
        self.shared.update_status(|status| {
            // Inside, so that nobody sees a new view beside an old status.
            self.shared.set_view(view);
            (status.files, status.chunks, status.generation) = (files, chunks, generation);
            if let Some(state) = state {
                status.state = state;
            }
        });
    }

    /// Looks at touched paths and publishes what changed.
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
        if self.base_mut().has_pending() { self.publish(&[], None) } else { Ok(()) }
    }

    /// Indexes one file again if it is not the one that is indexed.
    fn take_up(&mut self, entry: &Entry) -> Result<(), IndexError> {
        let (bytes_max, files_max) = (self.shared.limits.file_bytes_max, self.shared.limits.files_max);
        let root = self.shared.root.clone();
        let base = self.base.as_mut().expect("work runs inside `guarded`, which opens the base first");
        let known = base.rows.get(&entry.path).copied();
        if known.is_none() && base.rows.len() >= files_max {
            self.shared
                .note(format!("{} and other new files are left out, over the limit of {files_max}", entry.path));
            return Ok(());
        }
        let next_id = base.next_id.clone();
        let preparation = Preparation { root: &root, fields: base.fields, next_id: &next_id, bytes_max };
        if known.as_ref().is_some_and(|row| preparation.is_unchanged(entry, row)) {
            return Ok(());
        }
        let outcome = preparation.prepare(&mut self.cutter, entry, known.as_ref());
        apply(base, &entry.path, outcome, &mut SkipTally::default()).map(drop)
    }

    /// Forgets a path and everything below it, except what was seen there.
    fn forget_below(&mut self, path: &str, seen: &BTreeSet<String>) -> Result<(), IndexError> {
        let base = self.base_mut();
        let folder = format!("{path}/");
        let below =
            base.rows.range(folder.clone()..).map(|(path, _)| path).take_while(|path| path.starts_with(&folder));
        let mut lost: Vec<String> = below.filter(|path| !seen.contains(*path)).cloned().collect();
        if base.rows.contains_key(path) {
            lost.push(path.to_owned());
        }
        for path in lost {
            base.remove(&path)?;
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
        Outcome::Indexed(row, documents) => {
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
mod tests {
    use super::*;
    use crate::build::status::Status;
    use crate::limits::Limits;

    /// A writer that has one walk to do, which nobody waits for.
    fn swept(closing: bool) -> (State, usize) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("a.py"), "def a():\n    pass\n").unwrap();
        let folder = dir.path().join("index");
        std::fs::create_dir(&folder).unwrap();
        let base = Base::open(&folder).unwrap();
        let view = View::of(&base, None);
        let shared = Arc::new(Shared::new(root, Limits::default().bounded(), view, Status::default()));
        let ticket = shared.want_walk();
        if closing {
            shared.closing.cancel();
        }
        let writer = Writer { shared: shared.clone(), folder, base: Some(base), cutter: Cutter::default() };
        let thread = std::thread::spawn(move || writer.run());
        if !closing {
            assert!(shared.wait(ticket, std::time::Duration::from_secs(30)), "the walk ends");
        }
        // Only after the walk was taken: a writer that is told to stop before takes none.
        while closing && shared.walk_is_wanted() {
            std::thread::yield_now();
        }
        shared.stop();
        thread.join().unwrap();
        let status = shared.status();
        (status.state, status.files)
    }

    /// Why nothing is watched is still said after a walk, which forgets what else was noted.
    #[test]
    fn the_reason_to_poll_outlives_a_walk() {
        let dir = tempfile::tempdir().unwrap();
        let base = Base::open(dir.path()).unwrap();
        let view = View::of(&base, None);
        let shared = Shared::new(dir.path().to_owned(), Limits::default(), view, Status::default());
        shared.poll("no watches are left".to_owned());
        shared.note("a passing trouble".to_owned());
        shared.begin_notes(Some("it was made anew".to_owned()));
        assert_eq!(shared.status().notes, ["it was made anew", "no watches are left"]);
        shared.drop_watch();
        shared.begin_notes(None);
        assert!(shared.status().notes.is_empty());
    }

    #[test]
    fn closing_ends_a_walk_that_nobody_waits_for() {
        assert_eq!(swept(false), (State::Ready, 1));
        assert_eq!(swept(true), (State::Empty, 0));
    }
}
