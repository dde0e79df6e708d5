//! The keeper's end of one child: its pipe, its threads, its heartbeat and its burial.
//!
//! Refuses: decisions about requests; those are the keeper's.

use std::io::BufReader;
use std::marker::PhantomData;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use super::Command;
use crate::WorkerError;
use crate::frame::FrameReader;
use crate::log_ring::LogRing;
use crate::options::WorkerOptions;
use crate::outbox::Outbox;
use crate::process::{self, Channel};
use crate::protocol::{ChildMessage, ParentMessage};
use crate::supervisor::{Grace, Supervisor};
use crate::work::Work;

/// Time between two heartbeats.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// Our own lateness beyond this is not held against the child.
const OWN_LATENESS_MAX: Duration = Duration::from_millis(400);
/// Time a crashed child has to disappear by itself, so that its own way to die is what gets reported.
const CRASH_GRACE: Grace =
    Grace { before_term: Duration::from_millis(40), before_kill: Duration::from_millis(40) };
/// Waiting for the exit status of a crashed child; its callers wait as long.
const CRASH_EXIT_WAIT: Duration = Duration::from_millis(70);
/// Waiting for the exit of a child that was asked to end, beyond its grace.
const EXIT_WAIT: Duration = Duration::from_secs(2);
const LAST_WORDS_WAIT: Duration = Duration::from_millis(20);
const LAST_WORDS_LINES_MAX: usize = 3;
const LAST_WORDS_CHARS_MAX: usize = 600;

/// How far a child is.
pub(super) enum Phase {
    /// Started, has not spoken yet.
    Hello,
    /// Loads the model.
    Loading,
    /// Answers.
    Ready {
        /// Requests it takes at once.
        slots: u32,
    },
}

/// Why a child is buried.
pub(super) enum Ending {
    /// It ended by itself or was found silent.
    Crashed,
    /// We want it gone.
    Asked(Grace),
}

/// The pipe to one child.
pub(super) struct Link<W: Work> {
    pub(super) generation: u64,
    pub(super) phase: Phase,
    pub(super) progress_at: Instant,
    pub(super) fraction: f32,
    pid: u32,
    channel: Channel,
    outbox: Arc<Outbox>,
    log: Arc<LogRing>,
    beat_at: Instant,
    beats: u64,
    /// When the heartbeat that was not answered yet was sent.
    unanswered_since: Option<Instant>,
    work: PhantomData<W>,
}

impl<W: Work> Link<W> {
    /// Starts a child and its two threads; what it says goes to `inbox`.
    pub(super) fn start(
        options: &WorkerOptions,
        supervisor: &Supervisor,
        generation: u64,
        inbox: &SyncSender<Command<W>>,
    ) -> Result<Self, WorkerError> {
        let spawned = supervisor.spawn(options.spec.clone(), &options.name)?;
        let outbox = Arc::new(Outbox::default());
        let threads = start_threads(&spawned.channel, &outbox, generation, inbox);
        if let Err(error) = threads {
            drop(supervisor.end(spawned.pid, Grace::NONE));
            return Err(error);
        }
        let now = Instant::now();
        let link = Self {
            generation,
            phase: Phase::Hello,
            progress_at: now,
            fraction: 0.0,
            pid: spawned.pid,
            channel: spawned.channel,
            outbox,
            log: spawned.log,
            beat_at: now + BEAT_EVERY,
            beats: 0,
            unanswered_since: None,
            work: PhantomData,
        };
        link.send(&ParentMessage::Hello { build_id: options.build_id.clone(), work: W::NAME.to_owned() });
        Ok(link)
    }

    /// Process of the child.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends data; `false` when it is too large or too much waits.
    pub(super) fn send(&self, message: &ParentMessage<W>) -> bool {
        self.outbox.try_push_data(message).unwrap_or(false)
    }

    /// Sends a message that overtakes data.
    pub(super) fn send_control(&self, message: &ParentMessage<W>) {
        if self.outbox.push_control(message).is_err() {
            tracing::warn!("a control message was too long");
        }
    }

