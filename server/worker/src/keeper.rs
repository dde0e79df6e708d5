//! The keeper of one model: a thread that owns its child, its queue and its timers.
//!
//! Callers send it commands and never wait for it; the child's messages come through the same inbox. Refuses: more
//! waiting requests than the bound, children that are silent, and restarts in a crash loop.

mod breaker;
mod endings;
mod hear;
mod link;
mod queue;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{ChatEvent, ModelError, ModelInfo};
use tokio::sync::oneshot;

use crate::mailbox::Mailbox;
use crate::model::WorkerOptions;
use crate::process::WorkerSpec;
use crate::protocol::{ChildMessage, ParentMessage, RequestId};
use crate::supervisor::{Grace, Supervisor};
use breaker::{Breaker, Verdict};
use link::{Link, Phase};
use queue::Queue;
pub(crate) use queue::Waiting;

/// Token counts that may be asked for at once.
const COUNTS_MAX: usize = 64;
/// Waiting for a load or an unload.
const WAITERS_MAX: usize = 256;
/// The keeper looks around at least so often while a child runs.
const TICK_MAX: Duration = Duration::from_millis(500);
/// Time a child gets to end in order.
const GRACE: Grace = Grace { before_term: Duration::from_secs(1), before_kill: Duration::from_secs(2) };

/// How long a child may show no sign of progress before it is ended.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From start to the first message.
    pub hello: Duration,
    /// Between two signs of progress of a load.
    pub load: Duration,
    /// Between two signs of progress of an answer, the first one included.
    pub answer: Duration,
    /// From a heartbeat to its answer. Detection takes at most half a second longer.
    pub heartbeat: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(10),
            load: Duration::from_secs(60),
            answer: Duration::from_secs(120),
            heartbeat: Duration::from_millis(1400),
        }
    }
}

/// What the keeper is asked or told.
pub(crate) enum Command {
    /// Make an answer.
    Chat(Waiting),
    /// A stream was dropped.
    Abandoned,
    /// Load the model.
    Load(oneshot::Sender<Result<ModelInfo, ModelError>>),
    /// Count tokens.
    Count { id: RequestId, texts: Vec<String>, reply: oneshot::Sender<Result<Vec<u32>, ModelError>> },
    /// End the child after the running answers; then, perhaps, go on with another program.
    Unload(Unload),
    /// End everything.
    Close,
    /// The child said something.
    Said { generation: u64, message: ChildMessage },
    /// The child's end of the pipe is closed or broken.
    HungUp { generation: u64, why: Option<String> },
}

/// A wish to end the child.
pub(crate) struct Unload {
    /// What is started from then on, and its name; `None` stays with the same.
    pub(crate) next: Option<(WorkerSpec, String)>,
    /// Told when the child is gone.
    pub(crate) reply: oneshot::Sender<()>,
}

/// What others may look at.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) info: Mutex<ModelInfo>,
    /// Process of the running child; 0 = none.
    pub(crate) pid: AtomicU32,
    pub(crate) closed: AtomicBool,
}

/// An answer in the making.
struct Running {
    mailbox: Arc<Mailbox>,
    waited: Duration,
    progress_at: Instant,
    cancelled: bool,
}

struct Count {
    texts: Vec<String>,
    reply: oneshot::Sender<Result<Vec<u32>, ModelError>>,
    sent_at: Option<Instant>,
}

/// The keeper's state; [`Keeper::run`] is its thread.
pub(crate) struct Keeper {
    options: WorkerOptions,
    supervisor: Arc<Supervisor>,
    shared: Arc<Shared>,
    inbox: Receiver<Command>,
    own_inbox: SyncSender<Command>,
    queue: Queue,
    running: HashMap<RequestId, Running>,
    counts: HashMap<RequestId, Count>,
    loads: Vec<oneshot::Sender<Result<ModelInfo, ModelError>>>,
    unloads: Vec<Unload>,
    link: Option<Link>,
    generation: u64,
    breaker: Breaker,
    used_at: Instant,
}

