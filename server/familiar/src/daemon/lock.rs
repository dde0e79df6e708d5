//! The lock that gives a home one owner, and the note beside it that says who that is. Refuses: believing the note;
//! it is only read while the lock is held by somebody else.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use app::{Home, disk_hint};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::os;

/// How often a held lock is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(20);
/// A holder that has not written its note after this time is not going to.
const SETTLE: Duration = Duration::from_secs(2);
/// Of what a command was called with this much is noted, in characters.
const WORDS_CHARS_MAX: usize = 120;
/// A longer note is none of ours.
const NOTE_BYTES_MAX: u64 = 16 * 1024;
const PRIVATE_FILE: u32 = 0o600;

/// The next step when a folder of the home cannot be written.
pub(crate) const ELSEWHERE: &str = "make the folder writable, or set FAMILIAR_HOME to another one";

/// What the owner of a home is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// A `serve` somebody typed.
    Serve,
    /// A daemon that an editor or a command started; a `serve` takes over from it.
    Background,
    /// A language session with everything in one process.
    Standalone,
    /// A command that will be done in a moment.
    Command,
}

/// Who holds a home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Its process.
    pub(crate) pid: u32,
    /// What it is doing.
    pub(crate) role: Role,
    /// Its build.
    pub(crate) build_id: String,
    /// Where it listens for our own processes.
    pub(crate) socket: Option<PathBuf>,
    /// Where its web page is.
    pub(crate) port: Option<u16>,
    /// What a command was called with.
    #[serde(default)]
    pub(crate) words: Option<String>,
}

impl Holder {
    /// This process, which listens nowhere yet.
    pub(crate) fn this_process(role: Role, build_id: String) -> Self {
        let words = (role == Role::Command).then(own_words);
        Self { pid: std::process::id(), role, build_id, socket: None, port: None, words }
    }

    /// How it is called in messages.
    pub(crate) fn describe(&self) -> String {
        let what = match (self.role, &self.words) {
            (Role::Serve, _) => "`familiar serve`".to_owned(),
            (Role::Background, _) => "a background daemon".to_owned(),
            (Role::Standalone, _) => "`familiar lsp --standalone`".to_owned(),
            (Role::Command, Some(words)) => format!("`{words}`"),
            (Role::Command, None) => "another command".to_owned(),
        };
        match self.port {
            Some(port) => format!("{what} (pid {}, port {port})", self.pid),
            None => format!("{what} (pid {})", self.pid),
        }
    }
}

/// What this process was called with, for whoever has to wait for it.
fn own_words() -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words = std::iter::once("familiar".to_owned()).chain(words).collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words,
    }
}

/// What came of trying to take a home.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Ours(HomeLock),
    /// Somebody else has it; who, where that is known.
    Held(Option<Holder>),
}

/// The home is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct HomeLock {
    file: File,
    note: PathBuf,
}

impl HomeLock {
    /// Takes `home` for `holder`. Commands that hold it are waited for as long as `patience`, others are not.
    ///
    /// # Errors
    /// When the lock's file cannot be used.
    pub(crate) async fn take(home: &Home, holder: &Holder, patience: Duration) -> Result<Taken, Failure> {
        let path = home.lock_file();
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot lock {}: {error}", path.display())).hint(disk_hint(&error, ELSEWHERE))
        };
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false).mode(PRIVATE_FILE);
        let file = options.open(&path).map_err(failed)?;
        let note = note_of(&path);
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let lock = Self { file, note };
                    lock.write(holder)?;
                    return Ok(Taken::Ours(lock));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let current = read(&note).filter(|holder| os::is_running(holder.pid));
            let wait = match &current {
                None => SETTLE,
                Some(Holder { role: Role::Command, .. }) => patience,
                Some(_) => Duration::ZERO,
            };
            if began.elapsed() >= wait {
                return Ok(Taken::Held(current));
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// Keeps the home until the process ends, which is about to happen: whatever still holds the user's data in some
    /// corner of it is then gone too when the next owner comes.
    pub(crate) fn keep_until_exit(self) {
        let _ = std::fs::remove_file(&self.note);
        // Not unlocked here; the system does that.
        std::mem::forget(self);
    }

    /// Writes the note anew, for example when the port is known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, holder: &Holder) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(holder).unwrap_or_default();
        let written = write_atomically(&self.note, &text);
        written.map_err(|error| {
            Failure::new(format!("cannot write {}: {error}", self.note.display()))
                .hint(disk_hint(&error, ELSEWHERE))
        })
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // The note goes first: without the lock it could already be the next owner's.
        let _ = std::fs::remove_file(&self.note);
        // Closing alone is not enough: a child that was forked but has not yet started its program shares the lock.
        let _ = self.file.unlock();
    }
}

/// Who holds `home`, where that is known; `None` when nobody does.
pub(crate) fn holder(home: &Home) -> Option<Holder> {
    let path = home.lock_file();
    let file = File::open(&path).ok()?;
    // Shared, so that two who only look do not see each other. Who takes the lock just now tries again.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read(&note_of(&path)).filter(|holder| os::is_running(holder.pid)),
        _ => None,
    }
}

fn note_of(lock: &Path) -> PathBuf {
    lock.with_extension("json")
}

fn read(note: &Path) -> Option<Holder> {
    let length = std::fs::metadata(note).ok()?.len();
    let text = (length <= NOTE_BYTES_MAX).then(|| std::fs::read(note).ok())??;
    serde_json::from_slice(&text).ok()
}

/// A reader sees the old note or the new one, never half of one.
fn write_atomically(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("json.part");
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(PRIVATE_FILE);
    options.open(&part)?.write_all(text)?;
    std::fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me(role: Role) -> Holder {
        Holder::this_process(role, "0.1.0+1.aa".into())
    }

    async fn take(home: &Home, role: Role) -> Taken {
        HomeLock::take(home, &me(role), Duration::ZERO).await.expect("the lock can be tried")
    }

    #[tokio::test]
    async fn a_home_has_one_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        let Taken::Ours(lock) = take(&home, Role::Serve).await else { panic!("nobody had it") };
        let named = Holder { port: Some(4774), ..me(Role::Serve) };
        lock.write(&named).expect("a note");
        match take(&home, Role::Background).await {
            Taken::Held(holder) => assert_eq!(holder, Some(named.clone())),
            Taken::Ours(_) => panic!("it was taken twice"),
        }
        assert_eq!(holder(&home), Some(named));
        drop(lock);
        assert_eq!(holder(&home), None);
        assert!(matches!(take(&home, Role::Background).await, Taken::Ours(_)));
    }

    #[tokio::test]
    async fn a_command_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        let Taken::Ours(lock) = take(&home, Role::Command).await else { panic!("nobody had it") };
        assert!(matches!(take(&home, Role::Serve).await, Taken::Held(Some(_))), "without patience");
        let (serve, patience) = (me(Role::Serve), Duration::from_secs(60));
        let waiting = HomeLock::take(&home, &serve, patience);
        // Polled in this order: it waits before the lock is given back.
        let (taken, ()) = tokio::join!(waiting, async { drop(lock) });
        assert!(matches!(taken, Ok(Taken::Ours(_))));
    }

    #[tokio::test]
    async fn a_note_without_its_process_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::under(folder.path());
        home.create().expect("folders");
        let dead = Holder { pid: u32::MAX, ..me(Role::Serve) };
        write_atomically(&note_of(&home.lock_file()), &serde_json::to_vec(&dead).expect("JSON")).expect("a note");
        assert_eq!(holder(&home), None);
        assert!(matches!(take(&home, Role::Serve).await, Taken::Ours(_)));
    }
}
