//! Droplets of the local cloud that take releases, a Redis and a router in front of them, and a repository to commit to.
//!
//! What `configure` and the agent do is done here in a few lines, so that these tests are about deploying alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_document::Source;
use sluice_infra_cloud::{Cloud as _, CreateDroplet, LocalCloud, LocalNetwork, LocalSettings};
use sluice_infra_deploy::droplet::lease_of;
use sluice_infra_deploy::operator::{self, DeployError, Order, Report, Target, TargetOutcome};
use sluice_infra_host::converge::{Mode, converge};
use sluice_infra_host::{
    AgentConfig, AgentSecrets, DEPLOY_KEY_FILE, DeployKey, Layout, Manifest, Releases, Remote as _, Resource, Ssh,
    SshSettings, Standing, init,
};
use sluice_infra_spec::{App, Role, Step};
use sluice_model::lease::LEASE_TTL;
use sluice_state::Leases;
use sluice_tests::eventually;
use sluice_tests::fleet::Fleet;
use sluice_tests::process::binary;
use sluice_tests::redis_server::RedisServer;
use sluice_tests::router::{Router, Setup};
use sluice_tests::stack::DEMO_POLICY;
use tokio::process::Command;
use tokio::task::{JoinSet, spawn_blocking};

/// The edge that routers of tests have.
const FLEET: &str = "test";
const APP: &str = "greeter";
const PASSWORD: &str = "geheim";
/// How often leases are renewed here: within the time to live many times, also on a busy machine.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The example that is deployed.
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/examples/node");
const FILES: [&str; 7] =
    ["app.js", "server.js", "package.json", "package-lock.json", "eslint.config.js", "test/app.test.js", ".gitignore"];

/// What `sluice-infra` is told of it.
const INFRA: &str = r#"
[fleet]
name = "test"

[pools.edge]
roles = ["router", "redis"]
size = "s-1vcpu-1gb"

[pools.canary]
roles = ["app"]
app = "greeter"
variant = "canary"
size = "s-1vcpu-1gb"

[pools.stable]
roles = ["app"]
app = "greeter"
variant = "stable"
size = "s-1vcpu-1gb"

[apps.greeter]
run = ["node", "server.js"]
port = 3000
drain = "5s"
keep_releases = 3
health = { path = "/healthz", interval = "100ms", timeout = "1s", healthy = 2, deadline = "10s" }

[apps.greeter.env]
HOST = "{{ address }}"
PORT = "{{ port }}"
RELEASE = "{{ release }}"
VARIANT = "{{ variant }}"
STORE = "{{ redis_url }}"

[apps.greeter.pipeline]
branch = "main"
steps = [
  { name = "test", run = "node --test", timeout = "2m" },
  { name = "lint", run = "node --check server.js", timeout = "1m" },
]

[router]
folder = "router"

[redis]
password = { env = "SLUICE_REDIS_PASSWORD" }
"#;

/// All of it. Ends when it is dropped.
pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) app: App,
    pub(crate) targets: Vec<Target>,
    /// The operator's folder and program.
    pub(crate) fleet: Fleet,
    key: DeployKey,
    said: Mutex<Vec<String>>,
    pub(crate) redis: RedisServer,
    heartbeats: JoinSet<()>,
}

/// A gate.
pub(crate) fn gate(name: &str, run: &str) -> Step {
    Step { name: name.to_owned(), run: run.to_owned(), timeout: Duration::from_secs(120) }
}

fn app() -> Result<App> {
    let source = Source { file: "infra.toml".into(), text: INFRA.into() };
    let spec = sluice_infra_spec::parse(&source).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    spec.app(APP).cloned().context("the app")
}

