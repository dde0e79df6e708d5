//! The engine on the real starter model. No test depends on what the model happens to say.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use llama::{InProcess, LlamaBackend, LlamaOptions};
use model::{
    ChatEvent, ChatModel, ChatRequest, FinishReason, Finished, Message, ModelError, Priority, Quotation, Role,
    Sampling,
};
use worker::{Backend, CancelFlag, Loaded};

const QUESTION: &str = "What is a hash map? Answer in a few sentences.";

/// The starter model, which set-up brings.
fn starter() -> PathBuf {
    let path = std::env::var_os("FAMILIAR_TEST_MODEL").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/models/starter.gguf"),
        PathBuf::from,
    );
    assert!(path.is_file(), "the starter model is missing at {}; `make test` brings it", path.display());
    path
}

/// One thread: the same results whatever else the machine does.
fn options() -> LlamaOptions {
    LlamaOptions { measure_speeds: false, threads: 1, ..LlamaOptions::new(starter(), "starter") }
}

fn loaded(options: LlamaOptions) -> (LlamaBackend, Loaded) {
    let mut backend = LlamaBackend::new(options);
    let loaded = backend.load(&mut |_| {}, &CancelFlag::default()).expect("the starter loads");
    (backend, loaded)
}

fn greedy() -> Sampling {
    Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() }
}

fn request(text: &str, answer_tokens_max: u32) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::new(Role::User, text)],
        sampling: greedy(),
        answer_tokens_max,
        stop: Vec::new(),
        quotation: None,
        priority: Priority::Interactive,
    }
}

/// The events and the end of an answer.
fn answer(backend: &mut LlamaBackend, request: &ChatRequest) -> (Vec<ChatEvent>, Finished) {
    let mut events = Vec::new();
    let end = backend.chat(request, &mut |event| events.push(event), &CancelFlag::default());
    (events, end.expect("an answer"))
}

fn text_of(events: &[ChatEvent]) -> String {
    let pieces = events.iter().map(|event| if let ChatEvent::Text(piece) = event { piece.as_str() } else { "" });
    pieces.collect()
}

#[test]
fn a_quotation_is_made_of_lines_that_are_there() {
    let (mut backend, _) = loaded(options());
    let file = "def area(width, height):\n    return width * height\n\n\ndef volume(width, height, depth):\n    \
                return area(width, height) * depth\n";
    let quotation = Quotation {
        opens: String::new(),
        closes: "=======".into(),
        texts: vec![file.into()],
        may_be_empty: false,
    };
    let asked = request("Write a poem about the sea.", 120);
    for temperature in [0.0, 1.0] {
        let sampling = Sampling { temperature, seed: 7, ..greedy() };
        let request = ChatRequest { quotation: Some(quotation.clone()), sampling, ..asked.clone() };
        let text = text_of(&answer(&mut backend, &request).0);
        let quoted = text.split("=======\n").next().expect("there is always a first part");
        assert!(file.contains(quoted) && quoted.lines().count() > 0, "{text:?}");
        assert!(quoted.starts_with("def ") || quoted.starts_with("    return "), "{text:?}");
    }
    let free = text_of(&answer(&mut backend, &asked).0);
    assert!(
        !file.contains(free.lines().next().expect("a line")),
        "without it the model writes what it likes: {free:?}"
    );
}

