//! Measuring as its callers see it: a repository made here, questions with known answers, whole runs.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{Repository, Signature};
use index::CancelFlag;
use index::eval::{EvalError, Options, Outcome, Sets, compare, own, report, run};
use serde_json::{Value, json};

/// A place with a repository `repos/own+er` and a work folder.
struct Place {
    folder: tempfile::TempDir,
    repository: Repository,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init(folder.path().join("repos/own+er")).unwrap();
        Self { folder, repository }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn tree(&self) -> PathBuf {
        self.repository.workdir().unwrap().to_owned()
    }

    /// Writes files and commits everything that is there; `None` removes a file.
    fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> String {
        self.commit_as("A Person", message, files)
    }

    fn commit_as(&self, author: &str, message: &str, files: &[(&str, Option<&str>)]) -> String {
        let mut index = self.repository.index().unwrap();
        for (path, text) in files {
            let full = self.tree().join(path);
            match text {
                Some(text) => {
                    fs::create_dir_all(full.parent().unwrap()).unwrap();
                    fs::write(&full, text).unwrap();
                }
                None => fs::remove_file(&full).unwrap(),
            }
        }
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = self.repository.find_tree(index.write_tree().unwrap()).unwrap();
        let head = self.repository.head().ok().and_then(|head| head.peel_to_commit().ok());
        // Commits of one second have no order, so each has a second of its own.
        let seconds = head.as_ref().map_or(1_700_000_000, |head| head.time().seconds() + 60);
        let who = Signature::new(author, "a@example.org", &git2::Time::new(seconds, 0)).unwrap();
        let parents: Vec<_> = head.iter().collect();
        self.repository.commit(Some("HEAD"), &who, &who, message, &tree, &parents).unwrap().to_string()
    }

    fn sets(&self, tasks: &[Value]) -> Sets {
        let file = self.path().join("set.jsonl");
        let lines: Vec<String> = tasks.iter().map(Value::to_string).collect();
        fs::write(&file, lines.join("\n")).unwrap();
        Sets::read(&[file], &[], None).unwrap()
    }

    fn run(&self, sets: &Sets) -> Outcome {
        let options = Options { repos: Some(self.path().join("repos")), work: self.path().join("work"), jobs: 2 };
        run(sets, &options, &|_| {}, &CancelFlag::new()).unwrap()
    }
}

const SESSION: &str = "class Session:\n    def check(self, token):\n        return token == self.secret\n\n    def close(self):\n        self.secret = None\n";
const PARSER: &str =
    "def parse_header(line):\n    name, value = line.split(':')\n    return name.strip(), value.strip()\n";

fn five_files(place: &Place) -> String {
    place.commit(
        "a start",
        &[
            ("src/session.py", Some(SESSION)),
            ("src/parser.py", Some(PARSER)),
            ("src/colour.py", Some("def blend(a, b):\n    return (a + b) / 2\n")),
            ("tests/test_parser.py", Some("def test_parse_header():\n    assert parse_header('a: b')\n")),
            ("README.md", Some("# A small program\n")),
        ],
    )
}

fn task(id: &str, rev: &str, query: &str, gold: Value) -> Value {
    json!({ "set": "lite", "id": id, "repo": "own/er", "rev": rev, "kind": "issue", "query": query, "gold": [gold] })
}

#[test]
fn a_run_scores_what_is_found_and_a_second_one_parses_nothing() {
    let place = Place::new();
    let rev = five_files(&place);
    let sets = place.sets(&[
        task(
            "header",
            &rev,
            "parse_header fails on an empty line",
            json!({ "path": "src/parser.py", "symbol": "parse_header" }),
        ),
        task(
            "token",
            &rev,
            "the session accepts a wrong token",
            json!({ "path": "src/session.py", "symbol": "Session.check" }),
        ),
        task("gone", &rev, "blend colours", json!({ "path": "src/missing.py" })),
    ]);
    let first = place.run(&sets);
    let score = |id: &str, name: &str| {
        let task = first.tasks.iter().find(|task| task.id == id).unwrap();
        task.scores.get(name).copied()
    };
    assert_eq!(score("header", "all@1"), Some(1.0));
    assert_eq!(score("header", "fn@5"), Some(1.0));
    assert_eq!(score("token", "all@1"), Some(1.0));
    assert_eq!(score("gone", "all@10"), Some(0.0));
    assert_eq!(score("gone", "fn@5"), None, "no function was asked for");
    assert_eq!(first.tasks[2].not_indexed, ["src/missing.py"]);
    assert_eq!(first.indexed["lite"].parsed, 5);
    let table = report::table(&first);
    assert!(table.contains("lite: 3 questions") && table.contains("all@1") && table.contains("0.667"), "{table}");
    assert!(report::details(&first).contains("gold src/missing.py"));
    let second = place.run(&sets);
    assert_eq!(second.indexed["lite"].parsed, 0);
    for row in compare(&first, &second) {
        assert_eq!((row.wins, row.losses), (0, 0), "{row:?}");
    }
    let stored: Outcome = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    let scores = |outcome: &Outcome| outcome.tasks.iter().map(|task| task.scores.clone()).collect::<Vec<_>>();
    assert_eq!(scores(&stored), scores(&first));
    assert_eq!(stored.tasks[0].top, first.tasks[0].top);
}

