//! The only place that knows LSP: one editor session over any byte pipe.
//!
//! Refuses: work. A session keeps the editor's documents and asks `app` for everything else; it never runs a model,
//! reads an index or writes a file on its own loop.

mod actions;
mod arguments;
mod client;
mod documents;
mod door;
mod jobs;
mod main_loop;
mod messages;
mod review;
mod symbols;
mod transport;
mod uris;
mod workspaces;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use main_loop::MainLoop;
use transport::{End, Outbox};

/// What the process next to the editor knows and the session cannot: sent before the first message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The working directory of that process; its git root is the workspace when the editor names none.
    pub cwd: PathBuf,
    /// Folders named on the command line, used before `cwd` when the editor names none.
    pub folders: Vec<PathBuf>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The editor said `shutdown`, then `exit`.
    Shutdown,
    /// The editor said `exit` without `shutdown`.
    ExitWithoutShutdown,
    /// The editor's side of the pipe closed.
    EndOfInput,
    /// The editor did not read what was sent to it until too much waited.
    TooSlow,
    /// The daemon is leaving.
    Leaving,
}

impl Exit {
    /// The exit code of the process next to the editor: 1 after `exit` without `shutdown` and when the session was
    /// broken off from our side, else 0.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Shutdown | Self::EndOfInput => 0,
            Self::ExitWithoutShutdown | Self::TooSlow | Self::Leaving => 1,
        }
    }
}

/// Serves one session over `io` until the editor leaves, the pipe ends or the daemon goes. Every job of the session
/// is cancelled by then. Must run on a multi-threaded or current-thread tokio runtime with time enabled.
pub async fn serve(app: app::App, hello: Hello, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Exit {
    let _activity = app.count_session();
    let leaving = app.shutdown_token();
    let outbox = Outbox::default();
    let (door, inbound) = door::Door::new();
    let ended = CancellationToken::new();
    let main_loop = MainLoop::new(app, hello, outbox.clone());
    let main_loop = tokio::spawn(main_loop.run(inbound, ended.clone()));
    let guard = ended.drop_guard();
    let end = transport::run(door.into_service(), io, outbox, leaving).await;
    drop(guard);
    if let Err(error) = main_loop.await {
        tracing::error!(%error, "the main loop of a session died");
    }
    match end {
        End::Exit { after_shutdown: true } => Exit::Shutdown,
        End::Exit { after_shutdown: false } => Exit::ExitWithoutShutdown,
        End::Input | End::Output => Exit::EndOfInput,
        End::Slow => Exit::TooSlow,
        End::Stopped => Exit::Leaving,
    }
}
