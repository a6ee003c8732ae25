//! A running `sluice` with its own folders.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Process, binary, plugins};
use crate::{client, eventually};

/// The policy file of a test, below the router's folder.
pub const POLICY_FILE: &str = "routes.d/test.toml";

/// Where routers of tests log requests, unless a test says otherwise.
pub const ACCESS_LOG: &str = "[access_log]\nto = \"off\"";

/// Who the router runs as where the tests run as root, whom no permission stops: `nobody`, by convention.
const NOBODY: u32 = 65_534;

/// A router and the folders it watches.
pub struct Router {
    /// The process.
    pub process: Process,
    /// `http://127.0.0.1:PORT` of the edge.
    pub edge: String,
    /// `http://127.0.0.1:PORT` of the admin port.
    pub admin: String,
    folder: TempDir,
    user: Option<u32>,
}

/// How a router is set up before it starts.
pub struct Setup {
    folder: TempDir,
    environment: Vec<(String, String)>,
    user: Option<u32>,
}

impl Setup {
    /// Folders with the three first-party plugins, this policy and this store URL; free ports.
    ///
    /// # Errors
    /// If plugins are not built, or files cannot be written.
    pub fn new(policy: &str, store: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        std::fs::create_dir(root.join("routes.d"))?;
        std::fs::create_dir(root.join("plugins.d"))?;
        std::fs::write(root.join(POLICY_FILE), policy)?;
        for plugin in ["feature-flags", "canary", "upload-alert"] {
            let file = format!("{plugin}.wasm");
            std::fs::copy(plugins()?.join(&file), root.join("plugins.d").join(&file))?;
        }
        let setup = Self { folder, environment: Vec::new(), user: None };
        setup.write_process_config(store, "")?;
        Ok(setup)
    }

    /// Rewrites `sluice.toml` with more lines for `[admin]`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_process_config(&self, store: &str, admin: &str) -> Result<()> {
        let text = format!(
            "[[listeners]]\naddress = \"127.0.0.1:0\"\n\n[admin]\naddress = \"127.0.0.1:0\"\nlegacy_toggle = true\n{admin}\n\
             [store]\nurl = \"{store}\"\nedge = \"test\"\n\n[limits]\nworkers = 2\n\n{ACCESS_LOG}\n"
        );
        Ok(std::fs::write(self.folder.path().join("sluice.toml"), text)?)
    }

    /// A file below the router's folder.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes permissions count for the router: it runs as somebody who is not root, and owns its folders.
    ///
    /// # Errors
    /// If they cannot be handed over.
    pub fn unprivileged(mut self) -> Result<Self> {
        if rustix::process::geteuid().is_root() {
            self.user = Some(NOBODY);
            for path in ["", "routes.d", "plugins.d"] {
                std::os::unix::fs::chown(self.folder.path().join(path), Some(NOBODY), Some(NOBODY))?;
            }
        }
        Ok(self)
    }

    /// Starts the router and waits until it serves.
    ///
    /// # Errors
    /// If it ends instead.
    pub async fn start(self) -> Result<Router> {
        let mut process = launch(&self.folder, &self.environment, self.user)?;
        let (edge, admin) = ready(&mut process).await?;
        Ok(Router { process, edge, admin, folder: self.folder, user: self.user })
    }

    /// Starts the router where it is expected to refuse; the process as it is.
    ///
    /// # Errors
    /// If it cannot be started at all.
    pub fn launch(&self) -> Result<Process> {
        launch(&self.folder, &self.environment, self.user)
    }
}

fn launch(folder: &TempDir, environment: &[(String, String)], user: Option<u32>) -> Result<Process> {
    let mut command = Command::new(binary("sluice")?);
    command.args(["run", "--config"]).arg(folder.path().join("sluice.toml"));
    command.env("RUST_LOG", "info").envs(environment.iter().cloned());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    Process::start("sluice", &mut command)
}

async fn ready(process: &mut Process) -> Result<(String, String)> {
    let line = process.line("ready edge=").await?;
    let (edge, admin) = line.split_once(" admin=").context("the ready line names edge and admin")?;
    Ok((edge.to_owned(), admin.to_owned()))
}

