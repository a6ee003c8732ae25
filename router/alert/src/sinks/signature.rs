//! The signature of a webhook: HMAC-SHA256 (RFC 2104) over `TIMESTAMP.BODY`, as Stripe and Slack sign theirs. The
//! timestamp is signed too, so that a receiver can refuse what was recorded and is played again.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// Carries `sha256=` and the signature in hex.
pub const SIGNATURE_HEADER: &str = "x-sluice-signature";
/// Carries when it was signed, in seconds since the Unix epoch.
pub const TIMESTAMP_HEADER: &str = "x-sluice-timestamp";

/// What stands in [`SIGNATURE_HEADER`].
///
/// # Panics
/// Never: HMAC takes keys of every length.
#[must_use]
pub fn signature(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let keyed = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
    let mut code = keyed.expect("invariant: HMAC takes keys of every length");
    code.update(timestamp.as_bytes());
    code.update(b".");
    code.update(body);
    let digits: String = code.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_openssl_says() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
        let signed = signature(&Secret::new("key"), "1700000000", br#"{"a":1}"#);
        assert_eq!(signed, "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03");
    }
}
