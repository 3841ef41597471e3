//! A small seeded generator: the same seed gives the same run, so a failure can be seen again.
//!
//! SplitMix64 (Steele, Lea and Flood, 2014): one addition and a mix of shifts and multiplications.
//! It is good enough to drop packets and to make up sensor readings, and it is *not* for secrets:
//! whoever sees one output can compute all that follow.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The generator; its whole state is one number.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`, or from the system's randomness when none is given.
    pub fn new(seed: Option<u64>) -> Random {
        // std seeds its hash tables from the kernel; hashing nothing hands such a seed out.
        Random(seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end` - 1; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high half of a 128-bit product; its bias is below end / 2^64, far too small to see.
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number from 0 (included) to 1 (excluded), in steps of 2^-53.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: f64) -> bool {
        self.fraction() * 100.0 < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        // The first outputs of the authors' reference code for the seed 1234567.
        let mut random = Random::new(Some(1_234_567));
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for number in expected {
            assert_eq!(random.bits(), number);
        }
    }

    #[test]
    fn ranges_and_chances() {
        let mut random = Random::new(Some(1));
        assert!((0..10_000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
        let hits = (0..100_000).filter(|_| random.chance(30.0)).count();
        assert!((29_000..31_000).contains(&hits), "{hits} of 100,000 at 30 %");
        assert!(!(0..1_000).any(|_| random.chance(0.0)));
        assert!((0..1_000).all(|_| random.chance(100.0)));
        assert_ne!(Random::new(None).bits(), Random::new(None).bits());
    }
}
