//! The plugin that misbehaves as its configuration tells it to (`tests/hostile`), on the demo's main route.

use anyhow::{Context, Result, ensure};

use crate::process::plugins;
use crate::router::{POLICY_FILE, Router};
use crate::stack::DEMO_POLICY;

/// The header without which its request phases behave.
pub const TRIGGER: &str = "x-hostile";
/// The file, below the router's folder.
pub const FILE: &str = "plugins.d/hostile.wasm";

const CHAIN: &str = r#"["feature-flags", "upload-alert", "canary"]"#;
const LONGER_CHAIN: &str = r#"["feature-flags", "upload-alert", "hostile", "canary"]"#;

/// The demo's policy with the plugin in the chain of its main route.
///
/// # Errors
/// If the demo's policy has another chain.
pub fn policy(act: &str, on_failure: &str) -> Result<String> {
    ensure!(DEMO_POLICY.contains(CHAIN), "the chain of the demo has changed");
    let plugin = format!(
        "\n[plugins.hostile]\nfile = \"hostile.wasm\"\non_failure = \"{on_failure}\"\n\
         grants = {{ state = [\"flag:hostile\"], alerts = true, abort = true, counters = true, tags = true, log = true }}\n\
         config = {{ do = \"{act}\", when = \"{TRIGGER}\" }}\n"
    );
    Ok(DEMO_POLICY.replace(CHAIN, LONGER_CHAIN) + &plugin)
}

/// Puts its file into the plugin folder.
///
/// # Errors
/// If it was not built.
pub fn install(router: &Router) -> Result<()> {
    let built = plugins()?.join("hostile.wasm");
    let bytes = std::fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    router.replace(FILE, &bytes)
}

/// Gives it another act, live once this returns.
///
/// # Errors
/// If the router cannot be asked.
pub async fn play(router: &Router, act: &str, on_failure: &str) -> Result<()> {
    if !router.path(FILE).exists() {
        install(router)?;
    }
    let policy = policy(act, on_failure)?;
    router.publish(|router| router.replace(POLICY_FILE, policy.as_bytes())).await?;
    Ok(())
}
