//! `familiar index --watch`: changes taken up as they happen, a line for each. Refuses: ending by itself.

use std::path::Path;

use app::IndexChange;
use futures::StreamExt;
use serde_json::json;

use super::{Reach, by_daemon, close, folder, follow as indexed};
use crate::daemon::client::Events;
use crate::{os, render};

/// Brings the folder up to date, then tells each change until Ctrl+C.
///
/// # Errors
/// What the use case says.
pub(super) async fn follow(reach: Reach, root: &Path) -> anyhow::Result<u8> {
    let result = tokio::select! {
        result = tell(&reach, root) => result,
        _ = os::asked_to_end() => Ok(()),
    };
    close(reach).await;
    result.map(|()| 0)
}

async fn tell(reach: &Reach, root: &Path) -> anyhow::Result<()> {
    let report = match reach {
        Reach::Daemon(daemon) => by_daemon(&daemon.client, root, false).await?,
        Reach::Here(here) => indexed(here.app.index(root)).await?,
    };
    render::output(&super::summary(&report))?;
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
        "change {}: {} files{}, {} chunks{}\n",
        now.generation,
        now.files,
        difference(before.files, now.files),
        now.chunks,
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