#[test]
fn an_answer_streams_with_progress_usage_and_times() {
    let (mut backend, loaded) = loaded(LlamaOptions { measure_speeds: true, threads: 0, ..options() });
    let info = &loaded.info;
    assert_eq!((info.loaded, info.context_tokens), (true, Some(4096)));
    println!("probe at load: {:?} / {:?} tokens per s", info.prompt_tokens_per_s, info.answer_tokens_per_s);
    assert!(info.prompt_tokens_per_s.unwrap() > 0.0 && info.answer_tokens_per_s.unwrap() > 0.0);

    let (events, end) = answer(&mut backend, &request(QUESTION, 24));
    let pieces = events.iter().filter(|event| matches!(event, ChatEvent::Text(_))).count();
    assert!(pieces > 1, "an answer comes in pieces");
    let usage = end.usage;
    assert!(usage.prompt_tokens > 10 && usage.cached_tokens == 0 && usage.answer_tokens <= 24);
    let total_tokens = usage.prompt_tokens;
    assert_eq!(events[0], ChatEvent::Prompt { done_tokens: 0, total_tokens });
    assert!(events.contains(&ChatEvent::Prompt { done_tokens: total_tokens, total_tokens }));
    assert!(end.timings.prompt_ms > 0.0 && end.timings.answer_ms > 0.0);

    assert_eq!((loaded.count_tokens)("").unwrap(), 0);
    assert!((loaded.count_tokens)("two words").unwrap() >= 2);
}

#[test]
fn greedy_answers_repeat_and_cached_prompts_save_time() {
    let (mut backend, _) = loaded(options());
    let long = format!("{}\n{QUESTION}", "The quick brown fox jumps over the lazy dog. ".repeat(30));
    let (events, first) = answer(&mut backend, &request(&long, 32));
    backend.forget_cache();
    let (again, fresh) = answer(&mut backend, &request(&long, 32));
    assert_eq!(text_of(&events), text_of(&again));
    assert_eq!((first.usage.cached_tokens, fresh.usage.cached_tokens), (0, 0));

    let (_, same) = answer(&mut backend, &request(&long, 8));
    assert_eq!(same.usage.cached_tokens, same.usage.prompt_tokens - 1, "all but one token is kept");
    let (_, other) = answer(&mut backend, &request(&format!("{long} And what is a tree?"), 8));
    assert!(other.usage.cached_tokens > 250 && other.usage.cached_tokens < other.usage.prompt_tokens - 1);
    println!(
        "reading {} tokens: {:.0} ms fresh, {:.0} ms with {} cached",
        fresh.usage.prompt_tokens, fresh.timings.prompt_ms, other.timings.prompt_ms, other.usage.cached_tokens
    );
    assert!(same.timings.prompt_ms < fresh.timings.prompt_ms);
}

#[test]
fn draws_repeat_with_their_seed() {
    let (mut backend, _) = loaded(options());
    let mut with_seed = |seed| {
        backend.forget_cache();
        let sampling = Sampling { temperature: 1.5, top_p: 1.0, top_k: 0, min_p: 0.0, repeat_penalty: 1.1, seed };
        text_of(&answer(&mut backend, &ChatRequest { sampling, ..request(QUESTION, 24) }).0)
    };
    let (first, second, again) = (with_seed(1), with_seed(2), with_seed(1));
    assert_eq!(first, again);
    assert_ne!(first, second);
}

#[test]
fn a_cancel_stops_a_prompt_in_the_middle() {
    let (mut backend, _) = loaded(options());
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(120);
    let cancel = CancelFlag::default();
    let (flag, mut steps) = (cancel.clone(), 0);
    let (give, take) = std::sync::mpsc::channel();
    let canceller = std::thread::spawn(move || {
        take.recv().expect("the prompt is being read");
        flag.set();
        Instant::now()
    });
    let mut emit = |event| {
        if let ChatEvent::Prompt { done_tokens, total_tokens } = event {
            assert!(done_tokens < total_tokens);
            steps += 1;
            if steps == 2 {
                give.send(()).expect("the canceller listens");
            }
        }
    };
    let end = backend.chat(&request(&long, 10), &mut emit, &cancel);
    let freed_at = Instant::now();
    let cancelled_at = canceller.join().unwrap();
    assert_eq!(end, Err(ModelError::Cancelled));
    let took = freed_at.saturating_duration_since(cancelled_at);
    println!("cancel in a prompt: free after {:.1} ms", took.as_secs_f64() * 1000.0);
    assert!(took < Duration::from_secs(5));
    // What was computed before the cancel is kept, and the next answer is made.
    let (_, next) = answer(&mut backend, &request(&long, 4));
    assert!(next.usage.cached_tokens >= 64, "{:?}", next.usage);
}