impl Site {
    /// A droplet for each of these variants, on which nothing runs yet.
    pub(crate) async fn start(variants: &[&'static str]) -> Result<Self> {
        let fleet = Fleet::new(INFRA)?.env("SLUICE_REDIS_PASSWORD", "0123456789abcdef");
        std::fs::create_dir_all(fleet.folder().join(".sluice-infra/ssh"))?;
        let redis = RedisServer::start().await?;
        allow_app(&redis).await?;
        let policy = DEMO_POLICY.replace("app = \"meow\"", &format!("app = \"{APP}\""));
        let router = Setup::new(&policy, &redis.url())?.start().await?;
        let key = DeployKey::ensure(&fleet.folder().join(".sluice-infra").join(DEPLOY_KEY_FILE))?;
        let mut site = Self {
            router,
            app: app()?,
            targets: Vec::new(),
            fleet,
            key,
            said: Mutex::default(),
            redis,
            heartbeats: JoinSet::new(),
        };
        site.begin_repository().await?;
        site.add_droplets(variants).await?;
        Ok(site)
    }

    /// The operator's work tree.
    pub(crate) fn work_tree(&self) -> PathBuf {
        self.fleet.folder().join("work")
    }

    async fn add_droplets(&mut self, variants: &[&'static str]) -> Result<()> {
        let settings = LocalSettings {
            folder: self.fleet.local(),
            program: self.fleet.program().to_owned(),
            network: LocalNetwork::Loopback,
        };
        let cloud = LocalCloud::open(settings).await?;
        let identity = self.fleet.folder().join(".sluice-infra/ssh/id_ed25519");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&identity)).await?;
        let public = std::fs::read_to_string(identity.with_extension("pub"))?;
        for (number, variant) in variants.iter().enumerate() {
            let user_data = serde_json::json!({ "ssh_authorized_keys": [public.trim()] });
            let wanted = CreateDroplet {
                name: format!("{FLEET}-{variant}-{number}"),
                region: cloud.regions().await?.first().context("a region")?.slug.clone(),
                size: cloud.sizes().await?.first().context("a size")?.slug.clone(),
                image: cloud.images().await?.first().context("an image")?.slug.clone(),
                ssh_keys: Vec::new(),
                tags: vec![format!("sluice:{FLEET}"), format!("sluice:{FLEET}:pool:{variant}")],
                user_data: format!("#cloud-config\n{user_data}"),
            };
            let droplet = cloud.create_droplet(&wanted).await?;
            let access = cloud.access(&droplet).context("its access")?;
            let ssh = Ssh::new(SshSettings {
                name: droplet.name.clone(),
                host: access.host,
                port: access.port,
                user: access.user,
                root: access.root,
                identity: identity.clone(),
                known_hosts: self.fleet.folder().join(".sluice-infra/ssh/known_hosts"),
            })?;
            let reached = async || Ok(ensure_zero(ssh.run(&["true"], &[]).await?.status)?);
            eventually("the droplet is reached", reached).await;
            let address = droplet.private_address.or(droplet.public_address).context("its address")?;
            self.configure(&ssh, variant, address).await?;
            self.targets.push(Target { pool: (*variant).to_owned(), variant: (*variant).to_owned(), ssh });
        }
        Ok(())
    }

    /// What `configure` does for an app server.
    async fn configure(&mut self, ssh: &Ssh, variant: &str, address: IpAddr) -> Result<()> {
        let layout = ssh.layout().clone();
        let (redis_address, redis_port) = (self.redis.address.ip(), self.redis.address.port());
        let config = serde_json::json!({
            "fleet": FLEET,
            "droplet": ssh.name(),
            "pool": variant,
            "roles": [Role::App],
            "address": address,
            "metrics_port": 9100,
            "redis_address": redis_address,
            "redis_port": redis_port,
            "app": self.app,
            "variant": variant,
        });
        let config: AgentConfig = serde_json::from_value(config)?;
        let secrets = serde_json::json!({
            "redis_password": PASSWORD,
            "redis_user": "app",
            "deploy_key": self.key.reveal(),
        });
        let secrets: AgentSecrets = serde_json::from_value(secrets)?;
        std::fs::create_dir_all(layout.at("/etc/sluice"))?;
        std::fs::create_dir_all(layout.programs())?;
        std::fs::write(layout.agent_config(), serde_json::to_vec(&config)?)?;
        std::fs::write(layout.secrets(), serde_json::to_vec(&secrets)?)?;
        let program = layout.programs().join("sluice-infra");
        if !program.exists() {
            std::os::unix::fs::symlink(binary("sluice-infra")?, program)?;
        }
        let manifest = Manifest { resources: vec![Resource::Repository { app: APP.into() }] };
        let init = init::of_this_machine(&layout);
        let report = converge(&layout, &*init, &manifest, Mode::Apply).await?;
        ensure!(report.stopped.is_none(), "{:?}", report.stopped);
        let url = config.redis_url(&secrets);
        self.heartbeats.spawn(async move {
            let leases = Leases::new(&url, FLEET, LEASE_TTL).ok();
            while let Some(leases) = &leases {
                tokio::time::sleep(HEARTBEAT).await;
                // One that fails is followed by the next.
                drop(renew(&layout, &config, leases).await);
            }
        });
        Ok(())
    }

    async fn begin_repository(&self) -> Result<()> {
        let work = self.work_tree();
        for file in FILES {
            let to = work.join(file);
            std::fs::create_dir_all(to.parent().context("a folder")?)?;
            std::fs::copy(Path::new(EXAMPLE).join(file), to)?;
        }
        self.git(&["init", "--quiet", "--initial-branch=main", "."]).await?;
        self.git(&["config", "user.name", "Ann"]).await?;
        self.git(&["config", "user.email", "ann@example.org"]).await?;
        self.commit("Begin").await?;
        Ok(())
    }

