//! Leading a job, and the figures that the leader judges by, on both stores.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_model::rollout::{Command, RolloutState};
use sluice_model::stats::{COUNTERS_MAX, VariantStats, WINDOW_MS};
use sluice_state::{Leadership, StoreError};

use crate::fixture::{Fixture, contract};
use crate::support::quarter;

const TTL: Duration = Duration::from_secs(60);
/// Begin of a window, ms since the Unix epoch.
const BEGIN_MS: u64 = 170_000_000 * WINDOW_MS;

contract! {
    a_leader_goes_on_leading
    only_the_leader_of_now_moves_a_rollout
    figures_of_a_window_add_up
    figures_are_of_their_rollout_and_range
    figures_have_bounds
}

async fn a_leader_goes_on_leading(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let first = router.lead("rollouts", "one", TTL).await.unwrap().expect("nobody leads");
    assert_eq!(first.job, "rollouts");
    assert_eq!(router.lead("rollouts", "one", TTL).await.unwrap().as_ref(), Some(&first), "the token stays");
    assert!(router.lead("alerts", "one", TTL).await.unwrap().is_some(), "another job");
    router.resign("rollouts", "one").await.unwrap();
    router.resign("rollouts", "one").await.unwrap();
    let again = router.lead("rollouts", "one", TTL).await.unwrap().expect("nobody leads");
    assert!(again.token >= first.token);
    for (job, holder) in [("a:b", "one"), ("", "one"), ("rollouts", ""), ("rollouts", "a b")] {
        assert!(matches!(router.lead(job, holder, TTL).await, Err(StoreError::Invalid(_))), "{job} {holder}");
    }
}

async fn only_the_leader_of_now_moves_a_rollout(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    let leader = router.lead("rollouts", "one", TTL).await.unwrap().expect("nobody leads");
    let former = Leadership { token: leader.token + 1, ..leader.clone() };
    let refused = router.apply_rollout("demo", &Command::Promote, "plan".into(), 5, Some(&former)).await;
    assert!(matches!(refused, Err(StoreError::Fenced(job)) if job == "rollouts"));
    assert_eq!(router.view().rollouts["demo"].state, RolloutState::Running);
    assert_eq!(router.audit(Some("rollout:demo"), 9).await.unwrap().len(), 1, "only that it was created");
    let moved = router.apply_rollout("demo", &Command::Promote, "plan".into(), 5, Some(&leader)).await.unwrap();
    assert_eq!((moved.state, router.view().rollouts["demo"].state), (RolloutState::Promoted, RolloutState::Promoted));
}

fn stats(requests: u64, bucket: usize) -> VariantStats {
    let mut stats = VariantStats { requests, errors: 1, ..VariantStats::default() };
    stats.latency[bucket] = requests;
    stats.counters.insert("upload-alert/oversize".to_owned(), 2);
    stats
}

fn of(variants: &[(&str, VariantStats)]) -> BTreeMap<String, VariantStats> {
    variants.iter().map(|(name, stats)| ((*name).to_owned(), stats.clone())).collect()
}

async fn figures_of_a_window_add_up(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    assert!(router.stats("demo", 0, BEGIN_MS + WINDOW_MS).await.unwrap().is_empty());
    router.add_stats("demo", BEGIN_MS, &of(&[("canary", stats(3, 0)), ("stable", stats(9, 14))])).await.unwrap();
    router.add_stats("demo", BEGIN_MS + WINDOW_MS - 1, &of(&[("canary", stats(4, 0))])).await.unwrap();
    router.add_stats("demo", BEGIN_MS + WINDOW_MS, &of(&[("canary", stats(5, 1))])).await.unwrap();
    let first = router.stats("demo", BEGIN_MS, BEGIN_MS + WINDOW_MS).await.unwrap();
    let mut canary = stats(3, 0);
    canary.add(&stats(4, 0));
    assert_eq!(first, of(&[("canary", canary.clone()), ("stable", stats(9, 14))]));
    canary.add(&stats(5, 1));
    assert_eq!(router.stats("demo", 0, u64::MAX).await.unwrap(), BTreeMap::new(), "long after they ended");
    assert_eq!(router.stats("demo", 0, BEGIN_MS + WINDOW_MS + 1).await.unwrap()["canary"], canary);
}

async fn figures_are_of_their_rollout_and_range(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    router.add_stats("demo", BEGIN_MS, &of(&[("canary", stats(3, 0))])).await.unwrap();
    router.add_stats("other", BEGIN_MS, &of(&[("canary", stats(4, 0))])).await.unwrap();
    assert_eq!(router.stats("other", BEGIN_MS, BEGIN_MS + 1).await.unwrap()["canary"].requests, 4);
    assert!(router.stats("demo", BEGIN_MS + 1, BEGIN_MS + WINDOW_MS).await.unwrap().is_empty());
    assert!(router.stats("demo", 0, BEGIN_MS).await.unwrap().is_empty());
}

async fn figures_have_bounds(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let counters = |count: usize| {
        let counters = (0..count).map(|n| (n.to_string(), 1)).collect();
        of(&[("canary", VariantStats { counters, ..VariantStats::default() })])
    };
    router.add_stats("demo", BEGIN_MS, &counters(COUNTERS_MAX)).await.unwrap();
    assert_eq!(router.stats("demo", BEGIN_MS, BEGIN_MS + 1).await.unwrap(), counters(COUNTERS_MAX));
    let more = router.add_stats("demo", BEGIN_MS, &counters(COUNTERS_MAX + 1)).await;
    assert!(matches!(more, Err(StoreError::Invalid(_))));
    let unnamed = router.add_stats("demo", BEGIN_MS, &of(&[("a/b", stats(1, 0))])).await;
    assert!(matches!(unnamed, Err(StoreError::Invalid(_))));
}
