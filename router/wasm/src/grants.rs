//! Needs held against grants.

use sluice_model::plugin::Grants;

use crate::manifest::Needs;

impl Needs {
    /// The needs that are not granted, as a policy would write them; empty if the plugin may load.
    ///
    /// A need that ends in `*` says what kind of keys a plugin reads, its configuration which of them. Such a need is
    /// met by any grant that overlaps with it; each key of the activation is then held against the grants again.
    #[must_use]
    pub fn missing(&self, granted: &Grants) -> Vec<String> {
        let state = self.state.iter().filter(|need| !granted.touch(need));
        let mut missing: Vec<String> = state.map(|need| format!("state {need}")).collect();
        let flags = self.as_grants().flags().into_iter().zip(granted.flags());
        let lacking = flags.filter(|((_, is_needed), (_, is_granted))| *is_needed && !is_granted);
        missing.extend(lacking.map(|((name, _), _)| name.to_owned()));
        missing
    }

    /// Exactly these needs, granted.
    #[must_use]
    pub fn as_grants(&self) -> Grants {
        let Self { state, alerts, abort, counters, tags, log, edits, body } = self.clone();
        Grants { state, alerts, abort, counters, tags, log, edits, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_that_is_not_granted_is_named() {
        let state = vec!["flag:*".to_owned()];
        let needs = Needs { state, alerts: true, abort: true, counters: true, tags: true, ..Needs::default() };
        let nothing = Grants::default();
        assert_eq!(needs.missing(&nothing), ["state flag:*", "alerts", "abort", "counters", "tags"]);
        let grants = Grants { state: vec!["flag:a".to_owned()], ..needs.as_grants() };
        assert!(needs.missing(&grants).is_empty());
        assert!(Needs::default().missing(&grants).is_empty(), "a grant that is not needed does no harm");
    }
}
