//! Ids, secrets and hashes. Refuses: a secret that prints itself, and weak randomness.

use std::fmt;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::StoreError;

/// Random bytes of a secret: 256 bits.
const SECRET_BYTES: usize = 32;
/// Random bits below the time in an id.
const ID_RANDOM_BITS: u32 = 80;
/// Characters of an id: 128 bits, five each.
const ID_CHARS: u32 = 26;
/// Digits that keep their order as text and leave out the letters that look like digits.
const ID_DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A secret handed out once: a sign-in link, a session or an API token. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret of 256 random bits behind `prefix`.
    pub(crate) fn random(prefix: &str) -> Result<Self, StoreError> {
        let mut bytes = [0; SECRET_BYTES];
        fill(&mut bytes)?;
        Ok(Self(format!("{prefix}{}", hex(&bytes))))
    }

    /// A secret that was derived from another.
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that hands it to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// Makes ids of 128 bits that sort by the time they were made, also within one millisecond.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: Mutex<u128>,
}

impl Ids {
    /// The next id: 48 bits of time, 80 random bits, as 26 digits.
    pub(crate) fn next(&self, now_ms: i64) -> Result<String, StoreError> {
        let mut bytes = [0; 16];
        fill(&mut bytes)?;
        let random = u128::from_le_bytes(bytes) & ((1 << ID_RANDOM_BITS) - 1);
        let time = u128::try_from(now_ms.max(0)).unwrap_or(0) << ID_RANDOM_BITS;
        // The lock guards one number, which is whole whatever happened to its last holder.
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Within one millisecond, and after a clock was set back, ids count up from the last one by a random step.
        let id = if time >> ID_RANDOM_BITS > *last >> ID_RANDOM_BITS {
            time | random
        } else {
            last.wrapping_add(1 + (random >> (ID_RANDOM_BITS / 2)))
        };
        *last = id;
        Ok(id_text(id))
    }
}

/// The form of a secret that is stored and looked up. Looking a hash up in an index leaks nothing useful by its
/// timing: whoever guesses cannot choose the hash, only the secret behind it.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing to a string cannot fail.
        text
    })
}

fn fill(bytes: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(bytes).map_err(|e| StoreError::Bug(format!("the system gives no random bytes: {e}")))
}

fn id_text(id: u128) -> String {
    (0..ID_CHARS).rev().map(|place| char::from(ID_DIGITS[(id >> (place * 5)) as usize & 31])).collect()
}