    /// Git in the work tree; what it prints.
    pub(crate) async fn git(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new("git").arg("-C").arg(self.work_tree()).args(arguments)).await
    }

    /// Git in the work tree; what it and its hooks show beside.
    pub(crate) async fn git_shows(&self, arguments: &[&str]) -> Result<String> {
        let mut git = Command::new("git");
        git.arg("-C").arg(self.work_tree()).args(arguments).env("SLUICE_REDIS_PASSWORD", "0123456789abcdef");
        let output = git.output().await?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Commits whatever changed; the id.
    pub(crate) async fn commit(&self, subject: &str) -> Result<String> {
        std::fs::write(self.work_tree().join("CHANGES"), subject)?;
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", subject]).await?;
        self.git(&["rev-parse", "HEAD"]).await
    }

    /// Replaces a part of a file.
    pub(crate) fn edit(&self, file: &str, part: &str, with: &str) -> Result<()> {
        let path = self.work_tree().join(file);
        let text = std::fs::read_to_string(&path)?;
        ensure!(text.contains(part), "{file} has no `{part}`");
        Ok(std::fs::write(path, text.replace(part, with))?)
    }

    /// Deploys a commit, as an operator whose folder of state has this name.
    pub(crate) async fn deploy_as(&self, who: &str, revision: &str, canary_only: bool) -> Result<Report, DeployError> {
        let state = self.fleet.folder().join(who);
        std::fs::create_dir_all(&state).map_err(|source| DeployError::File { what: "state".into(), source })?;
        let source = operator::Source::open(&self.work_tree(), None).await?;
        let (app, key) = (&self.app, &self.key);
        let order =
            Order { fleet: FLEET, app, source: &source, revision, state: &state, key, secrets: &[], who, canary_only };
        operator::run(order, &self.targets, &|line| self.say(line)).await
    }

    /// Deploys what is checked out, everywhere.
    pub(crate) async fn deploy(&self) -> Result<Report, DeployError> {
        self.deploy_as("ann", "HEAD", false).await
    }

    /// Commits and deploys; every droplet serves it.
    pub(crate) async fn release(&self, subject: &str) -> Result<String> {
        let commit = self.commit(subject).await?;
        let report = self.deploy().await.with_context(|| self.said())?;
        let serves = report.droplets.iter().all(|one| one.outcome == TargetOutcome::Serves);
        ensure!(serves && report.droplets.len() == self.targets.len(), "{report:#?}\n{}", self.said());
        Ok(commit)
    }

    pub(crate) fn say(&self, line: &str) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }

    /// Everything that was said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// What runs on each droplet.
    pub(crate) fn releases(&self) -> Result<Vec<Releases>> {
        let all = self.targets.iter().map(|target| Ok(Releases::look(target.ssh.layout(), APP)?));
        all.collect()
    }

    /// The commit that each droplet serves, if one release runs on each.
    pub(crate) fn served(&self) -> Result<Vec<String>> {
        let of = |releases: Releases| {
            let [running] = releases.running.as_slice() else { anyhow::bail!("{releases:#?}") };
            ensure!(running.standing == Standing::Serving && releases.current.as_ref() == Some(&running.commit));
            Ok(running.commit.clone())
        };
        self.releases()?.into_iter().map(of).collect()
    }

    /// Git over ssh to the first droplet, as somebody who has the ssh key.
    pub(crate) async fn push(&self, what: &str) -> Result<(bool, String)> {
        let target = self.targets.first().context("a droplet")?;
        let url = format!("{}:{}", target.ssh.settings().host, target.ssh.layout().repository(APP).display());
        let mut command = Command::new("git");
        command.arg("-C").arg(self.work_tree()).env("GIT_SSH_COMMAND", target.ssh.git_command());
        let output = command.args(["push", "--force", &url, what]).output().await?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    pub(crate) fn edge(&self) -> String {
        format!("{}/?name=Ann", self.router.edge)
    }
}

/// What the agent does every few seconds.
async fn renew(layout: &Layout, config: &AgentConfig, leases: &Leases) -> Result<()> {
    let place = layout.clone();
    let locked = spawn_blocking(move || Releases::lock(&place, APP)).await??;
    for running in locked.releases.running.iter().filter(|running| running.standing != Standing::Starting) {
        if tokio::net::TcpStream::connect(&running.address).await.is_ok() {
            leases.put(&lease_of(config, &locked.releases, running)).await?;
        }
    }
    Ok(())
}

/// The user that app servers are, with what the page says it may.
async fn allow_app(redis: &RedisServer) -> Result<()> {
    let page = include_str!("../../../docs/store.md");
    let (_, rest) = page.split_once("ACL SETUSER app ").context("the page has the ACL of an app")?;
    let (rule, _) = rest.split_once("```").context("the ACL ends")?;
    let rule = rule.replace('\\', "").replace("PASSWORD", PASSWORD).replace("{main}", &format!("{{{FLEET}}}"));
    redis.tell(&format!("ACL SETUSER app {rule}")).await
}

/// Runs a command that must go well; what it prints.
pub(crate) async fn run(command: &mut Command) -> Result<String> {
    let output = command.output().await?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn ensure_zero(status: i32) -> Result<()> {
    ensure!(status == 0, "status {status}");
    Ok(())
}

/// The droplets by how it ended for them.
pub(crate) fn outcomes(report: &Report) -> BTreeMap<&str, &TargetOutcome> {
    report.droplets.iter().map(|one| (one.droplet.as_str(), &one.outcome)).collect()
}

/// So that a deploy can go on beside its test.
pub(crate) type Shared = Arc<Site>;
