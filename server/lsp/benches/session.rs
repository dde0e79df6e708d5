//! How long a session keeps its editor waiting in a workspace of 1,000,000 lines: `initialize`, typing, the menu and
//! cancelling, idle and while four generations run. With a folder as its argument it writes `editor.md` there.
//!
//! Refuses: measuring models. The scripted one writes a word every two milliseconds for as long as the run takes.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

#[expect(dead_code, reason = "not every bench needs a median")]
#[path = "../../../tests/bench/table.rs"]
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use app::App;
use kit::{Client, Profile, TempWorkspace};
use lsp::Hello;
use model::ChatModel;
use model::scripted::{Reply, ScriptedModel};
use serde_json::{Value, json};
use table::{Row, percentile};

const HELLOS: usize = 50;
const CHANGES: usize = 5_000;
const CANCELS: usize = 50;
const GENERATIONS: usize = 4;
/// The workspace, which is indexed before anything is measured.
const FILES: usize = 2_000;
const LINES_OF_A_FILE: usize = 500;
/// The open document.
const LINES: usize = 5_000;
const PIPE_BYTES: usize = 64 * 1024;

/// Times in milliseconds.
type Times = Vec<f64>;

fn main() {
    // `cargo test --benches` asks for the list of tests; a benchmark is none.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let results = arguments.iter().find(|argument| !argument.starts_with("--")).map(PathBuf::from);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let rows = runtime.block_on(measure());
    let method = format!(
        "`cargo bench -p lsp --bench session`: sessions over a pipe in memory with a whole App and a scripted model, in an \
         indexed workspace of {FILES} files of {LINES_OF_A_FILE} lines; {CHANGES} keystrokes in a document of {LINES} lines, \
         each a didChange followed by a request whose answer proves that the change was taken, so the figure holds the way \
         there and back; {CANCELS} generations are cancelled while the others write."
    );
    match results {
        Some(results) => table::write(&results, "editor", &method, &rows).expect("the table can be written"),
        None => rows.iter().for_each(|row| println!("{}: {} ({})", row.what, row.figure, row.bar)),
    }
}

async fn measure() -> Vec<Row> {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let writes = Reply { text: vec!["word ".to_owned(); 1_000_000], delay_ms: 2, ..Reply::default() };
    let model = Arc::new(ScriptedModel::with_replies([writes])) as Arc<dyn ChatModel>;
    let app = App::for_tests(home.path(), Some(model));
    let workspace = workspace();
    // It stays, and with it the workspace.
    let mut other = hello(&app, &workspace).await;
    // What became of the first index is said there, at its end.
    other.ignore("window/logMessage").await;
    wait_for_the_index(&mut other).await;
    let hellos = hellos(&app, &workspace).await;
    let mut client = hello(&app, &workspace).await;
    let text: String = (0..LINES).map(|n| format!("def f{n}(x): return x * {n}\n")).collect();
    let uri = workspace.uri("open.py");
    let document = json!({ "uri": uri, "languageId": "python", "version": 0, "text": text });
    client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
    let (idle_typing, idle_menu) = type_along(&mut client, &uri, 0).await;
    for number in 1..=GENERATIONS {
        generate(&mut client, &uri, number).await;
    }
    let mut cancels = Times::new();
    for number in GENERATIONS + 1..=GENERATIONS + CANCELS {
        generate(&mut client, &uri, number).await;
        cancels.push(cancel(&mut client, number).await);
    }
    client.ignore("$/progress").await;
    let (typing, menu) = type_along(&mut client, &uri, CHANGES).await;
    let cancelled_requests = cancelled_requests(&mut client).await;
    client.shutdown().await;
    other.shutdown().await;
    let (p95, p99) = (|times: &Times| percentile(times, 95.0), |times: &Times| percentile(times, 99.0));
    let worst = |times: &Times| percentile(times, 100.0);
    let pair = |now: f64, idle: f64| format!("{now:.2} ms ({idle:.2} ms while nothing is generated)");
    vec![
        Row {
            what: "initialize, p95",
            figure: format!("{:.2} ms", p95(&hellos)),
            bar: "<= 50 ms",
            met: p95(&hellos) <= 50.0,
        },
        Row {
            what: "code action menu, p95, while 4 generations run",
            figure: pair(p95(&menu), p95(&idle_menu)),
            bar: "<= 5 ms",
            met: p95(&menu) <= 5.0,
        },
        Row {
            what: "didChange and a request behind it, there and back, p99, while 4 generations run",
            figure: pair(p99(&typing), p99(&idle_typing)),
            bar: "<= 1 ms for the didChange alone",
            met: p99(&typing) <= 1.0,
        },
        Row {
            what: "cancelling a generation that writes until its progress ends, the slowest",
            figure: format!("{:.2} ms", worst(&cancels)),
            bar: "<= 50 ms",
            met: worst(&cancels) <= 50.0,
        },
        Row {
            what: "cancelling a request for symbols until its answer, the slowest, while 4 generations run",
            figure: format!("{:.2} ms", worst(&cancelled_requests)),
            bar: "<= 50 ms",
            met: worst(&cancelled_requests) <= 50.0,
        },
    ]
}

