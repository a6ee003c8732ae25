//! A text that is used and never shown.

use std::fmt;

/// What is written in place of a secret.
const HIDDEN: &str = "***";

/// A password, a key, or an address that is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it in.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// To use, never to show.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the secret: what others answer may repeat it.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, HIDDEN) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.hide_in("no hunter2 here, hunter2"), "no *** here, ***");
        assert_eq!(Secret::new("").hide_in("ab"), "ab");
    }
}
