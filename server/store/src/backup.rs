//! Copies of a live database as one finished file. Refuses: copying files behind SQLite's back, and a copy that was
//! not checked.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::database::{damage, sibling};
use crate::{StoreError, files};

/// Copies the database of `connection`, which stands at `from`, to `to`, replacing it.
pub(crate) fn copy(connection: &Connection, from: &Path, to: &Path) -> Result<(), StoreError> {
    let part = sibling(to, ".part");
    files::remove_if_there(&part)?;
    let done = copy_to_part(connection, from, &part)
        .and_then(|()| fs::rename(&part, to).map_err(|e| StoreError::io(to, e)))
        .and_then(|()| files::flush_folder(to.parent().unwrap_or(Path::new("."))));
    if done.is_err() {
        // The first error is the one to tell; a part that stays behind is replaced by the next copy.
        let _ = files::remove_if_there(&part);
    }
    done
}

fn copy_to_part(connection: &Connection, from: &Path, part: &Path) -> Result<(), StoreError> {
    let sql = |error| StoreError::sql(part, error);
    drop(files::private_file(part)?);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(part, flags).map_err(sql)?;
    // All pages in one step: the copy is of one moment, and a writer beside us never makes it start again.
    match Backup::new(connection, &mut copy).map_err(sql)?.step(-1).map_err(sql)? {
        StepResult::Done => {}
        _ => return Err(StoreError::Locked { path: from.to_path_buf() }),
    }
    // A copy is one file, without a journal beside it.
    copy.pragma_update(None, "journal_mode", "DELETE").map_err(sql)?;
    if let Some(detail) = damage(&copy).map_err(sql)? {
        return Err(StoreError::Corrupt { path: from.to_path_buf(), detail });
    }
    copy.close().map_err(|(_, error)| sql(error))?;
    File::open(part).and_then(|file| file.sync_all()).map_err(|e| StoreError::io(part, e))
}
