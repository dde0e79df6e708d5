//! A bounded little-endian reader over the head of a file.
//!
//! Refuses: lengths beyond their maximum, and any read past the end of the file or of the head's own bound.

use std::io::{self, BufReader, Read};

use super::GgufError;

/// Bytes that may be read before the tensor data starts.
pub(super) const HEADER_BYTES_MAX: u64 = 128 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// Reads values and counts where it stands.
pub(super) struct Bytes<R> {
    input: BufReader<R>,
    position: u64,
    end: u64,
}

impl<R: Read> Bytes<R> {
    /// A reader of `input`, a file of `file_bytes` bytes, from its start.
    pub(super) fn new(input: R, file_bytes: u64) -> Self {
        let input = BufReader::with_capacity(BUFFER_BYTES, input);
        Self { input, position: 0, end: file_bytes.min(HEADER_BYTES_MAX) }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that may still be read.
    pub(super) fn remaining(&self) -> u64 {
        self.end - self.position
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// The next four bytes as a number.
    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The next eight bytes as a number.
    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A string of at most `bytes_max` bytes; `what` names it in the error.
    pub(super) fn string(&mut self, bytes_max: u64, what: &'static str) -> Result<Vec<u8>, GgufError> {
        let len = self.length(bytes_max, what)?;
        let mut out = vec![0; usize::try_from(len).map_err(|_| GgufError::damaged(what))?];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// Passes over a string of at most `bytes_max` bytes.
    pub(super) fn skip_string(&mut self, bytes_max: u64, what: &'static str) -> Result<(), GgufError> {
        let len = self.length(bytes_max, what)?;
        self.skip(len)
    }

    /// Passes over `count` bytes.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), GgufError> {
        self.take(count)?;
        let copied = io::copy(&mut self.input.by_ref().take(count), &mut io::sink()).map_err(GgufError::Io)?;
        if copied == count { Ok(()) } else { Err(GgufError::Truncated) }
    }

    fn length(&mut self, bytes_max: u64, what: &'static str) -> Result<u64, GgufError> {
        let len = self.u64()?;
        if len > bytes_max {
            return Err(GgufError::damaged(what));
        }
        if len > self.remaining() {
            return Err(GgufError::Truncated);
        }
        Ok(len)
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), GgufError> {
        self.take(out.len() as u64)?;
        self.input.read_exact(out).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => GgufError::Truncated,
            _ => GgufError::Io(error),
        })
    }

    fn take(&mut self, count: u64) -> Result<(), GgufError> {
        if count > self.remaining() {
            return Err(GgufError::Truncated);
        }
        self.position += count;
        Ok(())
    }
}
