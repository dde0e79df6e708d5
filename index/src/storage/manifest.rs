//! The index's own memory of files in SQLite: what was indexed, from which bytes, under which recipe. All of it can be
//! rebuilt.
//!
//! Refuses: users' data, and any SQL elsewhere in this room.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row as SqlRow, params};

use crate::error::{Doing, IndexError};
use crate::files::live::StatKey;
use crate::files::skip::SkipReason;

/// Raised when the tables or the text index's fields change; an index of another version is made anew.
pub(crate) const FORMAT_VERSION: i64 = 3;

/// What is known about one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileRow {
    /// Number of this state in the text index.
    pub(crate) id: u64,
    /// As the file system described it when it was read.
    pub(crate) stat: StatKey,
    /// It was read so soon after its last change that the stat may hide another one.
    pub(crate) racy: bool,
    /// Hash of its bytes; zero for a file that was not read.
    pub(crate) hash: [u8; 16],
    /// How it was cut.
    pub(crate) recipe: i64,
    /// Its documents in the text index.
    pub(crate) chunks: u32,
    /// Why its text is not searched.
    pub(crate) skip: Option<SkipReason>,
    /// Hash of its chunks; zero where there are none. After a change of how it is cut it says whether anything has to be
    /// written.
    pub(crate) chunks_hash: [u8; 16],
}

/// The open manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    connection: Connection,
}

/// Changes for one transaction: `None` removes a file.
pub(crate) type Changes = BTreeMap<String, Option<FileRow>>;

/// What an opened manifest says.
pub(crate) struct Loaded {
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// All files.
    pub(crate) rows: BTreeMap<String, FileRow>,
    /// The generation it belongs to.
    pub(crate) generation: u64,
}

impl Manifest {
    /// Makes a new manifest at generation 0. The file must not exist.
    pub(crate) fn create(path: &Path) -> Result<Self, IndexError> {
        let connection = connect(path)?;
        connection
            .execute_batch(
                "BEGIN;
                 CREATE TABLE files (
                   path TEXT PRIMARY KEY, id INTEGER NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL,
                   changed INTEGER NOT NULL, inode INTEGER NOT NULL, racy INTEGER NOT NULL, hash BLOB NOT NULL,
                   recipe INTEGER NOT NULL, chunks INTEGER NOT NULL, skip INTEGER NOT NULL, chunks_hash BLOB NOT NULL
                 ) WITHOUT ROWID;
                 CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                 INSERT INTO facts VALUES ('generation', '0');
                 COMMIT;",
            )
            .doing("creating the manifest")?;
        connection.pragma_update(None, "user_version", FORMAT_VERSION).doing("creating the manifest")?;
        Ok(Self { connection })
    }

    /// Opens a manifest and reads it whole. Any doubt about its soundness is an error.
    pub(crate) fn load(path: &Path) -> Result<Loaded, IndexError> {
        if !path.is_file() {
            return Err(IndexError::storage("opening the manifest")("the file is missing".into()));
        }
        let connection = connect(path)?;
        let sound: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).doing("checking the manifest")?;
        let version: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing("checking the manifest")?;
        if sound != "ok" || version != FORMAT_VERSION {
            return Err(IndexError::storage("checking the manifest")(
                format!("version {version}, check says: {sound}").into(),
            ));
        }
        let manifest = Self { connection };
        let generation = manifest.fact("generation")?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let rows = manifest.rows()?;
        Ok(Loaded { manifest, rows, generation })
    }

    /// Opens a manifest for reading alone, also while another process writes it.
    pub(crate) fn look(path: &Path) -> Result<Self, IndexError> {
        let doing = "opening the manifest";
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).doing(doing)?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing(doing)?;
        if version != FORMAT_VERSION {
            return Err(IndexError::storage(doing)(format!("it is of version {version}").into()));
        }
        Ok(Self { connection })
    }

    /// How many files can be found, how many chunks they have, and how many files are known in all.
    pub(crate) fn counts(&self) -> Result<(usize, usize, usize), IndexError> {
        let counted = self.connection.query_row(
            "SELECT count(*) FILTER (WHERE skip = 0), ifnull(sum(chunks) FILTER (WHERE skip = 0), 0), count(*) FROM files",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        );
        let (files, chunks, known) = counted.doing("reading the manifest")?;
        let count = |number: i64| usize::try_from(number).unwrap_or_default();
        Ok((count(files), count(chunks), count(known)))
    }

    /// All files.
    pub(crate) fn rows(&self) -> Result<BTreeMap<String, FileRow>, IndexError> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT path, id, size, modified, changed, inode, racy, hash, recipe, chunks, skip, chunks_hash FROM files ORDER BY path",
            )
            .doing("reading the manifest")?;
        let rows =
            statement.query_map([], |row| Ok((row.get(0)?, file_row(row)?))).doing("reading the manifest")?;
        rows.collect::<Result<_, _>>().doing("reading the manifest")
    }

    /// A small fact stored under a key.
    pub(crate) fn fact(&self, key: &str) -> Result<Option<String>, IndexError> {
        self.connection
            .query_row("SELECT value FROM facts WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .doing("reading the manifest")
    }

    /// Stores changes, the generation they make, and facts, in one transaction.
    pub(crate) fn commit(
        &mut self,
        changes: &Changes,
        generation: u64,
        facts: &[(&str, String)],
    ) -> Result<(), IndexError> {
        let doing = "writing the manifest";
        let transaction = self.connection.transaction().doing(doing)?;
        {
            let mut put = transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )
                .doing(doing)?;
            let mut remove = transaction.prepare_cached("DELETE FROM files WHERE path = ?1").doing(doing)?;
            for (path, row) in changes {
                match row {
                    None => remove.execute([path]).doing(doing)?,
                    Some(row) => put
                        .execute(params![
                            path,
                            row.id.cast_signed(),
                            row.stat.size.cast_signed(),
                            row.stat.modified,
                            row.stat.changed,
                            row.stat.inode.cast_signed(),
                            row.racy,
                            row.hash,
                            row.recipe,
                            row.chunks,
                            row.skip.map_or(0, SkipReason::code),
                            row.chunks_hash,
                        ])
                        .doing(doing)?,
                };
            }
            let mut fact =
                transaction.prepare_cached("INSERT OR REPLACE INTO facts VALUES (?1, ?2)").doing(doing)?;
            fact.execute(params!["generation", generation.to_string()]).doing(doing)?;
            for (key, value) in facts {
                fact.execute(params![key, value]).doing(doing)?;
            }
        }
        transaction.commit().doing(doing)
    }
}

fn connect(path: &Path) -> Result<Connection, IndexError> {
    let doing = "opening the manifest";
    let connection = Connection::open(path).doing(doing)?;
    // Losing the last transaction to a power cut is fine: the generations differ then, and the two sides are matched.
    connection.pragma_update(None, "journal_mode", "WAL").doing(doing)?;
    connection.pragma_update(None, "synchronous", "NORMAL").doing(doing)?;
    Ok(connection)
}

fn file_row(row: &SqlRow<'_>) -> rusqlite::Result<FileRow> {
    let unsigned = |index: usize| row.get::<_, i64>(index).map(i64::cast_unsigned);
    Ok(FileRow {
        id: unsigned(1)?,
        stat: StatKey { size: unsigned(2)?, modified: row.get(3)?, changed: row.get(4)?, inode: unsigned(5)? },
        racy: row.get(6)?,
        hash: row.get(7)?,
        recipe: row.get(8)?,
        chunks: row.get(9)?,
        skip: SkipReason::from_code(row.get(10)?),
        chunks_hash: row.get(11)?,
    })
}
