//! API tokens for programs. Refuses: telling a token twice, and any token in clear text on disk.

use rusqlite::{OptionalExtension, Row, params};

use crate::limits::fits;
use crate::secret::hash;
use crate::sign_in::SEEN_WRITE_MS;
use crate::{NAME_BYTES_MAX, Secret, Store, StoreError};

/// What every API token begins with, so that leaked ones can be found.
pub const TOKEN_PREFIX: &str = "fam_";
/// Tokens that may be good at the same time.
pub const TOKENS_MAX: usize = 200;
/// Characters of a token that are kept to recognise it by.
const SHOWN_CHARS: usize = 12;

const COLUMNS: &str = "id, name, prefix, created_ms, last_used_ms, revoked_ms";

/// One API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Sortable random id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Its first characters, to recognise it by.
    pub prefix: String,
    /// When it was created, in UTC milliseconds.
    pub created_ms: i64,
    /// When it was last used, in UTC milliseconds, to the minute.
    pub last_used_ms: Option<i64>,
    /// When it was revoked, in UTC milliseconds; `None` while it is good.
    pub revoked_ms: Option<i64>,
}

/// A token that was just made. Its secret is told this once.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// The token to give to the program.
    pub secret: Secret,
    /// What is kept of it.
    pub token: ApiToken,
}

impl Store {
    /// Makes a token called `name`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when [`TOKENS_MAX`] are good already; [`StoreError::TooLarge`]; the disk's errors.
    pub fn create_token(&self, name: &str) -> Result<NewApiToken, StoreError> {
        fits("token's name", name.len(), NAME_BYTES_MAX)?;
        let secret = Secret::random(TOKEN_PREFIX)?;
        let created_ms = self.now_ms();
        let token = ApiToken {
            id: self.ids.next(created_ms)?,
            name: name.to_owned(),
            prefix: secret.reveal().chars().take(SHOWN_CHARS).collect(),
            created_ms,
            last_used_ms: None,
            revoked_ms: None,
        };
        self.user.write(|transaction| {
            let count = "SELECT COUNT(*) FROM api_tokens WHERE revoked_ms IS NULL";
            let good: i64 = transaction.query_row(count, [], |row| row.get(0))?;
            if good >= TOKENS_MAX as i64 {
                let text = format!("there are {TOKENS_MAX} tokens already; revoke one first");
                return Err(StoreError::Conflict(text).into());
            }
            transaction.execute(
                "INSERT INTO api_tokens (id, name, hash, prefix, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![token.id, token.name, hash(secret.reveal()), token.prefix, created_ms],
            )?;
            Ok(())
        })?;
        Ok(NewApiToken { secret, token })
    }

    /// The token behind `secret`; `None` when it is unknown or revoked. Works on a full disk.
    ///
    /// # Errors
    /// The disk's errors when reading.
    pub fn verify_token(&self, secret: &str) -> Result<Option<ApiToken>, StoreError> {
        let found = self.user.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM api_tokens WHERE hash = ?1 AND revoked_ms IS NULL");
            Ok(connection.prepare_cached(&sql)?.query_row([hash(secret)], from_row).optional()?)
        })?;
        let Some(mut token) = found else {
            return Ok(None);
        };
        let now_ms = self.now_ms();
        if token.last_used_ms.is_none_or(|last| now_ms - last >= SEEN_WRITE_MS) {
            // A disk that takes no writes must not lock programs out; the time is then written next time.
            let _ = self.user.write(|transaction| {
                transaction
                    .execute("UPDATE api_tokens SET last_used_ms = ?2 WHERE id = ?1", params![token.id, now_ms])?;
                Ok(())
            });
            token.last_used_ms = Some(now_ms);
        }
        Ok(Some(token))
    }

    /// Every token, also revoked ones, the newest first.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.user.read(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("SELECT {COLUMNS} FROM api_tokens ORDER BY id DESC"))?;
            let rows = statement.query_map([], from_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Ends the token `id` at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also when it is revoked already; the disk's errors.
    pub fn revoke_token(&self, id: &str) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.user.write(|transaction| {
            let sql = "UPDATE api_tokens SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
            match transaction.execute(sql, params![id, now_ms])? {
                0 => Err(StoreError::not_found("token", id).into()),
                _ => Ok(()),
            }
        })
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        id: row.get(0)?,
        name: row.get(1)?,
        prefix: row.get(2)?,
        created_ms: row.get(3)?,
        last_used_ms: row.get(4)?,
        revoked_ms: row.get(5)?,
    })
}
