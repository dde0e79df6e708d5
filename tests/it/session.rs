//! Editor sessions over the real program: the scenarios with the scripted worker, an explanation by the real model,
//! and the way from an editor's pipe to the daemon. Refuses: knowing what the scenarios say.

#[path = "../scripts/runner.rs"]
mod runner;

use std::sync::Arc;

use kit::TempWorkspace;
use kit::lsp::{Client, Profile};
use kit::process::{Signal, TempHome};
use runner::{Connection, Script, Setup};
use serde_json::json;

use crate::project::{familiar, json, root};

/// A session alone in its process, with the scripted worker as its model.
async fn alone(setup: Setup<'_>) -> Connection {
    let home = TempHome::new();
    let mut launch = home.familiar(&["lsp", "--standalone"]).in_folder(setup.root);
    if let Some(replies) = setup.replies {
        let script = home.user_folder().join("script.json");
        std::fs::write(&script, json!({ "replies": replies }).to_string()).expect("written");
        launch = launch.arg("--scripted-model").arg(script);
    }
    let (process, output, input) = launch.spawn_piped();
    Connection { client: Client::start(output, input), keep: Box::new((home, process)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenarios_over_the_real_program() {
    let mut failed = Vec::new();
    for script in Script::all(&root().join("tests/scripts")) {
        let script = Arc::new(script);
        for profile in script.clients.clone() {
            let name = format!("{} as {}", script.name, profile.name);
            let script = Arc::clone(&script);
            if tokio::spawn(async move { script.play(&profile, alone).await }).await.is_err() {
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_model_explains_through_the_daemon() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /app.py\ndef launch_rocket(fuel):\n    return fuel > 9000\n");
    let (process, output, input) = familiar(&home, &["lsp"]).in_folder(workspace.root()).spawn_piped();
    let mut client = Client::start(output, input);
    for method in ["$/progress", "window/workDoneProgress/create", "window/logMessage"] {
        client.ignore(method).await;
    }
    client.initialize_as(&Profile::neovim(), &workspace.root_uri()).await;
    let uri = workspace.uri("app.py");
    let document = json!({ "uri": uri, "languageId": "python", "version": 1, "text": workspace.read("app.py") });
    client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 1, "character": 0 } });
    let explain = json!({ "command": "familiar.explain", "arguments": [{ "uri": uri, "range": range }] });
    let answered = client.request("workspace/executeCommand", explain).await;
    assert_eq!(answered, Ok(json!(null)), "the command answers at once");
    let (id, shown) = client.expect_request("window/showDocument").await;
    client.respond(id, json!({ "success": true })).await;
    let path = shown["uri"].as_str().and_then(|uri| uri.strip_prefix("file://")).expect("a file");
    let text = std::fs::read_to_string(path).expect("the document is there");
    assert!(text.contains("app.py:1"), "{text}");
    assert!(
        !path.starts_with(workspace.root().to_str().expect("a path")),
        "nothing is written into the workspace"
    );

    let status = json(&familiar(&home, &["status", "--json"]).run().success());
    assert_eq!((&status["auto_started"], &status["sessions"]), (&json!(true), &json!(1)));
    let alone = familiar(&home, &["lsp", "--standalone"]).run();
    assert_eq!(alone.code, Some(75), "{}", alone.stderr);
    client.shutdown().await;
    assert_eq!(process.wait().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_whose_daemon_dies_says_so_and_the_next_one_works() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /app.py\nx = 1\n");
    let (process, output, input) = familiar(&home, &["lsp"]).in_folder(workspace.root()).spawn_piped();
    let mut client = Client::start(output, input);
    client.ignore("window/logMessage").await;
    client.initialize_as(&Profile::helix(), &workspace.root_uri()).await;
    let status = json(&familiar(&home, &["status", "--json"]).run().success());
    let daemon = status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process id");
    Signal::Kill.send(daemon);
    client.expect_closed().await;
    let ended = process.wait();
    assert_ne!(ended.code, Some(0));
    assert_eq!(ended.stderr.lines().count(), 1, "one line: {}", ended.stderr);

    let (process, output, input) = familiar(&home, &["lsp"]).in_folder(workspace.root()).spawn_piped();
    let mut client = Client::start(output, input);
    client.ignore("window/logMessage").await;
    client.initialize_as(&Profile::helix(), &workspace.root_uri()).await;
    client.shutdown().await;
    assert_eq!(process.wait().code, Some(0));
}
