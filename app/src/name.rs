//! Names of servers and edges. They travel in headers, URLs and Redis keys, so they are checked once, here.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest name: well under the 128 bytes that the lease allows, and readable in a header.
const NAME_BYTES_MAX: usize = 64;

/// A name of letters, digits, `.`, `_` and `-`: safe unescaped in a header, a URL path and a Redis key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

/// Why a text is no name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected 1 to {NAME_BYTES_MAX} letters, digits, `.`, `_` or `-`")]
pub(crate) struct NotAName;

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        // A name of dots only would be a relative step in a URL path.
        let names_something = text.bytes().any(|byte| byte != b'.');
        if names_something && text.len() <= NAME_BYTES_MAX && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName)
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_names_pass() {
        assert_eq!("meow-1.eu_west".parse::<Name>().unwrap().as_str(), "meow-1.eu_west");
        for hostile in ["", ".", "..", "a/b", "a b", "{main}", "a\r\nx: y", "a:b", "mäo"] {
            assert_eq!(hostile.parse::<Name>(), Err(NotAName), "{hostile:?}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        assert!("a".repeat(NAME_BYTES_MAX).parse::<Name>().is_ok());
        assert!("a".repeat(NAME_BYTES_MAX + 1).parse::<Name>().is_err());
    }
}
