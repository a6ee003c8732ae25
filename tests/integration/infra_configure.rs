//! `sluice-infra up` and `configure` on real droplets of the local cloud: Redis, router and app servers come up, a second run
//! changes nothing, drift is seen and repaired, a bad policy reaches no router, secrets stay where they belong.

mod exports;
mod secrets;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_infra_host::{Layout, ServiceStatus, init};
use sluice_tests::client::http;
use sluice_tests::eventually;
use sluice_tests::fleet::{Fleet, FleetDroplet};

use crate::infra_site::{self, ROUTES, only};

/// The secret of the fleet.
const PASSWORD: &str = "0123456789abcdefConfigureMarker";
const FLEET: &str = r#"
[fleet]
name = "cats"

[pools.edge]
roles = ["router", "redis"]

[pools.app]
roles = ["app"]
app = "meow"
variant = "stable"
count = 2
"#;
const REST: &str = r#"
[apps.meow]
run = ["./meow"]
port = 8001
health = { path = "/" }
pipeline.steps = [{ name = "test", run = "true" }]
"#;

/// A fleet of these pools, with the routers' folder.
fn fleet(pools: &str) -> Result<Fleet> {
    infra_site::fleet(&format!("{pools}{REST}"), "meow", PASSWORD)
}

/// The router answers.
async fn serves(edge: &FleetDroplet) -> Result<()> {
    let url = format!("http://{}:8080/listservers", edge.address);
    let answer = http().get(url).send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    Ok(())
}

/// How many resources a run changed, by droplet.
fn changed(document: &str) -> Result<Vec<usize>> {
    let all: Value = serde_json::from_str(document).with_context(|| format!("understand {document}"))?;
    let changes = |report: &Value| report["changes"].as_array().map(Vec::len).context("a report has changes");
    all.as_object().context("a document by droplet")?.values().map(changes).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infra_configure_changes_what_differs_and_nothing_else() -> Result<()> {
    let fleet = fleet(FLEET)?;
    let up = fleet.succeeds(&["up", "--yes"]).await?;
    let (edge, apps) = (only(&fleet, "edge")?, fleet.pool("app")?);
    assert!(up.contains(&format!("edge on {}: http://{}:8080", edge.name, edge.address)), "{up}");
    eventually("the router serves", async || serves(&edge).await).await;
    for app in &apps {
        let text = std::fs::read_to_string(app.at("/etc/sluice/redis.env"))?;
        let wanted = format!("SLUICE_REDIS_ADDRESS={}\nSLUICE_REDIS_PORT=6379\n", edge.address);
        assert!(text.ends_with(&wanted), "{text}");
    }
    assert_eq!(changed(&fleet.succeeds(&["configure", "--json"]).await?)?, [0, 0, 0]);
    users_of_redis(&fleet, &edge, &apps[0]).await?;
    drift(&fleet, &edge, &apps[0]).await?;
    bad_policy(&fleet, &edge).await
}

/// A changed file, a stopped service and a stray file are seen by a dry run and repaired by the next run.
async fn drift(fleet: &Fleet, edge: &FleetDroplet, app: &FleetDroplet) -> Result<()> {
    let (text, stray) = (app.at("/etc/sluice/redis.env"), edge.at("/etc/sluice/router/routes.d/stray.toml"));
    let good = std::fs::read_to_string(&text)?;
    std::fs::write(&text, good.replace("6379", "6380"))?;
    std::fs::write(&stray, "# of nobody\n")?;
    let services = init::of_this_machine(&Layout::new(edge.root.clone()));
    services.stop("sluice-router").await?;

    let seen = fleet.run(&["configure", "--dry-run"]).await?;
    assert_eq!(seen.code, 2, "{seen:?}");
    let (edge_name, app_name) = (&edge.name, &app.name);
    for line in [
        format!("{edge_name}: files of /etc/sluice/router/routes.d: stray.toml is wanted no more"),
        format!("{edge_name}: service sluice-router: does not run"),
        format!("{app_name}: file /etc/sluice/redis.env: content"),
        "-SLUICE_REDIS_PORT=6380\n+SLUICE_REDIS_PORT=6379".to_owned(),
    ] {
        assert!(seen.stdout.contains(&line), "no `{line}` in {}", seen.stdout);
    }
    assert!(stray.exists() && std::fs::read_to_string(&text)? != good, "a dry run changes nothing");
    assert_eq!(services.status("sluice-router").await?, ServiceStatus::Stopped);

    let mut repaired = changed(&fleet.succeeds(&["configure", "--json"]).await?)?;
    repaired.sort_unstable();
    assert_eq!(repaired, [0, 1, 2]);
    assert!(!stray.exists());
    assert_eq!(std::fs::read_to_string(&text)?, good);
    eventually("the router serves again", async || serves(edge).await).await;
    fleet.succeeds(&["configure", "--dry-run"]).await.map(drop)
}

/// What a router would refuse is refused here, with its place, and routers serve on.
async fn bad_policy(fleet: &Fleet, edge: &FleetDroplet) -> Result<()> {
    let there = edge.at("/etc/sluice/router/routes.d/app.toml");
    let before = std::fs::read_to_string(&there)?;
    fleet.write(
        "router/routes.d/app.toml",
        &ROUTES.replace("APP", "meow").replace("to = \"stable\"", "to = \"stabel\""),
    )?;
    for command in [&["configure"][..], &["up", "--yes"]] {
        let refused = fleet.run(command).await?;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("routes.d/app.toml:13:6"), "{}", refused.stderr);
    }
    assert_eq!(std::fs::read_to_string(&there)?, before);
    serves(edge).await
}

