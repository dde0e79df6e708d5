//! Helix in tmux, driven by keys, on the real program with the settings of its README: what a person can do there, what
//! happens when the daemon is killed, and other editors on the same file. Refuses: sleeps; where there is no Helix the
//! tests say so as those of the other editors do.

use std::time::Duration;

use kit::process::TempHome;
use serde_json::json;

use crate::editors::{
    EDITED, Helix, ORIGINAL, check_document, code, daemon_saying, editors, endless, in_neovim, scripted_daemon,
    workspace,
};
use crate::neovim::{EDITED as TWO_EDITED, FIRST_EDITED, ORIGINAL as TWO};

const OTHERWISE: &str = "def launch_rocket(fuel):\n    return fuel > 8000\n";
/// What stands behind each change that waits.
const MARK: &str = "keep or revert";
/// An answer with two changes of one file and another file.
const SEVERAL: &str = "app.py
<<<<<<< SEARCH
    return fuel > 9000
=======
    return fuel >= 9001
>>>>>>> REPLACE
<<<<<<< SEARCH
    return height < 10
=======
    return height <= 9
>>>>>>> REPLACE

notes.md
<<<<<<< SEARCH
=======
# Careful
>>>>>>> REPLACE
";

#[tokio::test(flavor = "multi_thread")]
async fn helix_explains_with_its_own_code_actions() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.choose("Explain").await;
    helix.shows("# Explain app.py:").await;
    let documents = home.root().join("data/documents");
    let made = std::fs::read_dir(&documents).expect("documents").next().expect("one").expect("readable").path();
    check_document(&made, &std::fs::read_to_string(&made).expect("the document is there"));
    helix.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_edits_by_instruction_and_one_undo_takes_it_back() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = scripted_daemon(&home);
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    helix.press(&["x", "x"]);
    helix.edit("be careful with the fuel").await;
    helix.shows("return fuel >= 9001").await;
    helix.press(&["u"]);
    let undone = helix.shows("return fuel > 9000").await;
    assert!(!undone.contains("9001"), "{undone}");
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_reverts_a_change_with_its_own_code_actions() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = scripted_daemon(&home);
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    helix.press(&["x", "x"]);
    helix.edit("be careful with the fuel").await;
    helix.shows("return fuel >= 9001").await;
    helix.choose("Revert change 1 of 1").await;
    let reverted = helix.shows("return fuel > 9000").await;
    assert!(!reverted.contains("9001"), "{reverted}");
    helix.hides(MARK).await;
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_keeps_one_change_and_reverts_the_other() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    workspace.write("app.py", TWO);
    let _daemon = daemon_saying(&home, &json!([code(TWO_EDITED)]));
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    helix.press(&["%"]);
    helix.edit("careful").await;
    helix.shows("2 of 2").await;
    // From mark to mark, as with any diagnostic.
    helix.press(&["g", "g", "]", "d", "]", "d"]);
    helix.choose("Revert change 2 of 2").await;
    let reverted = helix.shows("return height < 10").await;
    assert!(reverted.contains("return fuel >= 9001"), "the other change stays:\n{reverted}");
    helix.shows("1 of 1").await;
    helix.press(&["[", "d"]);
    helix.choose("Keep change 1 of 1").await;
    helix.hides(MARK).await;
    helix.save().await;
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), FIRST_EDITED);
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_judges_an_edit_of_several_files_in_its_diff() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    workspace.write("app.py", TWO);
    let _daemon = daemon_saying(&home, &json!([{ "text": [SEVERAL] }]));
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    let app = workspace.root().join("app.py");
    let edit = format!("lsp-workspace-command familiar.edit 1 6 \"{}\" \"careful\" \"workspace\"", app.display());
    helix.command(&edit);
    // The first answer is chosen already.
    helix.shows("Show changes").await;
    helix.press(&["Enter"]);
    let diff = helix.shows("+    return height <= 9").await;
    assert!(diff.contains("+    return fuel >= 9001") && diff.contains("+++ b/notes.md"), "{diff}");
    // Each change says how it stands, and is gone to like any other mark.
    helix.shows("Change 3 of 3: accept or reject").await;
    helix.press(&["g", "g", "]", "d"]);
    helix.choose("Accept change 1").await;
    helix.shows("Change 1 of 3: accepted").await;
    helix.press(&["]", "d"]);
    helix.choose("Reject change 2").await;
    helix.shows("Change 2 of 3: not applied").await;
    helix.press(&["]", "d"]);
    helix.choose("Accept change 3").await;
    helix.shows("Change 3 of 3: accepted").await;
    helix.command("wa");
    helix.command(&format!("open {}", app.display()));
    helix.hides("Change 1 of 3").await;
    let accepted = helix.shows("return fuel >= 9001").await;
    assert!(accepted.contains("return height < 10"), "what was rejected is not there:\n{accepted}");
    // Helix saves beside its work.
    let saved = || workspace.read("app.py") == FIRST_EDITED && workspace.read("notes.md") == "# Careful\n";
    let all_saved = async {
        while !saved() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_saved).await.expect("both files are saved");
    helix.press(&["u"]);
    helix.shows("return fuel > 9000").await;
    helix.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_does_what_a_comment_asks_for_and_takes_the_comment_out() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    workspace.write("app.py", format!("import math\n\n\n# familiar: be careful with the fuel\n{ORIGINAL}"));
    let _daemon = scripted_daemon(&home);
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    helix.command("4");
    helix.shows(" 4:1").await;
    helix.choose("Do what the comment asks for").await;
    let edited = helix.shows("return fuel >= 9001").await;
    assert!(!edited.contains("# familiar"), "the comment goes with what it asked for:\n{edited}");
    helix.shows(MARK).await;
    helix.choose("Keep all").await;
    helix.hides(MARK).await;
    helix.save().await;
    assert_eq!(workspace.read("app.py"), format!("import math\n\n\n{EDITED}"));
    helix.press(&["u"]);
    let undone = helix.shows("# familiar: be careful with the fuel").await;
    assert!(undone.contains("return fuel > 9000"), "one undo brings both back:\n{undone}");
    helix.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_answers_what_a_comment_asks() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let asking = format!("# familiar? why so much fuel\n{ORIGINAL}");
    workspace.write("app.py", &asking);
    let _daemon = daemon_saying(&home, &json!([{ "text": ["It asks for much fuel [1]."] }]));
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.choose("Answer the comment").await;
    let answer = helix.shows("It asks for much fuel [1].").await;
    assert!(answer.contains("# Ask about app.py:") && answer.contains("why so much fuel"), "{answer}");
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), asking, "a question changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_cancels_an_endless_answer_from_the_menu_and_by_the_command() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = daemon_saying(&home, &json!([endless(), endless(), code(EDITED), endless()]));
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    helix.press(&["x", "x"]);
    helix.edit("careful").await;
    helix.shows("writing").await;
    helix.choose("Cancel the running job").await;
    let cancelled = helix.shows("cancelled").await;
    assert!(cancelled.contains("return fuel > 9000") && !cancelled.contains("9001"), "{cancelled}");
    helix.edit("careful").await;
    helix.shows("writing").await;
    helix.command("lsp-workspace-command familiar.cancel");
    let cancelled = helix.shows("cancelled").await;
    assert!(cancelled.contains("return fuel > 9000") && !cancelled.contains("9001"), "{cancelled}");
    helix.command("lsp-workspace-command familiar.cancel");
    helix.shows("Nothing is running that could be cancelled").await;
    // The model is free again.
    helix.edit("careful").await;
    helix.shows("return fuel >= 9001").await;
    helix.shows(MARK).await;
    // Helix shows ten entries; on a change as well the one that cancels is among them.
    helix.edit("more careful").await;
    helix.shows("writing").await;
    helix.choose("Cancel the running job").await;
    let cancelled = helix.shows("cancelled").await;
    assert!(cancelled.contains("return fuel >= 9001") && cancelled.contains(MARK), "{cancelled}");
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_loses_no_text_with_the_daemon_and_goes_on_after_a_restart() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let first = daemon_saying(&home, &json!([code(EDITED), endless()]));
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    helix.press(&["x", "x"]);
    helix.edit("careful").await;
    helix.shows(MARK).await;
    helix.press(&["g", "e"]);
    helix.add_line("before = 1").await;
    // Killed while it works, with a change that waits and a line that is nowhere but in the editor.
    helix.press(&["g", "g", "x", "x"]);
    helix.edit("more careful").await;
    helix.shows("writing").await;
    drop(first);
    helix.shows("Language server exited").await;
    helix.press(&["g", "e"]);
    helix.add_line("down = 2").await;
    let _second = daemon_saying(&home, &json!([code(&EDITED.replace("9001", "9002"))]));
    helix.command("lsp-restart familiar");
    helix.shows(MARK).await;
    helix.press(&["g", "g", "x", "x"]);
    helix.choose("Keep change 1 of 1").await;
    helix.hides(MARK).await;
    helix.edit("more careful").await;
    helix.shows("return fuel >= 9002").await;
    helix.shows(MARK).await;
    helix.save().await;
    helix.quit().await;
    let whole = "def launch_rocket(fuel):\n    return fuel >= 9002\n    before = 1\n    down = 2\n";
    assert_eq!(workspace.read("app.py"), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_helixes_on_one_file_do_not_harm_each_other() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = daemon_saying(&home, &json!([endless(), code(OTHERWISE), code(EDITED)]));
    let mut first = Helix::open(&editors, &home, &workspace).await;
    let mut second = Helix::open(&editors, &home, &workspace).await;
    for helix in [&mut first, &mut second] {
        helix.ready().await;
        helix.press(&["x", "x"]);
    }
    // One model: the second waits for the first, and gives up without taking the work of the first along.
    first.edit("careful").await;
    first.shows("writing").await;
    second.edit("otherwise").await;
    second.shows("in the queue").await;
    second.choose("Cancel the running job").await;
    second.shows("cancelled").await;
    // That it waits again shows that the first still writes.
    second.edit("otherwise").await;
    second.shows("in the queue").await;
    first.choose("Cancel the running job").await;
    first.shows("cancelled").await;
    second.shows("return fuel > 8000").await;
    second.shows(MARK).await;

    // Each has its own text, and its own changes to judge.
    let untouched = first.shows("return fuel > 9000").await;
    assert!(!untouched.contains(MARK), "{untouched}");
    first.edit("careful").await;
    first.shows("return fuel >= 9001").await;
    first.shows(MARK).await;
    first.save().await;
    second.choose("Revert change 1 of 1").await;
    second.shows("return fuel > 9000").await;
    second.hides(MARK).await;
    let standing = first.shows(MARK).await;
    assert!(standing.contains("return fuel >= 9001"), "{standing}");
    first.quit().await;
    assert_eq!(workspace.read("app.py"), EDITED, "what the first saved");

    // The second goes on alone.
    second.press(&["%"]);
    second.edit("careful").await;
    second.shows("return fuel >= 9001").await;
    second.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helix_and_neovim_on_one_file_do_not_harm_each_other() {
    let Some(editors) = editors() else { return };
    let (home, workspace) = (TempHome::new(), workspace());
    let _daemon = scripted_daemon(&home);
    let mut helix = Helix::open(&editors, &home, &workspace).await;
    helix.ready().await;
    helix.press(&["x", "x"]);
    helix.edit("careful").await;
    helix.shows(MARK).await;
    // It makes the same edit in its own text, finds one mark there, and reverts it.
    let seen = in_neovim(&editors, &home, &workspace, 2, "review.lua");
    assert_eq!(seen["severity"], json!(3), "{seen:#}");
    let standing = helix.shows(MARK).await;
    assert!(standing.contains("return fuel >= 9001"), "{standing}");
    helix.choose("Revert change 1 of 1").await;
    helix.shows("return fuel > 9000").await;
    helix.hides(MARK).await;
    helix.quit().await;
    assert_eq!(workspace.read("app.py"), ORIGINAL, "nothing is saved");
}
