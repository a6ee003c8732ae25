//! DigitalOcean's official Python client against the simulator: what it takes for the real cloud, a rehearsal may take too.

use anyhow::{Context, Result, ensure};
use sluice_infra_cloud::simulator::{Simulator, SimulatorSettings, serve};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pydo/client.py");
/// How much faster simulated time runs: a boot of a minute takes a fifth of a second.
const SPEED: f64 = 300.0;
/// The steps that the script tells of, beside refusals.
const STEPS: [&str; 7] = ["catalogue", "key", "droplet", "crowd", "firewall", "tags", "end"];

/// The Python that `cargo xtask test` has found or made, or the one that it made before.
fn python() -> String {
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/pydo/bin/python");
    std::env::var("SLUICE_PYDO_PYTHON").unwrap_or_else(|_| made.to_owned())
}

#[tokio::test]
async fn infra_pydo_takes_the_simulator_for_the_cloud() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let simulator = Simulator::new(&SimulatorSettings { speed: Some(SPEED), ..SimulatorSettings::default() });
    let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
    let (served, stopped) = (simulator.clone(), stop.clone());
    task.spawn(async move {
        let _end = serve(listener, served, stopped).await;
    });

    let mut script = Command::new(python());
    script.arg(SCRIPT).args([&url, "rehearsal"]).kill_on_drop(true);
    let output = script.output().await.context("`cargo xtask test` sets pydo up")?;
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{said}\n{complaint}");
    let steps = said.lines().map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
    for step in STEPS {
        assert!(steps.iter().any(|said| said["step"] == step), "the script left out {step}:\n{said}");
    }
    assert_eq!(steps.iter().filter(|said| said["step"] == "refused").count(), 5, "{said}");
    stop.cancel();
    Ok(())
}
