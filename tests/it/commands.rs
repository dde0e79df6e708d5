//! Commands without a daemon: what they print, how they fail, what they leave behind. Refuses: output that scripts
//! could not trust.

use std::fs;

use expect_test::expect_file;
use kit::TempWorkspace;
use kit::process::{Signal, Stream, TempHome};
use kit::redact::Redactor;
use serde_json::json;

use crate::project::{django, familiar, json, root};

const CODE: &str = "\
//- /app/rocket.py
class Rocket:
    \"\"\"Flies.\"\"\"

    def launch(self, fuel):
        return fuel > 9000

//- /notes.md
# Notes

Fuel is kept in the blue tank.

//- /.env
SECRET=hunter2
";

#[test]
fn every_command_explains_itself() {
    let home = TempHome::new();
    let mut page = String::new();
    for command in [
        "",
        "serve",
        "lsp",
        "ask",
        "search",
        "index",
        "eval",
        "models",
        "models pull",
        "models list",
        "tokens",
        "tokens create",
        "open",
        "status",
        "stop",
        "doctor",
        "config",
        "config show",
    ] {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = familiar(&home, &words).run().success();
        assert!(!help.contains('\u{1b}'), "no colours in a pipe: {help:?}");
        page.push_str(&format!("$ familiar {}\n{help}\n", words.join(" ")));
    }
    expect_file!["snapshots/help.txt"].assert_eq(&page);
}

#[test]
fn bad_input_is_one_clear_line_with_the_next_step() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new(CODE);
    let file = workspace.path("notes.md");
    for (args, code, words) in [
        (vec!["bogus"], 2, "unrecognized subcommand"),
        (vec!["serve", "--bogus"], 2, "--bogus"),
        (vec!["serve", "--port", "99999"], 2, "99999"),
        (vec!["serve", "--workspace", "/no/such/folder"], 1, "there is no folder"),
        (vec!["index", "/no/such/folder"], 1, "there is no folder"),
        (vec!["index", file.to_str().expect("a path")], 1, "folder"),
        (vec!["search", "x", "--workspace", "/no/such/folder"], 1, "there is no folder"),
        (vec!["search", " ", "--workspace", "."], 2, "nothing to look for"),
        (vec!["eval"], 2, "required"),
        (vec!["eval", "--sets", "/no/such/file"], 1, "/no/such/file"),
        (vec!["eval", "--own", "/no/such/folder"], 1, "there is no folder"),
        (vec!["eval", "--own", workspace.root().to_str().expect("a path")], 1, "a git repository"),
        (vec!["eval", "--sets", ".", "--compare", "a", "b"], 2, "cannot be used with"),
        (vec!["ask", "why?", "--file", "nothing.py"], 1, "nothing.py"),
        (vec!["models", "pull", "nope"], 1, "names no model"),
        (vec!["tokens", "create", "--name", ""], 1, "name"),
        (vec!["tokens", "revoke", "nothing"], 1, "no token"),
    ] {
        let told = familiar(&home, &args).run().failure(code);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].starts_with("familiar: ") && lines[0].contains(words), "{args:?}: {told}");
        assert!(
            lines.len() <= 2 && lines.get(1).is_none_or(|line| line.starts_with("  hint: ")),
            "{args:?}: {told}"
        );
    }
    assert!(home.processes().is_empty());
}

#[test]
fn search_answers_as_json_and_leaves_nothing_running() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new(CODE);
    let root = workspace.root().to_str().expect("a path");
    let indexed = familiar(&home, &["index", root]).run().success();
    assert!(indexed.starts_with("2 files, "), "{indexed}");
    assert!(indexed.contains("secret"), "what was skipped is named: {indexed}");
    let found = familiar(&home, &["search", "launch", "--workspace", root, "--json", "--limit", "1"]).run();
    assert_eq!(found.stderr, "", "standard error is silent on success");
    let found = json(&found.success());
    let hits = found["hits"].as_array().expect("a list");
    assert_eq!(hits.len(), 1);
    let hit = hits[0].as_object().expect("an object");
    let keys: Vec<&str> = hit.keys().map(String::as_str).collect();
    let mut expected = vec!["path", "start_line", "end_line", "symbol", "kind", "score", "why", "text"];
    expected.sort_unstable();
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!(hit["path"], "app/rocket.py");
    assert!(hit["text"].as_str().is_some_and(|text| text.contains("def launch")));
    let secret = familiar(&home, &["search", "hunter2", "--workspace", root, "--json"]).run().success();
    assert!(!secret.contains("hunter2"), "{secret}");
    assert!(home.processes().is_empty());

    workspace.write("app/rocket.py", "def ignite():\n    pass\n");
    let found = json(&familiar(&home, &["search", "ignite", "--workspace", root, "--json"]).run().success());
    assert_eq!(found["hits"][0]["symbol"], "ignite", "a change is found without asking for it: {found}");
    familiar(&home, &["index", "--forget", root]).run().success();
    let names = fs::read_dir(workspace.root()).expect("readable").count();
    assert_eq!(names, 3, "nothing was written into the workspace");
}

