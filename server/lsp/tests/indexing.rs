//! The progress of a first index as clients see it: begun, reported, ended with what was left out; cancelled; not shown.
//!
//! Refuses: knowing how an index is built.

use std::time::Duration;

use app::App;
use kit::{Client, Profile, TempWorkspace};
use lsp::Hello;
use serde_json::{Value, json};
use tempfile::TempDir;

const PIPE_BYTES: usize = 64 * 1024;
/// Files enough to keep a first index busy for much longer than it may take in silence.
const CROWD: usize = 2_500;
/// Files enough to keep it busy for longer than any machine stands still.
const ENDLESS_CROWD: usize = 12_000;
/// Functions of each of them.
const FUNCTIONS: usize = 60;
/// How long an index may take to be complete; far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at the state. Without a pause the looks take the processor from the index, which makes way.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A session over a folder that was never indexed.
async fn connect(profile: &Profile, workspace: &TempWorkspace) -> (App, Client, TempDir) {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let app = App::for_tests(home.path(), None);
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    tokio::spawn(lsp::serve(app.clone(), Hello::default(), ours));
    let mut client = Client::start_on(theirs);
    client.initialize_as(profile, &workspace.root_uri()).await;
    (app, client, home)
}

/// So many files of code, and one that is none. They are names of one file, and take no room on the disk.
fn crowd(size: usize) -> TempWorkspace {
    let workspace = TempWorkspace::empty();
    std::fs::write(workspace.path("picture.bin"), b"x\0y").expect("it is written");
    let body: String =
        (0..FUNCTIONS).map(|n| format!("def step_{n}(value):\n    return value * {n}\n\n\n")).collect();
    let crowd = workspace.path("crowd.py");
    std::fs::write(&crowd, &body).expect("it is written");
    for at in 1..size {
        std::fs::hard_link(&crowd, workspace.path(&format!("crowd_{at:05}.py"))).expect("it is linked");
    }
    workspace
}

fn is(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |params: &Value| params["value"]["kind"] == kind
}

/// The state of the only folder.
async fn state(client: &mut Client) -> Value {
    let status = client.request("familiar/status", json!({})).await.expect("the status is known");
    status["workspaces"][0].clone()
}

/// Waits until the index of the only folder is complete.
async fn until_ready(client: &mut Client) {
    let ready = async {
        while state(client).await["state"] != "ready" {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("it is indexed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_index_is_shown_and_ends_with_what_it_lacks() {
    let workspace = crowd(CROWD);
    let name = workspace.root().file_name().expect("a name").to_string_lossy().into_owned();
    let (_app, mut client, _home) = connect(&Profile::helix(), &workspace).await;
    let (id, params) = client.expect_request("window/workDoneProgress/create").await;
    let token = params["token"].clone();
    assert_eq!(token, "familiar/index/1");
    client.respond(id, Value::Null).await;
    let begin = client.expect_notification_where("$/progress", is("begin")).await;
    assert_eq!((&begin["token"], &begin["value"]["title"]), (&token, &json!(format!("Indexing {name}"))));
    assert_eq!(begin["value"]["cancellable"], true);
    let message = begin["value"]["message"].as_str().expect("a message");
    // The picture is looked at too.
    assert!(message.ends_with(&format!(" of {} files", CROWD + 1)), "{message}");
    let end = client.expect_notification_where("$/progress", is("end")).await;
    client.ignore("$/progress").await;
    assert_eq!(end["value"]["message"], format!("{CROWD} files"));
    let line = client.expect_notification("window/logMessage").await;
    let expected = format!("{name} is indexed: {CROWD} files, ");
    let line = line["message"].as_str().expect("a line");
    assert!(line.starts_with(&expected) && line.contains("left out: 1 "), "{line}");
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_index_can_be_cancelled() {
    let workspace = crowd(ENDLESS_CROWD);
    let (app, mut client, _home) = connect(&Profile::neovim(), &workspace).await;
    let (id, params) = client.expect_request("window/workDoneProgress/create").await;
    client.respond(id, Value::Null).await;
    client.expect_notification_where("$/progress", is("begin")).await;
    client.notify("window/workDoneProgress/cancel", json!({ "token": params["token"] })).await;
    let end = client.expect_notification_where("$/progress", is("end")).await;
    client.ignore("$/progress").await;
    assert_eq!(end["value"]["message"], "held up");
    let line = client.expect_notification("window/logMessage").await;
    assert!(line["message"].as_str().is_some_and(|line| line.contains("familiar index --resume")), "{line}");
    let first = state(&mut client).await;
    assert_eq!(first["paused"], true, "{first}");
    assert!(first["done"].as_u64() < Some(ENDLESS_CROWD as u64), "it was held up before it was done: {first}");
    client.shutdown().await;
    app.shutdown().await;
}

/// Whoever did not say that they show progress is sent none, and a folder of few files is over before it is shown.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_shows_is_not_told() {
    let crowded = crowd(CROWD);
    let few = TempWorkspace::new("//- /a.py\ndef f():\n    pass\n");
    let silent = Profile::vscode().with("/window/workDoneProgress", Value::Null);
    for (profile, workspace) in [(&silent, &crowded), (&Profile::vscode(), &few)] {
        let (_app, mut client, _home) = connect(profile, workspace).await;
        until_ready(&mut client).await;
        // The client fails on anything that nobody claimed.
        client.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_refuses_the_token_is_told_nothing_more() {
    let workspace = crowd(CROWD);
    let (_app, mut client, _home) = connect(&Profile::vscode(), &workspace).await;
    let (id, _) = client.expect_request("window/workDoneProgress/create").await;
    client.respond_error(id, -32603, "no room").await;
    until_ready(&mut client).await;
    client.shutdown().await;
}
