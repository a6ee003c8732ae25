//! A folder with policy, plugins and data, and a control that runs on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_control::{Context, Fault, FaultSource, Handle, PluginInfo, Settings, start};
use sluice_policy::Folders;
use sluice_snapshot::{Cells, EffectQueue, Published, Snapshot, Traffic};
use sluice_state::{Backend, Config};
use sluice_wasm::Engine;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long something that should happen soon may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
pub(crate) const WORKERS: usize = 2;
/// Flags that the store watches.
const SWITCHES: [&str; 2] = ["featureFlags", "hostile"];

/// A policy with two plugins and a rollout.
pub(crate) const POLICY: &str = r#"
[upstreams.stable]
servers = ["127.0.0.1:9001"]
[upstreams.canary]
servers = ["127.0.0.1:9002"]
[rollouts.demo]
key = ["cookie:uid", "client-address"]
stable = "stable"
canary = "canary"
variants = { stable = "stable", canary = "canary" }
initial = 25.0
[plugins.feature-flags]
file = "feature-flags.wasm"
grants = { state = ["flag:featureFlags"] }
config = { gates = [{ flag = "featureFlags", paths = ["/set"] }] }
[plugins.canary]
file = "canary.wasm"
grants = { state = ["rollout:demo"] }
config = { rollout = "demo" }
[[routes]]
name = "app"
match = { path = { prefix = "/" } }
rollout = "demo"
plugins = ["feature-flags", "canary"]
to = "stable"
"#;

/// A policy of one route with this name and no plugin.
pub(crate) fn plain_policy(route: &str) -> String {
    format!(
        "[upstreams.stable]\nservers = [\"127.0.0.1:9001\"]\n[[routes]]\nname = \"{route}\"\nmatch = {{ path = {{ prefix = \"/\" }} }}\nto = \"stable\"\n"
    )
}

/// [`plain_policy`] with the hostile plugin doing this.
pub(crate) fn hostile_policy(act: &str) -> String {
    let plugin = format!(
        "[plugins.hostile]\nfile = \"hostile.wasm\"\nconfig = {{ do = \"{act}\" }}\n\
         grants = {{ state = [\"flag:*\"], alerts = true, abort = true, counters = true, tags = true, log = true }}\n"
    );
    let route = plain_policy("app").replace("to = ", "plugins = [\"hostile\"]\nto = ");
    format!("{plugin}{route}")
}

/// Where the built plugins are.
fn plugins_dir() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    std::env::var_os("SLUICE_PLUGINS_DIR").map_or_else(built, PathBuf::from)
}

