//! A disk that is full in the middle of a build: an error that says so, nothing lost, and everything well again once
//! there is room. The disk is a small one in memory, which needs a mount of this process's own; where the system allows
//! none, only the errors of a full disk are tested, beside `storage::room`.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::process::Command;

use index::{CancelFlag, Index, IndexDirs, IndexError, Limits};

use crate::space::{Space, paths, refresh};

/// Set for the process that has the small disk: where that is.
const DISK: &str = "FAMILIAR_INDEX_TEST_DISK";
/// Said when all was as it should be.
const SURVIVED: &str = "the full disk was survived";
/// Said once the disk is there.
const MOUNTED: &str = "the disk is mounted";
/// Size of the disk.
const DISK_KIB: usize = 2_048;

#[test]
fn a_disk_that_is_full_in_mid_build_loses_nothing() {
    if let Ok(disk) = std::env::var(DISK) {
        return fill(PathBuf::from(disk));
    }
    let disk = tempfile::tempdir().unwrap();
    let script =
        format!("mount -t tmpfs -o size={DISK_KIB}k tmpfs \"$1\" && echo {MOUNTED} && shift && exec \"$@\"");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .args(["full_disk::a_disk_that_is_full_in_mid_build_loses_nothing", "--exact", "--nocapture"])
        .env(DISK, disk.path())
        .output();
    let Ok(output) = output else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains(MOUNTED) {
        assert!(said.contains(SURVIVED), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Works on the small disk.
fn fill(disk: PathBuf) {
    let mut space = Space::with(&[("keep.py", "def keep_this():\n    pass\n")]);
    space.dirs = IndexDirs { cache: disk };
    let index = space.open();
    assert_eq!(refresh(&index).files, 1);
    let large: Vec<String> = (0..300).map(|n| format!("large{n}.py")).collect();
    for (n, path) in large.iter().enumerate() {
        let text: String =
            (0..300).map(|line| format!("def word{n}x{line}y{}():\n    pass\n", n * line)).collect();
        space.write(path, text.as_bytes());
    }
    let result = index.refresh(&mut |_| {}, &CancelFlag::new());
    assert!(matches!(result, Err(IndexError::DiskFull { .. })), "{result:?}");
    assert!(
        index.status().notes.iter().any(|note| note.contains("the disk is full")),
        "{:?}",
        index.status().notes
    );
    assert_eq!(
        paths(&index, "keep_this").first().map(String::as_str),
        Some("keep.py"),
        "what was published stays"
    );
    for path in &large {
        space.remove(path);
    }
    assert_eq!(refresh(&index).files, 1, "it goes on once there is room");
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
    drop(index);
    let index = Index::open(&space.root, &space.dirs, Limits::default()).unwrap();
    assert_eq!((index.status().files, index.status().notes.len()), (1, 0), "{:?}", index.status());
    std::io::Write::write_all(&mut std::io::stdout(), format!("{SURVIVED}\n").as_bytes()).unwrap();
}
