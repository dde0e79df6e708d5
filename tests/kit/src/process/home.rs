//! Where the binary is, and the home it gets.
//!
//! Refuses: building. A test that needs the binary says how to get it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::child::Launch;

/// How often a home looks for processes it must end.
const SWEEPS_MAX: usize = 4;
/// How long the end of a killed process may take, in seconds.
#[cfg(target_os = "linux")]
const END_SECS_MAX: i64 = 10;

/// Variables passed on to a process; everything else of the test's environment is hidden from it.
const PASSED_ON: [&str; 8] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "TMPDIR",
    "RUST_BACKTRACE",
    "FAMILIAR_MODELS",
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "TERM",
];

/// The built binary: `FAMILIAR_BIN`, else `target/release/familiar`, else `target/debug/familiar` of this workspace.
///
/// # Panics
///
/// When there is none.
#[must_use]
#[track_caller]
pub fn familiar_binary() -> PathBuf {
    let named = std::env::var_os("FAMILIAR_BIN").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match find_binary(named, &root) {
        Ok(found) => found,
        Err(reason) => panic!("{reason}"),
    }
}

/// The rule of [`familiar_binary`] for any workspace `root`.
pub(super) fn find_binary(named: Option<PathBuf>, root: &Path) -> Result<PathBuf, String> {
    if let Some(named) = named {
        let missing =
            || format!("FAMILIAR_BIN names {}, which is no file; unset it or build that binary", named.display());
        return if named.is_file() { Ok(named.clone()) } else { Err(missing()) };
    }
    let name = format!("familiar{}", std::env::consts::EXE_SUFFIX);
    let places = ["target/release", "target/debug"].map(|folder| root.join(folder).join(&name));
    let found = places.iter().find(|place| place.is_file());
    found.cloned().ok_or_else(|| format!("no binary at {}; run `make test`, which builds it", places[0].display()))
}

/// A temporary folder that is `FAMILIAR_HOME` (and `HOME`, and the runtime folder) of what is started from it.
///
/// On drop it ends what was started with this home and still runs, also detached processes, then deletes the folder.
#[derive(Debug)]
pub struct TempHome {
    root: PathBuf,
    folder: Option<TempDir>,
    adopted: Mutex<Vec<u32>>,
}

impl Default for TempHome {
    fn default() -> Self {
        Self::new()
    }
}

impl TempHome {
    /// A new, empty home.
    ///
    /// # Panics
    ///
    /// When the disk refuses.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        // A short name: the path of a socket below it has 108 bytes at most.
        let folder = tempfile::Builder::new().prefix("home-").tempdir().expect("a temporary folder can be made");
        let root = folder.path().canonicalize().expect("the new folder exists");
        let home = Self { root, folder: Some(folder), adopted: Mutex::default() };
        for path in [home.root(), home.user_folder(), home.runtime_folder()] {
            private_folder(&path);
        }
        home
    }

    /// The value of `FAMILIAR_HOME`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.root.join("familiar")
    }

    /// The value of `HOME`.
    #[must_use]
    pub fn user_folder(&self) -> PathBuf {
        self.root.join("user")
    }

    /// The value of `XDG_RUNTIME_DIR`.
    #[must_use]
    pub fn runtime_folder(&self) -> PathBuf {
        self.root.join("run")
    }

    /// A launch of the built binary with `args` in this home.
    ///
    /// # Panics
    ///
    /// As [`familiar_binary`].
    #[must_use]
    #[track_caller]
    pub fn familiar(&self, args: &[&str]) -> Launch {
        self.program(&familiar_binary(), args)
    }

    /// A launch of `program` with `args` in this home. Its environment is that of the home, a few harmless variables
    /// of the test's own, and what [`Launch::env`] adds; its working folder is the user's.
    #[must_use]
    pub fn program(&self, program: &Path, args: &[&str]) -> Launch {
        let mut launch = Launch::new(program, args, &self.user_folder());
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                launch = launch.env(name, value);
            }
        }
        launch
            .env("FAMILIAR_HOME", self.root())
            .env("HOME", self.user_folder())
            .env("XDG_RUNTIME_DIR", self.runtime_folder())
    }

    /// Also ends the process `pid` on drop. For a process that was started by one of this home's and hides its
    /// environment.
    pub fn adopt(&self, pid: u32) {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
    }

    /// The processes that run with this home, started from here or by those. Known on Linux only; empty elsewhere.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|&pid| self.owns(pid)).collect()
    }

    fn owns(&self, pid: u32) -> bool {
        let wanted = [b"FAMILIAR_HOME=", self.root().as_os_str().as_encoded_bytes()].concat();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == wanted)
    }
}

impl Drop for TempHome {
    fn drop(&mut self) {
        let adopted = self.adopted.get_mut().unwrap_or_else(PoisonError::into_inner).split_off(0);
        for pid in adopted {
            end(pid, || true);
        }
        // More than once: a process may have started another between the look and the end.
        for _ in 0..SWEEPS_MAX {
            let found = self.processes();
            if found.is_empty() {
                break;
            }
            for pid in found {
                end(pid, || self.owns(pid));
            }
        }
        drop(self.folder.take());
    }
}

/// Kills the process `pid` and waits until it is gone, if it is still the one meant.
#[cfg(target_os = "linux")]
fn end(pid: u32, still_meant: impl Fn() -> bool) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // The descriptor holds this very process, so an id used again cannot lead to another one.
    let Ok(process) = pidfd_open(id, PidfdFlags::empty()) else { return };
    if still_meant() && pidfd_send_signal(&process, Signal::KILL).is_ok() {
        let limit = Timespec { tv_sec: END_SECS_MAX, tv_nsec: 0 };
        // A process that the kernel cannot end in time is left to it; there is nothing more to be done from here.
        let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit));
    }
}

/// Kills the process `pid`, if it is still the one meant.
#[cfg(not(target_os = "linux"))]
fn end(pid: u32, still_meant: impl Fn() -> bool) {
    if still_meant() {
        super::child::Signal::Kill.send(pid);
    }
}

fn private_folder(path: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().mode(0o700).create(path);
    made.unwrap_or_else(|e| panic!("home: cannot make {}: {e}", path.display()));
}
