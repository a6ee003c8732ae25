//! Whatever is wrong with a file, traffic goes on as before, and everyone who looks is told what, where and why.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::component::{CORE_MODULE, importing};
use sluice_tests::hostile;
use sluice_tests::load::Load;
use sluice_tests::process::plugins;
use sluice_tests::router::{POLICY_FILE, Router};
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};

const CANARY_FILE: &str = "plugins.d/canary.wasm";

/// A broken file and what people must be told about it.
struct Broken {
    /// The file, below the router's folder.
    file: &'static str,
    content: Vec<u8>,
    /// The file that is at fault: a policy may ask of a plugin what that cannot do.
    blamed: &'static str,
    /// Part of the message.
    says: &'static str,
    /// Line and column, where the file has any.
    place: Option<(u64, u64)>,
    /// Part of the hint, where there is one.
    hint: Option<&'static str>,
}

impl Broken {
    fn plugin(content: impl Into<Vec<u8>>, says: &'static str) -> Self {
        Self { file: CANARY_FILE, content: content.into(), blamed: CANARY_FILE, says, place: None, hint: None }
    }

    /// The demo's policy with `good` replaced by `bad`; the fault is expected at `at`, which is part of `bad`.
    fn policy(good: &str, bad: &str, at: Option<&str>, says: &'static str) -> Result<Self> {
        ensure!(DEMO_POLICY.matches(good).count() == 1, "`{good}` does not stand once in the demo's policy");
        let text = DEMO_POLICY.replace(good, bad);
        let place = at.map(|at| place(&text, bad, at)).transpose()?;
        Ok(Self { file: POLICY_FILE, content: text.into_bytes(), blamed: POLICY_FILE, says, place, hint: None })
    }

    /// The demo's policy with the hostile plugin, which does not start.
    fn hostile(act: &str, says: &'static str) -> Result<Self> {
        let content = hostile::policy(act, "closed")?.into_bytes();
        Ok(Self { file: POLICY_FILE, content, blamed: hostile::FILE, says, place: None, hint: None })
    }

    fn blaming(self, blamed: &'static str) -> Self {
        Self { blamed, ..self }
    }

    fn hinting(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// As `sluice check` begins its line.
    fn shown_place(&self) -> String {
        let place = self.place.map_or_else(String::new, |(line, column)| format!("{line}:{column}:"));
        format!("{}:{place} ", self.blamed)
    }
}

/// Line and column, from 1, of `at` where `text` holds `around`.
fn place(text: &str, around: &str, at: &str) -> Result<(u64, u64)> {
    let inside = around.find(at).context("the place is part of the bad text")?;
    let before = &text[..text.find(around).context("the bad text is there")? + inside];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
    Ok((u64::try_from(line)?, u64::try_from(column)?))
}

/// Breaks a file, sees that everybody is told and nothing else changes, and repairs it.
async fn is_told_and_changes_nothing(stack: &Stack, broken: &Broken) -> Result<()> {
    let router = &stack.router;
    let good = std::fs::read(router.path(broken.file))?;
    let revision = router.revision().await?;

    // In place, as a copy does that breaks off.
    std::fs::write(router.path(broken.file), &broken.content)?;
    let fault = router.fault(broken.says).await;
    let status = router.get("/v1/status").await?;
    ensure!(status["revision"] == revision && status["state"] == "degraded", "{status}");
    ensure!(fault["file"] == broken.blamed, "{fault}");
    if let Some((line, column)) = broken.place {
        ensure!(fault["line"] == line && fault["column"] == column, "not {line}:{column}: {fault}");
        ensure!(fault["excerpt"].as_str().is_some_and(|excerpt| excerpt.contains('^')), "{fault}");
    }
    if let Some(hint) = broken.hint {
        ensure!(fault["hint"].as_str().is_some_and(|shown| shown.contains(hint)), "no `{hint}`: {fault}");
    }
    is_logged(router, broken)?;
    is_found_by_check(router, broken).await?;

    router.replace(broken.file, &good)?;
    router.healthy().await;
    let status = router.get("/v1/status").await?;
    ensure!(status["state"] == "ok", "{status}");
    checks(router).await
}

fn is_logged(router: &Router, broken: &Broken) -> Result<()> {
    let output = router.process.output();
    let parts = ["WARN", "fault raised", broken.says, broken.blamed];
    let is_logged = output.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    ensure!(is_logged, "no line with {parts:?}:\n{output}");
    Ok(())
}

async fn is_found_by_check(router: &Router, broken: &Broken) -> Result<()> {
    let output = router.check(&[]).await?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(1), "{}: {text}", output.status);
    ensure!(text.contains(&broken.shown_place()), "no {} in\n{text}", broken.shown_place());
    ensure!(text.contains(broken.says), "no `{}` in\n{text}", broken.says);

