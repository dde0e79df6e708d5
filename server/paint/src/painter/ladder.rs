//! What is done otherwise once a device has no memory for the work: images one by one instead of side by side, pictures in
//! tiles, attention in small parts.
//!
//! A state machine without a device. Refuses: to try again what failed, to take a step that does not help the work at
//! hand, and to go up again within a request.

use crate::error::PaintError;
use crate::stop::Room;

/// Bytes of attention scores where memory is short.
const SCORE_BYTES_SHORT: u64 = 16 * 1024 * 1024;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A prompt is read.
    Prompt,
    /// So many images take their steps side by side.
    Steps(u32),
    /// The autoencoder works on a picture.
    Picture,
}

/// How far down a request is.
pub(super) struct Ladder {
    one_by_one: bool,
    room: Room,
}

impl Ladder {
    /// A request that may work in so much memory.
    pub(super) fn new(room: Room) -> Self {
        Self { one_by_one: false, room }
    }

    /// The memory that is counted on now.
    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// How many of the images that were planned side by side are drawn so.
    pub(super) fn images(&self, planned: u32) -> u32 {
        if self.one_by_one { 1 } else { planned }
    }

    /// Whether the work is worth trying again after this error, because less is done at once now.
    pub(super) fn down(&mut self, error: &PaintError, work: Work) -> bool {
        if !matches!(error, PaintError::OutOfMemory(_)) {
            return false;
        }
        match work {
            Work::Prompt => return false,
            Work::Steps(2..) if !self.one_by_one => self.one_by_one = true,
            Work::Picture if self.room.image_bytes_max > 0 => self.room.image_bytes_max = 0,
            _ if self.room.score_bytes_max > SCORE_BYTES_SHORT => self.room.score_bytes_max = SCORE_BYTES_SHORT,
            _ => return false,
        }
        true
    }

    /// Does work in the memory that is counted on, and again in less until it goes or nothing is left to do otherwise.
    /// `settle` is called before each new attempt.
    ///
    /// # Errors
    /// Those of the last attempt.
    pub(super) fn climb_down<T>(
        &mut self,
        work: Work,
        settle: impl Fn(),
        mut attempt: impl FnMut(Room) -> Result<T, PaintError>,
    ) -> Result<T, PaintError> {
        loop {
            match attempt(self.room) {
                Err(error) if self.down(&error, work) => settle(),
                end => return end,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> PaintError {
        PaintError::OutOfMemory("none is left".to_owned())
    }

    /// What is tried, in order, by a device that never has enough: images side by side, bytes for pictures and for scores.
    fn tried(ladder: &mut Ladder, work: Work) -> Vec<(u32, u64, u64)> {
        let mut tried = Vec::new();
        loop {
            let Room { image_bytes_max, score_bytes_max } = ladder.room();
            tried.push((ladder.images(4), image_bytes_max, score_bytes_max));
            let work = if let Work::Steps(_) = work { Work::Steps(ladder.images(4)) } else { work };
            if !ladder.down(&failed(), work) {
                return tried;
            }
        }
    }

    #[test]
    fn each_kind_of_work_is_done_with_less_until_nothing_helps_it() {
        let (all, short, mib) = (Room::AMPLE.image_bytes_max, SCORE_BYTES_SHORT, 1024 * 1024);
        let new = || Ladder::new(Room::AMPLE);
        let steps = [(4, all, 256 * mib), (1, all, 256 * mib), (1, all, short)];
        assert_eq!(tried(&mut new(), Work::Steps(4)), steps);
        let picture = [(4, all, 256 * mib), (4, 0, 256 * mib), (4, 0, short)];
        assert_eq!(tried(&mut new(), Work::Picture), picture);
        assert_eq!(tried(&mut new(), Work::Prompt), [(4, all, 256 * mib)]);
        // What was too much once is not tried again.
        let mut ladder = new();
        tried(&mut ladder, Work::Picture);
        assert_eq!(tried(&mut ladder, Work::Steps(4)), [(4, 0, short), (1, 0, short)]);
        assert_eq!(tried(&mut ladder, Work::Picture), [(1, 0, short)]);
    }

    #[test]
    fn work_goes_on_where_it_fits_and_other_errors_end_it() {
        let mut ladder = Ladder::new(Room::AMPLE);
        let settled = std::cell::Cell::new(0);
        let settle = || settled.set(settled.get() + 1);
        let in_tiles = |room: Room| if room.image_bytes_max > 0 { Err(failed()) } else { Ok(room) };
        let expected = Room { image_bytes_max: 0, ..Room::AMPLE };
        assert_eq!(ladder.climb_down(Work::Picture, settle, in_tiles), Ok(expected));
        assert_eq!(settled.get(), 1);
        let broken: fn(Room) -> Result<(), PaintError> = |_| Err(PaintError::Compute("broken".to_owned()));
        let end = ladder.climb_down(Work::Picture, settle, broken);
        assert_eq!(end, Err(PaintError::Compute("broken".to_owned())));
        let never: fn(Room) -> Result<(), PaintError> = |_| Err(failed());
        assert_eq!(ladder.climb_down(Work::Picture, settle, never), Err(failed()));
        assert_eq!(settled.get(), 2, "tiles were there already, so attention alone was left");
    }
}
