//! Saves, renames, deletes and ignore rules reach the index, and nothing stale is ever shown before they do.

use std::fs;

use index::{
    CancelFlag, Index, IndexDirs, IndexError, Limits, Overlay, Progress, SearchKind, SearchRequest, Searcher,
    State,
};

use crate::space::{PATIENCE, Space, check_live, paths, refresh, search, touch};

#[test]
fn an_unchanged_workspace_is_not_parsed_again() {
    let space = Space::with(&[("a.rs", "fn a() {}\n"), ("b.md", "# B\n"), ("c.bin", "x")]);
    let (index, first) = space.indexed();
    assert_eq!((first.indexed, first.unchanged, first.files), (2, 0, 2));
    drop(index);
    let (index, again) = space.indexed();
    assert_eq!((again.indexed, again.files, again.removed, again.unchanged), (0, 2, 0, 2));
    assert_eq!(index.status().state, State::Ready);
    assert_eq!(index.status().generation, 1, "nothing new was published");
    space.write("a.rs", b"fn changed() {}\n");
    let third = refresh(&index);
    assert_eq!((third.indexed, third.files), (1, 2));
    assert_eq!(search(&index, "changed")[0].symbol.as_deref(), Some("changed"));
}

#[test]
fn touched_paths_are_taken_up() {
    let space = Space::with(&[("a.rs", "fn alpha() {}\n"), ("dir/b.rs", "fn beta() {}\n")]);
    let (index, _) = space.indexed();
    let check = |query: &str, expected: &[&str]| assert_eq!(paths(&index, query), expected, "{query}");
    space.write("a.rs", b"fn gamma() {}\n");
    touch(&index, &["a.rs"]);
    check("alpha", &[]);
    check("gamma", &["a.rs"]);
    fs::rename(space.root.join("a.rs"), space.root.join("dir/c.rs")).unwrap();
    touch(&index, &["a.rs", "dir/c.rs"]);
    check("gamma", &["dir/c.rs"]);
    fs::rename(space.root.join("dir"), space.root.join("moved")).unwrap();
    touch(&index, &["dir", "moved"]);
    check("beta", &["moved/b.rs"]);
    space.remove("moved/b.rs");
    touch(&index, &["moved"]);
    check("beta", &[]);
    // An edit of ignore rules changes what is indexed, in both directions.
    space.write("moved/.gitignore", b"c.rs\n");
    touch(&index, &["moved/.gitignore"]);
    check("gamma", &[]);
    space.write("moved/.gitignore", b"\n");
    touch(&index, &["moved/.gitignore"]);
    check("gamma", &["moved/c.rs"]);
    let absolute = space.root.join("new.rs");
    fs::write(&absolute, "fn delta() {}\n").unwrap();
    touch(&index, &[absolute.to_str().unwrap()]);
    check("delta", &["new.rs"]);
    touch(&index, &["../outside", "/etc/passwd", "", "moved/./c.rs"]);
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}

/// Also before the text index is written anew: the same hits, with the same scores.
#[test]
fn saved_files_rank_as_if_everything_were_indexed_anew() {
    let file = |n: usize| {
        format!("def needle_{n}(thing):\n    \"\"\"Finds a needle.\"\"\"\n    return {n}\n").repeat(1 + n % 3)
    };
    let space = Space::with(&[]);
    (0..12).for_each(|n| space.write(&format!("f{n}.py"), file(n).as_bytes()));
    let (index, _) = space.indexed();
    space.write("f3.py", format!("{}\ndef thread(needle):\n    return needle\n", file(5)).as_bytes());
    space.write("f4.py", b"nothing = 0\n");
    space.write("new.py", b"class Needle:\n    def thread(self):\n        return self.needle_3\n");
    space.remove("f5.py");
    touch(&index, &["f3.py", "f4.py", "f5.py", "new.py"]);
    let anew = IndexDirs { cache: space.dirs.cache.join("anew") };
    let anew = Index::open(&space.root, &anew, Limits::default()).unwrap();
    refresh(&anew);
    let key = |hit: &index::Hit| (hit.path.clone(), hit.start_line);
    for query in ["needle", "thread", "Needle.thread", "finds a thing", "needle_5", "nothing", "new.py"] {
        for kind in [SearchKind::Auto, SearchKind::Symbol] {
            let request = SearchRequest { kind, ..SearchRequest::new(query, 40) };
            let [mut found, mut expected] =
                [&index, &anew].map(|index| index.searcher().search(&request).unwrap());
            check_live(&space.root, &found);
            for hits in [&mut found, &mut expected] {
                // Misspelt names are looked for in the stored names only when none is written so.
                hits.retain(|hit| kind == SearchKind::Auto || hit.score > 0.5);
                hits.sort_by_key(key);
            }
            assert_eq!(found, expected, "{query}, {kind:?}");
        }
    }
    let place = |index: &Index| index.searcher().related("new.py", 2..=2, &Overlay::default(), None).unwrap();
    assert_eq!(place(&index), place(&anew));
}

