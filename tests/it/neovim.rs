//! The client of `editors/neovim` in a real Neovim, driven by keys, on the real program with a scripted model: the
//! prompt, marked changes, the preview, and the return of a lost server. Refuses: sleeps and other plugins; where there
//! is no Neovim the tests say so as those of the plain clients do.

use std::path::PathBuf;

use kit::TempWorkspace;
use kit::process::TempHome;
use serde_json::{Value, json};

use crate::editors::{code, daemon_saying, editors, endless, with_familiar};
use crate::project::{Daemon, json, root};

pub(crate) const ORIGINAL: &str =
    "def launch_rocket(fuel):\n    return fuel > 9000\n\n\ndef land(height):\n    return height < 10\n";
pub(crate) const EDITED: &str =
    "def launch_rocket(fuel):\n    return fuel >= 9001\n\n\ndef land(height):\n    return height <= 9\n";
pub(crate) const FIRST_EDITED: &str =
    "def launch_rocket(fuel):\n    return fuel >= 9001\n\n\ndef land(height):\n    return height < 10\n";
const FIRST_LINES_EDITED: &str = "def launch_rocket(fuel):\n    return fuel >= 9001\n";
const OTHERWISE: &str =
    "def launch_rocket(fuel):\n    return fuel > 9001\n\n\ndef land(height):\n    return height < 11\n";

/// Neovim, a home, and a git workspace with `app.py`.
struct Desk {
    neovim: PathBuf,
    home: TempHome,
    workspace: TempWorkspace,
}

impl Desk {
    /// `None` where there is no Neovim.
    fn new() -> Option<Self> {
        let neovim = editors()?.join("nvim");
        let workspace = TempWorkspace::new(&format!("//- /app.py\n{ORIGINAL}"));
        workspace.write(".git/HEAD", "ref: refs/heads/main\n");
        Some(Self { neovim, home: TempHome::new(), workspace })
    }

    /// A daemon whose model gives these answers.
    fn daemon(&self, replies: &Value) -> Daemon {
        daemon_saying(&self.home, replies)
    }

    /// Runs a script of `tests/it/editors`, which starts the Neovim that it drives.
    fn run(&self, script: &str) -> Value {
        let scripts = root().join("tests/it/editors");
        let init = self.home.user_folder().join("init.lua");
        let path = format!("package.path = {:?} .. package.path\n", format!("{}/?.lua;", scripts.display()));
        std::fs::write(&init, path).expect("written");
        let neovim = self.home.program(&self.neovim, &["--headless", "--clean", "-n", "-u"]).arg(&init);
        let neovim = with_familiar(&self.home, neovim).arg("-l").arg(scripts.join(script));
        let shown = neovim.in_folder(self.workspace.root()).run().success();
        json(shown.lines().last().unwrap_or_else(|| panic!("{script} reported nothing")))
    }
}

/// What a script saw under this name.
#[track_caller]
fn text<'a>(seen: &'a Value, name: &str) -> &'a str {
    seen[name].as_str().unwrap_or_else(|| panic!("no {name} in {seen:#}"))
}

#[track_caller]
fn check_shows(seen: &Value, name: &str, parts: &[&str]) {
    let screen = text(seen, name);
    for part in parts {
        assert!(screen.contains(part), "{name} does not show {part:?}:\n{screen}");
    }
}

