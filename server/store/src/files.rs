//! Files and folders only their owner may read, and flushes that survive a power cut. Refuses: following a name it
//! was not given.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::StoreError;

/// Creates `folder` and its parents where missing and closes it to everybody else.
pub(crate) fn private_folder(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).and_then(|()| set_mode(folder, 0o700)).map_err(|e| StoreError::io(folder, e))
}

/// Creates `file` empty where missing and closes it to everybody else.
pub(crate) fn private_file(file: &Path) -> Result<File, StoreError> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).and_then(|open| set_mode(file, 0o600).map(|()| open)).map_err(|e| StoreError::io(file, e))
}

/// Makes the names in `folder` durable: a rename is only safe once the folder itself is flushed.
pub(crate) fn flush_folder(folder: &Path) -> Result<(), StoreError> {
    // Only Unix lets a folder be opened and flushed; elsewhere the file system orders renames itself.
    #[cfg(unix)]
    File::open(folder).and_then(|open| open.sync_all()).map_err(|e| StoreError::io(folder, e))?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Removes `file`; that it was not there is fine.
pub(crate) fn remove_if_there(file: &Path) -> Result<(), StoreError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(file, error)),
        _ => Ok(()),
    }
}

/// The length of `file` in bytes, `None` when there is none.
pub(crate) fn length(file: &Path) -> Result<Option<u64>, StoreError> {
    match fs::metadata(file) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(file, error)),
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}
