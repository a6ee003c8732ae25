//! The temporary folder of a demo: configuration, policy, plugins, data and logs.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::Options;
use super::store::Store;

/// The demo's configuration as files that one can read: `app/demo/`.
const PROCESS: &str = include_str!("../../../app/demo/sluice.toml");
const POLICY: &str = include_str!("../../../app/demo/routes.d/demo.toml");
/// What is filled in, as it stands in `sluice.toml`.
const EDGE_ADDRESS: &str = "\"127.0.0.1:8080\"";
const ADMIN_ADDRESS: &str = "\"127.0.0.1:9900\"";
const STORE_URL: &str = "\"embedded\"";
/// The key of overrides, as `sluice.toml` names it.
const OVERRIDE_KEY: &str = "override.key";
/// Its length; as much as SHA-256 has.
const OVERRIDE_KEY_BYTES: usize = 32;

/// Holds everything a demo writes.
pub(super) struct Folder {
    folder: TempDir,
}

impl Folder {
    /// Fills a fresh folder; `built` holds the plugins.
    pub(super) fn create(options: &Options, built: &Path, plugins: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluice-demo-").tempdir().context("create a temporary folder")?;
        let path = folder.path();
        for name in ["routes.d", "plugins.d", "data", "meow", "redis", "logs"] {
            fs::create_dir(path.join(name)).with_context(|| format!("create {name}"))?;
        }
        let process =
            process_config(options.port, options.admin_port, &options.state)? + &sink(options.webhook.as_deref());
        fs::write(path.join("sluice.toml"), process).context("write sluice.toml")?;
        fs::write(path.join("routes.d/demo.toml"), POLICY).context("write routes.d/demo.toml")?;
        fs::write(path.join(OVERRIDE_KEY), random_key()?).context("write the key of overrides")?;
        for name in plugins {
            let file = format!("{name}.wasm");
            fs::copy(built.join(&file), path.join("plugins.d").join(&file)).with_context(|| format!("copy {file}"))?;
        }
        Ok(Self { folder })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What `sluice run` reads.
    pub(super) fn process_config(&self) -> PathBuf {
        self.path().join("sluice.toml")
    }

    /// The logs of all programs.
    pub(super) fn logs(&self) -> PathBuf {
        self.path().join("logs")
    }

    /// What the servers share when the store is embedded.
    pub(super) fn server_data(&self) -> PathBuf {
        self.path().join("meow")
    }

    /// For a Redis of our own.
    pub(super) fn redis_data(&self) -> PathBuf {
        self.path().join("redis")
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> Result<()> {
        self.folder.close().context("remove the temporary folder")
    }
}

/// A key that nobody has had before, in hex digits. The folder is this user's alone.
fn random_key() -> Result<String> {
    let mut bytes = [0; OVERRIDE_KEY_BYTES];
    let source = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    source.context("read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The lines of `sluice.toml` that have alerts told at `webhook`.
fn sink(webhook: Option<&str>) -> String {
    webhook.map(|url| format!("\n[alerts.sinks.demo]\nwebhook = {{ url = {url:?} }}\n")).unwrap_or_default()
}

fn process_config(port: u16, admin_port: u16, store: &Store) -> Result<String> {
    let edge = format!("\"127.0.0.1:{port}\"");
    let admin = format!("\"127.0.0.1:{admin_port}\"");
    // A JSON string is also a basic string of TOML.
    let store = serde_json::to_string(store.url()).context("quote the address of the store")?;
    let mut text = PROCESS.to_owned();
    for (standing, wanted) in [(EDGE_ADDRESS, edge), (ADMIN_ADDRESS, admin), (STORE_URL, store)] {
        ensure!(text.matches(standing).count() == 1, "app/demo/sluice.toml must contain {standing} once");
        text = text.replace(standing, &wanted);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use sluice_policy::Source;

    use super::*;

    #[test]
    fn ports_and_store_are_filled_in() {
        let text = process_config(0, 9999, &"redis://localhost:6380/2".parse().unwrap()).unwrap();
        for expected in ["\"127.0.0.1:0\"", "\"127.0.0.1:9999\"", "url = \"redis://localhost:6380/2\""] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains(EDGE_ADDRESS) && !text.contains(STORE_URL));
    }

    #[test]
    fn the_files_are_what_the_router_reads() {
        let source = |file: &str, text: &str| Source { file: file.to_owned(), text: text.to_owned() };
        let process = sluice_policy::parse_process(&source("sluice.toml", PROCESS)).unwrap();
        assert_eq!(process.admin.address.to_string(), ADMIN_ADDRESS.trim_matches('"'));
        let policy = sluice_policy::parse(&[source("demo.toml", POLICY)]).unwrap();
        assert_eq!(policy.plugins.len(), super::super::PLUGINS.len());
        assert_eq!(process.override_key, Some(sluice_policy::Secret::File(OVERRIDE_KEY.into())));
        assert_ne!(random_key().unwrap(), random_key().unwrap());
    }

    #[test]
    fn a_webhook_is_a_sink() {
        let text = PROCESS.to_owned() + &sink(Some("http://127.0.0.1:9000/"));
        let process = sluice_policy::parse_process(&Source { file: "sluice.toml".to_owned(), text }).unwrap();
        assert_eq!(process.sinks.len(), 1);
        assert_eq!(sink(None), "");
    }

    #[test]
    fn the_steps_that_are_commented_out_are_a_plan() {
        let plan = POLICY.find("# steps = [").unwrap();
        let end = plan + POLICY[plan..].find("\n\n").unwrap();
        let live = POLICY[plan..end].replace("\n# ", "\n").replacen("# ", "", 1);
        let text = format!("{}{live}{}", &POLICY[..plan], &POLICY[end..]);
        let policy = sluice_policy::parse(&[Source { file: "demo.toml".to_owned(), text }]);
        let policy = policy.unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(policy.rollouts[0].plan.steps.len(), 4);
        assert!(policy.rollouts[0].plan.analysis.is_some());
    }

    #[test]
    fn defaults_leave_the_file_as_it_is() {
        assert_eq!(process_config(8080, 9900, &Store::Embedded).unwrap(), PROCESS);
    }
}
