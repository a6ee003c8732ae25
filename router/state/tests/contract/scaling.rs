//! Alerts that add droplets, on both stores: a group of its own beside the sinks', and one operation per alert.

use std::time::Duration;

use sluice_model::alert::AlertId;
use sluice_state::{Group, Leadership, StoreError};

use crate::fixture::{Fixture, contract};
use crate::support::{Router, alert};

const COOLDOWN: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(60);

contract! {
    each_group_is_handed_every_alert
    whoever_scales_begins_when_it_first_asks
    what_one_group_works_on_is_not_the_others
    an_alert_has_one_operation
    only_the_leader_of_now_claims
}

async fn raise(router: &Router, id: &str) {
    assert!(router.append_alert(&alert(id, id), COOLDOWN).await.unwrap());
}

async fn take(router: &Router, group: Group) -> Vec<String> {
    let taken = router.take_deliveries(group, "a", 9, Duration::ZERO).await.unwrap();
    taken.into_iter().map(|delivery| delivery.alert.id.to_string()).collect()
}

async fn each_group_is_handed_every_alert(redis: bool) {
    let Fixture { router, .. } = &Fixture::with(redis, |config| config.delivery_idle = TTL).await;
    assert!(take(router, Group::Scale).await.is_empty());
    raise(router, "1").await;
    raise(router, "2").await;
    assert_eq!(take(router, Group::Notify).await, ["1", "2"]);
    assert_eq!(take(router, Group::Scale).await, ["1", "2"]);
    assert!(take(router, Group::Scale).await.is_empty(), "once");
}

async fn whoever_scales_begins_when_it_first_asks(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    raise(router, "1").await;
    assert!(take(router, Group::Scale).await.is_empty(), "an alert of before buys nothing");
    raise(router, "2").await;
    assert_eq!(take(router, Group::Scale).await, ["2"]);
    assert_eq!(take(router, Group::Notify).await, ["1", "2"]);
}

async fn what_one_group_works_on_is_not_the_others(redis: bool) {
    let Fixture { router, .. } = &Fixture::with(redis, |config| config.delivery_idle = Duration::ZERO).await;
    assert!(take(router, Group::Scale).await.is_empty() && take(router, Group::Notify).await.is_empty());
    raise(router, "1").await;
    let taken = router.take_deliveries(Group::Scale, "a", 9, Duration::ZERO).await.unwrap();
    let entry = &*taken[0].entry;
    let held = router.hold_delivery(Group::Notify, "a", entry).await;
    assert!(matches!(held, Err(StoreError::Fenced(_))), "nobody of that group has it: {held:?}");
    router.finish_delivery(Group::Notify, entry).await.unwrap();
    router.hold_delivery(Group::Scale, "a", entry).await.unwrap();
    assert_eq!(take(router, Group::Scale).await, ["1"], "left, so it comes again");
    router.finish_delivery(Group::Scale, entry).await.unwrap();
    assert!(take(router, Group::Scale).await.is_empty());
}

async fn an_alert_has_one_operation(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let first = router.lead("scale", "one", TTL).await.unwrap().expect("nobody leads");
    let id = AlertId::from_text("1");
    assert_eq!(router.claim_scale_operation(&id, "op-1", &first).await.unwrap(), "op-1");
    assert_eq!(router.claim_scale_operation(&id, "op-2", &first).await.unwrap(), "op-1", "it goes on");
    let other = AlertId::from_text("2");
    assert_eq!(router.claim_scale_operation(&other, "op-2", &first).await.unwrap(), "op-2");
    for operation in ["", "a b", &"x".repeat(129)] {
        let refused = router.claim_scale_operation(&other, operation, &first).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{operation}");
    }
    assert_eq!(router.claim_scale_operation(&id, &"x".repeat(128), &first).await.unwrap(), "op-1");
}

async fn only_the_leader_of_now_claims(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let leader = router.lead("scale", "one", TTL).await.unwrap().expect("nobody leads");
    let former = Leadership { token: leader.token + 1, ..leader.clone() };
    let id = AlertId::from_text("1");
    let refused = router.claim_scale_operation(&id, "late", &former).await;
    assert!(matches!(refused, Err(StoreError::Fenced(job)) if job == "scale"));
    assert_eq!(router.claim_scale_operation(&id, "mine", &leader).await.unwrap(), "mine");
}
