//! History of real repositories: what changes together, last touches, subjects, the origin of lines.

use std::path::Path;

use git2::{Repository, Signature, Time};
use index::{Blame, BlamePart, CancelFlag, History, HistoryCache, HistoryLimits, blame};

use crate::space::{PATIENCE, Space};

/// A repository whose commits are a minute apart.
struct Repo {
    repository: Repository,
    made: i64,
}

impl Repo {
    fn new(root: &Path) -> Self {
        Self { repository: Repository::init(root).unwrap(), made: 0 }
    }

    /// Writes files (an empty text removes one) and commits them on top of `parents`, or of the last commit.
    fn commit_on(&mut self, parents: Option<&[git2::Oid]>, subject: &str, files: &[(&str, &str)]) -> git2::Oid {
        let root = self.repository.workdir().unwrap().to_owned();
        let mut index = self.repository.index().unwrap();
        for (path, text) in files {
            let full = root.join(path);
            if text.is_empty() {
                std::fs::remove_file(full).unwrap();
                index.remove_path(Path::new(path)).unwrap();
                continue;
            }
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
            index.add_path(Path::new(path)).unwrap();
        }
        index.write().unwrap();
        let tree = self.repository.find_tree(index.write_tree().unwrap()).unwrap();
        self.made += 1;
        let time = Time::new(1_700_000_000 + self.made * 60, 0);
        let who = Signature::new("Ada", "ada@example.org", &time).unwrap();
        let head = self.repository.head().ok().and_then(|head| head.target());
        let parents: Vec<git2::Oid> = parents.map_or_else(|| head.into_iter().collect(), <[_]>::to_vec);
        let parents: Vec<_> = parents.iter().map(|id| self.repository.find_commit(*id).unwrap()).collect();
        let parents: Vec<_> = parents.iter().collect();
        self.repository.commit(None, &who, &who, subject, &tree, &parents).map(|id| self.check_out(id)).unwrap()
    }

    fn commit(&mut self, subject: &str, files: &[(&str, &str)]) -> git2::Oid {
        self.commit_on(None, subject, files)
    }

    fn check_out(&self, id: git2::Oid) -> git2::Oid {
        self.repository.reference("refs/heads/trunk", id, true, "test").unwrap();
        self.repository.set_head("refs/heads/trunk").unwrap();
        id
    }
}

/// The last commit that changed a file.
fn last_commit<'a>(history: &'a History, path: &str) -> Option<&'a index::Commit> {
    history.commits_of(path).next()
}

fn read(root: &Path) -> History {
    History::read(root, &HistoryLimits { time: PATIENCE, ..HistoryLimits::default() })
}

fn subjects<'a>(history: &'a History, path: &str) -> Vec<&'a str> {
    history.commits_of(path).map(|commit| commit.subject.as_str()).collect()
}

fn sample() -> (Space, Repo) {
    let space = Space::with(&[]);
    let mut repo = Repo::new(&space.root);
    repo.commit("start", &[("app/cache.py", "one\ntwo\nthree\n"), ("app/views.py", "v1\n"), ("docs/a.md", "a\n")]);
    repo.commit(
        "cache: expire entries by age",
        &[("app/cache.py", "one\n2\nthree\n"), ("tests/cache.py", "t1\n")],
    );
    repo.commit("views: show errors", &[("app/views.py", "v2\n"), ("gone.py", "x\n")]);
    repo.commit("cache: count misses", &[("app/cache.py", "one\n2\nthree\nfour\n"), ("tests/cache.py", "t2\n")]);
    repo.commit("remove what nobody uses", &[("gone.py", ""), ("app/views.py", "v3\n"), (".env", "key=1\n")]);
    (space, repo)
}

