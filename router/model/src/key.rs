//! Logical state keys, `flag:NAME` and `rollout:NAME`, and the patterns that grant them. Never a key of Redis.

/// Ends a pattern that grants every key with the prefix before it.
const WILDCARD: char = '*';

/// True if `pattern` grants `key`: the key itself, or a prefix followed by `*`.
#[must_use]
pub fn matches_grant(pattern: &str, key: &str) -> bool {
    match pattern.strip_suffix(WILDCARD) {
        Some(prefix) => key.starts_with(prefix),
        None => pattern == key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_key_or_a_prefix() {
        for (pattern, key) in [("flag:a", "flag:a"), ("flag:*", "flag:a"), ("*", "rollout:x"), ("flag:a*", "flag:a")] {
            assert!(matches_grant(pattern, key), "{pattern} grants {key}");
        }
        for (pattern, key) in
            [("flag:a", "flag:ab"), ("flag:*", "rollout:a"), ("flag:a*", "flag:b"), ("", "flag:a"), ("f*g:a", "flag:a")]
        {
            assert!(!matches_grant(pattern, key), "{pattern} does not grant {key}");
        }
    }
}
