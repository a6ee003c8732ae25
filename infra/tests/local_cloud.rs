//! The local cloud with real droplets: the contract of all clouds, ssh, firewalls, power, and that nothing stays behind.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by a panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_infra_cloud::{
    Access, Cloud, CreateDroplet, Droplet, DropletStatus, LocalCloud, LocalNetwork, LocalSettings, contract,
};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// How long something that should happen at once may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A local cloud that leaves nothing behind, also when its test fails.
struct Scene {
    folder: TempDir,
    cloud: LocalCloud,
    identity: PathBuf,
    key: String,
}

impl Scene {
    async fn new(network: LocalNetwork) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("id_ed25519");
        let mut keygen = Command::new("ssh-keygen");
        let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&identity).status().await.unwrap();
        assert!(made.success());
        let cloud = open(folder.path(), network).await;
        let public = std::fs::read_to_string(identity.with_extension("pub")).unwrap();
        let key = cloud.ensure_ssh_key("test", &public).await.unwrap();
        Self { folder, cloud, identity, key }
    }

    fn local(&self) -> PathBuf {
        self.folder.path().join("local")
    }

    fn wanted(&self, name: &str, tags: &[&str]) -> CreateDroplet {
        CreateDroplet {
            name: name.to_owned(),
            region: "fra1".into(),
            size: "s-1vcpu-1gb".into(),
            image: "debian-13-x64".into(),
            ssh_keys: vec![self.key.clone()],
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            user_data: "#cloud-config\n{\"write_files\":[{\"path\":\"/etc/motd\",\"content\":\"hello\"}]}".into(),
        }
    }

    async fn active(&self, name: &str, tags: &[&str]) -> Droplet {
        let made = self.cloud.create_droplet(&self.wanted(name, tags)).await.unwrap();
        self.until(&made, DropletStatus::Active).await
    }

    async fn until(&self, droplet: &Droplet, status: DropletStatus) -> Droplet {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.cloud.droplet(&droplet.id).await.unwrap().unwrap();
            if found.status == status {
                return found;
            }
            assert!(Instant::now() < end, "still {:?}: {}", found.status, self.logs(droplet));
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn access(&self, droplet: &Droplet) -> Access {
        self.cloud.access(droplet).unwrap()
    }

    fn logs(&self, droplet: &Droplet) -> String {
        let folder = self.local().join("droplets").join(&droplet.id.0);
        let files = ["console.log", "root/var/log/sluice/ssh.log"].map(|file| folder.join(file));
        files.map(|file| std::fs::read_to_string(file).unwrap_or_default()).concat()
    }

    /// What a command prints in a droplet.
    async fn ssh(&self, droplet: &Droplet, command: &str) -> Result<String, String> {
        let Access { host, port, user, .. } = self.access(droplet);
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]);
        ssh.args(["-oLogLevel=ERROR", "-oConnectTimeout=10", "-p", &port.to_string(), "-i"]).arg(&self.identity);
        ssh.arg(format!("{user}@{host}")).arg(command).kill_on_drop(true);
        let output = timeout(PATIENCE, ssh.output()).await.unwrap().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let raze = std::process::Command::new(env!("CARGO_BIN_EXE_sluice-infra"))
            .args(["local-droplet", "raze"])
            .arg(self.local())
            .status();
        assert!(std::thread::panicking() || raze.unwrap().success());
    }
}

async fn open(folder: &Path, network: LocalNetwork) -> LocalCloud {
    let program = env!("CARGO_BIN_EXE_sluice-infra").into();
    LocalCloud::open(LocalSettings { folder: folder.join("local"), program, network }).await.unwrap()
}

/// True if this machine lets us make namespaces; where it does not, a test of them has nothing to run on.
async fn namespaces() -> bool {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), LocalNetwork::Auto).await.enforces_firewalls()
}

#[tokio::test]
async fn a_droplet_boots_and_ssh_gets_in() {
    let scene = Scene::new(LocalNetwork::Auto).await;
    let droplet = scene.active("fleet-app-1", &["sluice:fleet"]).await;
    let root = scene.access(&droplet).root.display().to_string();
    let said = scene.ssh(&droplet, "echo $SLUICE_ROOT; cat $SLUICE_ROOT/etc/motd; cat $SLUICE_ROOT/etc/hostname").await;
    assert_eq!(said.unwrap(), format!("{root}\nhellofleet-app-1"));
}

#[tokio::test]
async fn the_contract_holds_on_loopback() {
    let scene = Scene::new(LocalNetwork::Loopback).await;
    contract::run(&scene.cloud, scene.wanted("contract", &[])).await.unwrap();
}

#[tokio::test]
async fn the_contract_holds_in_namespaces() {
    if namespaces().await {
        let scene = Scene::new(LocalNetwork::Namespaces).await;
        contract::run(&scene.cloud, scene.wanted("contract", &[])).await.unwrap();
    }
}
