//! The whole way with the real model on a real project: serve, index, ask over HTTP and from the shell, kill the
//! worker in mid-answer, ask again. Refuses: depending on what a small model happens to say.

use kit::process::{Signal, TempHome};
use serde_json::{Value, json};

use crate::project::{django, events, familiar, http, json, serve, starter, token};

const QUESTION: &str = "How does get_session_auth_hash work?";

fn check_citations(citations: &Value) {
    let citations = citations.as_array().expect("a list");
    assert!(!citations.is_empty(), "an answer has sources");
    for (at, citation) in citations.iter().enumerate() {
        assert_eq!(citation["n"], at as u64 + 1);
        let path = django().join(citation["path"].as_str().expect("a path"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (start, end) =
            (citation["start_line"].as_u64().expect("a line"), citation["end_line"].as_u64().expect("a line"));
        assert!(1 <= start && start <= end && end <= text.lines().count() as u64, "{citation}");
        assert!(citation["used"].is_boolean());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grounded_answer_survives_the_death_of_the_worker() {
    let home = TempHome::new();
    let project = django();
    let workspace = project.to_str().expect("a path");
    let daemon = serve(familiar(&home, &["serve", "--workspace", workspace]));
    let healthy = http().get(daemon.url("/healthz")).send().await.expect("it answers");
    assert!(healthy.status().is_success(), "before indexing and loading");

    let indexed = familiar(&home, &["index", workspace]).run().success();
    assert!(indexed.contains("files") && indexed.contains("chunks"), "{indexed}");

    let token = token(&home);
    let ask = |question: &str| {
        let body = json!({ "workspace": workspace, "question": question }).to_string();
        let request = http().post(daemon.url("/api/v1/ask")).bearer_auth(&token);
        request.header("content-type", "application/json").header("accept", "text/event-stream").body(body).send()
    };
    let seen = events(ask(QUESTION).await.expect("it answers"), |_| false).await;
    let kinds: Vec<&str> = seen.iter().filter_map(|event| event["type"].as_str()).collect();
    let at = |kind: &str| {
        kinds.iter().position(|seen| *seen == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"))
    };
    assert!(at("sources") < at("text") && at("finished") == kinds.len() - 1, "{kinds:?}");
    let answer = &seen[at("finished")]["answer"];
    let streamed: String = seen.iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(answer["text"], streamed.as_str(), "what is streamed is what is kept");
    assert_eq!(answer["model"], "starter");
    assert!(answer["usage"]["answer_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
    check_citations(&answer["citations"]);

    let mut killed = false;
    let broken = events(ask("Describe Django in as many words as you can.").await.expect("it answers"), |event| {
        if event["type"] == "text" && !killed {
            killed = true;
            Signal::Kill.send(worker(&home));
        }
        false
    });
    let broken = broken.await;
    let last = broken.last().expect("an end");
    assert!(killed, "the answer had begun");
    assert_eq!(last["error"]["kind"], "unavailable", "a broken answer never looks like a short one: {last}");

    let again = familiar(&home, &["ask", QUESTION, "--workspace", workspace, "--json"]).run().success();
    let again = json(&again);
    assert!(again["answer"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(again["manifest"]["sent"].as_array().is_some_and(|sent| !sent.is_empty()));
    assert!(again["usage"]["prompt_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
    check_citations(&again["citations"]);
    assert!(daemon.process.is_running(), "the daemon never noticed");

    familiar(&home, &["stop"]).run().success();
    assert_eq!(daemon.process.wait().code, Some(0));
    assert!(home.processes().is_empty(), "nothing is left running: {:?}", home.processes());
}

fn worker(home: &TempHome) -> u32 {
    let status = json(&familiar(home, &["status", "--json"]).run().success());
    let pid = status["model"]["pid"].as_u64().unwrap_or_else(|| panic!("no worker in {status}"));
    u32::try_from(pid).expect("a process id")
}

#[test]
fn asking_starts_a_daemon_and_reads_what_is_piped_in() {
    let home = TempHome::new();
    let workspace = kit::TempWorkspace::new("//- /app.py\ndef launch_rocket(fuel):\n    return fuel > 9000\n");
    let root = workspace.root().to_str().expect("a path");
    let ask = familiar(&home, &["ask", "When does launch_rocket work?", "--workspace", root, "--show-context"]);
    let shown = ask.input("ValueError: not enough fuel\n").run().success();
    assert!(shown.contains("app.py:1-2"), "{shown}");
    let focused = ["ask", "Explain this.", "--workspace", root, "--file", "app.py:2-2", "--json"];
    let answer = json(&familiar(&home, &focused).in_folder(workspace.root()).run().success());
    let first = &answer["citations"][0];
    assert_eq!(
        (&first["path"], &first["start_line"], &first["end_line"]),
        (&json!("app.py"), &json!(2), &json!(2))
    );
    let status = json(&familiar(&home, &["status", "--json"]).run().success());
    assert_eq!(status["auto_started"], true, "{status}");
    assert!(starter().exists(), "the models of the tests stay where they are");
}

#[test]
fn without_a_model_the_passages_are_shown_and_it_is_no_failure() {
    let home = TempHome::new();
    let workspace = kit::TempWorkspace::new("//- /app.py\ndef launch_rocket(fuel):\n    return fuel > 9000\n");
    let root = workspace.root().to_str().expect("a path");
    let finished = home.familiar(&["ask", "launch_rocket", "--workspace", root]).run();
    let all = format!("{}{}", finished.stdout, finished.stderr);
    finished.success();
    assert!(all.contains("def launch_rocket") && all.contains("familiar models pull starter"), "{all}");
}
