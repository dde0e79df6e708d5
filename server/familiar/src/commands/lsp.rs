//! `familiar lsp`: a pipe between an editor and the daemon, or a daemon for this editor alone.
//!
//! Refuses: failing for a port, and pretending that a session whose daemon died ended well.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::lsp::{Exit, Hello};
use app::{App, Backend, Parts};
use clap::Args;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::folder;
use super::script::Script;
use crate::context::Context;
use crate::daemon::attach;
use crate::daemon::lock::{Holder, HomeLock, Role, Taken};
use crate::failure::{FAILED, Failure, TRY_THE_DAEMON};
use crate::logging::{self, Also};
use crate::os;

/// Bytes copied at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// What the daemon may take to end a session whose editor is gone.
const END_MAX: Duration = Duration::from_secs(4);
/// Bytes of the editor's last words that are remembered: a `shutdown`, an `exit` and what may come between them.
const LAST_WORDS_BYTES: usize = 4096;
/// A daemon that leaves just now is found again this often.
const ATTEMPTS_MAX: usize = 3;

/// Speak the Language Server Protocol on standard input and output.
///
/// Editors start this. It connects to the daemon and starts one when none runs.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  familiar lsp                what an editor's configuration names\n  familiar lsp --standalone   no daemon, no socket, no port: containers, tests"
)]
pub(crate) struct Lsp {
    /// Daemon and session in this one process, without socket and port.
    #[arg(long)]
    pub(crate) standalone: bool,
    /// A folder to use when the editor names none; may be given several times.
    #[arg(long, value_name = "DIR")]
    workspace: Vec<PathBuf>,
    #[command(flatten)]
    script: Script,
}

impl Lsp {
    /// Serves one session.
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let folders = self.workspace.iter().map(|folder| folder::named(folder)).collect::<Result<Vec<_>, _>>()?;
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let hello = Hello { cwd, folders };
        let context = Context::open()?;
        if self.standalone { self.alone(context, hello).await } else { self.pipe(&context, &hello).await }
    }

    async fn pipe(&self, context: &Context, hello: &Hello) -> anyhow::Result<u8> {
        let options = self.script.for_daemon();
        let greeting = greeting(context, hello)?;
        let mut attempt = 1;
        let session = loop {
            let daemon = attach::running_or_started(context, &options).await?;
            match daemon.client.language_session(&greeting).await {
                Ok(session) => break session,
                Err(error) if attempt == ATTEMPTS_MAX => return Err(error.into()),
                Err(_) => attempt += 1,
            }
        };
        copy(session).await
    }

    async fn alone(self, mut context: Context, hello: Hello) -> anyhow::Result<u8> {
        let me = Holder::this_process(Role::Standalone, context.build.to_string());
        let lock = match HomeLock::take(&context.home, &me, attach::COMMAND_PATIENCE).await? {
            Taken::Ours(lock) => lock,
            Taken::Held(holder) => {
                let held = attach::held(holder.as_ref());
                let is_daemon = holder.is_some_and(|holder| matches!(holder.role, Role::Serve | Role::Background));
                let held = if is_daemon {
                    held.code(TRY_THE_DAEMON).hint("leave `--standalone` out to use it")
                } else {
                    held
                };
                return Err(held.into());
            }
        };
        logging::start(&context.home, &context.config, Also::Nowhere)?;
        let workers = Arc::new(self.script.workers(&mut context)?);
        let app = App::start(Parts {
            home: context.home.clone(),
            config: context.config.clone(),
            backend: Some(Arc::clone(&workers) as Arc<dyn Backend>),
            build_id: context.build.to_string(),
            auto_started: false,
        })?;
        let shutdown = app.shutdown_token();
        tokio::spawn(async move {
            if os::asked_to_end().await.is_ok() {
                shutdown.cancel();
            }
        });
        let stdio = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
        let exit = ::lsp::serve(app.clone(), hello, stdio).await;
        app.shutdown().await;
        tokio::task::spawn_blocking(move || workers.end()).await?;
        lock.keep_until_exit();
        Ok(exit.code())
    }
}

/// What the daemon is told about the editor's surroundings.
fn greeting(context: &Context, hello: &Hello) -> anyhow::Result<serde_json::Value> {
    let mut greeting = serde_json::to_value(hello)?;
    let variable = |name: &str| std::env::var(name).ok();
    let locale =
        ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| variable(name).filter(|text| !text.is_empty()));
    if let Some(fields) = greeting.as_object_mut() {
        fields.insert("build_id".into(), context.build.to_string().into());
        fields.insert("path".into(), variable("PATH").into());
        fields.insert("locale".into(), locale.into());
        fields.insert("virtual_env".into(), variable("VIRTUAL_ENV").into());
    }
    Ok(greeting)
}