#[test]
fn a_root_is_searched_alone_and_gold_keeps_its_path() {
    let place = Place::new();
    let rev = five_files(&place);
    let mut only_src = task("src", &rev, "parse_header", json!({ "path": "src/parser.py" }));
    only_src["root"] = json!("src");
    let outcome = place.run(&place.sets(&[only_src]));
    assert_eq!(outcome.indexed["lite"].files, 3);
    assert_eq!(outcome.tasks[0].scores["all@1"], 1.0);
    assert!(outcome.tasks[0].top.iter().all(|hit| hit.starts_with("src/")));
}

#[test]
fn what_is_missing_is_said_and_the_rest_is_asked() {
    let place = Place::new();
    let rev = five_files(&place);
    let mut elsewhere = task("a", &rev, "parse_header", json!({ "path": "src/parser.py" }));
    elsewhere["repo"] = json!("not/here");
    let mut escaping = elsewhere.clone();
    escaping["repo"] = json!("../own+er");
    let no_commit = task("b", &"0".repeat(40), "parse_header", json!({ "path": "src/parser.py" }));
    let there = task("c", &rev, "parse_header", json!({ "path": "src/parser.py" }));
    let outcome = place.run(&place.sets(&[elsewhere, escaping, no_commit, there]));
    assert_eq!(outcome.tasks.len(), 1);
    assert_eq!(outcome.not_asked["lite"], 3);
    assert!(outcome.missing.iter().any(|line| line.contains("git clone --bare https://github.com/not/here")));
}

#[test]
fn sets_may_carry_their_documents() {
    let place = Place::new();
    let folder = place.path().join("sets");
    fs::create_dir_all(&folder).unwrap();
    let row = json!({ "set": "cosqa", "id": "0", "kind": "question", "query": "blend two colours", "gold": [{ "path": "f1.py" }] });
    fs::write(folder.join("cosqa.jsonl"), row.to_string()).unwrap();
    let documents = [
        json!({ "path": "f0.py", "text": PARSER }),
        json!({ "path": "f1.py", "text": "def blend(colours):\n    return sum(colours) / 2\n" }),
    ];
    fs::write(folder.join("cosqa.docs.jsonl"), documents.map(|document| document.to_string()).join("\n")).unwrap();
    let sets = Sets::read(std::slice::from_ref(&folder), &["cosqa".to_owned()], None).unwrap();
    assert_eq!(place.run(&sets).tasks[0].scores["mrr"], 1.0);
    let hostile = json!({ "path": "../f0.py", "text": "" });
    fs::write(folder.join("cosqa.docs.jsonl"), hostile.to_string()).unwrap();
    let outcome = place.run(&sets);
    assert!(outcome.tasks.is_empty() && outcome.missing[0].contains("no plain path"), "{outcome:?}");
}

#[test]
fn broken_sets_name_their_line() {
    let place = Place::new();
    let file = place.path().join("broken.jsonl");
    let shown = file.display();
    for (text, said) in [
        ("{\"set\": \"a\"", "1: the line is no JSON"),
        ("\"a\"", "1: the line is no question: invalid type: string \"a\", expected an object"),
        ("{\"set\": \"a\", \"id\": \"0\"}", "1: the line is no question: missing field `query`"),
        ("\n{\"set\":\"a\",\"id\":\"0\",\"query\":\"b\",\"gold\":[]}", "2: the question has no `gold`"),
    ] {
        fs::write(&file, text).unwrap();
        let error = Sets::read(std::slice::from_ref(&file), &[], None).unwrap_err();
        assert_eq!(error.to_string(), format!("{shown}:{said}"));
    }
    fs::write(&file, "{}").unwrap();
    let error = compare::read_outcome(&file).unwrap_err();
    assert_eq!(error.to_string(), format!("{shown}: it holds no scores that an evaluation wrote"));
    let missing = place.path().join("none.jsonl");
    let error = Sets::read(std::slice::from_ref(&missing), &[], None).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: there is no such file", missing.display()));
}

