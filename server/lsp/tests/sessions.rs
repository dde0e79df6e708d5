//! Sessions from their first message to their exit: folders, clients that can do less, limits, ends.
//!
//! Refuses: what a user sees of one feature; that is told by the scenarios of `tests/scripts`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use kit::{Client, Profile, TempWorkspace};
use lsp::{Exit, Hello};
use model::ChatModel;
use model::scripted::{Reply, ScriptedModel};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

const PIPE_BYTES: usize = 64 * 1024;
/// Between two looks at the status. Without a pause the looks take the processor from the work they wait for.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
const FILE: &str = "//- /shop.py\ndef total(prices):\n    return sum(prices)\n";

struct Session {
    app: App,
    client: Client,
    ended: JoinHandle<Exit>,
    _home: TempDir,
}

/// A session whose model says each of `replies`.
fn connect(cwd: &Path, replies: Vec<Reply>) -> Session {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let model = Arc::new(ScriptedModel::with_replies(replies)) as Arc<dyn ChatModel>;
    let app = App::for_tests(home.path(), Some(model));
    let hello = Hello { cwd: cwd.to_owned(), ..Hello::default() };
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let ended = tokio::spawn(lsp::serve(app.clone(), hello, ours));
    Session { app, client: Client::start_on(theirs), ended, _home: home }
}

fn hanging() -> Vec<Reply> {
    vec![Reply { hang: true, ..Reply::default() }]
}

/// What the client says of itself when it names no folder.
fn without_folder(profile: &Profile) -> Value {
    json!({ "processId": null, "rootUri": null, "workspaceFolders": null, "capabilities": profile.capabilities })
}

async fn open(client: &mut Client, workspace: &TempWorkspace) {
    let text = workspace.read("shop.py");
    let document = json!({ "uri": workspace.uri("shop.py"), "languageId": "python", "version": 1, "text": text });
    client.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
}

