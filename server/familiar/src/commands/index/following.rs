//! `familiar index --watch`: changes taken up as they happen, a line for each, with the files. Refuses: ending by itself, and standing in
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
/// Files of one kind that a line names.
const FILES_SHOWN_MAX: usize = 5;
/// How often it is asked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Brings the folder up to date, then tells each change until Ctrl+C.
///
/// # Errors
/// What the use case says.
pub(super) async fn follow(context: &Context, root: &Path, as_json: bool) -> anyhow::Result<u8> {
    let (reach, is_started) = owner(context).await?;
    let result = tokio::select! {
        result = tell(&reach, root, as_json) => result,
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

async fn tell(reach: &Reach, root: &Path, as_json: bool) -> anyhow::Result<()> {
    let report = match reach {
        Reach::Daemon(daemon) => by_daemon(&daemon.client, root, false).await?,
        Reach::Here(here) => indexed(here.app.index(root)).await?,
    };
    if as_json {
        render::output(&super::report_line(&report, root))?;
    } else {
        render::output(&super::summary(&report, root))?;
        let shown = render::escape(&root.display().to_string());
        render::output(&format!("watching {shown}; Ctrl+C ends\n"))?;
    }
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
        if let Some(last) = &last {
            render::output(&if as_json { json_line(&change) } else { line(last, &change) })?;
        }
        last = Some(change);
    }
    Ok(())
}

fn json_line(change: &IndexChange) -> String {
    let mut object = json!(change);
    object["type"] = "change".into();
    render::json_line(&object)
}

fn line(before: &IndexChange, now: &IndexChange) -> String {
    let difference = |before: u64, now: u64| match now.cmp(&before) {
        std::cmp::Ordering::Less => format!(" (-{})", before - now),
        std::cmp::Ordering::Equal => String::new(),
        std::cmp::Ordering::Greater => format!(" (+{})", now - before),
    };
    format!(
        "change {}: {}{}, {}{}{}\n",
        now.generation,
        counted(now.files, "file"),
        difference(before.files, now.files),
        counted(now.chunks, "chunk"),
        difference(before.chunks, now.chunks),
        files(now)
    )
}

/// What was read anew and what is gone, as far as a line holds it.
fn files(change: &IndexChange) -> String {
    let list = |what: &str, paths: &[String]| {
        let shown: Vec<String> = paths.iter().take(FILES_SHOWN_MAX).map(|path| render::name(path)).collect();
        let more = if paths.len() > shown.len() {
            format!(" and {} more", paths.len() - shown.len())
        } else {
            String::new()
        };
        if paths.is_empty() { String::new() } else { format!("; {what} {}{more}", shown.join(", ")) }
    };
    let unnamed = if change.more > 0 { format!("; {} more", counted(change.more, "file")) } else { String::new() };
    format!("{}{}{unnamed}", list("read", &change.read), list("gone", &change.gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_what_differs() {
        let before = IndexChange { generation: 4, files: 10, chunks: 50, ..IndexChange::default() };
        let now = IndexChange { generation: 5, files: 11, chunks: 48, ..IndexChange::default() };
        assert_eq!(line(&before, &now), "change 5: 11 files (+1), 48 chunks (-2)\n");
        assert_eq!(line(&before, &before), "change 4: 10 files, 50 chunks\n");
        let read = (0..7).map(|n| format!("{n}.py")).collect();
        let named = IndexChange { read, gone: vec!["a\nb".into()], more: 2, ..now };
        let expected = "; read 0.py, 1.py, 2.py, 3.py, 4.py and 2 more; gone a\\x0ab; 2 files more\n";
        assert!(line(&before, &named).ends_with(expected), "{}", line(&before, &named));
        let told: serde_json::Value = serde_json::from_str(&json_line(&named)).expect("it is JSON");
        assert_eq!((&told["type"], &told["gone"][0]), (&"change".into(), &"a\nb".into()), "{told}");
    }
}
