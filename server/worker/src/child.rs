//! The child's side: a reader that answers heartbeats and cancels at once, an engine, a counter and a writer.
//!
//! The engine runs on the calling thread, because native models may not change threads. Refuses: to outlive the
//! parent's end of the pipe, and to go on after the backend panicked.

use std::collections::{HashMap, VecDeque};
use std::io::BufReader;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use model::{ChatEvent, ChatRequest, ModelError};

use crate::WorkerError;
use crate::backend::{Backend, CancelFlag, CountTokens};
use crate::frame::FrameReader;
use crate::outbox::Outbox;
use crate::process::{Channel, inherited_channel};
use crate::protocol::{ChildMessage, ParentMessage, RequestId};

/// Requests that may wait in the child; the parent sends no more than it was told.
const JOBS_LEN_MAX: usize = 256;
/// Cancels remembered for requests that have not arrived yet.
const EARLY_CANCELS_MAX: usize = 1024;
/// Time between two signs of a load whose share does not grow: far within the deadline of the parent.
const LOAD_SIGN_EVERY: Duration = Duration::from_secs(1);
/// Time native code gets to stop after the parent is gone.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// What the engine does.
enum Job {
    Load,
    Chat { id: RequestId, request: Box<ChatRequest>, cancel: CancelFlag },
}

struct CountJob {
    id: RequestId,
    texts: Vec<String>,
}

/// Cancel flags by request.
#[derive(Default)]
struct Cancels {
    flags: HashMap<RequestId, CancelFlag>,
    early: VecDeque<RequestId>,
}

/// Serves the parent with `backend` until the parent closes the pipe or asks to end. `build_id` must be the parent's.
///
/// # Errors
/// [`WorkerError`] when this process is no worker, the parent is of another build or speaks nonsense, or the backend
/// panicked.
pub fn serve(backend: &mut dyn Backend, build_id: &str) -> Result<(), WorkerError> {
    let channel = inherited_channel()?;
    let clone = || channel.try_clone().map_err(WorkerError::system("cannot use the worker socket"));
    let (reading, writing) = (clone()?, clone()?);
    let outbox = Arc::new(Outbox::default());
    let hello = ChildMessage::Hello { build_id: build_id.to_owned(), pid: std::process::id() };
    outbox.push_data(&hello)?;
    let writer_box = outbox.clone();
    let writer = spawn("writer", move || writer_box.write_to(writing))?;

    let (jobs, inbox) = mpsc::sync_channel(JOBS_LEN_MAX);
    let (counts, counting) = mpsc::sync_channel(JOBS_LEN_MAX);
    let cancels: Arc<Mutex<Cancels>> = Arc::default();
    let stop = CancelFlag::default();
    let reader = Reader {
        build_id: build_id.to_owned(),
        jobs,
        counts,
        cancels: cancels.clone(),
        outbox: outbox.clone(),
        stop: stop.clone(),
    };
    let engine_done = CancelFlag::default();
    let watched = engine_done.clone();
    let reading = spawn("reader", move || {
        let result = reader.run(reading);
        thread::spawn(move || {
            if !watched.wait(LAST_BREATH) {
                // Native code does not come back, and nobody is left to kill this process.
                std::process::abort();
            }
        });
        result
    })?;

    let engine = Engine { outbox: &outbox, cancels: &cancels, stop: &stop, counting: Some(counting) };
    let result = engine.run(backend, &inbox);
    engine_done.set();
    outbox.finish();
    drop(writer.join());
    // Unblocks the reader when the engine ended first.
    drop(channel.shutdown(Shutdown::Both));
    result.and(reading.join().unwrap_or(Err(WorkerError::Panicked)))
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, WorkerError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(WorkerError::system("cannot start a thread"))
}

/// Reads what the parent says. Never waits for the engine.
struct Reader {
    build_id: String,
    jobs: SyncSender<Job>,
    counts: SyncSender<CountJob>,
    cancels: Arc<Mutex<Cancels>>,
    outbox: Arc<Outbox>,
    stop: CancelFlag,
}

