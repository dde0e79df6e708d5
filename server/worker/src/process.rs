//! The operating system's part: starting a child that holds one end of a socket and dies with its parent.
//!
//! All OS-dependent code of this room is here. Linux is tested; other Unix systems lack the parent-death signal and
//! rely on the end of input. Refuses: to hand the child any descriptor but its own, or the parent's environment
//! beyond a list of names that hold no secrets.

#![expect(unsafe_code, reason = "descriptor flags, signals and process attributes have no safe interface in std")]

use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::WorkerError;

/// Names the descriptor of the child's end of the socket.
const CHANNEL_VARIABLE: &str = "FAMILIAR_WORKER_FD";

/// Variables a child gets from its parent: where programs and libraries are, how text looks, how many threads and
/// which devices to use. None holds a secret.
const VARIABLES_KEPT: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "RUST_BACKTRACE",
    "RUST_LOG",
];
/// Variables that begin so are kept too.
const VARIABLE_PREFIXES_KEPT: &[&str] = &[
    "LC_", "OMP_", "GOMP_", "KMP_", "GGML_", "LLAMA_", "RAYON_", "CANDLE_", "CUDA_", "NVIDIA_", "HIP_", "HSA_",
    "ROCR_", "ROCM_", "VK_", "ONEAPI_", "SYCL_",
];

/// How much sooner than others a child is chosen when memory runs out, of 1000.
#[cfg(target_os = "linux")]
const OOM_SCORE_ADJUSTMENT: &str = "500";

/// One end of the socket between parent and child.
pub(crate) type Channel = UnixStream;

/// What to start.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// The program; `None` is the running one itself, also when its file was replaced meanwhile.
    pub program: Option<PathBuf>,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl WorkerSpec {
    /// The running program itself with `args`.
    pub fn own_program(args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: None, args: args.into_iter().map(Into::into).collect() }
    }
}

/// A child just started.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) channel: Channel,
    /// Standard output and error together.
    pub(crate) output: PipeReader,
}

/// Starts a child. To be called by a thread that lives as long as the child may: on Linux the child is killed when
/// the thread that started it ends.
pub(crate) fn start(spec: &WorkerSpec) -> Result<Started, WorkerError> {
    let (channel, childs_end) = UnixStream::pair().map_err(WorkerError::system("cannot make a socket pair"))?;
    let (output, childs_output) = io::pipe().map_err(WorkerError::system("cannot make a pipe"))?;
    let childs_error = childs_output.try_clone().map_err(WorkerError::system("cannot make a pipe"))?;

    let mut command = Command::new(program(spec)?);
    command
        .args(&spec.args)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_kept)))
        .env(CHANNEL_VARIABLE, childs_end.as_raw_fd().to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(childs_output)
        .stderr(childs_error)
        // Ctrl+C in the terminal goes to the parent alone, which then ends its children in order.
        .process_group(0);
    let fd = childs_end.as_raw_fd();
    let parent = std::process::id();
    // SAFETY: the closure runs between fork and exec and only makes async-signal-safe system calls on its captured
    // numbers; it neither allocates nor takes locks.
    unsafe { command.pre_exec(move || prepare(fd, parent)) };
    let child = command.spawn().map_err(WorkerError::system("cannot start the worker process"))?;
    Ok(Started { child, channel, output })
}

/// The child's end of the socket, in a process that was started as a worker. Can be taken once.
///
/// # Errors
/// [`WorkerError::NotAWorker`] when this process was not started so.
pub fn inherited_channel() -> Result<UnixStream, WorkerError> {
    static TAKEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let fd: RawFd = std::env::var(CHANNEL_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|fd| *fd > libc::STDERR_FILENO)
        .ok_or(WorkerError::NotAWorker)?;
    if !is_socket(fd) || TAKEN.swap(true, std::sync::atomic::Ordering::SeqCst) {
        return Err(WorkerError::NotAWorker);
    }
    set_close_on_exec(fd, true).map_err(WorkerError::system("cannot use the worker socket"))?;
    #[cfg(target_os = "linux")]
    if std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJUSTMENT).is_err() {
        tracing::debug!("the worker is not preferred when memory runs out");
    }
    // SAFETY: the descriptor is an open socket that the parent left open for this process alone, and the flag above
    // makes this the only owner.
    Ok(unsafe { UnixStream::from_raw_fd(fd) })
}

/// Asks a child to end.
pub(crate) fn terminate(child: &Child) {
    if let Ok(pid) = libc::pid_t::try_from(child.id()) {
        // SAFETY: the child was not waited for yet, so the number still names it; a failure is harmless.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}

/// How a process ended, in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match signal_name(signal) {
            Some(name) => format!("ended by signal {signal} ({name})"),
            None => format!("ended by signal {signal}"),
        },
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT, an internal check failed",
        libc::SIGBUS => "SIGBUS, the model file changed or memory failed",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL, the processor lacks an instruction",
        libc::SIGKILL => "SIGKILL, often a lack of memory",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGTERM => "SIGTERM",
        _ => return None,
    })
}

fn program(spec: &WorkerSpec) -> Result<PathBuf, WorkerError> {
    if let Some(program) = &spec.program {
        return Ok(program.clone());
    }
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() {
        return Ok(own);
    }
    std::env::current_exe().map_err(WorkerError::system("cannot find the running program"))
}

fn is_kept(name: &str) -> bool {
    VARIABLES_KEPT.contains(&name) || VARIABLE_PREFIXES_KEPT.iter().any(|prefix| name.starts_with(prefix))
}

/// Runs in the child before the program starts.
fn prepare(channel: RawFd, parent: u32) -> io::Result<()> {
    set_close_on_exec(channel, false)?;
    let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is initialised and outlives the call. A model in a core file would fill the disk.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a plain system call with numbers.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have died before the signal was asked for.
        // SAFETY: a plain system call.
        if u32::try_from(unsafe { libc::getppid() }) != Ok(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    Ok(())
}

fn set_close_on_exec(fd: RawFd, on: bool) -> io::Result<()> {
    let flags = if on { libc::FD_CLOEXEC } else { 0 };
    // SAFETY: a plain system call with numbers.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, flags) } == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn is_socket(fd: RawFd) -> bool {
    let mut kind: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("four fits");
    // SAFETY: both pointers are valid for the call and `length` is the size of `kind`.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut length) };
    result == 0 && kind == libc::SOCK_STREAM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_reaches_a_child() {
        for name in ["PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"] {
            assert!(is_kept(name), "{name}");
        }
        for name in ["OPENAI_API_KEY", "HTTPS_PROXY", "SSH_AUTH_SOCK", "LD_PRELOAD", "FAMILIAR_HOME", "HF_TOKEN"] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn exits_are_told_in_words() {
        let cases = [
            (ExitStatus::from_raw(6), "ended by signal 6 (SIGABRT, an internal check failed)"),
            (ExitStatus::from_raw(64), "ended by signal 64"),
            (ExitStatus::from_raw(3 << 8), "ended with exit code 3"),
        ];
        for (status, expected) in cases {
            assert_eq!(describe(status), expected);
        }
    }
}
