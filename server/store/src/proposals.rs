//! Proposed changes and what became of them. Refuses: knowing what a proposal says; its body is text here.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::error::Fault;
use crate::limits::fits;
use crate::{JSON_BYTES_MAX, NAME_BYTES_MAX, Store, StoreError};

/// Proposals that are kept; the oldest goes when a further one comes.
pub const PROPOSALS_MAX: usize = 2_000;
/// Files of one proposal.
pub const PROPOSAL_PLACES_MAX: usize = 64;
/// Proposals of one place that are listed at once; a larger limit is cut to this.
pub const PROPOSALS_PAGE_MAX: usize = 200;

/// One stored proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProposal {
    /// Sortable random id.
    pub id: String,
    /// When it was made, in UTC milliseconds.
    pub created_ms: i64,
    /// What it says.
    pub body: String,
}

impl Store {
    /// Keeps a proposal whose changes lie at `places`, and drops the oldest beyond [`PROPOSALS_MAX`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`]; the disk's errors.
    pub fn add_proposal(&self, places: &[String], body: &str) -> Result<StoredProposal, StoreError> {
        fits("proposal", body.len(), JSON_BYTES_MAX)?;
        fits("number of files of a proposal", places.len(), PROPOSAL_PLACES_MAX)?;
        places.iter().try_for_each(|place| fits("path", place.len(), NAME_BYTES_MAX))?;
        let created_ms = self.now_ms();
        let proposal = StoredProposal { id: self.ids.next(created_ms)?, created_ms, body: body.to_owned() };
        self.user.write(|transaction| {
            transaction.execute(
                "INSERT INTO proposals (id, created_ms, body) VALUES (?1, ?2, ?3)",
                params![proposal.id, created_ms, body],
            )?;
            for place in places {
                transaction.execute(
                    "INSERT OR IGNORE INTO proposal_places (proposal_id, place) VALUES (?1, ?2)",
                    params![proposal.id, place],
                )?;
            }
            transaction.execute(
                "DELETE FROM proposals WHERE id IN
                 (SELECT id FROM proposals ORDER BY id DESC LIMIT -1 OFFSET ?1)",
                [PROPOSALS_MAX as i64],
            )?;
            Ok(())
        })?;
        Ok(proposal)
    }

    /// The proposal `id`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn proposal(&self, id: &str) -> Result<StoredProposal, StoreError> {
        self.user.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT id, created_ms, body FROM proposals WHERE id = ?1")?;
            let found = statement.query_row([id], from_row).optional()?;
            found.ok_or_else(|| StoreError::not_found("proposal", id).into())
        })
    }

    /// The last proposals that change `place`, newest first.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn proposals_at(&self, place: &str, limit: usize) -> Result<Vec<StoredProposal>, StoreError> {
        self.user.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, created_ms, body FROM proposals JOIN proposal_places ON proposal_id = id
                 WHERE place = ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![place, limit.min(PROPOSALS_PAGE_MAX) as i64], from_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Puts what `change` makes of the body of proposal `id` in its place; nobody else changes it meanwhile. `None`
    /// leaves it as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::TooLarge`]; the disk's errors.
    pub fn change_proposal(
        &self,
        id: &str,
        change: impl FnOnce(&str) -> Option<String>,
    ) -> Result<StoredProposal, StoreError> {
        self.user.write(|transaction| {
            let mut proposal = read(transaction, id)?;
            if let Some(body) = change(&proposal.body) {
                fits("proposal", body.len(), JSON_BYTES_MAX)?;
                transaction.execute("UPDATE proposals SET body = ?2 WHERE id = ?1", params![id, body])?;
                proposal.body = body;
            }
            Ok(proposal)
        })
    }
}

fn read(transaction: &Transaction<'_>, id: &str) -> Result<StoredProposal, Fault> {
    let sql = "SELECT id, created_ms, body FROM proposals WHERE id = ?1";
    let found = transaction.query_row(sql, [id], from_row).optional()?;
    found.ok_or_else(|| StoreError::not_found("proposal", id).into())
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredProposal> {
    Ok(StoredProposal { id: row.get(0)?, created_ms: row.get(1)?, body: row.get(2)? })
}