impl Router {
    /// Starts a router with this policy on the embedded store.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(policy: &str) -> Result<Self> {
        Setup::new(policy, "embedded")?.start().await
    }

    /// A file below the router's folder.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// A second router process on the same folders, where it is expected to refuse.
    ///
    /// # Errors
    /// If it cannot be started at all.
    pub fn launch_again(&self) -> Result<Process> {
        launch(&self.folder, &[], self.user)
    }

    /// Starts the router again on its folders, after it has ended.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = launch(&self.folder, &[], self.user)?;
        (self.edge, self.admin) = ready(&mut self.process).await?;
        Ok(())
    }

    /// Replaces a file in one step, as an editor or a deploy does.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace(&self, relative: &str, content: &[u8]) -> Result<()> {
        let path = self.path(relative);
        let beside = path.with_extension("tmp");
        std::fs::write(&beside, content)?;
        Ok(std::fs::rename(beside, path)?)
    }

    /// Changes something and waits until a new revision serves; its number.
    ///
    /// # Errors
    /// If it cannot be changed, or the admin port does not answer.
    pub async fn publish(&self, change: impl FnOnce(&Self) -> Result<()>) -> Result<u64> {
        let before = self.revision().await?;
        change(self)?;
        let published = eventually("a new revision serves", async || {
            let status = self.get("/v1/status").await?;
            let revision = status["revision"].as_u64().context("status has a revision")?;
            anyhow::ensure!(revision > before, "{status}");
            Ok(revision)
        });
        Ok(published.await)
    }

    /// What the admin port shows of a plugin.
    ///
    /// # Errors
    /// If there is none of this name.
    pub async fn plugin(&self, name: &str) -> Result<Value> {
        let plugins = self.get("/v1/plugins").await?;
        let named = plugins.as_array().and_then(|all| all.iter().find(|plugin| plugin["name"] == name));
        named.cloned().with_context(|| format!("no plugin {name} in {plugins}"))
    }

    /// Makes the next start use the ports of this one, as a router with a fixed configuration does.
    ///
    /// # Errors
    /// If `sluice.toml` cannot be rewritten.
    pub fn keep_ports(&self) -> Result<()> {
        let file = self.path("sluice.toml");
        let mut text = std::fs::read_to_string(&file)?;
        // The listener stands first.
        for url in [&self.edge, &self.admin] {
            let address = url.strip_prefix("http://").context("a plain http URL")?;
            text = text.replacen("127.0.0.1:0", address, 1);
        }
        Ok(std::fs::write(file, text)?)
    }

    /// `sluice check` on the folders of this router.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn check(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(binary("sluice")?);
        Ok(command.arg("check").arg(self.folder.path()).args(arguments).output().await?)
    }

    /// `GET` on the admin port, as JSON.
    ///
    /// # Errors
    /// If it is not answered with 200 and JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        client::json(client::http().get(format!("{}{path}", self.admin))).await
    }

    /// A write on the admin port, as JSON; `null` for an empty answer.
    ///
    /// # Errors
    /// If it is not answered with 2xx.
    pub async fn post(&self, path: &str) -> Result<Value> {
        client::json(client::http().post(format!("{}{path}", self.admin))).await
    }

    /// Revision that serves now.
    ///
    /// # Errors
    /// If the admin port does not answer.
    pub async fn revision(&self) -> Result<u64> {
        self.get("/v1/status").await?["revision"].as_u64().context("status has a revision")
    }

    /// Waits until a fault is shown whose text contains `part`, and returns it.
    pub async fn fault(&self, part: &str) -> Value {
        eventually(&format!("a fault that says `{part}`"), async || {
            let status = self.get("/v1/status").await?;
            let faults = status["faults"].as_array().context("status lists faults")?;
            let found = faults.iter().find(|fault| fault.to_string().contains(part)).cloned();
            found.with_context(|| format!("faults: {faults:?}"))
        })
        .await
    }

    /// Waits until a fault of this file is shown whose message contains `says`, and returns it.
    pub async fn fault_in(&self, file: &str, says: &str) -> Value {
        eventually(&format!("a fault of {file:?} that says `{says}`"), async || {
            let status = self.get("/v1/status").await?;
            let faults = status["faults"].as_array().context("status lists faults")?;
            let said = |fault: &&Value| fault["message"].as_str().is_some_and(|message| message.contains(says));
            let found = faults.iter().filter(said).find(|fault| fault["file"] == file).cloned();
            found.with_context(|| format!("faults: {faults:?}"))
        })
        .await
    }

    /// Waits until no fault is shown.
    pub async fn healthy(&self) {
        eventually("no faults", async || {
            let status = self.get("/v1/status").await?;
            anyhow::ensure!(status["faults"].as_array().is_some_and(Vec::is_empty), "{status}");
            Ok(())
        })
        .await;
    }
}

/// How long a router may take to drain in a test.
pub const DRAIN: Duration = Duration::from_secs(20);
