//! A fleet on the local cloud: a folder with an `infra.toml`, the real `sluice-infra`, and droplets with a real sshd. It
//! leaves nothing behind: what a test that was killed left is removed by the next one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use tokio::time::timeout;

use crate::process::binary;

/// How long a command may take, `up` of a whole fleet on a busy machine included.
const COMMAND_MAX: Duration = Duration::from_secs(240);
/// Held as long as the test runs: whoever gets it knows that the test is over.
const LEASH_FILE: &str = "test.lock";

/// A fleet in a folder of its own.
pub struct Fleet {
    folder: PathBuf,
    program: PathBuf,
    environment: Vec<(String, String)>,
    _leash: File,
}

/// A command of `sluice-infra` that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

/// A droplet of the fleet, as the local cloud has it on record.
#[derive(Clone, Debug)]
pub struct FleetDroplet {
    /// Its number.
    pub id: String,
    /// Its host name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its address.
    pub address: String,
    /// Port of its sshd.
    pub ssh_port: u16,
    /// Who logs in.
    pub user: String,
    /// What stands before every path of it.
    pub root: PathBuf,
}

impl FleetDroplet {
    /// True if it is of this pool.
    #[must_use]
    pub fn is_of_pool(&self, pool: &str) -> bool {
        self.tags.iter().any(|tag| tag.ends_with(&format!(":pool:{pool}")))
    }

    /// A path of it.
    #[must_use]
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

impl Fleet {
    /// A folder with this `infra.toml`; nothing is brought up.
    ///
    /// # Errors
    /// If a file cannot be written, or the binary is missing.
    pub fn new(infra_toml: &str) -> Result<Self> {
        let program = binary("sluice-infra")?;
        let fleets = std::env::temp_dir().join("sluice-fleets");
        std::fs::create_dir_all(&fleets).context("make the folder of fleets")?;
        sweep(&fleets, &program);
        let folder = tempfile::Builder::new().prefix("fleet-").tempdir_in(&fleets)?.keep();
        let leash = File::create(folder.join(LEASH_FILE))?;
        leash.lock()?;
        let fleet = Self { folder, program, environment: Vec::new(), _leash: leash };
        fleet.write("infra.toml", infra_toml)?;
        Ok(fleet)
    }

    /// With a variable in the environment of its commands, e.g. a secret.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program that its commands are of.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The folder of its local cloud.
    #[must_use]
    pub fn local(&self) -> PathBuf {
        self.folder.join(".sluice-infra/local")
    }

    /// Writes a file of its folder, with the folders on the way.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.join(path);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        written.with_context(|| format!("write {}", path.display()))
    }

    /// A command of `sluice-infra` in its folder, ready to be started or changed.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(&self.folder).env_remove("SLUICE_INFRA_FILE").kill_on_drop(true);
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// If it cannot be started, does not end, or is ended by a signal.
    pub async fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let shown = arguments.join(" ");
        let output = timeout(COMMAND_MAX, self.command(arguments).output()).await;
        let output = output.with_context(|| format!("`sluice-infra {shown}` does not end"))?.context("start it")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ended {
            code: output.status.code().with_context(|| format!("a signal ended `sluice-infra {shown}`"))?,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }

    /// What a command prints that must succeed.
    ///
    /// # Errors
    /// If it fails: with everything that it said.
    pub async fn succeeds(&self, arguments: &[&str]) -> Result<String> {
        let Ended { code, stdout, stderr } = self.run(arguments).await?;
        ensure!(code == 0, "`sluice-infra {}` ended with {code}:\n{stdout}\n{stderr}", arguments.join(" "));
        Ok(stdout)
    }

    /// Its droplets, oldest first.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn droplets(&self) -> Result<Vec<FleetDroplet>> {
        let Ok(entries) = std::fs::read_dir(self.local().join("droplets")) else { return Ok(Vec::new()) };
        let mut droplets = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            if let Ok(text) = std::fs::read_to_string(folder.join("droplet.json")) {
                droplets.push(droplet(&folder, &text).with_context(|| format!("understand {}", folder.display()))?);
            }
        }
        droplets.sort_by_key(|droplet| droplet.id.parse().unwrap_or(u64::MAX));
        Ok(droplets)
    }

    /// Its droplets of one pool.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub fn pool(&self, pool: &str) -> Result<Vec<FleetDroplet>> {
        Ok(self.droplets()?.into_iter().filter(|droplet| droplet.is_of_pool(pool)).collect())
    }

    /// What a shell command prints on a droplet, with the key that the fleet made for itself.
    ///
    /// # Errors
    /// If ssh does not get in, or the command fails: with what it said.
    pub async fn ssh(&self, droplet: &FleetDroplet, command: &str) -> Result<String> {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]);
        ssh.args(["-oLogLevel=ERROR", "-oConnectTimeout=10", "-p", &droplet.ssh_port.to_string(), "-i"]);
        ssh.arg(self.folder.join(".sluice-infra/ssh/id_ed25519"));
        ssh.arg(format!("{}@{}", droplet.user, droplet.address)).arg(command).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(COMMAND_MAX, ssh.output()).await.context("ssh ends")?.context("start ssh")?;
        if !output.status.success() {
            bail!("`{command}` on {}: {}", droplet.name, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Cuts a droplet's power: everything that runs in it is gone on return.
    ///
    /// # Errors
    /// If that fails.
    pub async fn power_off(&self, droplet: &FleetDroplet) -> Result<()> {
        self.switch("power-off", droplet).await
    }

    /// Switches a droplet on again: services that ran come back by themselves.
    ///
    /// # Errors
    /// If that fails.
    pub async fn start(&self, droplet: &FleetDroplet) -> Result<()> {
        self.switch("start", droplet).await
    }

    async fn switch(&self, how: &str, droplet: &FleetDroplet) -> Result<()> {
        let local = self.local();
        let local = local.to_str().context("the folder's path is text")?;
        self.succeeds(&["local-droplet", how, local, &droplet.id]).await.map(drop)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        remove(&self.folder, &self.program);
    }
}

/// Removes what tests left that did not end by themselves.
fn sweep(fleets: &Path, program: &Path) {
    let Ok(entries) = std::fs::read_dir(fleets) else { return };
    for folder in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        // One without a lock is about to get it.
        if let Ok(leash) = File::open(folder.join(LEASH_FILE))
            && leash.try_lock().is_ok()
        {
            remove(&folder, program);
        }
    }
}

/// Ends all droplets of a fleet, and removes its folder. What fails is left for the next sweep.
fn remove(folder: &Path, program: &Path) {
    let local = folder.join(".sluice-infra/local");
    if local.exists() {
        let razed = std::process::Command::new(program).args(["local-droplet", "raze"]).arg(&local).status();
        if !razed.is_ok_and(|status| status.success()) {
            return;
        }
    }
    let _left = std::fs::remove_dir_all(folder);
}

fn droplet(folder: &Path, record: &str) -> Result<FleetDroplet> {
    let record: serde_json::Value = serde_json::from_str(record)?;
    let text = |value: &serde_json::Value| value.as_str().map(ToOwned::to_owned);
    let wanted = &record["wanted"];
    let tags = wanted["tags"].as_array().context("its tags")?;
    Ok(FleetDroplet {
        id: text(&record["id"]).context("its id")?,
        name: text(&wanted["name"]).context("its name")?,
        tags: tags.iter().filter_map(text).collect(),
        address: text(&record["address"]).context("its address")?,
        ssh_port: record["ssh_port"].as_u64().and_then(|port| port.try_into().ok()).context("its port")?,
        user: text(&record["user"]).context("its user")?,
        root: folder.join("root"),
    })
}