#[test]
fn django_is_indexed_once_and_found_again() {
    let home = TempHome::new();
    let project = django();
    let workspace = project.to_str().expect("a path");
    let first = familiar(&home, &["index", workspace]).run().success();
    let files: u64 = first.split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
    assert!(files > 2_000, "{first}");
    let again = familiar(&home, &["index", workspace]).run().success();
    assert_eq!(again.split(' ').next(), first.split(' ').next());
    let args = ["search", "get_session_auth_hash", "--workspace", workspace, "--json", "--limit", "5"];
    let found = json(&familiar(&home, &args).run().success());
    let paths: Vec<&str> =
        found["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["path"].as_str()).collect();
    assert!(paths.contains(&"django/contrib/auth/base_user.py"), "{paths:?}");
}

#[test]
fn configuration_is_shown_with_its_origin_and_mistakes_are_survived() {
    let home = TempHome::new();
    let folder = home.root().join("config");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.toml"), "port = 5005\nlog_levle = \"debug\"\n").expect("written");
    let shown = familiar(&home, &["config", "show"]).run();
    let all = format!("{}{}", shown.stdout, shown.stderr);
    shown.success();
    let port = all.lines().find(|line| line.starts_with("port")).expect("the port is shown");
    assert!(port.contains("5005") && port.contains("config.toml"), "{port}");
    assert!(all.contains("log_levle") && all.contains("log_level`?"), "the typo is named: {all}");
    let model = all.lines().find(|line| line.starts_with("model ")).expect("the model is shown");
    assert!(model.contains("default"), "{model}");
}

#[test]
fn the_commented_configuration_holds_every_setting_and_no_mistake() {
    let home = TempHome::new();
    let folder = home.root().join("config");
    fs::create_dir_all(&folder).expect("a folder");
    let example = fs::read_to_string(root().join("examples/config.toml")).expect("the example");
    fs::write(folder.join("config.toml"), &example).expect("written");
    let shown = familiar(&home, &["config", "show", "--json"]).run();
    assert_eq!(shown.stderr, "");
    let shown = json(&shown.success());
    for setting in shown["settings"].as_array().expect("settings") {
        assert_eq!(setting["origin"], "file", "{setting} is missing in the example");
    }
}

#[test]
fn models_are_listed_pulled_from_an_address_and_refused_when_damaged() {
    let home = TempHome::new();
    let listed = json(&familiar(&home, &["models", "list", "--json"]).run().success());
    let starter =
        listed["models"].as_array().and_then(|models| models.iter().find(|model| model["name"] == "starter"));
    assert_eq!(starter.expect("the starter")["size_bytes"], 98_362_432_u64);

    let server = kit::http::Server::start();
    server.script("/tiny.gguf", [kit::http::Reply::ok("not a model")]);
    let url = server.url("/tiny.gguf");
    let told = home.familiar(&["models", "pull", &url]).run().failure(1);
    assert!(told.contains("cannot be used"), "{told}");
    let listed = json(&home.familiar(&["models", "list", "--json"]).run().success());
    assert_eq!(listed["models"], json!([]), "nothing unchecked is kept");
}

#[test]
fn doctor_proves_each_link() {
    let home = TempHome::new();
    let told = familiar(&home, &["doctor"]).run().success();
    for link in ["binary", "home", "port", "model", "token", "index"] {
        assert!(told.lines().any(|line| line.starts_with("ok") && line.contains(link)), "no {link} in\n{told}");
    }
    let told = home.familiar(&["doctor"]).run();
    assert_eq!(told.code, Some(1));
    let all = format!("{}{}", told.stdout, told.stderr);
    assert!(all.contains("familiar models pull starter"), "the fix is named: {all}");
}

const SETS: &str = r#"
//- /colours.jsonl
{"set":"colours","id":"0","kind":"question","query":"mix two colours","gold":[{"path":"mix.py"}]}
{"set":"colours","id":"1","kind":"question","query":"nothing fits this","gold":[{"path":"none.py"}]}

//- /colours.docs.jsonl
{"path":"mix.py","text":"def mix(colours):\n    return sum(colours) / 2\n"}
{"path":"tank.py","text":"def fuel(tank):\n    return tank.level\n"}
"#;

#[test]
fn search_is_measured_apart_from_the_own_index() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new(SETS);
    let (sets, result) = (workspace.path("colours.jsonl"), workspace.path("result.json"));
    let (sets, result) = (sets.to_str().expect("a path"), result.to_str().expect("a path"));
    let told = familiar(&home, &["eval", "--sets", sets, "--json", result, "--details"]).run();
    assert_eq!(told.stderr, "", "standard error is silent on success");
    let table = told.success();
    for line in
        ["colours: 2 questions", "mrr                0.500", "not in the index: none.py", "2 questions in "]
    {
        assert!(table.contains(line), "{line}: {table}");
    }
    assert!(!home.root().join("cache").join("index").exists(), "the user's index is another");
    let compared = familiar(&home, &["eval", "--compare", result, result]).run().success();
    assert!(compared.lines().any(|line| line.starts_with("colours") && line.contains(" 2 ")), "{compared}");
    assert!(home.processes().is_empty());
}

#[test]
fn an_interrupted_command_ends_at_once() {
    let home = TempHome::new();
    let project = django();
    let index = familiar(&home, &["index", project.to_str().expect("a path")]).spawn();
    // The lock of the index shows that it is at work.
    let cache = home.root().join("cache");
    while !cache.join("index").exists() && index.is_running() {
        std::thread::yield_now();
    }
    index.signal(Signal::Interrupt);
    assert_ne!(index.wait().code, Some(0));
    let redacted = Redactor::new().path(&home.root(), "[home]").redact(&index.output(Stream::Err));
    assert!(!redacted.contains("panicked"), "{redacted}");
    familiar(&home, &["index", project.to_str().expect("a path")]).run().success();
}
