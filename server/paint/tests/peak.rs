//! What the autoencoder takes of memory at its peak, counted by the allocator: within what it plans with, whole and in
//! tiles.
#![expect(unsafe_code, reason = "an allocator has no safe interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use paint::vae::{Vae, VaeConfig};
use paint::{Room, Stop};
use tiny::Model;
use tiny::integers::numbers;

/// The system's allocator, and how much it gave out.
struct Counting;

static NOW_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

fn took(bytes: usize) {
    let now = NOW_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK_BYTES.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: everything is the system's allocator's; numbers are counted beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Bytes that work takes at its peak beyond what was taken before.
fn peak<T>(work: impl FnOnce() -> T) -> u64 {
    let before = NOW_BYTES.load(Ordering::Relaxed);
    PEAK_BYTES.store(before, Ordering::Relaxed);
    let made = work();
    let peak = PEAK_BYTES.load(Ordering::Relaxed) - before;
    drop(made);
    peak as u64
}

const MIB: u64 = 1024 * 1024;

/// The windows of a convolution, the picture and what its tiles are put together in.
const BESIDE_BYTES: u64 = 20 * MIB;

// One test alone: the allocator counts for the whole process.
#[test]
fn the_autoencoder_stays_in_its_room() {
    let model = Model::of("vae");
    let config = VaeConfig::parse(&model.config).unwrap();
    let vae = Vae::load(&config, &model.weights).unwrap();
    let (places, factor) = (112, config.factor());
    let tensor = |shape: &[usize]| {
        let numbers = numbers("peak", shape.iter().product(), 1.0);
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    };
    let latent = tensor(&[1, config.latent_channels, places, places]);
    let image = tensor(&[1, 3, places * factor, places * factor]);
    let within = |bytes: u64| Stop::NEVER.within(Room { image_bytes_max: bytes, ..Room::AMPLE });
    let mut peaks = Vec::new();
    for bytes in [1 << 40, 24 * MIB, 14 * MIB] {
        let decoded = peak(|| vae.decode(&latent, within(bytes)).unwrap());
        let encoded = peak(|| vae.encode(&image, within(bytes)).unwrap());
        println!("in {} MiB: decoding takes {} MiB, encoding {}", bytes / MIB, decoded / MIB, encoded / MIB);
        assert!(decoded <= bytes + BESIDE_BYTES && encoded <= bytes + BESIDE_BYTES);
        peaks.push(decoded);
    }
    assert!(peaks.windows(2).all(|pair| pair[1] < pair[0]), "less room, less taken: {peaks:?}");
    // What it plans with for each place: three times the 64 channels that it has at the size of the image.
    let planned = (places * places * factor * factor * 64 * 3 * 4) as u64;
    assert!(peaks[0] <= planned + BESIDE_BYTES, "{} of {planned} bytes", peaks[0]);
}
