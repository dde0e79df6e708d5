//! The register of documents: files that Familiar wrote for the user. Refuses: touching the files themselves.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Fault;
use crate::limits::fits;
use crate::{DocumentKind, NAME_BYTES_MAX, Store, StoreError, chats};

/// Documents of one page; a larger limit is cut to this.
pub const DOCUMENTS_PAGE_MAX: usize = 500;

const COLUMNS: &str = "id, kind, path, created_ms, chat_id";

/// One registered document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Sortable random id.
    pub id: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Its file; no two documents share one.
    pub path: String,
    /// When it was registered, in UTC milliseconds.
    pub created_ms: i64,
    /// The chat it belongs to.
    pub chat_id: Option<String>,
}

impl Store {
    /// Registers the file `path`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is registered; [`StoreError::NotFound`] for the chat;
    /// [`StoreError::TooLarge`]; the disk's errors.
    pub fn add_document(
        &self,
        kind: DocumentKind,
        path: &str,
        chat_id: Option<&str>,
    ) -> Result<Document, StoreError> {
        fits("path", path.len(), NAME_BYTES_MAX)?;
        let created_ms = self.now_ms();
        let document = Document {
            id: self.ids.next(created_ms)?,
            kind,
            path: path.to_owned(),
            created_ms,
            chat_id: chat_id.map(str::to_owned),
        };
        self.user.write(|transaction| {
            if let Some(chat_id) = chat_id {
                chats::chat(transaction, chat_id)?;
            }
            if find(transaction, "path", path)?.is_some() {
                return Err(StoreError::Conflict(format!("{path} is registered already")).into());
            }
            transaction.execute(
                "INSERT INTO documents (id, kind, path, created_ms, chat_id) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![document.id, kind, path, created_ms, chat_id],
            )?;
            Ok(())
        })?;
        Ok(document)
    }

    /// The document `id`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn document(&self, id: &str) -> Result<Document, StoreError> {
        self.user.read(|connection| {
            find(connection, "id", id)?.ok_or_else(|| StoreError::not_found("document", id).into())
        })
    }

    /// The document whose file is `path`, `None` when it is not registered.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn document_at(&self, path: &str) -> Result<Option<Document>, StoreError> {
        self.user.read(|connection| find(connection, "path", path))
    }

    /// The last `limit` documents, newest first; with `before` the last that came before that id.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn documents(&self, before: Option<&str>, limit: usize) -> Result<Vec<Document>, StoreError> {
        self.user.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM documents WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            // Ids are made of digits and letters, which all sort before a tilde.
            let values = params![before.unwrap_or("~"), limit.min(DOCUMENTS_PAGE_MAX) as i64];
            let rows = statement.query_map(values, from_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Documents of a kind besides its newest `kept`, the newest of them first, a page of them.
    ///
    /// # Errors
    /// The disk's errors.
    pub fn documents_beyond(&self, kind: DocumentKind, kept: usize) -> Result<Vec<Document>, StoreError> {
        self.user.read(|connection| {
            let sql =
                format!("SELECT {COLUMNS} FROM documents WHERE kind = ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3");
            let mut statement = connection.prepare_cached(&sql)?;
            let values = params![kind, DOCUMENTS_PAGE_MAX as i64, i64::try_from(kept).unwrap_or(i64::MAX)];
            let rows = statement.query_map(values, from_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Takes the document `id` off the register, after its file is gone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn remove_document(&self, id: &str) -> Result<(), StoreError> {
        self.user.write(|transaction| match transaction.execute("DELETE FROM documents WHERE id = ?1", [id])? {
            0 => Err(StoreError::not_found("document", id).into()),
            _ => Ok(()),
        })
    }
}

fn find(connection: &Connection, column: &'static str, value: &str) -> Result<Option<Document>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM documents WHERE {column} = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([value], from_row).optional()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        id: row.get(0)?,
        kind: row.get(1)?,
        path: row.get(2)?,
        created_ms: row.get(3)?,
        chat_id: row.get(4)?,
    })
}
