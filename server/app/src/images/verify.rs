//! Whether the files of an image model are whole, without loading it. Refuses: following a name out of the model's folder.
//!
//! Its parts have to fit together, which whoever loads it knows. A pull records the SHA-256 of every file it brought, and all
//! of them are computed again. A folder that was brought in another way has no record; then its weights are checked as far as
//! their own descriptions tell.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use model::ModelError;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::models::INDEX_FILE;
use crate::{AppError, ErrorKind, Result};

/// What a pull records, as `sha256sum` writes it.
pub(crate) const RECORD_FILE: &str = "familiar.sha256";
/// Bytes of a record or an index that are read.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Bytes of the description in front of a file of weights; the format's own limit.
const HEADER_BYTES_MAX: u64 = 100_000_000;
const HASH_BUFFER_BYTES: usize = 1 << 20;
/// Files of one model that are looked at.
const FILES_MAX: usize = 1_024;
/// Folders that are gone into.
const DEPTH_MAX: usize = 3;

/// What a check of an image model found sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedImageModel {
    /// Files that were compared with the record of what arrived; 0 without a record.
    pub recorded_files: usize,
    /// Files of weights.
    pub weight_files: usize,
}

/// Checks the files of an image model without loading it. `fits` tells whether its parts do, as loading would.
///
/// # Errors
/// `Unavailable` with the first file that is missing, damaged, does not fit or cannot be read.
pub fn verify_image_model(
    folder: &Path,
    fits: impl FnOnce(&Path) -> std::result::Result<(), ModelError>,
) -> Result<VerifiedImageModel> {
    let wrong = |problem: String| {
        let message = format!("{} cannot be used: {problem}", folder.display());
        AppError::new(ErrorKind::Unavailable, message).hint(mending(folder))
    };
    check_index(&folder.join(INDEX_FILE)).map_err(wrong)?;
    let mut weights = Vec::new();
    weight_files(folder, 0, &mut weights).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    if weights.is_empty() {
        return Err(wrong("it holds no weights".to_owned()));
    }
    for file in &weights {
        let shown = file.strip_prefix(folder).unwrap_or(file).display().to_string();
        let is_gguf = file.extension().is_some_and(|end| end == "gguf");
        let checked = if is_gguf {
            model::gguf::validate(file).map(drop).map_err(|error| error.to_string())
        } else {
            check_weights(file).map_err(|error| error.to_string())
        };
        checked.map_err(|problem| wrong(format!("{shown}: {problem}")))?;
    }
    fits(folder).map_err(|error| wrong(misfit(error)))?;
    let recorded_files = compare(folder).map_err(wrong)?;
    Ok(VerifiedImageModel { recorded_files, weight_files: weights.len() })
}

/// What is wrong with the files of a model.
pub(super) fn misfit(error: ModelError) -> String {
    match error {
        ModelError::BadFile(what) => what,
        error => error.to_string(),
    }
}

/// What to do about an image model whose files are no good: only one that was pulled can be pulled again.
pub(super) fn mending(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let remove = format!("take it away with `familiar models remove {name}`");
    if folder.join(RECORD_FILE).is_file() {
        return format!("{remove}, then pull it again from where it came");
    }
    format!("mend it, or {remove} and make or bring it anew")
}

