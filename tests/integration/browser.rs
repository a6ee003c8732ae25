//! The dashboard in a real browser: it shows what is so, changes what is clicked, and follows without a reload.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use sluice_tests::browser::Browser;
use sluice_tests::component::Build;
use sluice_tests::router::Setup;
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};
use sluice_tests::upload::{LIMIT_BYTES, Wrapping, upload};
use sluice_tests::{client, eventually};

use crate::flag_sets::{SHOP, Shop};

/// Waits until the section with this id shows all of `parts`.
async fn shows(browser: &Browser, section: &str, parts: &[&str]) {
    eventually(&format!("#{section} shows {parts:?}"), async || {
        let text = browser.text(section).await?;
        ensure!(parts.iter().all(|part| text.contains(part)), "{text}");
        Ok(())
    })
    .await;
}

/// Nothing failed in the page, be it a script, a request or its own security policy.
async fn assert_silent(browser: &Browser) -> Result<()> {
    let console = browser.console().await?;
    assert!(console.is_empty(), "the console says: {console:?}");
    Ok(())
}

async fn edge_status(stack: &Stack, path: &str) -> Result<StatusCode> {
    Ok(client::http().get(stack.edge(path)).send().await?.status())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_and_steers_the_system() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let browser = Browser::start().await?;
    browser.open(&stack.router.admin).await?;
    browser.run("window.loadedOnce = true").await?;

    shows(&browser, "summary", &["revision", "ok", "embedded store"]).await;
    shows(&browser, "servers", &["stable-1", "stable-2", "canary-1", "live"]).await;
    shows(&browser, "plugins", &["feature-flags", "canary", "upload-alert", "active"]).await;

    assert_eq!(edge_status(&stack, "/set").await?, StatusCode::NOT_FOUND);
    browser.click("flags", "turn on").await?;
    shows(&browser, "flags", &["turn off"]).await;
    assert_eq!(edge_status(&stack, "/set").await?, StatusCode::OK);

    shows(&browser, "rollouts", &["demo", "running", "25 % to canary"]).await;
    browser.click("rollouts", "abort").await?;
    shows(&browser, "rollouts", &["aborted", "0 % to canary", "by an operator"]).await;
    assert_eq!(stack.rollout().await?["state"], "aborted");
    browser.click("rollouts", "resume").await?;
    shows(&browser, "rollouts", &["running", "25 % to canary"]).await;
    browser.type_into("rollouts", "40").await?;
    browser.click("rollouts", "set %").await?;
    shows(&browser, "rollouts", &["running", "40 % to canary"]).await;
    assert_eq!(stack.rollout().await?["weight"], 40.0);

    for uid in 0..40 {
        client::as_user(client::http().get(stack.edge("/get")), uid).send().await?;
    }
    shows(&browser, "traffic", &["stable:", "canary:"]).await;

    upload(&stack.router.edge, Wrapping::Declared, LIMIT_BYTES + 1, 1).await?;
    shows(&browser, "alerts", &["50001 > 50000", "demo"]).await;
    shows(&browser, "rollouts", &["aborted", "0 % to canary"]).await;

    assert_eq!(browser.run("return window.loadedOnce").await?, true, "the page was loaded again");
    assert_silent(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_rolled_back_on_the_page() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let before = stack.router.plugin("canary").await?;
    let next = Build::of("canary", 2)?;
    stack.router.publish(|router| router.replace("plugins.d/canary.wasm", &next.bytes)).await?;
    for uid in 0..20 {
        client::as_user(client::http().get(stack.edge("/get")), uid).send().await?;
    }
    let browser = Browser::start().await?;
    browser.open(&stack.router.admin).await?;
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let first = short(before["digest"].as_str().context("a plugin that serves has a digest")?);
    shows(&browser, "plugin-canary", &["active", &short(&next.digest), "generation 2", "request", "variant"]).await;
    shows(&browser, "plugin-canary", &["watched for", &format!("{first} comes back"), "none failed"]).await;

    browser.click("plugin-canary", "roll back").await?;
    shows(&browser, "rollback", &["Roll back canary?", &first]).await;
    browser.click("rollback", "cancel").await?;
    assert_eq!(stack.router.plugin("canary").await?["digest"], *next.digest, "a question is no order");
    browser.click("plugin-canary", "roll back").await?;
    shows(&browser, "rollback", &["Roll back canary?", &first]).await;
    browser.click("rollback", "roll back now").await?;
    shows(&browser, "plugin-canary", &[&first, "held back by admin at 127.0.0.1"]).await;
    assert_eq!(stack.router.plugin("canary").await?["digest"], before["digest"]);

    browser.click("plugin-canary", "release").await?;
    shows(&browser, "plugin-canary", &[&short(&next.digest), "watched for"]).await;
    for width in [1280, 390] {
        browser.set_width(width).await?;
        let room = browser.run("return innerWidth - document.documentElement.scrollWidth").await?;
        assert!(room.as_i64().is_some_and(|room| room >= 0), "{room} pixels too few at a width of {width}");
    }
    assert_silent(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_typed_or_clicked_outlives_a_redraw() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let browser = Browser::start().await?;
    browser.open(&stack.router.admin).await?;
    shows(&browser, "rollouts", &["25 % to canary"]).await;
    browser.run("window.pressed = document.querySelector('#flags button')").await?;
    browser.type_into("rollouts", "12.5").await?;

    stack.set_weight(30.0).await?;
    shows(&browser, "rollouts", &["30 % to canary"]).await;
    assert_eq!(browser.run("return document.activeElement.value").await?, "12.5");
    assert_eq!(browser.run("return window.pressed.isConnected").await?, true, "a button was replaced under the mouse");
    assert_silent(&browser).await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_without_a_token_asks_for_it() -> Result<()> {
    let setup = Setup::new(DEMO_POLICY, "embedded")?.env("TEST_OPERATOR", "operator-token");
    setup.write_process_config("embedded", "token_env = \"TEST_OPERATOR\"")?;
    let router = setup.start().await?;
    let browser = Browser::start().await?;
    browser.open(&router.admin).await?;
    eventually("the page asks for a token", async || {
        ensure!(browser.run("return !document.getElementById('token').hidden").await? == true, "no form");
        Ok(())
    })
    .await;
    browser.type_into("token", "operator-token").await?;
    browser.click("token", "Use").await?;
    shows(&browser, "summary", &["revision", "ok"]).await;
    shows(&browser, "rollouts", &["demo"]).await;
    assert_eq!(browser.run("return document.getElementById('token').hidden").await?, true);
    browser.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_of_a_set_stand_beside_switches_with_who_changed_them() -> Result<()> {
    let shop = Shop::start(StoreKind::Embedded).await?;
    shop.put(SHOP).await?.error_for_status()?;
    let browser = Browser::start().await?;
    browser.open(&shop.router().admin).await?;
    shows(&browser, "flags", &["beta", "switch", "new-checkout", "by rule", "email", "theme", "\"dark-1\""]).await;
    shows(&browser, "audit", &["set shop made", "by admin at 127.0.0.1: a test"]).await;
    browser.click("flags", "turn on").await?;
    shows(&browser, "audit", &["beta none → true", "on the dashboard"]).await;
    let choose = "const select = document.querySelector('#flags select[data-flag=theme]'); select.focus(); \
                  select.value = 'light'; select.dispatchEvent(new Event('change'))";
    browser.run(choose).await?;
    shows(&browser, "flags", &["\"light-1\""]).await;
    assert_eq!(browser.run("return document.activeElement.dataset.flag").await?, "theme", "the focus was lost");
    shows(&browser, "store", &["embedded, connected", "as the store has it now"]).await;
    assert_silent(&browser).await?;
    browser.close().await
}
