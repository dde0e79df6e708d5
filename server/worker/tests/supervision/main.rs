//! Tests of supervision with real child processes. This program is both the test and the child it supervises, so it
//! has a main function of its own: `supervision child KIND SCRIPT` is a child, anything else runs the tests whose
//! name contains the argument.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and this program is its own test harness"
)]

mod child;
mod hostile;
mod images;

use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use model::scripted::{Reply, Script};
use model::{ChatEvent, ChatModel, ChatRequest, ChatStream, Message, ModelError, Priority, Role, Sampling};
use worker::{Supervisor, WorkerModel, WorkerOptions, WorkerSpec};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

const TESTS: &[(&str, fn())] = &[
    ("answers_stream_and_usage_is_kept", answers_stream_and_usage_is_kept),
    ("a_killed_child_costs_one_request", a_killed_child_costs_one_request),
    ("an_abort_in_mid_answer_is_told_with_the_last_words", an_abort_is_told),
    ("a_stopped_child_is_found_silent", a_stopped_child_is_found_silent),
    ("dropping_a_stream_frees_the_child", dropping_a_stream_frees_the_child),
    ("a_flood_arrives_whole", a_flood_arrives_whole),
    ("large_requests_do_not_delay_heartbeats", large_requests_pass),
    ("children_of_another_kind_are_refused", children_of_another_kind_are_refused),
    ("a_crash_loop_is_broken", a_crash_loop_is_broken),
    ("the_queue_has_classes_and_an_end", the_queue_has_classes_and_an_end),
    ("unloading_ends_the_child", unloading_ends_the_child),
    ("an_unused_child_is_ended", an_unused_child_is_ended),
    ("switching_serves_the_next_model", switching_serves_the_next_model),
    ("dropping_the_model_ends_the_child", dropping_the_model_ends_the_child),
    ("tokens_are_counted_while_an_answer_runs", tokens_are_counted_while_an_answer_runs),
    ("errors_of_the_model_are_no_crashes", errors_of_the_model_are_no_crashes),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, kind, script] = args.as_slice()
        && first == "child"
    {
        return match child::run(kind, script) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    let mut failed = 0;
    let tests = TESTS.iter().chain(images::TESTS);
    for (name, test) in tests.filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter.as_str()))) {
        let start = Instant::now();
        let passed = catch_unwind(test).is_ok();
        failed += u32::from(!passed);
        println!("test {name} ... {} ({} ms)", if passed { "ok" } else { "FAILED" }, start.elapsed().as_millis());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A model and the script file of its child.
struct Fixture {
    model: WorkerModel,
    folder: tempfile::TempDir,
}

fn spec(kind: &str, script: &Path) -> WorkerSpec {
    WorkerSpec::own_program(["child".as_ref(), kind.as_ref(), script.as_os_str()])
}

fn write_script(folder: &Path, name: &str, replies: impl IntoIterator<Item = Reply>) -> std::path::PathBuf {
    let script = Script { replies: replies.into_iter().collect(), context_tokens: 77, ..Script::default() };
    let path = folder.join(name);
    std::fs::write(&path, serde_json::to_vec(&script).unwrap()).unwrap();
    path
}

fn fixture_with(
    kind: &str,
    replies: impl IntoIterator<Item = Reply>,
    change: impl FnOnce(&mut WorkerOptions),
) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = write_script(folder.path(), "script.json", replies);
    let mut options = WorkerOptions::new("test", spec(kind, &path), child::BUILD_ID);
    change(&mut options);
    let supervisor = Supervisor::start().unwrap();
    Fixture { model: WorkerModel::new(options, Arc::clone(&supervisor)).unwrap(), folder }
}

fn fixture(replies: impl IntoIterator<Item = Reply>) -> Fixture {
    fixture_with("good", replies, |_| {})
}

fn request(text: &str, priority: Priority) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::new(Role::User, text)],
        sampling: Sampling::default(),
        answer_tokens_max: 100,
        stop: Vec::new(),
        quotation: None,
        priority,
    }
}

fn ask(model: &WorkerModel) -> ChatStream {
    model.chat(request("two words", Priority::Interactive))
}

fn hang() -> Reply {
    Reply { text: vec!["half".into()], hang: true, ..Reply::default() }
}

/// Runs a test within the patience.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("in time") })
}

/// Text and end of an answer.
async fn read(mut stream: ChatStream) -> (String, Result<model::Finished, ModelError>) {
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(ChatEvent::Text(piece)) => text += &piece,
            Ok(ChatEvent::Finished(finished)) => return (text, Ok(finished)),
            Ok(_) => {}
            Err(error) => return (text, Err(error)),
        }
    }
    panic!("a stream ended without saying why");
}

async fn wait_for_text(stream: &mut ChatStream) {
    while let Some(event) = stream.next().await {
        if matches!(event.expect("an answer"), ChatEvent::Text(_)) {
            return;
        }
    }
    panic!("a stream ended without text");
}

