//! How edits are measured: exercises of a track that stands in for the public one, done by a scripted model, and recorded
//! answers. Refuses: the network, and depending on what a model says.

use kit::TempWorkspace;
use kit::process::{Signal, Stream, TempHome};
use serde_json::json;

use crate::project::{json, root};

/// A track as its repository has it, and an exercise that is none.
const TRACK: &str = r##"
//- /exercism+python/exercises/practice/leap/.meta/config.json
{"files": {"solution": ["leap.py"], "test": ["leap_test.py"]}}

//- /exercism+python/exercises/practice/leap/.docs/instructions.md
# Instructions

Tell whether a year is a leap year.

//- /exercism+python/exercises/practice/leap/leap.py
def leap_year(year):
    pass

//- /exercism+python/exercises/practice/none/.meta/config.json
{"files": {"solution": ["../leap/leap.py"]}}
"##;

const WHOLE: &str = "```python\ndef leap_year(year):\n    return year % 4 == 0\n```";
const BLOCK: &str = "leap.py\n<<<<<<< SEARCH\n    pass\n=======\n    return year % 4 == 0\n>>>>>>> REPLACE\n";

/// The track as a repository with one commit.
fn track() -> TempWorkspace {
    let workspace = TempWorkspace::new(TRACK);
    let git = |words: &[&str]| {
        let mut git = std::process::Command::new("git");
        let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"];
        let done = git.args(who).args(words).current_dir(workspace.path("exercism+python")).output();
        let done = done.expect("git is there");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "--quiet"]);
    git(&["add", "--force", "."]);
    git(&["commit", "--quiet", "-m", "exercises"]);
    workspace
}

/// The command that has a model with these answers do the exercises.
fn command(home: &TempHome, track: &TempWorkspace, replies: serde_json::Value) -> kit::process::Launch {
    let script = track.path("script.json");
    std::fs::write(&script, json!({ "replies": replies }).to_string()).expect("it is written");
    let edits = ["eval", "--edits", "exercism/python", "--repos"];
    home.familiar(&edits).arg(track.root()).arg("--scripted-model").arg(script)
}

#[test]
fn exercises_are_done_in_both_forms_and_counted() {
    let (home, track) = (TempHome::new(), track());
    let result = track.path("result.json");
    let replies = json!([{ "text": [WHOLE] }, { "text": ["I would rather not."] }, { "text": [BLOCK] }]);
    let told = command(&home, &track, replies).arg("--details").arg("--json").arg(&result).run();
    for line in
        ["1 of 2: exercism/python leap, whole: applied at answer 1 (", "leap, blocks: applied at answer 2 ("]
    {
        assert!(told.stderr.contains(line), "{line}: {}", told.stderr);
    }
    let report = told.success();
    for line in [
        "exercism/python at ",
        " (2 exercises); model scripted",
        "| whole  | exercism/python | 1         | 100 [21, 100] | 100 [21, 100] | 100 [21, 100]",
        "| blocks | exercism/python | 1         | 0 [0, 79]     | 100 [21, 100] | 0 [0, 79]",
        "- blocks: 1 of 2 answers: malformed 1",
        "left out: exercism/python none: its source file lies outside of it",
        "2 edits in ",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    let result = json(&std::fs::read_to_string(result).expect("it was written"));
    assert_eq!(result["done"][1]["answers"][1]["text"], BLOCK);
    assert!(home.processes().is_empty());
    assert!(!home.root().join("data/user.db").exists(), "the user's own history is another");
}

#[test]
fn what_was_measured_is_shown_when_it_is_broken_off() {
    let (home, track) = (TempHome::new(), track());
    let replies = json!([{ "text": [WHOLE] }, { "text": ["leap.py\n"], "hang": true }]);
    let running = command(&home, &track, replies).spawn();
    running.wait_for(Stream::Err, "1 of 2: exercism/python leap, whole: applied");
    running.signal(Signal::Interrupt);
    let ended = running.wait();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert!(ended.stdout.contains("1 edit of 2, broken off in "), "{ended:#?}");
    assert!(home.processes().is_empty());
}

#[test]
fn recorded_answers_are_read_again() {
    let home = TempHome::new();
    let corpus = root().join("server/engine/tests/edits/corpus");
    let report = home.familiar(&["eval", "--answers"]).arg(&corpus).run().success();
    let all = report.lines().find(|line| line.starts_with("| all ")).unwrap_or_else(|| panic!("{report}"));
    assert_eq!(all.split('|').nth(8).map(str::trim), Some("0"), "no answer becomes a wrong edit: {report}");

    let wrong = TempWorkspace::new(
        "//- /a.txt\n%% base a a.py\nx = 1\n%% case a wish\n%% on a\n%% answer\n```\nx = 2\n```\n%% gives\nx = 3\n",
    );
    let told = home.familiar(&["eval", "--details", "--answers"]).arg(wrong.root()).run();
    assert!(told.stdout.contains("a.txt, a wish: wrong"), "{}", told.stdout);
    assert!(told.failure(1).starts_with("familiar: 1 answer became a wrong edit"));
    std::fs::write(wrong.path("a.txt"), "%% sing\n").expect("it is written");
    let told = home.familiar(&["eval", "--answers"]).arg(wrong.root()).run().failure(1);
    assert!(told.contains("a.txt:1: a case has to begin before its parts"), "{told}");
}
