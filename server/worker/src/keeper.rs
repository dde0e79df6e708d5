//! The keeper of one model: a thread that owns its child, its queue and its timers.
//!
//! Callers send it commands and never wait for it; the child's messages come through the same inbox. Refuses: more
//! waiting requests than the bound, children that are silent, and restarts in a crash loop.

mod breaker;
mod deadlines;
mod endings;
mod hear;
mod link;
mod queue;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::ModelError;
use tokio::sync::oneshot;

use crate::mailbox::Mailbox;
use crate::options::WorkerOptions;
use crate::process::WorkerSpec;
use crate::protocol::{ChildMessage, ParentMessage, RequestId};
use crate::supervisor::{Grace, Supervisor};
use crate::work::Work;
use breaker::{Breaker, Verdict};
pub use deadlines::Deadlines;
use link::{Link, Phase};
use queue::Queue;
pub(crate) use queue::Waiting;

/// Questions that may be asked at once.
const QUESTIONS_MAX: usize = 64;
/// Waiting for a load or an unload.
const WAITERS_MAX: usize = 256;
/// Time a child gets to end in order.
const GRACE: Grace = Grace { before_term: Duration::from_secs(1), before_kill: Duration::from_secs(2) };

/// Where an answer goes.
type Reply<T> = oneshot::Sender<Result<T, ModelError>>;

/// What the keeper is asked or told.
pub(crate) enum Command<W: Work> {
    /// Do this.
    Work(Waiting<W>),
    /// A caller read much, or is gone: look at the mailboxes.
    LookAtCallers,
    /// Load the model.
    Load(Reply<W::Info>),
    /// Answer this beside the work.
    Question { id: RequestId, question: W::Question, reply: Reply<W::Answer> },
    /// End the child after the running work; then, perhaps, go on with another program.
    Unload(Unload),
    /// End everything.
    Close,
    /// The child said something.
    Said { generation: u64, message: ChildMessage<W> },
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
pub(crate) struct Shared<W: Work> {
    pub(crate) info: Mutex<W::Info>,
    /// Process of the running child; 0 = none.
    pub(crate) pid: AtomicU32,
    pub(crate) closed: AtomicBool,
}

/// A request that the child works on.
struct Running<W: Work> {
    mailbox: Arc<Mailbox<W>>,
    check: W::Check,
    waited: Duration,
    progress_at: Instant,
    cancelled: bool,
}

struct Question<W: Work> {
    question: W::Question,
    reply: Reply<W::Answer>,
    sent_at: Option<Instant>,
}

/// The keeper's state; [`Keeper::run`] is its thread.
pub(crate) struct Keeper<W: Work> {
    options: WorkerOptions,
    supervisor: Arc<Supervisor>,
    shared: Arc<Shared<W>>,
    inbox: Receiver<Command<W>>,
    own_inbox: SyncSender<Command<W>>,
    queue: Queue<W>,
    running: HashMap<RequestId, Running<W>>,
    questions: HashMap<RequestId, Question<W>>,
    loads: Vec<Reply<W::Info>>,
    unloads: Vec<Unload>,
    link: Option<Link<W>>,
    generation: u64,
    breaker: Breaker,
    used_at: Instant,
}

impl<W: Work> Keeper<W> {
    pub(crate) fn new(
        options: WorkerOptions,
        supervisor: Arc<Supervisor>,
        shared: Arc<Shared<W>>,
        (own_inbox, inbox): (SyncSender<Command<W>>, Receiver<Command<W>>),
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
            questions: HashMap::new(),
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

    fn handle(&mut self, command: Command<W>) {
        self.look_at_callers();
        match command {
            Command::Work(waiting) => {
                self.used_at = Instant::now();
                if let Some(link @ Link { phase: Phase::Hello | Phase::Loading, .. }) = &self.link {
                    waiting.mailbox.tell(W::loading(link.fraction));
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
            Command::Question { id, question, reply } => {
                self.used_at = Instant::now();
                if self.questions.len() >= QUESTIONS_MAX {
                    let _ = reply.send(Err(ModelError::Busy));
                } else {
                    self.questions.insert(id, Question { question, reply, sent_at: None });
                }
            }
            // Beyond the bound the reply channel breaks, which the caller takes for done.
            Command::Unload(unload) if self.unloads.len() < WAITERS_MAX => self.unloads.push(unload),
            Command::Said { generation, message } if self.is_current(generation) => self.hear(message),
            Command::HungUp { generation, why } if self.is_current(generation) => self.crashed(why),
            // `LookAtCallers` has no body of its own; the rest is from a child that is gone, or ends `run`.
            Command::LookAtCallers
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
            Verdict::Refuse { reason, retry_after } => {
                return self.fail_waiting(&ModelError::Resting { reason, retry_after });
            }
        }
        self.generation += 1;
        let started = Link::start(&self.options, &self.supervisor, self.generation, &self.own_inbox);
        match started {
            Ok(link) => {
                self.shared.pid.store(link.pid(), Ordering::Release);
                self.link = Some(link);
                W::note_state(&mut self.lock_info(), false, Some(0.0));
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
        let refused = self.questions.extract_if(|id, question| {
            if question.sent_at.is_some() {
                return false;
            }
            question.sent_at = Some(now);
            let question = std::mem::take(&mut question.question);
            !link.send(&ParentMessage::Question { id: *id, question })
        });
        for (_, question) in refused {
            let _ = question.reply.send(Err(ModelError::Busy));
        }
        while self.running.len() < slots as usize {
            let Some(waiting) = self.queue.pop() else { break };
            let check = W::check_for(&waiting.request);
            if link.send(&ParentMessage::Work { id: waiting.id, request: waiting.request }) {
                let waited = waiting.since.elapsed();
                let (mailbox, progress_at) = (waiting.mailbox, now);
                self.running.insert(waiting.id, Running { mailbox, check, waited, progress_at, cancelled: false });
            } else {
                waiting.mailbox.end(Err(ModelError::Bug("the request is too large to send".into())));
            }
        }
    }

    /// Cancels what nobody waits for, and tells the child what was read.
    fn look_at_callers(&mut self) {
        self.queue.drop_abandoned();
        let Some(link) = &self.link else { return };
        for (id, running) in &mut self.running {
            if running.mailbox.is_abandoned() {
                if !running.cancelled {
                    running.cancelled = true;
                    link.send_control(&ParentMessage::Cancel { id: *id });
                }
            } else if let Some(bytes) = running.mailbox.take_read_bytes() {
                running.progress_at = Instant::now();
                link.send_control(&ParentMessage::Read { id: *id, bytes });
            }
        }
    }

    /// Whether anybody waits for a child.
    fn is_wanted(&self) -> bool {
        !self.queue.is_empty() || !self.loads.is_empty() || !self.questions.is_empty()
    }

    fn info(&self) -> W::Info {
        self.lock_info().clone()
    }

    fn lock_info(&self) -> std::sync::MutexGuard<'_, W::Info> {
        self.shared.info.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
