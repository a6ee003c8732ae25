//! Rollouts of several routers on one Redis: all see what all counted, one acts, and another one goes on when it is gone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use redis::AsyncCommands as _;
use serde_json::json;
use sluice_tests::eventually_within;
use sluice_tests::origin::{Audience, Origin};
use sluice_tests::redis_server::RedisServer;
use sluice_tests::router::{Router, Setup};

use super::{becomes, history, nothing, order, policy, shown};

/// A lease of ten seconds that nobody renews, and what a busy machine adds.
const TAKEOVER: Duration = Duration::from_secs(60);
/// An interval of ten seconds after the rest of a window.
const JUDGED: Duration = Duration::from_secs(90);
/// The lease of the job, as docs/store.md names its keys.
const LEADER: &str = "leader:{test}:analysis";
const FENCE: &str = "fence:{test}:analysis";

/// Manual and automatic steps in turn, so that a test says when the leader has something to do.
const STEPS: &str = "steps = [{ weight = 1, gate = \"manual\" }, { weight = 2, pause = \"1s\" }, { weight = 3, gate = \"manual\" }, \
                     { weight = 4, pause = \"1s\" }, { weight = 5, gate = \"manual\" }, { weight = 6, pause = \"1s\" }, \
                     { weight = 7, gate = \"manual\" }]";

struct Fleet {
    routers: Vec<Router>,
    redis: RedisServer,
    canary: Origin,
    _stable: Origin,
}

impl Fleet {
    async fn start(routers: usize, about: &str) -> Result<Self> {
        let (redis, stable, canary) =
            (RedisServer::start().await?, Origin::start(200).await?, Origin::start(200).await?);
        let policy = policy(&stable.address.to_string(), &canary.address.to_string(), about);
        let mut fleet = Self { routers: Vec::new(), redis, canary, _stable: stable };
        for _ in 0..routers {
            fleet.routers.push(Setup::new(&policy, &fleet.redis.url())?.start().await?);
        }
        Ok(fleet)
    }

    /// The router that leads, other than those in `gone`.
    async fn leader(&self, gone: &[usize]) -> usize {
        eventually_within(TAKEOVER, "a router leads", async || {
            for (index, router) in self.routers.iter().enumerate().filter(|(index, _)| !gone.contains(index)) {
                if shown(router, "demo").await?["leads"] == true {
                    return Ok(index);
                }
            }
            anyhow::bail!("nobody leads")
        })
        .await
    }

    async fn reaches(&self, router: usize, step: u64) {
        becomes(&self.routers[router], "demo", &format!("reaches step {step}"), |rollout| {
            rollout["step"]["number"] == step
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_router_goes_on_when_the_leader_is_killed_or_hangs() -> Result<()> {
    let mut fleet = Fleet::start(3, STEPS).await?;
    order(&fleet.routers[0], "demo", "start", nothing()).await?;
    let first = fleet.leader(&[]).await;
    let other = (first + 1) % 3;
    order(&fleet.routers[other], "demo", "advance", nothing()).await?;
    fleet.reaches(other, 3).await;

    fleet.routers[first].process.signal("STOP").await?;
    let second = fleet.leader(&[first]).await;
    order(&fleet.routers[second], "demo", "advance", nothing()).await?;
    fleet.reaches(second, 5).await;
    fleet.routers[first].process.signal("CONT").await?;
    becomes(&fleet.routers[first], "demo", "leads no more", |rollout| {
        rollout["leads"] == false && rollout["step"]["number"] == 5
    })
    .await;

    fleet.routers[second].process.signal("KILL").await?;
    fleet.routers[second].process.wait().await?;
    let third = fleet.leader(&[second]).await;
    order(&fleet.routers[third], "demo", "advance", nothing()).await?;
    fleet.reaches(third, 7).await;
    let lines = history(&fleet.routers[third], "demo").await?;
    for step in 1..=7 {
        let entered = lines.iter().filter(|line| line.contains(&format!(": running step {step} "))).count();
        assert_eq!(entered, 1, "each step is entered once: {lines:#?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_the_lease_cannot_act_however_long_it_believes_in_it() -> Result<()> {
    let fleet = Fleet::start(1, STEPS).await?;
    let router = &fleet.routers[0];
    order(router, "demo", "start", nothing()).await?;
    fleet.leader(&[]).await;
    // Another one leads from now on, as far as the store is concerned.
    let mut connection = fleet.redis.connect().await?;
    let _token: u64 = connection.incr(FENCE, 1).await?;
    let _: () = connection.set(LEADER, "someone else").await?;
    order(router, "demo", "advance", nothing()).await?;
    becomes(router, "demo", "waits for the one that leads", |rollout| {
        rollout["leads"] == false
            && rollout["waits_for"].as_str().is_some_and(|text| text.contains("the router that leads"))
    })
    .await;
    assert_eq!(shown(router, "demo").await?["step"]["number"], 2, "it was not let");
    let _: () = connection.del(LEADER).await?;
    fleet.reaches(0, 3).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_is_judged_by_what_all_routers_counted_and_any_router_says_why() -> Result<()> {
    let about = "steps = [{ weight = 50, pause = \"1s\" }, { weight = 100, gate = \"manual\" }]\n\
                 [rollouts.demo.analysis]\ninterval = \"10s\"\nmin_samples = 100\nfailures_max = 1\n\
                 success_rate = { min = 90.0 }\n";
    let fleet = Fleet::start(2, about).await?;
    let leader = {
        order(&fleet.routers[0], "demo", "start", nothing()).await?;
        fleet.leader(&[]).await
    };
    // Only the other router has traffic.
    let (asked, other) = (&fleet.routers[leader], &fleet.routers[1 - leader]);
    let _audience = Audience::start(vec![other.edge.clone()]);
    eventually_within(JUDGED, "the step is over", async || {
        let rollout = shown(asked, "demo").await?;
        ensure!(rollout["step"]["number"] == 2, "{rollout:#}");
        Ok(())
    })
    .await;
    fleet.canary.answer(500);
    for router in [other, asked] {
        let rollout = eventually_within(JUDGED, "it is aborted", async || {
            let rollout = shown(router, "demo").await?;
            ensure!(rollout["state"] == "aborted", "{rollout:#}");
            Ok(rollout)
        })
        .await;
        let reason = rollout["reason"].as_str().context("a reason")?;
        assert!(reason.contains("success rate is"), "{reason}");
        assert_eq!((&rollout["by"], &rollout["effective_weight"]), (&json!("analysis"), &json!(0.0)));
    }
    Ok(())
}
