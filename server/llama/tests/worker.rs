//! The starter model through a real worker process. This program is both the test and the worker, so it has a main
//! function of its own: `worker child FILE` is the worker, anything else runs the tests whose name contains the
//! argument.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and this program is its own test harness"
)]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use futures::StreamExt;
use llama::{LlamaOptions, serve_worker};
use model::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, Finished, Message, ModelError, Priority, Role, Sampling,
};
use worker::{Supervisor, WorkerModel, WorkerOptions, WorkerSpec};

const BUILD_ID: &str = "test-build";
/// No test waits longer than this for anything; beside a compiler the model is slow.
const PATIENCE: Duration = Duration::from_secs(120);

const TESTS: &[(&str, fn())] = &[
    ("an_answer_comes_through_the_worker", an_answer_comes_through_the_worker),
    ("an_abort_costs_one_request", an_abort_costs_one_request),
    ("a_cancel_frees_the_worker", a_cancel_frees_the_worker),
    ("a_truncated_file_is_refused", a_truncated_file_is_refused),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, path] = args.as_slice()
        && first == "child"
    {
        return match serve_worker(LlamaOptions::new(path, "starter"), BUILD_ID) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter.as_str())))
    {
        let passed = catch_unwind(test).is_ok();
        failed += u32::from(!passed);
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn starter() -> PathBuf {
    let path = std::env::var_os("FAMILIAR_TEST_MODEL").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/models/starter.gguf"),
        PathBuf::from,
    );
    assert!(path.is_file(), "the starter model is missing at {}; `make test` brings it", path.display());
    std::fs::canonicalize(path).unwrap()
}

fn model(path: &Path) -> WorkerModel {
    let spec = WorkerSpec::own_program(["child".as_ref(), path.as_os_str()]);
    WorkerModel::new(WorkerOptions::new("starter", spec, BUILD_ID), Supervisor::start().unwrap()).unwrap()
}

fn request(text: &str, answer_tokens_max: u32) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::new(Role::User, text)],
        sampling: Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() },
        answer_tokens_max,
        stop: Vec::new(),
        quotation: None,
        priority: Priority::Interactive,
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("in time") })
}

async fn end_of(mut stream: ChatStream) -> Result<Finished, ModelError> {
    while let Some(event) = stream.next().await {
        if let ChatEvent::Finished(finished) = event? {
            return Ok(finished);
        }
    }
    panic!("a stream ended without saying why");
}

/// Waits for the first event that `wanted` likes.
async fn wait_for(stream: &mut ChatStream, wanted: impl Fn(&ChatEvent) -> bool) {
    while let Some(event) = stream.next().await {
        if wanted(&event.unwrap()) {
            return;
        }
    }
    panic!("a stream ended too early");
}

fn an_answer_comes_through_the_worker() {
    let model = model(&starter());
    run(async {
        let started = Instant::now();
        let mut stream = model.chat(request("Explain what a linked list is.", 64));
        wait_for(&mut stream, |event| matches!(event, ChatEvent::Loading { .. })).await;
        wait_for(&mut stream, |event| matches!(event, ChatEvent::Prompt { .. })).await;
        println!("  loaded and measured after {} ms", started.elapsed().as_millis());
        let finished = end_of(stream).await.unwrap();
        assert!(finished.timings.queue_ms > 0.0 && finished.usage.answer_tokens > 1);
        println!("  {finished:?}");
        let long = "The quick brown fox jumps over the lazy dog. ".repeat(50);
        let finished = end_of(model.chat(request(&long, 64))).await.unwrap();
        println!(
            "  read {} tokens in {:.0} ms, wrote {} in {:.0} ms",
            finished.usage.prompt_tokens,
            finished.timings.prompt_ms,
            finished.usage.answer_tokens,
            finished.timings.answer_ms
        );
        let info = model.info();
        println!("  {info:?}");
        assert!(info.loaded && info.prompt_tokens_per_s.is_some() && info.answer_tokens_per_s.is_some());
        let counts = model.count_tokens(vec!["fn main() {}".into(), String::new()]).await.unwrap();
        assert!(counts[0] > 2 && counts[1] == 0);
    });
}

fn an_abort_costs_one_request() {
    let model = model(&starter());
    run(async {
        for signal in ["-ABRT", "-KILL"] {
            let mut stream = model.chat(request("Count to a thousand.", 2000));
            wait_for(&mut stream, |event| matches!(event, ChatEvent::Text(_))).await;
            let pid = model.pid().unwrap().to_string();
            let killed_at = Instant::now();
            assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
            let end = end_of(stream).await;
            assert!(matches!(end, Err(ModelError::Crashed(_))), "{end:?}");
            assert!(killed_at.elapsed() < Duration::from_secs(2));
            println!("  {signal}: told after {} ms: {}", killed_at.elapsed().as_millis(), end.unwrap_err());
        }
        assert!(end_of(model.chat(request("Say yes.", 4))).await.is_ok());
    });
}

fn a_cancel_frees_the_worker() {
    let model = model(&starter());
    run(async {
        let long = "The quick brown fox jumps over the lazy dog. ".repeat(200);
        let mut stream = model.chat(request(&long, 10));
        let is_reading = |event: &ChatEvent| matches!(event, ChatEvent::Prompt { done_tokens: 1.., .. });
        wait_for(&mut stream, is_reading).await;
        let pid = model.pid();
        drop(stream);
        let dropped_at = Instant::now();
        let mut next = model.chat(request("Say yes.", 4));
        wait_for(&mut next, |event| matches!(event, ChatEvent::Prompt { .. })).await;
        println!("  the next request began {:.1} ms later", dropped_at.elapsed().as_secs_f64() * 1000.0);
        assert!(end_of(next).await.is_ok());
        assert_eq!(model.pid(), pid, "the same worker goes on");
    });
}

fn a_truncated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    let whole = std::fs::read(starter()).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let model = model(&path);
    run(async {
        let error = end_of(model.chat(request("Hello.", 4))).await.unwrap_err();
        assert!(
            matches!(&error, ModelError::BadFile(why) if why.contains("incomplete") || why.contains("damaged")),
            "{error}"
        );
        // Once the file is whole, the next request is served.
        std::fs::write(&path, &whole).unwrap();
        assert!(end_of(model.chat(request("Hello.", 4))).await.is_ok());
    });
}
