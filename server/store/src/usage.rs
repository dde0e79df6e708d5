//! The ledger of what runs cost. Refuses: changing an entry.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Fault;
use crate::{Store, StoreError};

/// What one run cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunUsage<'a> {
    /// The model that answered.
    pub model: &'a str,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of those, tokens that were not computed again.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub answer_tokens: u32,
    /// Time spent on the prompt, in milliseconds.
    pub prompt_ms: u32,
    /// Time spent on the answer, in milliseconds.
    pub answer_ms: u32,
}

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEntry {
    /// The run.
    pub run_id: String,
    /// The model that answered.
    pub model: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of those, tokens that were not computed again.
    pub cached_tokens: u32,
    /// Tokens of the answer.
    pub answer_tokens: u32,
    /// Time spent on the prompt, in milliseconds.
    pub prompt_ms: u32,
    /// Time spent on the answer, in milliseconds.
    pub answer_ms: u32,
    /// When it was noted, in UTC milliseconds.
    pub at_ms: i64,
}

impl Store {
    /// What the run `run_id` cost, `None` while it is open or when no model was asked.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn usage_of_run(&self, run_id: &str) -> Result<Option<UsageEntry>, StoreError> {
        self.user.read(|connection| {
            let entry = connection
                .prepare_cached(
                    "SELECT run_id, model, prompt_tokens, cached_tokens, answer_tokens, prompt_ms, answer_ms, at_ms
                     FROM usage WHERE run_id = ?1",
                )?
                .query_row([run_id], |row| {
                    Ok(UsageEntry {
                        run_id: row.get(0)?,
                        model: row.get(1)?,
                        prompt_tokens: row.get(2)?,
                        cached_tokens: row.get(3)?,
                        answer_tokens: row.get(4)?,
                        prompt_ms: row.get(5)?,
                        answer_ms: row.get(6)?,
                        at_ms: row.get(7)?,
                    })
                })
                .optional()?;
            Ok(entry)
        })
    }
}

/// Adds the entry of one run.
pub(crate) fn insert(connection: &Connection, run_id: &str, used: &RunUsage<'_>, at_ms: i64) -> Result<(), Fault> {
    connection.execute(
        "INSERT INTO usage
         (run_id, model, prompt_tokens, cached_tokens, answer_tokens, prompt_ms, answer_ms, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            run_id,
            used.model,
            used.prompt_tokens,
            used.cached_tokens,
            used.answer_tokens,
            used.prompt_ms,
            used.answer_ms,
            at_ms
        ],
    )?;
    Ok(())
}
