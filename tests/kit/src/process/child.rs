//! A started process: its lines as they come, its end, and signals to it.
//!
//! Refuses: losing output. Every line is kept, and the last ones are shown when a wait fails.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};

/// How long one wait may take, in seconds, before the test fails. Generous: machines that build are slow.
pub const WAIT_SECS_MAX: u64 = 120;
/// Most lines kept of each stream; more fail the test.
pub const LINES_MAX: usize = 100_000;
/// Most lines of each stream shown when a wait fails: the last ones.
const SHOWN_LINES_MAX: usize = 500;

/// What can be sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Terminate,
    /// Ctrl+C.
    Interrupt,
    /// What `abort()` raises.
    Abort,
    /// The end, at once.
    Kill,
    /// Stand still until [`Signal::Continue`].
    Stop,
    /// Go on.
    Continue,
}

/// Sends `signal` to process `pid`; a process that is already gone is no error.
pub(super) fn signal(pid: u32, signal: Signal) {
    let number = match signal {
        Signal::Terminate => rustix::process::Signal::TERM,
        Signal::Interrupt => rustix::process::Signal::INT,
        Signal::Abort => rustix::process::Signal::ABORT,
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Continue => rustix::process::Signal::CONT,
    };
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, number);
    }
}

impl Signal {
    /// Sends this signal to process `pid`, for one that the test did not start itself, such as a worker. A process
    /// that is already gone is no error.
    pub fn send(self, pid: u32) {
        signal(pid, self);
    }
}

/// Which of its outputs a process printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A process about to be started, with an environment that holds only what was put into it.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: PathBuf,
    input: Option<Vec<u8>>,
}

impl Launch {
    pub(super) fn new(program: &Path, args: &[&str], folder: &Path) -> Self {
        Self {
            program: program.to_owned(),
            args: args.iter().map(OsString::from).collect(),
            env: Vec::new(),
            folder: folder.to_owned(),
            input: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Starts it in `folder`.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// Gives it `bytes` on standard input, then the end. Without this, standard input is empty.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Starts it; standard output and error are collected as lines.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn(self) -> Process {
        let stdin = if self.input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = self.start(stdin);
        if let (Some(input), Some(mut stdin)) = (self.input, child.stdin.take()) {
            // On a thread of its own, because a full pipe waits for the reader; one that does not read is fine.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let stdout = child.stdout.take();
        Process::watch(child, stdout)
    }

    /// Starts it with its standard input and output in the hands of the caller, for a client that speaks over them;
    /// standard error is collected as lines. Call it inside a tokio runtime.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    #[track_caller]
    pub fn spawn_piped(self) -> (Process, tokio::process::ChildStdout, tokio::process::ChildStdin) {
        assert!(self.input.is_none(), "process: the caller writes the input of a piped process");
        let mut child = self.start(Stdio::piped());
        let stdout = child.stdout.take().expect("standard output is piped");
        let stdin: ChildStdin = child.stdin.take().expect("standard input is piped");
        let stdout = tokio::process::ChildStdout::from_std(stdout).expect("a pipe can be read by tokio");
        let stdin = tokio::process::ChildStdin::from_std(stdin).expect("a pipe can be written by tokio");
        (Process::watch(child, None), stdout, stdin)
    }

    /// Starts it and waits for its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started or does not end within [`WAIT_SECS_MAX`].
    #[must_use]
    #[track_caller]
    pub fn run(self) -> Finished {
        self.spawn().wait()
    }

    #[track_caller]
    fn start(&self, stdin: Stdio) -> Child {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().current_dir(&self.folder);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|e| panic!("process: cannot start {}: {e}", self.program.display()))
    }
}

/// How a process ended and what it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// The standard output of a process that must have ended with code 0.
    ///
    /// # Panics
    ///
    /// When it ended otherwise.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "process: it failed\n{self:#?}");
        self.stdout
    }

    /// The standard error of a process that must have ended with `code`.
    ///
    /// # Panics
    ///
    /// When it ended otherwise.
    #[must_use]
    #[track_caller]
    pub fn failure(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "process: another exit code\n{self:#?}");
        self.stderr
    }
}

/// A running process. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    out: Vec<String>,
    err: Vec<String>,
    too_many_lines: bool,
    open_streams: usize,
    status: Option<ExitStatus>,
}

