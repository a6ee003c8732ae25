//! Names of requests: made here, sent to the server and back to the client, written to the access log.

use http::HeaderValue;

/// Hex digits of an id: 48 bits of time, so that ids sort, and 80 random bits, so that they do not collide.
const DIGITS: usize = 32;
const TIME_DIGITS: usize = 12;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Makes an id from the time (Unix, ms) and random bits.
pub(crate) fn make(now_ms: u64, random: u128) -> HeaderValue {
    let bits = (u128::from(now_ms) << ((DIGITS - TIME_DIGITS) * 4)) | (random >> (TIME_DIGITS * 4));
    let mut text = [0_u8; DIGITS];
    for (index, digit) in text.iter_mut().enumerate() {
        let nibble = (bits >> ((DIGITS - 1 - index) * 4)) & 0xf;
        *digit = HEX[usize::try_from(nibble).unwrap_or_default()];
    }
    HeaderValue::from_bytes(&text).expect("invariant: hex digits are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_digits_and_sort_by_time() {
        let early = make(1_700_000_000_000, u128::MAX);
        let late = make(1_700_000_000_001, 0);
        assert_eq!(early.len(), DIGITS);
        assert!(early.as_bytes() < late.as_bytes());
        assert_eq!(&late.as_bytes()[TIME_DIGITS..], [b'0'; DIGITS - TIME_DIGITS]);
    }
}
