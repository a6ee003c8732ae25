//! What the faults of a Redis cost: never a request, never the state. `docs/store.md` has a row for each test.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use sluice_tests::redis_server::RedisServer;
use sluice_tests::relay::{Flow, Relay};
use sluice_tests::router::Setup;
use sluice_tests::scene::Scene;
use sluice_tests::stack::{DEMO_POLICY, Stack};
use sluice_tests::{client, eventually};

/// Older than a lease, which lives 15 s without a heartbeat.
const LONGER_THAN_A_LEASE_MS: u64 = 17_000;
/// A rollout's writes while a reply is late.
const LATE_WRITES: u64 = 50;

/// A Redis that keeps what it holds over a restart.
const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

fn held(key: &str) -> String {
    format!("{{test}}:{key}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_store_is_not_noticed() -> Result<()> {
    let mut redis = RedisServer::start_with(DURABLE).await?;
    let scene = Scene::start(&redis.url()).await?;
    redis.kill().await?;
    scene.away().await?;
    redis.restart().await?;
    scene.heals().await?;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_store_freezes_leases_and_nothing_else() -> Result<()> {
    let redis = RedisServer::start().await?;
    let scene = Scene::start(&redis.url()).await?;
    redis.process.signal("STOP").await?;
    scene.away().await?;
    eventually("the outage is longer than a lease", async || {
        let store = scene.store().await?;
        ensure!(store["age_ms"].as_u64() > Some(LONGER_THAN_A_LEASE_MS), "{store}");
        Ok(())
    })
    .await;
    scene.stands().await.context("no lease ends while nobody can renew it")?;
    redis.process.signal("CONT").await?;
    scene.heals().await?;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_store_is_repopulated() -> Result<()> {
    let mut redis = RedisServer::start().await?;
    let scene = Scene::start(&redis.url()).await?;
    redis.kill().await?;
    scene.away().await?;
    redis.restart().await?;
    scene.heals().await?;
    let flag: String = redis.ask("GET featureFlags").await?;
    let weight: u64 = redis.ask(&format!("HGET {} weight_bps", held("rollout:demo"))).await?;
    assert_eq!((flag.as_str(), weight), ("true", 4_000));
    eventually("all servers are back in the store", async || {
        let members: usize = redis.ask(&format!("SCARD {}", held("srv:index"))).await?;
        ensure!(members == 3, "{members}");
        Ok(())
    })
    .await;

    redis.tell("FLUSHALL").await?;
    scene.away().await.context("a flush is told, and changes nothing")?;
    scene.heals().await?;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_not_noticed_and_what_was_set_meanwhile_counts() -> Result<()> {
    let redis = RedisServer::start().await?;
    let relay = Relay::start(redis.address).await?;
    let scene = Scene::start(&format!("redis://{}", relay.address)).await?;
    relay.set(Flow::Nothing);
    scene.away().await?;
    redis.set("featureFlags", "false").await?;
    // What was on its way arrives now, on connections that nobody reads any more.
    relay.set(Flow::Open);
    scene.connected().await;
    eventually("what was set meanwhile counts", async || scene.set_is(StatusCode::NOT_FOUND).await).await;
    scene.stack.set_flag(true).await?;
    scene.heals().await?;
    scene.finish().await
}

/// Raises the rollout's weight by hand, one epoch after the other.
async fn raise(redis: &RedisServer, from: u64, count: u64) -> Result<u64> {
    let key = held("rollout:demo");
    for epoch in from + 1..=from + count {
        redis.tell(&format!("HSET {key} epoch {epoch} weight_bps {}", 1_000 + epoch)).await?;
    }
    Ok(from + count)
}

/// Waits until the router has a rollout of this epoch, and checks that it never had an older one than before.
async fn comes_to(stack: &Stack, epoch: u64) {
    let mut before = 0;
    eventually(&format!("the rollout comes to epoch {epoch}"), async || {
        let found = stack.rollout().await?["epoch"].as_u64().context("a rollout has an epoch")?;
        assert!(found >= before, "the rollout went back from {before} to {found}");
        before = found;
        ensure!(found == epoch, "{found}");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_reply_never_undoes_a_newer_value() -> Result<()> {
    let redis = RedisServer::start().await?;
    let relay = Relay::start(redis.address).await?;
    let scene = Scene::start(&format!("redis://{}", relay.address)).await?;
    let stack = &scene.stack;
    let mut epoch = redis.ask(&format!("HGET {} epoch", held("rollout:demo"))).await?;

    // Within one session: replies and pushes wait while newer values are written, then arrive in one burst.
    for _ in 0..3 {
        relay.set_made(Flow::Questions);
        epoch = raise(&redis, epoch, LATE_WRITES).await?;
        redis.set("featureFlags", if epoch % 2 == 0 { "true" } else { "false" }).await?;
        relay.set_made(Flow::Open);
        comes_to(stack, epoch).await;
    }

    // Over two sessions: replies wait until the router has given the connections up, made new ones and seen newer values.
    let made = relay.made();
    relay.set_made(Flow::Questions);
    epoch = raise(&redis, epoch, 1).await?;
    redis.set("featureFlags", "false").await?;
    eventually("the router has made new connections", async || {
        ensure!(relay.made() > made, "{made} connections");
        Ok(())
    })
    .await;
    epoch = raise(&redis, epoch, LATE_WRITES).await?;
    redis.set("featureFlags", "true").await?;
    comes_to(stack, epoch).await;
    eventually("the newest value counts", async || scene.set_is(StatusCode::OK).await).await;
    relay.set_made(Flow::Open);
    // Two writes that go through the same events: whatever was late would have come before them.
    scene.writes().await?;
    comes_to(stack, epoch).await;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_starts_without_its_store_serves_what_it_knew() -> Result<()> {
    let mut redis = RedisServer::start_with(DURABLE).await?;
    let mut scene = Scene::start(&redis.url()).await?;
    redis.kill().await?;
    scene.away().await?;
    scene.restart_router().await?;
    scene.away().await.context("the state is there, and how old it is")?;
    redis.restart().await?;
    scene.heals().await?;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_router_without_a_store_waits_for_it() -> Result<()> {
    let mut redis = RedisServer::start().await?;
    redis.kill().await?;
    let router = Setup::new(DEMO_POLICY, &redis.url())?.start().await?;
    router.fault("the store is away").await;
    let set = async |wanted: StatusCode| {
        let found = client::http().get(format!("{}/set", router.edge)).send().await?.status();
        ensure!(found == wanted, "/set answers {found}");
        Ok(())
    };
    set(StatusCode::NOT_FOUND).await.context("a flag that nobody knows is off")?;
    redis.restart().await?;
    router.healthy().await;
    redis.set("featureFlags", "true").await?;
    // The gate is open; no server of the demo runs behind it.
    eventually("the flag is heard", async || set(StatusCode::SERVICE_UNAVAILABLE).await).await;
    Ok(())
}

/// What `sluice run` says where it refuses a store URL.
async fn refusal(url: &str) -> Result<String> {
    let setup = Setup::new(DEMO_POLICY, url)?;
    let mut process = setup.launch()?;
    let status = process.wait().await?;
    ensure!(!status.success(), "{url} was taken");
    Ok(process.output())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_url_stops_the_start_and_says_why() -> Result<()> {
    for (url, says) in [
        ("redis+sentinel://u:geheim@h", "the name of the master is missing"),
        ("redis-cluster://u:geheim@h/1", "a Cluster has only database 0"),
        ("redis://u:geheim@h:port", "the port of host 1 is not a number"),
        ("redis://u:geheim@h?ca=/x", "option `ca` needs TLS"),
        ("redis://h?password_env=SLUICE_NOT_SET_HERE", "SLUICE_NOT_SET_HERE"),
        ("rediss://h?ca=/no/such/file.pem", "cannot read /no/such/file.pem"),
        ("redis+cluster://u:geheim@h", "this is no store"),
    ] {
        let said = refusal(url).await?;
        assert!(said.contains(says), "{url}: {said}");
        assert!(!said.contains("geheim"), "{said}");
    }
    Ok(())
}

#[test]
fn every_row_of_the_page_names_a_test() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/store.md"))?;
    let (_, table) = page.split_once("## What happens when").context("the page has the table")?;
    let rows: Vec<&str> = table
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .collect();
    ensure!(rows.len() >= 12, "only {} rows", rows.len());
    let files = [
        ("store_faults", "tests/integration/store_faults.rs"),
        ("store_topologies", "tests/integration/store_topologies.rs"),
        ("faults", "router/state/tests/contract/faults.rs"),
    ];
    for row in rows {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        ensure!(!names.is_empty(), "no test stands in the row {row}");
        for name in names {
            let (stem, test) = name.split_once("::").context("file and test")?;
            let (_, file) =
                files.iter().find(|(known, _)| *known == stem).with_context(|| format!("{name}: which file?"))?;
            let source = std::fs::read_to_string(root.join(file))?;
            ensure!(source.contains(&format!("fn {test}(")), "{file} has no test {test}");
        }
    }
    Ok(())
}
