//! Switches: raw boolean keys that any Redis client may `SET`, such as the original `featureFlags`.

/// Name of the original switch; it gates `/set`.
pub const FEATURE_FLAGS: &str = "featureFlags";

/// Reads the text of a raw switch: `true`/`false`, `1`/`0`, `on`/`off`, in any case, white space around ignored.
/// `None` = none of these; the caller keeps its last good value and raises a fault.
#[must_use]
pub fn parse_switch(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("1") || is("on") {
        Some(true)
    } else if is("false") || is("0") || is("off") {
        Some(false)
    } else {
        None
    }
}

/// Longest name that becomes a part of a key, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// True if a switch, or anything else that becomes a part of a key, can have this name: letters, digits, `_`, `.`, `-`,
/// nothing that means something in a Redis key, pattern or hash tag.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// How a switch is written: `true` or `false`.
#[must_use]
pub const fn switch_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_nothing_that_means_something_in_a_key() {
        assert!(is_name("featureFlags") && is_name(&"x".repeat(NAME_BYTES_MAX)));
        for name in ["", "a b", "a{b}", "a*", "a:b", "\u{e4}", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn switches_read_what_people_write() {
        for text in ["true", "1", "on", " TRUE\n", "On"] {
            assert_eq!(parse_switch(text), Some(true), "{text:?}");
        }
        for text in ["false", "0", "off", "OFF "] {
            assert_eq!(parse_switch(text), Some(false), "{text:?}");
        }
        for text in ["", "yes", "tru", "2", "null"] {
            assert_eq!(parse_switch(text), None, "{text:?}");
        }
    }
}
