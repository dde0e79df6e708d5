//! Which build this is, and which of two is newer. Refuses: trusting the version alone; every rebuild is another
//! program, and two of them must not speak to each other.

use std::cmp::Ordering;
use std::fmt;
use std::io::Read;

use crate::failure::Failure;
use crate::os;

const HASH_CHARS: usize = 16;
const BUFFER_BYTES: usize = 1 << 20;

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
}
