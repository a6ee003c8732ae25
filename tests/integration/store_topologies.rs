//! Redis behind Sentinels, as a Cluster, behind TLS and an ACL: the same flood of requests, the same state.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use sluice_tests::eventually;
use sluice_tests::redis_cluster::RedisCluster;
use sluice_tests::redis_sentinel::SentinelTrio;
use sluice_tests::redis_server::RedisServer;
use sluice_tests::redis_tls::TlsRedis;
use sluice_tests::router::Setup;
use sluice_tests::scene::Scene;
use sluice_tests::stack::DEMO_POLICY;

/// The edge of the harness.
const EDGE: &str = "test";
/// What the page says that a router needs.
const PAGE: &str = include_str!("../../docs/store.md");
const PASSWORD: &str = "a-router's-secret";

/// A raw write, as by any client, and its way to the router by push.
async fn is_pushed(scene: &Scene, redis: &RedisServer) -> Result<()> {
    for (text, status) in [("false", StatusCode::NOT_FOUND), ("true", StatusCode::OK)] {
        redis.set("featureFlags", text).await?;
        eventually(&format!("featureFlags {text} is heard"), async || scene.set_is(status).await).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_replaced_by_its_replica() -> Result<()> {
    let mut trio = SentinelTrio::start().await?;
    let scene = Scene::start(&trio.url()).await?;
    is_pushed(&scene, &trio.servers[0]).await?;
    trio.servers[0].kill().await?;
    trio.leads(1).await;
    scene.heals().await?;
    is_pushed(&scene, &trio.servers[1]).await?;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_is_followed_although_the_old_master_answers() -> Result<()> {
    let trio = SentinelTrio::start().await?;
    let scene = Scene::start(&trio.url()).await?;
    trio.fail_over().await?;
    trio.leads(1).await;
    eventually("writes reach the new master", async || {
        scene.stack.set_flag(false).await?;
        let value: String = trio.servers[1].ask("GET featureFlags").await?;
        ensure!(value == "false", "{value}");
        scene.stack.set_flag(true).await
    })
    .await;
    scene.heals().await?;
    is_pushed(&scene, &trio.servers[1]).await?;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_owner_that_is_killed_is_replaced_by_its_replica() -> Result<()> {
    let mut cluster = RedisCluster::start(EDGE).await?;
    let scene = Scene::start(&cluster.url()).await?;
    is_pushed(&scene, cluster.owner_of("featureFlags").await?).await?;
    let owner = cluster.owner;
    cluster.nodes[owner].kill().await?;
    scene.away().await?;
    scene.heals().await?;
    let weight: u64 = cluster.replica().ask(&format!("HGET {{{EDGE}}}:rollout:demo weight_bps")).await?;
    assert_eq!(weight, 4_000);
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() -> Result<()> {
    let cluster = RedisCluster::start(EDGE).await?;
    let scene = Scene::start(&cluster.url()).await?;
    let slot: u16 = cluster.nodes[0].ask(&format!("CLUSTER KEYSLOT {{{EDGE}}}")).await?;
    let (from, to) = (cluster.owner, (cluster.owner + 1) % 3);
    // Half of the keys are elsewhere: what is missing is not gone.
    cluster.migrate(slot, from, to, async || scene.stands().await).await?;
    eventually("the router follows the new owner", async || {
        let tracking: String = cluster.nodes[to].ask("INFO clients").await?;
        ensure!(!tracking.contains("tracking_clients:0"), "{tracking}");
        Ok(())
    })
    .await;
    scene.heals().await?;
    let key = format!("{{{EDGE}}}:rollout:demo");
    cluster.nodes[to].tell(&format!("HSET {key} reason moved")).await?;
    eventually("pushes come from the new owner", async || {
        let rollout = scene.stack.rollout().await?;
        ensure!(rollout["reason"] == "moved", "{rollout}");
        Ok(())
    })
    .await;
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_on_another_node_is_pushed_written_and_moved() -> Result<()> {
    let cluster = RedisCluster::start(EDGE).await?;
    let scene = Scene::start(&cluster.url()).await?;
    let slot: u16 = cluster.nodes[0].ask("CLUSTER KEYSLOT featureFlags").await?;
    let owner = cluster.owner_of("featureFlags").await?.address;
    let from = cluster.nodes.iter().position(|node| node.address == owner).context("a node")?;
    ensure!(from != cluster.owner, "the edge of the tests lies on the node of featureFlags: choose another name");
    is_pushed(&scene, &cluster.nodes[from]).await?;
    let to = (0..3).find(|node| ![from, cluster.owner].contains(node)).context("a third node")?;
    cluster.migrate(slot, from, to, async || scene.stands().await).await?;
    scene.heals().await?;
    is_pushed(&scene, &cluster.nodes[to]).await?;
    scene.finish().await
}

/// The commands of the page that make the user `router`, for this edge and password.
fn acl(page: &str) -> Result<String> {
    let (_, rest) = page.split_once("ACL SETUSER router ").context("the page has the ACL of a router")?;
    let rule = rest.split("```").next().context("the example ends")?;
    let rule = rule.replace("\\\n", " ").replace("{main}", &format!("{{{EDGE}}}"));
    Ok(format!("ACL SETUSER router {}", rule.replace("PASSWORD", PASSWORD)))
}

/// Commands that a router sends without naming them in its sources.
const UNNAMED: [&str; 4] = ["hello", "eval", "evalsha", "script"];
/// Commands that need more than one server, which the page allows apart.
const TOPOLOGIES: [&str; 3] = ["role", "cluster", "asking"];

/// Commands that the sources of the store name, in scripts and in Rust. Those of a Sentinel are not asked of Redis.
fn named(folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            named(&path, found)?;
            continue;
        }
        let source = std::fs::read_to_string(&path)?;
        for call in ["redis.call('", "redis.pcall('", "cmd(\""] {
            let names = source.split(call).skip(1).filter_map(|rest| rest.split(['\'', '"']).next());
            found.extend(names.filter(|name| *name != "SENTINEL").map(str::to_lowercase));
        }
    }
    Ok(())
}

#[test]
fn the_acl_of_the_page_is_what_the_store_sends_and_no_more() -> Result<()> {
    let mut sent = BTreeSet::from(UNNAMED.map(str::to_owned));
    named(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../router/state/src/redis"), &mut sent)?;
    let rule = acl(PAGE)?;
    let allowed = rule.split_whitespace().filter_map(|word| word.strip_prefix('+')?.split('|').next());
    let allowed: BTreeSet<String> = allowed.chain(TOPOLOGIES).map(str::to_owned).collect();
    assert_eq!(sent, allowed, "left: what the store sends, right: what docs/store.md allows");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_the_smallest_acl_are_enough() -> Result<()> {
    let redis = TlsRedis::start(true).await?;
    redis.server.tell(&acl(PAGE)?).await?;
    let secret = redis.file("password");
    std::fs::write(&secret, format!("{PASSWORD}\n"))?;
    let file = |name: &str| redis.file(name).display().to_string();
    let url = format!(
        "rediss://router@{}?password_file={}&ca={}&cert={}&key={}",
        redis.address(),
        secret.display(),
        file("ca.pem"),
        file("client.pem"),
        file("client.key")
    );
    let scene = Scene::start(&url).await?;
    is_pushed(&scene, &redis.server).await?;
    // Everything that a router does to its store, once.
    scene.stack.router.post("/v1/rollouts/demo/abort").await?;
    scene.stack.router.post("/v1/rollouts/demo/resume").await?;
    redis.server.tell("FLUSHALL").await?;
    scene.away().await?;
    scene.heals().await?;
    let denied: Vec<redis::Value> = redis.server.ask("ACL LOG").await?;
    assert!(denied.is_empty(), "the page allows too little: {denied:?}");
    let output = scene.stack.router.process.output();
    assert!(!output.contains(PASSWORD), "{output}");
    scene.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_vouches_for_is_told() -> Result<()> {
    let (redis, other) = (TlsRedis::start(false).await?, TlsRedis::start(false).await?);
    let url = |ca: &TlsRedis| format!("rediss://{}?ca={}", redis.address(), ca.file("ca.pem").display());
    let router = Setup::new(DEMO_POLICY, &url(&other))?.start().await?;
    let fault = router.fault("the store is away").await;
    assert!(fault.to_string().to_lowercase().contains("certificate"), "{fault}");
    let router = Setup::new(DEMO_POLICY, &url(&redis))?.start().await?;
    router.healthy().await;
    Ok(())
}
