//! How a command finds the daemon, starts one, and deals with one of another build.
//!
//! Refuses: speaking to another build. The newer one wins: it asks the older daemon to finish and starts its own.

use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use app::Home;
use serde::Deserialize;

use crate::build_id::BuildId;
use crate::context::Context;
use crate::daemon::client::Client;
use crate::daemon::lock::{self, Holder, HomeLock, Role, Taken};
use crate::failure::{Failure, HELD};
use crate::{home, os, render};

/// A daemon that is not ready by then is not going to be.
pub(crate) const START_MAX: Duration = Duration::from_secs(30);
/// A daemon that was asked to leave finishes its streams first; then it needs a moment.
const LEAVE_MAX: Duration = Duration::from_secs(20);
/// How long a command that holds the home is waited for.
pub(crate) const COMMAND_PATIENCE: Duration = Duration::from_secs(120);
/// Most commands are done by then; after it whoever waits for one is told.
const COMMAND_SILENCE: Duration = Duration::from_secs(1);
/// Another process's progress cannot be waited for otherwise than by looking again.
const LOOK_FIRST: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(100);
/// How long after a lost race a daemon is started once more.
const START_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The last words of a daemon that failed to start.
const LAST_WORDS_BYTES_MAX: u64 = 64 * 1024;

/// A daemon that answers.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    /// Reaches it.
    pub(crate) client: Client,
    /// What it said of itself.
    pub(crate) identity: Identity,
}

/// What every build says of itself under the same names, so that any two of them can tell who makes way. The other
/// fields of a status may change from build to build; these stay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Identity {
    /// Its process.
    pub(crate) pid: u32,
    /// Its build; empty when it does not say, and then it is an older one.
    #[serde(default)]
    pub(crate) build_id: String,
    /// Where its web page is; `None` without one.
    #[serde(default)]
    pub(crate) port: Option<u16>,
    /// Whether an editor or a command started it.
    #[serde(default)]
    pub(crate) auto_started: bool,
}

/// The answer to being asked to leave.
#[derive(Deserialize)]
struct Leaving {
    leaving: bool,
}

