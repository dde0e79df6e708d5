//! A writing process that is killed loses nothing it acknowledged.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{ask, end};
use crate::database::damage;
use crate::{MessageState, RunOutcome, RunState, Store};

/// Names the folder to write to; its presence makes this program the writer.
pub(super) const WRITER_FOLDER: &str = "STORE_TEST_WRITER_FOLDER";
/// Processes killed by one test.
pub(super) const KILLS: u64 = 5;
/// Decides after how many acknowledgements each is killed.
pub(super) const SEED: u64 = 0x5EED_F00D;
const NAME: &str = "tests::kill::a_killed_writer_loses_nothing_it_acknowledged";

#[test]
fn a_killed_writer_loses_nothing_it_acknowledged() {
    if let Some(folder) = env::var_os(WRITER_FOLDER) {
        write_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut random, mut acknowledged) = (SEED, Vec::new());
    for kill in 1..=KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines = 3 + (random >> 33) % 60;
        let before = acknowledged.len();
        acknowledged.extend(run_and_kill(NAME, folder.path(), lines as usize));
        assert!(acknowledged.len() >= before + lines as usize);

        let store = Store::open(folder.path()).unwrap();
        let scene = format!("seed {SEED:#x}, kill {kill} after {lines} lines");
        assert!(store.report().after_crash, "{scene}");
        assert_eq!(damage(&store.user.writer()).unwrap(), None, "{scene}");
        for line in &acknowledged {
            check(&store, line, &scene);
        }
        let open = store.open_runs().unwrap();
        assert!(open.len() <= 1, "{scene}: one writer has one run open");
        assert_eq!(store.interrupt_open_runs().unwrap().len(), open.len(), "{scene}");
        for run in open {
            let message = store.message(&run.message_id).unwrap();
            assert_eq!(message.state, MessageState::Interrupted, "{scene}");
            assert!(["", "half"].contains(&message.content.as_str()), "{scene}: {}", message.content);
        }
    }
}

/// One acknowledged line: what was done, to which run.
fn check(store: &Store, line: &str, scene: &str) {
    let (what, run_id) = line.split_once(' ').unwrap();
    let run = store.run(run_id).unwrap_or_else(|error| panic!("{scene}: {line}: {error}"));
    let answer = store.message(&run.message_id).unwrap();
    let question = store.message(answer.parent_id.as_deref().unwrap()).unwrap();
    assert_eq!(question.content, "why?", "{scene}: {line}");
    match what {
        "begun" => {}
        "kept" => assert_ne!(answer.content, "", "{scene}: {line}"),
        "done" => {
            assert_eq!((run.state, answer.content.as_str()), (RunState::Done, "whole"), "{scene}: {line}");
            assert!(store.usage_of_run(run_id).unwrap().is_some(), "{scene}: {line}");
        }
        other => panic!("{scene}: the writer said {other}"),
    }
}

/// Starts the writer of `test`, kills it in the middle of its work and tells everything it acknowledged.
pub(super) fn run_and_kill(test: &str, folder: &Path, lines: usize) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WRITER_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    for line in output.lines() {
        // A line that was cut by the kill has no end mark and was not acknowledged.
        let line = line.unwrap();
        if let Some(said) = line.strip_prefix("ack ").and_then(|said| said.strip_suffix(" .")) {
            acknowledged.push(said.to_owned());
        }
        if acknowledged.len() == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged
}

/// Asks and answers for ever, saying each thing once the store has returned.
fn write_until_killed(folder: &Path) -> ! {
    let store = Store::open(folder).unwrap();
    let mut output = std::io::stdout();
    let mut say = |what: &str, run_id: &str| {
        write!(output, "\nack {what} {run_id} .\n").unwrap();
        output.flush().unwrap();
    };
    loop {
        let chat = store.create_chat("", None).unwrap().id;
        let begun = ask(&store, &chat, "why?");
        say("begun", &begun.run_id);
        store.checkpoint_run(&begun.run_id, "half").unwrap();
        say("kept", &begun.run_id);
        store.finish_run(&begun.run_id, &end(RunOutcome::Done, "whole")).unwrap();
        say("done", &begun.run_id);
    }
}