    let output = router.check(&["--json"]).await?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.code() == Some(1) && report["ok"] == false, "{}: {report}", output.status);
    let faults = report["checked"]["faults"].to_string();
    ensure!(faults.contains(broken.says), "{report}");
    Ok(())
}

/// What the folder holds is found to be good.
async fn checks(router: &Router) -> Result<()> {
    let output = router.check(&[]).await?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(0) && text.contains("ok: 2 routes, 3 plugins"), "{}: {text}", output.status);
    let output = router.check(&["--json"]).await?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.code() == Some(0) && report["ok"] == true, "{}: {report}", output.status);
    Ok(())
}

async fn all_are_told_and_change_nothing(cases: Vec<Broken>) -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    checks(&stack.router).await?;
    hostile::install(&stack.router)?;
    let load = Load::start(&stack.edge("/version"));
    for broken in &cases {
        load.answers(50).await;
        is_told_and_changes_nothing(&stack, broken).await.with_context(|| format!("broken: {}", broken.says))?;
    }
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_policy_is_told_with_its_place_and_changes_nothing() -> Result<()> {
    let chain = r#"plugins = ["feature-flags", "upload-alert", "canary"]"#;
    let dangling = r#"plugins = ["feature-flag", "upload-alert", "canary"]"#;
    all_are_told_and_change_nothing(vec![
        Broken::policy("initial = 25.0", "initial = = 25.0", Some("= 25.0"), "extra `=`")?,
        Broken::policy("name = \"app\"", "nam = \"app\"", Some("nam"), "unknown key")?.hinting("did you mean `name`"),
        Broken::policy(chain, dangling, Some("\"feature-flag\""), "feature-flag")?.hinting("feature-flags"),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_plugin_file_is_told_and_changes_nothing() -> Result<()> {
    let canary = std::fs::read(plugins()?.join("canary.wasm"))?;
    let noise: Vec<u8> = (0..4_096_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let forbidden = importing(&canary, "sluice:plugin/lodging")?;
    all_are_told_and_change_nothing(vec![
        Broken::plugin(&canary[..canary.len() / 2], "unexpected end-of-file"),
        Broken::plugin(noise, "not a WebAssembly component"),
        Broken::plugin(CORE_MODULE, "a core module, not a component"),
        Broken::plugin(forbidden, "forbidden imports: sluice:plugin/lodging@0."),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_cannot_start_is_told_and_changes_nothing() -> Result<()> {
    all_are_told_and_change_nothing(vec![
        Broken::hostile("trap-in-init", "trapped as told")?,
        Broken::hostile("spin-in-init", "CPU time")?,
        Broken::hostile("hoard-memory-in-init", "needs more memory")?,
        Broken::hostile("refuse-init", "refused as told")?,
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_wants_more_than_it_may_is_told_and_changes_nothing() -> Result<()> {
    let (granted, less) = ("grants = { alerts = true, abort = true }", "grants = { alerts = true }");
    all_are_told_and_change_nothing(vec![
        Broken::policy(granted, less, None, "not granted: abort")?.blaming("plugins.d/upload-alert.wasm"),
        Broken::hostile("lie-state", "outside the needs of the manifest")?,
        Broken::hostile("unknown-field", "password")?,
    ])
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_faults_are_told_at_once() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let bad = DEMO_POLICY
        .replace("name = \"app\"", "nam = \"app\"")
        .replace("initial = 25.0", "initial = 250.0")
        .replace("alerts = true", "alerts = 7");
    router.replace(POLICY_FILE, bad.as_bytes())?;
    for told in ["`nam`", "`250.0`", "expected `true` or `false`"] {
        router.fault(told).await;
    }
    let output = router.check(&[]).await?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains("nam") && text.contains("250") && text.contains("alerts = 7"), "{text}");
    assert!(text.contains("3 faults"), "{text}");
    Ok(())
}
