//! llama.cpp as a worker: one model, one context, answers that stream and can be stopped at any moment.
//!
//! All calls into native code are in [`native`]; they go through `llama-cpp-sys-2`, because the safe layer above it
//! hands out no pointers and so cannot stop a prompt in the middle. Native code may abort the process: that is what
//! the worker process is for, and why [`InProcess`] serves benchmarks only.
//!
//! Refuses: files that `model::gguf` refuses, prompts beyond the context, and control tokens in anybody's words.

mod engine;
mod in_process;
mod native;
mod options;
mod output;
mod prompt;
mod quoting;
mod sampling;
mod threads;

use worker::WorkerError;

pub use engine::LlamaBackend;
pub use in_process::InProcess;
pub use options::LlamaOptions;
pub use threads::physical_cores;

/// Runs this process as the worker of one model until its parent is gone. `build_id` must be the parent's.
///
/// # Errors
/// [`WorkerError`] when this process was not started as a worker, or the pipe or the engine broke.
pub fn serve_worker(options: LlamaOptions, build_id: &str) -> Result<(), WorkerError> {
    worker::serve(&mut LlamaBackend::new(options), build_id)
}
