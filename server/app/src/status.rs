//! What is going on, on one page. Refuses: waiting for work that goes on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{App, ModelStatus, WorkspaceStatus};

/// The state of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Names this very build.
    pub build_id: String,
    /// Its process.
    pub pid: u32,
    /// Where the user's data lies.
    pub home: PathBuf,
    /// The newest log file.
    pub log: PathBuf,
    /// Where the web page listens; `None` without one.
    pub port: Option<u16>,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Whether an editor started it.
    pub auto_started: bool,
    /// The model in use.
    pub model: ModelStatus,
    /// The workspaces that are open.
    pub workspaces: Vec<WorkspaceStatus>,
    /// What became of the edits of each model by the form of its answers, the model used last at the end.
    pub edits: Vec<engine::OutcomeRow>,
    /// Editor sessions and open streams.
    pub sessions: u32,
    /// Answers being made.
    pub runs: u32,
    /// What was wrong with the configuration.
    pub notes: Vec<String>,
}

impl App {
    /// The state now. Looks at the disk and may wait for a workspace that is just being opened, so it is asked for off
    /// the async threads.
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        let config = self.config();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            build_id: inner.build_id.clone(),
            pid: std::process::id(),
            home: inner.home.data.clone(),
            log: inner.home.log_file(),
            port: inner.port.get().copied(),
            uptime_s: inner.started.elapsed().as_secs(),
            auto_started: inner.auto_started,
            model: inner.models.status(&config),
            workspaces: self.workspaces(),
            edits: inner.edits.rows(&inner.store),
            sessions: inner.activity.sessions(),
            runs: inner.activity.runs(),
            notes: config.notes.clone(),
        }
    }
}
