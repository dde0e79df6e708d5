//! The progress of a first index, in the client's own way: begun when it takes a while, ended with what was left out.
//!
//! Refuses: showing what is over in a moment, and clients that show no progress. Cancelling holds the index up for good,
//! as `familiar index --pause` does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::{App, FirstIndex, IndexProgress, IndexStatus, counted};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower_lsp::gen_lsp_types::ProgressToken;

use crate::messages::{self, Level};
use crate::transport::Outbox;

/// What takes less is not shown.
const UNSHOWN: Duration = Duration::from_millis(300);
/// Nor are this few files that are left by then.
const FILES_LEFT_MIN: u64 = 100;
/// Reports are at least this far apart.
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// Reasons named in the line at the end.
const REASONS_MAX: usize = 4;

const METHOD: &str = "$/progress";

/// The first indexes of a session's folders.
pub(crate) struct FirstIndexes {
    app: App,
    outbox: Outbox,
    shown: Arc<Mutex<Shown>>,
}

/// What the client may answer.
#[derive(Default)]
struct Shown {
    /// Of each token that the client was asked to create, by the id of the request.
    agreements: HashMap<i64, oneshot::Sender<bool>>,
    /// Of each token in use.
    cancels: HashMap<String, CancellationToken>,
    begun: u64,
}

impl FirstIndexes {
    /// None so far.
    pub(crate) fn new(app: App, outbox: Outbox) -> Self {
        Self { app, outbox, shown: Arc::default() }
    }

    /// Shows the first index of a folder (canonical) until it is over.
    pub(crate) fn show(&self, root: &Path) -> impl Future<Output = ()> + Send + use<> {
        let (app, outbox, shown) = (self.app.clone(), self.outbox.clone(), Arc::clone(&self.shown));
        let root = root.to_owned();
        async move {
            let mut told = app.first_index(&root);
            let Some(now) = lasting(&mut told).await else { return };
            let Some(token) = Token::agreed(&outbox, &shown).await else { return };
            let bar = Bar { app, outbox, root, token };
            bar.follow(told, now).await;
        }
    }

    /// The client answered a request; false when it was none of these.
    pub(crate) fn answered(&self, id: i64, agreed: bool) -> bool {
        let Some(waiting) = lock(&self.shown).agreements.remove(&id) else { return false };
        // The index may be complete by now.
        let _ = waiting.send(agreed);
        true
    }