#[test]
fn one_change_is_kept_and_the_other_reverted() {
    let Some(desk) = Desk::new() else { return };
    let _daemon = desk.daemon(&json!([code(EDITED)]));
    let seen = desk.run("client_review.lua");
    check_shows(&seen, "prompt", &["╭ Edit app.py:1-6", "Enter sends"]);
    check_shows(&seen, "judging", &["Familiar: 2 changes to judge", "┃"]);
    // The old lines stand above the new ones, and the change under the cursor says what can be done with it.
    check_shows(
        &seen,
        "first",
        &["    return fuel > 9000\n", "return fuel >= 9001", "<Space>ak keep <Space>au revert"],
    );
    assert_eq!(seen["changed"], EDITED.trim_end());
    assert_eq!(seen["judged"], FIRST_EDITED.trim_end());
    assert!(!text(&seen, "after").contains('┃'), "no mark is left:\n{}", text(&seen, "after"));
    // The keys stay, so that one press too many types nothing into the code.
    assert_eq!(seen["judging_key"], "<Plug>(familiar-next)");
    assert_eq!(seen["key_after"], "<Plug>(familiar-next)");
    assert_eq!(seen["too_many"], FIRST_EDITED.trim_end());
    assert_eq!(desk.workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[test]
fn a_follow_up_another_version_and_undo() {
    let Some(desk) = Desk::new() else { return };
    let _daemon = desk.daemon(&json!([code(FIRST_EDITED), code(EDITED), code(OTHERWISE)]));
    let seen = desk.run("client_follow_up.lua");
    check_shows(&seen, "prompt", &["Follow up on \"careful with the fuel\""]);
    assert_eq!(seen["first"], FIRST_EDITED.trim_end());
    assert_eq!(seen["followed"], EDITED.trim_end());
    assert_eq!(seen["retried"], OTHERWISE.trim_end());
    check_shows(&seen, "versions", &["version 3/3"]);
    assert_eq!(seen["back"], EDITED.trim_end(), "the version before is shown again");
    assert_eq!(seen["reverted"], ORIGINAL.trim_end());
}

#[test]
fn the_menu_asks_for_words_and_what_they_made_is_undone() {
    let Some(desk) = Desk::new() else { return };
    let _daemon = desk.daemon(&json!([code(FIRST_LINES_EDITED)]));
    let seen = desk.run("client_menu.lua");
    check_shows(&seen, "selected", &["╭ Edit app.py:1-2", "Enter sends"]);
    assert_eq!(seen["edited"], FIRST_EDITED.trim_end());
    // Neovim's own line about the edit does not stand over ours.
    assert!(!text(&seen, "messages").contains("Workspace edit"), "{}", text(&seen, "messages"));
    assert!(!text(&seen, "messages").contains("-32602"), "{}", text(&seen, "messages"));
    assert_eq!(seen["undone"], ORIGINAL.trim_end());
    check_shows(&seen, "symbol", &["╭ Edit app.py:5"]);
}

#[test]
fn a_question_that_is_waved_away_is_decided_later_in_the_diff() {
    let Some(desk) = Desk::new() else { return };
    let _daemon = desk.daemon(&json!([code(EDITED)]));
    let seen = desk.run("client_ask.lua");
    assert_eq!(seen["asked"], ORIGINAL.trim_end(), "nothing enters the text before it is accepted");
    check_shows(&seen, "diff", &["+++ b/app.py", "+    return fuel >= 9001", "+    return height <= 9"]);
    assert_eq!(seen["accepted"], FIRST_EDITED.trim_end());
    assert_eq!(seen["undone"], ORIGINAL.trim_end(), "one undo takes it back");
    assert_eq!(desk.workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[test]
fn an_edit_of_several_files_is_judged_in_its_diff() {
    let Some(desk) = Desk::new() else { return };
    desk.workspace.write("land.py", "HEIGHT = 10\n");
    let answer = [
        "app.py\n<<<<<<< SEARCH\n    return fuel > 9000\n=======\n    return fuel >= 9001\n>>>>>>> REPLACE\n",
        "<<<<<<< SEARCH\n    return height < 10\n=======\n    return height <= 9\n>>>>>>> REPLACE\n",
        "RENAME FILE: land.py -> pad.py\n",
    ];
    let _daemon = desk.daemon(&json!([{ "text": [answer.concat()] }]));
    let seen = desk.run("client_files.lua");
    let lines = seen["lines"].as_array().expect("lines");
    let begins = ["@@ -1", "@@ -", "rename from land.py", "@@ -1", "rename from land.py"];
    assert_eq!(lines.len(), begins.len());
    for (line, begins) in lines.iter().zip(begins) {
        assert!(line.as_str().is_some_and(|line| line.starts_with(begins)), "{begins}: {seen:#}");
    }
    // The change under the cursor says how it stands, and with which keys it is judged.
    let keys = "Change 3 of 3: accept or reject it with a code action  <Space>ak accept  <Space>au";
    check_shows(&seen, "hint", &[keys]);
    assert_eq!(seen["app"], FIRST_EDITED.trim_end());
    assert!(!desk.workspace.root().join("land.py").exists(), "it has its new name");
    assert_eq!(desk.workspace.read("pad.py"), "HEIGHT = 10\n");
    assert_eq!(desk.workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[test]
fn the_words_of_an_edit_that_was_lost_with_the_daemon_come_back() {
    let Some(desk) = Desk::new() else { return };
    let daemon = desk.daemon(&json!([endless()]));
    let seen = desk.run("client_lost.lua");
    drop(daemon);
    check_shows(&seen, "prompt", &["│careful with the fuel"]);
}

#[test]
fn without_a_model_it_is_said_what_brings_one() {
    let Some(desk) = Desk::new() else { return };
    let seen = desk.run("client_no_model.lua");
    check_shows(
        &seen,
        "health",
        &["attached to 1 file\n", "WARNING no model", "`familiar models pull starter`", "index of"],
    );
    assert!(!text(&seen, "health").contains("vim.NIL"), "{}", text(&seen, "health"));
}

#[test]
fn what_is_written_is_shown_and_can_be_cancelled() {
    let Some(desk) = Desk::new() else { return };
    let _daemon = desk.daemon(&json!([endless()]));
    let seen = desk.run("client_cancel.lua");
    check_shows(
        &seen,
        "writing",
        &["return fuel >= 9001", "return fuel > 9000", "<Space>ac cancels", "Familiar: writing"],
    );
    assert_eq!(seen["text"], ORIGINAL.trim_end());
    assert!(!text(&seen, "after").contains("9001"), "the preview is gone:\n{}", text(&seen, "after"));
}

#[test]
fn answers_open_beside_the_code() {
    let Some(desk) = Desk::new() else { return };
    let _daemon = desk.daemon(&json!([{ "text": ["It asks for much fuel [1]."] }]));
    let seen = desk.run("client_answers.lua");
    check_shows(&seen, "explained", &["Explain app.py", "It asks for much fuel", "return fuel > 9000"]);
    check_shows(&seen, "asked", &["It asks for much fuel"]);
    assert_eq!(seen["windows"], 2, "a second answer takes the place of the first");
    assert_eq!(seen["closed"], 1);
    let health = text(&seen, "health");
    for part in ["familiar 0.", "model scripted", "index of", "<Space>ae edits"] {
        assert!(health.contains(part), "the health check does not say {part}:\n{health}");
    }
    assert!(!health.contains("ERROR"), "{health}");
}

#[test]
fn changes_wait_while_the_daemon_is_killed_and_comes_back() {
    let Some(desk) = Desk::new() else { return };
    let daemon = desk.daemon(&json!([code(EDITED)]));
    let seen = desk.run("client_recovery.lua");
    drop(daemon);
    assert_ne!(seen["first_daemon"], seen["second_daemon"]);
    check_shows(&seen, "lost", &["the daemon is gone"]);
    check_shows(&seen, "line", &["Familiar: server lost"]);
    check_shows(&seen, "back", &["Familiar: 2 changes to judge"]);
    assert_eq!(
        seen["judged"],
        FIRST_EDITED.trim_end(),
        "what was made by the first daemon is judged by the second"
    );
}

#[test]
fn two_editors_on_one_file_do_not_harm_each_other() {
    let Some(desk) = Desk::new() else { return };
    let replies = json!([code(EDITED), code(OTHERWISE), endless(), code(OTHERWISE), code(EDITED)]);
    let _daemon = desk.daemon(&replies);
    let seen = desk.run("client_two.lua");
    for (name, expected) in [
        ("first_edited", EDITED),
        ("second_untouched", ORIGINAL),
        ("second_edited", OTHERWISE),
        ("first_untouched", EDITED),
        ("reverted", ORIGINAL),
        ("first_cancelled", ORIGINAL),
        ("reloaded", EDITED),
        ("judged", FIRST_EDITED),
        ("first_at_the_end", EDITED),
    ] {
        assert_eq!(seen[name], expected.trim_end(), "{name}");
    }
    check_shows(&seen, "waiting", &["waiting, place 1 in the queue", "<Space>ac cancels"]);
    check_shows(&seen, "writing", &["return fuel >= 9001", "<Space>ac cancels"]);
    assert_eq!(desk.workspace.read("app.py"), EDITED, "what the first saved");
}

#[test]
fn what_waits_for_the_server_is_done_in_each_file() {
    let Some(desk) = Desk::new() else { return };
    for name in ["words", "more-words"] {
        desk.workspace.write(name, "All rights are yours.\n");
    }
    let _daemon = desk.daemon(&json!([code(EDITED)]));
    let seen = desk.run("client_waiting.lua");
    assert_eq!(seen["clients"], 0, "nothing attached them before: {seen:#}");
}

#[test]
fn keys_of_the_user_stay() {
    let Some(desk) = Desk::new() else { return };
    let _daemon = desk.daemon(&json!([code(EDITED)]));
    let seen = desk.run("client_keys.lua");
    for (name, expected) in [
        ("next", "G"),
        ("previous", "<Plug>(familiar-prev)"),
        ("fix", "gg"),
        ("edit", "<Plug>(familiar-edit)"),
        ("keep", "<Plug>(familiar-keep)"),
        ("default", ""),
    ] {
        assert_eq!(seen[name], expected, "{name}");
    }
    check_shows(&seen, "health", &["no key for fix: the default ones are taken"]);
    // As the help file says of them all.
    assert_eq!(seen["unmapped"], "", "commands without a <Plug>");
}

#[test]
fn the_help_file_has_what_it_points_to() {
    let Some(desk) = Desk::new() else { return };
    let help = std::fs::read_to_string(root().join("editors/neovim/doc/familiar.txt")).expect("a help file");
    let folder = desk.home.user_folder().join("doc");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("familiar.txt"), &help).expect("written");
    let make = format!("helptags {}", folder.display());
    desk.home.program(&desk.neovim, &["--headless", "--clean", "-n", "+quit", "--cmd"]).arg(make).run().success();
    let tags = std::fs::read_to_string(folder.join("tags")).expect("tags");
    let links = help.split('|').skip(1).step_by(2).filter(|link| link.starts_with("familiar"));
    let missing: Vec<&str> = links.filter(|link| !tags.contains(&format!("{link}\t"))).collect();
    assert!(missing.is_empty(), "{missing:?} in\n{tags}");
    assert!(help.matches('|').count() > 20, "links stand between bars");
}
