//! Files and rows of images that lost each other. Refuses: removing a file that a row or a running write still needs.
//!
//! A blob is written before the row that names it, and a row goes before its blob. What an end in between leaves is
//! never seen: a file without a row is removed by the next sweep, and a row whose file somebody else removed is marked
//! and no longer shown.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::params;

use crate::error::Fault;
use crate::{Image, Store, StoreError, files};

/// Folders that blobs are fanned out to, by the first two digits of their hash.
const FANS: u32 = 256;
/// Blobs whose removal one transaction notes as done.
const REMOVED_BATCH_MAX: i64 = 1_000;

/// What one sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Images that were marked because their file is gone.
    pub missing: usize,
    /// Images whose file is there again.
    pub found: usize,
    /// Files without a row that were removed.
    pub removed_files: usize,
    /// Their bytes.
    pub removed_bytes: u64,
}

impl Store {
    /// Compares the files of all blobs with the rows that name them. Writers wait for one 256th of it at a time.
    ///
    /// # Errors
    /// The disk's errors; what was done until then stays done.
    pub fn sweep_images(&self) -> Result<Swept, StoreError> {
        self.remove_blobs()?;
        let mut swept = Swept::default();
        for fan in 0..FANS {
            self.sweep_fan(&format!("{fan:02x}"), &mut swept)?;
        }
        Ok(swept)
    }

    /// The image `id`, as its file stands now: one that somebody removed is marked at once, as a sweep would, and one that is
    /// back is shown again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's errors.
    pub fn look_at_image(&self, id: &str) -> Result<Image, StoreError> {
        let image = self.image(id)?;
        let is_as_known = |image: &Image| -> Result<bool, StoreError> {
            Ok(files::length(&self.blob_path(&image.blob)?)?.is_none() == image.missing_ms.is_some())
        };
        if is_as_known(&image)? {
            return Ok(image);
        }
        // Whoever brings the file back is waited for, so that it is not marked right afterwards.
        let _alone = self.remove_blobs_alone();
        let image = self.image(id)?;
        if is_as_known(&image)? {
            return Ok(image);
        }
        let missing_ms = image.missing_ms.is_none().then(|| self.now_ms());
        self.user.write(|transaction| {
            let sql = "UPDATE images SET missing_ms = ?2 WHERE blob = ?1";
            Ok(transaction.execute(sql, params![image.blob, missing_ms])?)
        })?;
        Ok(Image { missing_ms, ..image })
    }

    /// Gives an image another small version, for one that is gone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::TooLarge`]; the disk's errors.
    pub fn replace_thumbnail(&self, id: &str, thumbnail: &[u8]) -> Result<(), StoreError> {
        // Held until the row names the blob.
        let _kept = self.keep_blobs();
        let blob = self.put_blob(thumbnail)?;
        self.user.write(|transaction| {
            let sql = "UPDATE images SET thumbnail = ?2 WHERE id = ?1";
            match transaction.execute(sql, params![id, blob])? {
                0 => Err(StoreError::not_found("image", id).into()),
                _ => Ok(()),
            }
        })
    }

    /// Keeps what is written now from being taken for a file without a row, while the guard is held.
    pub(crate) fn keep_blobs(&self) -> RwLockReadGuard<'_, ()> {
        self.blobs_kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove_blobs_alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.blobs_kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files of blobs that were noted for it and that nothing names any more.
    pub(crate) fn remove_blobs(&self) -> Result<(), StoreError> {
        loop {
            let _alone = self.remove_blobs_alone();
            let noted: Vec<(String, bool)> = self.user.read(|connection| {
                let sql =
                    format!("SELECT blob, {} FROM blobs_to_remove LIMIT ?1", is_named("blobs_to_remove.blob"));
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map([REMOVED_BATCH_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })?;
            if noted.is_empty() {
                return Ok(());
            }
            for (blob, _) in noted.iter().filter(|(_, is_named)| !is_named) {
                files::remove_if_there(&self.blob_path(blob)?)?;
            }
            self.user.write(|transaction| {
                let mut statement = transaction.prepare_cached("DELETE FROM blobs_to_remove WHERE blob = ?1")?;
                for (blob, _) in &noted {
                    statement.execute([blob])?;
                }
                Ok(())
            })?;
        }
    }

    fn sweep_fan(&self, fan: &str, swept: &mut Swept) -> Result<(), StoreError> {
        let _alone = self.remove_blobs_alone();
        let folder = self.blobs_folder().join(fan);
        let there = names(&folder)?;
        // Every hash that begins with `fan` lies from it up to, but not at, the next text.
        let upto = format!("{fan}~");
        let (named, shown): (HashSet<String>, Vec<(i64, String, bool)>) = self.user.read(|connection| {
            let mut named = HashSet::new();
            for (table, column) in NAMED_IN {
                let sql = format!("SELECT {column} FROM {table} WHERE {column} >= ?1 AND {column} < ?2");
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map(params![fan, upto], |row| row.get(0))?;
                for row in rows {
                    named.insert(row?);
                }
            }
            let sql = "SELECT seq, blob, missing_ms IS NOT NULL FROM images WHERE blob >= ?1 AND blob < ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![fan, upto], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok((named, rows.collect::<rusqlite::Result<_>>()?))
        })?;
        for name in there.iter().filter(|name| !named.contains(*name)) {
            let path = folder.join(name);
            swept.removed_bytes += files::length(&path)?.unwrap_or(0);
            files::remove_if_there(&path)?;
            swept.removed_files += 1;
        }
        let changed: Vec<(i64, bool)> = shown
            .into_iter()
            .filter(|(_, blob, is_missing)| there.contains(blob) == *is_missing)
            .map(|(seq, _, is_missing)| (seq, !is_missing))
            .collect();
        swept.missing += changed.iter().filter(|(_, is_missing)| *is_missing).count();
        swept.found += changed.iter().filter(|(_, is_missing)| !is_missing).count();
        if changed.is_empty() { Ok(()) } else { self.mark_missing(&changed) }
    }

    fn mark_missing(&self, changed: &[(i64, bool)]) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.user.write(|transaction| -> Result<(), Fault> {
            let mut statement = transaction.prepare_cached("UPDATE images SET missing_ms = ?2 WHERE seq = ?1")?;
            for (seq, is_missing) in changed {
                statement.execute(params![seq, is_missing.then_some(now_ms)])?;
            }
            Ok(())
        })
    }
}

/// Where blobs are named.
const NAMED_IN: [(&str, &str); 3] = [("images", "blob"), ("images", "thumbnail"), ("image_job_blobs", "blob")];

/// Whether any row names the blob in `column`, as SQL.
fn is_named(column: &str) -> String {
    let exists = NAMED_IN
        .map(|(table, named)| format!("EXISTS (SELECT 1 FROM {table} AS named WHERE named.{named} = {column})"));
    exists.join(" OR ")
}

/// The names of what a folder holds; none when it is not there.
fn names(folder: &Path) -> Result<HashSet<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(StoreError::io(folder, error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(|error| StoreError::io(folder, error))
}
