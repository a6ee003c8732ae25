//! The local cloud with real droplets: the contract of all clouds, ssh, firewalls, power, and that nothing stays behind.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by a panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sluice_infra_cloud::{
    Access, Cloud, CreateDroplet, Droplet, DropletStatus, Firewall, FirewallRule, LocalCloud, LocalNetwork,
    LocalSettings, Protocol, Source, contract,
};
use sluice_infra_host::{Init as _, Layout, ServiceStatus, ServiceUnit, Supervisor};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// How long something that should happen at once may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for what should not come: the handshake of an open port takes far less than a millisecond.
const BLOCKED: Duration = Duration::from_millis(700);

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
    let scene = Scene::new(LocalNetwork::Namespaces).await;
    contract::run(&scene.cloud, scene.wanted("contract", &[])).await.unwrap();
}

#[tokio::test]
async fn an_account_has_a_limit() {
    let scene = Scene::new(LocalNetwork::Loopback).await;
    let file = scene.local().join("cloud.json");
    let mut book: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    book["droplets_max"] = 2.into();
    std::fs::write(&file, book.to_string()).unwrap();
    contract::quota(&scene.cloud, scene.wanted("quota", &[])).await.unwrap();
}

#[tokio::test]
async fn two_operators_use_one_cloud() {
    let scene = Scene::new(LocalNetwork::Auto).await;
    let other = open(scene.folder.path(), LocalNetwork::Auto).await;
    let wanted = ["a", "b", "c", "d"].map(|name| scene.wanted(name, &["both"]));
    let made = tokio::join!(
        scene.cloud.create_droplet(&wanted[0]),
        other.create_droplet(&wanted[1]),
        scene.cloud.create_droplet(&wanted[2]),
        other.create_droplet(&wanted[3]),
    );
    let made = [made.0.unwrap(), made.1.unwrap(), made.2.unwrap(), made.3.unwrap()];
    let addresses: BTreeSet<_> = made.iter().map(|droplet| droplet.private_address.unwrap()).collect();
    let ids: BTreeSet<_> = made.iter().map(|droplet| &droplet.id).collect();
    assert_eq!((addresses.len(), ids.len()), (4, 4));
    assert_eq!(other.droplets("both").await.unwrap().len(), 4);
    for droplet in &made {
        scene.until(droplet, DropletStatus::Active).await;
    }
}

#[tokio::test]
async fn a_power_cut_ends_everything_in_namespaces() {
    a_power_cut_ends_everything_and_what_ran_comes_back(LocalNetwork::Namespaces).await;
}

#[tokio::test]
async fn a_power_cut_ends_everything_on_loopback() {
    a_power_cut_ends_everything_and_what_ran_comes_back(LocalNetwork::Loopback).await;
}

async fn a_power_cut_ends_everything_and_what_ran_comes_back(network: LocalNetwork) {
    let scene = Scene::new(network).await;
    let droplet = scene.active("fleet-app-1", &[]).await;
    let folder = scene.local().join("droplets").join(&droplet.id.0);
    let host_key = std::fs::read(folder.join("root/etc/ssh/ssh_host_ed25519_key")).unwrap();
    let init = Supervisor::new(Layout::new(folder.join("root")));
    init.install(&sleeper()).await.unwrap();
    init.start("sleeper").await.unwrap();
    for killed in ["run", "init"] {
        assert!(processes_below(&folder).len() >= 4, "guard, init, sshd and sleeper");
        kill(&format!("local-droplet\0{killed}\0{}", folder.display()));
        scene.until(&droplet, DropletStatus::Off).await;
        scene.nothing_runs_below(&folder).await;
        scene.cloud.start(&droplet.id).await.unwrap();
        scene.until(&droplet, DropletStatus::Active).await;
        let status = init.status("sleeper").await.unwrap();
        assert!(matches!(status, ServiceStatus::Running { .. }), "after the end of `{killed}`: {status:?}");
        scene.ssh(&droplet, "true").await.unwrap();
    }
    assert_eq!(std::fs::read(folder.join("root/etc/ssh/ssh_host_ed25519_key")).unwrap(), host_key);
    scene.cloud.power_off(&droplet.id).await.unwrap();
    assert!(processes_below(&folder).is_empty());
}

