//! The example programs against a real daemon.

use std::path::PathBuf;

use kit::TempWorkspace;
use kit::process::TempHome;

use crate::project::{familiar, serve, starter, token};

/// A program of `examples/`, built beside this test.
fn example(name: &str) -> PathBuf {
    let beside = kit::process::familiar_binary().with_file_name(name);
    assert!(beside.exists(), "{} is missing: run `make test`, which builds it", beside.display());
    beside
}

#[test]
fn asking_over_http_streams_an_answer_and_its_sources() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /app.py\ndef launch_rocket(fuel):\n    return fuel > 9000\n");
    let root = workspace.root().to_str().expect("a path");
    let daemon = serve(familiar(&home, &["serve"]));
    let (address, token) = (daemon.url(""), token(&home));
    let asked = home.program(&example("ask-over-http"), &[&address, &token, root, "What does launch_rocket do?"]);
    let shown = asked.run().success();
    assert!(shown.contains("[1] app.py:1-2"), "{shown}");
    let refused = home.program(&example("ask-over-http"), &[&address, "fam_wrong", root, "x"]).run();
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("401"), "{}", refused.stderr);
    familiar(&home, &["stop"]).run().success();
    daemon.process.wait();
}

#[test]
fn the_smallest_language_client_gets_an_explanation() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /app.py\ndef launch_rocket(fuel):\n    return fuel > 9000\n");
    let file = workspace.path("app.py");
    let program = kit::process::familiar_binary();
    let args = [program.to_str().expect("a path"), file.to_str().expect("a path"), "1", "2"];
    let client = home.program(&example("language-client"), &args);
    let client = client.env("FAMILIAR_MODELS", starter().parent().expect("a folder"));
    let shown = client.run().success();
    let path = shown.trim().strip_prefix("file://").unwrap_or_else(|| panic!("no document: {shown}"));
    let document = std::fs::read_to_string(path).expect("the document is there");
    assert!(document.starts_with("# ") && document.contains("app.py:1-2"), "{document}");
}
