//! Reading a plugin's configuration, with errors that an operator can act on.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};

/// Reads the JSON object of the policy file. Give the type `#[serde(deny_unknown_fields)]`: a misspelt key is then an
/// error that names it.
///
/// # Errors
/// What is wrong with the configuration, in one line.
pub fn parse<T: DeserializeOwned>(config: &str) -> Result<T, String> {
    serde_json::from_str(config).map_err(|error| {
        let text = error.to_string();
        // The operator wrote TOML: a position in the JSON made of it would only mislead.
        let position = format!(" at line {} column {}", error.line(), error.column());
        format!("config: {}", text.strip_suffix(&position).unwrap_or(&text))
    })
}

/// Checks an HTTP status that a plugin is to answer with.
///
/// # Errors
/// It is not in 200-599, the range of the contract.
pub fn check_status(status: u16) -> Result<(), String> {
    match status {
        200..=599 => Ok(()),
        _ => Err(format!("config: status {status} is not in 200-599")),
    }
}

/// Checks a path prefix.
///
/// # Errors
/// It does not start with `/`.
pub fn check_path(path: &str) -> Result<(), String> {
    if path.starts_with('/') { Ok(()) } else { Err(format!("config: path {path:?} does not start with /")) }
}

/// A number of bytes, written as an integer or with a unit: `50000`, `"50000B"`, `"64KiB"`, `"2MB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

/// Units of a [`ByteCount`] and the bytes in each.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl ByteCount {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u64>().ok()?.checked_mul(*bytes).map(Self)
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteCountVisitor)
    }
}

struct ByteCountVisitor;

impl Visitor<'_> for ByteCountVisitor {
    type Value = ByteCount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes such as 50000, \"50000B\" or \"64KiB\"")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteCount, E> {
        Ok(ByteCount(bytes))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteCount, E> {
        ByteCount::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        limit: ByteCount,
    }

    #[test]
    fn byte_counts_read_what_people_write() {
        for (text, bytes) in [
            ("0", 0),
            ("50000", 50_000),
            ("\"50000B\"", 50_000),
            ("\"64KiB\"", 65_536),
            ("\"2 MB\"", 2_000_000),
            ("\"1GiB\"", 1_073_741_824),
        ] {
            let config = format!(r#"{{"limit":{text}}}"#);
            assert_eq!(parse(&config), Ok(Example { limit: ByteCount(bytes) }), "{text}");
        }
        for text in ["-1", "1.5", "\"\"", "\"B\"", "\"50000\"", "\"5 parsecs\"", "\"99999999999GiB\"", "null"] {
            assert!(parse::<Example>(&format!(r#"{{"limit":{text}}}"#)).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_name_the_key_and_no_position() {
        let error = parse::<Example>(r#"{"limt":1}"#).expect_err("misspelt");
        assert_eq!(error, "config: unknown field `limt`, expected `limit`");
        let error = parse::<Example>(r#"{"limit":"5 parsecs"}"#).expect_err("no such unit");
        assert!(error.ends_with("expected a number of bytes such as 50000, \"50000B\" or \"64KiB\""), "{error}");
    }

    #[test]
    fn statuses_and_paths_are_checked_at_their_bounds() {
        for (status, good) in [(199, false), (200, true), (599, true), (600, false)] {
            assert_eq!(check_status(status).is_ok(), good, "{status}");
        }
        assert!(check_path("/set").is_ok());
        assert!(check_path("set").is_err());
    }
}
