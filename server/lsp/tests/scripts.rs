//! The scenarios of `tests/scripts`, played over an in-memory pipe with a whole App and a scripted model.
//!
//! Refuses: knowing what the scenarios say. A new one is a new Markdown file.

#[path = "../../../tests/scripts/runner.rs"]
mod runner;

use std::path::Path;
use std::sync::Arc;

use app::App;
use kit::Client;
use lsp::Hello;
use model::ChatModel;
use model::scripted::{Reply, ScriptedModel};
use runner::{Connection, Script, Setup};

const PIPE_BYTES: usize = 64 * 1024;

async fn connect(setup: Setup<'_>) -> Connection {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let model = setup.replies.map(|replies| {
        let replies: Vec<Reply> = serde_json::from_value(replies.clone()).expect("replies of the scripted model");
        Arc::new(ScriptedModel::with_replies(replies)) as Arc<dyn ChatModel>
    });
    let app = App::for_tests(home.path(), model);
    let hello = Hello { cwd: setup.root.to_owned(), ..Hello::default() };
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let session = tokio::spawn(lsp::serve(app.clone(), hello, ours));
    Connection { client: Client::start_on(theirs), keep: Box::new((home, app, session)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scripts");
    let only = std::env::var("SCENARIO").ok();
    let mut failed = Vec::new();
    for script in Script::all(&folder) {
        let script = Arc::new(script);
        if only.as_ref().is_some_and(|only| *only != script.name) {
            continue;
        }
        for profile in script.clients.clone() {
            let name = format!("{} as {}", script.name, profile.name);
            let script = Arc::clone(&script);
            let played = tokio::spawn(async move { script.play(&profile, connect).await });
            if played.await.is_err() {
                failed.push(name);
            }
        }
    }
    assert!(failed.is_empty(), "failed: {failed:#?}");
}
