//! `familiar index`: a folder made searchable, made anew, followed, described or forgotten. Refuses: returning before it
//! is done, and losing what was done when it is interrupted.

mod following;
pub(super) mod state;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use app::{App, AppError, ErrorKind, IndexEvent, IndexProgress, IndexReport, counted};
use clap::Args;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::folder;
use super::reach::{Reach, reach};
use crate::context::Context;
use crate::daemon::client::{Client, Events, query};
use crate::failure::{Failure, INTERRUPTED};
use crate::os;
use crate::render::{self, ProgressLine};

/// Index a folder and return when all of it is searchable.
///
/// Only what changed since the last time is read. The index lies in Familiar's own folder, never in yours. Ctrl+C keeps
/// what is done; a daemon that runs goes on. What ignore rules match is left out, as by ripgrep also where git tracks it;
/// `!NAME` in `.familiarignore` brings it in.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar index\n  familiar index ~/code/project\n  familiar index --status\n  familiar index ~/code/project --forget"
)]
pub(crate) struct Index {
    /// The folder [default: the nearest git repository, else the working directory]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Say what is indexed, what is left out and why; index nothing.
    #[arg(long, group = "mode")]
    status: bool,
    /// Index from nothing; the old index answers until the new one is complete.
    #[arg(long, group = "mode")]
    rebuild: bool,
    /// Stay, take up changes, and print a line for each, until Ctrl+C.
    #[arg(long, group = "mode")]
    watch: bool,
    /// Hold up large builds in the background, also after a restart; saves are still taken up.
    #[arg(long, group = "mode")]
    pause: bool,
    /// Let builds in the background go on.
    #[arg(long, group = "mode")]
    resume: bool,
    /// Remove everything that is kept about the folder.
    #[arg(long, group = "mode")]
    forget: bool,
    /// Print one JSON object; with `--watch` one for each change, a line each.
    #[arg(long, conflicts_with_all = ["pause", "resume", "forget"])]
    json: bool,
}

/// The daemon's answer to forgetting.
#[derive(Deserialize)]
struct Forgotten {
    known: bool,
}

/// The daemon's answer to a pause and to its end.
#[derive(Deserialize)]
struct Held {}

impl Index {
    /// Does what was asked.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        // A folder that is gone can still be forgotten.
        let root = match &self.folder {
            Some(folder) if self.forget && !folder.exists() => std::path::absolute(folder)?,
            folder => folder::named_or_here_to_index(folder.as_deref())?,
        };
        let context = Context::open()?;
        context.tell_notes();
        if self.status {
            return state::show(&context, &root, self.json).await;
        }
        if self.watch {
            return following::follow(&context, &root, self.json).await;
        }
        let reach = reach(&context).await?;
        if self.forget {
            let known = forget(&reach, &root).await;
            close(reach).await;
            let shown = render::escape(&root.display().to_string());
            let said =
                if known? { format!("forgot {shown}\n") } else { format!("nothing was kept about {shown}\n") };
            render::output(&said)?;
            return Ok(0);
        }
        if self.pause || self.resume {
            let done = hold_up(&reach, &root, self.pause).await;
            close(reach).await;
            done?;
            let shown = render::escape(&root.display().to_string());
            let what = if self.pause { "is held up; `--resume` lets it go on" } else { "goes on" };
            render::output(&format!("indexing {shown} in the background {what}\n"))?;
            return Ok(0);
        }
        let report = self.build(&reach, &root).await;
        close(reach).await;
        let report = report?;
        render::output(&if self.json { report_line(&report, &root) } else { summary(&report, &root) })?;
        Ok(0)
    }

    async fn build(&self, reach: &Reach, root: &Path) -> anyhow::Result<IndexReport> {
        let stop = CancellationToken::new();
        let (events, is_ours) = match reach {
            Reach::Daemon(daemon) => (events_of(&daemon.client, root, self.rebuild).await?, false),
            Reach::Here(here) if self.rebuild => (here.app.rebuild_index(root, stop.clone()), true),
            Reach::Here(here) => (here.app.index_until(root, stop.clone()), true),
        };
        let interrupted = os::asked_to_end();
        let last = Cell::new(IndexProgress::default());
        let mut work = std::pin::pin!(follow_with(events, &last));
        let result = tokio::select! {
            result = &mut work => Some(result),
            _ = interrupted => None,
        };
        if let Some(result) = result {
            return result;
        }
        stop.cancel();
        if is_ours {
            // What was done becomes searchable first.
            match work.await {
                Err(error) if is_cancelled(&error) => {}
                done => return done,
            }
        }
        Err(self.interrupted(root, last.get(), is_ours).into())
    }

    /// What is said after Ctrl+C; a daemon goes on with the folders that it has open.
    fn interrupted(&self, root: &Path, last: IndexProgress, is_ours: bool) -> Failure {
        if self.rebuild {
            return Failure::new("interrupted; the index is as it was before").code(INTERRUPTED);
        }
        let done = match last.total {
            0 => "nothing had to be read yet".to_owned(),
            total => format!("{} of {total} files are done and kept", last.done),
        };
        if is_ours {
            let failure = Failure::new(format!("interrupted: {done}"));
            return failure.hint("run it again to go on from there").code(INTERRUPTED);
        }
        let shown = root.display();
        Failure::new(format!("no longer waiting: {done}, and the daemon goes on in the background"))
            .hint(format!("`familiar index --pause {shown}` holds that up, `--status` tells how far it is"))
            .code(INTERRUPTED)
    }
}

