//! Buckets: which of the 10,000 slots a user falls into. A user is canary iff the slot is below the canary's weight.
//!
//! The slot depends on salt and key alone, so the same user keeps it on every router, without a cookie; and because the
//! canary holds the lowest slots, raising its weight only adds users and never removes one.

use std::hash::Hasher as _;

use mur3::Hasher32;

use crate::weight::{BasisPoints, SLOTS};

/// Seed of the hash: the one that flagd's `fractional` uses.
const SEED: u32 = 0;
/// Between salt and key, so that `("a", "bc")` and `("ab", "c")` are different users.
const SEPARATOR: u8 = 0;

/// The slot of `key` under `salt`, in `0..10_000`: MurmurHash3 x86_32, scaled by multiplication, without modulo bias.
#[must_use]
pub fn slot(salt: &str, key: &[u8]) -> u16 {
    let mut hasher = Hasher32::with_seed(SEED);
    hasher.write(salt.as_bytes());
    hasher.write(&[SEPARATOR]);
    hasher.write(key);
    let scaled = (u64::from(hasher.finish32()) * u64::from(SLOTS)) >> u32::BITS;
    #[expect(clippy::cast_possible_truncation, reason = "a 32-bit hash times 10,000 / 2^32 is below 10,000")]
    let slot = scaled as u16;
    slot
}

/// True if `slot` belongs to the canary at this weight.
#[must_use]
pub const fn is_canary(slot: u16, weight: BasisPoints) -> bool {
    slot < weight.get()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_slot_is_the_hash_of_salt_zero_key() {
        for (salt, key) in [("", ""), ("s", "u"), ("release-7", "uid-123456"), ("\u{e4}", "0123456789abcdef")] {
            let bytes = [salt.as_bytes(), &[0], key.as_bytes()].concat();
            let hash = u64::from(mur3::murmurhash3_x86_32(&bytes, 0));
            assert_eq!(u64::from(slot(salt, key.as_bytes())), (hash * 10_000) >> 32);
        }
    }

    #[test]
    fn a_quarter_of_200_000_keys_is_canary_at_25_percent() {
        let weight = BasisPoints::from_percent(25.0).unwrap();
        for salt in ["a", "release-2", "0f3c"] {
            let canary = (0..200_000).filter(|n| is_canary(slot(salt, format!("u{n}").as_bytes()), weight)).count();
            assert!((49_000..=51_000).contains(&canary), "{canary} of 200,000 with salt {salt}");
        }
    }

    #[test]
    fn a_new_salt_deals_anew() {
        let weight = BasisPoints::from_percent(50.0).unwrap();
        let chosen = |salt: &str, n: u32| is_canary(slot(salt, &n.to_le_bytes()), weight);
        let both = (0..10_000).filter(|&n| chosen("one", n) && chosen("two", n)).count();
        assert!((2_200..=2_800).contains(&both), "{both}: membership under two salts is independent");
    }

    proptest! {
        #[test]
        fn raising_the_weight_never_removes_a_user(
            salt in ".{0,12}",
            key in prop::collection::vec(any::<u8>(), 0..40),
            low in 0u16..=SLOTS,
            high in 0u16..=SLOTS,
        ) {
            let (low, high) = (low.min(high), low.max(high));
            let slot = slot(&salt, &key);
            prop_assert!(slot < SLOTS);
            let (low, high) = (BasisPoints::new(low).unwrap(), BasisPoints::new(high).unwrap());
            prop_assert!(!is_canary(slot, low) || is_canary(slot, high));
            prop_assert!(is_canary(slot, BasisPoints::FULL));
            prop_assert!(!is_canary(slot, BasisPoints::ZERO));
        }
    }
}
