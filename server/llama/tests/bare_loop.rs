//! The same greedy text as a plain loop over llama-cpp-2, and about its speed.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Instant;

use llama::{LlamaBackend, LlamaOptions, physical_cores};
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend as NativeBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use model::{ChatEvent, ChatRequest, Message, Priority, Role, Sampling};
use worker::{Backend, CancelFlag};

const ANSWER_TOKENS: usize = 64;
const SYSTEM: &str = "You help with code.";
const QUESTION: &str = "Explain what a linked list is.";

fn starter() -> PathBuf {
    std::env::var_os("FAMILIAR_TEST_MODEL").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/models/starter.gguf"),
        PathBuf::from,
    )
}

/// The text and the milliseconds of reading and writing, by the plainest loop there is.
fn bare(prompt: &str) -> (String, f64, f64) {
    llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
    let backend = NativeBackend::init().unwrap();
    let model = LlamaModel::load_from_file(&backend, starter(), &LlamaModelParams::default()).unwrap();
    let threads = i32::try_from(physical_cores()).unwrap();
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(4096))
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let mut context = model.new_context(&backend, params).unwrap();
    let tokens = model.vocab().tokenize(prompt.as_bytes(), false, true);
    let mut batch = LlamaBatch::new(2048, 1);
    let started = Instant::now();
    for (position, token) in (0..).zip(&tokens) {
        batch.add(*token, position, &[0], position as usize + 1 == tokens.len()).unwrap();
    }
    context.decode(&mut batch).unwrap();
    let mut answer = Vec::new();
    let prompt_ms = started.elapsed().as_secs_f64() * 1000.0;
    let started = Instant::now();
    for (position, written) in (tokens.len()..).zip(1..=ANSWER_TOKENS) {
        let logits = context.get_logits();
        let mut best = 0;
        for at in 1..logits.len() {
            if logits[at] > logits[best] {
                best = at;
            }
        }
        let token = LlamaToken(i32::try_from(best).unwrap());
        if model.vocab().is_eog(token) {
            break;
        }
        answer.push(token);
        if written < ANSWER_TOKENS {
            batch.clear();
            batch.add(token, i32::try_from(position).unwrap(), &[0], true).unwrap();
            context.decode(&mut batch).unwrap();
        }
    }
    let answer_ms = started.elapsed().as_secs_f64() * 1000.0;
    let bytes = model.vocab().detokenize(&answer, false, false);
    (String::from_utf8(bytes).unwrap(), prompt_ms, answer_ms)
}

#[test]
fn the_engine_says_what_a_bare_loop_says() {
    let prompt = format!(
        "<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    );
    let (expected, bare_prompt_ms, bare_answer_ms) = bare(&prompt);

    let options = LlamaOptions {
        measure_speeds: false,
        threads: physical_cores(),
        ..LlamaOptions::new(starter(), "starter")
    };
    let mut engine = LlamaBackend::new(options);
    engine.load(&mut |_| {}, &CancelFlag::default()).unwrap();
    let request = ChatRequest {
        messages: vec![Message::new(Role::System, SYSTEM), Message::new(Role::User, QUESTION)],
        sampling: Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() },
        answer_tokens_max: u32::try_from(ANSWER_TOKENS).unwrap(),
        stop: Vec::new(),
        quotation: None,
        priority: Priority::Interactive,
    };
    let mut text = String::new();
    let mut emit = |event| {
        if let ChatEvent::Text(piece) = event {
            text += &piece;
        }
    };
    let end = engine.chat(&request, &mut emit, &CancelFlag::default()).unwrap();
    assert_eq!(text, expected);
    println!(
        "prompt and answer: bare loop {bare_prompt_ms:.0} + {bare_answer_ms:.0} ms, engine {:.0} + {:.0} ms",
        end.timings.prompt_ms, end.timings.answer_ms
    );
}
