//! Between a change and the moment the writer has taken it up: a search finds it all the same, or says that files are being
//! read. Nothing is missing in silence.

use std::fs;
use std::path::Path;
use std::time::Instant;

use git2::Repository;
use git2::build::CheckoutBuilder;
use index::{CancelFlag, Index, Limits, Pace, SearchAnswer, SearchKind, SearchRequest};

use crate::space::{PATIENCE, Space, check_live, refresh, touch};

/// Files of one branch; more than are taken up one by one.
const MANY: usize = 200;

fn watched(space: &Space) -> Index {
    let index = space.open();
    let ticket = index.watch().unwrap();
    assert!(index.wait(ticket, PATIENCE));
    index
}

fn ask(index: &Index, kind: SearchKind, query: &str) -> SearchAnswer {
    index.searcher().answer(&SearchRequest { kind, ..SearchRequest::new(query, 10) }).unwrap()
}

/// What was said of changes is over before long.
fn settles(index: &Index) {
    let started = Instant::now();
    while ask(index, SearchKind::Symbol, "alpha").cut {
        assert!(started.elapsed() < PATIENCE, "files are being read for ever");
    }
}

fn finds(answer: &SearchAnswer, path: &str) -> bool {
    answer.hits.iter().any(|hit| hit.path == path)
}

/// Commits what stands in the folder to a branch.
fn commit(repository: &Repository, branch: &str) {
    let mut stage = repository.index().unwrap();
    stage.clear().unwrap();
    stage.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
    stage.write().unwrap();
    let tree = repository.find_tree(stage.write_tree().unwrap()).unwrap();
    let who = git2::Signature::now("Somebody", "somebody@example.org").unwrap();
    repository.commit(Some(branch), &who, &who, "All of it.", &tree, &[]).unwrap();
}

fn switch(repository: &Repository, branch: &str) {
    let there = repository.find_reference(branch).unwrap().peel_to_commit().unwrap();
    let mut forced = CheckoutBuilder::new();
    repository.checkout_tree(there.as_object(), Some(forced.force().remove_untracked(true))).unwrap();
    repository.set_head(branch).unwrap();
}

#[test]
fn after_a_change_of_branch_nothing_is_missing_in_silence() {
    let space = Space::with(&[]);
    let repository = Repository::init(&space.root).unwrap();
    let branches = ["refs/heads/one", "refs/heads/two"];
    for branch in branches {
        let name = branch.rsplit('/').next().unwrap();
        for n in 0..MANY {
            let text = format!("def {name}_{n}():\n    return '{name}'\n");
            space.write(&format!("both/f{n}.py"), text.as_bytes());
            space.write(&format!("{name}{}/only{n}.py", n % 10), text.replace("def ", "def only_").as_bytes());
        }
        commit(&repository, branch);
        for n in 0..10 {
            fs::remove_dir_all(space.root.join(format!("{name}{n}"))).unwrap();
        }
    }
    switch(&repository, branches[0]);
    let index = watched(&space);
    let mut told = 0;
    for round in 1..=6 {
        let branch = branches[round % 2];
        let name = branch.rsplit('/').next().unwrap();
        switch(&repository, branch);
        let n = round * 31;
        for (query, path) in [
            (format!("only_{name}_{n}"), format!("{name}{}/only{n}.py", n % 10)),
            (format!("{name}_{n}"), format!("both/f{n}.py")),
        ] {
            for kind in [SearchKind::Auto, SearchKind::Symbol] {
                let answer = ask(&index, kind, &query);
                assert!(finds(&answer, &path), "{query}, {kind:?}: {answer:#?}");
                check_live(&space.root, &answer.hits);
                told += usize::from(answer.many_changed);
            }
        }
        let ticket = index.touch([""]);
        assert!(index.wait(ticket, PATIENCE));
        settles(&index);
    }
    assert!(told > 0, "a hundred files are not read in no time");
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}

