//! What becomes of saves, walks and failures, seen from inside the writer thread.

use super::*;
use crate::build::shared::RefreshJob;
use crate::build::status::{Report, Status};
use crate::limits::{CancelFlag, Limits, SAVED_FILES_MAX};
use crate::search::searcher::{ChunkRef, SearchKind, SearchRequest, Searcher};

/// A writer that has one walk to do, which nobody waits for.
fn swept(closing: bool) -> (State, usize) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("work");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a.py"), "def a():\n    pass\n").unwrap();
    let folder = dir.path().join("index");
    std::fs::create_dir(&folder).unwrap();
    let base = Base::open(&folder).unwrap();
    let view = View::of(&base, &Saved::default(), None);
    let shared = Arc::new(Shared::new(root, Limits::default().bounded(), view, Status::default()));
    let ticket = shared.want_walk();
    if closing {
        shared.closing.cancel();
    }
    let writer = Writer::new(shared.clone(), folder, base);
    let thread = std::thread::spawn(move || writer.run());
    if !closing {
        assert!(shared.wait(ticket, std::time::Duration::from_secs(30)), "the walk ends");
    }
    // Only after the walk was taken: a writer that is told to stop before takes none.
    while closing && shared.walk_is_wanted() {
        std::thread::yield_now();
    }
    shared.stop();
    thread.join().unwrap();
    let status = shared.status();
    (status.state, status.files)
}

/// Why nothing is watched is still said after a walk, which forgets what else was noted.
#[test]
fn the_reason_to_poll_outlives_a_walk() {
    let dir = tempfile::tempdir().unwrap();
    let base = Base::open(dir.path()).unwrap();
    let view = View::of(&base, &Saved::default(), None);
    let shared = Shared::new(dir.path().to_owned(), Limits::default(), view, Status::default());
    shared.poll("no watches are left".to_owned());
    shared.note("a passing trouble".to_owned());
    shared.begin_notes(Some("it was made anew".to_owned()));
    assert_eq!(shared.status().notes, ["it was made anew", "no watches are left"]);
    shared.drop_watch();
    shared.begin_notes(None);
    assert!(shared.status().notes.is_empty());
}

/// What searchers see, and how many chunks are written.
fn shown(writer: &Writer) -> (Vec<ChunkRef>, u64) {
    let searcher = Searcher::new(writer.shared.root.clone(), writer.shared.view(), true, None);
    (searcher.chunks().unwrap(), writer.base.as_ref().unwrap().reader.searcher().num_docs())
}

