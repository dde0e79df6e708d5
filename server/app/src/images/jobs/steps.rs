//! Which images of a job a step belongs to, and which step of theirs it is. Refuses: trusting that every step is heard of;
//! steps that nobody read in time melt into the last one.

use super::super::events::StepPlace;

/// The steps of one attempt at a job.
pub(super) struct Steps {
    /// Images that earlier attempts saved.
    saved_before: u32,
    /// Images that this attempt makes.
    count: u32,
    /// Images that are drawn side by side, as far as the steps told; 0 before the first.
    side_by_side: u32,
    /// Images that were kept when the ones that are drawn now were begun.
    begun_at: u32,
}

impl Steps {
    /// An attempt that makes `count` images after `saved_before` others.
    pub(super) fn new(saved_before: u32, count: u32) -> Self {
        Self { saved_before, count, side_by_side: 0, begun_at: 0 }
    }

    /// Where the attempt is with `done` of `all` steps taken and `kept` of its images kept; `None` for a job of one image,
    /// and where the numbers do not say it.
    pub(super) fn place(&mut self, kept: u32, done: u32, all: u32) -> Option<StepPlace> {
        let images = self.saved_before + self.count;
        let steps = all.checked_div(self.count).filter(|steps| *steps > 0 && steps * self.count == all)?;
        let left = self.count.checked_sub(kept).filter(|left| *left > 0)?;
        let taken = done.checked_sub(kept * steps).filter(|taken| (1..=left * steps).contains(taken))?;
        if images < 2 {
            return None;
        }
        // A step is taken for all of a group at once, so what is taken of a group is so many times its size.
        if kept != self.begun_at {
            self.begun_at = kept;
            // The last group may be a smaller one.
            self.side_by_side = self.side_by_side.min(left);
        }
        self.side_by_side = common_divisor(self.side_by_side, taken);
        let size = self.side_by_side.max(taken.div_ceil(steps)).min(left);
        let first = self.saved_before + kept + 1;
        Some(StepPlace { first, last: first + size - 1, images, step: taken.div_ceil(size), steps })
    }
}

/// The largest number that divides both.
fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said after each of the steps, which are heard of as (kept, done).
    fn said(saved_before: u32, count: u32, all: u32, heard: &[(u32, u32)]) -> Vec<String> {
        let mut steps = Steps::new(saved_before, count);
        let places = heard.iter().map(|(kept, done)| steps.place(*kept, *done, all));
        places.map(|place| place.map_or_else(|| "nothing".to_owned(), |place| place.to_string())).collect()
    }

    #[test]
    fn images_that_are_drawn_one_after_the_other_are_counted() {
        let heard = [(0, 1), (0, 20), (1, 21), (1, 27), (3, 80)];
        let expected = [
            "image 1 of 4, step 1 of 20",
            "image 1 of 4, step 20 of 20",
            "image 2 of 4, step 1 of 20",
            "image 2 of 4, step 7 of 20",
            "image 4 of 4, step 20 of 20",
        ];
        assert_eq!(said(0, 4, 80, &heard), expected);
    }

    #[test]
    fn images_that_are_drawn_side_by_side_take_a_step_together() {
        assert_eq!(
            said(0, 4, 80, &[(0, 4), (0, 28)]),
            ["all 4 images, step 1 of 20", "all 4 images, step 7 of 20"]
        );
        // Groups of two, of which the last has one image.
        let heard = [(0, 2), (0, 4), (2, 22), (2, 24), (4, 41), (4, 50)];
        let expected = [
            "images 1 to 2 of 5, step 1 of 10",
            "images 1 to 2 of 5, step 2 of 10",
            "images 3 to 4 of 5, step 1 of 10",
            "images 3 to 4 of 5, step 2 of 10",
            "image 5 of 5, step 1 of 10",
            "image 5 of 5, step 10 of 10",
        ];
        assert_eq!(said(0, 5, 50, &heard), expected);
    }

    #[test]
    fn what_an_earlier_attempt_saved_is_counted() {
        assert_eq!(said(2, 2, 8, &[(0, 1), (1, 6)]), ["image 3 of 4, step 1 of 4", "image 4 of 4, step 2 of 4"]);
        assert_eq!(said(3, 1, 4, &[(0, 3)]), ["image 4 of 4, step 3 of 4"]);
    }

    #[test]
    fn nothing_is_said_of_one_image_and_of_numbers_that_cannot_be() {
        assert_eq!(said(0, 1, 20, &[(0, 7)]), ["nothing"]);
        assert_eq!(said(0, 3, 20, &[(0, 7)]), ["nothing"], "20 steps are none of three images");
        assert_eq!(said(0, 2, 20, &[(1, 3), (2, 20), (0, 0), (0, 21)]), ["nothing"; 4]);
        assert_eq!(said(0, 0, 0, &[(0, 0)]), ["nothing"]);
    }
}
