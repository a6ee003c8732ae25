//! What the policy grants a plugin and how much it may use.

use std::time::Duration;

use sluice_model::key::matches_grant;

use crate::manifest::Needs;

/// What a plugin may do. Nothing unless granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// State keys it may be told, or prefixes of keys that end in `*`.
    pub state: Vec<String>,
    /// May raise alerts.
    pub alerts: bool,
    /// Its alerts may stop the route's rollout.
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
    /// CPU time of one call of a request.
    pub call_cpu_max: Duration,
    /// CPU time of one `on-state`.
    pub state_cpu_max: Duration,
    /// CPU time of instantiation and `init`.
    pub init_cpu_max: Duration,
}

impl Grants {
    /// The needs that are not granted, as a policy would write them; empty if the plugin may load.
    ///
    /// A need that ends in `*` says what kind of keys a plugin reads, its configuration which of them. Such a need is
    /// met by any grant that overlaps with it; each key of the activation is then held against the grants again.
    #[must_use]
    pub fn missing(&self, needs: &Needs) -> Vec<String> {
        let state = needs.state.iter().filter(|need| !self.state.iter().any(|grant| overlaps(need, grant)));
        let mut missing: Vec<String> = state.map(|need| format!("state {need}")).collect();
        for (name, is_needed, is_granted) in [
            ("alerts", needs.alerts, self.alerts),
            ("abort", needs.abort, self.abort),
            ("counters", needs.counters, self.counters),
            ("tags", needs.tags, self.tags),
        ] {
            if is_needed && !is_granted {
                missing.push(name.to_owned());
            }
        }
        missing
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

    fn state_missing(need: &str, grant: &str) -> bool {
        let needs = Needs { state: vec![need.to_owned()], ..Needs::default() };
        let grants = Grants { state: vec![grant.to_owned()], ..Grants::default() };
        !grants.missing(&needs).is_empty()
    }

    #[test]
    fn every_need_that_is_not_granted_is_named() {
        let state = vec!["flag:*".to_owned()];
        let needs = Needs { state, alerts: true, abort: true, counters: true, tags: true };
        assert_eq!(Grants::default().missing(&needs), ["state flag:*", "alerts", "abort", "counters", "tags"]);
        let grants = Grants { state: vec!["flag:a".to_owned()], alerts: true, abort: true, counters: true, tags: true };
        assert!(grants.missing(&needs).is_empty());
        assert!(grants.missing(&Needs::default()).is_empty(), "a grant that is not needed does no harm");
    }

    #[test]
    fn a_need_for_a_kind_of_keys_is_met_by_one_of_them() {
        for (need, grant) in [("flag:a", "flag:a"), ("flag:a", "flag:*"), ("flag:*", "flag:a"), ("flag:a*", "flag:*")] {
            assert!(!state_missing(need, grant), "need {need}, grant {grant}");
        }
        for (need, grant) in
            [("flag:a", "flag:b"), ("flag:*", "rollout:a"), ("flag:ab", "flag:a"), ("flag:a", "flag:ab")]
        {
            assert!(state_missing(need, grant), "need {need}, grant {grant}");
        }
    }
}
