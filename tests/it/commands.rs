//! Commands without a daemon: what they print, how they fail, what they leave behind. Refuses: output that scripts
//! could not trust.

use std::fs;
use std::time::Duration;

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
        "setup",
        "lsp",
        "ask",
        "search",
        "index",
        "eval",
        "models",
        "models pull",
        "models list",
        "models recommend",
        "models derive",
        "models use",
        "models verify",
        "models unload",
        "models remove",
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
        (vec!["eval", "--own", workspace.root().to_str().expect("a path")], 1, "in no git repository"),
        (vec!["eval", "--own", "--limit-tasks", "0"], 2, "'--limit-tasks <N>': give a number from 1 on"),
        (vec!["eval", "--sets", file.to_str().expect("a path")], 1, "the line is no JSON"),
        (vec!["eval", "--compare", file.to_str().expect("a path"), "b"], 1, "it holds no scores"),
        (vec!["eval", "--edits"], 2, "no folder was named in which the exercises lie"),
        (vec!["eval", "--edits", "exercism/cobol"], 2, "exercism/cobol"),
        (vec!["eval", "--answers", "/no/such/file"], 1, "/no/such/file: there is no such file"),
        (vec!["eval", "--answers", ".", "--model", "x"], 2, "cannot be used with"),
        (vec!["search", "x", "--limit", "0"], 2, "'--limit <N>': give a number from 1 to 200"),
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
    let folder = workspace.root().to_str().expect("a path");
    let told = familiar(&home, &["search", "--batch", "-", "--workspace", folder]).input("\n{").run().failure(2);
    assert!(told.starts_with("familiar: standard input, line 2: it is no JSON"), "{told}");
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
    let search = |more: &[&str]| {
        let words = [&["search", "ignite", "--workspace", root][..], more].concat();
        familiar(&home, &words).in_folder(&workspace.path("app")).run().success()
    };
    assert!(search(&["--path", "rocket.py"]).contains("app/rocket.py:1"), "a path counts from where one is");
    let nowhere = search(&["--path", "nosuch"]);
    assert!(nowhere.contains("matches `nosuch` in ") && nowhere.contains("`**/*.py`"), "{nowhere}");
    let secret = search(&["--path", ".env"]);
    assert!(secret.contains("`.env` is not shown: it may hold secrets"), "{secret}");
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
    for link in ["binary", "home", "port", "model", "token", "index", "cache"] {
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
    assert_eq!(told.stderr, "1 of 1 trees: colours, 2 questions\n", "one line for each repository or set");
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
        // Without a pause the looks would take a processor from the command they wait for.
        std::thread::sleep(Duration::from_millis(2));
    }
    index.signal(Signal::Interrupt);
    assert_ne!(index.wait().code, Some(0));
    let redacted = Redactor::new().path(&home.root(), "[home]").redact(&index.output(Stream::Err));
    assert!(!redacted.contains("panicked"), "{redacted}");
    familiar(&home, &["index", project.to_str().expect("a path")]).run().success();
}

/// A repository beside the sets stands for the one on the network.
#[test]
fn missing_repositories_are_cloned_by_name() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /hub/own/er/mix.py\ndef mix(colours):\n    return sum(colours) / 2\n");
    let source = workspace.path("hub/own/er");
    let git = |words: &[&str]| {
        let mut git = std::process::Command::new("git");
        let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"];
        let done = git.args(who).args(words).current_dir(&source).output().expect("git is there");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("a text").trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "mix colours"]);
    let rev = git(&["rev-parse", "HEAD"]);
    let task = json!({ "set": "lite", "id": "0", "repo": "own/er", "rev": rev, "kind": "issue",
        "query": "mix two colours", "gold": [{ "path": "mix.py" }] });
    fs::write(workspace.path("lite.jsonl"), format!("{task}\n")).expect("it is written");
    let (sets, repos) = (workspace.path("lite.jsonl"), workspace.path("repos"));
    let (sets, repos) = (sets.to_str().expect("a path"), repos.to_str().expect("a path"));
    let origin = format!("file://{}", workspace.path("hub").display());
    let command = ["eval", "--sets", sets, "--repos", repos];
    let told = familiar(&home, &command).run().failure(1);
    assert!(told.contains("--clone"), "{told}");
    let nowhere = familiar(&home, &[&command[..], &["--clone", "file:///nowhere"]].concat()).run().failure(1);
    assert!(nowhere.contains("cannot be cloned"), "{nowhere}");
    let told = familiar(&home, &[&command[..], &["--clone", &origin]].concat()).run();
    for line in ["cloning 1 of 1: own/er", "1 of 1 trees: own/er at "] {
        assert!(told.stderr.contains(line), "{line}: {}", told.stderr);
    }
    let table = told.success();
    assert!(table.contains("all@1              1.000") && table.contains("all@N"), "{table}");
    assert!(workspace.path("repos/own+er/repo/HEAD").is_file());
    let again = familiar(&home, &[&command[..], &["--clone", "file:///nowhere"]].concat()).run();
    assert!(!again.stderr.contains("cloning"), "what is there is not cloned again: {}", again.stderr);
}