#[test]
fn files_know_their_commits_and_companions() {
    let (space, _repo) = sample();
    let history = read(&space.root);
    assert_eq!((history.len(), history.notes()), (5, &[] as &[String]));
    let last = last_commit(&history, "app/cache.py").unwrap();
    assert_eq!(
        (last.subject.as_str(), last.author.as_str(), last.time),
        ("cache: count misses", "Ada", 1_700_000_240)
    );
    assert_eq!(last.id.len(), 10);
    assert_eq!(subjects(&history, "app/views.py"), ["remove what nobody uses", "views: show errors", "start"]);
    assert_eq!(last_commit(&history, ".env"), None);
    assert_eq!(last_commit(&history, "none.py"), None);
    let together = history.co_changed("app/cache.py", 10);
    let shape: Vec<_> = together.iter().map(|one| (one.path.as_str(), one.commits, one.weight)).collect();
    assert_eq!(shape, [("tests/cache.py", 2, 2.0), ("app/views.py", 1, 0.5), ("docs/a.md", 1, 0.5)]);
    assert_eq!(history.co_changed("app/cache.py", 1).len(), 1);
    // What is gone or secret is nobody's companion.
    assert!(history.co_changed("app/views.py", 10).iter().all(|one| one.path != "gone.py" && one.path != ".env"));
}

#[test]
fn subjects_lead_to_files() {
    let (space, _repo) = sample();
    let history = read(&space.root);
    let found = history.matching("Why do cached entries expire?", 3);
    assert_eq!(found[0].commit.subject, "cache: expire entries by age");
    assert_eq!(found[0].path, "app/cache.py");
    assert!(found[0].score > found.last().unwrap().score || found.len() == 2);
    assert_eq!(history.matching("nothing of the kind", 3), []);
    assert_eq!(history.matching("", 3), []);
}

