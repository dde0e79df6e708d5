//! The daemon itself: takes the home, listens, waits until it should end, and leaves nothing behind.
//!
//! Refuses: listening before the home is its own, and any address but this machine's.

mod announce;

pub(crate) use announce::address;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::{App, Backend, Parts, WorkspaceGuard};
use serde_json::Value;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use web::{LspUpgrade, UpgradedIo, WebOptions};

use crate::context::Context;
use crate::daemon::attach::{self, COMMAND_PATIENCE};
use crate::daemon::client::Client;
use crate::daemon::lock::{Holder, HomeLock, Role, Taken};
use crate::daemon::{idle, ports};
use crate::failure::Failure;
use crate::logging::{self, Also};
use crate::wiring::Workers;
use crate::{home, os, render};

/// What running answers may still take after the daemon was asked to leave.
const FINISH_MAX: Duration = Duration::from_secs(10);
/// What the servers may take to close after that.
const CLOSE_MAX: Duration = Duration::from_secs(7);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const MINUTE: Duration = Duration::from_secs(60);
/// Background daemons ended for one `serve`; each time after the first, somebody else was quicker to take the home.
const TAKE_OVER_MAX: usize = 5;

/// How the daemon was asked to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Serve {
    /// Folders to index and watch.
    pub(crate) workspaces: Vec<PathBuf>,
    /// Whether to open the web page.
    pub(crate) open: bool,
    /// Whether a command started it, so that it is silent and leaves by itself.
    pub(crate) auto: bool,
}

/// Runs the daemon until it is asked to end.
///
/// # Errors
/// When the home is held by another process or cannot be used, or the port that was asked for is taken.
pub(crate) async fn serve(context: Context, serve: Serve, workers: Workers) -> anyhow::Result<()> {
    let role = if serve.auto { Role::Background } else { Role::Serve };
    let lock = take_home(&context, role).await?;
    logging::start(&context.home, &context.config, if serve.auto { Also::Nowhere } else { Also::Terminal })?;
    let workers = Arc::new(workers);
    let app = App::start(Parts {
        home: context.home.clone(),
        config: context.config.clone(),
        backend: Some(Arc::clone(&workers) as Arc<dyn Backend>),
        build_id: context.build.to_string(),
        auto_started: serve.auto,
    })?;
    let mut holder = Holder::this_process(role, context.build.to_string());
    let mut doors = Doors::open(&context, &app, &mut holder, serve.auto).await?;
    lock.write(&holder)?;
    tracing::info!(pid = holder.pid, port = holder.port, socket = ?holder.socket, build = %context.build, "ready");
    let workspaces = open_workspaces(&app, &serve.workspaces).await?;
    let teller = if serve.auto {
        None
    } else {
        context.tell_notes();
        announce::welcome(&context, &app, &holder, serve.open).await?;
        Some(tokio::spawn(announce::tell_progress(app.clone())))
    };
    let hurry = wait_for_the_end(&context, &app, serve.auto).await?;
    if let Some(teller) = teller {
        teller.abort();
    }
    tracing::info!(hurry, "leaving");
    tokio::select! {
        () = leave(&app, &mut doors, hurry) => {}
        // Whoever asks twice does not want to wait.
        _ = os::asked_to_end() => {
            if !hurry {
                app.shutdown().await;
            }
        }
    }
    drop(workspaces);
    tokio::task::spawn_blocking(move || workers.end()).await?;
    drop(doors);
    tracing::info!("left");
    lock.keep_until_exit();
    Ok(())
}

