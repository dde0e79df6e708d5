//! Writing an answer through the supervised worker against a bare loop over llama-cpp-2 with the same file, threads
//! and settings. Refuses: different texts; both write the same greedy tokens.

use std::error::Error;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use futures::StreamExt;
use llama::{LlamaOptions, physical_cores, serve_worker};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use model::{ChatEvent, ChatModel, ChatRequest, Message, Priority, Role, Sampling};
use worker::{Supervisor, WorkerError, WorkerModel, WorkerOptions, WorkerSpec};

use crate::Inputs;
use crate::table::{Row, median, write};

/// The argument that makes this program the child.
pub const WORKER_ROLE: &str = "worker-llama";
const BUILD_ID: &str = "bench";
const PAIRS: usize = 7;
const ANSWER_TOKENS: u32 = 128;
const CONTEXT_TOKENS: u32 = 4096;
const SYSTEM: &str = "You help with code.";
const QUESTION: &str = "Explain in detail what a linked list is and when an array is better.";

/// Serves the model as the child of the bench.
pub fn serve(model: &Path) -> Result<(), WorkerError> {
    serve_worker(options(model), BUILD_ID)
}

fn options(model: &Path) -> LlamaOptions {
    LlamaOptions { context_tokens_max: CONTEXT_TOKENS, ..LlamaOptions::new(model, "starter") }
}

pub fn run(inputs: &Inputs) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let starter = inputs.starter.canonicalize()?;
    let spec = WorkerSpec::own_program([WORKER_ROLE.as_ref(), starter.as_os_str()]);
    let supervisor = Supervisor::start()?;
    let worker = {
        // The handle's tasks live on this runtime.
        let _inside = runtime.enter();
        WorkerModel::new(WorkerOptions::new("starter", spec, BUILD_ID), supervisor)?
    };
    runtime.block_on(worker.load())?;
    let backend = LlamaBackend::init()?;
    let bare_model = LlamaModel::load_from_file(&backend, &starter, &LlamaModelParams::default())?;
    let (mut through, mut bare, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=PAIRS {
        let (text, speed, first_ms) = runtime.block_on(ask(&worker))?;
        let (bare_text, bare_speed) = bare_loop(&backend, &bare_model)?;
        if text != bare_text {
            return Err(format!("different texts:\n{text}\n---\n{bare_text}").into());
        }
        if pair > 0 {
            through.push(speed);
            bare.push(bare_speed);
            first.push(first_ms);
        }
    }
    let (through, bare, first) = (median(&through), median(&bare), median(&first));
    let rows = [Row {
        what: "decode through the worker / bare loop",
        figure: format!("{:.3} ({through:.1} / {bare:.1} tokens per second)", through / bare),
        bar: ">= 0.95",
        met: through >= 0.95 * bare,
    }];
    let method = format!(
        "`bench decode`: starter model, {ANSWER_TOKENS} greedy tokens, {} threads on both sides, context \
         {CONTEXT_TOKENS}; medians of {PAIRS} alternating pairs after one warm-up pair; the same text on both sides. \
         Warm first token through the worker (prompt cached): {first:.0} ms.",
        physical_cores()
    );
    write(&inputs.results, "decode", &method, &rows)
}

/// The answer through the worker, its speed in tokens per second, and the milliseconds to its first piece.
async fn ask(worker: &WorkerModel) -> Result<(String, f64, f64), Box<dyn Error>> {
    let request = ChatRequest {
        messages: vec![Message::new(Role::System, SYSTEM), Message::new(Role::User, QUESTION)],
        sampling: Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() },
        answer_tokens_max: ANSWER_TOKENS,
        stop: Vec::new(),
        quotation: None,
        priority: Priority::Interactive,
    };
    let started = Instant::now();
    let mut first = None;
    let mut text = String::new();
    let mut stream = worker.chat(request);
    while let Some(event) = stream.next().await {
        match event? {
            ChatEvent::Text(piece) => {
                first.get_or_insert_with(Instant::now);
                text.push_str(&piece);
            }
            ChatEvent::Finished(finished) => {
                // Measured here, at the receiving end, so that everything between counts.
                let first = first.ok_or("no text")?;
                let seconds = first.elapsed().as_secs_f64();
                let tokens = f64::from(finished.usage.answer_tokens.saturating_sub(1));
                return Ok((text, tokens / seconds, (first - started).as_secs_f64() * 1000.0));
            }
            _ => {}
        }
    }
    Err("the stream ended early".into())
}

/// The same by the plainest loop there is: decode, take the most likely token, again.
fn bare_loop(backend: &LlamaBackend, model: &LlamaModel) -> Result<(String, f64), Box<dyn Error>> {
    let threads = i32::try_from(physical_cores())?;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(CONTEXT_TOKENS))
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let mut context = model.new_context(backend, params)?;
    let prompt = format!(
        "<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    );
    let tokens = model.vocab().tokenize(prompt.as_bytes(), false, true);
    let mut batch = LlamaBatch::new(2048, 1);
    for (position, token) in (0..).zip(&tokens) {
        batch.add(*token, position, &[0], position as usize + 1 == tokens.len())?;
    }
    context.decode(&mut batch)?;
    let mut answer = Vec::new();
    let mut started = Instant::now();
    for position in tokens.len()..tokens.len() + ANSWER_TOKENS as usize {
        let logits = context.get_logits();
        let best = (0..logits.len())
            .max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a)))
            .ok_or("no logits")?;
        let token = LlamaToken(i32::try_from(best)?);
        if answer.is_empty() {
            started = Instant::now();
        }
        if model.vocab().is_eog(token) {
            break;
        }
        answer.push(token);
        if answer.len() < ANSWER_TOKENS as usize {
            batch.clear();
            batch.add(token, i32::try_from(position)?, &[0], true)?;
            context.decode(&mut batch)?;
        }
    }
    let speed = (answer.len() - 1) as f64 / started.elapsed().as_secs_f64();
    Ok((String::from_utf8(model.vocab().detokenize(&answer, false, false))?, speed))
}