#[test]
fn broad_commits_and_merges_pair_nothing() {
    let space = Space::with(&[]);
    let mut repo = Repo::new(&space.root);
    let names: Vec<String> = (0..60).map(|number| format!("part{number}.py")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x\n")).collect();
    let first = repo.commit("start", &all);
    let left = repo.commit("left", &[("part1.py", "left\n")]);
    // The other side starts from the first commit, so it has what the first commit has of the changed file.
    let right = [("part1.py", "x\n"), ("part2.py", "right\n"), ("part3.py", "right\n")];
    let right = repo.commit_on(Some(&[first]), "right", &right);
    repo.commit_on(Some(&[left, right]), "merge", &[("part1.py", "left\n"), ("part4.py", "merge\n")]);
    let history = read(&space.root);
    assert_eq!(history.co_changed("part1.py", 9), []);
    assert_eq!(history.co_changed("part2.py", 9)[0].path, "part3.py");
    assert_eq!(subjects(&history, "part4.py"), ["start"]);
    assert_eq!(subjects(&history, "part1.py"), ["left", "start"]);
}

#[test]
fn a_workspace_below_the_work_tree_sees_its_own_files() {
    let (space, _repo) = sample();
    let history = read(&space.root.join("app"));
    assert_eq!(subjects(&history, "views.py"), ["remove what nobody uses", "views: show errors", "start"]);
    assert_eq!(last_commit(&history, "app/views.py"), None);
    let found = blame(&space.root.join("app"), "views.py", 1, 1, &HistoryLimits::default());
    assert_eq!(found.parts[0].commit.as_ref().unwrap().subject, "remove what nobody uses");
}

/// Lines, with the subject that each came from.
fn origins(blame: &Blame) -> Vec<(u32, u32, &str)> {
    blame.parts.iter().map(|part| (part.start_line, part.end_line, subject(part))).collect()
}

fn subject(part: &BlamePart) -> &str {
    part.commit.as_ref().map_or("(not committed)", |commit| &commit.subject)
}

#[test]
fn lines_are_traced_to_their_commits() {
    let (space, _repo) = sample();
    let limits = HistoryLimits { time: PATIENCE, ..HistoryLimits::default() };
    let found = blame(&space.root, "app/cache.py", 1, 99, &limits);
    let expected =
        [(1, 1, "start"), (2, 2, "cache: expire entries by age"), (3, 3, "start"), (4, 4, "cache: count misses")];
    assert_eq!((origins(&found), found.notes.len()), (expected.to_vec(), 0));
    // Unsaved in git, with other line breaks, and moved by lines that are new.
    space.write("app/cache.py", b"zero\r\none\r\n2\r\nfour\r\n");
    let found = blame(&space.root, "app/cache.py", 1, 4, &limits);
    let expected = [
        (1, 1, "(not committed)"),
        (2, 2, "start"),
        (3, 3, "cache: expire entries by age"),
        (4, 4, "cache: count misses"),
    ];
    assert_eq!(origins(&found), expected);
    let found = blame(&space.root, "app/cache.py", 3, 3, &limits);
    assert_eq!(origins(&found), [(3, 3, "cache: expire entries by age")]);
    space.write("app/new.py", b"new\n");
    assert_eq!(origins(&blame(&space.root, "app/new.py", 1, 1, &limits)), [(1, 1, "(not committed)")]);
    for (path, first) in [("app/cache.py", 90), ("../outside", 1), (".env", 1), ("app", 1)] {
        let found = blame(&space.root, path, first, first, &limits);
        assert_eq!((found.parts.len(), found.notes.len()), (0, 1), "{path}");
    }
}

#[test]
fn lines_are_traced_through_merges() {
    let space = Space::with(&[]);
    let mut repo = Repo::new(&space.root);
    let first = repo.commit("start", &[("a.py", "1\n2\n3\n4\n5\n")]);
    let left = repo.commit("left", &[("a.py", "left\n2\n3\n4\n5\n")]);
    let right = repo.commit_on(Some(&[first]), "right", &[("a.py", "1\n2\n3\n4\nright\n")]);
    repo.commit_on(Some(&[left, right]), "merge", &[("a.py", "left\n2\nmerge\n4\nright\n")]);
    let found = blame(&space.root, "a.py", 1, 5, &HistoryLimits { time: PATIENCE, ..HistoryLimits::default() });
    let expected = [(1, 1, "left"), (2, 2, "start"), (3, 3, "merge"), (4, 4, "start"), (5, 5, "right")];
    assert_eq!(origins(&found), expected);
}

/// Whatever the repository looks like, there is an answer and, where something is missing, a sentence.
#[test]
fn odd_repositories_give_less_but_never_fail() {
    let check = |root: &Path, note: &str| {
        let history = read(root);
        assert!(history.notes().iter().any(|one| one.contains(note)), "{note}: {:?}", history.notes());
        blame(root, "a.py", 1, 1, &HistoryLimits::default());
        history.len()
    };
    let space = Space::with(&[("a.py", "x\n")]);
    assert_eq!(check(&space.root, "there is no git history here"), 0);
    assert_eq!(check(&space.root.join("none"), "there is no git history here"), 0);
    Repository::init(&space.root).unwrap();
    assert_eq!(check(&space.root, "no commits yet"), 0);
    let bare = Space::with(&[]);
    Repository::init_bare(&bare.root).unwrap();
    assert_eq!(check(&bare.root, "no work tree"), 0);
    let (broken, _repo) = sample();
    broken.write(".git/HEAD", b"nonsense");
    assert_eq!(check(&broken.root, "git history"), 0);
    let (emptied, repo) = sample();
    let head = repo.repository.head().unwrap().target().unwrap().to_string();
    let parent = repo.repository.find_commit(head.parse().unwrap()).unwrap().parent_id(0).unwrap().to_string();
    let object = emptied.root.join(format!(".git/objects/{}/{}", &parent[..2], &parent[2..]));
    std::fs::remove_file(object).unwrap();
    check(&emptied.root, "git history");
    let (shallow, repo) = sample();
    let head = repo.repository.head().unwrap().peel_to_commit().unwrap();
    shallow.write(".git/shallow", format!("{}\n", head.parent_id(0).unwrap()).as_bytes());
    assert_eq!(check(&shallow.root, "shallow"), 1);
}

/// A few objects that stand for ten billion folders, and a subject that would repaint a terminal.
#[test]
fn hostile_objects_are_survived() {
    let (space, mut repo) = sample();
    repo.commit("\u{1b}[2Jclear\tall\n\nbody", &[("docs/b.md", "b\n")]);
    let inner = &repo.repository;
    let mut tree = inner.treebuilder(None).unwrap().write().unwrap();
    for _ in 0..10 {
        let mut builder = inner.treebuilder(None).unwrap();
        for name in 0..10 {
            builder.insert(format!("folder{name}"), tree, 0o040_000).unwrap();
        }
        tree = builder.write().unwrap();
    }
    let head = inner.head().unwrap().peel_to_commit().unwrap();
    let who = Signature::new("A\u{1b}[31mda", "ada@example.org", &Time::new(1_800_000_000, 0)).unwrap();
    let tree = inner.find_tree(tree).unwrap();
    let bomb = inner.commit(None, &who, &who, "bomb", &tree, &[&head]).unwrap();
    drop((head, tree));
    repo.check_out(bomb);
    let history = read(&space.root);
    assert_eq!(last_commit(&history, "docs/b.md").unwrap().subject, "[2Jclear all");
    assert!(subjects(&history, "app/cache.py").contains(&"cache: count misses"));
}

#[test]
fn submodules_are_no_files() {
    let (space, mut repo) = sample();
    let (other, _) = sample();
    let mut staged = repo.repository.index().unwrap();
    let id = Repository::open(&other.root).unwrap().head().unwrap().target().unwrap();
    let entry = git2::IndexEntry {
        ctime: git2::IndexTime::new(0, 0),
        mtime: git2::IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: 0o160_000,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: b"lib".to_vec(),
    };
    staged.add(&entry).unwrap();
    staged.write().unwrap();
    repo.commit("add a submodule", &[("docs/a.md", "with lib\n")]);
    let history = read(&space.root);
    assert_eq!((last_commit(&history, "lib"), history.notes().len()), (None, 0));
    assert_eq!(last_commit(&history, "docs/a.md").unwrap().subject, "add a submodule");
}

#[test]
fn detached_heads_and_work_trees_have_their_own_history() {
    let (space, repo) = sample();
    let head = repo.repository.head().unwrap().peel_to_commit().unwrap();
    repo.repository.set_head_detached(head.parent_id(0).unwrap()).unwrap();
    assert_eq!(read(&space.root).len(), 4);
    let other = space.root.parent().unwrap().join("other");
    repo.repository.worktree("other", &other, None).unwrap();
    assert_eq!(subjects(&read(&other), "app/cache.py").len(), 3);
}

#[test]
fn limits_hold_and_nothing_is_written() {
    let (space, _repo) = sample();
    let listing = |root: &Path| {
        let mut all: Vec<_> =
            std::fs::read_dir(root.join(".git")).unwrap().map(|one| one.unwrap().path()).collect();
        all.sort();
        all.into_iter()
            .map(|path| (path.clone(), path.metadata().unwrap().modified().unwrap()))
            .collect::<Vec<_>>()
    };
    let before = listing(&space.root);
    let history = History::read(&space.root, &HistoryLimits { commits: 2, ..HistoryLimits::default() });
    assert_eq!((history.len(), history.notes().len()), (2, 1));
    let cancel = CancelFlag::new();
    cancel.cancel();
    assert!(History::read(&space.root, &HistoryLimits { cancel, ..HistoryLimits::default() }).is_empty());
    blame(&space.root, "app/cache.py", 1, 4, &HistoryLimits::default());
    assert_eq!(listing(&space.root), before);
}

#[test]
fn the_cache_follows_what_is_checked_out() {
    let (space, mut repo) = sample();
    let cache = HistoryCache::new(&space.root, HistoryLimits::default());
    assert_eq!(cache.wait(PATIENCE).unwrap().len(), 5);
    let same = cache.now().unwrap();
    assert!(std::sync::Arc::ptr_eq(&same, &cache.wait(PATIENCE).unwrap()), "nothing changed, nothing is read");
    repo.commit("one more", &[("docs/a.md", "b\n")]);
    assert_eq!(last_commit(&cache.wait(PATIENCE).unwrap(), "docs/a.md").unwrap().subject, "one more");
    let none = Space::with(&[]);
    let cache = HistoryCache::new(&none.root, HistoryLimits::default());
    assert!(cache.wait(PATIENCE).unwrap().is_empty());
}
