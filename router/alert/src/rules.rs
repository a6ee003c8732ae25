//! When an alert is raised, and when it is over: the machine of one rule and one subject.
//!
//! `inactive -> pending (for `hold`) -> firing -> (not seen for `keep`) -> resolved = inactive`. Pure: whoever measures
//! says whether the condition holds, and what time it is. A clock that runs back makes waits longer, never shorter.

/// How long what must last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The condition must hold for so long before it fires, ms; 0 = at once.
    pub hold_ms: u64,
    /// It stays up for so long after the condition was last seen, ms; 0 = until it is first not seen.
    pub keep_ms: u64,
}

/// Where a rule stands with its subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The condition does not hold.
    #[default]
    Inactive,
    /// It holds, not for long enough yet.
    Pending {
        /// Since when, ms.
        since_ms: u64,
    },
    /// The alert is up.
    Firing {
        /// Since when, ms.
        since_ms: u64,
        /// When the condition was last seen to hold, ms.
        seen_ms: u64,
    },
}

/// What one step did that others may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The alert is up from now on.
    Fired,
    /// The alert is over.
    Resolved,
}

/// One rule and one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    phase: Phase,
}

impl Machine {
    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes in whether the condition `holds` at `now_ms`.
    pub const fn step(&mut self, holds: bool, now_ms: u64, timing: Timing) -> Option<Change> {
        let (phase, change) = match (self.phase, holds) {
            (Phase::Inactive, false) | (Phase::Pending { .. }, false) => (Phase::Inactive, None),
            (Phase::Inactive, true) => begin(now_ms, now_ms, timing),
            (Phase::Pending { since_ms }, true) => begin(since_ms, now_ms, timing),
            (Phase::Firing { since_ms, seen_ms }, true) => {
                let seen_ms = if now_ms > seen_ms { now_ms } else { seen_ms };
                (Phase::Firing { since_ms, seen_ms }, None)
            }
            (Phase::Firing { seen_ms, .. }, false) if now_ms.saturating_sub(seen_ms) >= timing.keep_ms => {
                (Phase::Inactive, Some(Change::Resolved))
            }
            (firing @ Phase::Firing { .. }, false) => (firing, None),
        };
        self.phase = phase;
        change
    }
}

/// The condition has held since `since_ms`.
const fn begin(since_ms: u64, now_ms: u64, timing: Timing) -> (Phase, Option<Change>) {
    if now_ms.saturating_sub(since_ms) >= timing.hold_ms {
        (Phase::Firing { since_ms: now_ms, seen_ms: now_ms }, Some(Change::Fired))
    } else {
        (Phase::Pending { since_ms }, None)
    }
}

/// What alerts are the same by: a rule, and what it saw it of.
#[must_use]
pub fn fingerprint(rule: &str, subject: &str) -> String {
    if subject.is_empty() { rule.to_owned() } else { format!("{rule}/{subject}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMING: Timing = Timing { hold_ms: 60, keep_ms: 100 };

    #[test]
    fn it_fires_at_its_bound_and_not_before() {
        let mut machine = Machine::default();
        assert_eq!(machine.step(true, 1_000, TIMING), None);
        assert_eq!(machine.step(true, 1_059, TIMING), None);
        assert_eq!(machine.phase(), Phase::Pending { since_ms: 1_000 });
        assert_eq!(machine.step(true, 1_060, TIMING), Some(Change::Fired));
        assert_eq!(machine.step(true, 1_061, TIMING), None);
    }

    #[test]
    fn a_gap_begins_the_wait_anew_and_a_gap_while_firing_does_not_resolve() {
        let mut machine = Machine::default();
        machine.step(true, 0, TIMING);
        machine.step(false, 59, TIMING);
        assert_eq!(machine.step(true, 60, TIMING), None);
        assert_eq!(machine.step(true, 120, TIMING), Some(Change::Fired));
        assert_eq!(machine.step(false, 219, TIMING), None);
        machine.step(true, 219, TIMING);
        assert_eq!(machine.step(false, 318, TIMING), None);
        assert_eq!(machine.step(false, 319, TIMING), Some(Change::Resolved));
        assert_eq!(machine.phase(), Phase::Inactive);
    }

    #[test]
    fn without_waits_it_follows_the_condition() {
        let mut machine = Machine::default();
        assert_eq!(machine.step(true, 5, Timing::default()), Some(Change::Fired));
        assert_eq!(machine.step(false, 5, Timing::default()), Some(Change::Resolved));
    }

    #[test]
    fn a_subject_tells_alerts_of_a_rule_apart() {
        assert_ne!(fingerprint("errors", "app"), fingerprint("errors", "api"));
        assert_eq!(fingerprint("errors", ""), "errors");
    }

    proptest! {
        #[test]
        fn fired_and_resolved_take_turns_and_never_come_early(
            steps in prop::collection::vec((any::<bool>(), 0_u64..50), 1..200),
            hold_ms in 0_u64..100,
            keep_ms in 0_u64..100,
        ) {
            let timing = Timing { hold_ms, keep_ms };
            let mut machine = Machine::default();
            let (mut now_ms, mut is_up) = (0, false);
            // Of the condition: since when it has held, and when it was last seen.
            let (mut held_since, mut last_seen) = (None, 0);
            for (holds, passed_ms) in steps {
                now_ms += passed_ms;
                held_since = holds.then(|| held_since.unwrap_or(now_ms));
                last_seen = if holds { now_ms } else { last_seen };
                match machine.step(holds, now_ms, timing) {
                    Some(Change::Fired) => {
                        prop_assert!(!is_up && holds);
                        prop_assert!(now_ms - held_since.unwrap_or(u64::MAX) >= hold_ms);
                        is_up = true;
                    }
                    Some(Change::Resolved) => {
                        prop_assert!(is_up && !holds && now_ms - last_seen >= keep_ms);
                        is_up = false;
                    }
                    None if is_up => prop_assert!(holds || now_ms - last_seen < keep_ms),
                    None => prop_assert!(held_since.is_none_or(|since| now_ms - since < hold_ms)),
                }
                prop_assert_eq!(is_up, matches!(machine.phase(), Phase::Firing { .. }));
            }
        }

        #[test]
        fn a_clock_that_jumps_neither_panics_nor_fires_early(
            steps in prop::collection::vec((any::<bool>(), any::<u64>()), 1..50),
        ) {
            let mut machine = Machine::default();
            let mut first = None;
            for (holds, now_ms) in steps {
                first = if holds { first.or(Some(now_ms)) } else { None };
                if machine.step(holds, now_ms, TIMING) == Some(Change::Fired) {
                    prop_assert!(first.is_some_and(|first| now_ms.saturating_sub(first) >= TIMING.hold_ms));
                }
            }
        }
    }
}
