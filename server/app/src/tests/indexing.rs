//! Indexes as the doors use them: built, rebuilt, described, searched in batches, forgotten.

use std::time::Duration;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::World;
use crate::{BatchQuery, Editing, IndexEvent, IndexReport, IndexStream, SearchOptions, stored_index};

async fn report(mut events: IndexStream) -> IndexReport {
    while let Some(event) = events.next().await {
        if let IndexEvent::Finished(report) = event.expect("indexing works") {
            return report;
        }
    }
    panic!("it ended without its report");
}

#[tokio::test]
async fn an_index_is_rebuilt_while_the_old_one_answers() {
    let world = World::new([]);
    let root = world.workspace.root();
    let first = report(world.app.index(root)).await;
    assert_eq!((first.files, first.added + first.changed + first.unchanged), (3, 3), "{first:?}");
    let guard = world.app.open_workspace(root).expect("it is open");
    let again = report(world.app.rebuild_index(root, CancellationToken::new())).await;
    assert_eq!((again.files, again.added), (3, 3), "all of it was read anew");
    let found = world.app.search(root, "get_session_auth_hash", 3).await.expect("it is searched");
    assert_eq!(found.hits[0].path, "shop/sessions.py");
    let status = world.app.index_status(guard.root()).await.expect("it is known");
    assert_eq!(status.files, 3);
    assert!(status.bytes > 0 && status.folder.starts_with(world.home.path()), "{status:?}");
}

/// Longest wait for something that should take moments.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_index_is_rebuilt_while_somebody_follows_it() {
    let world = World::new([]);
    let root = world.workspace.root();
    let mut changes = world.app.index_changes(root);
    // The state that is there, then the first index, which nobody asked for.
    while changes.next().await.expect("it goes on").expect("a change").files < 3 {}
    let again = report(world.app.rebuild_index(root, CancellationToken::new())).await;
    assert_eq!(again.files, 3);
    std::fs::write(root.join("new.py"), "def fresh():\n    pass\n").expect("it can be written");
    let told = async { while changes.next().await.expect("it goes on").expect("a change").files < 4 {} };
    tokio::time::timeout(PATIENCE, told).await.expect("changes of the new index are told");
    drop(changes);
    assert!(world.app.forget_index(root).await.expect("nothing holds it"));
}

#[tokio::test]
async fn what_was_found_is_stored_at_the_end_though_somebody_follows() {
    let world = World::new([]);
    let root = world.workspace.root();
    let mut changes = world.app.index_changes(root);
    while changes.next().await.expect("it goes on").expect("a change").files < 3 {}
    std::fs::write(root.join("new.py"), "def fresh():\n    pass\n").expect("it can be written");
    while changes.next().await.expect("it goes on").expect("a change").files < 4 {}
    world.app.shutdown().await;
    let dirs = index::IndexDirs { cache: world.app.home().cache.clone() };
    let stored = index::Index::peek(root, &dirs).expect("it can be read");
    assert_eq!(stored.status.files, 4, "{:?}", stored.status);
}