impl Keeper {
    pub(crate) fn new(
        options: WorkerOptions,
        supervisor: Arc<Supervisor>,
        shared: Arc<Shared>,
        (own_inbox, inbox): (SyncSender<Command>, Receiver<Command>),
    ) -> Self {
        let queue = Queue::new(options.queue_len_max);
        Self {
            options,
            supervisor,
            shared,
            inbox,
            own_inbox,
            queue,
            running: HashMap::new(),
            counts: HashMap::new(),
            loads: Vec::new(),
            unloads: Vec::new(),
            link: None,
            generation: 0,
            breaker: Breaker::default(),
            used_at: Instant::now(),
        }
    }

    /// Runs until the model is closed.
    pub(crate) fn run(mut self) {
        while !self.shared.closed.load(Ordering::Acquire) {
            let wake_at = self.wake_at();
            let command = match wake_at {
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match command {
                Ok(Command::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(command) => self.handle(command),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Not only when nothing else happens: a talkative child must not escape its deadlines.
            if wake_at.is_some_and(|at| Instant::now() >= at) {
                self.look_around();
            }
            self.go_on();
        }
        self.fail_all(&ModelError::Unavailable("it was closed".into()));
        self.end_child(GRACE);
    }

    fn handle(&mut self, command: Command) {
        self.drop_abandoned();
        match command {
            Command::Chat(waiting) => {
                self.used_at = Instant::now();
                if let Some(link @ Link { phase: Phase::Hello | Phase::Loading, .. }) = &self.link {
                    waiting.mailbox.push(ChatEvent::Loading { fraction: link.fraction });
                }
                if let Err(refused) = self.queue.push(waiting) {
                    refused.mailbox.end(Err(ModelError::Busy));
                }
            }
            Command::Load(reply) => match &self.link {
                _ if self.loads.len() >= WAITERS_MAX => drop(reply.send(Err(ModelError::Busy))),
                Some(Link { phase: Phase::Ready { .. }, .. }) => drop(reply.send(Ok(self.info()))),
                _ => self.loads.push(reply),
            },
            Command::Count { id, texts, reply } => {
                self.used_at = Instant::now();
                if self.counts.len() >= COUNTS_MAX {
                    let _ = reply.send(Err(ModelError::Busy));
                } else {
                    self.counts.insert(id, Count { texts, reply, sent_at: None });
                }
            }
            // Beyond the bound the reply channel breaks, which the caller takes for done.
            Command::Unload(unload) if self.unloads.len() < WAITERS_MAX => self.unloads.push(unload),
            Command::Said { generation, message } if self.is_current(generation) => self.hear(message),
            Command::HungUp { generation, why } if self.is_current(generation) => self.crashed(why),
            // `Abandoned` has no body of its own; the rest is from a child that is gone, or ends `run`.
            Command::Abandoned
            | Command::Unload(_)
            | Command::Said { .. }
            | Command::HungUp { .. }
            | Command::Close => {}
        }
    }

    fn is_current(&self, generation: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.generation == generation)
    }

    /// Takes the next steps that the state allows: start, send, unload, tell positions.
    fn go_on(&mut self) {
        if self.unloads.is_empty() {
            if self.link.is_none() && self.is_wanted() {
                self.start();
            }
            self.send_waiting();
        } else if self.running.is_empty() {
            self.unload();
            return self.go_on();
        }
        if !matches!(&self.link, Some(Link { phase: Phase::Hello | Phase::Loading, .. })) {
            self.queue.tell_positions();
        }
    }

    fn start(&mut self) {
        let now = Instant::now();
        match self.breaker.verdict(now) {
            Verdict::Start => {}
            Verdict::Wait(_) => return,
            Verdict::Refuse(why) => return self.fail_waiting(&ModelError::Unavailable(why)),
        }
        self.generation += 1;
        let started = Link::start(&self.options, &self.supervisor, self.generation, &self.own_inbox);
        match started {
            Ok(link) => {
                self.shared.pid.store(link.pid(), Ordering::Release);
                self.link = Some(link);
                self.lock_info().loading = Some(0.0);
                self.tell_loading(0.0);
            }
            Err(error) => {
                self.breaker.crashed(now, &error.to_string());
                self.fail_waiting(&ModelError::Unavailable(error.to_string()));
            }
        }
    }

    fn send_waiting(&mut self) {
        let Some(link) = &self.link else { return };
        let Phase::Ready { slots } = link.phase else { return };
        let now = Instant::now();
        for (id, count) in self.counts.iter_mut().filter(|(_, count)| count.sent_at.is_none()) {
            count.sent_at = Some(now);
            let texts = std::mem::take(&mut count.texts);
            link.send(&ParentMessage::CountTokens { id: *id, texts });
        }
        while self.running.len() < slots as usize {
            let Some(waiting) = self.queue.pop() else { break };
            if link.send(&ParentMessage::Chat { id: waiting.id, request: waiting.request }) {
                let waited = waiting.since.elapsed();
                let running = Running { mailbox: waiting.mailbox, waited, progress_at: now, cancelled: false };
                self.running.insert(waiting.id, running);
            } else {
                waiting.mailbox.end(Err(ModelError::Bug("the request is too large to send".into())));
            }
        }
    }

    /// Cancels what nobody waits for.
    fn drop_abandoned(&mut self) {
        self.queue.drop_abandoned();
        for (id, running) in &mut self.running {
            if running.mailbox.is_abandoned() && !running.cancelled {
                running.cancelled = true;
                if let Some(link) = &self.link {
                    link.send_control(&ParentMessage::Cancel { id: *id });
                }
            }
        }
    }

    /// What happens when time passes: heartbeats, deadlines, idle unload.
    fn look_around(&mut self) {
        self.drop_abandoned();
        let now = Instant::now();
        let deadlines = self.options.deadlines;
        let Some(link) = &mut self.link else { return };
        let late = |since: Instant, limit: Duration| now.duration_since(since) > limit;
        let silent = match link.phase {
            Phase::Hello => late(link.progress_at, deadlines.hello),
            Phase::Loading => late(link.progress_at, deadlines.load),
            Phase::Ready { .. } => {
                self.running.values().any(|running| late(running.progress_at, deadlines.answer))
                    || self.counts.values().filter_map(|count| count.sent_at).any(|at| late(at, deadlines.answer))
            }
        };
        let why = if silent {
            Some("it showed no progress for too long".to_owned())
        } else if !matches!(link.phase, Phase::Hello) && link.beat(now, deadlines.heartbeat) {
            Some("it did not answer any more".to_owned())
        } else {
            None
        };
        if why.is_some() {
            return self.crashed(why);
        }
        let idle = self.running.is_empty() && self.counts.is_empty() && self.queue.is_empty();
        let ready = matches!(link.phase, Phase::Ready { .. });
        if ready && idle && self.options.idle_unload.is_some_and(|limit| late(self.used_at, limit)) {
            tracing::info!(model = %self.options.name, "unloaded, nobody used it");
            self.end_child(GRACE);
        }
    }

    /// When to look around, if nothing happens before.
    fn wake_at(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(link) = &self.link {
            let idle = self.options.idle_unload.map(|limit| self.used_at + limit).filter(|at| *at > now);
            let tick = link.next_beat().min(now + TICK_MAX);
            return Some(idle.map_or(tick, |at| at.min(tick)));
        }
        match self.breaker.verdict(now) {
            _ if !self.is_wanted() => None,
            Verdict::Wait(at) => Some(at),
            Verdict::Start | Verdict::Refuse(_) => Some(now),
        }
    }

    /// Whether anybody waits for a child.
    fn is_wanted(&self) -> bool {
        !self.queue.is_empty() || !self.loads.is_empty() || !self.counts.is_empty()
    }

    fn info(&self) -> ModelInfo {
        self.lock_info().clone()
    }

    fn lock_info(&self) -> std::sync::MutexGuard<'_, ModelInfo> {
        self.shared.info.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