fn signal(model: &WorkerModel, name: &str) -> u32 {
    let pid = model.pid().expect("a child runs");
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
    pid
}

fn exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn answers_stream_and_usage_is_kept() {
    let fixture = fixture([Reply { text: vec!["one ".into(), "two".into()], ..Reply::default() }]);
    run(async {
        let before = fixture.model.info();
        assert_eq!((before.name.as_str(), before.loaded, before.context_tokens), ("test", false, None));
        assert_eq!(fixture.model.pid(), None, "nothing is started before it is needed");
        let (text, end) = read(ask(&fixture.model)).await;
        let usage = end.unwrap().usage;
        assert_eq!((text.as_str(), usage.prompt_tokens, usage.answer_tokens), ("one two", 2, 2));
        let after = fixture.model.load().await.unwrap();
        assert_eq!((after.loaded, after.context_tokens), (true, Some(77)));
    });
}

fn a_killed_child_costs_one_request() {
    let fixture = fixture([hang()]);
    run(async {
        let mut stream = ask(&fixture.model);
        wait_for_text(&mut stream).await;
        let first = signal(&fixture.model, "-KILL");
        let killed_at = Instant::now();
        let (_, end) = read(stream).await;
        let error = end.unwrap_err();
        assert!(matches!(&error, ModelError::Crashed(why) if why.contains("SIGKILL")), "{error}");
        assert!(killed_at.elapsed() < Duration::from_secs(2));
        println!("  the error came after {} ms", killed_at.elapsed().as_millis());
        wait_for_text(&mut ask(&fixture.model)).await;
        assert_ne!(fixture.model.pid(), Some(first));
    });
}

fn an_abort_is_told() {
    let fixture = fixture([Reply { abort: true, ..hang() }]);
    run(async {
        let (text, end) = read(ask(&fixture.model)).await;
        let error = end.unwrap_err().to_string();
        assert_eq!(text, "half");
        assert!(error.contains("SIGABRT") && error.contains("worker starts"), "{error}");
    });
}

fn a_stopped_child_is_found_silent() {
    let fixture = fixture([hang()]);
    run(async {
        let mut stream = ask(&fixture.model);
        wait_for_text(&mut stream).await;
        let pid = signal(&fixture.model, "-STOP");
        let stopped_at = Instant::now();
        let (_, end) = read(stream).await;
        let error = end.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
        println!("  found after {} ms", stopped_at.elapsed().as_millis());
        assert!(!exists(pid));
        wait_for_text(&mut ask(&fixture.model)).await;
    });
}

fn dropping_a_stream_frees_the_child() {
    let fixture = fixture([hang(), Reply::text("next")]);
    run(async {
        let mut stream = ask(&fixture.model);
        wait_for_text(&mut stream).await;
        let pid = fixture.model.pid();
        drop(stream);
        let dropped_at = Instant::now();
        let (text, end) = read(ask(&fixture.model)).await;
        assert!(end.is_ok());
        println!("  the next answer was complete after {} us", dropped_at.elapsed().as_micros());
        assert_eq!((text.as_str(), fixture.model.pid()), ("next", pid), "the same child goes on");
    });
}

fn a_flood_arrives_whole() {
    const PIECES: usize = 100_000;
    let text = (0..PIECES).map(|number| format!("{number} ")).collect::<Vec<_>>();
    let expected = text.concat();
    let fixture = fixture([Reply { text, ..Reply::default() }]);
    run(async {
        let mut stream = ask(&fixture.model);
        wait_for_text(&mut stream).await;
        let other = fixture.model.chat(request("waits", Priority::Interactive));
        let (rest, end) = read(stream).await;
        assert_eq!(end.unwrap().usage.answer_tokens as usize, PIECES);
        assert!(expected.ends_with(&rest));
        assert!(read(other).await.1.is_ok());
    });
}

fn large_requests_pass() {
    let fixture = fixture([Reply::text("ok")]);
    run(async {
        let words = |count: usize| request(&"word ".repeat(count), Priority::Interactive);
        let (_, end) = read(fixture.model.chat(words(2_000_000))).await;
        assert_eq!(end.unwrap().usage.prompt_tokens, 2_000_000);
        let (_, end) = read(fixture.model.chat(words(4_000_000))).await;
        assert!(matches!(end, Err(ModelError::Bug(_))), "a message over the bound was accepted");
        assert!(read(ask(&fixture.model)).await.1.is_ok());
    });
}

fn children_of_another_kind_are_refused() {
    let cases = [
        ("other-build", "another build"),
        ("garbage", "broken header"),
        ("mute", "no progress"),
        ("unknown", "the last words of a unknown child"),
    ];
    for (kind, expected) in cases {
        let fixture = fixture_with(kind, [hang()], |options| {
            options.deadlines.hello = Duration::from_millis(500);
        });
        let error = run(async { fixture.model.load().await.unwrap_err().to_string() });
        assert!(error.contains(expected), "{kind}: {error}");
        assert_eq!(fixture.model.pid(), None, "{kind}");
    }
}

