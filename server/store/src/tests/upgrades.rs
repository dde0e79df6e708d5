//! Schema steps on a database that holds data.

use std::fs;

use rusqlite::Connection;

use super::Home;
use crate::StoreError;
use crate::database::{Database, Kind, damage};
use crate::migrate::{self, Migration};

const FIRST: Migration =
    Migration { number: 1, name: "first", sql: "CREATE TABLE notes (text TEXT NOT NULL) STRICT" };
const SECOND: Migration =
    Migration { number: 2, name: "second", sql: "ALTER TABLE notes ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0" };
const THIRD: Migration =
    Migration { number: 3, name: "third", sql: "CREATE INDEX notes_by_time ON notes (at_ms)" };
const BROKEN: Migration = Migration {
    number: 3,
    name: "broken",
    sql: "DELETE FROM notes; CREATE TABLE half (x); INSERT INTO nowhere VALUES (1)",
};
const DANGLING: Migration = Migration {
    number: 3,
    name: "dangling",
    sql:
        "CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children (parent INTEGER REFERENCES parents);
          INSERT INTO children VALUES (99)",
};

const fn kind(migrations: &'static [Migration]) -> Kind {
    Kind { file: "notes.db", application_id: 1_234, synchronous: "FULL", backed_up: true, migrations }
}

#[test]
fn missing_steps_are_applied_after_a_copy_was_made() {
    let home = Home::new();
    let (old, _) = Database::open(&kind(&[FIRST]), home.dir(), 10).unwrap();
    old.write(|transaction| Ok(transaction.execute("INSERT INTO notes VALUES ('kept')", [])?)).unwrap();
    drop(old);

    let (new, opened) = Database::open(&kind(&[FIRST, SECOND, THIRD]), home.dir(), 20).unwrap();
    assert_eq!(notes(&new.writer()), ["kept"]);
    assert_eq!(ledger(&new.writer()), [(1, "first", 10), (2, "second", 20), (3, "third", 20)].map(owned));
    drop(new);

    let copy = Connection::open(opened.backup.expect("a copy is made before the schema changes")).unwrap();
    assert_eq!(migrate::version(&copy).unwrap(), 1);
    assert_eq!(notes(&copy), ["kept"]);

    let (_, opened) = Database::open(&kind(&[FIRST, SECOND, THIRD]), home.dir(), 30).unwrap();
    assert_eq!(opened.backup, None, "nothing to do, nothing to copy");
}

#[test]
fn a_step_that_fails_leaves_the_database_at_the_step_before() {
    for (bad, why) in [(&[FIRST, SECOND, BROKEN], "nowhere"), (&[FIRST, SECOND, DANGLING], "reference to nothing")]
    {
        let home = Home::new();
        let (old, _) = Database::open(&kind(&[FIRST]), home.dir(), 10).unwrap();
        old.write(|transaction| Ok(transaction.execute("INSERT INTO notes VALUES ('kept')", [])?)).unwrap();
        drop(old);

        let error = Database::open(&kind(bad), home.dir(), 20).unwrap_err();
        assert!(matches!(&error, StoreError::Bug(text) if text.contains(why)), "{error:?}");
        let (fixed, _) = Database::open(&kind(&[FIRST, SECOND, THIRD]), home.dir(), 30).unwrap();
        assert_eq!(notes(&fixed.writer()), ["kept"]);
        assert_eq!(ledger(&fixed.writer()), [(1, "first", 10), (2, "second", 20), (3, "third", 30)].map(owned));
        assert_eq!(damage(&fixed.writer()).unwrap(), None);
    }
}

#[test]
fn a_program_of_before_refuses_what_a_later_one_made() {
    let home = Home::new();
    drop(Database::open(&kind(&[FIRST, SECOND]), home.dir(), 10).unwrap());
    let before = fs::read(home.dir().join("notes.db")).unwrap();
    let error = Database::open(&kind(&[FIRST]), home.dir(), 20).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error:?}");
    assert_eq!(fs::read(home.dir().join("notes.db")).unwrap(), before);
}

#[test]
fn a_creation_that_was_cut_short_begins_again() {
    let home = Home::new();
    for rest in ["notes.db.new", "notes.db.new-journal"] {
        fs::write(home.dir().join(rest), "half").unwrap();
    }
    let (database, opened) = Database::open(&kind(&[FIRST]), home.dir(), 10).unwrap();
    assert!(opened.created);
    assert!(home.dir().join("notes.db").is_file());
    assert_eq!(notes(&database.writer()), Vec::<String>::new());
}

fn notes(connection: &Connection) -> Vec<String> {
    let mut statement = connection.prepare("SELECT text FROM notes").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn ledger(connection: &Connection) -> Vec<(i64, String, i64)> {
    let mut statement =
        connection.prepare("SELECT number, name, applied_ms FROM migrations ORDER BY number").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn owned((number, name, at_ms): (i64, &str, i64)) -> (i64, String, i64) {
    (number, name.to_owned(), at_ms)
}