/// The daemon of `home`, of whatever build; `None` when none answers.
///
/// # Errors
/// When one is there and does not say who it is.
pub(crate) async fn find(home: &Home) -> anyhow::Result<Option<Daemon>> {
    let noted = lock::holder(home).and_then(|holder| holder.socket);
    // A socket that cannot be is no reason to fail: there may be a note of another one.
    let usual = home::socket(home).ok();
    let mut sockets: Vec<_> = noted.into_iter().chain(usual).collect();
    sockets.dedup();
    for socket in sockets {
        let client = Client::new(&socket);
        if !client.is_answered().await {
            continue;
        }
        match client.get("/api/v1/status").await {
            Ok(identity) => return Ok(Some(Daemon { client, identity })),
            // One that was killed may be answered for a moment longer, by the system.
            Err(_) if !client.is_answered().await => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// The daemon of this build; an older one is asked to leave, and then there is none.
///
/// # Errors
/// When the daemon is newer than this program, or does not leave.
pub(crate) async fn running(context: &Context) -> anyhow::Result<Option<Daemon>> {
    let Some(daemon) = find(&context.home).await? else { return Ok(None) };
    let theirs = BuildId::parse(&daemon.identity.build_id);
    match theirs {
        Some(theirs) if context.build.is_same(&theirs) => Ok(Some(daemon)),
        Some(theirs) if !context.build.is_newer_than(&theirs) => {
            let message =
                format!("the running daemon (pid {}) is of a newer build than this program", daemon.identity.pid);
            Err(Failure::new(message)
                .hint("start the newer `familiar`, or end the daemon with `familiar stop`")
                .into())
        }
        _ => {
            hand_over(context, &daemon).await?;
            Ok(None)
        }
    }
}

/// The daemon of this build, started when there is none.
///
/// # Errors
/// When it does not get ready, with what it said.
pub(crate) async fn running_or_started(context: &Context, options: &[OsString]) -> anyhow::Result<Daemon> {
    let began = Instant::now();
    let mut pause = LOOK_FIRST;
    let mut start: Option<Start> = None;
    let mut is_told = false;
    loop {
        if let Some(daemon) = running(context).await? {
            return Ok(daemon);
        }
        refuse_standalone(&context.home)?;
        if !is_told && began.elapsed() > COMMAND_SILENCE {
            is_told = tell_wait(lock::holder(&context.home).as_ref());
        }
        // Without a place to listen a daemon could not be reached.
        home::socket(&context.home)?;
        match start.as_mut().map(Start::is_over).transpose()? {
            None | Some(Some(Over::LostRace)) => start = Some(Start::begin(&context.home, options)?),
            Some(Some(Over::Failed(failure))) => return Err(failure.into()),
            Some(None) => {}
        }
        if began.elapsed() > START_MAX + waiting_for_command(&context.home) {
            return Err(not_ready(&context.home, began.elapsed()).into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_MAX);
    }
}

/// The home for this process alone, while it works without a daemon; or the daemon that came first.
///
/// # Errors
/// When the home is held by something that cannot be used.
pub(crate) async fn daemon_or_lock(context: &Context) -> anyhow::Result<Result<Daemon, HomeLock>> {
    let began = Instant::now();
    let mut patience = COMMAND_SILENCE;
    loop {
        if let Some(daemon) = running(context).await? {
            return Ok(Ok(daemon));
        }
        let me = Holder::this_process(Role::Command, context.build.to_string());
        match HomeLock::take(&context.home, &me, patience).await? {
            Taken::Ours(lock) => return Ok(Err(lock)),
            Taken::Held(holder) => {
                refuse_standalone(&context.home)?;
                if patience < COMMAND_PATIENCE && tell_wait(holder.as_ref()) {
                    patience = COMMAND_PATIENCE;
                    continue;
                }
                // A daemon that is about to listen, or about to be gone.
                if began.elapsed() > START_MAX {
                    return Err(held(holder.as_ref()).into());
                }
                tokio::time::sleep(LOOK_MAX).await;
            }
        }
    }
}

/// Says which command is waited for; false when it is none.
fn tell_wait(holder: Option<&Holder>) -> bool {
    let Some(holder) = holder.filter(|holder| holder.role == Role::Command) else { return false };
    let who = render::one_line(&holder.describe());
    render::complain(&format!("familiar: waiting for {who} to finish; Ctrl+C waits no longer"));
    true
}

/// Asks a daemon of another build to finish and waits until it is gone.
async fn hand_over(context: &Context, daemon: &Daemon) -> anyhow::Result<()> {
    let body = serde_json::json!({ "build_id": context.build.to_string() });
    let answer: Leaving = daemon.client.post("/api/v1/hand-over", &body).await?;
    if !answer.leaving {
        let message = format!("the daemon (pid {}) does not make way for this build", daemon.identity.pid);
        return Err(Failure::new(message).hint("end it with `familiar stop`").into());
    }
    gone(&context.home, daemon.identity.pid).await
}

/// Asks the daemon to end and waits until it is gone.
///
/// # Errors
/// When it is still there after its streams had their time.
pub(crate) async fn stop(home: &Home, client: &Client, pid: u32) -> anyhow::Result<()> {
    let _: Leaving = client.post("/api/v1/stop", &serde_json::json!({})).await?;
    gone(home, pid).await
}

async fn gone(home: &Home, pid: u32) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut pause = LOOK_FIRST;
    while lock::holder(home).is_some_and(|holder| holder.pid == pid) {
        if began.elapsed() > LEAVE_MAX {
            let message = format!("the daemon (pid {pid}) was asked to end and is still there");
            return Err(Failure::new(message).hint(format!("end it with `kill {pid}`")).into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_MAX);
    }
    Ok(())
}

/// Why no daemon was ready: one that cannot be reached has the home, or none started.
fn not_ready(home: &Home, waited: Duration) -> Failure {
    if let Some(holder) = lock::holder(home) {
        return Failure::new(format!("{} holds this home and cannot be reached", holder.describe()))
            .hint(format!("end it with `kill {}`", holder.pid))
            .code(HELD);
    }
    let log = home.log_file();
    Failure::new(format!("no daemon was ready after {} s", waited.as_secs()))
        .hint(format!("the log says why: {}", log.display()))
}

/// The failure of finding the home held by `holder`.
pub(crate) fn held(holder: Option<&Holder>) -> Failure {
    let who = holder.map_or_else(|| "another process".to_owned(), Holder::describe);
    let hint = match holder {
        Some(Holder { role: Role::Command, pid, .. }) => {
            format!("run this again when that is done, or end it with Ctrl+C there or `kill {pid}`")
        }
        _ => "use it with `familiar open`, end it with `familiar stop`, or set FAMILIAR_HOME to another folder"
            .into(),
    };
    Failure::new(format!("{who} holds this home already")).hint(hint).code(HELD)
}

fn refuse_standalone(home: &Home) -> Result<(), Failure> {
    match lock::holder(home) {
        Some(holder) if holder.role == Role::Standalone => {
            Err(held(Some(&holder)).hint("close that editor, or set FAMILIAR_HOME to another folder"))
        }
        _ => Ok(()),
    }
}

/// More time while a command holds the home: the daemon waits for it too.
fn waiting_for_command(home: &Home) -> Duration {
    match lock::holder(home) {
        Some(Holder { role: Role::Command, .. }) => COMMAND_PATIENCE,
        _ => Duration::ZERO,
    }
}

/// A daemon that is being started.
struct Start {
    child: Child,
    ended: Option<(ExitStatus, Instant)>,
    log: std::path::PathBuf,
    log_bytes_before: u64,
}

/// How a start ended without a daemon.
enum Over {
    /// Another process had the home; it may be a daemon, or on its way out.
    LostRace,
    /// It failed.
    Failed(Failure),
}

impl Start {
    fn begin(home: &Home, options: &[OsString]) -> anyhow::Result<Self> {
        let log = home.log_file();
        let log_bytes_before = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let mut args: Vec<OsString> = vec!["serve".into(), "--auto".into()];
        args.extend_from_slice(options);
        let child = os::start_detached(&args, &log).map_err(|error| {
            Failure::new(format!("cannot start the daemon: {error}")).hint(format!("its log is {}", log.display()))
        })?;
        Ok(Self { child, ended: None, log, log_bytes_before })
    }

    fn is_over(&mut self) -> anyhow::Result<Option<Over>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?.map(|status| (status, Instant::now()));
        }
        let Some((status, at)) = self.ended else { return Ok(None) };
        if status.code() == Some(i32::from(HELD)) {
            return Ok((at.elapsed() > START_AGAIN_AFTER).then_some(Over::LostRace));
        }
        Ok(Some(Over::Failed(self.last_words(status))))
    }

    /// What the daemon said on standard error before it ended.
    fn last_words(&self, status: ExitStatus) -> Failure {
        let mut said = String::new();
        if let Ok(mut log) = std::fs::File::open(&self.log) {
            let length = log.metadata().map_or(0, |metadata| metadata.len());
            let from = self.log_bytes_before.max(length.saturating_sub(LAST_WORDS_BYTES_MAX)).min(length);
            let _ = log.seek(SeekFrom::Start(from));
            let mut bytes = Vec::new();
            let _ = log.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut bytes);
            said = String::from_utf8_lossy(&bytes).into_owned();
        }
        understood(&said).unwrap_or_else(|| {
            Failure::new(format!("the daemon ended while it started ({status})"))
                .hint(format!("the log says why: {}", self.log.display()))
        })
    }
}

/// The failure in the output of a daemon that ended.
fn understood(said: &str) -> Option<Failure> {
    let mut lines = said.lines().rev();
    let mut hint = None;
    lines.find_map(|line| {
        if let Some(text) = line.strip_prefix("  hint: ") {
            hint = Some(text.to_owned());
        }
        let message = line.strip_prefix("familiar: ")?;
        let failure = Failure::new(message);
        Some(match hint.take() {
            Some(hint) => failure.hint(hint),
            None => failure,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_a_daemon_are_told() {
        let said =
            "2026-01-01 INFO began\nfamiliar: an older failure\nfamiliar: the disk is full\n  hint: free some\n";
        assert_eq!(understood(said), Some(Failure::new("the disk is full").hint("free some")));
        assert_eq!(understood("familiar: short\n2026 INFO x\n"), Some(Failure::new("short")));
        assert_eq!(understood("2026-01-01 INFO began\n"), None);
    }

    #[test]
    fn a_daemon_of_any_build_is_known() {
        let identity = |text: &str| serde_json::from_str::<Identity>(text).expect(text);
        let full =
            identity(r#"{"pid":7,"build_id":"9.0.0+1.aa","port":4774,"auto_started":true,"later":{"x":1}}"#);
        let expected = Identity { pid: 7, build_id: "9.0.0+1.aa".into(), port: Some(4774), auto_started: true };
        assert_eq!(full, expected);
        let bare = Identity { pid: 7, build_id: String::new(), port: None, auto_started: false };
        assert_eq!(identity(r#"{"pid":7}"#), bare);
    }

    #[test]
    fn who_holds_the_home_is_named() {
        let holder = Holder { pid: 12, port: Some(4774), ..Holder::this_process(Role::Serve, String::new()) };
        let failure = held(Some(&holder));
        assert_eq!(failure.message, "`familiar serve` (pid 12, port 4774) holds this home already");
        assert_eq!(failure.code, HELD);
        let command =
            Holder { role: Role::Command, port: None, words: Some("familiar index /w".into()), ..holder };
        let failure = held(Some(&command));
        assert_eq!(failure.message, "`familiar index /w` (pid 12) holds this home already");
        assert!(failure.hint.is_some_and(|hint| hint.contains("`kill 12`") && !hint.contains("familiar stop")));
    }
}
