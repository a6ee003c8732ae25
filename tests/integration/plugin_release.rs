//! Releases of plugins as an operator sees them: a new file serves and goes back, is tried beside the old one, and is taken
//! back by itself when it fails; by command line, API, metrics and alerts.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sluice_tests::component::Build;
use sluice_tests::guest::{Guest, PROVOKING_PATH};
use sluice_tests::process::sluice;
use sluice_tests::router::{Router, Setup};
use sluice_tests::{client, eventually, metrics};

const FILE: &str = "plugins.d/guest.wasm";
/// The verdict "respond" of the contract: kind 2, and 418 in the bits from 16 on.
const TEAPOT: &str = "(i64.const 27394050)";
/// Requests that show every worker what is so.
const REQUESTS: usize = 40;

/// A route that answers 200 by itself, behind the plugin `guest`.
fn policy(release: &str) -> String {
    format!(
        "[plugins.guest]\nfile = \"guest.wasm\"\ngrants = {{ body = true }}\nrelease = {release}\n\n\
         [[routes]]\nname = \"all\"\nmatch = {{ path = {{ prefix = \"/\" }} }}\nplugins = [\"guest\"]\n\
         to = {{ builtin = \"servers\" }}\n"
    )
}

/// A plugin that lets everything pass.
fn first() -> Result<Build> {
    Ok(Build::new(Guest::default().bytes()?))
}

/// The next build of it, which does this with requests to [`PROVOKING_PATH`].
fn next(does: &str) -> Result<Build> {
    Ok(Build::new(Guest::default().in_request(does)?.bytes()?))
}

/// A router that serves the first build, and then finds the next one in its folder.
async fn released(release: &str, does: &str) -> Result<(Router, Build, Build)> {
    let (first, next) = (first()?, next(does)?);
    let setup = Setup::new(&policy(release), "embedded")?;
    std::fs::write(setup.path(FILE), &first.bytes)?;
    let router = setup.start().await?;
    let plugin = router.plugin("guest").await?;
    ensure!(plugin["digest"] == *first.digest, "{plugin}");
    router.publish(|router| router.replace(FILE, &next.bytes)).await?;
    Ok((router, first, next))
}

/// How many of [`REQUESTS`] requests were answered so.
async fn answered(router: &Router, status: u16) -> Result<usize> {
    let mut count = 0;
    for _ in 0..REQUESTS {
        let response = client::http().get(format!("{}{PROVOKING_PATH}", router.edge)).send().await?;
        count += usize::from(response.status() == status);
    }
    Ok(count)
}

async fn command(router: &Router, arguments: &[&str]) -> Result<String> {
    let (status, told, complaint) = sluice(&[&["plugin"], arguments, &["--admin", &router.admin]].concat()).await?;
    ensure!(status == 0, "{arguments:?}: {complaint}");
    Ok(told)
}

async fn refused(router: &Router, arguments: &[&str], part: &str) -> Result<()> {
    let (status, told, complaint) = sluice(&[&["plugin"], arguments, &["--admin", &router.admin]].concat()).await?;
    ensure!(status == 1 && complaint.contains(part), "{arguments:?}: {told}{complaint}");
    Ok(())
}

