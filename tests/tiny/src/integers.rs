//! Numbers that Rust and Python make alike: splitmix64 over a position, the upper 24 bits as a fraction.
//!
//! Python's half is tests/parity/integers.py. Refuses: state; a number depends on its name and place alone.

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a with 64 bits.
#[must_use]
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(FNV_START, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `count` numbers from -1 up to 1, each a multiple of 2^-23, times a scale.
#[must_use]
pub fn numbers(name: &str, count: usize, scale: f32) -> Vec<f32> {
    let seed = fnv(name.as_bytes());
    let number = |at: u64| {
        let z = seed.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        ((z >> 40) as f64 / 8_388_608.0 - 1.0) as f32 * scale
    };
    (1..=count as u64).map(number).collect()
}
