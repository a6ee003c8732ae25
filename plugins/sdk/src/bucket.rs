//! Sticky buckets: which share of the users a key belongs to, without a cookie and the same on every router.

use std::hash::Hasher as _;

/// Slots that a whole is cut into: one per basis point.
pub const SLOTS: u16 = 10_000;

/// The slot of `key` under `salt`, below [`SLOTS`]: MurmurHash3 x86_32, seed 0, over salt, 0x00 and key, scaled by
/// multiplication as flagd does. It never moves while the salt stays, so whoever is in at `slot < weight` stays in
/// when the weight grows. `sluice-model` holds the same function for the router.
#[must_use]
pub fn slot(salt: &str, key: &[u8]) -> u16 {
    let mut hash = mur3::Hasher32::with_seed(0);
    hash.write(salt.as_bytes());
    hash.write(&[0]);
    hash.write(key);
    let scaled = (u64::from(hash.finish32()) * u64::from(SLOTS)) >> u32::BITS;
    #[expect(clippy::cast_possible_truncation, reason = "a 32-bit hash times 10,000 / 2^32 is below 10,000")]
    let slot = scaled as u16;
    slot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_the_contract_names() {
        for (salt, key) in [("", ""), ("s", "u1"), ("release-7", "alice@example.org"), ("abc", "0123456789")] {
            let bytes = [salt.as_bytes(), &[0], key.as_bytes()].concat();
            let expected = (u64::from(mur3::murmurhash3_x86_32(&bytes, 0)) * 10_000) >> 32;
            assert_eq!(u64::from(slot(salt, key.as_bytes())), expected, "{salt:?} {key:?}");
        }
    }

    #[test]
    fn slots_are_spread_evenly() {
        let quarter = (0..40_000).filter(|user| slot("salt", format!("user-{user}").as_bytes()) < 2_500).count();
        assert!((9_600..10_400).contains(&quarter), "{quarter} of 40,000 in a quarter");
    }

    #[test]
    fn another_salt_draws_another_share() {
        let moved = (0..1_000)
            .filter(|user| {
                let key = format!("user-{user}");
                (slot("a", key.as_bytes()) < 5_000) != (slot("b", key.as_bytes()) < 5_000)
            })
            .count();
        assert!((400..600).contains(&moved), "{moved} of 1,000 changed sides");
    }
}
