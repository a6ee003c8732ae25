//! A fleet that is watched: metrics, leases of what died, and from a busy droplet over an alert to one droplet more and back, with a
//! controller that is killed in the middle.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_infra_host::{Layout, Releases, init};
use sluice_tests::client::http;
use sluice_tests::eventually_within;
use sluice_tests::fleet::Fleet;
use sluice_tests::metrics;
use sluice_tests::process::Process;

use super::infra_traffic::release;

use crate::infra_site::{self, only};

/// The pool `canary` is the one that gets busy; `app` is scaled for it, so that the start of a new droplet raises no alert.
const INFRA: &str = r#"
[fleet]
name = "cats"

[pools.edge]
roles = ["router", "redis"]

[pools.canary]
roles = ["app"]
app = "hello"
variant = "canary"

[pools.app]
roles = ["app"]
app = "hello"
variant = "stable"

[pools.app.scale]
min = 1
max = 4
drain = "1s"
on_alert = { rules = ["cpu-high"], add = 1, cooldown = "1s", scale_in_after = "1s" }

[rules.cpu-high]
metric = "cpu"
above = 20
pools = ["canary"]
for = "0s"
keep = "15s"

[rules.absent]
metric = "absent"
pools = ["canary"]
for = "12s"
keep = "15s"

[apps.hello]
run = ["node", "server.js", "{{ address }}", "{{ port }}"]
port = 8001
drain = "1s"
health = { path = "/", interval = "100ms", healthy = 1 }
pipeline.steps = [{ name = "test", run = "node --check server.js" }]
"#;
/// Rounds and leases last seconds, and a busy machine many of them.
const WHILE: Duration = Duration::from_secs(120);
/// The busy droplet is busy until this file is there.
const ENOUGH: &str = "/enough";
const BUSY: &str = "while [ ! -e \"$SLUICE_ROOT/enough\" ]; do :; done";

/// Up, with a release on each droplet of the app.
async fn start() -> Result<Fleet> {
    let fleet = infra_site::fleet(INFRA, "hello", "0123456789abcdef")?;
    fleet.succeeds(&["up", "--yes"]).await?;
    release(&fleet).await?;
    Ok(fleet)
}

/// What a command tells as JSON.
async fn told(fleet: &Fleet, words: &[&str]) -> Result<Vec<Value>> {
    let text = fleet.succeeds(words).await?;
    serde_json::from_str(&text).with_context(|| format!("understand {text}"))
}

/// The droplets whose servers serve.
async fn serving(fleet: &Fleet) -> Result<BTreeSet<String>> {
    let servers = told(fleet, &["servers", "--json"]).await?;
    let serving = servers.iter().filter(|server| server["health"] == "serving");
    serving.map(|server| Ok(server["droplet"].as_str().context("it is of a droplet")?.to_owned())).collect()
}

/// So many droplets of the scaled pool, each of which serves.
async fn scaled(fleet: &Fleet, count: usize, controller: &Process) -> Result<()> {
    let (droplets, serving) = (fleet.pool("app")?, serving(fleet).await?);
    let all_serve = droplets.iter().all(|droplet| serving.contains(&droplet.name));
    ensure!(droplets.len() == count && all_serve, "{serving:?} serve of {droplets:?}:\n{}", controller.output());
    Ok(())
}

/// The droplets of which an alert of this rule is up.
async fn up(fleet: &Fleet, rule: &str) -> Result<Vec<String>> {
    let firing = told(fleet, &["alerts", "firing", "--json"]).await?;
    let ours = firing.iter().map(|firing| firing.get("alert").unwrap_or(firing)).filter(|alert| alert["rule"] == rule);
    Ok(ours.map(|alert| alert["labels"]["droplet"].as_str().unwrap_or_default().to_owned()).collect())
}

fn controller(fleet: &Fleet, name: &str) -> Result<Process> {
    Process::start(name, &mut fleet.command(&["controller"]))
}

async fn leads(controller: &Process) {
    eventually_within(WHILE, "it leads", async || {
        ensure!(controller.output().contains("leads "), "{}", controller.output());
        Ok(())
    })
    .await;
}