impl Reader {
    fn run(self, channel: Channel) -> Result<(), WorkerError> {
        let result = self.read(channel);
        self.stop.set();
        for flag in self.cancels.lock().unwrap_or_else(PoisonError::into_inner).flags.values() {
            flag.set();
        }
        self.outbox.finish();
        result
    }

    fn read(&self, channel: Channel) -> Result<(), WorkerError> {
        let mut reader = FrameReader::new(BufReader::new(channel));
        match reader.next()? {
            Some(ParentMessage::Hello { build_id }) if build_id == self.build_id => {}
            Some(ParentMessage::Hello { .. }) => return Err(WorkerError::OtherBuild),
            Some(_) => return Err(WorkerError::Protocol("something before its hello")),
            None => return Ok(()),
        }
        loop {
            match reader.next() {
                Ok(Some(ParentMessage::Shutdown)) | Ok(None) | Err(WorkerError::System { .. }) => return Ok(()),
                Ok(Some(message)) => self.hear(message)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn hear(&self, message: ParentMessage) -> Result<(), WorkerError> {
        match message {
            ParentMessage::Ping { n } => self.outbox.push_control(&ChildMessage::Pong { n })?,
            ParentMessage::Cancel { id } => self.lock_cancels().cancel(id),
            ParentMessage::Load => drop(self.jobs.try_send(Job::Load)),
            ParentMessage::Chat { id, request } => {
                let cancel = self.lock_cancels().register(id);
                if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Chat { id, request, cancel }) {
                    self.lock_cancels().flags.remove(&id);
                    self.outbox.push_control(&ChildMessage::Failed { id, error: ModelError::Busy })?;
                }
            }
            ParentMessage::CountTokens { id, texts } => {
                if let Err(TrySendError::Full(_)) = self.counts.try_send(CountJob { id, texts }) {
                    self.outbox.push_control(&ChildMessage::Failed { id, error: ModelError::Busy })?;
                }
            }
            ParentMessage::Hello { .. } | ParentMessage::Shutdown => {}
        }
        Ok(())
    }

    fn lock_cancels(&self) -> std::sync::MutexGuard<'_, Cancels> {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancels {
    /// Sets the flag of a request, or remembers its number when the request is still on its way.
    fn cancel(&mut self, id: RequestId) {
        match self.flags.get(&id) {
            Some(flag) => flag.set(),
            None => {
                if self.early.len() == EARLY_CANCELS_MAX {
                    self.early.pop_front();
                }
                self.early.push_back(id);
            }
        }
    }

    /// The flag of a request that arrives now.
    fn register(&mut self, id: RequestId) -> CancelFlag {
        let flag = CancelFlag::default();
        if self.early.contains(&id) {
            flag.set();
        }
        self.flags.insert(id, flag.clone());
        flag
    }
}

/// Runs the backend.
struct Engine<'a> {
    outbox: &'a Arc<Outbox>,
    cancels: &'a Mutex<Cancels>,
    stop: &'a CancelFlag,
    counting: Option<Receiver<CountJob>>,
}

impl Engine<'_> {
    fn run(mut self, backend: &mut dyn Backend, jobs: &Receiver<Job>) -> Result<(), WorkerError> {
        // The channel ends with the reader, and the reader with the pipe.
        while let Ok(job) = jobs.recv() {
            if self.stop.is_set() {
                break;
            }
            match job {
                Job::Load => self.load(backend)?,
                Job::Chat { id, request, cancel } => self.chat(backend, id, &request, &cancel)?,
            }
        }
        Ok(())
    }

