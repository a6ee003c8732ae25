//! Signed overrides: who holds one is served by a variant whatever the bucket says, until it expires.
//!
//! A token is `VARIANT.EXPIRES.SIGNATURE`: expires in seconds since the Unix epoch, signature = the first 32 hex digits of
//! HMAC-SHA256 (RFC 2104) over `ROLLOUT.VARIANT.EXPIRES`.

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
        let expires_s: u64 = expires.parse().map_err(|_| OverrideFault::Syntax)?;
        let given = unhex(signature).ok_or(OverrideFault::Syntax)?;
        let mac = self.mac(rollout, variant, expires_s);
        mac.verify_truncated_left(&given).map_err(|_| OverrideFault::Signature)?;
        if now_s >= expires_s { Err(OverrideFault::Expired) } else { Ok(variant) }
    }

    fn mac(&self, rollout: &str, variant: &str, expires_s: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("invariant: HMAC takes a key of any length");
        mac.update(format!("{rollout}.{variant}.{expires_s}").as_bytes());
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