fn check_index(path: &Path) -> std::result::Result<(), String> {
    let text = read_text(path).map_err(|error| format!("{INDEX_FILE}: {error}"))?;
    let index: std::result::Result<BTreeMap<String, serde_json::Value>, _> = serde_json::from_str(&text);
    index.map(drop).map_err(|error| format!("{INDEX_FILE}: {error}"))
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > TEXT_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {TEXT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// The files of weights below `folder`.
fn weight_files(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)?.take(FILES_MAX) {
        let path = entry?.path();
        if path.is_dir() {
            if depth < DEPTH_MAX {
                weight_files(&path, depth + 1, found)?;
            }
        } else if super::models::is_weights(&path) && found.len() < FILES_MAX {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

/// Whether a file of weights is one and whole: <https://huggingface.co/docs/safetensors>, eight bytes of length, then JSON
/// that says which bytes behind it are which numbers.
///
/// # Errors
/// What is wrong with it, or the disk's error.
pub(crate) fn check_weights(path: &Path) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Tensor {
        data_offsets: (u64, u64),
    }
    let wrong = |problem: &str| Err(io::Error::new(io::ErrorKind::InvalidData, problem.to_owned()));
    let bytes = std::fs::metadata(path)?.len();
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    if bytes < 8 {
        return wrong("it holds no weights");
    }
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let Some(begin) = length.checked_add(8).filter(|begin| length <= HEADER_BYTES_MAX && *begin <= bytes) else {
        return wrong("it holds no weights");
    };
    let header: std::result::Result<BTreeMap<String, serde_json::Value>, _> =
        serde_json::from_reader(BufReader::new(file.take(length)));
    let Ok(mut header) = header else { return wrong("it holds no weights") };
    header.remove("__metadata__");
    for (name, value) in header {
        let Ok(Tensor { data_offsets: (from, to) }) = serde_json::from_value(value) else {
            return wrong(&format!("`{name}` says nothing of where its numbers are"));
        };
        if from > to || begin.checked_add(to).is_none_or(|end| end > bytes) {
            return wrong("it is cut short");
        }
    }
    Ok(())
}

/// Compares every file with the record of what arrived; tells how many there were.
fn compare(folder: &Path) -> std::result::Result<usize, String> {
    let record = match read_text(&folder.join(RECORD_FILE)) {
        Ok(record) => record,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(format!("{RECORD_FILE}: {error}")),
    };
    let mut files = 0;
    for line in record.lines().filter(|line| !line.is_empty()).take(FILES_MAX) {
        let (expected, name) = line.split_once("  ").ok_or_else(|| format!("{RECORD_FILE} is damaged"))?;
        let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside {
            return Err(format!("{RECORD_FILE} names a file outside of it"));
        }
        let found = sha256_of(&folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
        if found != expected {
            return Err(format!("{name} is not as it arrived"));
        }
        files += 1;
    }
    Ok(files)
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// The disk's.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        br#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

    fn weights(header: &[u8], numbers: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header, &vec![0; numbers]].concat()
    }

    /// A folder with one file of weights.
    fn model(weights: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("unet")).expect("a folder");
        std::fs::write(folder.path().join(INDEX_FILE), "{}").expect("written");
        std::fs::write(folder.path().join("unet/model.safetensors"), weights).expect("written");
        folder
    }

    fn problem(folder: &tempfile::TempDir) -> String {
        let error = verify_image_model(folder.path(), |_| Ok(())).expect_err("it is damaged");
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("models remove")), "{error:?}");
        error.message
    }

    #[test]
    fn weights_are_whole_or_said_not_to_be() {
        let folder = model(&weights(HEADER, 8));
        let sound = VerifiedImageModel { recorded_files: 0, weight_files: 1 };
        assert_eq!(verify_image_model(folder.path(), |_| Ok(())).expect("it is whole"), sound);
        for (bytes, expected) in [
            (weights(HEADER, 7), "unet/model.safetensors: it is cut short"),
            (weights(b"{\"a\":{}}", 0), "`a` says nothing of where its numbers are"),
            (weights(b"no JSON", 8), "it holds no weights"),
            (u64::MAX.to_le_bytes().to_vec(), "it holds no weights"),
            (b"short".to_vec(), "it holds no weights"),
        ] {
            let problem = problem(&model(&bytes));
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
        std::fs::remove_file(folder.path().join("unet/model.safetensors")).expect("it is there");
        assert!(problem(&folder).contains("it holds no weights"));
        std::fs::write(folder.path().join(INDEX_FILE), "{").expect("written");
        assert!(problem(&folder).contains(INDEX_FILE));
    }

    #[test]
    fn parts_that_do_not_fit_are_told_with_what_to_do() {
        let folder = model(&weights(HEADER, 8));
        let refuses = |_: &Path| Err(ModelError::BadFile("unet: 1 tensor is missing: a".into()));
        let error = verify_image_model(folder.path(), refuses).expect_err("it does not fit");
        assert!(error.message.ends_with(" cannot be used: unet: 1 tensor is missing: a"), "{}", error.message);
        let hint = error.hint.unwrap_or_default();
        assert!(hint.contains("make or bring it anew"), "nobody pulled it: {hint}");
        std::fs::write(folder.path().join(RECORD_FILE), "").expect("written");
        let hint = verify_image_model(folder.path(), refuses).expect_err("still").hint.unwrap_or_default();
        assert!(hint.contains("pull it again"), "{hint}");
    }

    #[test]
    fn what_was_recorded_is_computed_again() {
        let folder = model(&weights(HEADER, 8));
        let hash = sha256_of(&folder.path().join("unet/model.safetensors")).expect("it is read");
        let record = |lines: &str| std::fs::write(folder.path().join(RECORD_FILE), lines).expect("written");
        record(&format!("{hash}  unet/model.safetensors\n"));
        assert_eq!(verify_image_model(folder.path(), |_| Ok(())).expect("it is whole").recorded_files, 1);
        // One number changed, and nothing else tells.
        let mut changed = weights(HEADER, 8);
        *changed.last_mut().expect("it is not empty") = 1;
        std::fs::write(folder.path().join("unet/model.safetensors"), changed).expect("written");
        assert!(problem(&folder).contains("unet/model.safetensors is not as it arrived"));
        for (lines, expected) in [
            (format!("{hash}  ../{INDEX_FILE}\n"), "outside of it"),
            (format!("{hash}  /etc/hostname\n"), "outside of it"),
            (format!("{hash}  gone.json\n"), "gone.json"),
            ("nonsense\n".to_owned(), "is damaged"),
        ] {
            record(&lines);
            let problem = problem(&folder);
            assert!(problem.contains(expected), "{expected}: {problem}");
        }
    }
}
