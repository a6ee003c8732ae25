//! What the checks say of each server so far. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sluice_policy::upstream::HealthCheck;

/// The verdicts on the servers of one upstream, by address.
#[derive(Debug, Default)]
pub(super) struct Verdicts(BTreeMap<String, Verdict>);

/// A server counts as healthy until its checks say otherwise: a router that starts must not begin with refusing.
#[derive(Debug)]
struct Verdict {
    is_healthy: bool,
    /// Answers in a row that contradict it.
    against: u32,
}

impl Verdicts {
    /// These are the servers from now on; the others are forgotten.
    pub(super) fn keep(&mut self, servers: &BTreeSet<String>) {
        self.0.retain(|address, _| servers.contains(address));
    }

    /// An answer of a server to a check; `Some` = the verdict changed to this.
    pub(super) fn answered(&mut self, address: &str, is_good: bool, check: &HealthCheck) -> Option<bool> {
        let verdict = self.0.entry(address.to_owned()).or_insert(Verdict { is_healthy: true, against: 0 });
        if is_good == verdict.is_healthy {
            verdict.against = 0;
            return None;
        }
        verdict.against += 1;
        let needed = if verdict.is_healthy { check.unhealthy_after } else { check.healthy_after };
        if verdict.against < needed {
            return None;
        }
        *verdict = Verdict { is_healthy: is_good, against: 0 };
        Some(is_good)
    }

    /// Who fails, sorted.
    pub(super) fn unhealthy(&self) -> Vec<String> {
        self.0.iter().filter(|(_, verdict)| !verdict.is_healthy).map(|(address, _)| address.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_changes_after_enough_answers_in_a_row() {
        let mut check = HealthCheck::new("/healthz".to_owned());
        (check.unhealthy_after, check.healthy_after) = (3, 2);
        let mut verdicts = Verdicts::default();
        let mut say = |answers: &str| -> Vec<Option<bool>> {
            answers.chars().map(|answer| verdicts.answered("a:1", answer == '+', &check)).collect()
        };
        assert_eq!(say("--+--"), [None; 5], "never three in a row");
        assert_eq!(say("-"), [Some(false)]);
        assert_eq!(say("-+-+"), [None; 4], "never two in a row");
        assert_eq!(say("+"), [Some(true)]);
        assert_eq!(say("-+--"), [None; 4]);
        assert_eq!(say("-"), [Some(false)]);
        assert_eq!(verdicts.unhealthy(), ["a:1"]);
        verdicts.keep(&BTreeSet::from(["b:1".to_owned()]));
        assert!(verdicts.unhealthy().is_empty(), "who left is forgotten");
    }
}
