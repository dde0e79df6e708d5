//! The daemon as editors meet it: starting a session, typing while it generates, and doing nothing. Refuses: figures
//! from inside; everything is measured at the client's end of the real pipe.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use kit::TempWorkspace;
use kit::lsp::{Client, Profile};
use kit::process::{Process, Stream, TempHome};
use serde_json::{Value, json};

use crate::Inputs;
use crate::table::{Row, median, percentile, write};

const STARTS: usize = 15;
const KEYS: usize = 400;
const IDLE_SECONDS: u64 = 10;
/// Clock ticks of /proc/PID/stat in a second on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub fn run(inputs: &Inputs) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let home = TempHome::new();
    let models = inputs.starter.canonicalize()?.parent().ok_or("the model lies in no folder")?.to_owned();
    let daemon = home.familiar(&["serve"]).env("FAMILIAR_MODELS", &models).spawn();
    daemon.wait_for(Stream::Out, "http://");
    let idle = idle(&daemon)?;
    let workspace = TempWorkspace::new("//- /a.py\ndef f(x):\n    return x\n");
    let mut starts = Vec::new();
    let mut keys = Vec::new();
    let mut quiet = Vec::new();
    runtime.block_on(async {
        for _ in 0..STARTS {
            let started = Instant::now();
            let (client, _, _process) = session(&home, &models, &workspace).await;
            starts.push(started.elapsed().as_secs_f64() * 1000.0);
            client.shutdown().await;
        }
        let (mut client, uri, _process) = session(&home, &models, &workspace).await;
        for progress in
            ["$/progress", "window/workDoneProgress/create", "window/showDocument", "window/logMessage"]
        {
            client.ignore(progress).await;
        }
        client.ignore("window/showMessage").await;
        quiet = typing(&mut client, &uri, 2).await;
        let arguments = json!([1, 2, workspace.path("a.py")]);
        let command = json!({ "command": "familiar.explain", "arguments": arguments });
        let explain = client.send_request("workspace/executeCommand", command).await;
        client.response(explain).await.map_err(|error| format!("explain was refused: {error}"))?;
        keys = typing(&mut client, &uri, 2 + KEYS as i64).await;
        client.shutdown().await;
        Ok::<(), Box<dyn Error>>(())
    })?;
    let (start, p50, p99) = (median(&starts), percentile(&keys, 50.0), percentile(&keys, 99.0));
    let rows = [
        Row {
            what: "LSP initialise, process start included, daemon running",
            figure: format!("{start:.0} ms"),
            bar: "<= 50 ms",
            met: start <= 50.0,
        },
        Row {
            what: "didChange and a request behind it, there and back, p50 / p99, while the model writes",
            figure: format!(
                "{p50:.2} ms / {p99:.2} ms ({:.2} ms p99 while it does not)",
                percentile(&quiet, 99.0)
            ),
            bar: "p99 <= 1 ms for the didChange alone",
            met: p99 <= 1.0,
        },
        Row {
            what: "idle daemon without a model, resident",
            figure: format!("{:.0} MiB", idle.resident_mib),
            bar: "<= 60 MiB",
            met: idle.resident_mib <= 60.0,
        },
        Row {
            what: "idle daemon without a model, processor",
            figure: format!("{:.1} % of a core over {IDLE_SECONDS} s", idle.cpu_percent),
            bar: "0 %",
            met: idle.cpu_percent < 0.5,
        },
    ];
    let method = format!(
        "`bench daemon`: the release binary, sessions over `familiar lsp`; median of {STARTS} starts; {KEYS} keystrokes, \
         each a didChange followed by a request whose answer proves that the change was taken, so the figure holds two \
         ways through both processes."
    );
    write(&inputs.results, "daemon", &method, &rows)
}

async fn session(home: &TempHome, models: &Path, workspace: &TempWorkspace) -> (Client, String, Process) {
    let launch = home.familiar(&["lsp"]).env("FAMILIAR_MODELS", models).in_folder(workspace.root());
    let (process, output, input) = launch.spawn_piped();
    let mut client = Client::start(output, input);
    client.initialize_as(&Profile::neovim(), &workspace.root_uri()).await;
    let uri = workspace.uri("a.py");
    let document = json!({ "uri": uri, "languageId": "python", "version": 1, "text": workspace.read("a.py") });
    client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
    (client, uri, process)
}

/// Milliseconds of each keystroke, there and back.
async fn typing(client: &mut Client, uri: &str, first_version: i64) -> Vec<f64> {
    let mut milliseconds = Vec::new();
    for key in 0..KEYS as i64 {
        let at = json!({ "line": 0, "character": 0 });
        let changes = json!([{ "range": { "start": at, "end": at }, "text": "#" }]);
        let document = json!({ "uri": uri, "version": first_version + key });
        let started = Instant::now();
        client
            .notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }))
            .await;
        let range = json!({ "start": at, "end": at });
        let question = json!({ "textDocument": { "uri": uri }, "range": range, "context": { "diagnostics": [] } });
        let answer: Result<Value, Value> = client.request("textDocument/codeAction", question).await;
        answer.expect("code actions are offered at any time");
        milliseconds.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    milliseconds
}

struct Idle {
    resident_mib: f64,
    cpu_percent: f64,
}

fn idle(daemon: &Process) -> Result<Idle, Box<dyn Error>> {
    let ticks = || -> Result<f64, Box<dyn Error>> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).ok_or("no such field");
        Ok(field(11)? + field(12)?)
    };
    // What the start itself costs is not idling.
    std::thread::sleep(Duration::from_secs(2));
    let before = ticks()?;
    std::thread::sleep(Duration::from_secs(IDLE_SECONDS));
    let used = (ticks()? - before) / TICKS_PER_SECOND;
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(Idle { resident_mib: kib / 1024.0, cpu_percent: 100.0 * used / IDLE_SECONDS as f64 })
}
