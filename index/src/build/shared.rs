//! What the handle, the writer thread, the watcher and searchers share: the inbox of work, the current view, the status.
//!
//! Refuses: work of its own. Locks here are held for moments and never while files are read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::build::recent::Recent;
use crate::build::status::{Progress, Report, Status, Watching};
use crate::error::IndexError;
use crate::files::barrier::Barrier;
use crate::files::live::slashed;
use crate::files::outside::Outside;
use crate::files::watch::Watch;
use crate::limits::{
    COALESCE_MS, CancelFlag, Limits, NOTES_MAX, SWEEP_BLIND_SECONDS, SWEEP_ROOT_GONE_SECONDS, SWEEP_SECONDS,
    TOUCHED_MAX,
};
use crate::search::pending::{Early, Pending};
use crate::search::saved::Saved;
use crate::search::snapshot::Snapshot;
use crate::storage::base::Base;

/// What a refresh tells the caller that waits for it.
pub(crate) enum RefreshEvent {
    /// How far it is.
    Progress(Progress),
    /// How it ended; nothing follows.
    Done(Result<Report, IndexError>),
}

/// A caller's wish for a full walk.
pub(crate) struct RefreshJob {
    /// Where progress and result go.
    pub(crate) events: Sender<RefreshEvent>,
    /// Raised by the caller.
    pub(crate) cancel: CancelFlag,
    /// Nobody waits for the result, so it makes way for everything else.
    pub(crate) in_background: bool,
}

/// A number that is reached once everything asked for until then is searchable.
pub type Ticket = u64;

/// When what waits to be written should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlushDue {
    /// When it has been quiet for long enough.
    pub(crate) due: Instant,
    /// Then even if it is not quiet.
    pub(crate) latest: Instant,
}

/// Work for the writer thread.
pub(crate) enum Work {
    /// Walk everything; somebody may be waiting. With what was asked for besides, which this walk sees as well.
    Refresh(Option<RefreshJob>, Ticket, Besides),
    /// Look at these paths again.
    Touch(BTreeSet<String>, Ticket),
    /// Write what waits for a quiet moment.
    Flush,
    /// End.
    Stop,
}

/// What a walk takes with it, so that it can be asked for again when the walk is broken off.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Besides {
    touched: BTreeSet<String>,
    walk_wanted: bool,
}

#[derive(Default)]
struct Inbox {
    touched: BTreeSet<String>,
    first_touch: Option<Instant>,
    /// Each with its ticket.
    refreshes: Vec<(RefreshJob, Ticket)>,
    walk_wanted: bool,
    asked: Ticket,
    served: Ticket,
    stop: bool,
    /// Paths that the writer has taken and not shown yet.
    taken: BTreeSet<String>,
    /// Something changed for which a walk is wanted.
    changes_wanted: bool,
    /// The writer walks because something changed, and has not shown what.
    walks_for_changes: bool,
}

/// The current snapshot of the text index.
#[derive(Clone)]
pub(crate) struct View {
    /// Snapshot.
    pub(crate) snapshot: Arc<Snapshot>,
    /// What was saved since.
    pub(crate) saved: Arc<Saved>,
    /// Its generation.
    pub(crate) generation: u64,
}

impl Inbox {
    fn besides(&mut self) -> Besides {
        let touched = self.take_touched();
        let walk_wanted = std::mem::take(&mut self.walk_wanted);
        self.walks_for_changes = std::mem::take(&mut self.changes_wanted);
        Besides { touched, walk_wanted }
    }

    fn want_walk(&mut self) {
        (self.walk_wanted, self.changes_wanted) = (true, true);
    }

    fn take_touched(&mut self) -> BTreeSet<String> {
        self.first_touch = None;
        let touched = std::mem::take(&mut self.touched);
        self.taken.extend(touched.iter().cloned());
        touched
    }

    /// Everything that was taken is shown, or asked for again.
    fn let_go(&mut self) {
        self.taken.clear();
        self.walks_for_changes = false;
    }
}

