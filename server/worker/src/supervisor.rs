//! One thread that starts, ends and waits for all children of this process.
//!
//! It lives as long as the daemon, because on Linux a child is killed when the *thread* that started it ends.
//! Refuses: any knowledge of models and messages.

use std::collections::HashMap;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::log_ring::LogRing;
use crate::process::{self, Channel, WorkerSpec};
use crate::{WorkerError, error};

/// How often a child that is about to end is looked at.
const REAP_EVERY: Duration = Duration::from_millis(2);

/// A child under supervision.
pub(crate) struct Spawned {
    pub(crate) pid: u32,
    pub(crate) channel: Channel,
    pub(crate) log: Arc<LogRing>,
}

/// How long a child may take to end by itself.
#[derive(Clone, Copy)]
pub(crate) struct Grace {
    /// Before it is asked by a signal.
    pub(crate) before_term: Duration,
    /// Before it is killed, counted from the same moment.
    pub(crate) before_kill: Duration,
}

impl Grace {
    /// Killed at once.
    pub(crate) const NONE: Self = Self { before_term: Duration::ZERO, before_kill: Duration::ZERO };
}

enum Command {
    Spawn { spec: WorkerSpec, name: String, reply: Sender<Result<Spawned, WorkerError>> },
    End { pid: u32, grace: Grace, reply: Sender<ExitStatus> },
    EndAll { grace: Grace, reply: Sender<ExitStatus> },
}

/// The thread that owns all children. Children end with it.
pub struct Supervisor {
    commands: Mutex<Sender<Command>>,
}

impl Supervisor {
    /// Starts the thread. It lives until the last handle is gone.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start() -> std::io::Result<Arc<Self>> {
        let (commands, inbox) = mpsc::channel();
        thread::Builder::new().name("supervisor".into()).spawn(move || Children::default().run(&inbox))?;
        Ok(Arc::new(Self { commands: Mutex::new(commands) }))
    }

    /// Ends all children and waits for that, `within` at most.
    pub fn end_all(&self, within: Duration) {
        let (reply, done) = mpsc::channel();
        let grace = Grace { before_term: Duration::ZERO, before_kill: within / 2 };
        self.send(Command::EndAll { grace, reply });
        let until = Instant::now() + within;
        // Every child holds a sender until it ended; the channel breaks after the last one.
        while done.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
    }

    /// Starts a child; `name` says in logs what it is.
    pub(crate) fn spawn(&self, spec: WorkerSpec, name: &str) -> Result<Spawned, WorkerError> {
        let (reply, answer) = mpsc::channel();
        self.send(Command::Spawn { spec, name: name.to_owned(), reply });
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Ends a child; its exit status comes through the receiver.
    pub(crate) fn end(&self, pid: u32, grace: Grace) -> Receiver<ExitStatus> {
        let (reply, exit) = mpsc::channel();
        self.send(Command::End { pid, grace, reply });
        exit
    }

    fn send(&self, command: Command) {
        // When the thread is gone, the reply channel in the command breaks and tells the caller.
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).send(command));
    }
}

fn gone() -> WorkerError {
    error::WorkerError::system("cannot start the worker process")(std::io::Error::other("the supervisor ended"))
}

/// A child that was told to end.
struct Ending {
    since: Instant,
    grace: Grace,
    asked: bool,
    killed: bool,
    replies: Vec<Sender<ExitStatus>>,
}

#[derive(Default)]
struct Children {
    running: HashMap<u32, Child>,
    ending: HashMap<u32, Ending>,
}

impl Children {
    fn run(mut self, inbox: &Receiver<Command>) {
        loop {
            let command = if self.ending.is_empty() {
                inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                inbox.recv_timeout(REAP_EVERY)
            };
            match command {
                Ok(Command::Spawn { spec, name, reply }) => {
                    let spawned = self.spawn(&spec, &name);
                    let _ = reply.send(spawned);
                }
                Ok(Command::End { pid, grace, reply }) => self.end(pid, grace, reply),
                Ok(Command::EndAll { grace, reply }) => {
                    for pid in self.running.keys().copied().collect::<Vec<_>>() {
                        self.end(pid, grace, reply.clone());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.reap();
        }
        for child in self.running.values_mut() {
            // The pipe is closed already; this is for children that do not listen.
            drop(child.kill());
            drop(child.wait());
        }
    }

    fn spawn(&mut self, spec: &WorkerSpec, name: &str) -> Result<Spawned, WorkerError> {
        let started = process::start(spec)?;
        let pid = started.child.id();
        self.running.insert(pid, started.child);
        let log = Arc::new(LogRing::default());
        let (ring, output, name) = (log.clone(), started.output, name.to_owned());
        let reader = thread::Builder::new().name("worker-log".into());
        if let Err(source) = reader.spawn(move || ring.fill_from(output, &name)) {
            drop(self.running.get_mut(&pid).map(Child::kill));
            let (unheard, _) = mpsc::channel();
            self.end(pid, Grace::NONE, unheard);
            return Err(WorkerError::system("cannot start a thread")(source));
        }
        Ok(Spawned { pid, channel: started.channel, log })
    }

    fn end(&mut self, pid: u32, grace: Grace, reply: Sender<ExitStatus>) {
        if !self.running.contains_key(&pid) {
            return;
        }
        let ending = self.ending.entry(pid).or_insert_with(|| Ending {
            since: Instant::now(),
            grace,
            asked: false,
            killed: false,
            replies: Vec::new(),
        });
        if grace.before_kill < ending.grace.before_kill {
            ending.grace = grace;
        }
        ending.replies.push(reply);
    }

    fn reap(&mut self) {
        self.ending.retain(|pid, ending| {
            let Some(child) = self.running.get_mut(pid) else { return false };
            match child.try_wait() {
                Ok(Some(status)) => {
                    for reply in ending.replies.drain(..) {
                        let _ = reply.send(status);
                    }
                    self.running.remove(pid);
                    return false;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(pid, %error, "cannot wait for a worker");
                    self.running.remove(pid);
                    return false;
                }
            }
            let elapsed = ending.since.elapsed();
            if elapsed >= ending.grace.before_kill && !ending.killed {
                ending.killed = true;
                drop(child.kill());
            } else if elapsed >= ending.grace.before_term && !ending.asked {
                ending.asked = true;
                process::terminate(child);
            }
            true
        });
    }
}
