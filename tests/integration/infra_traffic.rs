//! A pool that follows requests: a real fleet under load, whose routers' own counts bring one droplet more.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::client::keep_alive;
use sluice_tests::fleet::Fleet;
use sluice_tests::process::Process;
use sluice_tests::{eventually, eventually_within};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::infra_site;

const INFRA: &str = r#"
[fleet]
name = "cats"

[pools.edge]
roles = ["router", "redis"]

[pools.app]
roles = ["app"]
app = "hello"
variant = "stable"

[pools.app.scale]
min = 1
max = 2
target = { rps_per_droplet = 5, forecast = "0s" }

[apps.hello]
run = ["node", "server.js", "{{ address }}", "{{ port }}"]
port = 8001
health = { path = "/", interval = "100ms", healthy = 1 }
pipeline.steps = [{ name = "test", run = "node --check server.js" }]
"#;
const SERVER: &str =
    "require('node:http').createServer((_, answer) => answer.end('hello')).listen(process.argv[3], process.argv[2]);\n";
/// Who sends, each as fast as this: far above what one droplet should carry, far below what a machine bears.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// Four rounds of the controller, the first two of which only look; and a new droplet on a busy machine.
const WHILE: Duration = Duration::from_secs(90);

/// A commit, deployed on every droplet of the app.
pub(crate) async fn release(fleet: &Fleet) -> Result<()> {
    fleet.write("work/server.js", SERVER)?;
    let work = fleet.folder().join("work").display().to_string();
    let author = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
    let commit = [&author[..], &["commit", "--quiet", "--message", "One"]].concat();
    for words in [&["init", "--quiet", "--initial-branch=main", "."][..], &["add", "."], &commit] {
        let git = Command::new("git").current_dir(&work).args(words).status().await?;
        ensure!(git.success(), "git {words:?}");
    }
    fleet.succeeds(&["deploy", "run", "hello", "--repository", &work]).await.map(drop)
}

/// Requests until they are dropped; those that fail are another test's matter.
fn load(edge: &str) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, edge) = (keep_alive(), edge.to_owned());
        clients.spawn(async move {
            loop {
                let _answer = client.get(&edge).send().await;
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    clients
}

/// The wish of the requests in the last decision.
async fn wish(fleet: &Fleet) -> Result<Value> {
    let decisions: Value =
        serde_json::from_str(&fleet.succeeds(&["scale", "explain", "app", "--json", "--acts"]).await?)?;
    let last = decisions.as_array().and_then(|decisions| decisions.last()).context("nothing was done yet")?;
    let wishes = last["wishes"].as_array().context("a decision has wishes")?;
    wishes.iter().find(|wish| wish["by"] == "rps").cloned().with_context(|| format!("no wish of rps: {last}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infra_traffic_requests_bring_a_droplet() -> Result<()> {
    let fleet = infra_site::fleet(INFRA, "hello", "0123456789abcdef")?;
    fleet.succeeds(&["up", "--yes"]).await?;
    release(&fleet).await?;
    let edge = fleet.pool("edge")?.pop().context("an edge")?;
    let url = format!("http://{}:8080/", edge.address);
    eventually("the release is reached", async || {
        let status = keep_alive().get(&url).send().await?.status();
        ensure!(status == 200, "{status}");
        Ok(())
    })
    .await;
    let clients = load(&url);
    let mut controller = Process::start("controller", &mut fleet.command(&["controller"]))?;
    let wish = eventually_within(WHILE, "requests are more than one droplet should carry", async || {
        wish(&fleet).await.with_context(|| controller.output())
    })
    .await;
    assert!(wish["measured"].as_f64().is_some_and(|rps| rps > 5.0), "{wish}");
    assert!(wish["droplets"].as_u64().is_some_and(|droplets| droplets >= 2), "{wish}");
    let told = fleet.succeeds(&["scale", "explain", "app", "--acts"]).await?;
    assert!(told.contains("rps") && told.contains("1 -> 2"), "{told}");
    eventually_within(WHILE, "one droplet more", async || {
        ensure!(fleet.pool("app")?.len() == 2, "{}", controller.output());
        Ok(())
    })
    .await;
    drop(clients);
    // What it began it brings to its end first.
    let ended = controller.terminate().await?;
    ensure!(ended.success(), "{ended}: {}", controller.output());
    Ok(())
}