/// Indexes `root` in the daemon.
///
/// # Errors
/// What the daemon says.
pub(super) async fn by_daemon(client: &Client, root: &Path, rebuild: bool) -> anyhow::Result<IndexReport> {
    follow(events_of(client, root, rebuild).await?).await
}

async fn events_of(client: &Client, root: &Path, rebuild: bool) -> anyhow::Result<Events<IndexEvent>> {
    let body = json!({ "workspace": folder::text(root)?, "rebuild": rebuild });
    Ok(client.events("/api/v1/index", &body).await?)
}

/// Indexes `root` in this process.
///
/// # Errors
/// What the use case says.
pub(super) async fn by_ourselves(app: &App, root: &Path) -> anyhow::Result<IndexReport> {
    follow(app.index(root)).await
}

/// Shows how far it is until it is done.
///
/// # Errors
/// What the use case says.
pub(super) async fn follow(events: Events<IndexEvent>) -> anyhow::Result<IndexReport> {
    follow_with(events, &Cell::default()).await
}

async fn follow_with(mut events: Events<IndexEvent>, last: &Cell<IndexProgress>) -> anyhow::Result<IndexReport> {
    let mut line = ProgressLine::new();
    while let Some(event) = events.next().await {
        match event? {
            IndexEvent::Progress(progress) => {
                last.set(progress);
                line.show(&format!("indexing, {} of {} files", progress.done, progress.total));
            }
            IndexEvent::Finished(report) => return Ok(report),
        }
    }
    Err(Failure::new("indexing broke off").hint("run it again; what was done is kept").into())
}

/// Whether it ended because it was asked to.
pub(super) fn is_cancelled(error: &anyhow::Error) -> bool {
    error.downcast_ref::<AppError>().is_some_and(|error| error.kind == ErrorKind::Cancelled)
}

async fn forget(reach: &Reach, root: &Path) -> anyhow::Result<bool> {
    match reach {
        Reach::Daemon(daemon) => {
            let path = query("/api/v1/index", &[("workspace", folder::text(root)?)]);
            let Forgotten { known } = daemon.client.delete_and_read(&path).await?;
            Ok(known)
        }
        Reach::Here(here) => Ok(here.app.forget_index(root).await?),
    }
}

async fn hold_up(reach: &Reach, root: &Path, pause: bool) -> anyhow::Result<()> {
    match reach {
        Reach::Daemon(daemon) => {
            let body = json!({ "workspace": folder::text(root)?, "pause": pause });
            let Held { .. } = daemon.client.post("/api/v1/index/pause", &body).await?;
        }
        Reach::Here(here) => here.app.pause_index(root, pause).await?,
    }
    Ok(())
}

async fn close(reach: Reach) {
    if let Reach::Here(here) = reach {
        here.close().await;
    }
}

/// The report as one line of JSON.
fn report_line(report: &IndexReport, root: &Path) -> String {
    let mut object = json!(report);
    object["type"] = "indexed".into();
    object["root"] = json!(root);
    render::json_line(&object)
}

fn summary(report: &IndexReport, root: &Path) -> String {
    let IndexReport { files, chunks, seconds, added, changed, unchanged, removed, skipped, notes } = report;
    let mut parts = Vec::new();
    for (count, what) in [(added, "new"), (changed, "changed"), (unchanged, "unchanged"), (removed, "gone")] {
        if *count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    // That a first index is all new needs no word.
    let parts = if added == files { String::new() } else { format!(" ({})", parts.join(", ")) };
    let (files, chunks) = (counted(*files, "file"), counted(*chunks, "chunk"));
    let mut text = format!("{files}{parts}, {chunks}, {seconds:.1} s\n");
    let total: u64 = skipped.values().sum();
    if total > 0 {
        let told = "`familiar index --status` names some of each kind";
        text.push_str(&format!("skipped {total}, not counted above; {told}:\n"));
    }
    for (reason, count) in skipped {
        text.push_str(&format!("  {count:>6}  {}\n", render::one_line(reason)));
    }
    for note in notes {
        text.push_str(&format!("note: {}\n", render::one_line(note)));
    }
    text.push_str(&format!("indexed {}\n", render::escape(&root.display().to_string())));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_adds_up_and_names_what_was_skipped() {
        let skipped = [("binary".to_owned(), 3), ("too large".to_owned(), 1)].into();
        let report = IndexReport {
            files: 12,
            chunks: 40,
            seconds: 1.25,
            added: 1,
            changed: 9,
            unchanged: 2,
            removed: 5,
            skipped,
            notes: vec!["odd\nfile".into()],
        };
        let expected = "12 files (1 new, 9 changed, 2 unchanged, 5 gone), 40 chunks, 1.2 s\nskipped 4, not counted above; `familiar index --status` names some of each kind:\n       3  binary\n       1  too large\nnote: odd file\nindexed /w\n";
        let summary = |report: &IndexReport| summary(report, Path::new("/w"));
        assert_eq!(summary(&report), expected);
        let first = IndexReport { files: 2, added: 2, chunks: 3, ..IndexReport::default() };
        assert_eq!(summary(&first), "2 files, 3 chunks, 0.0 s\nindexed /w\n");
        assert_eq!(summary(&IndexReport::default()), "0 files, 0 chunks, 0.0 s\nindexed /w\n");
        let one = IndexReport { files: 1, added: 1, chunks: 1, ..IndexReport::default() };
        assert_eq!(summary(&one), "1 file, 1 chunk, 0.0 s\nindexed /w\n");
    }
}
