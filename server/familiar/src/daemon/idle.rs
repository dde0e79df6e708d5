//! When a daemon that nobody needs may leave. Refuses: leaving while a session, a stream, a run or a job is there.

use std::time::Duration;

use app::App;

/// Returns when nothing went on for `idle`.
pub(crate) async fn unneeded(app: &App, idle: Duration) {
    loop {
        let changed = app.activity_changed();
        let quiet = app.activity() == (0, 0) && !is_indexing(app);
        if !quiet {
            // Indexing ends without a word here, so it is looked at again.
            let _ = tokio::time::timeout(idle, changed).await;
            continue;
        }
        let nothing_happened = tokio::time::timeout(idle, changed).await.is_err();
        if nothing_happened && app.activity() == (0, 0) && !is_indexing(app) {
            return;
        }
    }
}

fn is_indexing(app: &App) -> bool {
    app.workspaces().iter().any(|workspace| workspace.state == "building")
}
