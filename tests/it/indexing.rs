//! `familiar index` beside other commands: who has the index, what is said of it meanwhile, and what an interrupt ends.
//! Refuses: waits that are not told, and words that are not true.

use std::fs;
use std::time::Duration;

use kit::TempWorkspace;
use kit::process::{Process, Signal, Stream, TempHome};
use serde_json::Value;

use crate::project::{django, familiar, json, serve};

/// Between two looks. Without a pause the looks would take a processor from the index they wait for.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

const CODE: &str = "//- /a.py\ndef launch():\n    pass\n//- /b.py\ndef land():\n    pass\n";

fn status(home: &TempHome, root: &str) -> Value {
    json(&familiar(home, &["index", "--status", "--json", root]).run().success())
}

#[test]
fn a_watched_index_stands_in_nobodys_way() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new(CODE);
    let root = workspace.root().to_str().expect("a path");
    let watching = familiar(&home, &["index", "--watch", root]).spawn();
    watching.wait_for(Stream::Out, "watching");
    let seen = status(&home, root);
    assert_eq!(
        (&seen["state"], &seen["files"], &seen["watching"]),
        (&"ready".into(), &2.into(), &"events".into())
    );
    familiar(&home, &["index", "--pause", root]).run().success();
    let told = familiar(&home, &["index", "--status", root]).run().success();
    assert!(told.contains("complete, but paused: 2 files"), "{told}");
    let told = familiar(&home, &["status"]).run().success();
    assert!(told.contains("paused, and large changes wait") && !told.contains("ready, 2 files"), "{told}");
    familiar(&home, &["index", "--resume", root]).run().success();
    let rebuilt = familiar(&home, &["index", "--rebuild", root]).run().success();
    assert_eq!(rebuilt.lines().last(), Some(format!("indexed {root}").as_str()), "{rebuilt}");
    workspace.write("c.py", "def orbit():\n    pass\n");
    watching.wait_for(Stream::Out, "3 files (+1)");
    watching.wait_for(Stream::Out, "read c.py");
    watching.signal(Signal::Interrupt);
    assert_eq!(watching.wait().code, Some(0));
    assert!(home.processes().is_empty(), "the daemon that was started for it ends with it");
    assert_eq!(status(&home, root)["files"], 3);
}

#[test]
fn a_daemon_that_was_there_outlives_the_watching() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new(CODE);
    let daemon = serve(familiar(&home, &["serve"]));
    let watching = familiar(&home, &["index", "--watch", workspace.root().to_str().expect("a path")]).spawn();
    watching.wait_for(Stream::Out, "watching");
    watching.signal(Signal::Interrupt);
    assert_eq!(watching.wait().code, Some(0));
    assert!(daemon.process.is_running());
    familiar(&home, &["stop"]).run().success();
    daemon.process.wait();
}

/// A command that indexes without a daemon, held still in the midst of it.
fn held_still(home: &TempHome, root: &str) -> Process {
    let index = familiar(home, &["index", root]).spawn();
    let indexes = home.root().join("cache/index");
    let is_begun = || {
        fs::read_dir(&indexes)
            .is_ok_and(|mut all| all.any(|one| one.is_ok_and(|one| one.path().join("base/manifest.db").exists())))
    };
    while !is_begun() {
        assert!(index.is_running(), "it was done before anybody could look");
        std::thread::sleep(LOOK_PAUSE);
    }
    index.signal(Signal::Stop);
    index
}

#[test]
fn whoever_has_the_home_is_named() {
    let home = TempHome::new();
    let project = django();
    let root = project.to_str().expect("a path");
    let workspace = TempWorkspace::new(CODE);
    let other = workspace.root().to_str().expect("a path");
    let index = held_still(&home, root);
    let holder = format!("`familiar index {root}` (pid {})", index.pid());
    let seen = status(&home, root);
    assert_eq!(seen["state"], "building", "{seen}");
    let notes = seen["notes"].to_string();
    assert!(notes.contains(&holder) && notes.contains("has this index open"), "{notes}");
    assert_eq!(status(&home, other)["state"], "none");
    let waiting = familiar(&home, &["index", "--pause", other]).spawn();
    waiting.wait_for(Stream::Err, &format!("waiting for {holder}"));
    let found = json(&familiar(&home, &["search", "launch", "--json", "--workspace", other]).run().success());
    assert_eq!(found["hits"][0]["path"], "a.py");
    let notice = found["notice"].as_str().expect("a notice");
    assert!(notice.contains("no index of this folder yet"), "{notice}");
    index.signal(Signal::Continue);
    index.signal(Signal::Interrupt);
    assert_eq!(index.wait().code, Some(130));
    waiting.wait().success();
}

#[test]
fn an_interrupt_says_that_the_daemon_goes_on() {
    let home = TempHome::new();
    let project = django();
    let root = project.to_str().expect("a path");
    let daemon = serve(familiar(&home, &["serve"]));
    let index = familiar(&home, &["index", root]).spawn();
    loop {
        let seen = status(&home, root);
        if seen["state"] == "building" && seen["done"].as_u64() > Some(0) {
            break;
        }
        assert_ne!(seen["state"], "ready", "it was done before anybody could interrupt it");
    }
    index.signal(Signal::Interrupt);
    let told = index.wait().failure(130);
    assert!(told.contains("the daemon goes on in the background"), "{told}");
    assert!(told.contains(&format!("`familiar index --pause {root}` holds that up")), "{told}");
    while status(&home, root)["state"] != "ready" {
        std::thread::sleep(LOOK_PAUSE);
    }
    familiar(&home, &["stop"]).run().success();
    daemon.process.wait();
}
