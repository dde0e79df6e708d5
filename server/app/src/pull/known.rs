//! Image models that can be brought by a short name, with what they need, about: their weights in two bytes each. Refuses:
//! models that only answer to an account.

use crate::images::working_bytes;

/// What a weight takes in memory, as a multiple of what it takes on disk: the processor computes with four bytes.
const IN_MEMORY: u64 = 2;

/// An image model that can be brought by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownImageModel {
    /// Its name.
    pub name: &'static str,
    /// Owner and name on the hub.
    pub repository: &'static str,
    /// What it is good for.
    pub about: &'static str,
    /// Under which terms it may be used.
    pub licence: &'static str,
    /// Bytes that are fetched, about.
    pub size_bytes: u64,
    /// Side of the images it was made for, in pixels.
    pub side_pixels: u32,
}

impl KnownImageModel {
    /// Memory that drawing with it takes at its own size, in bytes, about.
    pub fn needed_bytes(&self) -> u64 {
        self.size_bytes * IN_MEMORY + working_bytes(self.side_pixels, self.side_pixels)
    }
}

/// The models, those that need least first.
pub const KNOWN_IMAGE_MODELS: [KnownImageModel; 5] = [
    KnownImageModel {
        name: "sd-1.5",
        repository: "stable-diffusion-v1-5/stable-diffusion-v1-5",
        about: "Stable Diffusion 1.5, 512 pixels, some 20 steps",
        licence: "CreativeML OpenRAIL-M",
        size_bytes: 2_100_000_000,
        side_pixels: 512,
    },
    KnownImageModel {
        name: "sd-turbo",
        repository: "stabilityai/sd-turbo",
        about: "Stable Diffusion 2.1, 512 pixels in 1 to 4 steps: the fastest without a graphics card",
        licence: "Stability AI Community",
        size_bytes: 2_600_000_000,
        side_pixels: 512,
    },
    KnownImageModel {
        name: "sdxl-turbo",
        repository: "stabilityai/sdxl-turbo",
        about: "Stable Diffusion XL, 512 pixels in 1 to 4 steps",
        licence: "Stability AI Community",
        size_bytes: 6_900_000_000,
        side_pixels: 512,
    },
    KnownImageModel {
        name: "sdxl",
        repository: "stabilityai/stable-diffusion-xl-base-1.0",
        about: "Stable Diffusion XL, 1024 pixels, some 30 steps",
        licence: "OpenRAIL++-M",
        size_bytes: 6_900_000_000,
        side_pixels: 1_024,
    },
    KnownImageModel {
        name: "z-image-turbo",
        repository: "Tongyi-MAI/Z-Image-Turbo",
        about: "Z-Image, 1024 pixels in 8 steps, writes words into images",
        licence: "Apache-2.0",
        size_bytes: 20_500_000_000,
        side_pixels: 1_024,
    },
];

/// The model of this name.
pub(super) fn known(name: &str) -> Option<&'static KnownImageModel> {
    KNOWN_IMAGE_MODELS.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_and_they_are_in_order() {
        let names: std::collections::BTreeSet<&str> = KNOWN_IMAGE_MODELS.iter().map(|known| known.name).collect();
        assert_eq!(names.len(), KNOWN_IMAGE_MODELS.len());
        assert!(KNOWN_IMAGE_MODELS.is_sorted_by_key(KnownImageModel::needed_bytes));
        for known in KNOWN_IMAGE_MODELS {
            assert_eq!(known.repository.split('/').count(), 2, "{}", known.name);
            assert!(known.needed_bytes() > known.size_bytes);
        }
    }
}
