//! Disks that are full or refuse, and callers that panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Barrier;

use super::{Home, ask, count, end};
use crate::database::{READERS_MAX, damage};
use crate::{After, NewRun, RunOutcome, RunState, Shelf, StoreError};

#[test]
fn a_full_disk_refuses_words_and_keeps_what_was_said() {
    let home = Home::new();
    let store = home.open();
    let chat = store.create_chat("", None).unwrap().id;
    let session = store.create_session().unwrap();
    let token = store.create_token("a program").unwrap();
    let first = ask(&store, &chat, "before");
    let pages = count(&store, "PRAGMA page_count");
    store.user.writer().pragma_update(None, "max_page_count", pages).unwrap();

    let long = "word ".repeat(20_000);
    let asked = NewRun { chat_id: &chat, after: After::Start, text: &long, model: None };
    for attempt in [
        store.begin_run(&asked).map(drop),
        store.checkpoint_run(&first.run_id, &long),
        store.finish_run(&first.run_id, &end(RunOutcome::Done, &long)),
        store.set_setting("large", &long),
    ] {
        let error = attempt.unwrap_err();
        assert!(matches!(&error, StoreError::Full { path } if path.ends_with("user.db")), "{error:?}");
    }

    home.pass(120_000);
    assert_eq!(store.list_chats(Shelf::Living, None, 10).unwrap().len(), 1);
    assert_eq!(store.messages(&chat, None, 10).unwrap().len(), 2, "half a question was stored");
    assert_eq!(store.run(&first.run_id).unwrap().state, RunState::Queued);
    assert_eq!(store.setting("large").unwrap(), None);
    assert!(store.check_session(session.secret.reveal()).unwrap().is_some());
    assert!(store.verify_token(token.secret.reveal()).unwrap().is_some());
    assert_eq!(damage(&store.user.writer()).unwrap(), None);

    store.user.writer().pragma_update(None, "max_page_count", pages + 1_000).unwrap();
    store.finish_run(&first.run_id, &end(RunOutcome::Done, &long)).unwrap();
    assert_eq!(store.message(&first.answer_message_id).unwrap().content, long);
}

#[test]
fn a_disk_that_refuses_writes_still_reads_and_signs_in() {
    let home = Home::new();
    let store = home.open();
    let session = store.create_session().unwrap();
    let token = store.create_token("a program").unwrap();
    let link = store.mint_login_link().unwrap();
    store.user.writer().pragma_update(None, "query_only", true).unwrap();
    for attempt in [
        store.create_chat("", None).map(drop),
        store.redeem_login_link(link.secret.reveal()).map(drop),
        store.revoke_session(&session.session.id),
    ] {
        let error = attempt.unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    }
    home.pass(120_000);
    assert!(store.check_session(session.secret.reveal()).unwrap().is_some());
    assert!(store.verify_token(token.secret.reveal()).unwrap().is_some());
    home.pass(-120_000);
    store.user.writer().pragma_update(None, "query_only", false).unwrap();
    assert!(store.redeem_login_link(link.secret.reveal()).unwrap().is_some(), "the failure used the link up");
}

#[test]
fn a_panic_in_the_middle_of_a_write_is_undone() {
    let home = Home::new();
    let store = home.open();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.user.write::<()>(|transaction| {
            transaction.execute("INSERT INTO settings (key, value) VALUES ('half', '')", [])?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(store.settings().unwrap(), []);
    store.set_setting("whole", "").unwrap();
    for _ in 0..=READERS_MAX {
        let read = catch_unwind(AssertUnwindSafe(|| store.user.read::<()>(|_| panic!("on purpose"))));
        assert!(read.is_err());
    }
    assert_eq!(store.settings().unwrap().len(), 1, "a panic kept a reader");
}

#[test]
fn more_readers_than_connections_take_turns_beside_a_writer() {
    let home = Home::new();
    let store = home.open();
    let threads = 3 * READERS_MAX;
    let start = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                let mut seen = 0;
                for _ in 0..20 {
                    let now = store.settings().unwrap().len();
                    assert!(now >= seen, "a later read saw less");
                    seen = now;
                }
            });
        }
        start.wait();
        for number in 0..20 {
            store.set_setting(&number.to_string(), "").unwrap();
            assert_eq!(store.settings().unwrap().len(), number + 1, "a write that returned is not seen");
        }
    });
    let idle = store.user.read(|_| Ok(())).map(|()| count(&store, "SELECT COUNT(*) FROM settings"));
    assert_eq!(idle.unwrap(), 20);
}

#[test]
fn what_sqlite_says_becomes_what_the_caller_can_do() {
    use rusqlite::ffi;
    for (code, expected) in [
        (ffi::SQLITE_FULL, "Full"),
        (ffi::SQLITE_IOERR_SHMSIZE, "Full"),
        (ffi::SQLITE_IOERR_FSYNC, "Io"),
        (ffi::SQLITE_IOERR_WRITE, "Io"),
        (ffi::SQLITE_CANTOPEN, "Io"),
        (ffi::SQLITE_READONLY, "Io"),
        (ffi::SQLITE_CORRUPT, "Corrupt"),
        (ffi::SQLITE_NOTADB, "Corrupt"),
        (ffi::SQLITE_BUSY, "Locked"),
        (ffi::SQLITE_CONSTRAINT, "Bug"),
        (ffi::SQLITE_ERROR, "Bug"),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let told = format!("{:?}", StoreError::sql(Path::new("user.db"), error));
        assert!(told.starts_with(expected), "{code}: {told}");
    }
}

#[test]
fn readers_cannot_write() {
    let home = Home::new();
    let store = home.open();
    let write = store.user.read(|connection| Ok(connection.execute("DELETE FROM settings", [])?));
    assert!(matches!(write.unwrap_err(), StoreError::Io { .. }));
}