#[test]
fn saves_are_shown_at_once_and_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("work");
    std::fs::create_dir(&root).unwrap();
    let folder = dir.path().join("index");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
    let opened = || {
        let base = Base::open(&folder).unwrap();
        let view = View::of(&base, &Saved::default(), None);
        let shared = Shared::new(root.clone(), Limits::default().bounded(), view, Status::default());
        Writer::new(Arc::new(shared), folder.clone(), base)
    };
    let touch = |writer: &mut Writer, paths: &[&str]| {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        writer.guarded(|writer| writer.touch(&paths)).unwrap();
    };
    let walk = |writer: &mut Writer| {
        writer.guarded(|writer| writer.refresh(false, &CancelFlag::new(), &|_| {})).unwrap();
    };
    write("a.py", "def a():\n    pass\n");
    write("b.py", "def b():\n    pass\n");
    let mut writer = opened();
    walk(&mut writer);
    let (before, written) = shown(&writer);
    assert_eq!((before.len(), written), (2, 2));
    write("a.py", "def a_as_saved():\n    pass\n");
    write("c.md", "# C\n");
    std::fs::remove_file(root.join("b.py")).unwrap();
    let generation = writer.shared.view().generation;
    touch(&mut writer, &["a.py", "b.py", "c.md"]);
    assert_ne!(writer.shared.view().generation, generation);
    let (saved, written) = shown(&writer);
    assert_eq!(saved.iter().map(|chunk| chunk.path.as_str()).collect::<Vec<_>>(), ["a.py", "c.md"]);
    assert_eq!((writer.shared.status().chunks, written), (2, 2));
    assert_eq!(writer.base.as_ref().unwrap().reader.searcher().num_docs(), 2, "nothing is written yet");
    let searcher = Searcher::new(root.clone(), writer.shared.view(), true, None);
    let symbols = |name: &str| {
        let request = SearchRequest { kind: SearchKind::Symbol, ..SearchRequest::new(name, 5) };
        searcher.search(&request).unwrap().into_iter().filter_map(|hit| hit.symbol).collect::<Vec<_>>()
    };
    assert_eq!((symbols("a_as"), symbols("b")), (vec!["a_as_saved".to_owned()], vec![]));
    // A process that is killed here has told nobody.
    drop(writer);
    let mut writer = opened();
    assert_eq!(shown(&writer), (before, 2));
    walk(&mut writer);
    assert_eq!(shown(&writer).0, saved);
    write("a.py", "def a():\n    pass\n");
    touch(&mut writer, &["a.py"]);
    assert!(writer.flush_due().is_some());
    writer.flush();
    assert!(writer.flush_due().is_none() && writer.saved.is_empty());
    let last = shown(&writer);
    drop(writer);
    assert_eq!(shown(&opened()), last, "after that it is");
    // More than the bounds is written at once.
    let mut writer = opened();
    let names: Vec<String> = (0..=SAVED_FILES_MAX).map(|n| format!("{n}.txt")).collect();
    names.iter().for_each(|name| write(name, "text\n"));
    for some in names.chunks(SAVED_FILES_MAX) {
        touch(&mut writer, &some.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!((writer.flush_due(), shown(&writer).1), (None, 3 + SAVED_FILES_MAX as u64));
    // What is known by its path only is shown as it is stored.
    write("d.dat", "\0\0");
    touch(&mut writer, &["d.dat"]);
    assert_eq!(writer.flush_due(), None);
    assert!(shown(&writer).0.iter().any(|chunk| chunk.path == "d.dat"));
}

#[test]
fn closing_ends_a_walk_that_nobody_waits_for() {
    assert_eq!(swept(false), (State::Ready, 1));
    assert_eq!(swept(true), (State::Empty, 0));
}

/// A writer over a folder with these files, and what keeps the folder there.
fn writer_over(files: &[(&str, &str)]) -> (tempfile::TempDir, Writer) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("work");
    std::fs::create_dir(&root).unwrap();
    for (name, text) in files {
        std::fs::write(root.join(name), text).unwrap();
    }
    let folder = dir.path().join("index");
    std::fs::create_dir(&folder).unwrap();
    let base = Base::open(&folder).unwrap();
    let view = View::of(&base, &Saved::default(), None);
    let shared = Shared::new(root, Limits::default().bounded(), view, Status::default());
    let writer = Writer::new(Arc::new(shared), folder, base);
    (dir, writer)
}

/// What a build had done when it failed can be found, and nothing else is taken for indexed.
#[test]
fn a_build_that_fails_keeps_what_it_did() {
    let (_dir, mut writer) = writer_over(&[("a.py", "def a():\n    pass\n")]);
    let failed: Result<(), IndexError> = writer.guarded(|writer| {
        writer.base_mut().begin_build(Limits::default().build_bytes)?;
        writer.touch(&BTreeSet::from(["a.py".to_owned()]))?;
        assert_eq!(writer.shared.status().files, 0, "a build finds nothing before it is published");
        Err(IndexError::Root { path: PathBuf::new(), reason: "gone".to_owned() })
    });
    assert!(failed.is_err());
    writer.after_build();
    assert_eq!((shown(&writer).1, writer.shared.status().files), (1, 1));
}

/// What was touched before a walk that is broken off is still looked at.
#[test]
fn a_walk_that_is_broken_off_loses_no_touch() {
    let (_dir, writer) = writer_over(&[("a.py", "def a():\n    pass\n")]);
    let shared = writer.shared.clone();
    let (events, done) = std::sync::mpsc::channel();
    let cancel = CancelFlag::new();
    cancel.cancel();
    let ticket = shared.touch(["a.py"]);
    shared.want_refresh(RefreshJob { events, cancel, in_background: false });
    let thread = std::thread::spawn(move || writer.run());
    assert!(matches!(done.recv().unwrap(), RefreshEvent::Done(Err(IndexError::Cancelled))));
    assert!(shared.wait(ticket, Duration::from_secs(30)));
    assert_eq!(shared.status().files, 1);
    shared.stop();
    thread.join().unwrap();
}