/// The bytes of a built plugin.
pub(crate) fn plugin_bytes(name: &str) -> Vec<u8> {
    let path = plugins_dir().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins`", path.display()))
}

/// The same plugin with other bytes: an empty custom section at the end (id 0, a name of one letter).
pub(crate) fn build_bytes(name: &str, build: u8) -> Vec<u8> {
    let mut bytes = plugin_bytes(name);
    bytes.extend([0, 2, 1, build]);
    bytes
}

/// One of them.
pub(crate) fn other_bytes(name: &str) -> Vec<u8> {
    build_bytes(name, b'x')
}

/// [`POLICY`] with this line about the plugin `canary`.
pub(crate) fn canary_policy(line: &str) -> String {
    POLICY.replace("file = \"canary.wasm\"\n", &format!("file = \"canary.wasm\"\n{line}\n"))
}

/// The folders.
pub(crate) struct Site {
    root: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    fn at(root: TempDir) -> Self {
        for folder in ["routes.d", "plugins.d", "data"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    /// With [`POLICY`] and its plugins.
    pub(crate) fn demo() -> Self {
        Self::new().with_demo()
    }

    /// The same where writing to disk costs nothing, if there is such a place.
    pub(crate) fn in_memory() -> Self {
        match tempfile::tempdir_in("/dev/shm") {
            Ok(root) => Self::at(root).with_demo(),
            Err(_) => Self::demo(),
        }
    }

    fn with_demo(self) -> Self {
        let site = self;
        site.write_plugin("feature-flags.wasm", &plugin_bytes("feature-flags"));
        site.write_plugin("canary.wasm", &plugin_bytes("canary"));
        site.write_policy("demo.toml", POLICY);
        site
    }

    pub(crate) fn policy(&self, name: &str) -> PathBuf {
        self.root.path().join("routes.d").join(name)
    }

    pub(crate) fn plugin(&self, name: &str) -> PathBuf {
        self.root.path().join("plugins.d").join(name)
    }

    pub(crate) fn write_policy(&self, name: &str, text: &str) {
        std::fs::write(self.policy(name), text).unwrap();
    }

    pub(crate) fn write_plugin(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.plugin(name), bytes).unwrap();
    }

    pub(crate) fn folders(&self) -> Folders {
        let mut folders = Folders::default();
        for folder in [&mut folders.routes, &mut folders.plugins, &mut folders.data] {
            *folder = self.root.path().join(&*folder);
        }
        folders
    }

    pub(crate) async fn start(&self) -> Running {
        self.start_with(Vec::new()).await
    }

    /// With these name servers.
    pub(crate) async fn start_with(&self, name_servers: Vec<SocketAddr>) -> Running {
        let store_tracker = TaskTracker::new();
        let (tracker, stop, store_stop) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let switches: Vec<String> = SWITCHES.map(str::to_owned).into();
        let config = Config::new(Backend::Embedded, "main", switches.clone(), self.folders().data);
        let (store, events) = sluice_state::open(config, &store_tracker, store_stop.clone()).await.unwrap();
        let cells = Arc::new(Cells::new());
        let context = Context {
            engine: Engine::new().unwrap(),
            store,
            events,
            traffic: Arc::new(Traffic::new(WORKERS)),
            effects: Arc::new(EffectQueue::default()),
            published: Arc::new(Published::new(Arc::new(Snapshot::empty(&cells)), WORKERS)),
            cells,
        };
        let settings = Settings {
            folders: self.folders(),
            workers: WORKERS,
            store_kind: "embedded",
            switches,
            name_servers,
            override_key: None,
            sinks: Vec::new(),
            alerts_link: None,
        };
        let handle = start(settings, context, &tracker, stop.clone()).await.unwrap();
        Running { handle, tracker, stop, store_tracker, store_stop }
    }
}

/// A control that runs.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
    store_tracker: TaskTracker,
    store_stop: CancellationToken,
}

impl Running {
    /// Ends it as `sluice run` does; every task must end.
    pub(crate) async fn stop(self) {
        drop(self.handle);
        for (stop, tracker) in [(self.stop, self.tracker), (self.store_stop, self.store_tracker)] {
            stop.cancel();
            tracker.close();
            tokio::time::timeout(PATIENCE, tracker.wait()).await.expect("every task ends when told to");
        }
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.handle.published().load().1
    }

    pub(crate) fn revision(&self) -> u64 {
        self.handle.status().revision
    }

    pub(crate) fn faults(&self, source: FaultSource) -> Vec<Fault> {
        self.handle.status().faults.into_iter().filter(|fault| fault.source == source).collect()
    }

    pub(crate) fn plugin(&self, name: &str) -> Option<PluginInfo> {
        self.handle.plugins().into_iter().find(|plugin| plugin.name == name)
    }

    /// Waits until a fault of this source says this.
    pub(crate) async fn fault(&self, source: FaultSource, text: &str) -> Fault {
        eventually(&format!("a fault that says {text:?}"), || {
            let faults = self.faults(source);
            let found = faults.iter().find(|fault| fault.to_string().contains(text)).cloned();
            found.ok_or_else(|| format!("{faults:?}"))
        })
        .await
    }

    /// The digest of the plugin that serves under this name.
    pub(crate) fn digest(&self, name: &str) -> String {
        self.plugin(name).unwrap().digest.unwrap_or_default()
    }

    /// Waits until the plugin is shown so.
    pub(crate) async fn shows(&self, name: &str, what: &str, is_so: impl Fn(&PluginInfo) -> bool) -> PluginInfo {
        eventually(what, || {
            let plugin = self.plugin(name).ok_or_else(|| "no such plugin".to_owned())?;
            if is_so(&plugin) { Ok(plugin) } else { Err(format!("{plugin:?}")) }
        })
        .await
    }

    /// Waits until no fault stands.
    pub(crate) async fn no_faults(&self) {
        eventually("no fault", || {
            let faults = self.handle.status().faults;
            if faults.is_empty() { Ok(()) } else { Err(format!("{faults:?}")) }
        })
        .await;
    }

    /// Waits until this revision, or a later one, serves.
    pub(crate) async fn reaches(&self, revision: u64) {
        eventually(&format!("revision {revision}"), || {
            let status = self.handle.status();
            if status.revision >= revision { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await;
    }
}

/// Looks again and again until `look` gives a value; fails with what it said last.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= end => panic!("{what}: not within {PATIENCE:?}; last seen: {seen}"),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
