//! What is kept of a workspace: counted, measured, replaced, and never Familiar's own folders.

use index::{CancelFlag, Index, IndexDirs, Limits, OWN_FOLDER_MARKER, Peek, State, Status};

use crate::space::{Space, paths, refresh};

#[test]
fn counts_of_a_refresh_add_up() {
    let space = Space::with(&[("a.rs", "fn a() {}\n"), ("b.rs", "fn b() {}\n"), ("c.bin", "x\0")]);
    let (index, first) = space.indexed();
    assert_eq!((first.files, first.added, first.indexed, first.unchanged), (2, 2, 2, 0));
    space.write("b.rs", b"fn changed() {}\n");
    space.write("d.rs", b"fn d() {}\n");
    let second = refresh(&index);
    assert_eq!((second.files, second.added, second.indexed, second.unchanged), (3, 1, 2, 1));
    assert!(index.status().refreshed_ms.is_some());
    drop(index);
    let again = space.open();
    assert!(again.status().refreshed_ms.is_some(), "it is remembered");
}

#[test]
fn what_is_stored_is_known_without_opening_it() {
    let space = Space::with(&[("a.rs", "fn a() {}\n")]);
    assert_eq!(Index::stored(&space.root, &space.dirs), None);
    drop(space.indexed());
    let stored = Index::stored(&space.root, &space.dirs).expect("it is there");
    assert!(stored.bytes > 0 && stored.folder.starts_with(&space.dirs.cache), "{stored:?}");
    assert!(Index::forget(&space.root, &space.dirs).unwrap(), "something was known");
    assert!(!Index::forget(&space.root, &space.dirs).unwrap(), "nothing is known any more");
}

/// Who only looks reads what the owner stored, and neither waits for it nor stands in its way.
#[test]
fn an_index_is_looked_at_while_another_owns_it() {
    let space = Space::with(&[("a.rs", "fn a() {}\n"), ("b.rs", "fn b() {}\n"), ("c.bin", "x\0")]);
    let peek = || Index::peek(&space.root, &space.dirs).unwrap();
    assert_eq!((peek().in_use, peek().status), (false, Status::default()), "there is none");
    let index = space.open();
    assert_eq!((peek().in_use, peek().status.state), (true, State::Building { done: 0, total: 0 }));
    refresh(&index);
    let own = index.status();
    assert!(own.files == 2 && own.state == State::Ready && !own.skipped.is_empty(), "{own:?}");
    assert_eq!(peek(), Peek { status: own.clone(), in_use: true });
    index.pause().unwrap();
    drop(index);
    assert_eq!(peek(), Peek { status: Status { paused: true, ..own }, in_use: false });
    assert_eq!(space.open().status(), peek().status, "the next owner says the same");
}

#[test]
fn an_index_built_elsewhere_takes_the_place_of_the_old_one() {
    let space = Space::with(&[("a.rs", "fn before() {}\n")]);
    let (old, _) = space.indexed();
    old.pause().unwrap();
    let elsewhere = IndexDirs { cache: space.dirs.cache.join("rebuild") };
    space.write("a.rs", b"fn after() {}\n");
    let new = Index::open(&space.root, &elsewhere, Limits::default()).unwrap();
    new.refresh(&mut |_| {}, &CancelFlag::new()).unwrap();
    drop(new);
    assert!(Index::adopt(&space.root, &elsewhere, &space.dirs).is_err(), "the old one is open");
    drop(old);
    Index::adopt(&space.root, &elsewhere, &space.dirs).unwrap();
    assert_eq!(Index::stored(&space.root, &elsewhere), None);
    let index = space.open();
    assert_eq!(index.status().files, 1);
    assert!(index.status().paused, "what the user wants goes on");
    assert_eq!(paths(&index, "after"), ["a.rs"]);
    assert_eq!(refresh(&index).indexed, 0, "nothing is read again");
}

#[test]
fn folders_of_familiar_itself_are_not_searched() {
    let space = Space::with(&[("a.rs", "fn a() {}\n"), ("home/data/chat.md", "# Rocket\n")]);
    space.write(&format!("home/data/{OWN_FOLDER_MARKER}"), b"");
    let (index, report) = space.indexed();
    assert_eq!(report.files, 1);
    assert_eq!(paths(&index, "rocket"), [""; 0]);
}