fn command(name: &str, workspace: &TempWorkspace) -> Value {
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 2, "character": 0 } });
    json!({ "command": name, "arguments": [{ "uri": workspace.uri("shop.py"), "range": range }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_says_how_the_session_ended() {
    let folder = TempWorkspace::empty();
    for (expected, code) in
        [(Exit::Shutdown, 0), (Exit::ExitWithoutShutdown, 1), (Exit::EndOfInput, 0), (Exit::Leaving, 1)]
    {
        let Session { app, mut client, ended, _home } = connect(folder.root(), hanging());
        client.initialize_as(&Profile::neovim(), &folder.root_uri()).await;
        match expected {
            Exit::Shutdown => client.shutdown().await,
            Exit::ExitWithoutShutdown => {
                client.notify("exit", Value::Null).await;
                client.finish().await;
            }
            Exit::Leaving => {
                app.shutdown_token().cancel();
                client.finish().await;
            }
            Exit::EndOfInput | Exit::TooSlow => client.finish().await,
        }
        let exit = ended.await.expect("the session ends");
        assert_eq!((exit, exit.code()), (expected, code));
        assert_eq!(app.status().sessions, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_folder_the_git_root_around_the_working_directory_is_used() {
    let workspace = TempWorkspace::new("//- /src/deep/shop.py\npass\n//- /.git/HEAD\nref: refs/heads/main\n");
    let Session { mut client, _home, .. } = connect(&workspace.path("src/deep"), hanging());
    client.initialize(without_folder(&Profile::neovim())).await;
    // The folder is opened beside the messages; its own progress says when it is there.
    loop {
        let status = client.request("familiar/status", json!({})).await.expect("the status is known");
        if let Some(first) = status["workspaces"].get(0) {
            assert_eq!(first["root"], json!(workspace.root()));
            break;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_folder_is_said_once_and_the_session_goes_on() {
    let workspace = TempWorkspace::new(FILE);
    let Session { mut client, _home, .. } = connect(Path::new("/"), vec![Reply::text("It adds up.")]);
    client.initialize_as(&Profile::neovim(), "file:///").await;
    let message = client.expect_notification("window/logMessage").await;
    let message = message["message"].as_str().expect("a message is a text").to_owned();
    assert!(message.starts_with("Familiar works without an index of /: "), "{message}");
    open(&mut client, &workspace).await;
    client.ignore("$/progress").await;
    client.ignore("window/workDoneProgress/create").await;
    let added = json!({ "event": { "added": [{ "uri": "file:///", "name": "root" }], "removed": [] } });
    client.notify("workspace/didChangeWorkspaceFolders", added).await;
    assert_eq!(
        client.request("workspace/executeCommand", command("familiar.explain", &workspace)).await,
        Ok(Value::Null)
    );
    let (id, _) = client.expect_request("window/showDocument").await;
    client.respond(id, json!({ "success": true })).await;
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_can_do_little_is_served_all_the_same() {
    let workspace = TempWorkspace::new(FILE);
    let Session { mut client, _home, .. } = connect(workspace.root(), vec![Reply::text("It adds up [1].")]);
    let params = json!({ "processId": null, "rootUri": workspace.root_uri(), "capabilities": {} });
    let result = client.initialize(params).await;
    assert_eq!(result["capabilities"]["positionEncoding"], "utf-16");
    open(&mut client, &workspace).await;
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } });
    let context = json!({ "diagnostics": [] });
    let place = json!({ "textDocument": { "uri": workspace.uri("shop.py") }, "range": range, "context": context });
    let menu = client.request("textDocument/codeAction", place).await.expect("there is a menu");
    assert_eq!(menu[0]["command"], "familiar.explain", "bare commands: {menu}");
    assert_eq!(
        client.request("workspace/executeCommand", command("familiar.explain", &workspace)).await,
        Ok(Value::Null)
    );
    let message = client.expect_notification("window/showMessage").await;
    let text = message["message"].as_str().expect("a message is a text");
    let path = text.strip_prefix("Familiar: The explanation is in ").expect("the message names the file");
    let document = std::fs::read_to_string(path).expect("the file is there");
    assert!(document.contains("It adds up [1]."), "{document}");
    let error = client.request("workspace/executeCommand", command("familiar.fix", &workspace)).await;
    assert_eq!(error.expect_err("edits cannot be applied")["code"], -32803);
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_progress_token_is_used() {
    let workspace = TempWorkspace::new(FILE);
    let Session { mut client, _home, .. } = connect(workspace.root(), hanging());
    client.initialize_as(&Profile::vscode(), &workspace.root_uri()).await;
    open(&mut client, &workspace).await;
    let mut params = command("familiar.fix", &workspace);
    params["workDoneToken"] = json!(7);
    assert_eq!(client.request("workspace/executeCommand", params).await, Ok(Value::Null));
    let begin = client.expect_notification("$/progress").await;
    assert_eq!((&begin["token"], &begin["value"]["kind"]), (&json!(7), &json!("begin")));
    client.notify("window/workDoneProgress/cancel", json!({ "token": 7 })).await;
    let is_end = |params: &Value| params["value"]["kind"] == "end";
    let end = client.expect_notification_where("$/progress", is_end).await;
    assert_eq!(end["value"]["message"], "cancelled");
    client.ignore("$/progress").await;
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_a_bounded_number_of_jobs() {
    const JOBS_MAX: usize = 8;
    let workspace = TempWorkspace::new(FILE);
    let Session { mut client, _home, .. } = connect(workspace.root(), hanging());
    client.initialize_as(&Profile::neovim(), &workspace.root_uri()).await;
    open(&mut client, &workspace).await;
    client.ignore("$/progress").await;
    client.ignore("window/workDoneProgress/create").await;
    for _ in 0..JOBS_MAX {
        let begun = client.request("workspace/executeCommand", command("familiar.fix", &workspace)).await;
        assert_eq!(begun, Ok(Value::Null));
    }
    let error = client.request("workspace/executeCommand", command("familiar.fix", &workspace)).await;
    let error = error.expect_err("there are enough jobs");
    assert!(error["message"].as_str().is_some_and(|text| text.starts_with("8 jobs are running")), "{error}");
    let cancel = json!({ "command": "familiar.cancel" });
    assert_eq!(client.request("workspace/executeCommand", cancel).await, Ok(Value::Null));
    let begun = client.request("workspace/executeCommand", command("familiar.fix", &workspace)).await;
    assert_eq!(begun, Ok(Value::Null));
    client.shutdown().await;
}

/// An answer that replaces the whole of the file.
const EDIT: &str = "```python\ndef total(prices):\n    return 0\n```\n";

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_wait_for_the_user_take_no_place_of_a_running_job() {
    const DELIVERIES_MAX: usize = 64;
    let workspace = TempWorkspace::new(FILE);
    let Session { mut client, _home, .. } = connect(workspace.root(), vec![Reply::text(EDIT)]);
    client.initialize_as(&Profile::neovim(), &workspace.root_uri()).await;
    open(&mut client, &workspace).await;
    client.ignore("$/progress").await;
    client.ignore("window/workDoneProgress/create").await;
    for _ in 0..DELIVERIES_MAX {
        let begun = client.request("workspace/executeCommand", command("familiar.fix", &workspace)).await;
        assert_eq!(begun, Ok(Value::Null));
        // Never answered: the user thinks about it.
        client.expect_request("workspace/applyEdit").await;
    }
    let error = client.request("workspace/executeCommand", command("familiar.fix", &workspace)).await;
    let error = error.expect_err("enough edits wait");
    assert!(error["message"].as_str().is_some_and(|text| text.starts_with("64 edits wait for you")), "{error}");
    let cancel = json!({ "command": "familiar.cancel" });
    assert_eq!(client.request("workspace/executeCommand", cancel).await, Ok(Value::Null));
    let begun = client.request("workspace/executeCommand", command("familiar.fix", &workspace)).await;
    assert_eq!(begun, Ok(Value::Null));
    client.expect_request("workspace/applyEdit").await;
    client.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_elsewhere_does_not_make_a_refused_deletion_look_applied() {
    let workspace = TempWorkspace::new("//- /shop.py\ndef total(prices):\n    pass\n    return sum(prices)\n");
    let answer = "```python\ndef total(prices):\n    return sum(prices)\n```\n";
    let Session { mut client, _home, .. } = connect(workspace.root(), vec![Reply::text(answer)]);
    client.initialize_as(&Profile::neovim(), &workspace.root_uri()).await;
    open(&mut client, &workspace).await;
    client.ignore("$/progress").await;
    client.ignore("window/workDoneProgress/create").await;
    let mut fix = command("familiar.fix", &workspace);
    fix["arguments"][0]["range"]["end"]["line"] = json!(3);
    assert_eq!(client.request("workspace/executeCommand", fix).await, Ok(Value::Null));
    let (id, params) = client.expect_request("workspace/applyEdit").await;
    let edits = params["edit"]["documentChanges"][0]["edits"].as_array().expect("there are edits");
    assert!(edits.iter().all(|edit| edit["newText"] == ""), "the edit only deletes: {edits:?}");
    let end = json!({ "line": 3, "character": 0 });
    let typed = json!([{ "range": { "start": end, "end": end }, "text": "# more\n" }]);
    let document = json!({ "uri": workspace.uri("shop.py"), "version": 2 });
    client.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": typed })).await;
    client.respond(id, json!({ "applied": true })).await;
    let message = client.expect_notification("window/showMessage").await;
    let text = message["message"].as_str().expect("a message is a text");
    assert!(text.contains("the editor's text does not show the edit"), "{text}");
    client.shutdown().await;
}

/// Symbols are found before the first index is complete: what is not in it yet is looked for in the files.
#[tokio::test(flavor = "multi_thread")]
async fn symbols_are_found_while_the_first_index_is_being_built() {
    const LOOKS_MAX: usize = 8;
    let workspace = TempWorkspace::empty();
    let body: String = (0..150).map(|n| format!("def step_{n}(value):\n    return value * {n}\n\n\n")).collect();
    // Names of one file: more to index than any machine gets done meanwhile, and no room on the disk.
    let crowd = workspace.path("crowd.py");
    std::fs::write(&crowd, &body).expect("it is written");
    for at in 0..12_000 {
        std::fs::hard_link(&crowd, workspace.path(&format!("crowd_{at:05}.py"))).expect("it is linked");
    }
    std::fs::create_dir(workspace.path("tests")).expect("it is made");
    let file = workspace.path("tests/parcel_postage.py");
    std::fs::write(file, "class Parcel:\n    def postage(self):\n        return 3\n").expect("it is written");
    let Session { app, mut client, _home, .. } = connect(workspace.root(), Vec::new());
    client.ignore("$/progress").await;
    client.ignore("window/workDoneProgress/create").await;
    client.initialize_as(&Profile::neovim(), &workspace.root_uri()).await;
    loop {
        let status = client.request("familiar/status", json!({})).await.expect("the status is known");
        let first = &status["workspaces"][0];
        if first["state"] == "building" && first["files"].as_u64() > Some(0) {
            break;
        }
        assert_ne!(first["state"], "ready", "the index was complete before anybody could ask: {first}");
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let mut found = Value::Null;
    // A look through the files ends after a second, in which a busy machine may get nowhere: then it is asked again.
    for _ in 0..LOOKS_MAX {
        let asked = client.request("workspace/symbol", json!({ "query": "Parcel.postage" })).await;
        found = asked.expect("it is answered");
        if found[0].is_object() {
            break;
        }
    }
    assert_eq!((&found[0]["name"], &found[0]["containerName"]), (&json!("postage"), &json!("Parcel")), "{found}");
    assert_eq!(found[0]["location"]["uri"], json!(workspace.uri("tests/parcel_postage.py")));
    let status = client.request("familiar/status", json!({})).await.expect("the status is known");
    assert_eq!(status["workspaces"][0]["state"], "building", "it was answered before the index was complete");
    client.shutdown().await;
    // Ends the build, which would go on beside the tests after this one.
    app.shutdown().await;
}
