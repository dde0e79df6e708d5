//! What the program learned and can learn again: names and values. Refuses: anything that a user would miss.

use rusqlite::OptionalExtension;

use crate::limits::fits;
use crate::{LEARNED_BYTES_MAX, NAME_BYTES_MAX, Store, StoreError};

impl Store {
    /// What was learned under `name`, `None` when that is nothing yet or was lost with `events.db`.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn learned(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.events.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM learned WHERE name = ?1")?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    /// Keeps `value` under `name` in the place of what was learned before.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`]; the disk's errors.
    pub fn set_learned(&self, name: &str, value: &str) -> Result<(), StoreError> {
        fits("name of what was learned", name.len(), NAME_BYTES_MAX)?;
        fits("text of what was learned", value.len(), LEARNED_BYTES_MAX)?;
        self.events.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO learned (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?;
            statement.execute([name, value])?;
            Ok(())
        })
    }
}