    /// When the next heartbeat is due.
    pub(super) fn next_beat(&self) -> Instant {
        self.beat_at
    }

    /// Sends a heartbeat when one is due; `true` when the last one waits for its answer longer than `limit`.
    pub(super) fn beat(&mut self, now: Instant, limit: Duration) -> bool {
        if now < self.beat_at {
            return false;
        }
        // When this thread itself was held up, the answer may lie unread in our own inbox.
        let own_lateness = now.duration_since(self.beat_at);
        self.beat_at = now + BEAT_EVERY;
        match &mut self.unanswered_since {
            Some(since) if own_lateness > OWN_LATENESS_MAX => *since = now,
            Some(since) => return now.duration_since(*since) > limit,
            None => {
                self.beats += 1;
                self.unanswered_since = Some(now);
                self.send_control(&ParentMessage::Ping { n: self.beats });
            }
        }
        false
    }

    /// Notes the answer to a heartbeat.
    pub(super) fn heard_pong(&mut self, n: u64) {
        if n == self.beats {
            self.unanswered_since = None;
        }
    }

    /// Ends the child and waits for its exit, within bounds. Returns what there is to say about it.
    pub(super) fn bury(self, supervisor: &Supervisor, ending: Ending, why: Option<String>) -> String {
        let (grace, wait) = match &ending {
            Ending::Crashed if why.is_some() => (Grace::NONE, CRASH_EXIT_WAIT),
            Ending::Crashed => (CRASH_GRACE, CRASH_EXIT_WAIT),
            Ending::Asked(grace) => (*grace, grace.before_kill + EXIT_WAIT),
        };
        match ending {
            Ending::Crashed => self.outbox.close(),
            Ending::Asked(_) => {
                self.send_control(&ParentMessage::Shutdown);
                self.outbox.finish();
            }
        }
        let exit = supervisor.end(self.pid, grace).recv_timeout(wait);
        // Wakes our own threads also when another process holds the child's end.
        drop(self.channel.shutdown(Shutdown::Both));
        self.outbox.close();
        let mut text = match (why, exit) {
            (Some(why), _) => why,
            (None, Ok(status)) => process::describe(status),
            (None, Err(_)) => "it closed its pipe".to_owned(),
        };
        let lines = self.log.last_lines(LAST_WORDS_LINES_MAX, LAST_WORDS_WAIT);
        if !lines.is_empty() {
            text += "; it last said: ";
            text.extend(lines.join(" | ").chars().take(LAST_WORDS_CHARS_MAX));
        }
        text
    }
}

fn start_threads<W: Work>(
    channel: &Channel,
    outbox: &Arc<Outbox>,
    generation: u64,
    inbox: &SyncSender<Command<W>>,
) -> Result<(), WorkerError> {
    let no_thread = || WorkerError::system("cannot start a thread");
    let clone = || channel.try_clone().map_err(WorkerError::system("cannot use the worker socket"));
    let (reading, writing) = (clone()?, clone()?);
    let (inbox, outbox) = (inbox.clone(), outbox.clone());
    thread::Builder::new()
        .name("worker-reader".into())
        .spawn(move || read(reading, generation, &inbox))
        .map_err(no_thread())?;
    thread::Builder::new()
        .name("worker-writer".into())
        .spawn(move || outbox.write_to(writing))
        .map_err(no_thread())?;
    Ok(())
}

fn read<W: Work>(channel: Channel, generation: u64, inbox: &SyncSender<Command<W>>) {
    let mut reader = FrameReader::new(BufReader::new(channel));
    let why = loop {
        match reader.next::<ChildMessage<W>>() {
            Ok(Some(message)) => {
                if inbox.send(Command::Said { generation, message }).is_err() {
                    return;
                }
            }
            // A child that dies in the middle of a frame, or with unread input, did not break the protocol.
            Ok(None) | Err(WorkerError::System { .. } | WorkerError::Protocol("half a frame")) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    // When the keeper is gone nobody needs to know.
    drop(inbox.send(Command::HungUp { generation, why }));
}
