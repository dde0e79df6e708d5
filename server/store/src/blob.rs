//! Blobs: files named by the hash of what they hold. Refuses: a name that is no hash, and handing out a blob that no
//! longer matches its name.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::limits::fits;
use crate::{BLOB_BYTES_MAX, Store, StoreError, files};

/// Where blobs stand within the store's folder.
const FOLDER: &str = "blobs";
/// Where blobs are written before they have their name; it is emptied at every start.
const UNFINISHED: &str = "unfinished";
/// Characters of a hash that name the folder of a blob.
const FAN_CHARS: usize = 2;

impl Store {
    /// Keeps `bytes` and tells the hash they are found by (BLAKE3, 64 hexadecimal digits). Once this returns they
    /// survive a power cut; the row that names them is the caller's. The same bytes are kept once.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] over [`BLOB_BYTES_MAX`]; the disk's errors, after which nothing has the name.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<String, StoreError> {
        fits("blob", bytes.len(), BLOB_BYTES_MAX)?;
        let hash = blake3::hash(bytes).to_hex().to_string();
        let path = self.place(&hash);
        // A blob that is there but damaged is written again.
        if matches!(read_checked(&path, &hash), Ok(Some(_))) {
            return Ok(hash);
        }
        let folder = path.parent().unwrap_or(&self.folder);
        files::private_folder(folder)?;
        files::flush_folder(&self.blobs_folder())?;
        let unfinished = self.blobs_folder().join(UNFINISHED);
        let mut file = tempfile::NamedTempFile::new_in(&unfinished).map_err(|e| StoreError::io(&unfinished, e))?;
        file.write_all(bytes)
            .and_then(|()| file.as_file().sync_all())
            .map_err(|e| StoreError::io(&unfinished, e))?;
        file.persist(&path).map_err(|e| StoreError::io(&path, e.error))?;
        files::flush_folder(folder)?;
        Ok(hash)
    }

    /// The bytes kept under `hash`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for what is no hash; [`StoreError::Corrupt`] when the file no longer matches;
    /// the disk's errors.
    pub fn blob(&self, hash: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(hash)?;
        read_checked(&path, hash)?.ok_or_else(|| StoreError::not_found("blob", hash))
    }

    /// The file that holds the bytes of `hash`, whether it is there or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for what is no hash.
    pub fn blob_path(&self, hash: &str) -> Result<PathBuf, StoreError> {
        let is_hash = hash.len() == 2 * blake3::OUT_LEN
            && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if is_hash { Ok(self.place(hash)) } else { Err(StoreError::not_found("blob", hash)) }
    }

    /// The folder of all blobs.
    #[must_use]
    pub fn blobs_folder(&self) -> PathBuf {
        self.folder.join(FOLDER)
    }

    /// Creates the folders of blobs and removes what an earlier end left unfinished.
    pub(crate) fn prepare_blobs(&self) -> Result<(), StoreError> {
        let unfinished = self.blobs_folder().join(UNFINISHED);
        files::private_folder(&self.blobs_folder())?;
        files::private_folder(&unfinished)?;
        files::flush_folder(&self.folder)?;
        for entry in fs::read_dir(&unfinished).map_err(|e| StoreError::io(&unfinished, e))? {
            let entry = entry.map_err(|e| StoreError::io(&unfinished, e))?;
            files::remove_if_there(&entry.path())?;
        }
        Ok(())
    }

    fn place(&self, hash: &str) -> PathBuf {
        self.blobs_folder().join(&hash[..FAN_CHARS]).join(hash)
    }
}

/// The bytes of `path` when they match `hash`, `None` when there is no such file.
fn read_checked(path: &Path, hash: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(bytes_found) = files::length(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BLOB_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|e| StoreError::io(path, e))?;
    if blake3::hash(&bytes).to_hex().as_str() != hash {
        let detail = format!("its {bytes_found} bytes no longer match its name");
        return Err(StoreError::Corrupt { path: path.to_path_buf(), detail });
    }
    Ok(Some(bytes))
}
