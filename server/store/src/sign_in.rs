//! Sign-in: one-time links and browser sessions. Refuses: a link twice or late, and any secret in clear text on disk.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::error::Fault;
use crate::secret::{hash, hex};
use crate::{Secret, Store, StoreError};

/// How long a sign-in link can be used, in milliseconds.
pub const LINK_MS: i64 = 60_000;
/// A session ends after this long without a request, in milliseconds: 12 hours.
pub const SESSION_IDLE_MS_MAX: i64 = 12 * 60 * 60 * 1_000;
/// A session ends this long after sign-in, in milliseconds: 30 days.
pub const SESSION_AGE_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1_000;
/// The time a session or token was last seen is written at most this often, in milliseconds, so that a request
/// seldom costs a flush.
pub(crate) const SEEN_WRITE_MS: i64 = 60_000;

/// A sign-in link that was just made. Its secret is told this once.
#[derive(Clone, Debug)]
pub struct LoginLink {
    /// The secret to put into the link.
    pub secret: Secret,
    /// When it ends, in UTC milliseconds.
    pub expires_ms: i64,
}

/// A session that was just made. Its secret is told this once.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The secret to put into the cookie.
    pub secret: Secret,
    /// The session as [`Store::check_session`] will tell it.
    pub session: Session,
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Id to show and revoke it by; not the secret.
    pub id: String,
    /// When it signed in, in UTC milliseconds.
    pub created_ms: i64,
    /// When it was last seen, in UTC milliseconds, to the minute.
    pub last_seen_ms: i64,
    /// When it ends if it is not seen again, in UTC milliseconds.
    pub expires_ms: i64,
    /// What its forms must carry. It follows from the secret, is stored nowhere, and is `None` in lists.
    pub form_token: Option<Secret>,
}

impl Store {
    /// Makes a sign-in link, good once within [`LINK_MS`].
    ///
    /// # Errors
    /// The disk's errors.
    pub fn mint_login_link(&self) -> Result<LoginLink, StoreError> {
        let secret = Secret::random("")?;
        let now_ms = self.now_ms();
        let expires_ms = now_ms + LINK_MS;
        self.user.write(|transaction| {
            // Links that no longer open go as new ones come, so that the table stays small.
            transaction.execute("DELETE FROM login_links WHERE abs(?1 - created_ms) >= ?2", [now_ms, LINK_MS])?;
            transaction.execute(
                "INSERT INTO login_links (hash, created_ms, expires_ms) VALUES (?1, ?2, ?3)",
                params![hash(secret.reveal()), now_ms, expires_ms],
            )?;
            Ok(())
        })?;
        Ok(LoginLink { secret, expires_ms })
    }

    /// Uses a sign-in link up and begins a session, in one transaction; `None` when the link is unknown, used or
    /// late. Of two that try at the same time one gets the session.
    ///
    /// # Errors
    /// The disk's errors, after which the link is as good as before.
    pub fn redeem_login_link(&self, link_secret: &str) -> Result<Option<NewSession>, StoreError> {
        let new = self.new_session()?;
        let now_ms = new.session.created_ms;
        let redeemed = self.user.write(|transaction| {
            // The distance is taken both ways, so that a clock set back does not make a link live longer.
            let used = transaction.execute(
                "UPDATE login_links SET used_ms = ?2
                 WHERE hash = ?1 AND used_ms IS NULL AND abs(?2 - created_ms) < ?3",
                params![hash(link_secret), now_ms, LINK_MS],
            )?;
            if used == 1 {
                insert_session(transaction, &new)?;
            }
            Ok(used == 1)
        })?;
        Ok(redeemed.then_some(new))
    }

    /// Begins a session without a link, for a door that knows its user by other means.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn create_session(&self) -> Result<NewSession, StoreError> {
        let new = self.new_session()?;
        self.user.write(|transaction| insert_session(transaction, &new))?;
        Ok(new)
    }

    /// The session behind the secret of a cookie; `None` when it is unknown, revoked or over. Works on a full disk.
    ///
    /// # Errors
    /// The disk's errors when reading.
    pub fn check_session(&self, secret: &str) -> Result<Option<Session>, StoreError> {
        let now_ms = self.now_ms();
        let Some(mut session) = self.user.read(|connection| find_session(connection, secret))? else {
            return Ok(None);
        };
        if session.expires_ms <= now_ms {
            return Ok(None);
        }
        if now_ms - session.last_seen_ms >= SEEN_WRITE_MS {
            // A disk that takes no writes must not sign the user out; the time is then written next time.
            let _ = self.user.write(|transaction| {
                transaction.execute(
                    "UPDATE sessions SET last_seen_ms = max(last_seen_ms, ?2) WHERE id = ?1",
                    params![session.id, now_ms],
                )?;
                Ok(())
            });
            session = describe(session.id, session.created_ms, now_ms);
        }
        session.form_token = Some(form_token(secret));
        Ok(Some(session))
    }

    /// Ends the session `id` at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn revoke_session(&self, id: &str) -> Result<(), StoreError> {
        self.user.write(|transaction| match transaction.execute("DELETE FROM sessions WHERE id = ?1", [id])? {
            0 => Err(StoreError::not_found("session", id).into()),
            _ => Ok(()),
        })
    }

    /// Every session that is not over, the newest first.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let now_ms = self.now_ms();
        self.user.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, created_ms, last_seen_ms FROM sessions ORDER BY created_ms DESC, id",
            )?;
            let rows = statement.query_map([], |row| Ok(describe(row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let sessions = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(sessions.into_iter().filter(|session| session.expires_ms > now_ms).collect())
        })
    }

    fn new_session(&self) -> Result<NewSession, StoreError> {
        let now_ms = self.now_ms();
        let secret = Secret::random("")?;
        let mut session = describe(self.ids.next(now_ms)?, now_ms, now_ms);
        session.form_token = Some(form_token(secret.reveal()));
        Ok(NewSession { secret, session })
    }
}

fn insert_session(transaction: &Transaction<'_>, new: &NewSession) -> Result<(), Fault> {
    let now_ms = new.session.created_ms;
    // Sessions that are over go as new ones come, so that the table stays small.
    transaction.execute(
        "DELETE FROM sessions WHERE ?1 - last_seen_ms >= ?2 OR ?1 - created_ms >= ?3",
        [now_ms, SESSION_IDLE_MS_MAX, SESSION_AGE_MS_MAX],
    )?;
    transaction.execute(
        "INSERT INTO sessions (id, hash, created_ms, last_seen_ms) VALUES (?1, ?2, ?3, ?3)",
        params![new.session.id, hash(new.secret.reveal()), now_ms],
    )?;
    Ok(())
}

fn find_session(connection: &Connection, secret: &str) -> Result<Option<Session>, Fault> {
    Ok(connection
        .prepare_cached("SELECT id, created_ms, last_seen_ms FROM sessions WHERE hash = ?1")?
        .query_row([hash(secret)], |row| Ok(describe(row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?)
}

fn describe(id: String, created_ms: i64, last_seen_ms: i64) -> Session {
    let expires_ms = (last_seen_ms + SESSION_IDLE_MS_MAX).min(created_ms + SESSION_AGE_MS_MAX);
    Session { id, created_ms, last_seen_ms, expires_ms, form_token: None }
}

/// What forms of a session carry: only who knows the session's secret can make it, and it does not tell the secret.
fn form_token(secret: &str) -> Secret {
    Secret::from_text(hex(&hash(&format!("form token of {secret}"))))
}
