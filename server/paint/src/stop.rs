//! What the caller says of a request while it runs: whether it is taken back, which is asked between the blocks of a model,
//! and how much memory it may work in.
//!
//! Refuses: to end anything by force; a block that runs is finished first.

use crate::error::PaintError;

/// Whether the caller wants no more, and the memory there is for what goes on.
#[derive(Clone, Copy)]
pub struct Stop<'a> {
    asked: &'a dyn Fn() -> bool,
    room: Room,
}

/// Memory that a request may work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that the work of the autoencoder may take; images that would take more go through it in tiles.
    pub image_bytes_max: u64,
    /// Bytes of attention scores that are held at once; queries are taken in parts so that they fit.
    pub score_bytes_max: u64,
}

impl Room {
    /// Nobody counts.
    pub const AMPLE: Self = Self { image_bytes_max: u64::MAX, score_bytes_max: 256 * 1024 * 1024 };
}

impl<'a> Stop<'a> {
    /// Nobody takes it back.
    pub const NEVER: Stop<'static> = Stop { asked: &|| false, room: Room::AMPLE };

    /// Asks this; it is called often and should be quick.
    #[must_use]
    pub fn when(asked: &'a dyn Fn() -> bool) -> Self {
        Self { asked, room: Room::AMPLE }
    }

    /// The same for work in so much memory.
    #[must_use]
    pub fn within(self, room: Room) -> Self {
        Self { room, ..self }
    }

    /// The memory there is.
    #[must_use]
    pub fn room(self) -> Room {
        self.room
    }

    /// # Errors
    /// `Cancelled` when the caller wants no more.
    pub fn check(self) -> Result<(), PaintError> {
        if (self.asked)() { Err(PaintError::Cancelled) } else { Ok(()) }
    }
}
