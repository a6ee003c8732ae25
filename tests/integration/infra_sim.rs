//! `sluice-infra sim` and `drill` as programs: a simulated cloud that outlives its server, is steered from this machine
//! only, and the fleet of a file rehearsed with faults.

use anyhow::{Context, Result, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sluice_infra_cloud::{Cloud as _, CloudError, CreateDroplet, DigitalOcean, DropletStatus};
use sluice_tests::eventually;
use sluice_tests::fleet::Fleet;
use sluice_tests::process::Process;

const CATS: &str = r#"
[fleet]
name = "cats"

[pools.edge]
roles = ["router", "redis"]

[pools.app]
roles = ["app"]
app = "meow"
variant = "stable"
count = 2

[apps.meow]
run = ["./meow"]
health = { path = "/" }
pipeline.steps = [{ name = "test", run = "true" }]

[router]
folder = "router"

[redis]
password = { env = "REDIS" }
"#;
/// The first droplet is made and answered by a 502.
const FAULTS: &str = "[[fault]]\nkind = \"error-after\"\nroute = \"POST /v2/droplets\"\nstatus = 502\ntimes = 1\n";
const TAG: &str = "sluice:test";

/// The simulator, and its address.
async fn serve(fleet: &Fleet, more: &[&str]) -> Result<(Process, String)> {
    let arguments =
        [&["sim", "serve", "--listen", "127.0.0.1:0", "--speed", "300", "--state", "sim.json"], more].concat();
    let mut command = fleet.command(&arguments);
    let mut process = Process::start("sluice-infra sim", &mut command)?;
    let url = process.line("ready url=").await?.trim().to_owned();
    Ok((process, url))
}

fn wanted(name: &str) -> CreateDroplet {
    CreateDroplet {
        name: name.into(),
        region: "fra1".into(),
        size: "s-1vcpu-1gb".into(),
        image: "debian-13-x64".into(),
        ssh_keys: Vec::new(),
        tags: vec![TAG.into()],
        user_data: String::new(),
    }
}

#[tokio::test]
async fn infra_sim_keeps_its_cloud_and_bills_it() -> Result<()> {
    let fleet = Fleet::new(CATS)?;
    fleet.write("faults.toml", FAULTS)?;
    let (mut process, url) = serve(&fleet, &["--faults", "faults.toml"]).await?;
    let client = DigitalOcean::simulator(url.clone(), "any".to_owned())?;
    let end = client.create_droplet(&wanted("one")).await;
    ensure!(matches!(end, Err(CloudError::Unclear { .. })), "{end:?}");
    let made = client.create_droplet(&wanted("two")).await?;
    eventually("the droplet is active", async || {
        let droplet = client.droplet(&made.id).await?.context("it is there")?;
        ensure!(droplet.status == DropletStatus::Active, "{droplet:?}");
        Ok(())
    })
    .await;
    ensure!(process.terminate().await?.success(), "SIGTERM ends it well");

    let (_process, url) = serve(&fleet, &[]).await?;
    let client = DigitalOcean::simulator(url.clone(), "any".to_owned())?;
    assert_eq!(client.droplets(TAG).await?.len(), 2, "the one behind the 502 too");
    let at = url.trim_start_matches("http://");
    let bill: Value = serde_json::from_str(&fleet.succeeds(&["sim", "bill", "--json", "--at", at]).await?)?;
    assert_eq!(bill["charges"].as_array().map(Vec::len), Some(2), "{bill}");
    ensure!(bill["total_usd"].as_f64() >= Some(0.02), "a cent at least for each: {bill}");
    let table = fleet.succeeds(&["sim", "bill", "--at", at]).await?;
    ensure!(table.lines().count() == 4 && table.contains("two") && table.contains("$0.02"), "{table}");
    let state: Value = serde_json::from_str(&fleet.succeeds(&["sim", "state", "--at", at]).await?)?;
    assert_eq!(state["droplets"].as_object().map(serde_json::Map::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn infra_sim_is_steered_under_a_loopback_name_only() -> Result<()> {
    let fleet = Fleet::new(CATS)?;
    let (_process, url) = serve(&fleet, &[]).await?;
    let http = Client::builder().no_proxy().build()?;
    let faults = http.put(format!("{url}/_sim/faults"));
    let refused = faults.try_clone().context("it can be sent twice")?.header("host", "cats.example").send().await?;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "a page of a browser could lead here by name");
    let wrong = faults.try_clone().context("it can be sent twice")?.body("[[fault]]\nkind = \"explode\"\n");
    assert_eq!(wrong.send().await?.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let taken = faults.body("[[fault]]\nkind = \"quota\"\n").send().await?;
    ensure!(taken.status().is_success(), "{taken:?}");

    let client = DigitalOcean::simulator(url.clone(), "any".to_owned())?;
    let end = client.create_droplet(&wanted("one")).await;
    ensure!(matches!(end, Err(CloudError::Quota { .. })), "{end:?}");
    let met: Value = http.get(format!("{url}/_sim/faults")).send().await?.json().await?;
    assert_eq!(met["hits"], json!([1]), "{met}");

    let clock = http.post(format!("{url}/_sim/clock"));
    let now = async |seconds: u64| -> Result<String> {
        let clock = clock.try_clone().context("it can be sent twice")?;
        let answer: Value = clock.json(&json!({ "advance_seconds": seconds })).send().await?.json().await?;
        Ok(answer["now"].as_str().context("it says the time")?.to_owned())
    };
    let (before, after) = (now(0).await?, now(2 * 366 * 86_400).await?);
    ensure!(before[..4].parse::<u32>()? + 2 <= after[..4].parse()?, "two years from {before} to {after}");
    Ok(())
}

#[tokio::test]
async fn infra_sim_drill_passes_where_answers_are_unclear() -> Result<()> {
    let fleet = Fleet::new(CATS)?;
    let rows: Value = serde_json::from_str(&fleet.succeeds(&["drill", "--only", "after", "--json"]).await?)?;
    let rows = rows.as_array().context("it is a list")?;
    assert_eq!(rows.len(), 3, "{rows:?}");
    for row in rows {
        assert_eq!((&row["standing"], &row["duplicates"], &row["left"]), (&json!(3), &json!(0), &json!(0)), "{row}");
        ensure!(row["passed"] == json!(true) && row["struck"].as_u64() > Some(0), "{row}");
    }
    ensure!(!fleet.folder().join(".sluice-infra").exists(), "the state of the fleet is not touched");
    let none = fleet.run(&["drill", "--only", "no-such-fault"]).await?;
    assert_eq!(none.code, 1);
    Ok(())
}