/// What is asked while the daemon builds its first index of a large folder is answered from the files.
#[test]
fn a_search_answers_correctly_while_the_first_index_is_being_built() {
    const LOOKS_MAX: usize = 8;
    let home = TempHome::new();
    let workspace = TempWorkspace::empty();
    let body: String = (0..400)
        .map(|n| format!("def step_{n}(value):\n    return value * {n} + other_{n}(value)\n\n\n"))
        .collect();
    // Names of one file: more to index than any machine gets done meanwhile, and no room on the disk.
    let crowd = workspace.path("crowd.py");
    fs::write(&crowd, &body).expect("it is written");
    for at in 0..12_000 {
        fs::hard_link(&crowd, workspace.path(&format!("crowd_{at:05}.py"))).expect("it is linked");
    }
    fs::create_dir(workspace.path("tests")).expect("it is made");
    let postage = "class Parcel:\n    def postage(self):\n        return 3\n\n\ndef send(parcel):\n    return parcel.postage()\n";
    fs::write(workspace.path("tests/parcel_postage.py"), postage).expect("it is written");
    let folder = workspace.root().to_str().expect("a path");
    let daemon = crate::project::serve(familiar(&home, &["serve", "--workspace", folder]));
    for (query, kind) in
        [("Parcel::postage", "auto"), ("the postage of a parcel", "auto"), ("Parcel.postage", "symbol")]
    {
        let words = ["search", query, "--kind", kind, "--json", "--related", "--workspace", folder];
        let mut found = json(&familiar(&home, &words).run().success());
        // A look through the files ends after a second, in which a busy machine may not get as far as parsing what it
        // found: then it is asked again.
        for _ in 1..LOOKS_MAX {
            if found["hits"][0]["symbol"].is_string() {
                break;
            }
            found = json(&familiar(&home, &words).run().success());
        }
        let first = &found["hits"][0];
        assert_eq!(first["path"], "tests/parcel_postage.py", "{query}: {found}");
        assert!(first["symbol"].as_str().is_some_and(|symbol| symbol.starts_with("Parcel")), "{query}: {first}");
        assert!(found["notice"].as_str().is_some_and(|notice| notice.contains("index")), "{query}: {found}");
        assert_eq!(found["related"]["path"], "tests/parcel_postage.py");
    }
    let status = json(&familiar(&home, &["status", "--json"]).run().success());
    assert_eq!(status["workspaces"][0]["state"], "building", "the answers came before the index: {status}");
    daemon.process.signal(Signal::Interrupt);
    daemon.process.wait();
}

#[test]
fn a_language_that_nobody_knows_and_a_broken_pattern_are_explained() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new(CODE);
    let folder = workspace.root().to_str().expect("a path");
    let told =
        familiar(&home, &["search", "launch", "--language", "klingon", "--workspace", folder]).run().failure(1);
    assert!(told.contains("no language is called `klingon`") && told.contains("python"), "{told}");
    let told = familiar(&home, &["search", "launch(", "--kind", "regex", "--workspace", folder]).run().failure(1);
    assert!(told.contains("unclosed group at character 7, `(`"), "{told}");
    let shown = familiar(&home, &["search", "Rocket#launch", "--related", "--workspace", folder]).run().success();
    assert!(
        shown.contains("\nrelated to app/rocket.py:") && shown.contains("  outline       Rocket:1"),
        "{shown}"
    );
}
