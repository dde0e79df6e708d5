//! Chats: what they are called, where they belong, and whether they lie in the trash. Refuses: deleting for good.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Fault;
use crate::limits::{fits, fits_option};
use crate::{NAME_BYTES_MAX, Store, StoreError};

/// Chats of one page; a larger limit is cut to this.
pub const CHATS_PAGE_MAX: usize = 200;

const COLUMNS: &str = "id, title, workspace, created_ms, updated_ms, archived_ms, deleted_ms";

/// One chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// Sortable random id.
    pub id: String,
    /// What it is called; may be empty.
    pub title: String,
    /// Path of its workspace, `None` when it has none.
    pub workspace: Option<String>,
    /// When it was created, in UTC milliseconds.
    pub created_ms: i64,
    /// When something was last said in it or it was last renamed, in UTC milliseconds.
    pub updated_ms: i64,
    /// When it was archived; always `None` for now.
    pub archived_ms: Option<i64>,
    /// When it was moved to the trash, in UTC milliseconds; `None` when it lives.
    pub deleted_ms: Option<i64>,
}

impl Chat {
    /// The place after this chat in a list.
    #[must_use]
    pub fn cursor(&self) -> ChatCursor {
        ChatCursor { updated_ms: self.updated_ms, id: self.id.clone() }
    }
}

/// A place in a list of chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatCursor {
    /// Time of the last chat seen, in UTC milliseconds.
    pub updated_ms: i64,
    /// Id of the last chat seen.
    pub id: String,
}

/// Which chats a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Those that live.
    Living,
    /// Those in the trash.
    Trash,
}

impl Store {
    /// Creates a chat.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a title or path over [`NAME_BYTES_MAX`]; the disk's errors.
    pub fn create_chat(&self, title: &str, workspace: Option<&str>) -> Result<Chat, StoreError> {
        fits("title", title.len(), NAME_BYTES_MAX)?;
        fits_option("workspace path", workspace, NAME_BYTES_MAX)?;
        let now_ms = self.now_ms();
        let chat = Chat {
            id: self.ids.next(now_ms)?,
            title: title.to_owned(),
            workspace: workspace.map(str::to_owned),
            created_ms: now_ms,
            updated_ms: now_ms,
            archived_ms: None,
            deleted_ms: None,
        };
        self.user.write(|transaction| {
            transaction.execute(
                "INSERT INTO chats (id, title, workspace, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, ?4)",
                params![chat.id, chat.title, chat.workspace, now_ms],
            )?;
            Ok(())
        })?;
        Ok(chat)
    }

    /// The chat `id`, also from the trash.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn chat(&self, id: &str) -> Result<Chat, StoreError> {
        self.user.read(|connection| chat(connection, id))
    }

    /// Whether a chat, also one in the trash, is about `workspace`, compared byte by byte.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn has_chat_about(&self, workspace: &str) -> Result<bool, StoreError> {
        self.user.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM chats WHERE workspace = ?1)";
            Ok(connection.prepare_cached(sql)?.query_row([workspace], |row| row.get(0))?)
        })
    }

    /// The next `limit` chats of `shelf` after the place `after`, the last updated first.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn list_chats(
        &self,
        shelf: Shelf,
        after: Option<&ChatCursor>,
        limit: usize,
    ) -> Result<Vec<Chat>, StoreError> {
        // Without a place the list starts above every chat there can be.
        let (updated_ms, id) = after.map_or((i64::MAX, "~"), |place| (place.updated_ms, place.id.as_str()));
        self.user.read(|connection| {
            let mut statement = connection.prepare_cached(&page_sql(shelf))?;
            let rows = statement.query_map(params![updated_ms, id, limit.min(CHATS_PAGE_MAX) as i64], from_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Gives the chat `id` another title.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also when it lies in the trash; [`StoreError::TooLarge`]; the disk's errors.
    pub fn rename_chat(&self, id: &str, title: &str) -> Result<(), StoreError> {
        fits("title", title.len(), NAME_BYTES_MAX)?;
        let now_ms = self.now_ms();
        self.change_chat(
            id,
            "UPDATE chats SET title = ?3, updated_ms = ?2 WHERE id = ?1 AND deleted_ms IS NULL",
            params![id, now_ms, title],
        )
    }

    /// Moves the chat `id` to the trash; nothing of it is lost.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also when it lies there already; the disk's errors.
    pub fn trash_chat(&self, id: &str) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.change_chat(
            id,
            "UPDATE chats SET deleted_ms = ?2 WHERE id = ?1 AND deleted_ms IS NULL",
            params![id, now_ms],
        )
    }

    /// Takes the chat `id` out of the trash.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also when it does not lie there; the disk's errors.
    pub fn restore_chat(&self, id: &str) -> Result<(), StoreError> {
        self.change_chat(
            id,
            "UPDATE chats SET deleted_ms = NULL WHERE id = ?1 AND deleted_ms IS NOT NULL",
            params![id],
        )
    }

    fn change_chat(&self, id: &str, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        self.user.write(|transaction| match transaction.execute(sql, values)? {
            0 => Err(StoreError::not_found("chat", id).into()),
            _ => Ok(()),
        })
    }
}

/// The statement that reads one page of `shelf`.
pub(crate) fn page_sql(shelf: Shelf) -> String {
    let shelf = match shelf {
        Shelf::Living => "deleted_ms IS NULL",
        Shelf::Trash => "deleted_ms IS NOT NULL",
    };
    format!(
        "SELECT {COLUMNS} FROM chats WHERE {shelf} AND (updated_ms, id) < (?1, ?2)
         ORDER BY updated_ms DESC, id DESC LIMIT ?3"
    )
}

/// The chat `id`, also from the trash.
pub(crate) fn chat(connection: &Connection, id: &str) -> Result<Chat, Fault> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM chats WHERE id = ?1"))?
        .query_row([id], from_row)
        .optional()?
        .ok_or_else(|| StoreError::not_found("chat", id).into())
}

/// Checks that the chat `id` takes new messages.
pub(crate) fn must_live(connection: &Connection, id: &str) -> Result<(), Fault> {
    match chat(connection, id)?.deleted_ms {
        None => Ok(()),
        Some(_) => {
            let text = "the chat lies in the trash; restore it to go on".to_owned();
            Err(StoreError::Conflict(text).into())
        }
    }
}

/// Notes that something was said in the chat `id`.
pub(crate) fn touch(connection: &Connection, id: &str, now_ms: i64) -> Result<(), Fault> {
    connection.execute("UPDATE chats SET updated_ms = ?2 WHERE id = ?1", params![id, now_ms])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Chat> {
    Ok(Chat {
        id: row.get(0)?,
        title: row.get(1)?,
        workspace: row.get(2)?,
        created_ms: row.get(3)?,
        updated_ms: row.get(4)?,
        archived_ms: row.get(5)?,
        deleted_ms: row.get(6)?,
    })
}
