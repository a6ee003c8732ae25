//! Tickets for the change stream: a browser's `EventSource` cannot send a token, so the answer that names the stream puts
//! one into its address. A ticket opens that stream and nothing else, and only for a while.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A ticket is good for one to two of these. Reconnects use the same address; a client whose ticket has run out asks for
/// flags again and gets a fresh one.
const PERIOD_SECONDS: u64 = 1_800;
/// What is signed beside the time, so that no other signature under this key is a ticket.
const PURPOSE: &[u8] = b"sluice ofrep events";

/// A ticket that is good from now on. All of one period are the same, so that a client that asks again keeps its stream.
pub(super) fn issue(key: &str, now_seconds: u64) -> String {
    let expires = (now_seconds / PERIOD_SECONDS + 2) * PERIOD_SECONDS;
    let mut ticket = format!("{expires}.");
    for byte in signature(key, expires).finalize().into_bytes() {
        write!(ticket, "{byte:02x}").expect("invariant: writing to a string does not fail");
    }
    ticket
}

/// Whether `ticket` is one of ours and still good.
pub(super) fn is_good(ticket: &str, key: &str, now_seconds: u64) -> bool {
    let Some((expires, given)) = ticket.split_once('.') else { return false };
    let Ok(expires) = expires.parse::<u64>() else { return false };
    let Some(given) = bytes(given) else { return false };
    (now_seconds..=now_seconds + 2 * PERIOD_SECONDS).contains(&expires)
        && signature(key, expires).verify_slice(&given).is_ok()
}

fn signature(key: &str, expires: u64) -> Hmac<Sha256> {
    let mut signature =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("invariant: HMAC takes keys of any length");
    signature.update(PURPOSE);
    signature.update(&expires.to_le_bytes());
    signature
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let pairs =
        hexadecimal.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_key_and_time_only() {
        let ticket = issue("secret", 1_000);
        assert_eq!(ticket, issue("secret", 1_799));
        assert_ne!(ticket, issue("secret", 1_800));
        assert!(is_good(&ticket, "secret", 1_000) && is_good(&ticket, "secret", 3_600));
        assert!(!is_good(&ticket, "other", 1_000));
        assert!(!is_good(&ticket, "secret", 3_601));
        // One from the future was not issued here.
        assert!(!is_good(&issue("secret", 9_000), "secret", 1_000));
        let later = ticket.replacen("3600", "3601", 1);
        assert!(later != ticket && !is_good(&later, "secret", 1_000));
        for forged in ["", ".", "3600", "3600.", "3600.zz", "3600.é", "x.00", &ticket[..ticket.len() - 2]] {
            assert!(!is_good(forged, "secret", 1_000), "{forged}");
        }
    }
}
