//! What a plugin may do and how much it may use: said by the policy, kept by the plugin host.

use std::time::Duration;

use crate::key::matches_grant;

/// Memory of one instance, unless the policy says otherwise.
pub const MEMORY_BYTES_DEFAULT: u64 = 16 << 20;
/// Part of its memory, in percent, past which an instance is replaced between two requests, unless the policy says
/// otherwise: linear memory never shrinks, and what grows for good is better replaced than trapped.
pub const MEMORY_SOFT_PERCENT_DEFAULT: u64 = 75;
/// Bytes of one request body that a plugin is shown, unless the policy says otherwise.
pub const BODY_BYTES_DEFAULT: u64 = 1 << 20;
/// Log lines of one instance per second, unless the policy says otherwise; further ones are dropped and counted.
pub const LOG_LINES_PER_SECOND_DEFAULT: u32 = 20;
/// Alerts of one instance per minute, unless the policy says otherwise; further ones are dropped and counted. An abort
/// that comes with one is never dropped.
pub const ALERTS_PER_MINUTE_DEFAULT: u32 = 60;
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
    /// May write to its log.
    pub log: bool,
    /// May edit requests and responses.
    pub edits: bool,
    /// May see request bodies.
    pub body: bool,
}

/// How much a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory of one instance.
    pub memory_bytes_max: u64,
    /// Bytes of linear memory past which the instance is replaced between two requests.
    pub memory_bytes_soft: u64,
    /// CPU time of one call in the request path.
    pub call_cpu_max: Duration,
    /// CPU time of one `on-state`.
    pub state_cpu_max: Duration,
    /// CPU time of instantiation and `init`.
    pub init_cpu_max: Duration,
    /// Bytes of one request body that it is shown.
    pub body_bytes_max: u64,
    /// Log lines of one instance per second.
    pub log_lines_per_second_max: u32,
    /// Alerts of one instance per minute.
    pub alerts_per_minute_max: u32,
}

impl Grants {
    /// Everything there is.
    #[must_use]
    pub fn everything() -> Self {
        let state = vec!["*".to_owned()];
        Self { state, alerts: true, abort: true, counters: true, tags: true, log: true, edits: true, body: true }
    }

    /// All but the state keys, each with its key in a policy.
    #[must_use]
    pub const fn flags(&self) -> [(&'static str, bool); 7] {
        let Self { state: _, alerts, abort, counters, tags, log, edits, body } = self;
        [
            ("alerts", *alerts),
            ("abort", *abort),
            ("counters", *counters),
            ("tags", *tags),
            ("log", *log),
            ("edits", *edits),
            ("body", *body),
        ]
    }

    /// True if the key, or the whole kind of keys that ends in `*`, has a grant that overlaps with it.
    #[must_use]
    pub fn touch(&self, need: &str) -> bool {
        self.state.iter().any(|grant| overlaps(need, grant))
    }
}

impl Limits {
    /// What a plugin may use, unless the policy says otherwise.
    pub const DEFAULT: Self = Self {
        memory_bytes_max: MEMORY_BYTES_DEFAULT,
        memory_bytes_soft: memory_soft(MEMORY_BYTES_DEFAULT),
        call_cpu_max: CALL_CPU_DEFAULT,
        state_cpu_max: STATE_CPU_DEFAULT,
        init_cpu_max: INIT_CPU_DEFAULT,
        body_bytes_max: BODY_BYTES_DEFAULT,
        log_lines_per_second_max: LOG_LINES_PER_SECOND_DEFAULT,
        alerts_per_minute_max: ALERTS_PER_MINUTE_DEFAULT,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The soft limit that goes with a hard one, in bytes.
#[must_use]
pub const fn memory_soft(memory_bytes_max: u64) -> u64 {
    memory_bytes_max / 100 * MEMORY_SOFT_PERCENT_DEFAULT
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