/// An ignore file may bring files in that nobody has looked at.
#[test]
fn after_an_edit_of_ignore_files_nothing_is_missing_in_silence() {
    let space = Space::with(&[(".gitignore", "quiet/\n"), ("a.py", "def alpha():\n    pass\n")]);
    for n in 0..MANY {
        space.write(&format!("quiet/f{n}.py"), format!("def quiet_{n}():\n    pass\n").as_bytes());
    }
    let index = watched(&space);
    for round in 0..4 {
        space.write(".gitignore", b"\n");
        let n = round * 17;
        let answer = ask(&index, SearchKind::Symbol, &format!("quiet_{n}"));
        assert!(finds(&answer, &format!("quiet/f{n}.py")), "{answer:#?}");
        space.write(".gitignore", b"quiet/\n");
        let answer = ask(&index, SearchKind::Symbol, &format!("quiet_{n}"));
        assert!(answer.hits.is_empty(), "what is left out by now is shown: {answer:#?}");
        let ticket = index.touch([""]);
        assert!(index.wait(ticket, PATIENCE));
    }
}

/// What is saved is found by the next question, whatever the writer is at, in every way that a file can be saved.
#[test]
fn a_save_is_found_by_the_next_question() {
    let space = Space::with(&[("a.py", "def alpha():\n    pass\n"), ("sub/b.py", "def beta():\n    pass\n")]);
    let index = watched(&space);
    for round in 0..20 {
        let (first, second, third) =
            (format!("saved_{round}"), format!("renamed_{round}"), format!("new_{round}"));
        space.write("a.py", format!("def {first}():\n    pass\n").as_bytes());
        assert!(finds(&ask(&index, SearchKind::Auto, &first), "a.py"), "{first}");
        space.write("sub/b.py.tmp~", format!("def {second}():\n    pass\n").as_bytes());
        fs::rename(space.root.join("sub/b.py.tmp~"), space.root.join("sub/b.py")).unwrap();
        let answer = ask(&index, SearchKind::Symbol, &second);
        assert!(finds(&answer, "sub/b.py"), "{answer:#?}");
        space.write(&format!("new{round}/deep/c.py"), format!("def {third}():\n    pass\n").as_bytes());
        assert!(finds(&ask(&index, SearchKind::Symbol, &third), &format!("new{round}/deep/c.py")), "{third}");
        space.remove(&format!("new{round}/deep/c.py"));
        assert!(ask(&index, SearchKind::Symbol, &third).hits.is_empty(), "{third} is gone");
    }
    touch(&index, &[""]);
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}

/// A build that makes way for a model takes its time; saves do not wait for it, nor for the walk before it.
#[test]
fn saves_do_not_wait_for_a_build() {
    let space = Space::with(&[]);
    for n in 0..MANY {
        space.write(&format!("f{n}.py"), format!("def f{n}():\n    pass\n").as_bytes());
    }
    let pace = Pace::new();
    let index = space.open_with(Limits { pace: pace.clone(), ..Limits::default() });
    refresh(&index);
    for n in 0..MANY {
        space.write(&format!("f{n}.py"), format!("def g{n}():\n    pass\n").as_bytes());
    }
    let _writing = pace.writing();
    let cancel = CancelFlag::new();
    let mut round = 0;
    let found = index.refresh_in_background(
        &mut |_| {
            // In the midst of it, on the thread that waits for it.
            round += 1;
            let name = format!("saved_{round}");
            space.write("f0.py", format!("def {name}():\n    pass\n").as_bytes());
            index.touch([Path::new("f0.py")]);
            assert!(finds(&ask(&index, SearchKind::Symbol, &name), "f0.py"), "{name}");
        },
        &cancel,
    );
    assert_eq!(found.unwrap().files, MANY);
    assert!(round > 1, "{round}");
    touch(&index, &["f0.py"]);
    assert_eq!(index.searcher().chunks().unwrap(), space.rebuilt());
}

/// Asks again after each new generation until a definition is, or is not, in the index itself.
fn wait_until(index: &Index, path: &str, is_indexed: bool, what: &str) {
    let mut generation = index.status().generation;
    while index.searcher().chunks().unwrap().iter().any(|chunk| chunk.path == path) != is_indexed {
        let now = index.wait_for_change(generation, PATIENCE);
        assert_ne!(now, generation, "{what} is not noticed");
        generation = now;
    }
}