impl State {
    fn lines(&mut self, stream: Stream) -> &mut Vec<String> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn is_over(&self) -> bool {
        self.status.is_some() && self.open_streams == 0
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    fn watch(mut child: Child, stdout: Option<std::process::ChildStdout>) -> Self {
        let process = Self { pid: child.id(), shared: Arc::default() };
        let stderr = child.stderr.take();
        process.shared.state().open_streams = usize::from(stdout.is_some()) + usize::from(stderr.is_some());
        if let Some(stdout) = stdout {
            process.collect(stdout, Stream::Out);
        }
        if let Some(stderr) = stderr {
            process.collect(stderr, Stream::Err);
        }
        let shared = Arc::clone(&process.shared);
        std::thread::spawn(move || reap(child, &shared));
        process
    }

    fn collect(&self, read: impl Read + Send + 'static, stream: Stream) {
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            let mut read = BufReader::new(read);
            let mut line = Vec::new();
            while read.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                let mut state = shared.state();
                if state.lines(stream).len() < LINES_MAX {
                    state.lines(stream).push(text);
                } else {
                    state.too_many_lines = true;
                }
                shared.changed.notify_all();
            }
            shared.state().open_streams -= 1;
            shared.changed.notify_all();
        });
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends `signal`; nothing happens when the process has ended.
    pub fn signal(&self, signal: Signal) {
        // Under the lock: the id stays ours until the status is taken, which needs the lock too.
        let state = self.shared.state();
        if state.status.is_none() {
            self::signal(self.pid, signal);
        }
    }

    /// Waits for the first line on `stream`, past or future, that contains `text`, and returns it without its end.
    ///
    /// # Panics
    ///
    /// When the process ends without one, or none comes within [`WAIT_SECS_MAX`].
    #[track_caller]
    pub fn wait_for(&self, stream: Stream, text: &str) -> String {
        let find = |line: &str| line.contains(text).then(|| line.to_owned());
        self.wait_for_line(stream, &format!("a line with {text:?}"), find)
    }

    /// Waits for the first line on `stream`, past or future, in which `find` finds something, and returns that.
    /// Lines come without their end. `what` names it in a failure.
    ///
    /// # Panics
    ///
    /// When the process ends without one, or none comes within [`WAIT_SECS_MAX`].
    #[track_caller]
    pub fn wait_for_line<T>(&self, stream: Stream, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let mut seen = 0;
        self.wait_until(what, |state| {
            let lines = &state.lines(stream)[seen..];
            seen += lines.len();
            lines.iter().find_map(|line| find(line.trim_end_matches(['\n', '\r'])))
        })
    }

    /// Waits for the end of the process and of its output.
    ///
    /// # Panics
    ///
    /// When it does not end within [`WAIT_SECS_MAX`].
    #[track_caller]
    pub fn wait(&self) -> Finished {
        self.wait_until("its end", |state| {
            let status = state.status.filter(|_| state.is_over())?;
            Some(Finished {
                code: status.code(),
                signal: status.signal(),
                stdout: state.out.concat(),
                stderr: state.err.concat(),
            })
        })
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.state().status.is_none()
    }

    /// What was printed to `stream` so far.
    #[must_use]
    pub fn output(&self, stream: Stream) -> String {
        self.shared.state().lines(stream).concat()
    }

    #[track_caller]
    fn wait_until<T>(&self, what: &str, mut find: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut state = self.shared.state();
        let deadline = std::time::Instant::now() + Duration::from_secs(WAIT_SECS_MAX);
        loop {
            if let Some(found) = find(&mut state).filter(|_| !state.too_many_lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let reason = if state.too_many_lines {
                format!("it printed more than {LINES_MAX} lines")
            } else if state.is_over() {
                format!("it ended ({:?})", state.status)
            } else if left.is_zero() {
                format!("{WAIT_SECS_MAX} s passed")
            } else {
                let waited = self.shared.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            };
            let tail = |lines: &[String]| lines[lines.len().saturating_sub(SHOWN_LINES_MAX)..].concat();
            let (out, err) = (tail(&state.out), tail(&state.err));
            // Not under the lock, which the drop of this process needs.
            drop(state);
            panic!("process: waited for {what}, but {reason}\n--- stdout ---\n{out}\n--- stderr ---\n{err}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
        let mut state = self.shared.state();
        while state.status.is_none() {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Waits for the end of `child` without taking its status, then takes it under the lock, so that a signal never goes
/// to a process that got the same id later.
fn reap(mut child: Child, shared: &Shared) {
    let id = WaitId::Pid(Pid::from_child(&child));
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(id.clone(), options).is_err_and(|error| error == rustix::io::Errno::INTR) {}
    let mut state = shared.state();
    // A status that cannot be had must not look like success: 255.
    state.status = Some(child.wait().unwrap_or_else(|_| ExitStatus::from_raw(255 << 8)));
    shared.changed.notify_all();
}
