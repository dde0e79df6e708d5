//! Opening: from nothing, again, after damage, beside another.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::{Home, ask, end};
use crate::database::damage;
use crate::{RunEvent, RunOutcome, StoreError, backup, migrate};

/// What a file must be refused as.
type Refusal = fn(&StoreError) -> bool;

/// One way to spoil a database file that was closed cleanly.
struct Spoil {
    name: &'static str,
    how: fn(&Path),
    refusal: Refusal,
}

const CORRUPT: Refusal = |error| matches!(error, StoreError::Corrupt { .. });

const SPOILS: &[Spoil] = &[
    Spoil {
        name: "emptied",
        how: |file| fs::write(file, "").unwrap(),
        refusal: |error| matches!(error, StoreError::Corrupt { detail, .. } if detail.contains("empty")),
    },
    Spoil { name: "other words", how: |file| fs::write(file, "hello".repeat(4_000)).unwrap(), refusal: CORRUPT },
    Spoil { name: "cut in half", how: |file| cut(file, 2), refusal: CORRUPT },
    Spoil {
        name: "cut to its head",
        how: |file| fs::write(file, &fs::read(file).unwrap()[..60]).unwrap(),
        refusal: CORRUPT,
    },
    Spoil { name: "second page overwritten", how: |file| overwrite(file, 4_096..8_192), refusal: CORRUPT },
    Spoil { name: "third page overwritten", how: |file| overwrite(file, 8_192..12_288), refusal: CORRUPT },
    Spoil { name: "schema overwritten", how: |file| overwrite(file, 100..4_096), refusal: CORRUPT },
    Spoil { name: "of another program", how: |file| sql(file, "PRAGMA application_id = 7"), refusal: CORRUPT },
    Spoil {
        name: "of other steps",
        how: |file| sql(file, "UPDATE migrations SET hash = 'x' WHERE number = 1"),
        refusal: CORRUPT,
    },
    Spoil { name: "without a ledger", how: |file| sql(file, "DROP TABLE migrations"), refusal: CORRUPT },
    Spoil {
        name: "newer",
        how: |file| sql(file, "PRAGMA user_version = 99"),
        refusal: |error| matches!(error, StoreError::Newer { found: 99, known: 3, .. }),
    },
];

#[test]
fn a_user_database_that_cannot_be_used_is_refused_and_left_as_it_is() {
    for spoil in SPOILS {
        let home = filled();
        let file = home.dir().join("user.db");
        (spoil.how)(&file);
        let before = fs::read(&file).unwrap();
        for attempt in 1..=2 {
            let error = home.try_open().unwrap_err();
            assert!((spoil.refusal)(&error), "{}, attempt {attempt}: {error:?}", spoil.name);
            assert!(error.to_string().contains("user.db"), "{}: {error}", spoil.name);
            assert!(fs::read(&file).unwrap() == before, "{}, attempt {attempt}: the file changed", spoil.name);
        }
    }
}

#[test]
fn an_events_database_that_cannot_be_used_is_moved_aside_and_begun_anew() {
    for spoil in SPOILS {
        let home = filled();
        let file = home.dir().join("events.db");
        (spoil.how)(&file);
        let before = fs::read(&file).unwrap();
        let store = home.open();
        let aside = store.report().events_moved_to.clone().unwrap_or_else(|| panic!("{}", spoil.name));
        assert!(fs::read(&aside).unwrap() == before, "{}: the old file is gone", spoil.name);
        let chats = store.list_chats(crate::Shelf::Living, None, 10).unwrap();
        let run_id = store.messages(&chats[0].id, None, 10).unwrap()[1].run_id.clone().unwrap();
        assert_eq!(store.run_events(&run_id, 0, 10).unwrap(), [], "{}", spoil.name);
        store.append_run_events(&run_id, &[event(1)]).unwrap();
        drop(store);
        let store = home.open();
        assert_eq!(store.report().events_moved_to, None, "{}", spoil.name);
        assert_eq!(store.run_events(&run_id, 0, 10).unwrap(), [event(1)], "{}", spoil.name);
    }
}

#[test]
fn a_user_database_that_is_gone_while_its_journal_stays_is_not_created_anew() {
    let home = Home::new();
    let store = home.open();
    store.create_chat("kept in the journal", None).unwrap();
    let copy = Home::new();
    fs::copy(home.dir().join("user.db-wal"), copy.dir().join("user.db-wal")).unwrap();
    let error = copy.try_open().unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(!copy.dir().join("user.db").exists());
}

