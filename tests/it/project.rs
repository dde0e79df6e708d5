//! What the tests work on: the real model, a real project, small fixtures, and HTTP. Refuses: going on without them.

use std::path::{Path, PathBuf};

use futures::StreamExt;
use kit::process::{Launch, Process, Stream, TempHome};
use kit::sse;
use serde_json::Value;

/// The root of this workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

fn given(variable: &str, default: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| root().join(default), PathBuf::from);
    assert!(path.exists(), "{} is missing: run `make test`, which brings it", path.display());
    path
}

/// The starter model.
pub(crate) fn starter() -> PathBuf {
    given("FAMILIAR_TEST_MODEL", "target/models/starter.gguf")
}

/// Django's sources.
pub(crate) fn django() -> PathBuf {
    // As the program shows it, also when it lies behind a link.
    given("FAMILIAR_TEST_DJANGO", "target/django").canonicalize().expect("set-up brings Django")
}

/// The program in `home`, with the starter model.
pub(crate) fn familiar(home: &TempHome, args: &[&str]) -> Launch {
    home.familiar(args).env("FAMILIAR_MODELS", starter().parent().expect("a file lies in a folder"))
}

/// A daemon in the foreground.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

/// Starts `launch`, a `serve`, and waits until it prints its address.
pub(crate) fn serve(launch: Launch) -> Daemon {
    let process = launch.spawn();
    let port = process.wait_for_line(Stream::Out, "the address", |line| {
        let after = line.split("://").nth(1)?;
        let digits: String = after.split(':').nth(1)?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    Daemon { process, port }
}

impl Daemon {
    /// The address of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// A token for programs.
pub(crate) fn token(home: &TempHome) -> String {
    let made: Value = json(&familiar(home, &["tokens", "create", "--name", "tests", "--json"]).run().success());
    made["token"].as_str().expect("a token").to_owned()
}

/// `text` as JSON.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// An HTTP client that follows no redirect.
pub(crate) fn http() -> reqwest::Client {
    // Fails only when another test installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

/// Reads events until `stop` says so, or the stream ends.
pub(crate) async fn events(response: reqwest::Response, mut stop: impl FnMut(&Value) -> bool) -> Vec<Value> {
    assert!(response.status().is_success(), "{}", response.status());
    let mut parser = sse::Parser::default();
    let mut seen = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        for event in parser.push(&chunk.expect("the stream goes on")) {
            let event = json(&event.data);
            let enough = stop(&event);
            seen.push(event);
            if enough {
                return seen;
            }
        }
    }
    seen
}
