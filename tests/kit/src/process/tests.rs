//! Processes, with the shell as the program.

use std::path::Path;
use std::time::Duration;

use super::home::find_binary;
use super::*;

/// Most looks for a process that has just begun, a millisecond apart.
const LOOKS_MAX: usize = 2_000;

fn shell(home: &TempHome, script: &str) -> Launch {
    home.program(Path::new("/bin/sh"), &["-c", script])
}

fn panic_of(run: impl FnOnce()) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    caught.downcast::<String>().map_or_else(|_| String::new(), |text| *text)
}

#[test]
fn output_code_input_and_environment_go_through() {
    let home = TempHome::new();
    let script = "echo \"$FAMILIAR_HOME|$EXTRA|$CARGO_MANIFEST_DIR\"; cat; echo oops >&2; exit 3";
    let finished = shell(&home, script).env("EXTRA", "yes").input("in\nput").run();
    assert_eq!(finished.stdout, format!("{}|yes|\nin\nput", home.root().display()));
    assert_eq!((finished.stderr.as_str(), finished.code, finished.signal), ("oops\n", Some(3), None));
    assert_eq!(finished.failure(3), "oops\n");
    assert_eq!(shell(&home, "pwd").run().success(), format!("{}\n", home.user_folder().display()));
    assert_eq!(shell(&home, "cat").run().success(), "", "without input it is empty");
    let folder = home.root();
    assert_eq!(shell(&home, "pwd").in_folder(&folder).run().success(), format!("{}\n", folder.display()));
}

#[test]
fn lines_are_seen_while_it_runs() {
    let home = TempHome::new();
    let process = shell(&home, "echo one; echo two 2 >&2; read never; echo late").input("").spawn();
    assert_eq!(process.wait_for(Stream::Out, "one"), "one");
    let number =
        process.wait_for_line(Stream::Err, "a number", |line| line.strip_prefix("two ")?.parse::<u32>().ok());
    assert_eq!(number, 2);
    assert_eq!(process.wait_for(Stream::Out, "late"), "late");
    assert_eq!(process.wait().code, Some(0));
    assert_eq!(process.wait_for(Stream::Out, "one"), "one", "past lines count");
    let message = panic_of(|| drop(process.wait_for(Stream::Out, "never")));
    assert!(message.contains("\"never\", but it ended") && message.contains("two 2"), "{message}");
}

#[test]
fn a_flood_of_lines_fails() {
    let home = TempHome::new();
    let process = shell(&home, &format!("yes | head -n {}; echo end >&2", LINES_MAX + 1)).spawn();
    let message = panic_of(|| drop(process.wait()));
    assert!(message.contains("more than 100000 lines"), "{}", &message[..200]);
}

#[test]
fn signals_reach_it_and_drop_ends_it() {
    let home = TempHome::new();
    let script = "echo up; exec tail -f /dev/null";
    let process = shell(&home, script).spawn();
    process.wait_for(Stream::Out, "up");
    assert!(process.is_running());
    process.signal(Signal::Abort);
    assert_eq!(process.wait().signal, Some(6));
    process.signal(Signal::Kill);

    let process = shell(&home, script).spawn();
    process.wait_for(Stream::Out, "up");
    // A process that is turning into another program shows no environment for a moment.
    let seen = (0..LOOKS_MAX).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        home.processes() == [process.pid()]
    });
    assert!(seen, "{:?}", home.processes());
    drop(process);
    assert_eq!(home.processes(), [0_u32; 0], "a dropped process is gone");
}

#[test]
fn a_home_ends_what_left_its_parent() {
    let home = TempHome::new();
    let root = home.root();
    let script = "tail -f /dev/null > /dev/null 2>&1 & echo $!";
    let pid: u32 = shell(&home, script).run().success().trim().parse().unwrap();
    assert_eq!(home.processes(), [pid]);
    let other = TempHome::new();
    drop(other);
    assert_eq!(home.processes(), [pid], "another home leaves it alone");
    drop(home);
    assert!(!root.exists());
    // The killed process is nobody's child here; it is gone, or a corpse without environment.
    assert!(std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default().is_empty());
}

#[tokio::test]
async fn a_piped_process_speaks_with_the_caller() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let home = TempHome::new();
    let (process, mut stdout, mut stdin) = shell(&home, "echo log >&2; cat").spawn_piped();
    stdin.write_all(b"hello").await.unwrap();
    drop(stdin);
    let mut text = String::new();
    stdout.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");
    assert_eq!(process.wait().stderr, "log\n");
}

#[test]
fn the_binary_is_named_found_or_explained() {
    let folder = tempfile::tempdir().unwrap();
    let make = |path: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        path
    };
    assert!(find_binary(None, folder.path()).unwrap_err().contains("make test"));
    let debug = make("target/debug/familiar");
    assert_eq!(find_binary(None, folder.path()), Ok(debug));
    let release = make("target/release/familiar");
    assert_eq!(find_binary(None, folder.path()), Ok(release));
    let named = make("elsewhere");
    assert_eq!(find_binary(Some(named.clone()), folder.path()), Ok(named));
    assert!(find_binary(Some("/no/such".into()), folder.path()).unwrap_err().contains("FAMILIAR_BIN"));
}