/// Takes the home, from a background daemon too when a person asks for it.
async fn take_home(context: &Context, role: Role) -> anyhow::Result<HomeLock> {
    let me = Holder::this_process(role, context.build.to_string());
    let began = Instant::now();
    let mut patience = Duration::ZERO;
    let mut taken_over = 0;
    loop {
        let holder = match HomeLock::take(&context.home, &me, patience).await? {
            Taken::Ours(lock) => return Ok(lock),
            Taken::Held(holder) => holder,
        };
        match &holder {
            Some(daemon) if role == Role::Serve && daemon.role == Role::Background => {
                if began.elapsed() > attach::START_MAX + patience || taken_over == TAKE_OVER_MAX {
                    return Err(attach::held(holder.as_ref()).into());
                }
                if let Some(client) = answering(daemon).await {
                    // Before anything ends: without the port this `serve` would fail and leave nobody.
                    ports::refuse_taken(&context.config, daemon.port).await?;
                    let pid = daemon.pid;
                    render::complain(&format!("familiar: taking over from the background daemon (pid {pid})"));
                    attach::stop(&context.home, &client, pid).await?;
                    taken_over += 1;
                } else {
                    // It is about to listen, or about to be gone.
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
            Some(command) if command.role == Role::Command && patience.is_zero() => {
                let who = render::one_line(&command.describe());
                render::complain(&format!("familiar: waiting for {who} to finish"));
                patience = COMMAND_PATIENCE;
            }
            _ => return Err(attach::held(holder.as_ref()).into()),
        }
    }
}

/// Reaches `daemon` when it listens.
async fn answering(daemon: &Holder) -> Option<Client> {
    let client = Client::new(daemon.socket.as_deref()?);
    client.is_answered().await.then_some(client)
}

/// Where the daemon listens.
struct Doors {
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    socket: Option<PathBuf>,
}

impl Doors {
    /// Opens both doors and notes them in `holder`. A daemon that a command started does without a port rather than
    /// fail.
    async fn open(context: &Context, app: &App, holder: &mut Holder, auto: bool) -> anyhow::Result<Self> {
        let mut doors = Self { servers: Vec::new(), socket: None };
        let shutdown = app.shutdown_token();
        match ports::listen(&context.home, &context.config).await {
            Ok((listener, port)) => {
                app.set_port(port)?;
                holder.port = Some(port);
                let router = web::router(app.clone(), WebOptions { port, lsp_upgrade: None });
                doors.servers.push(tokio::spawn(web::serve_tcp(listener, router, shutdown.clone())));
            }
            Err(failure) if auto => tracing::warn!(%failure, "there is no web page"),
            Err(failure) => return Err(failure.into()),
        }
        match home::socket(&context.home) {
            Ok(path) => {
                let listener = bind(&path)?;
                holder.socket = Some(path.clone());
                doors.socket = Some(path);
                let options = WebOptions { port: 0, lsp_upgrade: Some(language_sessions(app)) };
                let router = web::socket_router(app.clone(), options);
                doors.servers.push(tokio::spawn(web::serve_unix(listener, router, shutdown)));
            }
            Err(failure) if auto => return Err(failure.into()),
            Err(failure) => {
                tracing::warn!(%failure, "there is no socket: editors and commands cannot reach this daemon");
            }
        }
        Ok(doors)
    }

    /// Waits until every server ended.
    async fn closed(&mut self) {
        for server in self.servers.drain(..) {
            if let Err(error) = server.await {
                tracing::error!(%error, "a server died");
            }
        }
    }
}

impl Drop for Doors {
    /// Takes the socket away.
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // The folder may have been cleaned meanwhile.
            let _ = std::fs::remove_file(socket);
        }
    }
}

/// Listens on the socket. The home is ours, so a file that is there was left by a process that died.
fn bind(path: &Path) -> Result<UnixListener, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot listen on {}: {error}", path.display()))
            .hint("set XDG_RUNTIME_DIR or TMPDIR to a folder of your own")
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    os::make_private(path).map_err(failed)?;
    Ok(listener)
}

fn language_sessions(app: &App) -> LspUpgrade {
    let app = app.clone();
    Arc::new(move |hello: Value, io: UpgradedIo| {
        let app = app.clone();
        Box::pin(async move {
            let hello = serde_json::from_value(hello).unwrap_or_else(|error| {
                tracing::warn!(%error, "a hello was not understood; the session begins without it");
                lsp::Hello::default()
            });
            if app.accept_work().is_ok() {
                let exit = lsp::serve(app, hello, io).await;
                tracing::info!(?exit, "a language session ended");
            }
        })
    })
}

/// Opens the folders named on the command line; indexing goes on in the background.
async fn open_workspaces(app: &App, folders: &[PathBuf]) -> anyhow::Result<Vec<WorkspaceGuard>> {
    let (app, folders) = (app.clone(), folders.to_vec());
    let opened = tokio::task::spawn_blocking(move || {
        folders.iter().map(|folder| app.open_named_workspace(folder)).collect::<app::Result<Vec<_>>>()
    });
    Ok(opened.await??)
}

/// Waits until the daemon should end and returns whether at once.
async fn wait_for_the_end(context: &Context, app: &App, auto: bool) -> anyhow::Result<bool> {
    let idle_minutes = u32::try_from(context.config.daemon_idle_minutes).unwrap_or(u32::MAX);
    let unneeded = async {
        if auto && idle_minutes > 0 {
            idle::unneeded(app, MINUTE.saturating_mul(idle_minutes)).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let asked_over_the_socket = app.drain_token();
    tokio::select! {
        asked = os::asked_to_end() => {
            tracing::info!(by = asked?, "asked to end");
            Ok(true)
        }
        () = asked_over_the_socket.cancelled() => Ok(false),
        () = unneeded => {
            tracing::info!("nobody needs this daemon any more");
            Ok(false)
        }
    }
}

/// Ends what is going on: at once, or when it is done but not later than [`FINISH_MAX`]. Until then nothing new is
/// taken, but whoever asks is told so.
async fn leave(app: &App, doors: &mut Doors, hurry: bool) {
    if !hurry {
        app.finish(FINISH_MAX).await;
    }
    // The servers have a limit of their own; this one also covers a server that hangs.
    let (closed, ()) = tokio::join!(tokio::time::timeout(CLOSE_MAX, doors.closed()), app.shutdown());
    if closed.is_err() {
        tracing::warn!("a server did not close in time");
    }
}
