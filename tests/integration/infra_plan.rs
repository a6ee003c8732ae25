//! `sluice-infra plan`, `apply` and what belongs to them, with the real program: on the local cloud, killed in the middle,
//! changed from outside, over its budget, and to the end of the fleet.

mod rehearsed;
mod steps;

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;
use sluice_infra_cloud::{Cloud as _, CreateDroplet, LocalCloud, LocalNetwork, LocalSettings};
use sluice_tests::fleet::{Ended, Fleet};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// One droplet is router and Redis, two run the app: $18 a month.
const INFRA: &str = r#"
[fleet]
name = "cats"

[pools.edge]
roles = ["router", "redis"]
size = "s-1vcpu-1gb"

[pools.app]
roles = ["app"]
app = "meow"
variant = "stable"
size = "s-1vcpu-1gb"
count = 2

[apps.meow]
run = ["./meow"]
port = 8000
health = { path = "/" }
pipeline.steps = [{ name = "test", run = "true" }]

[router]
folder = "router"

[redis]
password = { env = "SLUICE_REDIS_PASSWORD" }
"#;

fn fleet(infra: &str) -> Result<Fleet> {
    Ok(Fleet::new(infra)?.env("SLUICE_REDIS_PASSWORD", "0123456789abcdef"))
}

/// The last line of JSON that a command printed.
fn last_document(ended: &Ended) -> Result<Value> {
    let line = ended.stdout.lines().last().context("it prints JSON")?;
    serde_json::from_str(line).with_context(|| format!("understand `{line}`"))
}

/// The operations that the droplets come from: as many as there are droplets, if none is there twice.
fn operations(fleet: &Fleet) -> Result<BTreeSet<String>> {
    let tags = fleet.droplets()?.into_iter().flat_map(|droplet| droplet.tags);
    Ok(tags.filter(|tag| tag.contains(":op:")).collect())
}

