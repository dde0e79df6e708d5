//! Messages: a tree that only grows. Refuses: changing a message that is complete, and a parent of another chat.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Fault;
use crate::limits::{fits, fits_option};
use crate::runs::After;
use crate::{JSON_BYTES_MAX, MessageRole, MessageState, NAME_BYTES_MAX, Store, StoreError, TEXT_BYTES_MAX, chats};

/// Messages of one page; a larger limit is cut to this.
pub const MESSAGES_PAGE_MAX: usize = 500;

const COLUMNS: &str = "id, chat_id, parent_id, role, content, created_ms, run_id, state, error, citations, manifest, \
                       model";

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Sortable random id.
    pub id: String,
    /// The chat it belongs to.
    pub chat_id: String,
    /// The message it follows, `None` at the start of a chat.
    pub parent_id: Option<String>,
    /// Who wrote it.
    pub role: MessageRole,
    /// Its text.
    pub content: String,
    /// When it was created, in UTC milliseconds.
    pub created_ms: i64,
    /// The run that writes or wrote it; `None` for what no model wrote.
    pub run_id: Option<String>,
    /// How far it is.
    pub state: MessageState,
    /// Why its run failed.
    pub error: Option<String>,
    /// The passages it stands on, as JSON of the caller.
    pub citations: Option<String>,
    /// What went into its prompt and why, as JSON of the caller.
    pub manifest: Option<String>,
    /// The model that wrote it.
    pub model: Option<String>,
}

/// A complete message to add, without a run.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// The chat it belongs to.
    pub chat_id: &'a str,
    /// What it follows.
    pub after: After<'a>,
    /// Who wrote it.
    pub role: MessageRole,
    /// Its text, at most [`TEXT_BYTES_MAX`].
    pub content: &'a str,
    /// The passages it stands on, as JSON of the caller.
    pub citations: Option<&'a str>,
    /// What went into its prompt and why, as JSON of the caller.
    pub manifest: Option<&'a str>,
    /// The model that wrote it.
    pub model: Option<&'a str>,
}

impl Store {
    /// Adds a complete message and tells its id. Use [`Store::begin_run`] for a question that is to be answered.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the chat or parent; [`StoreError::Conflict`] for a chat in the trash or a parent
    /// that is still streaming; [`StoreError::TooLarge`]; the disk's errors.
    pub fn add_message(&self, new: &NewMessage<'_>) -> Result<String, StoreError> {
        check_sizes(new)?;
        let now_ms = self.now_ms();
        let id = self.ids.next(now_ms)?;
        self.user.write(|transaction| {
            chats::must_live(transaction, new.chat_id)?;
            let parent_id = resolve(transaction, new.chat_id, new.after)?;
            insert(transaction, &id, new, parent_id.as_deref(), MessageState::Complete, now_ms)?;
            chats::touch(transaction, new.chat_id, now_ms)
        })?;
        Ok(id)
    }

    /// The message `id`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn message(&self, id: &str) -> Result<Message, StoreError> {
        self.user.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE id = ?1"))?
                .query_row([id], from_row)
                .optional()?
                .ok_or_else(|| StoreError::not_found("message", id).into())
        })
    }

    /// The last `limit` messages of a chat, all branches, oldest first; with `before` the last that came before that
    /// message.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the chat, or for `before` in this chat; the disk's errors.
    pub fn messages(&self, chat_id: &str, before: Option<&str>, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.user.read(|connection| {
            chats::chat(connection, chat_id)?;
            let before_seq = match before {
                Some(id) => place(connection, chat_id, id)?.0,
                None => i64::MAX,
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM messages WHERE chat_id = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement
                .query_map(params![chat_id, before_seq, limit.min(MESSAGES_PAGE_MAX) as i64], from_row)?;
            let mut messages = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            messages.reverse();
            Ok(messages)
        })
    }

    /// The branch that ends with the message `id`: that message and at most `limit - 1` before it, oldest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn thread(&self, id: &str, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.user.read(|connection| {
            let sql = format!(
                "WITH RECURSIVE branch (member, depth) AS (
                     SELECT ?1, 1
                     UNION ALL
                     SELECT messages.parent_id, depth + 1 FROM branch JOIN messages ON messages.id = member
                     WHERE messages.parent_id IS NOT NULL AND depth < ?2
                 )
                 SELECT {COLUMNS} FROM branch JOIN messages ON messages.id = member ORDER BY depth DESC"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![id, limit.clamp(1, MESSAGES_PAGE_MAX) as i64], from_row)?;
            let messages = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            if messages.is_empty() { Err(StoreError::not_found("message", id).into()) } else { Ok(messages) }
        })
    }
}

/// The id of the message that `after` names, `None` for the start of the chat.
pub(crate) fn resolve(connection: &Connection, chat_id: &str, after: After<'_>) -> Result<Option<String>, Fault> {
    let (id, state) = match after {
        After::Start => return Ok(None),
        After::Message(id) => (id.to_owned(), place(connection, chat_id, id)?.1),
        After::Newest => {
            let newest = connection
                .prepare_cached("SELECT id, state FROM messages WHERE chat_id = ?1 ORDER BY seq DESC LIMIT 1")?
                .query_row([chat_id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match newest {
                None => return Ok(None),
                Some(found) => found,
            }
        }
    };
    if state == MessageState::Streaming {
        let text = "the answer before is still being written; wait for its end or stop it".to_owned();
        return Err(StoreError::Conflict(text).into());
    }
    Ok(Some(id))
}

/// Stores a message in `state`.
pub(crate) fn insert(
    connection: &Connection,
    id: &str,
    new: &NewMessage<'_>,
    parent_id: Option<&str>,
    state: MessageState,
    now_ms: i64,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO messages
             (id, chat_id, parent_id, role, content, created_ms, state, citations, manifest, model)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            id,
            new.chat_id,
            parent_id,
            new.role,
            new.content,
            now_ms,
            state,
            new.citations,
            new.manifest,
            new.model
        ])?;
    Ok(())
}

/// Where the message `id` stands in its chat, and how far it is.
fn place(connection: &Connection, chat_id: &str, id: &str) -> Result<(i64, MessageState), Fault> {
    connection
        .prepare_cached("SELECT seq, state FROM messages WHERE id = ?1 AND chat_id = ?2")?
        .query_row([id, chat_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| StoreError::not_found("message", id).into())
}

fn check_sizes(new: &NewMessage<'_>) -> Result<(), StoreError> {
    fits("message", new.content.len(), TEXT_BYTES_MAX)?;
    fits_option("citations", new.citations, JSON_BYTES_MAX)?;
    fits_option("manifest", new.manifest, JSON_BYTES_MAX)?;
    fits_option("model name", new.model, NAME_BYTES_MAX)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        chat_id: row.get(1)?,
        parent_id: row.get(2)?,
        role: row.get(3)?,
        content: row.get(4)?,
        created_ms: row.get(5)?,
        run_id: row.get(6)?,
        state: row.get(7)?,
        error: row.get(8)?,
        citations: row.get(9)?,
        manifest: row.get(10)?,
        model: row.get(11)?,
    })
}
