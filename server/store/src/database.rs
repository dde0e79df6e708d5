//! One SQLite file: how it is created, checked, opened, written and read. Refuses: touching a file that is damaged,
//! newer or somebody else's, and a second writer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::Fault;
use crate::migrate::{self, Migration};
use crate::{StoreError, backup, files};

/// Connections that read at the same time; a further reader waits for one of them.
pub(crate) const READERS_MAX: usize = 4;
/// How long a statement waits for another process, such as a backup tool.
const BUSY_MS_MAX: u64 = 5_000;
/// Page cache of one connection, in KiB.
const CACHE_KIB_MAX: i64 = 2_048;
/// The journal is cut back to this size after a checkpoint.
const JOURNAL_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// Files up to this size are checked at every start; larger ones only when the last end was not clean.
const CHECK_ALWAYS_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What makes one database file differ from the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// File name.
    pub(crate) file: &'static str,
    /// Number in the file's header that says whose it is.
    pub(crate) application_id: i32,
    /// `FULL` flushes every commit, `NORMAL` only checkpoints.
    pub(crate) synchronous: &'static str,
    /// Whether it is copied before its schema changes.
    pub(crate) backed_up: bool,
    /// Its schema, oldest step first.
    pub(crate) migrations: &'static [Migration],
}

/// What opening a database did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The file was not there.
    pub(crate) created: bool,
    /// The last end was not clean; the file was checked and is sound.
    pub(crate) after_crash: bool,
    /// The copy made before the schema changed.
    pub(crate) backup: Option<PathBuf>,
}

/// One open database.
///
/// The writer is a connection behind a mutex rather than a thread with a queue: callers already bring a thread to
/// wait on, a mutex orders them just as well, and closures may borrow. Fields are dropped in order: the writer is
/// closed last, because only it can fold the journal back into the file.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    readers: Mutex<Readers>,
    reader_freed: Condvar,
    writer: Mutex<Connection>,
}

#[derive(Debug, Default)]
struct Readers {
    idle: Vec<Connection>,
    lent: usize,
}

impl Database {
    /// Opens the database of `kind` in `folder`, creating it when neither the file nor its journal is there.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] and [`StoreError::Newer`] leave the file untouched.
    pub(crate) fn open(kind: &Kind, folder: &Path, now_ms: i64) -> Result<(Self, Opened), StoreError> {
        let path = folder.join(kind.file);
        let mut opened = Opened::default();
        let journal_bytes = files::length(&sibling(&path, "-wal"))?.unwrap_or(0);
        match files::length(&path)? {
            // SQLite would take an empty file for a new database; ours are never empty.
            Some(0) => return Err(corrupt(&path, "it is empty")),
            Some(bytes) => {
                drop(files::private_file(&path)?);
                opened.after_crash = journal_bytes > 0;
                inspect(kind, &path, opened.after_crash || bytes <= CHECK_ALWAYS_BYTES_MAX)?;
            }
            None if journal_bytes > 0 => return Err(corrupt(&path, "it is gone while its journal is there")),
            None => {
                create(kind, &path, now_ms)?;
                opened.created = true;
            }
        }
        let mut writer =
            connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|e| StoreError::sql(&path, e))?;
        prepare_writer(kind, &writer).map_err(|e| StoreError::sql(&path, e))?;
        let version = migrate::version(&writer).map_err(|e| StoreError::sql(&path, e))?;
        if version < known_version(kind) {
            if kind.backed_up {
                let to = sibling(&path, &format!(".before-{:04}", version + 1));
                backup::copy(&writer, &path, &to)?;
                opened.backup = Some(to);
            }
            migrate::apply(&mut writer, kind.application_id, kind.migrations, now_ms).map_err(|f| f.at(&path))?;
        }
        let database =
            Self { path, readers: Mutex::default(), reader_freed: Condvar::new(), writer: Mutex::new(writer) };
        Ok((database, opened))
    }

    /// Runs `work` as the only writer, in one transaction that is kept only when `work` succeeds.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut writer = self.writer();
        let run = || -> Result<T, Fault> {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|fault| fault.at(&self.path))
    }

    /// Runs `work` on a connection that cannot write. It sees every commit that was acknowledged before.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        let reader = self.reader()?;
        let connection = reader.connection.as_ref().expect("a reader holds its connection until it is dropped");
        work(connection).map_err(|fault| fault.at(&self.path))
    }

    /// The connection that writes. A panic while it was held rolled its transaction back, so it is whole.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self) -> Result<Reader<'_>, StoreError> {
        let mut readers = self
            .reader_freed
            .wait_while(self.readers(), |readers| readers.lent >= READERS_MAX)
            .unwrap_or_else(PoisonError::into_inner);
        let connection = match readers.idle.pop() {
            Some(connection) => connection,
            None => connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)
                .map_err(|e| StoreError::sql(&self.path, e))?,
        };
        readers.lent += 1;
        Ok(Reader { database: self, connection: Some(connection) })
    }
}

/// A lent reading connection; it goes back when dropped, also by a panic.
struct Reader<'a> {
    database: &'a Database,
    connection: Option<Connection>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut readers = self.database.readers();
        readers.idle.extend(self.connection.take());
        readers.lent -= 1;
        self.database.reader_freed.notify_one();
    }
}

/// `path` with `suffix` at the end of its name.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What SQLite finds wrong with a database, `None` when it is sound.
pub(crate) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(if found == "ok" { None } else { Some(found) })
}

/// Builds the empty database under another name and renames it, so that a file of the right name is never half-made
/// and an empty one is known to be damage.
fn create(kind: &Kind, path: &Path, now_ms: i64) -> Result<(), StoreError> {
    let build = sibling(path, ".new");
    for suffix in ["", "-journal", "-wal", "-shm"] {
        files::remove_if_there(&sibling(&build, suffix))?;
    }
    drop(files::private_file(&build)?);
    let sql = |error| StoreError::sql(&build, error);
    let mut connection = connect(&build, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sql)?;
    migrate::apply(&mut connection, kind.application_id, kind.migrations, now_ms).map_err(|f| f.at(&build))?;
    connection.close().map_err(|(_, error)| sql(error))?;
    fs::rename(&build, path).map_err(|e| StoreError::io(path, e))?;
    files::flush_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Checks an existing file without writing to it.
fn inspect(kind: &Kind, path: &Path, thoroughly: bool) -> Result<(), StoreError> {
    let sql = |error| StoreError::sql(path, error);
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql)?;
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    if owner != kind.application_id {
        return Err(corrupt(path, "it belongs to another program"));
    }
    let (found, known) = (migrate::version(&connection).map_err(sql)?, known_version(kind));
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    if (thoroughly || found < known)
        && let Some(detail) = damage(&connection).map_err(sql)?
    {
        return Err(corrupt(path, &detail));
    }
    match migrate::history_differs(&connection, found, kind.migrations).map_err(sql)? {
        Some(detail) => Err(corrupt(path, &detail)),
        None => Ok(()),
    }
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Every connection stands behind a lock of ours, so SQLite's own would only cost time.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB_MAX)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

fn prepare_writer(kind: &Kind, writer: &Connection) -> rusqlite::Result<()> {
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", kind.synchronous)?;
    writer.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)
}

fn known_version(kind: &Kind) -> i64 {
    kind.migrations.last().map_or(0, |step| step.number)
}

fn corrupt(path: &Path, detail: &str) -> StoreError {
    StoreError::Corrupt { path: path.to_path_buf(), detail: detail.to_owned() }
}
