//! Rollouts as people and the fleet drive them: an operator's verbs, plans, analysis, and who of several routers acts.

mod analysis;
mod fleet;
mod steering;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::client;
use sluice_tests::eventually;
use sluice_tests::process::sluice;
use sluice_tests::router::Router;

/// A policy with one rollout `demo` for `/`, with more lines about it; each variant has a server of its own.
fn policy(stable: &str, canary: &str, about: &str) -> String {
    upstreams(stable, canary) + &rollout("demo", "/", about)
}

fn upstreams(stable: &str, canary: &str) -> String {
    format!("[upstreams.stable]\nservers = [\"{stable}\"]\n[upstreams.canary]\nservers = [\"{canary}\"]\n")
}

/// A rollout with a route and a plugin of its own. `about` stands in its table, and may open `[rollouts.NAME.analysis]`.
fn rollout(name: &str, path: &str, about: &str) -> String {
    format!(
        "[rollouts.{name}]\nkey = [\"header:x-user\", \"client-address\"]\nstable = \"stable\"\ncanary = \"canary\"\n\
         variants = {{ stable = \"stable\", canary = \"canary\", beta = \"canary\" }}\n{about}\n\
         [plugins.{name}]\nfile = \"canary.wasm\"\ngrants = {{ state = [\"rollout:{name}\"] }}\n\
         config = {{ rollout = \"{name}\", variants = [\"stable\", \"canary\", \"beta\"] }}\n\
         [[routes]]\nname = \"{name}\"\nmatch = {{ path = {{ prefix = \"{path}\" }} }}\nrollout = \"{name}\"\n\
         plugins = [\"{name}\"]\nto = \"stable\"\n"
    )
}

async fn shown(router: &Router, name: &str) -> Result<Value> {
    router.get(&format!("/v1/rollouts/{name}")).await
}

/// A verb, with what it is told.
async fn order(router: &Router, name: &str, verb: &str, told: Value) -> Result<Value> {
    client::json(client::http().post(format!("{}/v1/rollouts/{name}/{verb}", router.admin)).json(&told)).await
}

async fn set(router: &Router, name: &str, told: Value) -> Result<Value> {
    client::json(client::http().put(format!("{}/v1/rollouts/{name}", router.admin)).json(&told)).await
}

/// What the router says to an order that it refuses.
async fn refusal(router: &Router, name: &str, verb: &str, told: Value) -> Result<String> {
    match order(router, name, verb, told).await {
        Ok(done) => anyhow::bail!("{verb} was not refused: {done}"),
        Err(error) => Ok(error.to_string()),
    }
}

/// Waits until the rollout is shown so.
async fn becomes(router: &Router, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name}: {what}"), async || {
        let rollout = shown(router, name).await?;
        ensure!(is_so(&rollout), "{rollout:#}");
        Ok(rollout)
    })
    .await
}

/// The history of a rollout, oldest first, as `by: new (reason)`.
async fn history(router: &Router, name: &str) -> Result<Vec<String>> {
    let entries = router.get(&format!("/v1/rollouts/{name}/history")).await?;
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let line = |entry: &Value| format!("{}: {} ({})", text(entry, "by"), text(entry, "new"), text(entry, "reason"));
    Ok(entries.as_array().context("a history is a list")?.iter().rev().map(line).collect())
}

/// `sluice rollout ...` against this router: its status and what it printed, complaints last.
async fn cli(router: &Router, arguments: &[&str]) -> Result<(i32, String)> {
    let arguments = [&["rollout"], arguments, &["--admin", &router.admin]].concat();
    let (status, told, complaint) = sluice(&arguments).await?;
    Ok((status, told + &complaint))
}

fn nothing() -> Value {
    json!({})
}