/// 1,000,000 lines of Python.
fn workspace() -> TempWorkspace {
    let workspace = TempWorkspace::empty();
    for file in 0..FILES {
        let text: String = (0..LINES_OF_A_FILE / 2)
            .map(|n| format!("def function_{file}_{n}(value):\n    return value + {n}\n"))
            .collect();
        workspace.write(&format!("part_{}/file_{file}.py", file % 40), text);
    }
    workspace
}

async fn wait_for_the_index(client: &mut Client) {
    client.ignore("$/progress").await;
    loop {
        let status = client.request("familiar/status", json!({})).await.expect("the status is known");
        if status["workspaces"][0]["state"] == "ready" {
            return;
        }
        tokio::task::yield_now().await;
    }
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

async fn hellos(app: &App, workspace: &TempWorkspace) -> Times {
    let mut times = Times::new();
    for _ in 0..HELLOS {
        let begun = Instant::now();
        let client = hello(app, workspace).await;
        times.push(milliseconds(begun));
        client.shutdown().await;
    }
    times
}

/// Begins a generation and waits until it writes.
async fn generate(client: &mut Client, uri: &str, number: usize) {
    let argument = json!({ "uri": uri, "range": range(1, 0, 2, 0) });
    let params = json!({ "command": "familiar.explain", "arguments": [argument], "workDoneToken": token(number) });
    client.request("workspace/executeCommand", params).await.expect("the job begins");
    let writes = |params: &Value| {
        let message = params["value"]["message"].as_str().unwrap_or_default();
        params["token"] == token(number) && message.starts_with("writing")
    };
    client.expect_notification_where("$/progress", writes).await;
}

fn token(number: usize) -> String {
    format!("generation-{number}")
}

/// From the user's wish to the end of the progress.
async fn cancel(client: &mut Client, number: usize) -> f64 {
    let begun = Instant::now();
    client.notify("window/workDoneProgress/cancel", json!({ "token": token(number) })).await;
    let ends = |params: &Value| params["token"] == token(number) && params["value"]["kind"] == "end";
    client.expect_notification_where("$/progress", ends).await;
    milliseconds(begun)
}

async fn cancelled_requests(client: &mut Client) -> Times {
    let mut times = Times::new();
    for n in 0..CANCELS {
        let query = json!({ "query": format!("function_{n}_1") });
        let id = client.send_request("workspace/symbol", query).await;
        let begun = Instant::now();
        client.cancel(id).await;
        // The answer may have been on its way, which is soon enough too.
        drop(client.response(id).await);
        times.push(milliseconds(begun));
    }
    times
}

/// Types, and waits each time for the answer to a request behind the change: an upper bound of handling it, with the
/// pipe, the client and both ways in it. Then asks for the menu.
async fn type_along(client: &mut Client, uri: &str, from: usize) -> (Times, Times) {
    let (mut typing, mut menu) = (Times::new(), Times::new());
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
        typing.push(milliseconds(begun));
        let begun = Instant::now();
        let context = json!({ "diagnostics": [] });
        let place =
            json!({ "textDocument": { "uri": uri }, "range": range(line, 0, line, 4), "context": context });
        client.request("textDocument/codeAction", place).await.expect("there is a menu");
        menu.push(milliseconds(begun));
    }
    (typing, menu)
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

fn range(line: usize, character: usize, end_line: usize, end: usize) -> Value {
    json!({ "start": { "line": line, "character": character }, "end": { "line": end_line, "character": end } })
}