/// Without the room that columns take.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn short(build: &Build) -> &str {
    &build.digest[..12]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_goes_back_and_lets_the_file_try_again() -> Result<()> {
    let (mut router, first, next) = released("{ watch = false }", TEAPOT).await?;
    ensure!(answered(&router, 418).await? == REQUESTS);
    let told = command(&router, &["list"]).await?;
    ensure!(words(&told).contains(&format!("guest active {} 0.1.0 2 80 ", short(&next))), "{told}");
    let told = command(&router, &["history", "guest"]).await?;
    ensure!(words(&told).contains(&format!("* {} 0.1.0", short(&next))) && told.contains(short(&first)), "{told}");

    let told = command(&router, &["rollback", "guest"]).await?;
    ensure!(told.contains(&format!("rolled back: {} of `guest` serves", short(&first))), "{told}");
    ensure!(told.contains("sluice plugin release guest"), "{told}");
    ensure!(answered(&router, 200).await? == REQUESTS);
    ensure!(std::fs::read(router.path(FILE))? == next.bytes, "the file is not touched");
    let told = command(&router, &["list"]).await?;
    ensure!(told.contains(&format!("{} held back by admin at 127.0.0.1", short(&next))), "{told}");

    router.process.terminate().await?;
    router.restart().await?;
    ensure!(answered(&router, 200).await? == REQUESTS, "a restart changes nothing about it");

    let told = command(&router, &["release", "guest"]).await?;
    ensure!(told.contains(&format!("released: {} of `guest` serves", short(&next))), "{told}");
    ensure!(answered(&router, 418).await? == REQUESTS);
    command(&router, &["rollback", "guest", &first.digest[..8]]).await?;
    ensure!(answered(&router, 200).await? == REQUESTS);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_with_what_to_do() -> Result<()> {
    let (router, first, next) = released("{ watch = false }", TEAPOT).await?;
    refused(&router, &["rollback", "other"], "other").await?;
    refused(&router, &["rollback", "guest", "beef"], short(&first)).await?;
    refused(&router, &["rollback", "guest", &next.digest], "serves").await?;
    refused(&router, &["promote", "guest"], "trial").await?;
    refused(&router, &["abort", "guest"], "trial").await?;
    refused(&router, &["release", "guest"], "held").await?;
    for (method, path, body, status) in [
        (Method::GET, "/v1/plugins/other", "", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/plugins/guest/past", "", StatusCode::NOT_FOUND),
        (Method::POST, "/v1/plugins/guest/stop", "", StatusCode::NOT_FOUND),
        (Method::POST, "/v1/plugins/guest/promote", "", StatusCode::CONFLICT),
        (Method::POST, "/v1/plugins/guest/promote", r#"{"digest": "aa"}"#, StatusCode::BAD_REQUEST),
        (Method::POST, "/v1/plugins/guest/rollback", r#"{"to": "aa"}"#, StatusCode::BAD_REQUEST),
    ] {
        let asked = client::http().request(method.clone(), format!("{}{path}", router.admin)).body(body);
        let response = asked.send().await?;
        ensure!(response.status() == status, "{method} {path} {body}: {response:?}");
        let told: Value = response.json().await?;
        ensure!(told["error"]["message"].as_str().is_some_and(|message| message.len() > 20), "{told}");
    }
    let foreign = client::http().post(format!("{}/v1/plugins/guest/rollback", router.admin));
    let response = foreign.header("origin", "http://evil.example").send().await?;
    ensure!(response.status() == StatusCode::FORBIDDEN);
    ensure!(answered(&router, 418).await? == REQUESTS);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_serves_its_share_until_it_is_promoted() -> Result<()> {
    let release = "{ trial = \"canary\", percent = 50.0, for = \"1h\", promote = \"manual\", watch = \"1h\" }";
    let (router, first, next) = released(release, TEAPOT).await?;
    let new = answered(&router, 418).await?;
    ensure!(new > 0 && new < REQUESTS, "{new} of {REQUESTS}");
    let told = command(&router, &["list"]).await?;
    ensure!(told.contains(&format!("trial canary 50 % of {}, ", short(&next))), "{told}");
    let scraped = client::http().get(format!("{}/metrics", router.admin)).send().await?.text().await?;
    for line in [
        format!(r#"sluice_plugin_requests_total{{plugin="guest",role="trial"}} {new}"#),
        format!(r#"sluice_plugin_calls_total{{plugin="guest",role="main",phase="request"}} {}"#, REQUESTS - new),
        format!(
            r#"sluice_plugin_verdicts_total{{plugin="guest",role="trial",phase="request",verdict="respond"}} {new}"#
        ),
        format!(r#"sluice_plugin_info{{plugin="guest",role="trial",digest="{}","#, next.digest),
        r#"sluice_plugin_trial_share_ratio{plugin="guest"} 0.5"#.to_owned(),
    ] {
        ensure!(scraped.lines().any(|scraped| scraped.starts_with(&line)), "{line} in {scraped}");
    }
    metrics::promtool(&scraped).await?;

    let plugin = router.post("/v1/plugins/guest/promote").await?;
    ensure!(plugin["digest"] == *next.digest && plugin["trial"].is_null(), "{plugin}");
    ensure!(plugin["watch"]["digest_before"] == *first.digest, "{plugin}");
    ensure!(answered(&router, 418).await? == REQUESTS);
    let history = router.get("/v1/plugins/guest/history").await?;
    ensure!(history["serving"] == *next.digest && history["digests"][1]["digest"] == *first.digest, "{history}");
    ensure!(history["digests"][0]["by"] == "admin at 127.0.0.1", "{history}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_is_compared_and_answers_nobody() -> Result<()> {
    let release = "{ trial = \"shadow\", percent = 100.0, for = \"1h\", promote = \"manual\" }";
    let (router, first, next) = released(release, TEAPOT).await?;
    ensure!(answered(&router, 200).await? == REQUESTS);
    client::http().get(format!("{}/elsewhere/and/longer", router.edge)).send().await?;
    let plugin = eventually("all requests are compared", async || {
        let plugin = router.get("/v1/plugins/guest").await?;
        let compared = &plugin["trial"]["comparisons"];
        ensure!(compared["different"] == REQUESTS && compared["same"] == 1, "{compared}");
        Ok(plugin)
    });
    ensure!(plugin.await["trial"]["digest"] == *next.digest);
    let told = command(&router, &["show", "guest"]).await?;
    ensure!(told.contains("1 the same, 40 (97.5 %) not"), "{told}");
    ensure!(told.contains("respond 418") && told.contains("sluice plugin promote guest"), "{told}");

    let told = command(&router, &["abort", "guest"]).await?;
    ensure!(told.contains(&format!("{} of `guest` serves", short(&first))), "{told}");
    ensure!(told.contains(&format!("{} in guest.wasm is held back", short(&next))), "{told}");
    let plugin = router.get("/v1/plugins/guest").await?;
    ensure!(plugin["trial"].is_null() && plugin["held"]["digest"] == *next.digest, "{plugin}");
    ensure!(answered(&router, 200).await? == REQUESTS);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_traps_is_taken_back_by_itself_and_stays_away() -> Result<()> {
    let (mut router, first, next) = released("{ watch = \"1h\", budget = { calls_min = 5 } }", "unreachable").await?;
    eventually("the build before serves again", async || {
        let left = REQUESTS - answered(&router, 200).await?;
        ensure!(left == 0, "{left} requests failed");
        Ok(())
    })
    .await;
    let alert = eventually("an alert says why", async || {
        let alerts = router.get("/v1/alerts").await?;
        let alerts = alerts.as_array().context("alerts are a list")?;
        let found = alerts.iter().find(|alert| alert["rule"] == "plugin-rollback").cloned();
        found.with_context(|| format!("{alerts:?}"))
    })
    .await;
    ensure!(alert["message"].as_str().is_some_and(|message| message.contains("guest")), "{alert}");
    let told = command(&router, &["history", "guest"]).await?;
    ensure!(words(&told).contains(&format!("* {} 0.1.0", short(&first))) && told.contains("quarantined"), "{told}");

    router.process.terminate().await?;
    router.restart().await?;
    ensure!(answered(&router, 200).await? == REQUESTS);
    let plugin = router.get("/v1/plugins/guest").await?;
    ensure!(plugin["digest"] == *first.digest, "{plugin}");
    ensure!(plugin["held"]["digest"] == *next.digest && plugin["held"]["is_quarantined"] == json!(true), "{plugin}");
    Ok(())
}
