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

/// How a switch is written: `true` or `false`.
#[must_use]
pub const fn switch_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

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
