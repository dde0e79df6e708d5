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
use crate::files::rules::{EXCLUDE_FILE, RULE_FILES};
use crate::files::skip::SkipTally;
use crate::files::walk::{Entry, Found, look_at};
use crate::limits::{BUILD_FILES_MIN, FLUSH_AGE_MS, FLUSH_IDLE_MS};
use crate::parse::cut::Cutter;
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
            // Whoever waits for a change compares with what was shown.
            let shown = self.shared.view().generation;
            let base = self.base_mut();
            base.generation = base.generation.max(shown);
            self.unwritten = None;
            if !self.saved.is_empty() {
                // The new base does not know these files.
                self.saved.clear();
                self.shared.want_walk();
            }
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
                    self.saved.put(&entry.path, file);
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
        apply(base, &entry.path, outcome, &mut SkipTally::default()).map(drop)
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
mod tests {
    use super::*;
    use crate::build::status::Status;
    use crate::limits::{CancelFlag, Limits, SAVED_FILES_MAX};
    use crate::search::searcher::{ChunkRef, SearchKind, SearchRequest, Searcher};

    /// A writer that has one walk to do, which nobody waits for.
    fn swept(closing: bool) -> (State, usize) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("a.py"), "def a():\n    pass\n").unwrap();
        let folder = dir.path().join("index");
        std::fs::create_dir(&folder).unwrap();
        let base = Base::open(&folder).unwrap();
        let view = View::of(&base, &Saved::default(), None);
        let shared = Arc::new(Shared::new(root, Limits::default().bounded(), view, Status::default()));
        let ticket = shared.want_walk();
        if closing {
            shared.closing.cancel();
        }
        let writer = Writer::new(shared.clone(), folder, base);
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
        let view = View::of(&base, &Saved::default(), None);
        let shared = Shared::new(dir.path().to_owned(), Limits::default(), view, Status::default());
        shared.poll("no watches are left".to_owned());
        shared.note("a passing trouble".to_owned());
        shared.begin_notes(Some("it was made anew".to_owned()));
        assert_eq!(shared.status().notes, ["it was made anew", "no watches are left"]);
        shared.drop_watch();
        shared.begin_notes(None);
        assert!(shared.status().notes.is_empty());
    }

    /// What searchers see, and how many chunks are written.
    fn shown(writer: &Writer) -> (Vec<ChunkRef>, u64) {
        let searcher = Searcher::new(writer.shared.root.clone(), writer.shared.view(), true, None);
        (searcher.chunks().unwrap(), writer.base.as_ref().unwrap().reader.searcher().num_docs())
    }

    #[test]
    fn saves_are_shown_at_once_and_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("work");
        std::fs::create_dir(&root).unwrap();
        let folder = dir.path().join("index");
        std::fs::create_dir(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
        let opened = || {
            let base = Base::open(&folder).unwrap();
            let view = View::of(&base, &Saved::default(), None);
            let shared = Shared::new(root.clone(), Limits::default().bounded(), view, Status::default());
            Writer::new(Arc::new(shared), folder.clone(), base)
        };
        let touch = |writer: &mut Writer, paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            writer.guarded(|writer| writer.touch(&paths)).unwrap();
        };
        let walk = |writer: &mut Writer| {
            writer.guarded(|writer| writer.refresh(false, &CancelFlag::new(), &|_| {})).unwrap();
        };
        write("a.py", "def a():\n    pass\n");
        write("b.py", "def b():\n    pass\n");
        let mut writer = opened();
        walk(&mut writer);
        let (before, written) = shown(&writer);
        assert_eq!((before.len(), written), (2, 2));
        write("a.py", "def a_as_saved():\n    pass\n");
        write("c.md", "# C\n");
        std::fs::remove_file(root.join("b.py")).unwrap();
        let generation = writer.shared.view().generation;
        touch(&mut writer, &["a.py", "b.py", "c.md"]);
        assert_ne!(writer.shared.view().generation, generation);
        let (saved, written) = shown(&writer);
        assert_eq!(saved.iter().map(|chunk| chunk.path.as_str()).collect::<Vec<_>>(), ["a.py", "c.md"]);
        assert_eq!((writer.shared.status().chunks, written), (2, 2));
        assert_eq!(writer.base.as_ref().unwrap().reader.searcher().num_docs(), 2, "nothing is written yet");
        let searcher = Searcher::new(root.clone(), writer.shared.view(), true, None);
        let symbols = |name: &str| {
            let request = SearchRequest { kind: SearchKind::Symbol, ..SearchRequest::new(name, 5) };
            searcher.search(&request).unwrap().into_iter().filter_map(|hit| hit.symbol).collect::<Vec<_>>()
        };
        assert_eq!((symbols("a_as"), symbols("b")), (vec!["a_as_saved".to_owned()], vec![]));
        // A process that is killed here has told nobody.
        drop(writer);
        let mut writer = opened();
        assert_eq!(shown(&writer), (before, 2));
        walk(&mut writer);
        assert_eq!(shown(&writer).0, saved);
        write("a.py", "def a():\n    pass\n");
        touch(&mut writer, &["a.py"]);
        assert!(writer.flush_due().is_some());
        writer.flush();
        assert!(writer.flush_due().is_none() && writer.saved.is_empty());
        let last = shown(&writer);
        drop(writer);
        assert_eq!(shown(&opened()), last, "after that it is");
        // More than the bounds is written at once.
        let mut writer = opened();
        let names: Vec<String> = (0..=SAVED_FILES_MAX).map(|n| format!("{n}.txt")).collect();
        names.iter().for_each(|name| write(name, "text\n"));
        for some in names.chunks(SAVED_FILES_MAX) {
            touch(&mut writer, &some.iter().map(String::as_str).collect::<Vec<_>>());
        }
        assert_eq!((writer.flush_due(), shown(&writer).1), (None, 3 + SAVED_FILES_MAX as u64));
        // What is known by its path only is shown as it is stored.
        write("d.dat", "\0\0");
        touch(&mut writer, &["d.dat"]);
        assert_eq!(writer.flush_due(), None);
        assert!(shown(&writer).0.iter().any(|chunk| chunk.path == "d.dat"));
    }

    #[test]
    fn closing_ends_a_walk_that_nobody_waits_for() {
        assert_eq!(swept(false), (State::Ready, 1));
        assert_eq!(swept(true), (State::Empty, 0));
    }

    /// A writer over a folder with these files, and what keeps the folder there.
    fn writer_over(files: &[(&str, &str)]) -> (tempfile::TempDir, Writer) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("work");
        std::fs::create_dir(&root).unwrap();
        for (name, text) in files {
            std::fs::write(root.join(name), text).unwrap();
        }
        let folder = dir.path().join("index");
        std::fs::create_dir(&folder).unwrap();
        let base = Base::open(&folder).unwrap();
        let view = View::of(&base, &Saved::default(), None);
        let shared = Shared::new(root, Limits::default().bounded(), view, Status::default());
        let writer = Writer::new(Arc::new(shared), folder, base);
        (dir, writer)
    }

    /// What a build had done when it failed can be found, and nothing else is taken for indexed.
    #[test]
    fn a_build_that_fails_keeps_what_it_did() {
        let (_dir, mut writer) = writer_over(&[("a.py", "def a():\n    pass\n")]);
        let failed: Result<(), IndexError> = writer.guarded(|writer| {
            writer.base_mut().begin_build(Limits::default().build_bytes)?;
            writer.touch(&BTreeSet::from(["a.py".to_owned()]))?;
            assert_eq!(writer.shared.status().files, 0, "a build finds nothing before it is published");
            Err(IndexError::Root { path: PathBuf::new(), reason: "gone".to_owned() })
        });
        assert!(failed.is_err());
        writer.after_build();
        assert_eq!((shown(&writer).1, writer.shared.status().files), (1, 1));
    }

    /// What was touched before a walk that is broken off is still looked at.
    #[test]
    fn a_walk_that_is_broken_off_loses_no_touch() {
        let (_dir, writer) = writer_over(&[("a.py", "def a():\n    pass\n")]);
        let shared = writer.shared.clone();
        let (events, done) = std::sync::mpsc::channel();
        let cancel = CancelFlag::new();
        cancel.cancel();
        let ticket = shared.touch(["a.py"]);
        shared.want_refresh(crate::build::shared::RefreshJob { events, cancel, in_background: false });
        let thread = std::thread::spawn(move || writer.run());
        assert!(matches!(done.recv().unwrap(), RefreshEvent::Done(Err(IndexError::Cancelled))));
        assert!(shared.wait(ticket, Duration::from_secs(30)));
        assert_eq!(shared.status().files, 1);
        shared.stop();
        thread.join().unwrap();
    }

    /// A log or a database that is written all the time gives nothing new to find.
    #[test]
    fn a_file_that_is_known_by_its_path_is_not_written_again() {
        let (_dir, mut writer) = writer_over(&[("a.bin", "\0one")]);
        let paths = BTreeSet::from(["a.bin".to_owned()]);
        writer.guarded(|writer| writer.touch(&paths)).unwrap();
        let generation = writer.shared.view().generation;
        std::fs::write(writer.shared.root.join("a.bin"), "\0another").unwrap();
        writer.guarded(|writer| writer.touch(&paths)).unwrap();
        assert_eq!(writer.shared.view().generation, generation);
        assert!(writer.flush_due().is_some(), "its new state is noted with the next");
    }

    /// Saves without end do not keep earlier ones from being written.
    #[test]
    fn what_waited_long_is_written_before_more_is_looked_at() {
        let (_dir, writer) = writer_over(&[]);
        let now = Instant::now();
        writer.shared.touch(["a.py"]);
        std::thread::sleep(Duration::from_millis(crate::limits::COALESCE_MS));
        let waited = FlushDue { due: now + Duration::from_secs(60), latest: now };
        assert!(matches!(writer.shared.next_work(now, Some(waited)), Work::Flush));
        let waits = FlushDue { due: now, latest: now + Duration::from_secs(60) };
        assert!(matches!(writer.shared.next_work(now, Some(waits)), Work::Touch(..)));
    }
}
