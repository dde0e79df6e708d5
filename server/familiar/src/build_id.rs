//! Which build this is, and which of two is newer. Refuses: trusting the version alone; every rebuild is another
//! program, and two of them must not speak to each other.

use std::cmp::Ordering;
use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::failure::Failure;
use crate::os;

const HASH_CHARS: usize = 16;
const BUFFER_BYTES: usize = 1 << 20;
/// In the cache folder: what the file of a program looked like when it was hashed last, and its hash.
const NOTE: &str = "build-id";

/// A build: version, time and content of the executable. Written as `VERSION+SECONDS.HASH`.
///
/// Two files with the same content are the same build, whenever they were copied. Of two different ones, the higher
/// version is newer; of the same version, the file that was written later.
#[derive(Clone, Debug)]
pub(crate) struct BuildId {
    version: String,
    written_s: u64,
    hash: String,
}

impl BuildId {
    /// The build of the running program.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub(crate) fn own() -> Result<Self, Failure> {
        let failed = |error| Failure::new(format!("cannot read the running program: {error}"));
        let mut file = std::fs::File::open(os::running_program()).map_err(failed)?;
        let written = file.metadata().and_then(|metadata| metadata.modified()).map_err(failed)?;
        let written = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            written_s: written.as_secs(),
            hash: hasher.finalize().to_hex().chars().take(HASH_CHARS).collect(),
        })
    }

    /// The same by what is noted in the folder `cache`, while the file is the one that was hashed: hashing a large program
    /// takes longer than all else that a command does before it works.
    ///
    /// # Errors
    /// As [`Self::own`].
    pub(crate) fn own_noted(cache: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::new(format!("cannot read the running program: {error}"));
        let metadata = std::fs::metadata(os::running_program()).map_err(failed)?;
        let written = metadata.modified().map_err(failed)?;
        let (stamp, note) = (os::stamp(&metadata), cache.join(NOTE));
        if let Some(hash) = std::fs::read_to_string(&note).ok().and_then(|noted| noted_hash(&noted, &stamp)) {
            let written_s = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            return Ok(Self { version: env!("CARGO_PKG_VERSION").to_owned(), written_s, hash });
        }
        let own = Self::own()?;
        // Without a note the next command hashes as this one did.
        let _ = std::fs::write(note, format!("{stamp} {}\n", own.hash));
        Ok(own)
    }

    /// Reads what [`fmt::Display`] wrote; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once('+')?;
        let (written_s, hash) = rest.split_once('.')?;
        Some(Self { version: version.to_owned(), written_s: written_s.parse().ok()?, hash: hash.to_owned() })
    }

    /// Whether both are the same program.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.version == other.version && self.hash == other.hash
    }

    /// Whether this one should replace `other`.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let version = numbers(&self.version).cmp(&numbers(&other.version));
        version.then(self.written_s.cmp(&other.written_s)) == Ordering::Greater
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}.{}", self.version, self.written_s, self.hash)
    }
}

/// The hash in a note about the file with this stamp; `None` for another file, or a note that was not written to its end.
fn noted_hash(noted: &str, stamp: &str) -> Option<String> {
    let hash = noted.strip_prefix(stamp)?.strip_prefix(' ')?.strip_suffix('\n')?;
    (hash.len() == HASH_CHARS && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| hash.to_owned())
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_told_apart_and_ordered() {
        for (ours, theirs, same, newer) in [
            ("0.1.0+100.aa", "0.1.0+100.aa", true, false),
            ("0.1.0+200.aa", "0.1.0+100.aa", true, true),
            ("0.1.0+200.aa", "0.1.0+100.bb", false, true),
            ("0.1.0+100.aa", "0.1.0+200.bb", false, false),
            ("0.10.0+100.aa", "0.9.0+200.bb", false, true),
            ("0.1.0+100.aa", "0.2.0+50.aa", false, false),
        ] {
            let (a, b) = (BuildId::parse(ours).expect(ours), BuildId::parse(theirs).expect(theirs));
            assert_eq!((a.is_same(&b), a.is_newer_than(&b)), (same, newer), "{ours} and {theirs}");
            assert_eq!(a.to_string(), ours);
        }
        assert!(BuildId::parse("0.1.0").is_none());
    }

    #[test]
    fn the_running_program_has_a_build() {
        let own = BuildId::own().expect("it can be read");
        let again = BuildId::parse(&own.to_string()).expect("it is written so");
        assert!(own.is_same(&again) && !own.is_newer_than(&again));
    }

    #[test]
    fn a_note_holds_for_one_file_only() {
        let hash = "0123456789abcdef";
        assert_eq!(noted_hash("1.2 0123456789abcdef\n", "1.2").as_deref(), Some(hash));
        for wrong in ["", "1.2", "1.2 0123", "1.2 0123\n", "1.2 0123456789abcdef", "1.23 0123456789abcdef\n"] {
            assert_eq!(noted_hash(wrong, "1.2"), None, "{wrong:?}");
        }
        let cache = tempfile::tempdir().expect("a folder");
        let own = BuildId::own().expect("it can be read");
        for _ in 0..2 {
            assert_eq!(BuildId::own_noted(cache.path()).expect("it can be read").to_string(), own.to_string());
        }
        assert!(cache.path().join(NOTE).is_file());
    }
}
