//! Signed overrides: who holds one is served by a variant whatever the bucket says, until it expires.
//!
//! A token is `VARIANT.EXPIRES.SIGNATURE`: expires in seconds since the Unix epoch, signature = the first 32 hex digits of
//! HMAC-SHA256 (RFC 2104) over `ROLLOUT/VARIANT/EXPIRES`. Names have dots but no slash, so one text has one meaning.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Shortest key, in bytes: 128 bits.
pub const KEY_BYTES_MIN: usize = 16;
/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 256;
/// Hex digits of a signature: 128 bits.
const SIGNATURE_DIGITS: usize = 32;

/// The key that overrides are signed with. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct OverrideKey(Vec<u8>);

impl fmt::Debug for OverrideKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OverrideKey(<hidden>)")
    }
}

/// A key that is too short to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has at least {KEY_BYTES_MIN} bytes")]
pub struct ShortKey;

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideFault {
    /// Not of the form.
    #[error("it is not of the form VARIANT.EXPIRES.SIGNATURE")]
    Syntax,
    /// Signed by another key, for another rollout, or changed.
    #[error("its signature is wrong")]
    Signature,
    /// Too old.
    #[error("it has expired")]
    Expired,
}

impl OverrideKey {
    /// A key of these bytes.
    ///
    /// # Errors
    /// [`ShortKey`] below [`KEY_BYTES_MIN`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ShortKey> {
        let bytes = bytes.into();
        if bytes.len() < KEY_BYTES_MIN { Err(ShortKey) } else { Ok(Self(bytes)) }
    }

    /// A token that has `rollout` serve its holder by `variant` until `expires_s`, in seconds since the Unix epoch.
    #[must_use]
    pub fn sign(&self, rollout: &str, variant: &str, expires_s: u64) -> String {
        let signature = self.mac(rollout, variant, expires_s).finalize().into_bytes();
        let hex: String = signature.iter().take(SIGNATURE_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        format!("{variant}.{expires_s}.{hex}")
    }

    /// The variant that `token` names.
    ///
    /// # Errors
    /// [`OverrideFault`].
    pub fn verify<'t>(&self, rollout: &str, token: &'t str, now_s: u64) -> Result<&'t str, OverrideFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(OverrideFault::Syntax);
        }
        let (rest, signature) = token.rsplit_once('.').ok_or(OverrideFault::Syntax)?;
        let (variant, expires) = rest.rsplit_once('.').ok_or(OverrideFault::Syntax)?;
        let is_number = expires.bytes().all(|byte| byte.is_ascii_digit());
        let expires_s: u64 = expires.parse().ok().filter(|_| is_number).ok_or(OverrideFault::Syntax)?;
        let given = unhex(signature).ok_or(OverrideFault::Syntax)?;
        let mac = self.mac(rollout, variant, expires_s);
        mac.verify_truncated_left(&given).map_err(|_| OverrideFault::Signature)?;
        if now_s >= expires_s { Err(OverrideFault::Expired) } else { Ok(variant) }
    }

    fn mac(&self, rollout: &str, variant: &str, expires_s: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("invariant: HMAC takes a key of any length");
        mac.update(format!("{rollout}/{variant}/{expires_s}").as_bytes());
        mac
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != SIGNATURE_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_700_000_000;

    fn key() -> OverrideKey {
        OverrideKey::new("0123456789abcdef").unwrap()
    }

    #[test]
    fn a_token_is_what_openssl_signs() {
        // printf demo/canary/1700000000 | openssl dgst -sha256 -hmac 0123456789abcdef | cut -c -32
        let token = "canary.1700000000.37e3683685e31b56bb5ac279aba79593";
        assert_eq!(key().sign("demo", "canary", NOW_S), token);
        assert_eq!(key().verify("demo", token, NOW_S - 1), Ok("canary"));
        assert_eq!(key().verify("demo", &token.to_uppercase().replace("CANARY", "canary"), NOW_S - 1), Ok("canary"));
    }

    #[test]
    fn a_token_ends_with_its_second() {
        let token = key().sign("demo", "canary", NOW_S);
        assert_eq!(key().verify("demo", &token, NOW_S), Err(OverrideFault::Expired));
        assert_eq!(key().verify("demo", &token, u64::MAX), Err(OverrideFault::Expired));
    }

    #[test]
    fn whatever_is_changed_the_signature_is_wrong() {
        let token = key().sign("demo", "canary", NOW_S);
        let wrong = |key: &OverrideKey, rollout: &str, token: &str| {
            assert_eq!(key.verify(rollout, token, 0), Err(OverrideFault::Signature), "{token}");
        };
        wrong(&key(), "other", &token);
        wrong(&key(), "demo", &token.replace("canary", "stable"));
        wrong(&key(), "demo", &token.replace("1700000000", "1700000001"));
        wrong(&OverrideKey::new("0123456789abcdeF").unwrap(), "demo", &token);
        let last = if token.ends_with('0') { '1' } else { '0' };
        wrong(&key(), "demo", &format!("{}{last}", &token[..token.len() - 1]));
    }

    #[test]
    fn dots_in_names_do_not_make_one_token_two() {
        let token = key().sign("a", "b.c", NOW_S);
        assert_eq!(key().verify("a", &token, 0), Ok("b.c"));
        assert_eq!(key().verify("a.b", token.strip_prefix("b.").unwrap(), 0), Err(OverrideFault::Signature));
    }

    #[test]
    fn what_is_no_token_is_told_before_anything_is_computed() {
        let good = key().sign("demo", "canary", NOW_S);
        let longest =
            |bytes: usize| format!("{}.1.{}", "v".repeat(bytes - 3 - SIGNATURE_DIGITS), "0".repeat(SIGNATURE_DIGITS));
        assert_eq!(longest(TOKEN_BYTES_MAX).len(), TOKEN_BYTES_MAX);
        assert_eq!(key().verify("demo", &longest(TOKEN_BYTES_MAX), 0), Err(OverrideFault::Signature));
        let huge = longest(TOKEN_BYTES_MAX + 1);
        let short = &good[..good.len() - 1];
        let long = format!("{good}0");
        let plus = good.replace(".1700000000.", ".+1700000000.");
        let multibyte = format!("canary.1700000000.{}", "\u{e4}".repeat(SIGNATURE_DIGITS / 2));
        for token in ["", ".", "..", "canary", "canary.1", "canary.x.0", short, &long, &plus, &huge, &multibyte] {
            assert_eq!(key().verify("demo", token, 0), Err(OverrideFault::Syntax), "{token}");
        }
    }

    #[test]
    fn a_key_has_128_bits_and_is_not_printed() {
        assert!(OverrideKey::new(vec![0; KEY_BYTES_MIN]).is_ok());
        assert_eq!(OverrideKey::new(vec![0; KEY_BYTES_MIN - 1]), Err(ShortKey));
        assert_eq!(format!("{:?}", key()), "OverrideKey(<hidden>)");
    }
}
