//! Tests of the ledger: what is remembered, in which order, and what it says of a digest.

use super::*;

fn at(now_ms: u64) -> Decision<'static> {
    Decision { by: "folder", reason: None, now_ms }
}

fn outcomes(ledger: &Ledger) -> Vec<(&str, DigestOutcome)> {
    ledger.newest_first().map(|kept| (kept.digest.as_str(), kept.outcome)).collect()
}

/// `a`, `b`, `c` served, in this order.
fn three() -> Ledger {
    let mut ledger = Ledger::default();
    for (digest, now_ms) in [("a", 1), ("b", 2), ("c", 3)] {
        ledger.serves(digest, "1.0.0", at(now_ms));
    }
    ledger
}

#[test]
fn going_back_twice_goes_back_two_digests() {
    let mut ledger = three();
    for (from, to) in [("c", "b"), ("b", "a")] {
        assert_eq!(ledger.before().unwrap().digest, to);
        ledger.serves(to, "1.0.0", at(4));
        ledger.takes_back(from, DigestOutcome::RolledBack, at(4));
    }
    assert!(matches!(ledger.before(), Err(PrefixError::NoneBefore(kept)) if kept == "a, b, c"));
    assert_eq!(ledger.serving(), Some("a"));
}

#[test]
fn a_digest_is_remembered_once_with_its_first_and_last_time() {
    let mut ledger = three();
    ledger.serves("a", "1.0.0", at(9));
    let newest = ledger.newest_first().next().unwrap();
    assert_eq!((newest.digest.as_str(), newest.first_served_ms, newest.last_served_ms), ("a", 1, 9));
    assert_eq!(ledger.newest_first().count(), 3);
    let before = ledger.clone();
    ledger.serves("a", "1.0.0", at(10));
    assert_eq!(ledger, before, "the same digest again is no news");
}

#[test]
fn digests_are_bounded_and_the_one_that_serves_is_never_forgotten() {
    let mut ledger = Ledger::default();
    ledger.serves("serving", "1.0.0", at(0));
    for index in 0..DIGESTS_KEPT_MAX {
        assert_eq!(ledger.newest_first().count(), (index + 1).min(DIGESTS_KEPT_MAX));
        ledger.tries(&format!("trial-{index}"), "1.0.0", at(1));
    }
    assert_eq!(ledger.newest_first().count(), DIGESTS_KEPT_MAX);
    assert_eq!(ledger.serving(), Some("serving"));
    assert!(ledger.find("trial-0").is_none() && ledger.find("trial-1").is_some());
}

#[test]
fn a_prefix_stands_for_one_digest_or_says_why_not() {
    let mut ledger = Ledger::default();
    for digest in ["aa11", "aa22", "bb33"] {
        ledger.serves(digest, "1.0.0", at(1));
    }
    assert_eq!(ledger.starting_with("B").unwrap().digest, "bb33");
    assert_eq!(ledger.starting_with("aa1").unwrap().digest, "aa11");
    assert!(
        matches!(ledger.starting_with("aa"), Err(PrefixError::Ambiguous { several, .. }) if several == "aa22, aa11")
    );
    for prefix in ["", "c", "aa11f"] {
        assert!(matches!(ledger.starting_with(prefix), Err(PrefixError::Unknown { .. })), "{prefix:?}");
    }
}

#[test]
fn a_hold_ends_with_another_digest_and_a_quarantine_does_not() {
    let mut ledger = three();
    ledger.hold_back("c", at(4));
    ledger.saw("c");
    assert!(ledger.held("c").is_some_and(|hold| !hold.is_quarantined));
    ledger.takes_back("b", DigestOutcome::Quarantined, at(5));
    ledger.saw("d");
    assert!(ledger.held("c").is_none());
    assert!(ledger.held("b").is_some_and(|hold| hold.is_quarantined && hold.since_ms == 5));
    assert!(ledger.let_go("b") && !ledger.let_go("b"));
    assert!(ledger.was_rolled_back("b") && ledger.held("b").is_none());
}

#[test]
fn a_trial_ends_by_serving_by_a_newer_one_or_by_itself() {
    let mut ledger = three();
    ledger.tries("d", "1.0.0", at(4));
    assert_eq!((ledger.serving(), ledger.on_trial()), (Some("c"), Some("d")));
    ledger.tries("e", "1.0.0", at(5));
    assert_eq!(ledger.find("d").map(|kept| kept.outcome), Some(DigestOutcome::RolledBack));
    ledger.serves("e", "1.0.0", at(6));
    assert_eq!((ledger.serving(), ledger.on_trial()), (Some("e"), None));
    assert_eq!(ledger.before().unwrap().digest, "c");
    ledger.tries("d", "1.0.0", at(7));
    ledger.end_trial(DigestOutcome::Quarantined, at(8));
    assert_eq!(outcomes(&ledger)[0], ("d", DigestOutcome::Quarantined));
}

#[test]
fn texts_are_bounded() {
    let mut ledger = three();
    let long = "ä".repeat(TEXT_BYTES_MAX);
    ledger.hold_back("c", Decision { by: &long, reason: Some(&long), now_ms: 0 });
    let hold = ledger.hold().unwrap();
    assert_eq!((hold.reason.len(), hold.by.len()), (TEXT_BYTES_MAX, TEXT_BYTES_MAX));
    ledger.hold_back("c", Decision { by: &"x".repeat(TEXT_BYTES_MAX + 1), reason: None, now_ms: 0 });
    assert_eq!(ledger.hold().unwrap().by.len(), TEXT_BYTES_MAX);
}
