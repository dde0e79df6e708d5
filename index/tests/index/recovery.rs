//! Broken stores are set aside and made anew; killed processes lose nothing but time.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use index::{Index, IndexDirs, Limits, State};

use crate::space::{Space, paths, refresh};

/// Breaks the stored index with `damage` and checks that the next open works, says so, and finds everything again.
fn check(name: &str, rebuilt: bool, damage: impl FnOnce(&Path)) {
    let space = Space::with(&[("a.rs", "fn needle() {}\n"), ("b.py", "def needle():\n    pass\n")]);
    drop(space.indexed());
    damage(&space.stored().join("base"));
    let index = space.open();
    assert_eq!(index.status().notes.len(), usize::from(rebuilt), "{name}: {:?}", index.status().notes);
    if rebuilt {
        assert_eq!(index.status().state, State::Empty, "{name}");
    }
    refresh(&index);
    let mut found = paths(&index, "needle");
    found.sort();
    assert_eq!(found, ["a.rs", "b.py"], "{name}");
    assert_eq!(index.status().state, State::Ready, "{name}");
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt(), "{name}");
}

/// The largest file of a folder whose name ends in `ending`.
fn file(folder: &Path, ending: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let matching = files.filter(|path| path.to_str().unwrap().ends_with(ending));
    matching.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn any_damage_is_survived() {
    check("none", false, |_| {});
    check("no text index", true, |base| fs::remove_dir_all(base.join("text")).unwrap());
    check("no meta", true, |base| fs::remove_file(base.join("text/meta.json")).unwrap());
    check("garbled meta", true, |base| fs::write(base.join("text/meta.json"), "{").unwrap());
    check("truncated segment", true, |base| {
        let path = file(&base.join("text"), ".store");
        fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
    });
    check("flipped bits", true, |base| {
        let path = file(&base.join("text"), ".term");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x55;
        fs::write(&path, bytes).unwrap();
    });
    check("no manifest", true, |base| fs::remove_file(base.join("manifest.db")).unwrap());
    check("garbage manifest", true, |base| {
        fs::write(base.join("manifest.db"), "this is no database at all, only some words".repeat(200)).unwrap();
    });
    check("other version", true, |base| {
        let connection = rusqlite::Connection::open(base.join("manifest.db")).unwrap();
        connection.pragma_update(None, "user_version", 9_999).unwrap();
    });
    check("empty base", true, |base| {
        fs::remove_dir_all(base).unwrap();
        fs::create_dir(base).unwrap();
    });
}

/// The two commits of a publication are not one: whichever side is ahead after a crash, the next open matches them.
#[test]
fn either_side_may_be_ahead() {
    check("manifest behind", false, |base| {
        let connection = rusqlite::Connection::open(base.join("manifest.db")).unwrap();
        connection.execute("UPDATE facts SET value = '0' WHERE key = 'generation'", []).unwrap();
        connection.execute("DELETE FROM files WHERE path = 'a.rs'", []).unwrap();
    });
    check("manifest ahead", false, |base| {
        let connection = rusqlite::Connection::open(base.join("manifest.db")).unwrap();
        connection.execute("UPDATE facts SET value = '7' WHERE key = 'generation'", []).unwrap();
        connection.execute("UPDATE files SET id = 77 WHERE path = 'a.rs'", []).unwrap();
        connection
            .execute("INSERT INTO files SELECT 'ghost.rs', 78, size, modified, changed, inode, racy, hash, recipe, 3, 0, chunks_hash FROM files LIMIT 1", [])
            .unwrap();
    });
}

#[test]
fn only_the_last_broken_index_is_kept() {
    let space = Space::with(&[("a.rs", "fn needle() {}\n")]);
    for _ in 0..3 {
        drop(space.indexed());
        fs::write(space.stored().join("base/text/meta.json"), "{").unwrap();
    }
    drop(space.open());
    let names =
        fs::read_dir(space.stored()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("broken-")).count(), 1);
}

#[cfg(unix)]
#[test]
fn an_unusable_cache_is_a_clear_error() {
    let space = Space::with(&[("a.rs", "fn needle() {}\n")]);
    fs::write(&space.dirs.cache, "a file where the folder should be").unwrap();
    let error = Index::open(&space.root, &space.dirs, Limits::default()).err().unwrap();
    assert!(error.to_string().starts_with("the index in the cache folder cannot be used"), "{error}");
}

/// Set for the process that is going to be killed: where it works.
const CHILD: &str = "FAMILIAR_INDEX_TEST_CHILD";

/// Saves and indexes without end; says after each round that it is done.
fn index_until_killed(place: &str) {
    let (root, cache) = place.split_once('\n').unwrap();
    let dirs = IndexDirs { cache: PathBuf::from(cache) };
    let index = Index::open(Path::new(root), &dirs, Limits::default()).unwrap();
    for round in 0usize.. {
        for n in 0..12 {
            let text = format!("def f{n}_{round}():\n    return {round}\n").repeat(1 + (n + round) % 5);
            fs::write(Path::new(root).join(format!("f{n}.py")), text).unwrap();
        }
        let ticket = index.touch((0..12).map(|n| format!("f{n}.py")));
        assert!(index.wait(ticket, crate::space::PATIENCE));
        let mut out = std::io::stdout().lock();
        writeln!(out, "round {round}").unwrap();
    }
}

/// Kills a process with -9 in mid-work, several times; afterwards the index equals one made from nothing. The child is
/// this very test in another process.
#[cfg(unix)]
#[test]
fn killed_writers_leave_a_sound_index() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    if let Ok(place) = std::env::var(CHILD) {
        return index_until_killed(&place);
    }
    let space = Space::with(&[("keep.rs", "fn needle() {}\n")]);
    for rounds in [1, 2, 3, 5] {
        let place = format!("{}\n{}", space.root.display(), space.dirs.cache.display());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["recovery::killed_writers_leave_a_sound_index", "--exact", "--nocapture"])
            .env(CHILD, place)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.filter(|line| line.contains("round ")).take(rounds).count(), rounds);
        child.kill().unwrap();
        child.wait().unwrap();
        let index = space.open();
        assert_eq!(index.status().notes, Vec::<String>::new(), "killing must not break the index");
        refresh(&index);
        assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
    }
}