#[tokio::test]
async fn a_pause_is_told_and_holds_up_no_questions() {
    let world = World::new([]);
    let root = world.workspace.root();
    for n in 0..100 {
        std::fs::write(root.join(format!("f{n}.py")), format!("def f{n}():\n    pass\n"))
            .expect("it can be written");
    }
    world.app.work_on_demand();
    world.app.pause_index(root, true).await.expect("it is held up");
    let guard = world.app.open_workspace(root).expect("it is open");
    let status = world.app.index_status(guard.root()).await.expect("it is known");
    assert!(status.paused && status.state == "empty", "{status:?}");
    let world = world.restarted().await;
    let root = world.workspace.root();
    let guard = world.app.open_workspace(root).expect("it is open");
    let paused = async {
        while world.app.index_status(guard.root()).await.expect("it is known").state != "paused" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, paused).await.expect("the build in the background is held up");
    let status = world.app.index_status(guard.root()).await.expect("it is known");
    assert_eq!((status.done, status.total), (0, 103), "{status:?}");
    let found = world.app.search(root, "f42", 3).await.expect("it is searched");
    assert!(found.hits.iter().any(|hit| hit.path == "f42.py") && found.notice.is_some(), "{found:?}");
    world.app.pause_index(root, false).await.expect("it goes on");
    let done = async {
        while world.app.index_status(guard.root()).await.expect("it is known").state != "ready" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("it goes on in the background");
    let status = world.app.index_status(guard.root()).await.expect("it is known");
    assert_eq!((status.files, status.paused), (103, false));
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let world = World::new([]);
    let root = world.workspace.root();
    report(world.app.index(root)).await;
    let queries = ["Basket add", "get_session_auth_hash", " "];
    let queries =
        queries.iter().enumerate().map(|(id, query)| BatchQuery { id: id.into(), query: (*query).into() });
    let answers = world.app.search_batch(root, queries.collect(), SearchOptions::default());
    let answers: Vec<_> = answers.map(|answer| answer.expect("an answer")).collect().await;
    assert_eq!(answers.iter().map(|answer| answer.id.clone()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(answers[0].hits[0].path, "shop/basket.py");
    assert_eq!(answers[1].hits[0].path, "shop/sessions.py");
    assert!(answers[2].hits.is_empty() && answers[2].error.is_some(), "{:?}", answers[2]);
    let only = SearchOptions { paths: vec!["README.md".into()], ..SearchOptions::default() };
    let found =
        world.app.search_in(root, "Basket things Shop", &only, Editing::default()).await.expect("it is searched");
    assert!(found.hits.iter().all(|hit| hit.path == "README.md"), "{found:?}");
    let outside = SearchOptions { paths: vec!["/etc".into()], ..SearchOptions::default() };
    assert!(world.app.search_in(root, "x", &outside, Editing::default()).await.is_err());
}

#[tokio::test]
async fn forgetting_says_whether_anything_was_known() {
    let world = World::new([]);
    let root = world.workspace.root();
    assert_eq!(
        stored_index(world.app.home(), &world.app.config(), root).expect("it can be looked at").state,
        "none"
    );
    assert!(!world.app.forget_index(root).await.expect("nothing to remove"));
    report(world.app.index(root)).await;
    assert!(world.app.forget_index(root).await.expect("it is removed"));
    assert!(!world.app.forget_index(root).await.expect("nothing is left"));
}

#[tokio::test]
async fn a_search_lists_what_belongs_to_its_first_hit() {
    let world = World::new([]);
    let root = world.workspace.root();
    std::fs::write(
        world.workspace.path("till.py"),
        "from shop.basket import Basket\n\n\ndef sell():\n    Basket().add(1)\n",
    )
    .expect("it is written");
    report(world.app.index(root)).await;
    let options = SearchOptions { related: true, ..SearchOptions::default() };
    let found =
        world.app.search_in(root, "Basket::add", &options, Editing::default()).await.expect("it is searched");
    assert_eq!(
        (found.hits[0].path.as_str(), found.hits[0].symbol.as_deref()),
        ("shop/basket.py", Some("Basket.add"))
    );
    let related = found.related.expect("it was asked for");
    assert_eq!((related.path.as_str(), related.symbol.as_deref()), ("shop/basket.py", Some("Basket.add")));
    let places = |places: &[crate::RelatedPlace]| {
        places.iter().map(|one| format!("{}:{} {}", one.path, one.line, one.name)).collect::<Vec<_>>()
    };
    assert_eq!(places(&related.callers), ["till.py:5 sell"]);
    assert_eq!(places(&related.outline), ["shop/basket.py:1 Basket", "shop/basket.py:4 Basket.add"]);
    // Unsaved text counts instead of what is saved.
    let text = "from shop.basket import Basket\n\n\n\n\ndef unsaved():\n    Basket().add(1)\n".to_owned();
    let buffers = [crate::Buffer { path: root.join("till.py"), text }];
    let related = world.app.related(root, "shop/basket.py", (1, 5), &buffers).await.expect("it is there");
    assert_eq!(places(&related.callers), ["till.py:7 unsaved"]);
    let nothing = world.app.search_in(root, "zzzz", &options, Editing::default()).await.expect("it is searched");
    assert_eq!((nothing.hits.len(), nothing.related), (0, None));
}

/// What was saved in an editor comes before its equals, and says why; a search by words alone does without.
#[tokio::test]
async fn what_was_edited_lately_comes_first_among_equals() {
    let world = World::new([]);
    let root = world.workspace.root().canonicalize().expect("it is there");
    let names = ["alpha.py", "beta.py", "gamma.py"];
    for name in names {
        std::fs::write(root.join(name), "def parcel(weight):\n    return weight\n").expect("written");
    }
    report(world.app.index(&root)).await;
    let first = async |editing: Editing<'_>, words_alone: bool| {
        let options = SearchOptions { words_alone, ..SearchOptions::default() };
        let found = world.app.search_in(&root, "parcel weight", &options, editing).await.expect("it is searched");
        let hit = &found.hits[0];
        (hit.path.clone(), hit.why.rsplit("; ").next().unwrap_or_default().to_owned())
    };
    // Equals come as they were indexed, which is by several threads.
    let plain = first(Editing::default(), true).await.0;
    let others: Vec<&str> = names.into_iter().filter(|name| *name != plain).collect();
    let [opened, edited] = others[..] else { panic!("one of the three is found: {plain}") };
    let open = [root.join(opened)];
    let told = |path: &str, why: &str| (path.to_owned(), why.to_owned());
    assert_eq!(first(Editing { open: &open, buffers: &[] }, false).await, told(opened, "open in the editor"));
    assert_eq!(first(Editing { open: &open, buffers: &[] }, true).await.0, plain);
    world.app.edited(&root.join(edited));
    // It is noted on another thread.
    while first(Editing::default(), false).await != told(edited, "edited lately") {
        tokio::task::yield_now().await;
    }
}

/// An editor names files as the user wrote their folder, which may be a link.
#[cfg(unix)]
#[tokio::test]
async fn what_is_written_through_a_linked_folder_is_searched() {
    let world = World::new([]);
    world.app.work_on_demand();
    report(world.app.index(world.workspace.root())).await;
    let place = tempfile::tempdir().expect("a folder");
    let link = place.path().join("link");
    std::os::unix::fs::symlink(world.workspace.root(), &link).expect("it is linked");
    let guard = world.app.open_workspace(&link).expect("it is open");
    let root = guard.root().to_owned();
    let text = "class Basket:\n    def unsaved_name(self):\n        pass\n".to_owned();
    let buffers = [crate::Buffer { path: link.join("shop/basket.py"), text }];
    let editing = Editing { buffers: &buffers, open: &[] };
    let options = SearchOptions::default();
    let found = world.app.search_in(&root, "unsaved_name", &options, editing).await.expect("it is searched");
    assert_eq!(found.hits.first().map(|hit| hit.path.as_str()), Some("shop/basket.py"), "{found:?}");
    std::fs::write(link.join("saved.py"), "def saved_name():\n    pass\n").expect("it is written");
    world.app.edited(&link.join("saved.py"));
    let taken_up = async {
        while world.app.index_status(&root).await.expect("it is known").files < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, taken_up).await.expect("a save is taken up");
}
