//! The caller's word that a request is taken back, asked for between the blocks of a model.
//!
//! Refuses: to end anything by force; a block that runs is finished first.

use crate::error::PaintError;

/// Whether the caller wants no more.
#[derive(Clone, Copy)]
pub struct Stop<'a>(&'a dyn Fn() -> bool);

impl<'a> Stop<'a> {
    /// Nobody takes it back.
    pub const NEVER: Stop<'static> = Stop(&|| false);

    /// Asks this; it is called often and should be quick.
    #[must_use]
    pub fn when(asked: &'a dyn Fn() -> bool) -> Self {
        Self(asked)
    }

    /// # Errors
    /// `Cancelled` when the caller wants no more.
    pub fn check(self) -> Result<(), PaintError> {
        if (self.0)() { Err(PaintError::Cancelled) } else { Ok(()) }
    }
}
