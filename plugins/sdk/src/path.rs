//! Path prefixes by segment, as the host matches them.

/// Whether `prefix` covers the normalised `path`: `/set` covers `/set` and `/set/x`, not `/settle`; `/` covers all.
#[must_use]
pub fn covers(prefix: &str, path: &[u8]) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix).as_bytes();
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_segments() {
        for (prefix, path, covered) in [
            ("/set", "/set", true),
            ("/set", "/set/x", true),
            ("/set/", "/set", true),
            ("/set", "/settle", false),
            ("/set", "/SET", false),
            ("/set", "/", false),
            ("/", "/", true),
            ("/", "/anything", true),
        ] {
            assert_eq!(covers(prefix, path.as_bytes()), covered, "{prefix} {path}");
        }
    }
}
