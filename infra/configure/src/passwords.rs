//! Passwords of the users of Redis: each its own, made from the one secret of the fleet, so that a machine that is broken into gives
//! away no user but its own.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::export::blank;

/// Shortest secret, in bytes: 16 letters and digits are some 95 bits.
pub const PASSWORD_BYTES_MIN: usize = 16;
/// First of what is hashed, so that no other use of the secret makes the same.
pub(crate) const PURPOSE: &str = "sluice redis user 1";
/// The user whose password is the secret itself.
const OPERATOR: &str = "operator";
/// The environment variable with the secret, and the beginning of those with the passwords of its users.
pub(crate) const SECRET_VARIABLE: &str = "SLUICE_REDIS_PASSWORD";

/// A secret that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the password of Redis is letters and digits, {PASSWORD_BYTES_MIN} of them at least: `openssl rand -hex 16` makes one"
)]
pub struct WeakPassword;

/// The passwords of all users.
#[derive(Clone, PartialEq, Eq)]
pub struct Passwords(Origin);

/// Where they come from.
#[derive(Clone, PartialEq, Eq)]
enum Origin {
    Secret(String),
    /// Nowhere: blanks that whoever uses an export fills in.
    Blank,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords(..)")
    }
}

impl Passwords {
    /// From the secret of the fleet.
    ///
    /// # Errors
    /// [`WeakPassword`]
    pub fn new(secret: &str) -> Result<Self, WeakPassword> {
        let fits = secret.len() >= PASSWORD_BYTES_MIN && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits { Ok(Self(Origin::Secret(secret.to_owned()))) } else { Err(WeakPassword) }
    }

    /// No passwords, but blanks in their places.
    pub(crate) const fn blank() -> Self {
        Self(Origin::Blank)
    }

    /// The password of a user. Operators use the secret itself.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    pub fn of(&self, user: &str) -> String {
        let secret = match &self.0 {
            Origin::Blank => return blank::secret(&variable_of(user)),
            Origin::Secret(secret) if user == OPERATOR => return secret.clone(),
            Origin::Secret(secret) => secret,
        };
        let mut hash =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("invariant: HMAC takes keys of any length");
        hash.update(PURPOSE.as_bytes());
        hash.update(user.as_bytes());
        hex(&hash.finalize().into_bytes())
    }

    /// What Redis keeps of it: its SHA-256, so that the file of users holds no password.
    #[must_use]
    pub fn hash_of(&self, user: &str) -> String {
        match self.0 {
            Origin::Blank => blank::digest(&variable_of(user)),
            Origin::Secret(_) => hex(&Sha256::digest(self.of(user).as_bytes())),
        }
    }
}

/// The environment variable that holds the password of a user where an export is used.
fn variable_of(user: &str) -> String {
    match user {
        OPERATOR => SECRET_VARIABLE.to_owned(),
        user => format!("{SECRET_VARIABLE}_{}", user.to_ascii_uppercase().replace('-', "_")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_its_own_and_the_operator_the_secret_itself() {
        let passwords = Passwords::new("0123456789abcdef").unwrap();
        assert_eq!(passwords.of("operator"), "0123456789abcdef");
        assert!(passwords.of("router") != passwords.of("app") && passwords.of("app").len() == 64);
        assert_eq!(passwords.of("app"), Passwords::new("0123456789abcdef").unwrap().of("app"));
        assert!(!format!("{passwords:?}").contains("0123"));
    }

    #[test]
    fn a_short_one_and_one_that_needs_quoting_are_refused() {
        assert!(Passwords::new(&"x".repeat(PASSWORD_BYTES_MIN)).is_ok());
        for bad in ["", &"x".repeat(PASSWORD_BYTES_MIN - 1), "0123456789abcde@", "0123456789abcdef\n"] {
            assert_eq!(Passwords::new(bad), Err(WeakPassword), "{bad:?}");
        }
    }
}
