//! `familiar index`: a folder made searchable, or forgotten. Refuses: returning before it is done.

use std::path::{Path, PathBuf};

use app::{App, IndexEvent, IndexReport};
use clap::Args;
use futures::StreamExt;
use serde_json::json;

use super::folder;
use super::reach::{Reach, reach};
use crate::context::Context;
use crate::daemon::client::{Client, Events, query};
use crate::failure::Failure;
use crate::render::{self, ProgressLine};

/// Index a folder and return when all of it is searchable.
///
/// Only what changed since the last time is read. The index lies in Familiar's own folder, never in yours.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar index\n  familiar index ~/code/project\n  familiar index ~/code/project --forget"
)]
pub(crate) struct Index {
    /// The folder [default: the nearest git repository, else the working directory]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Remove everything that is kept about the folder.
    #[arg(long)]
    forget: bool,
}

impl Index {
    /// Indexes or forgets.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        // A folder that is gone can still be forgotten.
        let root = match &self.folder {
            Some(folder) if self.forget && !folder.exists() => std::path::absolute(folder)?,
            folder => folder::named_or_here(folder.as_deref())?,
        };
        let context = Context::open()?;
        context.tell_notes();
        let reach = reach(&context).await?;
        if self.forget {
            forget(&reach, &root).await?;
            close(reach).await;
            render::output(&format!("forgot {}\n", render::escape(&root.display().to_string())))?;
            return Ok(0);
        }
        let report = match &reach {
            Reach::Daemon(daemon) => by_daemon(&daemon.client, &root).await,
            Reach::Here(here) => by_ourselves(&here.app, &root).await,
        };
        close(reach).await;
        render::output(&summary(&report?))?;
        Ok(0)
    }
}

/// Indexes `root` in the daemon.
///
/// # Errors
/// What the daemon says.
pub(super) async fn by_daemon(client: &Client, root: &Path) -> anyhow::Result<IndexReport> {
    let body = json!({ "workspace": folder::text(root)? });
    follow(client.events("/api/v1/index", &body).await?).await
}

/// Indexes `root` in this process.
///
/// # Errors
/// What the use case says.
pub(super) async fn by_ourselves(app: &App, root: &Path) -> anyhow::Result<IndexReport> {
    follow(app.index(root)).await
}

async fn follow(mut events: Events<IndexEvent>) -> anyhow::Result<IndexReport> {
    let mut line = ProgressLine::new();
    while let Some(event) = events.next().await {
        match event? {
            IndexEvent::Progress(progress) => {
                line.show(&format!("indexing, {} of {} files", progress.done, progress.total));
            }
            IndexEvent::Finished(report) => return Ok(report),
        }
    }
    Err(Failure::new("indexing broke off").hint("run it again; what was done is kept").into())
}

async fn forget(reach: &Reach, root: &Path) -> anyhow::Result<()> {
    match reach {
        Reach::Daemon(daemon) => {
            let path = query("/api/v1/index", &[("workspace", folder::text(root)?)]);
            daemon.client.delete(&path).await?;
        }
        Reach::Here(here) => here.app.forget_index(root).await?,
    }
    Ok(())
}

async fn close(reach: Reach) {
    if let Reach::Here(here) = reach {
        here.close().await;
    }
}

fn summary(report: &IndexReport) -> String {
    let IndexReport { files, chunks, seconds, unchanged, skipped, notes } = report;
    let same = if *unchanged > 0 { format!(" ({unchanged} unchanged)") } else { String::new() };
    let mut text = format!("{files} files{same}, {chunks} chunks, {seconds:.1} s\n");
    let total: u64 = skipped.values().sum();
    if total > 0 {
        text.push_str(&format!("skipped {total}:\n"));
    }
    for (reason, count) in skipped {
        text.push_str(&format!("  {count:>6}  {}\n", render::one_line(reason)));
    }
    for note in notes {
        text.push_str(&format!("note: {}\n", render::one_line(note)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_was_skipped() {
        let skipped = [("binary".to_owned(), 3), ("too large".to_owned(), 1)].into();
        let report = IndexReport {
            files: 12,
            chunks: 40,
            seconds: 1.25,
            unchanged: 2,
            skipped,
            notes: vec!["odd\nfile".into()],
        };
        let expected = "12 files (2 unchanged), 40 chunks, 1.2 s\nskipped 4:\n       3  binary\n       1  too large\nnote: odd file\n";
        assert_eq!(summary(&report), expected);
    }
}