#[tokio::test]
async fn infra_plan_from_nothing_to_nothing() -> Result<()> {
    let fleet = fleet(INFRA)?;
    let planned = fleet.run(&["plan"]).await?;
    assert_eq!(planned.code, 2, "{planned:?}");
    for part in ["2 droplets s-1vcpu-1gb", "+ tcp 8000-8015 from sluice:cats:role:router", "$0.00 -> $18.00 a month"] {
        assert!(planned.stdout.contains(part), "no `{part}` in {}", planned.stdout);
    }
    let asked = fleet.run(&["apply"]).await?;
    assert_eq!(asked.code, 1);
    assert!(asked.stderr.contains("add --yes"), "{}", asked.stderr);
    assert!(fleet.droplets()?.is_empty());

    fleet.succeeds(&["apply", "--yes"]).await?;
    assert_eq!((fleet.droplets()?.len(), fleet.pool("app")?.len()), (3, 2));
    let before = operations(&fleet)?;
    let again = fleet.succeeds(&["apply", "--yes"]).await?;
    assert!(again.contains("No changes: the fleet is as wanted."), "{again}");
    assert_eq!(operations(&fleet)?, before);
    fleet.succeeds(&["plan"]).await?;
    fleet.succeeds(&["drift"]).await?;

    let status: Value = serde_json::from_str(&fleet.succeeds(&["status", "--json"]).await?)?;
    assert_eq!(status["droplets"].as_array().map(Vec::len), Some(3));
    assert_eq!(status["edges"].as_object().map(serde_json::Map::len), Some(1));
    let cost: Value = serde_json::from_str(&fleet.succeeds(&["cost", "--json"]).await?)?;
    assert_eq!(cost["monthly_cents"], 1800);
    let audit: Value = serde_json::from_str(&fleet.succeeds(&["audit", "--json"]).await?)?;
    assert_eq!(audit.as_array().map(Vec::len), Some(1), "one deed: {audit}");
    assert!(audit[0]["outcome"].as_str().is_some_and(|outcome| outcome.starts_with("3 created")), "{audit}");

    let destroyed = fleet.run(&["destroy"]).await?;
    assert_eq!(destroyed.code, 1);
    fleet.succeeds(&["destroy", "--yes"]).await?;
    assert!(fleet.droplets()?.is_empty());
    let status: Value = serde_json::from_str(&fleet.succeeds(&["status", "--json"]).await?)?;
    assert_eq!((&status["droplets"], &status["firewalls"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    Ok(())
}

/// Starts an apply and kills it, as `kill -9` does, after so many lines of what it tells. False if it ended before.
async fn kill_after(fleet: &Fleet, lines: usize) -> Result<bool> {
    let mut command = fleet.command(&["apply", "--yes", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("start it")?;
    let mut told = BufReader::new(child.stdout.take().context("its output")?).lines();
    for _ in 0..lines {
        if told.next_line().await?.is_none() {
            child.wait().await?;
            return Ok(false);
        }
    }
    child.kill().await.context("kill it")?;
    Ok(true)
}

#[tokio::test]
async fn infra_plan_killed_in_the_middle_it_goes_on() -> Result<()> {
    /// Lines between two places where it is killed: the library's own tests take every step.
    const STRIDE: usize = 3;
    let mut lines = 1;
    loop {
        let fleet = fleet(INFRA)?;
        let killed = kill_after(&fleet, lines).await?;
        fleet.succeeds(&["apply", "--yes"]).await.with_context(|| format!("killed after {lines} lines"))?;
        assert_eq!((fleet.droplets()?.len(), operations(&fleet)?.len()), (3, 3), "killed after {lines} lines");
        let plan = fleet.run(&["plan"]).await?;
        assert_eq!(plan.code, 0, "killed after {lines} lines: {}", plan.stdout);
        if !killed {
            ensure!(lines > 10, "only {lines} lines");
            return Ok(());
        }
        lines += STRIDE;
    }
}

/// Kills an apply at this step of its journal, and lets the program go on. False if it came to its end before.
async fn killed_at(step: usize) -> Result<bool> {
    // One app droplet less: fewer steps.
    let fleet = fleet(&INFRA.replace("count = 2", "count = 1"))?;
    let killed = steps::apply_until(fleet.folder(), step).await.with_context(|| format!("step {step}"))?;
    fleet.succeeds(&["apply", "--yes"]).await.with_context(|| format!("killed at step {step}"))?;
    assert_eq!((fleet.droplets()?.len(), operations(&fleet)?.len()), (2, 2), "killed at step {step}");
    let journal: Value = serde_json::from_str(&fleet.succeeds(&["audit", "--journal", "--json"]).await?)?;
    let open = |operation: &&Value| operation["stage"] == "intended" || operation["stage"] == "sent";
    let operations = journal.as_array().context("a list")?;
    assert_eq!(operations.iter().filter(open).count(), 0, "killed at step {step}: {journal}");
    Ok(killed)
}

#[tokio::test]
async fn infra_plan_killed_at_any_step_of_its_journal_it_goes_on() -> Result<()> {
    /// Fleets side by side, each with a cloud of its own.
    const AT_ONCE: usize = 4;
    let mut step = 1;
    while try_join_all((step..step + AT_ONCE).map(killed_at)).await?.into_iter().all(|killed| killed) {
        step += AT_ONCE;
    }
    ensure!(step + AT_ONCE > 12, "only {step} steps");
    Ok(())
}

#[tokio::test]
async fn infra_plan_over_the_budget_nothing_is_made() -> Result<()> {
    let fleet = fleet(&format!("{INFRA}\n[budget]\nmonthly_usd_max = 17\n"))?;
    let refused = fleet.run(&["apply", "--yes"]).await?;
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stdout.contains("it would cost $18.00 a month, the budget is $17.00"), "{}", refused.stdout);
    assert!(fleet.droplets()?.is_empty());
    fleet.write("infra.toml", &format!("{INFRA}\n[budget]\nmonthly_usd_max = 18\n"))?;
    let applied = fleet.run(&["apply", "--yes", "--json"]).await?;
    assert_eq!((applied.code, fleet.droplets()?.len()), (0, 3));
    assert_eq!(last_document(&applied)?["outcome"]["created"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn infra_plan_drift_is_seen_and_repaired() -> Result<()> {
    let fleet = fleet(INFRA)?;
    fleet.succeeds(&["apply", "--yes"]).await?;
    let broken = fleet.pool("app")?.pop().context("an app droplet")?;
    fleet.power_off(&broken).await?;
    let drift = fleet.run(&["drift"]).await?;
    assert_eq!((drift.code, drift.stdout.trim()), (2, &*format!("~ {}: status active -> off", broken.name)));
    fleet.succeeds(&["apply", "--yes"]).await?;
    assert_eq!(fleet.droplets()?.len(), 3);
    assert!(fleet.droplets()?.iter().all(|droplet| droplet.id != broken.id));
    fleet.succeeds(&["drift"]).await?;

    let edge = fleet.pool("edge")?.pop().context("the edge")?;
    fleet.power_off(&edge).await?;
    let refused = fleet.run(&["apply", "--yes"]).await?;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("--accept-data-loss"), "{}", refused.stderr);
    fleet.succeeds(&["apply", "--yes", "--accept-data-loss"]).await?;
    assert_ne!(fleet.pool("edge")?.pop().context("the edge")?.id, edge.id);
    Ok(())
}

#[tokio::test]
async fn infra_plan_what_nothing_wants_is_collected() -> Result<()> {
    let fleet = fleet(INFRA)?;
    fleet.succeeds(&["apply", "--yes"]).await?;
    let (folder, program) = (fleet.local(), fleet.program().to_owned());
    let cloud = LocalCloud::open(LocalSettings { folder, program, network: LocalNetwork::Auto }).await?;
    let stray = CreateDroplet {
        name: "stray".to_owned(),
        region: "fra1".to_owned(),
        size: "s-1vcpu-1gb".to_owned(),
        image: "debian-13-x64".to_owned(),
        ssh_keys: Vec::new(),
        tags: vec!["sluice:cats".to_owned()],
        user_data: "#cloud-config\n{}".to_owned(),
    };
    cloud.create_droplet(&stray).await?;
    let drift = fleet.run(&["drift"]).await?;
    assert!(drift.code == 2 && drift.stdout.starts_with("+ stray "), "{drift:?}");
    let shown = fleet.run(&["gc", "--dry-run"]).await?;
    assert!(shown.code == 2 && shown.stdout.contains("has the fleet's tag and belongs to no pool"), "{shown:?}");
    assert_eq!(fleet.droplets()?.len(), 4);
    assert_eq!(fleet.run(&["gc"]).await?.code, 1, "nobody can be asked");
    fleet.succeeds(&["gc", "--yes"]).await?;
    assert_eq!((fleet.droplets()?.len(), operations(&fleet)?.len()), (3, 3));
    Ok(())
}

#[tokio::test]
async fn infra_plan_a_cloud_that_is_away_is_said_and_the_token_is_not() -> Result<()> {
    const TOKEN: &str = "canary-0f9e8d7c6b5a";
    // Nobody listens where somebody did a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let cloud =
        format!("[cloud]\nkind = \"digitalocean\"\nurl = \"http://{address}\"\ntoken = {{ env = \"TOKEN\" }}\n");
    let fleet = fleet(&format!("{INFRA}\n{cloud}"))?.env("TOKEN", TOKEN);
    for command in
        [&["plan"][..], &["apply", "--yes"], &["apply", "--yes", "--json"], &["destroy", "--yes"], &["status"]]
    {
        let ended = fleet.run(command).await?;
        assert_eq!(ended.code, 5, "{command:?}: {ended:?}");
        assert!(ended.stderr.contains("digitalocean"), "{command:?}: {ended:?}");
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(TOKEN), "{command:?}: {ended:?}");
    }
    for entry in std::fs::read_dir(fleet.folder().join(".sluice-infra"))? {
        let path = entry?.path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            assert!(!text.contains(TOKEN), "{}", path.display());
        }
    }
    Ok(())
}

#[tokio::test]
async fn infra_plan_one_works_at_a_time() -> Result<()> {
    let fleet = fleet(INFRA)?;
    fleet.succeeds(&["apply", "--yes"]).await?;
    let path = fleet.folder().join(".sluice-infra/lock");
    let held = std::fs::File::options().write(true).open(&path)?;
    held.lock()?;
    let holder = r#"{"who":"ann@desk","pid":7,"command":"apply","since_ms":0}"#;
    std::fs::write(&path, holder)?;
    let refused = fleet.run(&["apply", "--yes"]).await?;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("`sluice-infra apply` of ann@desk"), "{}", refused.stderr);
    assert!(fleet.succeeds(&["lock"]).await?.starts_with("held by `sluice-infra apply` of ann@desk, process 7"));
    // Reading needs no lock.
    fleet.succeeds(&["plan"]).await?;
    // Its holder dies: what it left in the file is no lock.
    drop(held);
    assert_eq!(fleet.succeeds(&["lock"]).await?.trim(), "not held");
    fleet.succeeds(&["apply", "--yes"]).await?;
    Ok(())
}
