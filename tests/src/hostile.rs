//! The plugin that misbehaves as its configuration tells it to (`tests/hostile`), on the demo's main route.

use anyhow::{Context, Result, ensure};
use reqwest::RequestBuilder;

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

/// Requests that [`aside`] marks go to a route of their own, with a plugin that misbehaves in its chain.
#[derive(Clone, Debug)]
pub struct Scene {
    /// File of the plugin, below the plugin folder.
    pub file: String,
    /// Its configuration, as TOML.
    pub config: String,
    /// `on_failure` of its policy, as TOML.
    pub on_failure: String,
    /// `breaker` of its policy, as TOML.
    pub breaker: String,
    /// CPU time of one call.
    pub cpu: String,
}

/// The header, and its value, that sends a request to the route of a [`Scene`].
const ASIDE: (&str, &str) = ("x-route", "aside");

/// Sends a request to the route of a [`Scene`].
pub fn aside(request: RequestBuilder) -> RequestBuilder {
    request.header(ASIDE.0, ASIDE.1)
}

/// Failed calls of the plugin `hostile`, of all causes.
///
/// # Errors
/// If it is not there.
pub async fn failures(router: &Router) -> Result<u64> {
    let plugin = router.plugin("hostile").await?;
    let causes = plugin["stats"]["failures"].as_object().context("failures by cause")?;
    Ok(causes.values().filter_map(serde_json::Value::as_u64).sum())
}

impl Scene {
    /// The plugin of `tests/hostile` with this act, failing closed and called whatever happens.
    #[must_use]
    pub fn act(act: &str) -> Self {
        Self {
            file: "hostile.wasm".to_owned(),
            config: format!("{{ do = \"{act}\", when = \"{TRIGGER}\" }}"),
            on_failure: "\"closed\"".to_owned(),
            breaker: "false".to_owned(),
            cpu: "5ms".to_owned(),
        }
    }

    /// The demo's policy with that route.
    #[must_use]
    pub fn policy(&self) -> String {
        let Self { file, config, on_failure, breaker, cpu } = self;
        let (header, value) = ASIDE;
        format!(
            "{DEMO_POLICY}\n[plugins.hostile]\nfile = \"{file}\"\nconfig = {config}\non_failure = {on_failure}\n\
             breaker = {breaker}\nrelease = {{ watch = false }}\nlimits = {{ cpu = \"{cpu}\" }}\n\
             grants = {{ state = [\"flag:hostile\"], alerts = true, abort = true, counters = true, tags = true, \
             log = true, edits = true, body = true }}\n\n\
             [[routes]]\nname = \"aside\"\nmatch = {{ path = {{ prefix = \"/\" }}, headers = {{ {header} = \"{value}\" }} }}\n\
             rollout = \"demo\"\nplugins = [\"feature-flags\", \"hostile\", \"canary\"]\nto = \"stable\"\n"
        )
    }

    /// Makes it so; it is live once this returns.
    ///
    /// # Errors
    /// If the router cannot be asked.
    pub async fn play(&self, router: &Router) -> Result<()> {
        if !router.path(FILE).exists() {
            install(router)?;
        }
        let policy = self.policy();
        router.publish(|router| router.replace(POLICY_FILE, policy.as_bytes())).await?;
        Ok(())
    }
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
