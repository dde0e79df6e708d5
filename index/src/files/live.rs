//! Reads files below a workspace as they are now: regular files only, no links, bounded, with what identifies them.
//!
//! Refuses: paths that leave the workspace, the secrets list, and anything that could block (pipes, devices).

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::IndexError;
use crate::files::content::{self, Decoded};
use crate::files::lines::LineStarts;
use crate::files::secrets::{is_private_key, is_secret};
use crate::files::skip::SkipReason;
use crate::limits::{FILE_BYTES_MAX, LARGE_BYTES_MAX, PASSAGE_LINES_MAX, RACY_NANOS, SNIFF_BYTES};
use crate::parse::cut::short_hash;

/// Tries to read a file that keeps changing while it is read.
const READ_TRIES_MAX: usize = 3;

/// What the file system says about a file; equal means unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StatKey {
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since the epoch.
    pub(crate) modified: i64,
    /// Change of content or inode, where the system has it: cannot be set back, unlike `modified`.
    pub(crate) changed: i64,
    /// Where the system has it.
    pub(crate) inode: u64,
}

impl StatKey {
    /// Reads it off metadata.
    pub(crate) fn of(meta: &Metadata) -> Self {
        let modified = meta.modified().ok().map_or(0, nanos);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let changed = meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec());
            Self { size: meta.len(), modified, changed, inode: meta.ino() }
        }
        #[cfg(not(unix))]
        Self { size: meta.len(), modified, changed: 0, inode: 0 }
    }

    /// What tells folders apart: inode and change, without what differs by way of asking. `None` when there is none.
    pub(crate) fn of_folder(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok().filter(Metadata::is_dir)?;
        Some(Self::of(&meta))
    }

    /// A number for all of it.
    pub(crate) fn digest(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        for part in [self.size, self.modified.cast_unsigned(), self.changed.cast_unsigned(), self.inode] {
            hasher.update(&part.to_le_bytes());
        }
        short_hash(&hasher.finalize())
    }

    /// Whether the clock tick of the last change may hide another change.
    pub(crate) fn racy(&self) -> bool {
        nanos(SystemTime::now()).saturating_sub(self.modified.max(self.changed)) < RACY_NANOS
    }
}

fn nanos(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A file as it is now.
#[derive(Debug)]
pub(crate) struct LiveFile {
    /// What was read, not decoded yet.
    pub(crate) bytes: Vec<u8>,
    /// Taken before the bytes and unchanged after them.
    pub(crate) stat: StatKey,
}

impl LiveFile {
    /// Hash of the bytes on disk.
    pub(crate) fn hash(&self) -> [u8; 16] {
        short_hash(&blake3::hash(&self.bytes))
    }
}

/// Why there is no [`LiveFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    /// Not there, or no longer.
    Gone,
    /// There, but left out. Has its stat when the file itself is the reason.
    Skipped(SkipReason, Option<StatKey>),
}

