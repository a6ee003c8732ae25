//! Applying plans on a simulator that misbehaves: what stands afterwards, what is billed, what is said.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends; clippy only sees test functions"
)]

mod crash;
mod fleet;
mod simulated;

use std::time::Duration;

use fleet::{Fleet, Refusing, spec};
use simulated::{Mishap, Simulated};
use sluice_infra_plan::apply::inventory;
use sluice_infra_plan::drift::drift;
use sluice_infra_plan::gc::{Why, garbage};
use sluice_infra_plan::{Difference, FaultKind, Outcome, Provisioner, StateError};

fn faults(outcome: &Outcome) -> Vec<FaultKind> {
    outcome.failures.iter().map(|failure| failure.fault).collect()
}

fn pool_of(tags: &[String]) -> &str {
    tags.iter().find_map(|tag| tag.strip_prefix("sluice:cats:pool:")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_second_apply_changes_nothing() {
    let fleet = Fleet::new(Simulated::default());
    let wanted = spec(2, "s-1vcpu-1gb", None);
    let (_, outcome) = fleet.apply(&wanted).await;
    assert_eq!((outcome.created.len(), outcome.firewalls.len(), faults(&outcome).len()), (3, 2, 0));
    let (plan, outcome) = fleet.apply(&wanted).await;
    assert!(plan.is_empty() && !outcome.did_something());
    assert_eq!(fleet.cloud.created(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_unclear_answer_is_followed_by_a_look_not_by_a_second_droplet() {
    let fleet = Fleet::new(Simulated::with(&[Mishap::UnclearAfter; 3], Duration::from_secs(20)));
    let (_, outcome) = fleet.apply(&spec(2, "s-1vcpu-1gb", None)).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    assert_eq!((fleet.cloud.created(), fleet.cloud.billed().len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn what_never_gets_active_is_deleted_and_made_anew() {
    let fleet = Fleet::new(Simulated::with(&[Mishap::NeverActive, Mishap::Vanishes], Duration::ZERO));
    let (_, outcome) = fleet.apply(&spec(2, "s-1vcpu-1gb", None)).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    assert_eq!((fleet.cloud.created(), fleet.cloud.billed().len()), (5, 3));
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_told_with_what_stands() {
    let fleet = Fleet::new(Simulated::with(&[Mishap::None, Mishap::Quota, Mishap::None], Duration::ZERO));
    let (_, outcome) = fleet.apply(&spec(2, "s-1vcpu-1gb", None)).await;
    assert_eq!(faults(&outcome), [FaultKind::Quota]);
    assert!(outcome.failures[0].reason.contains("will exceed your droplet limit"));
    assert_eq!(outcome.created.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_stays_unclear_leaves_the_operation_open_for_the_next_run() {
    let fleet = Fleet::new(Simulated::with(&[Mishap::UnclearBefore; 6], Duration::ZERO));
    let provisioner = fleet.provisioner(&spec(0, "s-1vcpu-1gb", None));
    let (_, outcome) = fleet::apply(&provisioner).await;
    assert_eq!(faults(&outcome), [FaultKind::Away]);
    assert_eq!(provisioner.state.open_operations().unwrap().len(), 1);
    let (_, outcome) = fleet::apply(&provisioner).await;
    assert!(outcome.failures.is_empty());
    assert_eq!(fleet.cloud.billed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn successors_come_before_the_old_ones_leave_and_redis_the_other_way_round() {
    let fleet = Fleet::new(Simulated::default());
    fleet.apply(&spec(2, "s-1vcpu-1gb", None)).await;
    let (plan, outcome) = fleet.apply(&spec(2, "s-1vcpu-2gb", None)).await;
    assert_eq!(plan.counts().replaces, 2);
    assert_eq!((outcome.created.len(), outcome.deleted.len(), fleet.cloud.peak()), (2, 2, 5));
    let sizes: Vec<String> = fleet.cloud.billed().into_iter().map(|droplet| droplet.size).collect();
    assert_eq!(sizes, ["s-1vcpu-1gb", "s-1vcpu-2gb", "s-1vcpu-2gb"]);

    let redis = fleet.cloud.billed().into_iter().find(|droplet| pool_of(&droplet.tags) == "edge").unwrap();
    fleet.cloud.power_off(&redis.id);
    let (plan, outcome) = fleet.apply(&spec(2, "s-1vcpu-2gb", None)).await;
    assert!(plan.loses_data());
    assert_eq!((outcome.deleted, fleet.cloud.billed().len(), fleet.cloud.peak()), (vec![redis.id], 3, 5));
}

#[tokio::test(start_paused = true)]
async fn without_a_successor_nothing_leaves() {
    let fleet = Fleet::new(Simulated::default());
    fleet.apply(&spec(1, "s-1vcpu-1gb", None)).await;
    let provisioner = fleet.provisioner(&spec(1, "s-1vcpu-2gb", None));
    let (observed, plan) = provisioner.plan().await.unwrap();
    let refusing = Refusing::default();
    let outcome = provisioner.apply(&observed, &plan, &refusing).await;
    assert_eq!(faults(&outcome), [FaultKind::NotServing, FaultKind::Skipped]);
    assert_eq!(*refusing.0.lock().unwrap(), ["1 arrived"]);
    assert_eq!(fleet.cloud.billed().len(), 3);
    // Run again, it is asked again: the new one stood before, and never served.
    let (observed, plan) = provisioner.plan().await.unwrap();
    let outcome = provisioner.apply(&observed, &plan, &refusing).await;
    assert_eq!(faults(&outcome), [FaultKind::NotServing, FaultKind::Skipped]);
    assert_eq!(*refusing.0.lock().unwrap(), ["1 arrived", "1 arrived"]);
    assert_eq!(fleet.cloud.billed().len(), 3);
    // The next run knows which of the two is the old one.
    let (_, outcome) = fleet.apply(&spec(1, "s-1vcpu-2gb", None)).await;
    assert_eq!((outcome.created.len(), outcome.deleted.len()), (0, 1));
    assert_eq!(fleet.cloud.billed().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lags_hides_and_shows_nothing() {
    let fleet = Fleet::new(Simulated::with(&[], Duration::from_secs(600)));
    fleet.apply(&spec(2, "s-1vcpu-1gb", None)).await;
    assert!(fleet.plan(&spec(2, "s-1vcpu-1gb", None)).await.is_empty(), "three are there, none is listed");
    tokio::time::sleep(Duration::from_secs(700)).await;
    let (_, outcome) = fleet.apply(&spec(1, "s-1vcpu-1gb", None)).await;
    assert_eq!(outcome.deleted.len(), 1);
    let plan = fleet.plan(&spec(2, "s-1vcpu-1gb", None)).await;
    assert_eq!((plan.counts().creates, plan.keeps.len()), (1, 2), "three are listed, two are there");
}

#[tokio::test(start_paused = true)]
async fn drift_is_seen_and_repaired() {
    let fleet = Fleet::new(Simulated::default());
    let wanted = spec(2, "s-1vcpu-1gb", None);
    fleet.apply(&wanted).await;
    let differences = async |provisioner: &Provisioner| {
        let observed = provisioner.observe().await.unwrap();
        drift(&wanted, &observed, &provisioner.state).unwrap().differences
    };
    let provisioner = fleet.provisioner(&wanted);
    assert_eq!(differences(&provisioner).await, []);

    let apps: Vec<_> = fleet.cloud.billed().into_iter().filter(|droplet| pool_of(&droplet.tags) == "app").collect();
    fleet.cloud.lose(&apps[0].id);
    fleet.cloud.untag(&apps[1]);
    fleet.cloud.open_walls("cats-app").await;
    let found = differences(&provisioner).await;
    assert!(matches!(&found[0], Difference::Missing { id, .. } if *id == apps[0].id), "{found:?}");
    assert!(matches!(&found[1], Difference::Changed { field: "tags", .. }), "{found:?}");
    assert!(matches!(&found[2], Difference::FirewallChanged { removed, .. } if removed.len() == 3), "{found:?}");

    let (_, outcome) = fleet.apply(&wanted).await;
    assert!(outcome.failures.is_empty());
    assert_eq!(differences(&fleet.provisioner(&wanted)).await, []);
    assert!(fleet.plan(&wanted).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_nothing_wants_is_found_and_deleted() {
    let fleet = Fleet::new(Simulated::default());
    let wanted = spec(1, "s-1vcpu-1gb", None);
    fleet.apply(&wanted).await;
    let stray = fleet.cloud.stray(&["sluice:cats".to_owned()]).await;
    fleet.cloud.stray(&["sluice:dogs".to_owned()]).await;
    let provisioner = fleet.provisioner(&wanted);
    let found = garbage(&wanted, &provisioner.observe().await.unwrap(), &provisioner.state).unwrap();
    assert_eq!(
        found.iter().map(|garbage| (&garbage.droplet.id, garbage.reason)).collect::<Vec<_>>(),
        [(&stray, Why::NoPool)]
    );
    let outcome = provisioner.shrink(&[(stray, "stray".to_owned())], "").await;
    assert_eq!((outcome.deleted.len(), fleet.cloud.billed().len()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn the_controller_grows_below_the_budget_and_only_while_it_leads() {
    let fleet = Fleet::new(Simulated::default());
    let wanted = spec(1, "s-1vcpu-1gb", Some(24));
    fleet.apply(&wanted).await;
    let provisioner = fleet.provisioner(&wanted);
    let outcome = provisioner.fenced(7).grow("app", 3).await;
    assert_eq!((outcome.created.len(), faults(&outcome)), (2, vec![FaultKind::Budget]));
    assert_eq!(fleet.cloud.billed().len(), 4);
    let id = (outcome.created[0].id.clone(), outcome.created[0].name.clone());
    let late = provisioner.fenced(6).shrink(std::slice::from_ref(&id), "app").await;
    assert!(late.failures[0].reason.contains("another controller leads"), "{:?}", late.failures);
    assert_eq!(provisioner.fenced(8).shrink(&[id], "app").await.deleted.len(), 1);
    let fences: Vec<Option<u64>> = provisioner
        .state
        .journal()
        .unwrap()
        .iter()
        .filter_map(|operation| {
            (operation.name.contains("-app-") && operation.fence.is_some()).then_some(operation.fence)
        })
        .collect();
    assert_eq!(fences, [Some(7), Some(7), Some(8)]);
    assert!(!matches!(provisioner.state.open_operations(), Err(StateError::Fenced { .. })));
}

#[tokio::test(start_paused = true)]
async fn destroy_leaves_nothing() {
    let fleet = Fleet::new(Simulated::default());
    let wanted = spec(2, "s-1vcpu-1gb", None);
    fleet.apply(&wanted).await;
    let provisioner = fleet.provisioner(&wanted);
    let observed = provisioner.observe().await.unwrap();
    let outcome = provisioner.destroy(&observed, &inventory(&observed, &provisioner.state).unwrap()).await;
    assert!(outcome.failures.is_empty());
    assert_eq!((fleet.cloud.billed().len(), fleet.cloud.walls().len(), fleet.cloud.keys()), (0, 0, 0));
    assert!(provisioner.state.standing().unwrap().is_empty());
    assert!(inventory(&provisioner.observe().await.unwrap(), &provisioner.state).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_above_the_budget_is_not_carried_out() {
    let fleet = Fleet::new(Simulated::default());
    let (plan, outcome) = fleet.apply(&spec(2, "s-1vcpu-1gb", Some(17))).await;
    assert_eq!(plan.refusals.len(), 1);
    assert_eq!(faults(&outcome), [FaultKind::Budget]);
    assert_eq!((fleet.cloud.created(), fleet.cloud.walls().len()), (0, 0));
}
