//! Which digest takes a plugin's seat: the rules, pure, so that they can be read and tried in one place.

use sluice_policy::{FailurePolicy, LoadFailure};

use super::ledger::{Hold, Ledger};

/// What a build knows of a plugin before it loads anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation<'a> {
    /// Digest of the file in the folder; `None` = there is none, or it does not compile.
    pub(crate) folder: Option<&'a str>,
    pub(crate) ledger: &'a Ledger,
    /// Whether a new digest has to stand a trial first.
    pub(crate) has_trial: bool,
    /// What the policy says of a file that cannot be loaded.
    pub(crate) on_load_failure: LoadFailure,
}

/// Who takes the seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The file in the folder.
    Folder,
    /// The digest that served, with the folder's on trial beside it.
    Trial {
        /// The one that served.
        main: String,
    },
    /// The digest that served, because the folder's must not.
    Held {
        /// The one that served.
        main: String,
        /// Why the folder's must not.
        hold: Hold,
    },
    /// The digest that served, because the folder's file is at fault.
    FallBack {
        /// The one that served.
        main: String,
    },
    /// Nobody: the policy says to go on without.
    Empty(FailurePolicy),
    /// Nobody, and the policy cannot be published so.
    Refused,
}

/// Decides for a file as it lies in the folder.
pub(crate) fn choose(situation: Situation<'_>) -> Choice {
    let Some(folder) = situation.folder else { return fall_back(situation, None) };
    let main = situation.ledger.serving().filter(|main| *main != folder).map(str::to_owned);
    match (situation.ledger.held(folder), main) {
        (Some(hold), Some(main)) => Choice::Held { main, hold },
        (Some(_), None) => fall_back(situation, Some(folder)),
        (None, Some(main)) if situation.has_trial => Choice::Trial { main },
        (None, _) => Choice::Folder,
    }
}

/// Decides for a file that is at fault; `refused` is its digest, if it has one: it cannot stand in for itself. While an
/// operator holds another digest back, the one that he went back to serves, whatever the policy says of faults.
pub(crate) fn fall_back(situation: Situation<'_>, refused: Option<&str>) -> Choice {
    let main = situation.ledger.serving().filter(|main| Some(*main) != refused);
    let is_held = situation.ledger.hold().is_some();
    match (situation.on_load_failure, main) {
        (LoadFailure::Without(policy), main) if !is_held || main.is_none() => Choice::Empty(policy),
        (_, Some(main)) => Choice::FallBack { main: main.to_owned() },
        (_, None) => Choice::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::ledger::{Decision, DigestOutcome};

    const NOW: Decision<'static> = Decision { by: "folder", reason: Some("so"), now_ms: 1 };

    /// `old` served before `main`, which serves.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.serves("old", "1.0.0", NOW);
        ledger.serves("main", "1.0.0", NOW);
        ledger
    }

    fn chosen(folder: Option<&str>, ledger: &Ledger, has_trial: bool, on_load_failure: LoadFailure) -> Choice {
        choose(Situation { folder, ledger, has_trial, on_load_failure })
    }

    fn main() -> String {
        "main".to_owned()
    }

    #[test]
    fn a_good_file_serves_at_once_or_after_its_trial() {
        let (known, nothing) = (ledger(), Ledger::default());
        for has_trial in [false, true] {
            assert_eq!(chosen(Some("main"), &known, has_trial, LoadFailure::LastGood), Choice::Folder);
            assert_eq!(chosen(Some("new"), &nothing, has_trial, LoadFailure::LastGood), Choice::Folder, "the first");
        }
        assert_eq!(chosen(Some("new"), &known, false, LoadFailure::LastGood), Choice::Folder);
        assert_eq!(chosen(Some("new"), &known, true, LoadFailure::LastGood), Choice::Trial { main: main() });
    }

    #[test]
    fn a_file_at_fault_is_replaced_as_the_policy_says() {
        let (known, nothing) = (ledger(), Ledger::default());
        let without = LoadFailure::Without(FailurePolicy::Open);
        assert_eq!(chosen(None, &known, true, LoadFailure::LastGood), Choice::FallBack { main: main() });
        assert_eq!(chosen(None, &nothing, true, LoadFailure::LastGood), Choice::Refused);
        for ledger in [&known, &nothing] {
            assert_eq!(chosen(None, ledger, false, without), Choice::Empty(FailurePolicy::Open));
        }
    }

    #[test]
    fn a_digest_that_is_refused_does_not_stand_in_for_itself() {
        let ledger = ledger();
        let situation = Situation {
            folder: Some("main"),
            ledger: &ledger,
            has_trial: false,
            on_load_failure: LoadFailure::LastGood,
        };
        assert_eq!(fall_back(situation, Some("main")), Choice::Refused);
        assert_eq!(fall_back(situation, Some("new")), Choice::FallBack { main: main() });
    }

    #[test]
    fn a_held_digest_stays_out_whatever_the_policy_says_of_faults() {
        for on_load_failure in [LoadFailure::LastGood, LoadFailure::Without(FailurePolicy::Open)] {
            let mut ledger = ledger();
            ledger.hold_back("new", NOW);
            let held = chosen(Some("new"), &ledger, true, on_load_failure);
            assert!(matches!(held, Choice::Held { main, hold } if main == "main" && !hold.is_quarantined));
            assert_eq!(chosen(Some("another"), &ledger, false, on_load_failure), Choice::Folder);
        }
    }

    #[test]
    fn what_an_operator_went_back_to_serves_whatever_becomes_of_the_file() {
        let mut ledger = ledger();
        ledger.hold_back("new", NOW);
        let without = LoadFailure::Without(FailurePolicy::Open);
        assert_eq!(chosen(None, &ledger, false, without), Choice::FallBack { main: main() });
    }

    #[test]
    fn a_quarantined_digest_that_nothing_replaces_counts_as_a_fault() {
        let mut ledger = Ledger::default();
        ledger.serves("bad", "1.0.0", NOW);
        ledger.takes_back("bad", DigestOutcome::Quarantined, NOW);
        assert_eq!(chosen(Some("bad"), &ledger, false, LoadFailure::LastGood), Choice::Refused);
        let without = LoadFailure::Without(FailurePolicy::Closed { status: 503 });
        assert_eq!(chosen(Some("bad"), &ledger, false, without), Choice::Empty(FailurePolicy::Closed { status: 503 }));
    }
}
