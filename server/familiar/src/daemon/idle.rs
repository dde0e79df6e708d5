//! When a daemon that nobody needs may leave. Refuses: leaving while a session, a stream, a run or a job is there.

use std::time::Duration;

use app::App;

/// While something goes on it is looked at again this often: indexing ends without a word, and what ends between a
/// look and the wait for a change is not heard.
const LOOK_WHILE_BUSY: Duration = Duration::from_secs(10);

/// Returns when nothing went on for `idle`.
pub(crate) async fn unneeded(app: &App, idle: Duration) {
    loop {
        let changed = app.activity_changed();
        if is_busy(app).await {
            let _ = tokio::time::timeout(idle.min(LOOK_WHILE_BUSY), changed).await;
        } else if tokio::time::timeout(idle, changed).await.is_err() && !is_busy(app).await {
            return;
        }
    }
}

async fn is_busy(app: &App) -> bool {
    if app.activity() != (0, 0) {
        return true;
    }
    let app = app.clone();
    // It waits for folders that are just being opened, so not here.
    let builds = move || app.workspaces().iter().any(|workspace| workspace.state == "building");
    tokio::task::spawn_blocking(builds).await.unwrap_or(true)
}
