//! Settings the user makes in the page: names and values. Refuses: knowing what any of them means.

use rusqlite::OptionalExtension;

use crate::limits::fits;
use crate::{JSON_BYTES_MAX, NAME_BYTES_MAX, Store, StoreError};

impl Store {
    /// The value of `key`, `None` when it is not set.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.user.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
            Ok(statement.query_row([key], |row| row.get(0)).optional()?)
        })
    }

    /// Every setting, by key.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn settings(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.user.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT key, value FROM settings ORDER BY key")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`]; the disk's errors.
    pub fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        fits("setting's name", key.len(), NAME_BYTES_MAX)?;
        fits("setting", value.len(), JSON_BYTES_MAX)?;
        self.user.write(|transaction| {
            transaction.execute(
                "INSERT INTO settings (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [key, value],
            )?;
            Ok(())
        })
    }

    /// Takes `key` back to its default; that it was not set is fine.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn remove_setting(&self, key: &str) -> Result<(), StoreError> {
        self.user.write(|transaction| {
            transaction.execute("DELETE FROM settings WHERE key = ?1", [key])?;
            Ok(())
        })
    }
}