    /// The user cancelled a progress, perhaps one of these.
    pub(crate) fn cancelled(&self, token: &ProgressToken) {
        if let ProgressToken::String(name) = token
            && let Some(cancel) = lock(&self.shown).cancels.get(name)
        {
            cancel.cancel();
        }
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far it is once it is known to take longer; `None` when it is over before.
async fn lasting(told: &mut FirstIndex) -> Option<IndexProgress> {
    let began = Instant::now();
    while let Some(Ok(now)) = told.next().await {
        let left = now.total.saturating_sub(now.done);
        if began.elapsed() >= UNSHOWN && left >= FILES_LEFT_MIN {
            return Some(now);
        }
    }
    None
}

/// A token that the client agreed to. It is given back when this is dropped.
struct Token {
    name: String,
    cancel: CancellationToken,
    shown: Arc<Mutex<Shown>>,
}

impl Token {
    async fn agreed(outbox: &Outbox, shown: &Arc<Mutex<Shown>>) -> Option<Self> {
        let (sender, agreed) = oneshot::channel();
        let token = {
            let mut all = lock(shown);
            all.begun += 1;
            let name = format!("familiar/index/{}", all.begun);
            // Under the lock, because the client may answer at once.
            let id = outbox.request("window/workDoneProgress/create", json!({ "token": name }));
            all.agreements.insert(id, sender);
            let cancel = CancellationToken::new();
            all.cancels.insert(name.clone(), cancel.clone());
            Self { name, cancel, shown: Arc::clone(shown) }
        };
        agreed.await.is_ok_and(|agreed| agreed).then_some(token)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        lock(&self.shown).cancels.remove(&self.name);
    }
}

/// One progress that is shown.
struct Bar {
    app: App,
    outbox: Outbox,
    root: PathBuf,
    token: Token,
}

impl Bar {
    async fn follow(self, mut told: FirstIndex, first: IndexProgress) {
        let name = self.name();
        let mut begin = report(first);
        begin["kind"] = "begin".into();
        begin["title"] = format!("Indexing {name}").into();
        self.outbox.notify(METHOD, self.params(begin));
        let mut last = Instant::now();
        loop {
            let now = tokio::select! {
                now = told.next() => now,
                () = self.token.cancel.cancelled() => return self.hold_up(&name).await,
            };
            match now {
                Some(Ok(now)) if last.elapsed() >= REPORT_EVERY => {
                    last = Instant::now();
                    self.outbox.report(&self.token.name, METHOD, self.params(report(now)));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
        match self.app.index_status(&self.root).await {
            Ok(status) => self.end(&outcome(&status), &summary(&name, &status)),
            Err(error) => {
                let why = messages::sentence(&error);
                self.end("it was broken off", &format!("The index of {name} was broken off: {why}"));
            }
        }
    }

    /// The user wants it to end: nothing large is begun until they say so.
    async fn hold_up(&self, name: &str) {
        let folder = self.root.display();
        match self.app.pause_index(&self.root, true).await {
            Ok(()) => {
                let how = format!("`familiar index --resume {folder}` lets it go on");
                self.end("held up", &format!("Indexing {name} is held up; {how}"));
            }
            Err(error) => {
                let why = messages::sentence(&error);
                self.end("it goes on", &format!("Indexing {name} could not be held up: {why}"));
            }
        }
    }

    /// The last word where it is shown, and a line in the log.
    fn end(&self, message: &str, line: &str) {
        self.outbox.notify(METHOD, self.params(json!({ "kind": "end", "message": message })));
        messages::log(&self.outbox, Level::Info, line);
    }

    fn params(&self, value: Value) -> Value {
        json!({ "token": self.token.name, "value": value })
    }

    fn name(&self) -> String {
        let name = self.root.file_name().unwrap_or(self.root.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

fn report(now: IndexProgress) -> Value {
    let IndexProgress { done, total } = now;
    let percentage = (done.min(total) * 100).checked_div(total).unwrap_or(0);
    let message = format!("{done} of {total} files");
    json!({ "kind": "report", "message": message, "percentage": percentage, "cancellable": true })
}

fn outcome(status: &IndexStatus) -> String {
    match status.state.as_str() {
        "ready" => counted(status.files, "file"),
        state => format!("{state}, {}", counted(status.files, "file")),
    }
}

/// What became of an index, and what it lacks.
fn summary(name: &str, status: &IndexStatus) -> String {
    let done = match status.state.as_str() {
        "ready" => format!("{name} is indexed"),
        state => format!("The index of {name} is {state}"),
    };
    let counts = format!("{done}: {}, {}", counted(status.files, "file"), counted(status.chunks, "passage"));
    let mut left_out: Vec<_> = status.left_out.iter().collect();
    left_out.sort_by_key(|one| std::cmp::Reverse(one.count));
    let reasons: Vec<String> =
        left_out.iter().take(REASONS_MAX).map(|one| format!("{} {}", one.count, one.reason)).collect();
    let more = left_out.iter().skip(REASONS_MAX).map(|one| one.count).sum::<u64>();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    match reasons.is_empty() {
        true => format!("{counts}; nothing is left out"),
        false => format!("{counts}; left out: {}{more}", reasons.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use app::LeftOut;

    use super::*;

    #[test]
    fn what_is_left_out_is_one_line() {
        let left_out = |count, reason: &str| LeftOut { count, reason: reason.into(), ..LeftOut::default() };
        let mut status = IndexStatus { state: "ready".into(), files: 7, chunks: 9, ..IndexStatus::default() };
        assert_eq!(summary("shop", &status), "shop is indexed: 7 files, 9 passages; nothing is left out");
        status.left_out =
            [(1, "a"), (5, "b"), (2, "c"), (3, "d"), (4, "e"), (1, "f")].map(|(n, r)| left_out(n, r)).into();
        status.state = "paused".into();
        let expected = "The index of shop is paused: 7 files, 9 passages; left out: 5 b, 4 e, 3 d, 2 c and 2 more";
        assert_eq!(summary("shop", &status), expected);
    }

    #[test]
    fn a_report_counts() {
        let value = report(IndexProgress { done: 999, total: 1000 });
        assert_eq!((&value["message"], &value["percentage"]), (&json!("999 of 1000 files"), &json!(99)));
        assert_eq!(report(IndexProgress::default())["percentage"], 0);
    }
}