impl View {
    /// What a base has published, under what was saved since. What is known from the view before is taken over.
    pub(crate) fn of(base: &Base, saved: &Saved, before: Option<&Self>) -> Self {
        let text = base.reader.searcher();
        let same =
            before.filter(|view| view.snapshot.text.generation().segments() == text.generation().segments());
        let snapshot = match same {
            Some(view) => view.snapshot.clone(),
            None => Arc::new(Snapshot::new(text, before.map(|view| view.snapshot.as_ref()))),
        };
        Self { snapshot, saved: Arc::new(saved.clone()), generation: base.generation }
    }
}

/// Everything that is shared.
pub(crate) struct Shared {
    /// The workspace, canonical.
    pub(crate) root: PathBuf,
    /// Checked limits.
    pub(crate) limits: Limits,
    /// Raised when the index closes.
    pub(crate) closing: CancelFlag,
    inbox: Mutex<Inbox>,
    wake: Condvar,
    settled: Condvar,
    view: RwLock<View>,
    status: Mutex<Status>,
    watch: Mutex<Option<Watch>>,
    /// Seconds between walks regardless of events; 0 while nothing is watched. Not behind the watcher's lock, because
    /// that one is held while the watcher's thread may be waiting for the inbox.
    sweep_seconds: AtomicU64,
    /// Why changes are found by walking only; said for as long as that is so.
    poll_reason: Mutex<Option<String>>,
    /// Seconds until a walk is tried again after one that failed; 0 after one that did not.
    retry_seconds: AtomicU64,
    /// A walk was completed since this was opened.
    looked: AtomicBool,
    /// The user wants no large builds in the background.
    paused: AtomicBool,
    /// By which a search knows that the watcher is not behind; none while nothing is watched.
    barrier: RwLock<Option<Arc<Barrier>>>,
    /// The rules outside the workspace at the last walk; none before the first.
    outside: Mutex<Option<Outside>>,
    /// Changed files that searches took up before the writer.
    pub(crate) early: Early,
    /// What changed lately.
    recent: Mutex<Recent>,
}

impl Shared {
    /// Shared state around a first view.
    pub(crate) fn new(root: PathBuf, limits: Limits, view: View, status: Status) -> Self {
        Self {
            root,
            limits,
            recent: Mutex::new(Recent::from(view.generation)),
            closing: CancelFlag::new(),
            inbox: Mutex::default(),
            wake: Condvar::new(),
            settled: Condvar::new(),
            view: RwLock::new(view),
            status: Mutex::new(status),
            watch: Mutex::default(),
            sweep_seconds: AtomicU64::new(0),
            poll_reason: Mutex::default(),
            retry_seconds: AtomicU64::new(0),
            looked: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            barrier: RwLock::default(),
            outside: Mutex::default(),
            early: Early::default(),
        }
    }

    /// Asks for a look at some paths, absolute or relative to the root; others are dropped.
    pub(crate) fn touch<P: AsRef<Path>>(&self, paths: impl IntoIterator<Item = P>) -> Ticket {
        let mut inbox = lock(&self.inbox);
        for path in paths {
            let path = path.as_ref();
            let Some(path) = slashed(path.strip_prefix(&self.root).unwrap_or(path)) else { continue };
            if path.is_empty() {
                inbox.want_walk();
            } else {
                inbox.touched.insert(path);
            }
        }
        if inbox.touched.len() > TOUCHED_MAX {
            inbox.touched.clear();
            inbox.want_walk();
        }
        inbox.first_touch.get_or_insert_with(Instant::now);
        inbox.asked += 1;
        self.wake.notify_all();
        inbox.asked
    }

    /// Asks again for what a walk took with it that was broken off; a walk only if `walks`.
    pub(crate) fn put_back(&self, besides: Besides, walks: bool) -> bool {
        let mut inbox = lock(&self.inbox);
        let walks = walks && besides.walk_wanted;
        let anything = walks || !besides.touched.is_empty();
        if !besides.touched.is_empty() {
            inbox.touched.extend(besides.touched);
            inbox.first_touch.get_or_insert_with(Instant::now);
        }
        if walks {
            inbox.want_walk();
        }
        self.wake.notify_all();
        anything
    }

