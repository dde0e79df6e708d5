//! Events of runs, what was learned, blobs and ids.

use std::fs;

use super::{Home, ask, end};
use crate::database::{Database, Kind};
use crate::migrate;
use crate::open::EVENTS;
use crate::secret::Ids;
use crate::{EVENTS_BATCH_MAX, LEARNED_BYTES_MAX, RunEvent, RunOutcome, StoreError};

#[test]
fn events_are_replayed_after_a_number() {
    let home = Home::new();
    let store = home.open();
    store.append_run_events("run", &events(1..=5)).unwrap();
    store.append_run_events("other", &events(1..=1)).unwrap();
    store.append_run_events("run", &[]).unwrap();
    for (after, limit, expected) in [(0, 10, 1..=5), (3, 10, 4..=5), (1, 2, 2..=3)] {
        assert_eq!(store.run_events("run", after, limit).unwrap(), events(expected));
    }
    assert_eq!(store.run_events("run", 5, 10).unwrap(), []);
    assert_eq!(store.run_events("unknown", 0, 10).unwrap(), []);
}

#[test]
fn a_batch_of_events_is_kept_whole_or_not_at_all() {
    let home = Home::new();
    let store = home.open();
    store.append_run_events("run", &events(3..=3)).unwrap();
    let error = store.append_run_events("run", &events(1..=3)).unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{error:?}");
    let error = store.append_run_events("run", &events(4..=4 + EVENTS_BATCH_MAX as i64)).unwrap_err();
    assert!(matches!(error, StoreError::Bug(_)), "{error:?}");
    assert_eq!(store.run_events("run", 0, 10).unwrap(), events(3..=3));
}

#[test]
fn old_events_go_unless_their_run_is_open() {
    let home = Home::new();
    let store = home.open();
    let chat = |name| store.create_chat(name, None).unwrap().id;
    let (over, open) = (ask(&store, &chat("over"), "?").run_id, ask(&store, &chat("open"), "?").run_id);
    store.finish_run(&over, &end(RunOutcome::Done, "")).unwrap();
    for run_id in [over.as_str(), &open, "of a lost chat"] {
        store.append_run_events(run_id, &events(10..=20)).unwrap();
    }
    for (before_ms, pruned, left) in [(20, 0, [11, 11, 11]), (21, 2, [0, 11, 0]), (21, 0, [0, 11, 0])] {
        assert_eq!(store.prune_run_events(before_ms).unwrap(), pruned, "before {before_ms}");
        let found = [over.as_str(), &open, "of a lost chat"].map(|id| store.run_events(id, 0, 100).unwrap().len());
        assert_eq!(found, left, "before {before_ms}");
    }
}

#[test]
fn what_was_learned_is_kept_until_its_database_is_lost() {
    let home = Home::new();
    let store = home.open();
    assert_eq!(store.learned("forms").unwrap(), None);
    for value in ["first", "", "second"] {
        store.set_learned("forms", value).unwrap();
        assert_eq!(store.learned("forms").unwrap().as_deref(), Some(value));
    }
    let error = store.set_learned("forms", &"x".repeat(LEARNED_BYTES_MAX + 1)).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    drop(store);
    assert_eq!(home.open().learned("forms").unwrap().as_deref(), Some("second"));
    fs::write(home.dir().join("events.db"), "damage").unwrap();
    assert_eq!(home.open().learned("forms").unwrap(), None);
}

#[test]
fn an_events_database_of_the_first_schema_keeps_its_events() {
    let home = Home::new();
    let old = Kind { migrations: &migrate::EVENTS[..1], ..EVENTS };
    let (database, _) = Database::open(&old, home.dir(), 1).unwrap();
    let insert = "INSERT INTO run_events VALUES ('run', 1, 'text', 'piece 1', 1)";
    database.write(|transaction| Ok(transaction.execute(insert, [])?)).unwrap();
    drop(database);
    let store = home.open();
    assert_eq!(store.report().events_moved_to, None);
    assert_eq!(store.run_events("run", 0, 10).unwrap(), events(1..=1));
    assert_eq!(store.learned("forms").unwrap(), None);
}

#[test]
fn blobs_are_found_by_their_hash_and_kept_once() {
    let home = Home::new();
    let store = home.open();
    let large = vec![7; 300_000];
    for bytes in [&b""[..], b"hello", &large] {
        let hash = store.put_blob(bytes).unwrap();
        assert_eq!(store.put_blob(bytes).unwrap(), hash);
        assert_eq!(store.blob(&hash).unwrap(), bytes);
        assert_eq!(fs::read(store.blob_path(&hash).unwrap()).unwrap(), bytes);
    }
    fs::write(store.blobs_folder().join("unfinished/left"), "half").unwrap();
    drop(store);
    let store = home.open();
    assert_eq!(fs::read_dir(store.blobs_folder().join("unfinished")).unwrap().count(), 0);
}

#[test]
fn a_damaged_blob_is_not_handed_out_and_is_healed_by_the_same_bytes() {
    let home = Home::new();
    let store = home.open();
    let hash = store.put_blob(b"hello").unwrap();
    for spoiled in ["", "hellO", "hello, world"] {
        fs::write(store.blob_path(&hash).unwrap(), spoiled).unwrap();
        assert!(matches!(store.blob(&hash).unwrap_err(), StoreError::Corrupt { .. }), "{spoiled:?}");
        assert_eq!(store.put_blob(b"hello").unwrap(), hash);
        assert_eq!(store.blob(&hash).unwrap(), b"hello");
    }
}

#[test]
fn ids_sort_by_the_time_they_were_made() {
    let ids = Ids::default();
    // One millisecond twice, a later one, a clock set back.
    let made: Vec<String> = [5, 5, 5, 6, 6, 900, 3, 3, 901].map(|now_ms| ids.next(now_ms).unwrap()).into();
    assert!(
        made.iter().all(|id| id.len() == 26 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
    );
    assert!(made.windows(2).all(|pair| pair[0] < pair[1]), "{made:?}");
    assert_ne!(Ids::default().next(5).unwrap(), Ids::default().next(5).unwrap());
}

fn events(numbers: std::ops::RangeInclusive<i64>) -> Vec<RunEvent> {
    let event = |seq| RunEvent { seq, kind: "text".to_owned(), data: format!("piece {seq}"), at_ms: seq };
    numbers.map(event).collect()
}