/// The files change behind the index's back; what is shown is right all the same.
#[test]
fn stale_hits_are_cut_again_or_dropped() {
    let space = Space::with(&[
        ("moved.py", "def needle():\n    return 1\n"),
        ("gone.py", "def needle_gone():\n    return 2\n"),
        ("other.py", "def needle_other():\n    return 3\n"),
        ("same_size.py", "def needle_same():\n    return 4\n"),
    ]);
    let (index, _) = space.indexed();
    let searcher = index.searcher();
    space.write("moved.py", b"# one\n# two\n\n\ndef needle():\n    return 1\n");
    space.remove("gone.py");
    space.write("other.py", b"nothing = 0\n");
    // Same size and same time stamp: only the content tells.
    let stamp = fs::metadata(space.root.join("same_size.py")).unwrap().modified().unwrap();
    space.write("same_size.py", b"def noodle_same():\n    return 4\n");
    fs::File::options().write(true).open(space.root.join("same_size.py")).unwrap().set_modified(stamp).unwrap();
    let hits = searcher.search(&SearchRequest::new("needle", 10)).unwrap();
    check_live(&space.root, &hits);
    let shown: Vec<_> = hits.iter().map(|hit| (hit.path.as_str(), hit.start_line, hit.end_line)).collect();
    assert_eq!(shown, [("moved.py", 1, 6)]);
}