#[test]
fn a_new_folder_gets_every_step_and_a_second_opening_changes_nothing() {
    let home = Home::new();
    let first = home.open();
    assert!(first.report().created && !first.report().after_crash);
    drop(first);
    for file in ["user.db-wal", "events.db-wal", "user.db.new"] {
        assert!(!home.dir().join(file).exists(), "{file} is left after a clean end");
    }
    let before = fs::read(home.dir().join("user.db")).unwrap();
    let second = home.open();
    assert_eq!(*second.report(), crate::OpenReport::default());
    let version = migrate::version(&second.user.writer()).unwrap();
    assert_eq!(version, migrate::USER.len() as i64);
    let settings: (i64, String, i64, i64) = second
        .user
        .writer()
        .query_row(
            "SELECT (SELECT foreign_keys FROM pragma_foreign_keys), (SELECT journal_mode FROM pragma_journal_mode),
             (SELECT synchronous FROM pragma_synchronous), (SELECT timeout FROM pragma_busy_timeout)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(settings, (1, "wal".to_owned(), 2, 5_000));
    drop(second);
    // Only the journal mode in the header and its change counters may differ from the freshly built file.
    assert_eq!(fs::read(home.dir().join("user.db")).unwrap()[100..], before[100..]);
}

#[test]
fn what_was_acknowledged_before_an_unclean_end_is_there_after_it() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("in the journal only", None).unwrap();
    // A copy of the open files is what a killed process leaves.
    let copy = Home::new();
    for file in ["user.db", "user.db-wal", "events.db", "events.db-wal"] {
        fs::copy(home.dir().join(file), copy.dir().join(file)).unwrap();
    }
    let reopened = copy.open();
    assert!(reopened.report().after_crash);
    assert_eq!(reopened.chat(&chat.id).unwrap(), chat);
    assert_eq!(damage(&reopened.user.writer()).unwrap(), None);
}

#[test]
fn a_folder_has_one_store_at_a_time() {
    let home = Home::new();
    let store = home.open();
    let error = home.try_open().unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    drop(store);
    home.open();
}

#[test]
fn steps_are_numbered_from_one_and_are_the_files_of_their_folder() {
    for (folder, steps) in [("user", migrate::USER), ("events", migrate::EVENTS)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let mut files: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let named: Vec<String> = steps.iter().map(|s| format!("{:04}_{}.sql", s.number, s.name)).collect();
        assert_eq!(named, files);
        assert!(steps.iter().map(|step| step.number).eq(1..=steps.len() as i64));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_anything() {
    use std::os::unix::fs::PermissionsExt;
    let home = filled();
    let loosened = home.dir().join("user.db");
    fs::set_permissions(&loosened, fs::Permissions::from_mode(0o644)).unwrap();
    let store = home.open();
    store.put_blob(b"bytes").unwrap();
    store.create_chat("writes a journal", None).unwrap();
    copy_as_before_a_migration(&home, &home.dir().join("copy.db"));
    let mut seen = 0;
    let mut folders = vec![home.dir().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            seen += 1;
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen >= 8, "only {seen} files were looked at");
}

#[test]
fn a_copy_of_a_database_in_use_holds_everything() {
    let home = filled();
    let store = home.open();
    let chat = store.create_chat("newest", None).unwrap();
    let restored = Home::new();
    let to = restored.dir().join("user.db");
    copy_as_before_a_migration(&home, &to);
    assert!(!restored.dir().join("user.db-wal").exists());
    // The header says that the copy needs no journal beside it, so that it also opens where nothing can be written.
    assert_eq!(fs::read(&to).unwrap()[18..20], [1, 1]);
    let other = restored.open();
    assert_eq!(other.chat(&chat.id).unwrap(), chat);
    let everything = |store: &crate::Store| store.list_chats(crate::Shelf::Living, None, 10).unwrap();
    assert_eq!(everything(&other), everything(&store));
}

fn copy_as_before_a_migration(home: &Home, to: &Path) {
    let from = home.dir().join("user.db");
    let connection = Connection::open(&from).unwrap();
    backup::copy(&connection, &from, to).unwrap();
}

/// A home that was used and closed.
fn filled() -> Home {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("a chat", Some("/somewhere")).unwrap();
    let begun = ask(&store, &chat.id, "why?");
    store.append_run_events(&begun.run_id, &[event(1), event(2)]).unwrap();
    store.finish_run(&begun.run_id, &end(RunOutcome::Done, &"because ".repeat(3_000))).unwrap();
    drop(store);
    home
}

fn event(seq: i64) -> RunEvent {
    RunEvent { seq, kind: "text".to_owned(), data: "because".to_owned(), at_ms: 5 }
}

fn cut(file: &Path, parts: usize) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / parts]).unwrap();
}

fn overwrite(file: &Path, range: std::ops::Range<usize>) {
    let mut bytes = fs::read(file).unwrap();
    bytes[range].fill(0xAA);
    fs::write(file, bytes).unwrap();
}

fn sql(file: &Path, statement: &str) {
    let connection = Connection::open(file).unwrap();
    connection.execute_batch(statement).unwrap();
    connection.close().unwrap();
}