#[test]
fn answers_end_at_stops_and_limits() {
    let (mut backend, _) = loaded(options());
    let mut answer = |request: &ChatRequest| {
        backend.forget_cache();
        answer(&mut backend, request)
    };
    let (events, end) = answer(&request(QUESTION, 20));
    let whole = text_of(&events);
    assert_eq!((end.reason, end.usage.answer_tokens), (FinishReason::Length, 20));

    // A stop text from the middle of what it says; its first letters come in an earlier token than its last.
    let middle = whole.char_indices().nth(whole.chars().count() / 2).unwrap().0;
    let stop: String = whole[middle..].chars().take(12).collect();
    let stopped = ChatRequest { stop: vec!["never said".into(), stop.clone()], ..request(QUESTION, 20) };
    let (events, end) = answer(&stopped);
    assert_eq!(end.reason, FinishReason::Stop);
    assert_eq!(text_of(&events), whole[..whole.find(&stop).unwrap()]);

    let (events, end) = answer(&request(QUESTION, 0));
    assert_eq!((text_of(&events), end.usage.answer_tokens, end.reason), (String::new(), 0, FinishReason::Length));
    let many = ChatRequest { stop: vec!["x".into(); 100], ..request(QUESTION, 5) };
    let end = backend.chat(&many, &mut |_| {}, &CancelFlag::default());
    assert!(matches!(end, Err(ModelError::Bug(_))));
}

#[test]
fn prompts_that_do_not_fit_are_refused() {
    let (mut backend, _) = loaded(LlamaOptions { context_tokens_max: 256, ..options() });
    for words in [300, 300_000] {
        let long = request(&"word ".repeat(words), 10);
        match backend.chat(&long, &mut |_| {}, &CancelFlag::default()) {
            Err(ModelError::TooLong { prompt_tokens, context_tokens: 256 }) => assert!(prompt_tokens >= 256),
            other => panic!("{words} words: {other:?}"),
        }
    }
    let (_, end) = answer(&mut backend, &request(&"word ".repeat(200), 1000));
    assert!(end.usage.prompt_tokens + end.usage.answer_tokens <= 256);
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(starter()).unwrap();
    for bytes in [0, 100, 1_000_000, whole.len() - 1] {
        let path = folder.path().join("cut.gguf");
        std::fs::write(&path, &whole[..bytes]).unwrap();
        let mut backend = LlamaBackend::new(LlamaOptions::new(path, "cut"));
        let result = backend.load(&mut |_| {}, &CancelFlag::default());
        assert!(matches!(result.err(), Some(ModelError::BadFile(_))), "{bytes} bytes");
    }
    let mut backend = LlamaBackend::new(LlamaOptions::new(folder.path().join("none.gguf"), "none"));
    assert!(matches!(backend.load(&mut |_| {}, &CancelFlag::default()).err(), Some(ModelError::BadFile(_))));
}

#[test]
fn a_load_can_be_stopped() {
    let cancel = CancelFlag::default();
    cancel.set();
    let result = LlamaBackend::new(options()).load(&mut |_| {}, &cancel);
    assert!(result.is_err());
}

#[tokio::test]
async fn the_engine_runs_in_this_process_for_benchmarks() {
    use futures::StreamExt;
    let model = InProcess::new(options()).unwrap();
    let events: Vec<_> = model.chat(request(QUESTION, 8)).collect().await;
    assert!(matches!(events.last(), Some(Ok(ChatEvent::Finished(_)))), "{events:?}");
    assert!(model.info().loaded);
    assert_eq!(model.count_tokens(vec![String::new()]).await, Ok(vec![0]));
}
