//! The one error of this crate, cut by what a caller does about it.
//!
//! Refuses: errors for positions. A position outside its text is clamped, as LSP asks, and never fails.

use thiserror::Error;

/// Why a text operation was refused. Nothing was changed when one of these is returned.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TextError {
    /// A change named a version older than the one already applied. The sender's and our text may differ: ask for the
    /// full text again.
    #[error("document version went back from {current} to {given}; reopen the file to resynchronise")]
    VersionWentBack {
        /// The version of the document as it stands.
        current: i32,
        /// The version the change named.
        given: i32,
    },
    /// Two edits of one set overlap, or an edit does not fit the text it was applied to. The edit must be made anew.
    #[error("edit at bytes {start_byte}..{end_byte} does not fit: {reason}")]
    InvalidEdit {
        /// First byte of the offending edit.
        start_byte: usize,
        /// Byte after the offending edit's last.
        end_byte: usize,
        /// What is wrong, in a few words.
        reason: &'static str,
    },
    /// The text an edit wants to change was changed by somebody else meanwhile. Ask the user, or make the edit anew.
    #[error("bytes {start_byte}..{end_byte} were changed meanwhile; the edit no longer fits there")]
    Conflict {
        /// First byte, in the common base text, of the edit that could not be rebased.
        start_byte: usize,
        /// Byte after that edit's last, in the common base text.
        end_byte: usize,
    },
}