/// Copies bytes both ways until one side ends, and returns the exit code.
async fn copy(session: TokioIo<Upgraded>) -> anyhow::Result<u8> {
    let (mut from_daemon, mut to_daemon) = tokio::io::split(session);
    let mut last_words = LastWords::default();
    let upwards = async {
        let mut input = tokio::io::stdin();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = input.read(&mut buffer).await.unwrap_or(0);
            let bytes = buffer.get(..read).unwrap_or_default();
            last_words.hear(bytes);
            if bytes.is_empty() {
                return;
            }
            if to_daemon.write_all(bytes).await.is_err() || to_daemon.flush().await.is_err() {
                // Its other half tells how the session ended.
                std::future::pending::<()>().await;
            }
        }
    };
    let downwards = async {
        let mut output = tokio::io::stdout();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = from_daemon.read(&mut buffer).await.unwrap_or(0);
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() || output.write_all(bytes).await.is_err() || output.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::pin!(downwards);
    let editor_left = tokio::select! {
        () = upwards => true,
        () = &mut downwards => false,
    };
    if editor_left {
        // The daemon sees the end of input and may have a last answer for whoever still reads.
        let _ = to_daemon.shutdown().await;
        let _ = tokio::time::timeout(END_MAX, downwards).await;
    }
    if let Some(exit) = last_words.exit() {
        return Ok(exit.code());
    }
    if editor_left {
        return Ok(Exit::EndOfInput.code());
    }
    // One line without a hint below it: editors show the last line of a server that ended.
    Err(Failure::new("the daemon is gone; restart the language server (`familiar status` names the log)")
        .code(FAILED)
        .into())
}

/// The end of what the editor said, to tell a session that ended from one that was cut off.
#[derive(Debug, Default)]
struct LastWords(Vec<u8>);

impl LastWords {
    fn hear(&mut self, bytes: &[u8]) {
        let kept = bytes.len().saturating_sub(LAST_WORDS_BYTES);
        self.0.extend_from_slice(bytes.get(kept..).unwrap_or_default());
        self.0.drain(..self.0.len().saturating_sub(LAST_WORDS_BYTES));
    }

    /// How the session ended when the last message is `exit`, as the language server itself sees it.
    fn exit(&self) -> Option<Exit> {
        let text: String = String::from_utf8_lossy(&self.0).split_whitespace().collect();
        let (before, last) = text.rsplit_once("Content-Length:").unwrap_or(("", &text));
        // Inside a text of the editor the quotes would be escaped.
        let shut_down = before.contains("\"method\":\"shutdown\"");
        let exit = if shut_down { Exit::Shutdown } else { Exit::ExitWithoutShutdown };
        last.contains("\"method\":\"exit\"").then_some(exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_heard_however_it_is_written() {
        let exit = "Content-Length: 33\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}";
        let other = "Content-Length: 40\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":1,\"p\":2}";
        let spaced = exit.replace(':', ": ");
        let shutdown = "Content-Length: 44\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"shutdown\"}";
        let quoted = "Content-Length: 30\r\n\r\n{\"p\":\"\\\"method\\\":\\\"shutdown\\\"\"}";
        let long = "y".repeat(5000);
        let (cut, rest) = exit.split_at(30);
        let alone = Some(Exit::ExitWithoutShutdown);
        for (said, ended) in [
            (vec![other, exit], alone),
            (vec![other, spaced.as_str()], alone),
            (vec![long.as_str(), exit], alone),
            (vec![cut, rest], alone),
            (vec![quoted, exit], alone),
            (vec![shutdown, exit], Some(Exit::Shutdown)),
            (vec![shutdown, other, cut, rest], Some(Exit::Shutdown)),
            (vec![long.as_str(), shutdown, spaced.as_str()], Some(Exit::Shutdown)),
            (vec![exit, other], None),
            (vec![shutdown], None),
            (vec![], None),
        ] {
            let mut words = LastWords::default();
            for piece in &said {
                words.hear(piece.as_bytes());
            }
            assert_eq!(words.exit(), ended, "{said:?}");
            assert!(words.0.len() <= LAST_WORDS_BYTES);
        }
    }
}
