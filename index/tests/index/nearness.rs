//! What the asker is at: it breaks ties, says so, and changes nothing where nothing is known.

use std::sync::Arc;
use std::time::Duration;

use git2::{Repository, Signature};
use index::{History, HistoryLimits, Hit, Nearby, SearchRequest, Searcher};

use crate::space::Space;

const FILES: [&str; 4] = ["app/alpha.py", "app/beta.py", "app/delta.py", "app/gamma.py"];

/// Four files that answer a question equally well.
fn space() -> Space {
    let space = Space::with(&[]);
    for path in FILES {
        space.write(path, b"def parcel(weight):\n    return weight\n");
    }
    space
}

fn commit(space: &Space, repository: &Repository, message: &str, paths: &[&str]) {
    let mut staged = repository.index().unwrap();
    for path in paths {
        let text = std::fs::read_to_string(space.root.join(path)).unwrap();
        space.write(path, format!("{text}# {message}\n").as_bytes());
        staged.add_path(std::path::Path::new(path)).unwrap();
    }
    let tree = repository.find_tree(staged.write_tree().unwrap()).unwrap();
    let head = repository.head().ok().and_then(|head| head.peel_to_commit().ok());
    let seconds = head.as_ref().map_or(1_700_000_000, |head| head.time().seconds() + 60);
    let who = Signature::new("Ada", "ada@example.org", &git2::Time::new(seconds, 0)).unwrap();
    let parents: Vec<_> = head.iter().collect();
    repository.commit(Some("HEAD"), &who, &who, message, &tree, &parents).unwrap();
}

fn ask(searcher: &Searcher, question: &str, nearby: Nearby) -> Vec<Hit> {
    searcher.search(&SearchRequest { nearby, ..SearchRequest::new(question, 10) }).unwrap()
}

fn first(hits: &[Hit]) -> (&str, &str) {
    (hits[0].path.as_str(), hits[0].why.rsplit("; ").next().unwrap())
}

#[test]
fn open_and_edited_files_come_before_their_equals() {
    let space = space();
    let (index, _) = space.indexed();
    let searcher = index.searcher();
    let plain = ask(&searcher, "parcel weight", Nearby::default());
    assert_eq!(plain[0].path, "app/alpha.py");
    let open = Nearby { open: vec!["app/gamma.py".into()], ..Nearby::default() };
    assert_eq!(first(&ask(&searcher, "parcel weight", open)), ("app/gamma.py", "open in the editor"));
    let edited = Nearby { edited: vec!["app/delta.py".into()], ..Nearby::default() };
    assert_eq!(first(&ask(&searcher, "parcel weight", edited)), ("app/delta.py", "edited lately"));
    // More than a tie it does not break: another word outweighs it.
    let open = Nearby { open: vec!["app/gamma.py".into()], ..Nearby::default() };
    assert_eq!(ask(&searcher, "parcel weight in beta.py", open)[0].path, "app/beta.py");
}

#[test]
fn what_changes_with_an_open_file_and_what_commits_speak_of_gains() {
    let space = space();
    let repository = Repository::init(&space.root).unwrap();
    commit(&space, &repository, "start", &["app/beta.py"]);
    commit(&space, &repository, "one", &["app/beta.py", "app/gamma.py"]);
    commit(&space, &repository, "two", &["app/beta.py", "app/gamma.py"]);
    commit(&space, &repository, "round the postage of abroad", &["app/delta.py"]);
    for path in FILES {
        space.write(path, b"def parcel(weight):\n    return weight\n");
    }
    let limits = HistoryLimits { time: Duration::from_secs(30), ..HistoryLimits::default() };
    let history = Some(Arc::new(History::read(&space.root, &limits)));
    let (index, _) = space.indexed();
    let searcher = index.searcher();
    let beta = Nearby { open: vec!["app/beta.py".into()], history: history.clone(), ..Nearby::default() };
    let hits = ask(&searcher, "parcel weight", beta);
    let order: Vec<&str> = hits.iter().map(|hit| hit.path.as_str()).collect();
    assert_eq!(order, ["app/beta.py", "app/gamma.py", "app/alpha.py", "app/delta.py"]);
    assert!(hits[1].why.ends_with("; changes with `app/beta.py`"), "{}", hits[1].why);
    let spoken = Nearby { history: history.clone(), ..Nearby::default() };
    let hits = ask(&searcher, "parcel postage abroad", spoken);
    assert_eq!(hits[0].path, "app/delta.py");
    assert!(hits[0].why.ends_with(", 'round the postage of abroad'"), "{}", hits[0].why);
    let related = searcher.related("app/beta.py", 1..=2, &index::Overlay::new(), history.as_deref()).unwrap();
    assert_eq!(related.changes_with.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["app/gamma.py"]);
}

/// The scores that everything is tuned by stay what they are, to the last bit.
#[test]
fn where_nothing_is_known_nothing_changes() {
    let space = space();
    let (index, _) = space.indexed();
    let searcher = index.searcher();
    let none = Some(Arc::new(History::read(&space.root, &HistoryLimits::default())));
    let elsewhere = vec!["app/none.py".to_owned()];
    for question in ["parcel weight", "parcel", "app.alpha", "def parcel(weight)"] {
        let plain = ask(&searcher, question, Nearby::default());
        assert!(!plain.is_empty());
        let nearby = Nearby { open: elsewhere.clone(), edited: elsewhere.clone(), history: none.clone() };
        assert_eq!(ask(&searcher, question, nearby), plain);
    }
}