/// What redis-cli answers on the app server, as this user.
async fn redis(
    fleet: &Fleet,
    app: &FleetDroplet,
    address: &str,
    user: &str,
    password: &str,
    command: &str,
) -> Result<String> {
    let login = if user.is_empty() { String::new() } else { format!("REDISCLI_AUTH={password} ") };
    let user = if user.is_empty() { String::new() } else { format!("--user {user}") };
    let answer = fleet.ssh(app, &format!("{login}redis-cli {user} -h {address} {command} 2>&1 || true")).await?;
    Ok(answer.trim().to_owned())
}

/// Nobody without a password, nobody more than it needs, and on the private address alone.
async fn users_of_redis(fleet: &Fleet, edge: &FleetDroplet, app: &FleetDroplet) -> Result<()> {
    let secrets: Value = serde_json::from_slice(&std::fs::read(app.at("/etc/sluice/secrets.json"))?)?;
    let password = secrets["redis_password"].as_str().context("the app server's password")?;
    let ask = async |user: &str, password: &str, command: &str| {
        redis(fleet, app, &edge.address, user, password, command).await
    };
    assert_eq!(ask("", "", "ping").await?, "NOAUTH Authentication required.");
    assert!(ask("app", "wrong", "ping").await?.contains("WRONGPASS"));
    assert!(ask("default", password, "ping").await?.contains("WRONGPASS"), "the default user is off");
    assert_eq!(ask("app", password, "ping").await?, "PONG");
    for forbidden in ["get featureFlags", "set featureFlags true", "config get dir", "keys '*'", "acl list", "shutdown"]
    {
        let answer = ask("app", password, forbidden).await?;
        assert!(answer.contains("NOPERM"), "{forbidden}: {answer}");
    }
    assert!(ask("router", password, "ping").await?.contains("WRONGPASS"), "an app server is no router");
    assert_eq!(ask("operator", PASSWORD, "get featureFlags").await?, "");
    let config = std::fs::read_to_string(edge.at("/etc/sluice/redis/redis.conf"))?;
    let places: Vec<&str> = config.lines().filter(|line| line.starts_with("bind ")).collect();
    assert_eq!(places, [format!("bind {}", edge.address)]);
    Ok(())
}

/// Waits for a port of another droplet, from inside of one; what Python says if it does not get in.
async fn connect(fleet: &Fleet, from: &FleetDroplet, to: &FleetDroplet, port: u16) -> Result<String> {
    connect_to(fleet, from, &to.address, port).await
}

async fn connect_to(fleet: &Fleet, from: &FleetDroplet, address: &str, port: u16) -> Result<String> {
    let script = format!("import socket; socket.create_connection((\"{address}\", {port}), 2); print(\"in\")");
    let said = fleet.ssh(from, &format!("python3 -c '{script}' 2>&1 || true")).await?;
    Ok(said.lines().last().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infra_configure_only_routers_reach_an_app_in_namespaces() -> Result<()> {
    let fleet = fleet(FLEET)?;
    fleet.succeeds(&["up", "--yes"]).await?;
    let (edge, apps) = (only(&fleet, "edge")?, fleet.pool("app")?);
    let listen = format!("nohup python3 -m http.server 8001 --bind {} >/dev/null 2>&1 & echo started", apps[0].address);
    fleet.ssh(&apps[0], &listen).await?;
    eventually("the router gets in", async || {
        let said = connect(&fleet, &edge, &apps[0], 8001).await?;
        ensure!(said == "in", "{said}");
        Ok(())
    })
    .await;
    for (from, to, port, gets_in) in [
        (&apps[1], &apps[0], 8001, false),
        (&apps[1], &edge, 6379, true),
        (&apps[1], &edge, 8080, true),
        (&apps[1], &edge, 9900, false),
        (&apps[1], &apps[0], 9100, false),
        (&edge, &apps[0], 9100, true),
    ] {
        let said = connect(&fleet, from, to, port).await?;
        assert_eq!(said == "in", gets_in, "{} to {} port {port}: {said}", from.name, to.name);
    }
    let loopback = connect_to(&fleet, &edge, "127.0.0.1", 6379).await?;
    assert!(loopback.contains("refused"), "Redis listens on its private address alone: {loopback}");
    Ok(())
}
