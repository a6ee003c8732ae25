//! What a plugin may do and how much it may use: said by the policy, kept by the plugin host.

use std::time::Duration;

use crate::key::matches_grant;

/// Memory of one instance, unless the policy says otherwise.
pub const MEMORY_BYTES_DEFAULT: u64 = 16 << 20;
/// CPU time of one call in the request path, unless the policy says otherwise.
pub const CALL_CPU_DEFAULT: Duration = Duration::from_millis(5);
/// CPU time of one `on-state`, unless the policy says otherwise.
pub const STATE_CPU_DEFAULT: Duration = Duration::from_millis(50);
/// CPU time of `init`, unless the policy says otherwise.
pub const INIT_CPU_DEFAULT: Duration = Duration::from_millis(500);

/// What a plugin may do; nothing unless granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// State keys it may be told, or prefixes of keys that end in `*`, such as `flag:*`.
    pub state: Vec<String>,
    /// May raise alerts.
    pub alerts: bool,
    /// Its alerts may abort the route's rollout.
    pub abort: bool,
    /// May add to counters.
    pub counters: bool,
    /// May tag requests.
    pub tags: bool,
}

/// How much a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory of one instance.
    pub memory_bytes_max: u64,
    /// CPU time of one call in the request path.
    pub call_cpu_max: Duration,
    /// CPU time of one `on-state`.
    pub state_cpu_max: Duration,
    /// CPU time of instantiation and `init`.
    pub init_cpu_max: Duration,
}

impl Grants {
    /// True if the key, or the whole kind of keys that ends in `*`, has a grant that overlaps with it.
    #[must_use]
    pub fn touch(&self, need: &str) -> bool {
        self.state.iter().any(|grant| overlaps(need, grant))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            call_cpu_max: CALL_CPU_DEFAULT,
            state_cpu_max: STATE_CPU_DEFAULT,
            init_cpu_max: INIT_CPU_DEFAULT,
        }
    }
}

/// True if one of these keys or prefixes can stand for the other.
fn overlaps(need: &str, grant: &str) -> bool {
    let stem = |pattern: &str| pattern.strip_suffix('*').unwrap_or(pattern).to_owned();
    matches_grant(grant, &stem(need)) || (need.ends_with('*') && matches_grant(need, &stem(grant)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_for_a_kind_of_keys_is_met_by_one_of_them() {
        let touch = |need: &str, grant: &str| Grants { state: vec![grant.to_owned()], ..Grants::default() }.touch(need);
        for (need, grant) in [("flag:a", "flag:a"), ("flag:a", "flag:*"), ("flag:*", "flag:a"), ("flag:a*", "flag:*")] {
            assert!(touch(need, grant), "need {need}, grant {grant}");
        }
        for (need, grant) in
            [("flag:a", "flag:b"), ("flag:*", "rollout:a"), ("flag:ab", "flag:a"), ("flag:a", "flag:ab")]
        {
            assert!(!touch(need, grant), "need {need}, grant {grant}");
        }
    }
}