/// After a change of branch more files differ than one search cuts again; it says so.
#[test]
fn an_answer_says_when_more_files_changed_than_it_looks_at_again() {
    // Some are taken up while an answer still looks at others.
    const FILES: usize = 80;
    let files: Vec<(String, String)> =
        (0..FILES).map(|n| (format!("m{n}.py"), format!("def needle_{n}():\n    pass\n"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let space = Space::with(&files);
    let (index, _) = space.indexed();
    let ask = |kind| {
        let request = SearchRequest { kind, ..SearchRequest::new("needle", FILES + 20) };
        index.searcher().answer(&request).unwrap()
    };
    let mut told = 0;
    for (changed, is_many) in [(3, false), (FILES, true)] {
        for kind in [SearchKind::Auto, SearchKind::Symbol] {
            for (path, text) in &files[..changed] {
                space.write(path, format!("# {changed}, {kind:?}\n{text}").as_bytes());
            }
            let answer = ask(kind);
            // What an answer finds stale is taken up behind it, so the next one may know all of it again.
            assert!(is_many || !answer.cut, "{kind:?}, {changed} changed");
            assert!(answer.cut || answer.hits.len() == FILES, "{kind:?}: {} hits", answer.hits.len());
            check_live(&space.root, &answer.hits);
            told += usize::from(answer.cut);
        }
    }
    assert!(told > 0, "so many files are more than one answer cuts again");
}

#[test]
fn a_vanished_workspace_is_an_error_and_loses_nothing() {
    let space = Space::with(&[("a.rs", "fn needle() {}\n")]);
    let (index, _) = space.indexed();
    let away = space.root.with_extension("away");
    fs::rename(&space.root, &away).unwrap();
    let result = index.refresh(&mut |_| {}, &CancelFlag::new());
    assert!(matches!(result, Err(IndexError::Root { .. })), "{result:?}");
    let ticket = index.touch(["a.rs"]);
    assert!(index.wait(ticket, PATIENCE));
    assert_eq!(paths(&index, "needle"), Vec::<String>::new());
    fs::rename(&away, &space.root).unwrap();
    assert_eq!(paths(&index, "needle"), ["a.rs"], "nothing was forgotten");
    assert_eq!(refresh(&index).indexed, 0);
}

#[test]
fn a_workspace_that_vanishes_while_it_is_indexed_stops_nothing() {
    let space = Space::with(&[]);
    for n in 0..400 {
        space.write(&format!("d{}/f{n}.py", n % 20), format!("def f{n}():\n    pass\n").as_bytes());
    }
    let index = space.open();
    let mut removed = false;
    // Either outcome is right; it depends on how far the walk was.
    let result = index.refresh(
        &mut |_| {
            if !removed {
                removed = true;
                fs::remove_dir_all(&space.root).unwrap();
            }
        },
        &CancelFlag::new(),
    );
    assert!(matches!(result, Ok(_) | Err(IndexError::Root { .. })), "{result:?}");
    assert_eq!(search(&index, "f1"), []);
}

#[test]
fn saves_by_anyone_are_seen_while_watching() {
    let space = Space::with(&[("a.rs", "fn alpha() {}\n")]);
    let (index, _) = space.indexed();
    let ticket = index.watch().unwrap();
    assert!(index.wait(ticket, PATIENCE));
    // Looks again after each new generation; a hit must come from the index itself, not from the check on reading.
    let wait_for = |query: &str, path: &str| {
        let mut generation = 0;
        loop {
            let now = index.wait_for_change(generation, PATIENCE);
            assert_ne!(now, generation, "{query} is not seen in {path}");
            generation = now;
            let stored = index.searcher().chunks().unwrap().iter().any(|chunk| chunk.path == path);
            if stored && paths(&index, query) == [path] {
                return;
            }
        }
    };
    space.write("a.rs", b"fn beta() {}\n");
    wait_for("beta", "a.rs");
    // The way most editors save: a new file is renamed over the old one.
    space.write("a.rs.tmp~", b"fn gamma() {}\n");
    fs::rename(space.root.join("a.rs.tmp~"), space.root.join("a.rs")).unwrap();
    wait_for("gamma", "a.rs");
    // A file in folders that did not exist when the watch began.
    space.write("new/deep/er/b.rs", b"fn delta() {}\n");
    wait_for("delta", "new/deep/er/b.rs");
    space.write("new/deep/er/b.rs", b"fn epsilon() {}\n");
    wait_for("epsilon", "new/deep/er/b.rs");
    fs::remove_dir_all(space.root.join("new")).unwrap();
    let mut generation = index.status().generation;
    while index.status().files > 1 {
        let now = index.wait_for_change(generation, PATIENCE);
        assert_ne!(now, generation, "the removed folder is still indexed");
        generation = now;
    }
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}

/// Looks again after each new generation until the index holds exactly these paths.
fn wait_for(index: &Index, expected: &[&str]) {
    let mut generation = index.status().generation;
    loop {
        let mut stored: Vec<_> = index.searcher().chunks().unwrap().into_iter().map(|chunk| chunk.path).collect();
        stored.dedup();
        if stored == expected {
            return;
        }
        let now = index.wait_for_change(generation, PATIENCE);
        assert_ne!(now, generation, "{stored:?} instead of {expected:?}");
        generation = now;
    }
}

#[test]
fn a_workspace_that_comes_back_is_watched_again() {
    let space = Space::with(&[("a.rs", "fn alpha() {}\n"), ("sub/b.rs", "fn beta() {}\n")]);
    let (index, _) = space.indexed();
    let ticket = index.watch().unwrap();
    assert!(index.wait(ticket, PATIENCE));
    fs::remove_dir_all(&space.root).unwrap();
    // The way a fresh clone replaces a folder.
    space.write("sub/c.rs", b"fn gamma() {}\n");
    wait_for(&index, &["sub/c.rs"]);
    space.write("sub/d.rs", b"fn delta() {}\n");
    wait_for(&index, &["sub/c.rs", "sub/d.rs"]);
}

#[test]
fn folders_that_are_moved_stay_watched_under_their_new_names() {
    let space = Space::with(&[("a/deep/f.rs", "fn alpha() {}\n"), ("z.rs", "fn omega() {}\n")]);
    let (index, _) = space.indexed();
    let ticket = index.watch().unwrap();
    assert!(index.wait(ticket, PATIENCE));
    let at = |path: &str| space.root.join(path);
    fs::rename(at("a"), at("b")).unwrap();
    wait_for(&index, &["b/deep/f.rs", "z.rs"]);
    // The old names are taken and given up again; the folder that had them first must not notice.
    fs::create_dir_all(at("a/deep")).unwrap();
    space.write("a/deep/g.rs", b"fn gone() {}\n");
    wait_for(&index, &["a/deep/g.rs", "b/deep/f.rs", "z.rs"]);
    fs::remove_dir_all(at("a")).unwrap();
    wait_for(&index, &["b/deep/f.rs", "z.rs"]);
    space.write("b/deep/h.rs", b"fn eta() {}\n");
    wait_for(&index, &["b/deep/f.rs", "b/deep/h.rs", "z.rs"]);
    let outside = space.root.with_file_name("outside");
    fs::rename(at("b"), &outside).unwrap();
    wait_for(&index, &["z.rs"]);
    fs::rename(&outside, at("c")).unwrap();
    wait_for(&index, &["c/deep/f.rs", "c/deep/h.rs", "z.rs"]);
    space.write("c/deep/i.rs", b"fn iota() {}\n");
    wait_for(&index, &["c/deep/f.rs", "c/deep/h.rs", "c/deep/i.rs", "z.rs"]);
}

/// A cache inside the workspace must not index itself for ever.
#[test]
fn a_cache_inside_the_workspace_is_left_alone() {
    let mut space = Space::with(&[("a.rs", "fn needle() {}\n")]);
    space.dirs.cache = space.root.join("cache");
    let (index, _) = space.indexed();
    let ticket = index.watch().unwrap();
    assert!(index.wait(ticket, PATIENCE));
    let report = refresh(&index);
    assert_eq!((report.files, report.indexed), (1, 0), "{report:?}");
    space.write("b.rs", b"fn needle() {}\n");
    touch(&index, &["b.rs", "cache"]);
    assert_eq!(index.status().files, 2);
}

#[test]
fn a_second_owner_is_told_and_may_read() {
    let space = Space::with(&[("a.rs", "fn needle() {}\n")]);
    let (index, _) = space.indexed();
    let second = Index::open(&space.root, &space.dirs, Limits::default());
    assert!(matches!(second, Err(IndexError::Locked { .. })));
    assert!(matches!(Index::forget(&space.root, &space.dirs), Err(IndexError::Locked { .. })));
    let reader = Searcher::open(&space.root, &space.dirs).unwrap();
    assert_eq!(reader.search(&SearchRequest::new("needle", 5)).unwrap().len(), 1);
    assert_eq!(reader.generation(), index.status().generation);
    drop(index);
    space.open();
}

#[test]
fn forgetting_leaves_nothing() {
    let space = Space::with(&[("a.rs", "fn needle() {}\n")]);
    drop(space.indexed());
    assert!(Index::forget(&space.root, &space.dirs).unwrap());
    assert!(!Index::forget(&space.root, &space.dirs).unwrap());
    assert_eq!(fs::read_dir(space.dirs.cache.join("index")).unwrap().count(), 0);
    let elsewhere = IndexDirs { cache: space.dirs.cache.join("none") };
    assert!(!Index::forget(&space.root, &elsewhere).unwrap());
}

#[test]
fn a_cancelled_build_keeps_what_it_did_and_is_completed_later() {
    let space = Space::with(&[]);
    // Enough to be still at it when it is told to stop.
    for n in 0..3_000 {
        space.write(&format!("f{n}.py"), format!("def f{n}():\n    pass\n").as_bytes());
    }
    let index = space.open();
    let cancel = CancelFlag::new();
    let result = index.refresh(&mut |Progress { .. }| cancel.cancel(), &cancel);
    assert!(matches!(result, Err(IndexError::Cancelled)), "{result:?}");
    assert!(matches!(index.status().state, State::Partial | State::Empty), "{:?}", index.status().state);
    drop(index);
    let (index, report) = space.indexed();
    assert_eq!(report.files, 3_000);
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}
