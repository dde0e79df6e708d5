//! Damaged models, odd files, vanishing folders: a clear sentence, and the daemon lives.

use std::fs;

use kit::TempWorkspace;
use kit::process::TempHome;

use crate::project::{familiar, json, serve, starter};

#[test]
fn damaged_model_files_are_refused_and_the_daemon_lives() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /a.py\ndef f():\n    pass\n");
    let root = workspace.root().to_str().expect("a path");
    let models = home.root().join("models");
    fs::create_dir_all(&models).expect("a folder");
    let whole = fs::read(starter()).expect("the starter");
    let daemon = serve(home.familiar(&["serve"]));
    for (name, bytes) in [
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("garbage", vec![0x5a; 4096]),
        ("empty", Vec::new()),
        ("flipped", {
            let mut flipped = whole[..1 << 20].to_vec();
            flipped[8] = 0xff;
            flipped
        }),
    ] {
        fs::write(models.join("starter.gguf"), bytes).expect("written");
        let asked = home.familiar(&["ask", "what is f?", "--workspace", root]).run();
        assert!(asked.stdout.contains("def f"), "{name}: the passages are shown: {asked:?}");
        let told = asked.failure(1);
        assert!(told.contains("model file cannot be used"), "{name}: {told}");
        assert!(told.contains("hint: pull it again with `familiar models pull starter`"), "{name}: {told}");
        let model = &json(&home.familiar(&["status", "--json"]).run().success())["model"];
        assert_eq!(model["state"], "unusable", "{name}: {model}");
        assert!(daemon.process.is_running(), "{name}");
    }
    fs::write(models.join("starter.gguf"), whole).expect("written");
    home.familiar(&["ask", "what is f?", "--workspace", root]).run().success();
    home.familiar(&["stop"]).run().success();
    daemon.process.wait();
}

#[test]
fn odd_files_are_counted_and_the_rest_is_found() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /good.py\ndef unmistakable():\n    pass\n");
    workspace.write("latin1.txt", b"caf\xe9 au lait, unmistakable\n");
    workspace.write("binary.bin", [0_u8, 1, 2, 3].repeat(100));
    let large = fs::File::create(workspace.path("large.txt")).expect("a file");
    large.set_len(100 << 20).expect("a sparse file");
    std::os::unix::fs::symlink(workspace.root(), workspace.path("loop")).expect("a link");
    let root = workspace.root().to_str().expect("a path");
    let indexed = familiar(&home, &["index", root]).run().success();
    assert!(indexed.starts_with("2 files, ") && indexed.contains("skipped"), "{indexed}");
    let found = json(&familiar(&home, &["search", "unmistakable", "--workspace", root, "--json"]).run().success());
    let paths: Vec<&str> =
        found["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["path"].as_str()).collect();
    assert_eq!(paths[0], "good.py");
    assert!(paths.contains(&"latin1.txt"), "{paths:?}");
}

#[test]
fn a_workspace_that_vanishes_is_said_to_be_gone() {
    let home = TempHome::new();
    let workspace = TempWorkspace::new("//- /a.py\ndef f():\n    pass\n");
    let root = workspace.root().to_str().expect("a path").to_owned();
    let daemon = serve(familiar(&home, &["serve", "--workspace", &root]));
    familiar(&home, &["index", &root]).run().success();
    fs::remove_dir_all(&root).expect("removed");
    let told = familiar(&home, &["search", "f", "--workspace", &root]).run().failure(1);
    assert!(told.contains("there is no folder"), "{told}");
    assert!(daemon.process.is_running());
    familiar(&home, &["stop"]).run().success();
    daemon.process.wait();
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let home = TempHome::new();
    fs::write(home.root().join("data"), "a file where a folder should be").expect("written");
    let told = familiar(&home, &["tokens", "list"]).run().failure(1);
    assert!(told.contains("data") && told.contains("hint: "), "{told}");
}
