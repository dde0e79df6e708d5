//! `familiar index --watch`: changes taken up as they happen, a line for each. Refuses: ending by itself, and standing in
//! the way of other commands: a daemon has the index, and one that was started for this ends with it.

use std::path::Path;
use std::time::{Duration, Instant};

use app::{IndexChange, Status, counted};
use futures::StreamExt;
use serde_json::json;

use super::{Reach, by_daemon, close, folder, follow as indexed};
use crate::commands::reach::reach_in_background;
use crate::context::Context;
use crate::daemon::attach::{self, Daemon};
use crate::daemon::client::Events;
use crate::{home, os, render};

/// How long a daemon may take to see that a stream of ours is closed.
const CLOSED_MAX: Duration = Duration::from_secs(1);
/// How often it is asked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Brings the folder up to date, then tells each change until Ctrl+C.
///
/// # Errors
/// What the use case says.
pub(super) async fn follow(context: &Context, root: &Path) -> anyhow::Result<u8> {
    let (reach, is_started) = owner(context).await?;
    let result = tokio::select! {
        result = tell(&reach, root) => result,
        _ = os::asked_to_end() => Ok(()),
    };
    match reach {
        Reach::Daemon(daemon) if is_started => end_unneeded(context, &daemon).await?,
        reach => close(reach).await,
    }
    result.map(|()| 0)
}

/// Who has the index: a daemon, so that other commands and editors reach it, and whether it was started for this. Only
/// where no daemon could be reached this process has it.
async fn owner(context: &Context) -> anyhow::Result<(Reach, bool)> {
    if let Some(daemon) = attach::running(context).await? {
        return Ok((Reach::Daemon(Box::new(daemon)), false));
    }
    if home::socket(&context.home).is_err() {
        return Ok((reach_in_background(context).await?, false));
    }
    let daemon = attach::running_or_started(context, &[]).await?;
    Ok((Reach::Daemon(Box::new(daemon)), true))
}

/// Ends the daemon that was started for this, unless somebody else uses it by now; then it leaves when nobody does.
async fn end_unneeded(context: &Context, daemon: &Daemon) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let Ok(status) = daemon.client.get::<Status>("/api/v1/status").await else { return Ok(()) };
        if status.sessions == 0 && status.runs == 0 {
            return attach::stop(&context.home, &daemon.client, daemon.identity.pid).await;
        }
        if began.elapsed() > CLOSED_MAX {
            let pid = daemon.identity.pid;
            render::complain(&format!("familiar: the daemon (pid {pid}) goes on, because others use it"));
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn tell(reach: &Reach, root: &Path) -> anyhow::Result<()> {
    let report = match reach {
        Reach::Daemon(daemon) => by_daemon(&daemon.client, root, false).await?,
        Reach::Here(here) => indexed(here.app.index(root)).await?,
    };
    render::output(&super::summary(&report, root))?;
    let shown = render::escape(&root.display().to_string());
    render::output(&format!("watching {shown}; Ctrl+C ends\n"))?;
    let mut changes: Events<IndexChange> = match reach {
        Reach::Daemon(daemon) => {
            let body = json!({ "workspace": folder::text(root)? });
            daemon.client.events("/api/v1/index/changes", &body).await?
        }
        Reach::Here(here) => here.app.index_changes(root),
    };
    // The first one is the state that was just told.
    let mut last: Option<IndexChange> = None;
    while let Some(change) = changes.next().await {
        let change = change?;
        if let Some(last) = last.replace(change) {
            render::output(&line(last, change))?;
        }
    }
    Ok(())
}

fn line(before: IndexChange, now: IndexChange) -> String {
    let difference = |before: u64, now: u64| match now.cmp(&before) {
        std::cmp::Ordering::Less => format!(" (-{})", before - now),
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!(" (+{})", now - before),
    };
    format!(
        "change {}: {}{}, {}{}\n",
        now.generation,
        counted(now.files, "file"),
        difference(before.files, now.files),
        counted(now.chunks, "chunk"),
        difference(before.chunks, now.chunks)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_what_differs() {
        let before = IndexChange { generation: 4, files: 10, chunks: 50 };
        let now = IndexChange { generation: 5, files: 11, chunks: 48 };
        assert_eq!(line(before, now), "change 5: 11 files (+1), 48 chunks (-2)\n");
        assert_eq!(line(before, before), "change 4: 10 files, 50 chunks\n");
    }
}
