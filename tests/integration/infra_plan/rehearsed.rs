//! The same at the simulator of DigitalOcean, over HTTP and with its faults: killed at every step of the journal while calls fail,
//! there are exactly the wanted droplets afterwards, and none that is billed twice.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use sluice_infra_cloud::simulator::{FaultPlan, Latency, Simulator, SimulatorSettings, serve};
use sluice_infra_cloud::{Cloud as _, DigitalOcean, DropletStatus};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{INFRA, fleet, steps};

/// Fleets side by side, each at a simulator of its own: they mostly wait.
const AT_ONCE: usize = 16;
/// How often the program is run until all is well: a fault of a run may be met by the next one.
const RUNS_MAX: usize = 4;

/// Kills an apply at this step of its journal, while calls fail by this plan; then the program applies. False if it came to its end.
async fn killed_at(step: usize, faults: Value) -> Result<bool> {
    let settings = SimulatorSettings { latency: Latency::NONE, speed: Some(1.0), ..SimulatorSettings::default() };
    let simulator = Simulator::new(&settings);
    simulator.set_faults(serde_json::from_value::<FaultPlan>(faults)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    // Dropped at the end: the simulator goes with it.
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, simulator.clone(), CancellationToken::new()));

    let cloud = format!("[cloud]\nkind = \"simulator\"\nurl = \"{url}\"\n");
    let fleet = fleet(&format!("{}\n{cloud}", INFRA.replace("count = 2", "count = 1")))?;
    let killed = steps::apply_until(fleet.folder(), step).await.with_context(|| format!("step {step}"))?;
    let mut runs = 0;
    loop {
        let ended = fleet.run(&["apply", "--yes"]).await?;
        if ended.code == 0 {
            break;
        }
        runs += 1;
        ensure!(runs < RUNS_MAX, "killed at step {step}: {ended:?}");
    }
    let plan = fleet.run(&["plan"]).await?;
    ensure!(plan.code == 0, "killed at step {step}: {plan:?}");
    // What stands in truth: no listing is late any more.
    simulator.set_faults(FaultPlan::default());
    let standing = DigitalOcean::simulator(url, "simulator".to_owned())?.droplets("sluice:cats").await?;
    let operations: BTreeSet<&String> =
        standing.iter().flat_map(|droplet| &droplet.tags).filter(|tag| tag.contains(":op:")).collect();
    assert_eq!((standing.len(), operations.len()), (2, 2), "killed at step {step}: {standing:?}");
    assert!(standing.iter().all(|droplet| droplet.status == DropletStatus::Active), "killed at step {step}");
    Ok(killed)
}

async fn at_every_step(faults: Value) -> Result<()> {
    let mut step = 1;
    let all_killed = async |first: usize| {
        let killed = (first..first + AT_ONCE).map(|step| killed_at(step, faults.clone()));
        anyhow::Ok(try_join_all(killed).await?.into_iter().all(|killed| killed))
    };
    while all_killed(step).await? {
        step += AT_ONCE;
    }
    Ok(())
}

#[tokio::test]
async fn infra_plan_rehearsed_while_creates_answer_5xx_after_the_fact() -> Result<()> {
    at_every_step(json!({ "fault": [
        { "kind": "error-after", "route": "POST /v2/droplets", "nth": 1 },
        { "kind": "reset-mid-body", "route": "POST /v2/droplets", "nth": 2 },
        { "kind": "error-after", "route": "POST /v2/firewalls", "nth": 1 },
    ] }))
    .await
}

#[tokio::test]
async fn infra_plan_rehearsed_while_the_cloud_is_busy() -> Result<()> {
    at_every_step(json!({ "fault": [
        { "kind": "too-many-requests", "times": 3, "probability": 0.3, "seconds": 1 },
        { "kind": "try-again", "route": "POST /v2/droplets", "nth": 1 },
        { "kind": "error-before", "route": "GET /v2/droplets/**", "times": 2 },
        { "kind": "stale-list", "seconds": 1 },
    ] }))
    .await
}