/// As a controller does that runs on a droplet: it is as much outside of the other as we are.
#[tokio::test]
async fn a_droplet_steers_the_cloud_that_it_is_in_in_namespaces() {
    let scene = Scene::new(LocalNetwork::Namespaces).await;
    let (one, two) = (scene.active("one", &[]).await, scene.active("two", &["app"]).await);
    scene.wall(Source::Range("0.0.0.0/0".into())).await;
    let (program, local) = (env!("CARGO_BIN_EXE_sluice-infra"), scene.local());
    let steer = |how| format!("{program} local-droplet {how} {} {}", local.display(), two.id);
    scene.ssh(&one, &steer("power-off")).await.unwrap();
    assert!(processes_below(&scene.local().join("droplets").join(&two.id.0)).is_empty());
    scene.ssh(&one, &steer("start")).await.unwrap();
    scene.until(&two, DropletStatus::Active).await;
    assert!(reaches(&two, PATIENCE).await);
    assert!(scene.gets_through(&one, &two).await);
}

#[tokio::test]
async fn a_droplet_that_was_left_half_made_is_finished() {
    let scene = Scene::new(LocalNetwork::Auto).await;
    let droplet = scene.active("fleet-app-1", &["op:1"]).await;
    // As an operator leaves it who is killed between the record and the boot.
    scene.cloud.power_off(&droplet.id).await.unwrap();
    let file = scene.local().join("droplets").join(&droplet.id.0).join("droplet.json");
    let record = std::fs::read_to_string(&file).unwrap().replace("\"booted\": true", "\"booted\": false");
    std::fs::write(&file, record).unwrap();
    let other = open(scene.folder.path(), LocalNetwork::Auto).await;
    let adopted = other.droplets("op:1").await.unwrap();
    assert_eq!(adopted.iter().map(|droplet| &droplet.id).collect::<Vec<_>>(), [&droplet.id]);
    scene.until(&droplet, DropletStatus::Active).await;
    scene.ssh(&droplet, "true").await.unwrap();
}

#[tokio::test]
async fn firewalls_let_in_by_tag_and_nobody_else_in_namespaces() {
    let scene = Scene::new(LocalNetwork::Namespaces).await;
    let app = scene.active("app", &["app"]).await;
    let other = scene.active("other", &[]).await;
    assert!(reaches(&app, PATIENCE).await, "without a firewall everything is open");
    scene.wall(Source::Tag("router".into())).await;
    assert!(!reaches(&app, BLOCKED).await, "this machine is as far outside as everybody");
    assert!(!scene.gets_through(&other, &app).await);
    // One that comes later is let in by its tag.
    let router = scene.active("router", &["router"]).await;
    assert!(scene.gets_through(&router, &app).await);
    assert!(scene.gets_through(&other, &router).await, "a droplet under no firewall takes everything");
    scene.cloud.power_off(&app.id).await.unwrap();
    scene.cloud.start(&app.id).await.unwrap();
    scene.until(&app, DropletStatus::Active).await;
    assert!(!reaches(&app, BLOCKED).await, "a reboot opens nothing");
    scene.wall(Source::Range("0.0.0.0/0".into())).await;
    assert!(reaches(&app, PATIENCE).await);
}

#[tokio::test]
async fn nothing_stays_behind_in_namespaces() {
    nothing_stays_behind(LocalNetwork::Namespaces).await;
}

#[tokio::test]
async fn nothing_stays_behind_on_loopback() {
    nothing_stays_behind(LocalNetwork::Loopback).await;
}

