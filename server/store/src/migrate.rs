//! Numbered migrations and the ledger of those applied. Refuses: going backwards, and a history it does not know.

use rusqlite::{Connection, TransactionBehavior, params};

use crate::StoreError;
use crate::error::Fault;

/// One step of a schema. Its file never changes once it was released; a later step corrects it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// Its place, from 1 without gaps.
    pub(crate) number: i64,
    /// What it does, as in its file name.
    pub(crate) name: &'static str,
    /// The statements, which run in one transaction and check no foreign key before its end.
    pub(crate) sql: &'static str,
}

/// The schema of `user.db`.
pub(crate) const USER: &[Migration] = &[
    Migration { number: 1, name: "start", sql: include_str!("../migrations/user/0001_start.sql") },
    Migration { number: 2, name: "proposals", sql: include_str!("../migrations/user/0002_proposals.sql") },
    Migration { number: 3, name: "images", sql: include_str!("../migrations/user/0003_images.sql") },
];

/// The schema of `events.db`.
pub(crate) const EVENTS: &[Migration] = &[
    Migration { number: 1, name: "start", sql: include_str!("../migrations/events/0001_start.sql") },
    Migration { number: 2, name: "learned", sql: include_str!("../migrations/events/0002_learned.sql") },
];

const LEDGER: &str = "
    CREATE TABLE IF NOT EXISTS migrations (
        number INTEGER PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        hash TEXT NOT NULL,
        applied_ms INTEGER NOT NULL
    ) STRICT";

impl Migration {
    /// What the ledger remembers of the statements.
    pub(crate) fn hash(&self) -> String {
        blake3::hash(self.sql.as_bytes()).to_hex().to_string()
    }
}

/// The number of the last step a database went through; 0 for an empty one.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Checks that the ledger holds exactly the first `version` steps we know. The text says what differs.
pub(crate) fn history_differs(
    connection: &Connection,
    version: i64,
    known: &[Migration],
) -> rusqlite::Result<Option<String>> {
    let differs = || Some("its schema was made by other steps than this program knows".to_owned());
    if !connection.table_exists(None, "migrations")? {
        return Ok(differs());
    }
    let mut statement = connection.prepare("SELECT number, hash FROM migrations ORDER BY number")?;
    let found = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
    let expected = known.iter().filter(|step| step.number <= version).map(|step| (step.number, step.hash()));
    Ok(if expected.eq(found) { None } else { differs() })
}

/// Applies every step the database lacks, each in one transaction, and marks the file as ours.
pub(crate) fn apply(
    connection: &mut Connection,
    application_id: i32,
    known: &[Migration],
    now_ms: i64,
) -> Result<(), Fault> {
    let version = version(connection)?;
    for step in known.iter().filter(|step| step.number > version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(LEDGER)?;
        transaction.pragma_update(None, "defer_foreign_keys", true)?;
        transaction.execute_batch(step.sql)?;
        if transaction.prepare("PRAGMA foreign_key_check")?.exists([])? {
            let message = format!("migration {} leaves a reference to nothing", step.number);
            return Err(StoreError::Bug(message).into());
        }
        transaction.execute(
            "INSERT INTO migrations (number, name, hash, applied_ms) VALUES (?1, ?2, ?3, ?4)",
            params![step.number, step.name, step.hash(), now_ms],
        )?;
        transaction.pragma_update(None, "application_id", application_id)?;
        transaction.pragma_update(None, "user_version", step.number)?;
        transaction.commit()?;
    }
    Ok(())
}