/// When the pool was last decided upon.
async fn decided_ms(fleet: &Fleet) -> Result<u64> {
    let decisions = told(fleet, &["scale", "explain", "app", "--json"]).await?;
    decisions.last().and_then(|last| last["until_ms"].as_u64()).context("it was decided upon")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infra_monitor_metrics_are_clean_and_what_died_leaves_with_its_lease() -> Result<()> {
    let fleet = start().await?;
    let (edge, app, canary) = (only(&fleet, "edge")?, only(&fleet, "app")?, only(&fleet, "canary")?);
    for droplet in fleet.droplets()? {
        // Its firewall lets routers in, and nobody from outside.
        let look = format!(
            "fetch('http://{}:9100/metrics').then(async (a) => a.ok ? console.log((await a.text()).trimEnd()) : process.exit(1))",
            droplet.address
        );
        let look = format!("node -e \"{look}\"");
        let text = eventually_within(WHILE, "it was measured", async || fleet.ssh(&edge, &look).await).await;
        // Two names are node_exporter's own, which promtool finds badly spelt.
        metrics::promtool(&text.replace("MemTotal", "total").replace("MemAvailable", "available")).await?;
        let samples = metrics::parse(&text)?;
        for name in ["node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_load1", "sluice_agent_info"] {
            assert!(samples.iter().any(|sample| sample.name == name), "no {name} in {text}");
        }
    }
    eventually_within(WHILE, "both are listed with what they use", async || {
        let list = http().get(format!("http://{}:8080/listservers", edge.address)).send().await?;
        let list = list.text().await?;
        let percent = list.lines().skip(1).filter(|line| line.matches('%').count() == 2).count();
        ensure!(percent == 2 && list.contains("CPU  MEM"), "{list}");
        Ok(())
    })
    .await;
    let table = fleet.succeeds(&["servers"]).await?;
    assert!(table.starts_with("ADDRESS") && table.contains(&app.name) && table.contains(&canary.name), "{table}");

    let layout = Layout::new(app.root.clone());
    let running = Releases::look(&layout, "hello")?.running.pop().context("its release runs")?;
    let services = init::of_this_machine(&layout);
    services.stop(&running.service).await?;
    eventually_within(WHILE, "what died is not listed, and the other is", async || {
        let serving = serving(&fleet).await?;
        ensure!(serving == BTreeSet::from([canary.name.clone()]), "{serving:?}");
        Ok(())
    })
    .await;
    services.start(&running.service).await?;
    eventually_within(WHILE, "it comes back", async || {
        ensure!(serving(&fleet).await?.len() == 2);
        Ok(())
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infra_monitor_an_alert_adds_one_droplet_whoever_leads_and_it_leaves_again() -> Result<()> {
    let fleet = start().await?;
    let (app, canary) = (only(&fleet, "app")?, only(&fleet, "canary")?);
    eventually_within(WHILE, "nothing is busy any more", async || {
        let servers = told(&fleet, &["servers", "--json"]).await?;
        ensure!(servers.iter().all(|server| server["cpu"].as_f64().is_some_and(|cpu| cpu < 10.0)), "{servers:?}");
        Ok(())
    })
    .await;
    let mut first = controller(&fleet, "first")?;
    leads(&first).await;
    let mut second = controller(&fleet, "second")?;
    let busy =
        Process::start("busy", &mut fleet.command(&["ssh", &canary.name, "--", "timeout", "300", "sh", "-c", BUSY]))?;
    eventually_within(WHILE, "the alert is up", async || {
        let up = up(&fleet, "cpu-high").await?;
        ensure!(up == [canary.name.clone()], "{up:?}: {}{}", first.output(), busy.output());
        Ok(())
    })
    .await;
    eventually_within(WHILE, "one droplet more serves", async || scaled(&fleet, 2, &first).await).await;

    // The alert is up still: who leads next knows that it was answered.
    first.signal("KILL").await?;
    first.wait().await?;
    leads(&second).await;
    let led_ms = decided_ms(&fleet).await?;
    eventually_within(WHILE, "the second decides", async || {
        ensure!(decided_ms(&fleet).await? > led_ms + 10_000, "{}", second.output());
        Ok(())
    })
    .await;
    assert_eq!(up(&fleet, "cpu-high").await?, std::slice::from_ref(&canary.name));
    assert_eq!(fleet.pool("app")?.len(), 2, "{}", second.output());

    std::fs::write(canary.at(ENOUGH), "")?;
    eventually_within(WHILE, "it leaves when the alert is over", async || scaled(&fleet, 1, &second).await).await;
    assert_eq!(only(&fleet, "app")?.name, app.name, "the one that served longest stays");
    let explained = fleet.succeeds(&["scale", "explain", "app", "--acts"]).await?;
    assert!(explained.contains("1 -> 2") && explained.contains("2 -> 1"), "{explained}");
    assert!(second.output().contains(" drains") && second.output().contains("is gone"), "{}", second.output());

    init::of_this_machine(&Layout::new(canary.root.clone())).stop("sluice-agent").await?;
    eventually_within(WHILE, "no data is an alert", async || {
        let absent = up(&fleet, "absent").await?;
        ensure!(absent == [canary.name.clone()], "{absent:?}: {}", second.output());
        Ok(())
    })
    .await;
    let ended = second.terminate().await?;
    ensure!(ended.success(), "{ended}: {}", second.output());
    Ok(())
}
