//! The largest values that are kept, in bytes. Refuses: anything larger, before it reaches a file.

use crate::StoreError;

/// Largest text of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest JSON text beside a message and largest value of a setting, in bytes.
pub const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest title, name, key, path or error text, in bytes.
pub const NAME_BYTES_MAX: usize = 16 * 1024;
/// Largest data of one run event, in bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// Largest text of one thing that was learned, in bytes.
pub const LEARNED_BYTES_MAX: usize = 1024 * 1024;
/// Largest blob, in bytes.
pub const BLOB_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Checks that `bytes` of a `what` stay within `bytes_max`.
pub(crate) fn fits(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), StoreError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(StoreError::TooLarge { what, bytes: bytes as u64, bytes_max: bytes_max as u64 })
}

/// Checks an optional text like [`fits`].
pub(crate) fn fits_option(what: &'static str, text: Option<&str>, bytes_max: usize) -> Result<(), StoreError> {
    fits(what, text.map_or(0, str::len), bytes_max)
}