    /// Asks for a full walk because something changed that only a walk can find.
    pub(crate) fn want_walk(&self) -> Ticket {
        lock(&self.inbox).changes_wanted = true;
        self.want_look()
    }

    /// Asks for a full walk that nobody waits for.
    pub(crate) fn want_look(&self) -> Ticket {
        let mut inbox = lock(&self.inbox);
        inbox.walk_wanted = true;
        inbox.asked += 1;
        self.wake.notify_all();
        inbox.asked
    }

    /// Asks for a full walk and names who waits.
    pub(crate) fn want_refresh(&self, job: RefreshJob) {
        let mut inbox = lock(&self.inbox);
        if inbox.stop {
            // Dropped, which tells whoever waits that the index is closed.
            return;
        }
        inbox.asked += 1;
        let ticket = inbox.asked;
        inbox.refreshes.push((job, ticket));
        self.wake.notify_all();
    }

    /// Gives the result of a completed walk also to those who asked for one before it began: theirs would see the same
    /// again.
    pub(crate) fn answer_those_before(&self, ticket: Ticket, report: &Report) {
        let answered =
            lock(&self.inbox).refreshes.extract_if(.., |(_, asked)| *asked <= ticket).collect::<Vec<_>>();
        for (job, _) in answered {
            let _ = job.events.send(RefreshEvent::Done(Ok(report.clone())));
        }
    }

    /// Ends the writer thread.
    pub(crate) fn stop(&self) {
        self.closing.cancel();
        let mut inbox = lock(&self.inbox);
        inbox.stop = true;
        // Nobody takes them up any more; those who wait hear that by the end of their channel.
        inbox.refreshes.clear();
        drop(inbox);
        self.wake.notify_all();
        self.settled.notify_all();
    }