/// What is true at once: nothing is missing without a word, and nothing is shown that rules exclude by now.
fn is_said(index: &Index, is_indexed: bool, what: &str) {
    let answer = ask(index, SearchKind::Symbol, "alpha");
    let is_as_it_is = answer.hits.is_empty() != is_indexed;
    assert!(is_as_it_is || is_indexed && answer.many_changed, "{what}: {answer:#?}");
}

/// An index that was opened and has not looked at the files again yet.
#[test]
fn what_was_ignored_while_nobody_looked_is_not_shown() {
    let space = Space::with(&[("a.py", "def alpha():\n    pass\n"), ("b.py", "def alpha_too():\n    pass\n")]);
    drop(space.indexed());
    space.write(".gitignore", b"a.py\n");
    let index = space.open();
    for kind in [SearchKind::Symbol, SearchKind::Auto] {
        let answer = ask(&index, kind, "alpha");
        assert!(finds(&answer, "b.py") && !finds(&answer, "a.py"), "{answer:#?}");
    }
}

#[test]
fn rules_above_the_workspace_are_noticed() {
    let space = Space::with(&[
        ("part/a.py", "def alpha():\n    pass\n"),
        ("part/own/b.py", "def beta():\n    pass\n"),
        (".git/info/exclude", "\n"),
        ("part/own/.git/info/exclude", "\n"),
    ]);
    let index = Index::open(&space.root.join("part"), &space.dirs, Limits::default()).unwrap();
    for is_watched in [false, true] {
        refresh(&index);
        if is_watched {
            let ticket = index.watch().unwrap();
            assert!(index.wait(ticket, PATIENCE));
        }
        for rules in [".gitignore", ".ignore", ".familiarignore", ".git/info/exclude"] {
            space.write(rules, b"a.py\n");
            is_said(&index, false, rules);
            wait_until(&index, "a.py", false, rules);
            space.write(rules, b"x.py\n");
            is_said(&index, true, rules);
            wait_until(&index, "a.py", true, rules);
            space.remove(rules);
        }
        // Those of a repository within hold there.
        space.write("part/own/.git/info/exclude", b"b.py\n");
        wait_until(&index, "own/b.py", false, "an exclude of a repository within");
        space.write("part/own/.git/info/exclude", b"\n");
        wait_until(&index, "own/b.py", true, "an exclude of a repository within");
    }
    let ticket = index.touch([""]);
    assert!(index.wait(ticket, PATIENCE));
    settles(&index);
}

/// Set for a process whose settings are those in a folder of its own.
const AT_HOME: &str = "FAMILIAR_INDEX_AT_HOME";

/// Settings belong to a process, so another one is started with a home of its own.
#[test]
fn the_users_own_excludes_are_noticed() {
    if let Ok(home) = std::env::var(AT_HOME) {
        return own_excludes(Path::new(&home));
    }
    let home = tempfile::tempdir().unwrap();
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["settling::the_users_own_excludes_are_noticed", "--exact"])
        .env(AT_HOME, home.path())
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path().join("config"))
        .env_remove("GIT_CONFIG_GLOBAL")
        .env("GIT_CONFIG_SYSTEM", home.path().join("none"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

fn own_excludes(home: &Path) {
    let write = |path: &str, text: &str| {
        fs::create_dir_all(home.join(path).parent().unwrap()).unwrap();
        fs::write(home.join(path), text).unwrap();
    };
    let space = Space::with(&[("a.py", "def alpha():\n    pass\n")]);
    let index = watched(&space);
    let check = |path: &str, is_indexed: bool| {
        is_said(&index, is_indexed, path);
        wait_until(&index, "a.py", is_indexed, path);
    };
    check("nothing", true);
    write("config/git/ignore", "a.py\n");
    check("config/git/ignore", false);
    write("named", "b.py\n");
    write(".gitconfig", &format!("[core]\n\texcludesFile = {}\n", home.join("named").display()));
    check(".gitconfig", true);
    write("named", "a.py\n");
    check("named", false);
    fs::remove_file(home.join("named")).unwrap();
    check("named is gone", true);
}