/// One walk answers all who asked for one before it began, and none who asked later.
#[test]
fn a_walk_answers_those_who_asked_before_it() {
    let (_dir, writer) = writer_over(&[("a.py", "def a():\n    pass\n")]);
    let shared = writer.shared.clone();
    let ask = |in_background| {
        let (events, told) = std::sync::mpsc::channel();
        shared.want_refresh(RefreshJob { events, cancel: CancelFlag::new(), in_background });
        told
    };
    let (first, before) = (ask(false), ask(true));
    let Work::Refresh(_, ticket, _) = shared.next_work(Instant::now(), None) else {
        panic!("a walk was asked for")
    };
    let later = ask(true);
    shared.answer_those_before(ticket, &Report::default());
    assert!(matches!(before.try_recv(), Ok(RefreshEvent::Done(Ok(_)))));
    assert!(later.try_recv().is_err() && shared.walk_is_wanted());
    assert!(first.try_recv().is_err(), "its own answer is the writer's to give");
}

/// Nobody waits for a walk that no writer will make.
#[test]
fn whoever_asks_while_the_index_closes_hears_that() {
    let (_dir, writer) = writer_over(&[]);
    let shared = writer.shared.clone();
    let ask = || {
        let (events, told) = std::sync::mpsc::channel();
        shared.want_refresh(RefreshJob { events, cancel: CancelFlag::new(), in_background: true });
        told
    };
    let before = ask();
    shared.stop();
    assert!(before.recv().is_err() && ask().recv().is_err());
}

/// A log or a database that is written all the time gives nothing new to find.
#[test]
fn a_file_that_is_known_by_its_path_is_not_written_again() {
    let (_dir, mut writer) = writer_over(&[("a.bin", "\0one")]);
    let paths = BTreeSet::from(["a.bin".to_owned()]);
    writer.guarded(|writer| writer.touch(&paths)).unwrap();
    let generation = writer.shared.view().generation;
    std::fs::write(writer.shared.root.join("a.bin"), "\0another").unwrap();
    writer.guarded(|writer| writer.touch(&paths)).unwrap();
    assert_eq!(writer.shared.view().generation, generation);
    assert!(writer.flush_due().is_some(), "its new state is noted with the next");
}

/// Saves without end do not keep earlier ones from being written.
#[test]
fn what_waited_long_is_written_before_more_is_looked_at() {
    let (_dir, writer) = writer_over(&[]);
    let now = Instant::now();
    writer.shared.touch(["a.py"]);
    std::thread::sleep(Duration::from_millis(crate::limits::COALESCE_MS));
    let waited = FlushDue { due: now + Duration::from_secs(60), latest: now };
    assert!(matches!(writer.shared.next_work(now, Some(waited)), Work::Flush));
    let waits = FlushDue { due: now, latest: now + Duration::from_secs(60) };
    assert!(matches!(writer.shared.next_work(now, Some(waits)), Work::Touch(..)));
}

/// Another recipe is a reason to cut a file again, and none to write what comes out the same.
#[test]
fn what_is_cut_otherwise_and_comes_out_the_same_is_not_written_again() {
    let (_dir, mut writer) = writer_over(&[
        ("a.py", "def a():\n    pass\n"),
        ("b.py", "def b():\n    pass\n"),
        ("c.rs", "// @generated\nfn c() {}\n"),
    ]);
    let walk = |writer: &mut Writer| {
        let report = writer.guarded(|writer| writer.refresh(false, &CancelFlag::new(), &|_| {})).unwrap();
        (report.indexed, writer.shared.view().generation)
    };
    let (_, generation) = walk(&mut writer);
    for path in ["a.py", "c.rs"] {
        writer.base_mut().rows.get_mut(path).unwrap().recipe += 1;
    }
    assert_eq!(walk(&mut writer), (0, generation), "nothing is written");
    let fresh = writer.base_mut().rows["a.py"];
    assert_eq!(fresh.recipe, crate::parse::language::recipe_of("a.py"), "and known to be as it would be cut now");
    let row = writer.base_mut().rows.get_mut("b.py").unwrap();
    (row.recipe, row.chunks_hash) = (row.recipe + 1, [7; 16]);
    assert_eq!(walk(&mut writer), (1, generation + 1), "other chunks are");
}

/// A program that is being started holds copies of our descriptors for a moment, and with them the lock of a writer that
/// is gone by then.
#[test]
fn a_lock_that_only_looks_taken_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut base = Base::open(dir.path()).unwrap();
    let lock = std::fs::File::create(dir.path().join("base/text/.tantivy-writer.lock")).unwrap();
    lock.try_lock().unwrap();
    let held = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        lock.unlock().unwrap();
    });
    base.begin_build(crate::limits::BUILD_BYTES).unwrap();
    assert!(held.is_finished(), "the lock kept nobody out");
    held.join().unwrap();
}