    /// Waits for the next work; saves are gathered for a moment first. A sweep is due from time to time, and what was
    /// not written yet is at `flush`.
    pub(crate) fn next_work(&self, last_walk: Instant, flush: Option<FlushDue>) -> Work {
        let mut inbox = lock(&self.inbox);
        inbox.let_go();
        loop {
            if inbox.stop {
                return Work::Stop;
            }
            if !inbox.refreshes.is_empty() {
                let (job, _) = inbox.refreshes.remove(0);
                // This walk also sees everything that was touched until now.
                let besides = inbox.besides();
                return Work::Refresh(Some(job), inbox.asked, besides);
            }
            let now = Instant::now();
            let gathered = inbox.first_touch.map(|first| first + Duration::from_millis(COALESCE_MS));
            let sweep = self.sweep_every().map(|every| last_walk + every);
            if inbox.walk_wanted || sweep.is_some_and(|due| due <= now) {
                let besides = inbox.besides();
                return Work::Refresh(None, inbox.asked, besides);
            }
            // Saves without end must not keep what was saved before from being written.
            if flush.is_some_and(|flush| flush.latest <= now) {
                return Work::Flush;
            }
            if gathered.is_some_and(|due| due <= now) {
                return Work::Touch(inbox.take_touched(), inbox.asked);
            }
            if flush.is_some_and(|flush| flush.due <= now) {
                return Work::Flush;
            }
            let quiet = flush.map(|flush| flush.due.min(flush.latest));
            inbox = match gathered.into_iter().chain(sweep).chain(quiet).min() {
                Some(due) => {
                    let wait = self.wake.wait_timeout(inbox, due.saturating_duration_since(now));
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(inbox).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Touched paths that are due now, for a build that looks up between files.
    pub(crate) fn due_touches(&self) -> Option<(BTreeSet<String>, Ticket)> {
        let mut inbox = lock(&self.inbox);
        let first = inbox.first_touch?;
        if first.elapsed() < Duration::from_millis(COALESCE_MS) || inbox.touched.is_empty() {
            return None;
        }
        Some((inbox.take_touched(), inbox.asked))
    }

    /// These paths, which the writer had taken, are shown as they are now, or a walk is asked for that will see them.
    pub(crate) fn shown(&self, paths: &BTreeSet<String>) {
        let mut inbox = lock(&self.inbox);
        inbox.taken.retain(|path| !paths.contains(path));
    }

    /// All that the writer had taken is shown.
    pub(crate) fn all_shown(&self) {
        lock(&self.inbox).let_go();
    }

    /// A walk was completed, and what it found is shown.
    pub(crate) fn set_looked(&self) {
        self.looked.store(true, Ordering::Relaxed);
    }

    /// Whether the files, and the rules that leave some of them out, were looked at since this was opened.
    pub(crate) fn has_looked(&self) -> bool {
        self.looked.load(Ordering::Relaxed)
    }

    /// What changed and is not shown yet, as far as somebody told. A watcher that is behind makes that unknown.
    pub(crate) fn pending(&self) -> Pending {
        let barrier = self.barrier.read().unwrap_or_else(PoisonError::into_inner).clone();
        let is_behind = barrier.is_some_and(|barrier| !barrier.pass());
        if self.outside().is_some_and(|known| known.again(&self.root) != known) {
            self.want_walk();
        }
        let inbox = lock(&self.inbox);
        Pending {
            paths: inbox.touched.union(&inbox.taken).cloned().collect(),
            unknown: is_behind || inbox.changes_wanted || inbox.walks_for_changes,
        }
    }

    /// The rules outside the workspace, as the last walk saw them.
    pub(crate) fn outside(&self) -> Option<Outside> {
        lock(&self.outside).clone()
    }

    /// Says under which rules outside the workspace a walk begins; other ones than before are a reason for it.
    pub(crate) fn set_outside(&self, now: Outside) {
        let mut outside = lock(&self.outside);
        if outside.as_ref().is_some_and(|before| *before != now) {
            lock(&self.inbox).walks_for_changes = true;
        }
        *outside = Some(now);
    }

    /// Keeps the same with the repositories that the walk found.
    pub(crate) fn keep_outside(&self, now: Outside) {
        *lock(&self.outside) = Some(now);
    }

    /// Whether an event is that of the barrier.
    pub(crate) fn hears(&self, path: &Path) -> bool {
        let barrier = self.barrier.read().unwrap_or_else(PoisonError::into_inner).clone();
        barrier.is_some_and(|barrier| barrier.hear(path))
    }

    /// Marks everything up to a ticket as searchable. The caller knows that no walk that it asked for is still to come.
    pub(crate) fn serve(&self, ticket: Ticket) {
        let mut inbox = lock(&self.inbox);
        inbox.served = inbox.served.max(ticket);
        self.settled.notify_all();
    }

    /// Whether a full walk is already asked for.
    pub(crate) fn walk_is_wanted(&self) -> bool {
        let inbox = lock(&self.inbox);
        inbox.walk_wanted || !inbox.refreshes.is_empty()
    }

    /// Whether somebody waits for a walk that is still to come.
    pub(crate) fn is_hurried(&self) -> bool {
        lock(&self.inbox).refreshes.iter().any(|(job, _)| !job.in_background)
    }

    /// Whether the user wants no large builds in the background.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Says whether the user wants large builds in the background.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Whether paths wait to be looked at.
    #[cfg(test)]
    pub(crate) fn has_touched(&self) -> bool {
        !lock(&self.inbox).touched.is_empty()
    }

    /// Waits until a ticket is served; false after `timeout` or when the index closes.
    pub(crate) fn wait(&self, ticket: Ticket, timeout: Duration) -> bool {
        let inbox = lock(&self.inbox);
        let waiting = |inbox: &mut Inbox| inbox.served < ticket && !inbox.stop;
        let result = self.settled.wait_timeout_while(inbox, timeout, waiting);
        result.unwrap_or_else(PoisonError::into_inner).0.served >= ticket
    }

    /// The current view.
    pub(crate) fn view(&self) -> View {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the view.
    pub(crate) fn set_view(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
        // Taken so that nobody misses this between looking and waiting.
        let _inbox = lock(&self.inbox);
        self.settled.notify_all();
    }

    /// Waits until the view is of another generation than the one given; gives back the current one.
    pub(crate) fn wait_for_change(&self, generation: u64, timeout: Duration) -> u64 {
        let inbox = lock(&self.inbox);
        let waiting = |inbox: &mut Inbox| self.view().generation == generation && !inbox.stop;
        drop(self.settled.wait_timeout_while(inbox, timeout, waiting));
        self.view().generation
    }

    /// What was read anew, and what is gone.
    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        lock(&self.recent)
    }

    /// A copy of the status.
    pub(crate) fn status(&self) -> Status {
        let watching = match self.sweep_seconds.load(Ordering::Relaxed) {
            0 => Watching::Nothing,
            SWEEP_BLIND_SECONDS => Watching::Polling,
            _ => Watching::Events,
        };
        Status { watching, paused: self.is_paused(), ..lock(&self.status).clone() }
    }

    /// Changes the status.
    pub(crate) fn update_status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut lock(&self.status));
    }

    /// Adds a sentence to the status, once.
    pub(crate) fn note(&self, sentence: String) {
        self.update_status(|status| {
            if status.notes.len() < NOTES_MAX && !status.notes.contains(&sentence) {
                status.notes.push(sentence);
            }
        });
    }

    /// Starts to use a watcher, with a barrier where it has one.
    pub(crate) fn set_watch(&self, watch: Watch, barrier: Option<Barrier>) {
        *self.barrier.write().unwrap_or_else(PoisonError::into_inner) = barrier.map(Arc::new);
        *lock(&self.watch) = Some(watch);
        *lock(&self.poll_reason) = None;
        self.sweep_seconds.store(SWEEP_SECONDS, Ordering::Relaxed);
    }

    /// Watches folders, if watching was asked for; true if so.
    pub(crate) fn watch_folders(&self, folders: &[PathBuf]) -> bool {
        let note = match lock(&self.watch).as_mut() {
            Some(watch) => watch.add(&self.root, folders),
            None => return false,
        };
        if let Some(note) = note {
            self.poll(note);
        }
        true
    }

    /// Finds changes by walking only, because nothing can be watched; `why` is said in the status.
    pub(crate) fn poll(&self, why: String) {
        self.sweep_seconds.store(SWEEP_BLIND_SECONDS, Ordering::Relaxed);
        *lock(&self.poll_reason) = Some(why.clone());
        self.note(why);
    }

    /// Forgets what earlier walks noted, which may be over by now, except for what still holds.
    pub(crate) fn begin_notes(&self, lasting: Option<String>) {
        let notes = lasting.into_iter().chain(lock(&self.poll_reason).clone()).collect();
        self.update_status(|status| status.notes = notes);
    }

    /// Lets go of folders at or below these paths that are gone.
    pub(crate) fn release_gone(&self, paths: &BTreeSet<String>) {
        if let Some(watch) = lock(&self.watch).as_mut() {
            paths.iter().for_each(|path| watch.release_gone(&self.root.join(path)));
        }
    }

    /// How the last work ended. After a failure a watched workspace is walked again soon, as nobody tells when a folder
    /// is back or a disk has room.
    pub(crate) fn set_failure(&self, failure: Option<&IndexError>) {
        let seconds = match failure {
            None | Some(IndexError::Cancelled) => 0,
            Some(IndexError::Root { .. }) => SWEEP_ROOT_GONE_SECONDS,
            Some(_) => SWEEP_BLIND_SECONDS,
        };
        self.retry_seconds.store(seconds, Ordering::Relaxed);
    }

    /// Ends watching.
    pub(crate) fn drop_watch(&self) {
        *self.barrier.write().unwrap_or_else(PoisonError::into_inner) = None;
        let watch = lock(&self.watch).take();
        drop(watch);
        *lock(&self.poll_reason) = None;
        self.sweep_seconds.store(0, Ordering::Relaxed);
    }

    fn sweep_every(&self) -> Option<Duration> {
        let mut seconds = self.sweep_seconds.load(Ordering::Relaxed);
        match self.retry_seconds.load(Ordering::Relaxed) {
            0 => {}
            retry => seconds = seconds.min(retry),
        }
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }
}

/// Locks, also after a panic elsewhere: every value behind these locks is valid at any moment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