    fn load(&mut self, backend: &mut dyn Backend) -> Result<(), WorkerError> {
        let outbox = self.outbox;
        let mut signs = LoadSigns::default();
        let mut progress = |fraction: f32| {
            if signs.is_due(fraction, Instant::now()) {
                send_control(outbox, &ChildMessage::Loading { fraction });
            }
        };
        let stop = self.stop;
        let loaded = catch_unwind(AssertUnwindSafe(|| backend.load(&mut progress, stop)))
            .map_err(|_| WorkerError::Panicked)?;
        match loaded {
            Ok(loaded) => {
                if let Some(counting) = self.counting.take() {
                    let (outbox, count) = (self.outbox.clone(), loaded.count_tokens);
                    spawn("counter", move || count_all(&counting, &count, &outbox))?;
                }
                self.outbox.push_data(&ChildMessage::Loaded { info: loaded.info, slots: loaded.slots })
            }
            Err(error) => self.outbox.push_data(&ChildMessage::LoadFailed { error }),
        }
    }

    fn chat(
        &self,
        backend: &mut dyn Backend,
        id: RequestId,
        request: &ChatRequest,
        cancel: &CancelFlag,
    ) -> Result<(), WorkerError> {
        let outbox = self.outbox;
        let mut emit = |event: ChatEvent| {
            if outbox.push_data(&ChildMessage::Event { id, event }).is_err() {
                cancel.set();
            }
        };
        let answer = if cancel.is_set() {
            Ok(Err(ModelError::Cancelled))
        } else {
            catch_unwind(AssertUnwindSafe(|| backend.chat(request, &mut emit, cancel)))
        };
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner).flags.remove(&id);
        match answer {
            Ok(Ok(finished)) => {
                outbox.push_data(&ChildMessage::Event { id, event: ChatEvent::Finished(finished) })
            }
            Ok(Err(error)) => outbox.push_data(&ChildMessage::Failed { id, error }),
            Err(_) => {
                let error = ModelError::Bug("the backend panicked; see the log".into());
                outbox.push_data(&ChildMessage::Failed { id, error })?;
                Err(WorkerError::Panicked)
            }
        }
    }
}

/// Which of a backend's many signs of progress are told to the parent.
#[derive(Default)]
struct LoadSigns {
    told: Option<(f32, Instant)>,
}

impl LoadSigns {
    /// A percent at a time is enough to look at. The same share again is told from time to time: it says that a slow
    /// load still advances.
    fn is_due(&mut self, fraction: f32, now: Instant) -> bool {
        let due = self.told.is_none_or(|(told, at)| {
            fraction - told >= 0.01
                || (fraction >= 1.0 && told < 1.0)
                || now.saturating_duration_since(at) >= LOAD_SIGN_EVERY
        });
        if due {
            self.told = Some((fraction, now));
        }
        due
    }
}

fn count_all(jobs: &Receiver<CountJob>, count: &CountTokens, outbox: &Outbox) {
    while let Ok(CountJob { id, texts }) = jobs.recv() {
        let counts: Result<Vec<u32>, ModelError> = texts.iter().map(|text| count(text)).collect();
        let message = match counts {
            Ok(counts) => ChildMessage::Counted { id, counts },
            Err(error) => ChildMessage::Failed { id, error },
        };
        if outbox.push_data(&message).is_err() {
            break;
        }
    }
}

fn send_control(outbox: &Outbox, message: &ChildMessage) {
    if outbox.push_control(message).is_err() {
        tracing::warn!("a control message was too long");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_advances_is_told_however_slow_it_is() {
        let start = Instant::now();
        let mut signs = LoadSigns::default();
        let cases = [
            (0.0, 0, true),
            (0.001, 10, false),
            (0.02, 20, true),
            (0.02, 1019, false),
            (0.02, 1020, true),
            (0.021, 2020, true),
            (1.0, 2021, true),
            (1.0, 2022, false),
        ];
        for (fraction, ms, expected) in cases {
            let due = signs.is_due(fraction, start + Duration::from_millis(ms));
            assert_eq!(due, expected, "{fraction} after {ms} ms");
        }
    }
}
