//! How long a session keeps its editor waiting: `initialize`, typing and the menu while four generations run.
//!
//! Refuses: measuring models. The scripted one writes a word every two milliseconds for as long as the run takes.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use app::App;
use kit::{Client, Profile, TempWorkspace};
use lsp::Hello;
use model::ChatModel;
use model::scripted::{Reply, ScriptedModel};
use serde_json::{Value, json};

const HELLOS: usize = 50;
const CHANGES: usize = 5_000;
const GENERATIONS: usize = 4;
const LINES: usize = 5_000;
const PIPE_BYTES: usize = 64 * 1024;

fn main() {
    // `cargo test --benches` asks for the list of tests; a benchmark is none.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(measure());
}

async fn measure() {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let writes = Reply { text: vec!["word ".to_owned(); 1_000_000], delay_ms: 2, ..Reply::default() };
    let model = Arc::new(ScriptedModel::with_replies([writes])) as Arc<dyn ChatModel>;
    let app = App::for_tests(home.path(), Some(model));
    let workspace = TempWorkspace::new("//- /main.py\npass\n");
    let mut hellos = Vec::new();
    for _ in 0..HELLOS {
        let begun = Instant::now();
        let client = hello(&app, &workspace).await;
        hellos.push(begun.elapsed());
        client.shutdown().await;
    }
    println!("initialize: {}", summary(&mut hellos));
    let mut client = hello(&app, &workspace).await;
    let text: String = (0..LINES).map(|n| format!("def f{n}(x): return x * {n}\n")).collect();
    let uri = workspace.uri("main.py");
    let document = json!({ "uri": uri, "languageId": "python", "version": 0, "text": text });
    client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
    let (mut alone_typing, mut alone_menu) = type_along(&mut client, &uri, 0).await;
    println!("didChange + request, idle: {}", summary(&mut alone_typing));
    println!("code action menu, idle: {}", summary(&mut alone_menu));
    for number in 1..=GENERATIONS {
        let argument = json!({ "uri": uri, "range": range(1, 0, 2, 0) });
        let params = json!({ "command": "familiar.explain", "arguments": [argument] });
        client.request("workspace/executeCommand", params).await.expect("the job begins");
        let writes = |params: &Value| {
            let message = params["value"]["message"].as_str().unwrap_or_default();
            params["token"] == format!("familiar/{number}") && message.starts_with("writing")
        };
        client.expect_notification_where("$/progress", writes).await;
    }
    client.ignore("$/progress").await;
    let (mut typing, mut menu) = type_along(&mut client, &uri, CHANGES).await;
    println!("didChange + request, {GENERATIONS} generations: {}", summary(&mut typing));
    println!("code action menu, {GENERATIONS} generations: {}", summary(&mut menu));
    client.shutdown().await;
}

async fn hello(app: &App, workspace: &TempWorkspace) -> Client {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let hello = Hello { cwd: workspace.root().to_owned(), ..Hello::default() };
    tokio::spawn(lsp::serve(app.clone(), hello, ours));
    let mut client = Client::start_on(theirs);
    client.ignore("window/workDoneProgress/create").await;
    client.initialize_as(&Profile::vscode(), &workspace.root_uri()).await;
    client
}

/// Types, and waits each time for the answer to a request behind the change: an upper bound of handling it, with the
/// pipe, the client and both ways in it. Then asks for the menu.
async fn type_along(client: &mut Client, uri: &str, from: usize) -> (Vec<Duration>, Vec<Duration>) {
    let (mut typing, mut menu) = (Vec::new(), Vec::new());
    for n in from..from + CHANGES {
        let line = (n * 7919) % LINES;
        let document = json!({ "uri": uri, "version": n + 1 });
        let changes = json!([{ "range": range(line, 4, line, 4), "text": "x" }]);
        let begun = Instant::now();
        client
            .notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }))
            .await;
        let nothing = json!({ "command": "familiar.unknown" });
        client.request("workspace/executeCommand", nothing).await.expect_err("there is no such command");
        typing.push(begun.elapsed());
        let begun = Instant::now();
        let context = json!({ "diagnostics": [] });
        let place =
            json!({ "textDocument": { "uri": uri }, "range": range(line, 0, line, 4), "context": context });
        client.request("textDocument/codeAction", place).await.expect("there is a menu");
        menu.push(begun.elapsed());
    }
    (typing, menu)
}

fn range(line: usize, character: usize, end_line: usize, end: usize) -> Value {
    json!({ "start": { "line": line, "character": character }, "end": { "line": end_line, "character": end } })
}

fn summary(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    format!("p50 {:?}, p95 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.95), at(0.99), at(1.0))
}
