//! `familiar models pull`: brings one model, with progress. Refuses: two pulls into one folder at a time.

use std::fs::{File, TryLockError};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use app::{Home, Pull, PullProgress};
use clap::Args;

use crate::failure::{Failure, INTERRUPTED};
use crate::os;
use crate::render::{self, ProgressLine};

/// Without a terminal progress is a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR_CHARS: u64 = 30;

#[derive(Debug, Args)]
pub(super) struct PullArgs {
    /// `starter`, a name of `models recommend`, `hf:OWNER/REPO/FILE.gguf`, `hf:OWNER/REPO` for an image model, or an
    /// http(s) address.
    source: String,
    /// What to call it [default: the file's own name]
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// The SHA-256 it must have.
    #[arg(long, value_name = "HASH")]
    sha256: Option<String>,
}

impl PullArgs {
    /// Brings it.
    ///
    /// # Errors
    /// When the source means nothing, cannot be reached or does not pass its checks.
    pub(super) async fn run(self, home: &Home, current: &str) -> anyhow::Result<()> {
        let _lock = one_at_a_time(home)?;
        let hub = std::env::var("HF_ENDPOINT").ok().filter(|hub| !hub.is_empty());
        let request = Pull { source: self.source, name: self.name, sha256: self.sha256, hub };
        let mut shown = Shown::new();
        let pulled = {
            let mut show = |progress| shown.progress(&progress);
            let mut pulling = std::pin::pin!(app::pull(&home.models, request, &mut show));
            tokio::select! {
                pulled = &mut pulling => Some(pulled),
                pressed = tokio::signal::ctrl_c() => if pressed.is_ok() { None } else { Some(pulling.await) },
            }
        };
        drop(shown);
        let Some(pulled) = pulled else {
            return Err(Failure::new("the pull was broken off; what was fetched is kept")
                .hint("run it again to go on from there")
                .code(INTERRUPTED)
                .into());
        };
        let pulled = pulled?;
        let state = if pulled.already { "is there already" } else { "is ready" };
        let mut text =
            format!("{} {state}: {}\n", pulled.name, render::escape(&pulled.path.display().to_string()));
        if pulled.path.is_dir() {
            text.push_str(&format!(
                "try it: familiar generate \"a lighthouse at dusk\" --model {}\n",
                pulled.name
            ));
        } else if pulled.name != current {
            text.push_str(&format!(
                "to use it, put `model = \"{}\"` into {}\n",
                pulled.name,
                home.config_file().display()
            ));
        }
        render::output(&text)?;
        Ok(())
    }
}

/// Holds the model folder for one change: two pulls would write the same part file.
///
/// # Errors
/// When another one is running, or the folder cannot be written.
pub(super) fn one_at_a_time(home: &Home) -> Result<File, Failure> {
    let path = home.models.join(".pull.lock");
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot write {}: {error}", path.display()))
            .hint("make the model folder writable, or set FAMILIAR_MODELS to another one")
    };
    let file = os::append_private(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new("another pull or removal is running").hint("wait until it is done, or end it"))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Progress on standard error: a bar on a terminal, else a line every few seconds.
struct Shown {
    line: ProgressLine,
    told: Option<Instant>,
}

impl Shown {
    fn new() -> Self {
        Self { line: ProgressLine::new(), told: None }
    }

    fn progress(&mut self, progress: &PullProgress) {
        let text = words(progress, std::io::stderr().is_terminal());
        if self.line.is_seen() {
            return self.line.show(&text);
        }
        let is_step = matches!(progress, PullProgress::Step(_));
        if is_step || self.told.is_none_or(|told| told.elapsed() >= LINE_EVERY) {
            self.told = Some(Instant::now());
            render::complain(&text);
        }
    }
}

fn words(progress: &PullProgress, bar: bool) -> String {
    match progress {
        PullProgress::Step(step) => step.clone(),
        PullProgress::Bytes { done, total: Some(total) } if *total > 0 => {
            let share = (*done).min(*total) as f64 / *total as f64;
            let filled = (share * BAR_CHARS as f64) as usize;
            let bar = if bar {
                format!("[{:<width$}] ", "#".repeat(filled), width = BAR_CHARS as usize)
            } else {
                String::new()
            };
            format!("{bar}{:.0} %, {} of {}", share * 100.0, render::bytes(*done), render::bytes(*total))
        }
        PullProgress::Bytes { done, .. } => render::bytes(*done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_bar_or_a_line() {
        let half = PullProgress::Bytes { done: 50_000_000, total: Some(100_000_000) };
        assert_eq!(words(&half, true), "[###############               ] 50 %, 50.0 MB of 100.0 MB");
        assert_eq!(words(&half, false), "50 %, 50.0 MB of 100.0 MB");
        assert_eq!(words(&PullProgress::Bytes { done: 7, total: None }, true), "7 B");
        assert_eq!(words(&PullProgress::Step("checking".into()), true), "checking");
    }

    #[test]
    fn one_pull_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        let first = one_at_a_time(&home).expect("nobody pulls");
        assert_eq!(one_at_a_time(&home).expect_err("one pulls").message, "another pull or removal is running");
        drop(first);
        assert!(one_at_a_time(&home).is_ok());
    }
}