#[test]
fn a_raised_flag_ends_a_run() {
    let place = Place::new();
    let rev = five_files(&place);
    let sets = place.sets(&[task("a", &rev, "parse", json!({ "path": "src/parser.py" }))]);
    let options = Options { repos: Some(place.path().join("repos")), work: place.path().join("work"), jobs: 1 };
    let cancel = CancelFlag::new();
    cancel.cancel();
    assert!(matches!(run(&sets, &options, &|_| {}, &cancel), Err(EvalError::Cancelled)));
}

/// Everything below a folder, with contents.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.extend(contents(&entry));
        } else {
            all.push((entry.clone(), fs::read(&entry).unwrap()));
        }
    }
    all.sort();
    all
}

const DOCUMENTED: &str = "def retry(call, times):\n    \"\"\"Asks again after a failure until patience runs out.\n\n    More words.\n    \"\"\"\n    for _ in range(times):\n        try:\n            return call()\n        except OSError:\n            continue\n    raise TimeoutError\n";

#[test]
fn questions_about_ones_own_repository_do_not_leak() {
    let place = Place::new();
    five_files(&place);
    let retry = DOCUMENTED.replace("OSError", "ValueError");
    place.commit("add a way to try again and again", &[("src/retry.py", Some(&retry))]);
    let before = place.repository.head().unwrap().peel_to_commit().unwrap().id().to_string();
    place.commit(
        "Network failures count as failures too (#12)\n\nSeen in src/retry.py.\n\nSigned-off-by: A <a@example.org>",
        &[("src/retry.py", Some(DOCUMENTED)), ("src/extra/new.py", Some("x = 1\n"))],
    );
    place.commit(
        "Revert the blending of all the colours",
        &[("src/colour.py", Some("def blend(a, b):\n    return a\n"))],
    );
    place.commit_as(
        "dependabot[bot]",
        "Use newer colours for all of the blending",
        &[("src/colour.py", Some("y = 1\n"))],
    );
    place.commit(
        "Sessions forget their secret when they close",
        &[("src/session.py", Some(&SESSION.replace("None", "''"))), ("src/extra/new.py", None)],
    );
    let untouched = contents(&place.tree());
    let work = place.path().join("work");
    let sets = own::sets(&place.tree(), &work, 10, &CancelFlag::new()).unwrap();
    let of = |set: &str| sets.tasks.iter().filter(|task| task.set == set).collect::<Vec<_>>();
    let documented = of("own-docs");
    assert_eq!(documented.len(), 1);
    assert_eq!(documented[0].query, "Asks again after a failure until patience runs out");
    assert_eq!(documented[0].gold[0].symbol.as_deref(), Some("retry"));
    let edited = fs::read_to_string(sets.own.as_ref().unwrap().edited.join("src/retry.py")).unwrap();
    assert!(!edited.contains("patience") && !edited.contains("More words"), "{edited}");
    assert_eq!(edited.lines().count(), DOCUMENTED.lines().count());
    let commits = of("own-commits");
    let queries: Vec<&str> = commits.iter().map(|task| task.query.as_str()).collect();
    assert_eq!(
        queries,
        ["Network failures count as failures too\nSeen in", "Sessions forget their secret when they close"]
    );
    assert_eq!(commits[0].rev.as_deref(), Some(before.as_str()));
    assert_eq!(commits[0].gold.len(), 1);
    let outcome = place.run(&sets);
    assert_eq!(outcome.tasks.len(), 3);
    let (asked, committed) = outcome.tasks.split_first().unwrap();
    assert_eq!(asked.first, None, "no word of the documentation is left to be found: {asked:?}");
    assert!(committed.iter().all(|task| task.scores["all@1"] == 1.0), "{committed:?}");
    assert_eq!(outcome.indexed["own-commits"].trees, 2);
    // The folder has been taken from tree to tree and ends as the parent of the last commit.
    let replayed = work.join("trees/own-commits");
    assert_eq!(fs::read_to_string(replayed.join("src/session.py")).unwrap(), SESSION);
    assert_eq!(fs::read_to_string(replayed.join("src/colour.py")).unwrap(), "y = 1\n");
    assert!(replayed.join("src/extra/new.py").exists() && !replayed.join(".git").exists());
    assert_eq!(contents(&place.tree()), untouched, "the repository was written");
}

#[test]
fn a_folder_without_history_has_no_questions() {
    let folder = tempfile::tempdir().unwrap();
    let said = || {
        let sets = own::sets(folder.path(), &folder.path().join("work"), 10, &CancelFlag::new());
        sets.unwrap_err().to_string()
    };
    let beginning = format!("no questions can be made from {}: ", folder.path().display());
    assert_eq!(said(), format!("{beginning}it lies in no git repository"));
    Repository::init(folder.path()).unwrap();
    assert_eq!(said(), format!("{beginning}its git repository has no commit yet"));
}