fn a_crash_loop_is_broken() {
    let fixture = fixture([Reply { abort: true, ..Reply::default() }]);
    run(async {
        for crash in 0..3 {
            let end = read(ask(&fixture.model)).await.1;
            assert!(matches!(end, Err(ModelError::Crashed(_))), "crash {crash}: {end:?}");
        }
        let error = read(ask(&fixture.model)).await.1.unwrap_err();
        assert!(matches!(&error, ModelError::Resting { reason, .. } if reason.contains("3 times")), "{error}");
        assert!(matches!(fixture.model.load().await, Err(ModelError::Resting { .. })));
    });
}

fn the_queue_has_classes_and_an_end() {
    let fixture = fixture_with("good", [hang(), Reply::text("done")], |options| options.queue_len_max = 3);
    run(async {
        let mut running = ask(&fixture.model);
        wait_for_text(&mut running).await;
        let order = [Priority::Background, Priority::Interactive, Priority::Completion];
        let mut waiting: Vec<_> = order.map(|priority| fixture.model.chat(request("x", priority))).into();
        assert_eq!(read(ask(&fixture.model)).await.1, Err(ModelError::Busy));
        for (stream, expected) in waiting.iter_mut().zip([3, 2, 1]) {
            let event = stream.next().await.unwrap().unwrap();
            assert_eq!(event, ChatEvent::Queued { position: expected });
        }
        // The first in line leaves; the others move up.
        drop(waiting.pop());
        for (stream, expected) in waiting.iter_mut().zip([2, 1]) {
            let event = stream.next().await.unwrap().unwrap();
            assert_eq!(event, ChatEvent::Queued { position: expected });
        }
        drop(running);
        for stream in waiting {
            let finished = read(stream).await.1.unwrap();
            assert!(finished.timings.queue_ms > 0.0);
        }
    });
}

fn unloading_ends_the_child() {
    let fixture = fixture([Reply { delay_ms: 50, ..Reply::text("whole") }]);
    run(async {
        let (answer, ()) = futures::join!(read(ask(&fixture.model)), async {
            fixture.model.load().await.unwrap();
            let pid = fixture.model.pid().unwrap();
            fixture.model.unload().await;
            assert!(!exists(pid));
            assert_eq!((fixture.model.pid(), fixture.model.info().loaded), (None, false));
        });
        assert_eq!(answer.0, "whole", "a running answer is finished first");
        assert!(answer.1.is_ok());
        assert!(read(ask(&fixture.model)).await.1.is_ok(), "the next request starts a new child");
    });
}

fn an_unused_child_is_ended() {
    let fixture = fixture_with("good", [Reply::text("x")], |options| {
        options.idle_unload = Some(Duration::from_millis(100));
    });
    run(async {
        assert!(read(ask(&fixture.model)).await.1.is_ok());
        while fixture.model.pid().is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!fixture.model.info().loaded);
    });
}

fn switching_serves_the_next_model() {
    let fixture = fixture([Reply::text("first")]);
    let other = write_script(fixture.folder.path(), "other.json", [Reply::text("second")]);
    run(async {
        assert_eq!(read(ask(&fixture.model)).await.0, "first");
        fixture.model.switch(spec("good", &other), "other").await;
        assert_eq!(read(ask(&fixture.model)).await.0, "second");
        assert_eq!(fixture.model.info().name, "other");
    });
}

fn dropping_the_model_ends_the_child() {
    let fixture = fixture([hang()]);
    let pid = run(async {
        let mut stream = ask(&fixture.model);
        wait_for_text(&mut stream).await;
        fixture.model.pid().unwrap()
    });
    drop(fixture);
    let start = Instant::now();
    while exists(pid) {
        assert!(start.elapsed() < PATIENCE, "the child outlives its model");
        std::thread::yield_now();
    }
}

fn tokens_are_counted_while_an_answer_runs() {
    let fixture = fixture([hang()]);
    run(async {
        let mut running = ask(&fixture.model);
        wait_for_text(&mut running).await;
        let counts = fixture.model.count_tokens(vec!["a b c".into(), String::new()]).await;
        assert_eq!(counts, Ok(vec![3, 0]));
        assert!(running.next().now_or_never().is_none(), "the answer still runs");
    });
}

fn errors_of_the_model_are_no_crashes() {
    let fixture = fixture([Reply { error: Some(ModelError::BadFile("no".into())), ..Reply::default() }]);
    run(async {
        assert_eq!(read(ask(&fixture.model)).await.1, Err(ModelError::BadFile("no".into())));
        assert!(fixture.model.pid().is_some());
        fixture.model.switch(spec("good", Path::new("/nowhere/script.json")), "other").await;
        assert!(matches!(fixture.model.load().await, Err(ModelError::BadFile(_))));
        assert!(matches!(read(ask(&fixture.model)).await.1, Err(ModelError::BadFile(_))));
        assert_eq!(fixture.model.pid(), None);
    });
}
