//! The child's side: a reader that answers heartbeats and cancels at once, an engine, an answerer and a writer.
//!
//! The engine runs on the calling thread, because native models may not change threads. Refuses: to outlive the
//! parent's end of the pipe, and to go on after the backend panicked.

mod engine;
mod flow;
mod reader;

use std::net::Shutdown;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crate::WorkerError;
use crate::backend::{Backend, CancelFlag, ImageBackend, Runs};
use crate::outbox::Outbox;
use crate::process::inherited_channel;
use crate::protocol::{ChildMessage, RequestId};
use crate::work::{Chat, Images, Work};
use engine::Engine;
use flow::{Flow, Flows};
use reader::Reader;

/// Requests that may wait in the child; the parent sends no more than it was told.
const JOBS_LEN_MAX: usize = 256;
/// Time native code gets to stop after the parent is gone.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// What the engine does.
enum Job<W: Work> {
    Load,
    Work { id: RequestId, request: Box<W::Request>, flow: Arc<Flow> },
}

/// What the answerer answers.
struct Asked<W: Work> {
    id: RequestId,
    question: W::Question,
}

/// Serves the parent with a chat model until the parent closes the pipe or asks to end. `build_id` must be the parent's.
///
/// # Errors
/// [`WorkerError`] when this process is no worker, the parent is of another build, asks for other work or speaks
/// nonsense, or the backend panicked.
pub fn serve(backend: &mut dyn Backend, build_id: &str) -> Result<(), WorkerError> {
    serve_work::<Chat>(backend, build_id)
}

/// Serves the parent with an image model, as [`serve`] does with a chat model.
///
/// # Errors
/// As for [`serve`].
pub fn serve_images(backend: &mut dyn ImageBackend, build_id: &str) -> Result<(), WorkerError> {
    serve_work::<Images>(backend, build_id)
}

fn serve_work<W: Work>(backend: &mut (impl Runs<W> + ?Sized), build_id: &str) -> Result<(), WorkerError> {
    let channel = inherited_channel()?;
    let clone = || channel.try_clone().map_err(WorkerError::system("cannot use the worker socket"));
    let (reading, writing) = (clone()?, clone()?);
    let outbox = Arc::new(Outbox::default());
    let (work, pid) = (W::NAME.to_owned(), std::process::id());
    outbox.push_data(&ChildMessage::<W>::Hello { build_id: build_id.to_owned(), work, pid })?;
    let writer_box = outbox.clone();
    let writer = spawn("writer", move || writer_box.write_to(writing))?;

    let (jobs, inbox) = mpsc::sync_channel(JOBS_LEN_MAX);
    let (questions, asked) = mpsc::sync_channel(JOBS_LEN_MAX);
    let flows: Arc<Flows> = Arc::default();
    let stop = CancelFlag::default();
    let reader = Reader::<W> {
        build_id: build_id.to_owned(),
        jobs,
        questions,
        flows: flows.clone(),
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

    let engine = Engine { outbox: &outbox, flows: &flows, stop: &stop, asked: Some(asked) };
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
