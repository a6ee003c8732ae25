//! Random numbers that a saved state can go on with, and that are the same with every version of every crate: SplitMix64
//! (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).

use serde::{Deserialize, Serialize};

/// A stream of numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `first` to `last`, both possible.
    pub(super) const fn between(&mut self, (first, last): (u64, u64)) -> u64 {
        let span = last.saturating_sub(first).saturating_add(1);
        first + self.next() % span
    }

    /// True in this share of all cases.
    pub(super) fn happens(&mut self, share: f64) -> bool {
        const STEPS: u32 = 1 << 30;
        let drawn = u32::try_from(self.next() % u64::from(STEPS)).unwrap_or_default();
        f64::from(drawn) < share * f64::from(STEPS)
    }

    /// An identity as RFC 9562 section 5.4 writes it.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let (version, variant) = (0x4000 | (high & 0x0fff), 0x8000 | ((low >> 48) & 0x3fff));
        let (begin, middle, end) = (high >> 32, (high >> 16) & 0xffff, low & 0xffff_ffff_ffff);
        format!("{begin:08x}-{middle:04x}-{version:04x}-{variant:04x}-{end:012x}")
    }
}