async fn nothing_stays_behind(network: LocalNetwork) {
    let scene = Scene::new(network).await;
    let (one, two) = (scene.active("fleet-one", &[]).await, scene.active("fleet-two", &[]).await);
    let mut subnet = one.private_address.unwrap().to_string();
    subnet.truncate(subnet.rfind('.').unwrap());
    let subnet = subnet.trim_start_matches("10.").to_owned();
    let folder = scene.local().join("droplets");
    assert!(!scene.cloud.enforces_firewalls() || network_names().await.contains(&format!("sluice{subnet}")));
    scene.cloud.delete_droplet(&one.id).await.unwrap();
    scene.ssh(&two, "true").await.unwrap();
    scene.cloud.delete_droplet(&two.id).await.unwrap();
    assert!(processes_below(&folder).is_empty());
    let names = network_names().await;
    assert!(!names.contains(&subnet), "{names}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    assert!(scene.local().join(format!("logs/{}-fleet-one/ssh.log", one.id)).exists());
}

#[tokio::test]
async fn a_droplet_that_cannot_boot_is_off_and_says_why() {
    let scene = Scene::new(LocalNetwork::Loopback).await;
    let mut wanted = scene.wanted("broken", &[]);
    wanted.user_data = "#cloud-config\n{\"write_files\":[{\"path\":\"/etc/../../../escape\"}]}".into();
    let droplet = scene.cloud.create_droplet(&wanted).await.unwrap();
    scene.until(&droplet, DropletStatus::Off).await;
    let said = scene.logs(&droplet);
    assert!(said.contains("user-data: /etc/../../../escape is no path of a machine"), "{said}");
}

impl Scene {
    /// Puts a firewall over droplets with the tag `app`: ssh from here, and nothing else.
    async fn wall(&self, from: Source) {
        let rule = FirewallRule { protocol: Protocol::Tcp, ports: (22, 22), sources: vec![from] };
        let wall = Firewall { id: String::new(), name: "wall".into(), tags: vec!["app".into()], inbound: vec![rule] };
        self.cloud.put_firewall(&wall).await.unwrap();
    }

    /// True if one droplet reaches another's sshd.
    async fn gets_through(&self, from: &Droplet, to: &Droplet) -> bool {
        let address = to.private_address.unwrap();
        self.ssh(from, &format!("timeout 1 bash -c '< /dev/tcp/{address}/22'")).await.is_ok()
    }

    async fn nothing_runs_below(&self, folder: &Path) {
        let end = Instant::now() + PATIENCE;
        while !processes_below(folder).is_empty() {
            assert!(Instant::now() < end, "{:?} still run", processes_below(folder));
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn sleeper() -> ServiceUnit {
    ServiceUnit {
        name: "sleeper".into(),
        about: "sleeps".into(),
        exec: vec!["/bin/sleep".into(), "1000".into()],
        env: std::collections::BTreeMap::new(),
        env_file: None,
        folder: None,
        user: "root".into(),
        restart: true,
        stop_seconds: 10,
        restart_on: Vec::new(),
    }
}

/// True if this machine reaches the droplet's sshd within this time.
async fn reaches(droplet: &Droplet, bound: Duration) -> bool {
    let address = (droplet.public_address.unwrap(), 22);
    timeout(bound, TcpStream::connect(address)).await.is_ok_and(|connected| connected.is_ok())
}

/// Names of bridges, links and namespaces of this machine.
async fn network_names() -> String {
    let mut names = String::new();
    for what in [["link", "show"], ["netns", "list"]] {
        let output = Command::new("ip").args(what).output().await.unwrap();
        names.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    names
}

/// Processes whose root is in this folder.
fn processes_below(folder: &Path) -> Vec<String> {
    let begin = format!("SLUICE_ROOT={}", folder.display());
    let mut found = with_proc("environ", |environ| environ.split('\0').any(|pair| pair.starts_with(&begin)));
    // sshd writes its title over its environment.
    let below = folder.display().to_string();
    found.extend(with_proc("cmdline", |title| title.starts_with("sshd:") && title.contains(&below)));
    found
}

/// Kills the process that has this in its command line.
fn kill(command: &str) {
    let found = with_proc("cmdline", |line| line.contains(command));
    assert_eq!(found.len(), 1, "{command:?} is {found:?}");
    assert!(std::process::Command::new("kill").arg("-KILL").args(found).status().unwrap().success());
}

/// Ids of processes of which this file in `/proc` fits.
fn with_proc(file: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let text = |id: &String| std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
    ids.filter(|id| fits(&String::from_utf8_lossy(&text(id)))).collect()
}
