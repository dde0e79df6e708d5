//! How much room an index takes on disk, and whether a failure means that there is none left.
//!
//! Refuses: to free any; that is the user's decision.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use tantivy::TantivyError;
use tantivy::directory::error::OpenWriteError;

use crate::limits::{PROBE_BYTES, STORED_DEPTH_MAX};

/// Whether an error, or one it was caused by, is that of a full disk or a used-up quota.
pub(crate) fn says_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_full(error) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The libraries below keep their `io::Error` in a field instead of naming it as the cause.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // An error wrapped in another is not named as its cause either, only what caused it is.
        return is_full_kind(error.kind()) || error.get_ref().is_some_and(|inner| says_full(inner));
    }
    if let Some(error) = error.downcast_ref::<Arc<io::Error>>() {
        return is_full_kind(error.kind());
    }
    if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
        return error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
    }
    match error.downcast_ref::<TantivyError>() {
        Some(TantivyError::IoError(error)) => is_full_kind(error.kind()),
        Some(TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. })) => {
            is_full_kind(io_error.kind())
        }
        _ => false,
    }
}

fn is_full_kind(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Whether not even a small file fits into a folder: tried by writing one.
pub(crate) fn has_no_room(folder: &Path) -> bool {
    let probe = folder.join("probe");
    let mut bytes = vec![0; PROBE_BYTES];
    // Nothing that a file system could compress away.
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let written = File::create(&probe).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    // It may not exist; whatever is wrong with the folder is told by the error that led here.
    let _ = fs::remove_file(&probe);
    written.is_err_and(|error| is_full_kind(error.kind()))
}

/// Bytes of all files below a folder of ours.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    fn add(folder: &Path, depth_left: usize) -> u64 {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let sizes = entries.map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() && depth_left > 0 => add(&entry.path(), depth_left - 1),
            Ok(meta) if meta.is_file() => meta.len(),
            _ => 0,
        });
        sizes.sum()
    }
    add(folder, STORED_DEPTH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Doing, IndexError};

    fn full() -> io::Error {
        io::Error::from(ErrorKind::StorageFull)
    }

    fn told<E: Into<Box<dyn Error + Send + Sync>>>(error: E) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let failed: Result<(), IndexError> = Err(error).doing("writing");
        matches!(failed.unwrap_err().if_full(dir.path()), IndexError::DiskFull { .. })
    }

    #[test]
    fn a_full_disk_is_known_in_every_wrapping() {
        let sqlite = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let opening = OpenWriteError::wrap_io_error(full(), "x".into());
        assert!(told(full()));
        assert!(told(io::Error::from(ErrorKind::QuotaExceeded)));
        assert!(told(io::Error::other(full())));
        assert!(told(TantivyError::from(full())));
        assert!(told(TantivyError::from(opening)));
        assert!(told(rusqlite::Error::SqliteFailure(sqlite, None)));
        assert!(!told(io::Error::from(ErrorKind::PermissionDenied)));
        assert!(!told(TantivyError::ErrorInThread("died".into())), "here the disk has room");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_the_system_says_of_a_full_device_is_understood() {
        let mut device = File::options().write(true).open("/dev/full").unwrap();
        assert!(says_full(&device.write_all(b"x").unwrap_err()));
    }

    #[test]
    fn sizes_are_added_up() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/b"), [0; 10]).unwrap();
        fs::write(dir.path().join("c"), [0; 5]).unwrap();
        assert_eq!(bytes_below(dir.path()), 15);
        assert!(!has_no_room(dir.path()));
        assert_eq!(bytes_below(dir.path()), 15, "the probe is gone");
    }
}