/// Reads a file at an absolute path whose parents are known to be no links.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<LiveFile, ReadFailure> {
    for _ in 0..READ_TRIES_MAX {
        let mut file = open(path)?;
        let meta = file.metadata().map_err(failure)?;
        if !meta.is_file() {
            return Err(ReadFailure::Skipped(SkipReason::Special, None));
        }
        let stat = StatKey::of(&meta);
        if meta.len() > bytes_max {
            return Err(ReadFailure::Skipped(SkipReason::TooLarge, Some(stat)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1);
        file.by_ref().take(bytes_max + 1).read_to_end(&mut bytes).map_err(failure)?;
        let after = file.metadata().map_err(failure)?;
        if StatKey::of(&after) == stat && bytes.len() as u64 == stat.size {
            if is_private_key(&bytes) {
                return Err(ReadFailure::Skipped(SkipReason::Secret, Some(stat)));
            }
            return Ok(LiveFile { bytes, stat });
        }
    }
    // Somebody keeps writing; the next event or walk will see the file at rest.
    Err(ReadFailure::Skipped(SkipReason::Unreadable, None))
}

/// Opens a regular file at an absolute path whose parents are known to be no links.
pub(crate) fn open(path: &Path) -> Result<File, ReadFailure> {
    let meta = fs::symlink_metadata(path).map_err(failure)?;
    if meta.is_symlink() {
        return Err(ReadFailure::Skipped(SkipReason::Symlink, None));
    }
    if !meta.is_file() {
        return Err(ReadFailure::Skipped(SkipReason::Special, None));
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Between the check above and here the file may have become a link or a pipe.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    options.open(path).map_err(failure)
}

fn failure(error: std::io::Error) -> ReadFailure {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    match error.kind() {
        NotFound | NotADirectory | IsADirectory => ReadFailure::Gone,
        _ => ReadFailure::Skipped(SkipReason::Unreadable, None),
    }
}

/// Some lines of a live file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Relative to the workspace, with `/`.
    pub path: String,
    /// 1-based first line.
    pub start_line: u32,
    /// 1-based last line, inclusive.
    pub end_line: u32,
    /// Lines of the whole file.
    pub lines: u32,
    /// The text of the lines.
    pub text: String,
}

/// Reads the lines `start_line..=end_line` (1-based) of a file of a workspace as it is now. Lines outside the file are
/// left off; of a file over the limit only the first part is looked at.
///
/// # Errors
/// [`IndexError::Refused`] for a path outside the workspace, a link that leads out of it, a secret, a folder, a binary or
/// oversized file, or no file; [`IndexError::Root`] when the workspace itself is gone.
pub fn passage(root: &Path, path: &str, start_line: u32, end_line: u32) -> Result<Passage, IndexError> {
    let (relative, text) = read_text(root, path).or_else(|refused| first_part(root, path).ok_or(refused))?;
    let lines = LineStarts::of(&text);
    let count = lines.count();
    let first = start_line.clamp(1, count.max(1));
    let last = end_line.clamp(first, count.max(first)).min(first.saturating_add(PASSAGE_LINES_MAX - 1));
    let mut part = text[lines.span(first, last)].to_owned();
    part.truncate(part.trim_end_matches(['\n', '\r']).len());
    Ok(Passage { path: relative, start_line: first, end_line: last.min(count.max(1)), lines: count, text: part })
}

/// The first part of a file over the limit, as far as lines are whole.
fn first_part(root: &Path, path: &str) -> Option<(String, String)> {
    let (relative, full) = inside(root, path).ok()?;
    let mut bytes = Vec::new();
    let file = open(&full).ok().filter(|file| file.metadata().is_ok_and(|meta| meta.len() > FILE_BYTES_MAX))?;
    file.take(LARGE_BYTES_MAX as u64).read_to_end(&mut bytes).ok()?;
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n')? + 1);
    let is_text = !bytes[..bytes.len().min(SNIFF_BYTES)].contains(&0);
    is_text.then(|| String::from_utf8(bytes).ok()).flatten().map(|text| (relative, text))
}

/// Reads a whole file of a workspace as text, under the same rules as [`passage`]. Returns its path relative to the
/// workspace and the text.
///
/// # Errors
/// Those of [`passage`].
pub fn read_text(root: &Path, path: &str) -> Result<(String, String), IndexError> {
    let (relative, full) = inside(root, path)?;
    let file = read(&full, FILE_BYTES_MAX).map_err(|why| match why {
        ReadFailure::Gone => refused(path, "there is no such file"),
        ReadFailure::Skipped(reason, _) => refused(path, reason.words()),
    })?;
    let Decoded { text, .. } =
        content::decode_bytes(file.bytes).ok_or_else(|| refused(path, SkipReason::Binary.words()))?;
    Ok((relative, text))
}

/// The text of a file as it is now, and what tells it from others.
pub(crate) struct Current {
    /// Hash of the bytes on disk.
    pub(crate) hash: u128,
    /// Its text.
    pub(crate) decoded: Decoded,
}

/// A file of a workspace that may be searched, by the very path that it is indexed by; `None` where there is none.
pub(crate) fn current(root: &Path, path: &str, bytes_max: u64) -> Option<Current> {
    let (real, full) = inside(root, path).ok()?;
    // A folder that became a link would show the file under a name that rules were not asked about.
    if real != path {
        return None;
    }
    let file = read(&full, bytes_max).ok()?;
    let hash = u128::from_le_bytes(file.hash());
    Some(Current { hash, decoded: content::decode_named(path, file.bytes).ok()? })
}

/// At most so many bytes from a place of a file on, if what the file system says of it has this digest before and after;
/// for files too large to be read whole.
pub(crate) fn part(root: &Path, path: &str, digest: u128, from: u64, bytes_max: usize) -> Option<Vec<u8>> {
    let (real, full) = inside(root, path).ok()?;
    if real != path {
        return None;
    }
    let mut file = open(&full).ok()?;
    let is_same = |file: &File| {
        let stat = file.metadata().map(|meta| StatKey::of(&meta));
        stat.is_ok_and(|stat| u128::from_le_bytes(stat.digest()) == digest)
    };
    if !is_same(&file) {
        return None;
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from)).ok()?;
    file.by_ref().take(bytes_max as u64).read_to_end(&mut bytes).ok()?;
    is_same(&file).then_some(bytes)
}

/// Resolves a path to a file that really lies in the workspace. Returns the relative and the absolute path.
pub(crate) fn inside(root: &Path, path: &str) -> Result<(String, PathBuf), IndexError> {
    let root = root
        .canonicalize()
        .map_err(|error| IndexError::Root { path: root.to_owned(), reason: error.to_string() })?;
    let asked = Path::new(path);
    let relative = asked.strip_prefix(&root).unwrap_or(asked);
    if relative.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(refused(path, "it lies outside the workspace"));
    }
    let joined = root.join(relative);
    let full = joined.canonicalize().map_err(|_| refused(path, "there is no such file"))?;
    let Ok(inner) = full.strip_prefix(&root) else {
        return Err(refused(path, "a link leads out of the workspace"));
    };
    let inner = slashed(inner).ok_or_else(|| refused(path, SkipReason::NameNotUtf8.words()))?;
    let given = relative.to_string_lossy();
    if is_secret(&inner) || is_secret(&given) || inner.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(refused(path, SkipReason::Secret.words()));
    }
    Ok((inner, full))
}

fn refused(path: &str, reason: &str) -> IndexError {
    IndexError::Refused { path: path.to_owned(), reason: reason.to_owned() }
}

/// A relative path with `/` between its parts; `None` when it is not UTF-8 or not plain.
pub(crate) fn slashed(path: &Path) -> Option<String> {
    let mut out = String::new();
    for part in path.components() {
        let Component::Normal(part) = part else { return None };
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str(part.to_str()?);
    }
    Some(out)
}
