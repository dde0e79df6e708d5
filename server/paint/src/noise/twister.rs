//! The Mersenne Twister with 19937 bits (Matsumoto and Nishimura, 1998) that torch's CPU generator is.
//!
//! Refuses: to be used for secrets. A seed gives a picture back, so the numbers are meant to be foreseeable.

const STATE_WORDS: usize = 624;
const SHIFT_WORDS: usize = 397;
const TWIST: u32 = 0x9908_b0df;
const SEED_FACTOR: u32 = 1_812_433_253;

/// The state of one stream of 32-bit numbers.
#[derive(Clone)]
pub(super) struct Twister {
    state: [u32; STATE_WORDS],
    next: usize,
}

impl Twister {
    /// Starts a stream. Of the seed only the lower 32 bits count, as in torch.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = [0; STATE_WORDS];
        let mut last = (seed & u64::from(u32::MAX)) as u32;
        state[0] = last;
        for (index, word) in (1u32..).zip(&mut state[1..]) {
            last = SEED_FACTOR.wrapping_mul(last ^ (last >> 30)).wrapping_add(index);
            *word = last;
        }
        Self { state, next: STATE_WORDS }
    }

    /// The next 32 bits.
    pub(super) fn next_u32(&mut self) -> u32 {
        if self.next == STATE_WORDS {
            self.refill();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// The next 64 bits, the earlier word above the later one.
    pub(super) fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        (high << 32) | u64::from(self.next_u32())
    }

    fn refill(&mut self) {
        for at in 0..STATE_WORDS {
            let joined = (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % STATE_WORDS] & 0x7fff_ffff);
            let twist = if joined & 1 == 0 { 0 } else { TWIST };
            self.state[at] = self.state[(at + SHIFT_WORDS) % STATE_WORDS] ^ (joined >> 1) ^ twist;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Twister;

    #[test]
    fn the_published_check_value() {
        // The C++ standard names the 10,000th number of the default seed.
        let mut twister = Twister::new(5489);
        assert_eq!((0..10_000).map(|_| twister.next_u32()).last(), Some(4_123_659_995));
    }

    #[test]
    fn only_the_lower_half_of_a_seed_counts() {
        assert_eq!(Twister::new(7).next_u64(), Twister::new((9 << 32) | 7).next_u64());
    }
}
