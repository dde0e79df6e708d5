//! How many images of a request are drawn side by side.
//!
//! Refuses: more than one on a CPU. There it takes as long as one after the other and much more memory.

use crate::pipeline::{Pipeline, Prepared};

/// What the denoiser may need beside its weights, in bytes.
const WORK_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Latents of the widest size that a denoiser holds at once, about: what it keeps for the way up, and what its widest
/// layer and its attention need.
const HELD_AT_ONCE: u64 = 40;

/// Images of one group, at least 1.
pub(super) fn size(pipeline: &Pipeline, prepared: &Prepared<'_>, images: u32) -> u32 {
    if pipeline.device.is_cpu() {
        return 1;
    }
    let [_, height, width] = prepared.shape();
    let places = (height * width) as u64;
    fitting(places, pipeline.family().width as u64, prepared.sides() as u64, images)
}

/// `places` is the size of a latent's one channel, `sides` two with guidance and one without.
fn fitting(places: u64, channels: u64, sides: u64, images: u32) -> u32 {
    const BYTES: u64 = 2;
    let each = places.saturating_mul(channels).saturating_mul(sides * HELD_AT_ONCE * BYTES);
    let most = WORK_BYTES_MAX / each.max(1);
    u32::try_from(most).unwrap_or(u32::MAX).clamp(1, images.max(1))
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn groups_shrink_with_the_size_of_an_image_and_never_vanish() {
        for (side, expected) in [(8, 16), (64, 16), (128, 5), (512, 1)] {
            assert_eq!(fitting(side * side, 320, 2, 16), expected, "{side}");
        }
        assert_eq!((fitting(64 * 64, 320, 1, 3), fitting(u64::MAX, 320, 2, 16)), (3, 1));
    }
}
