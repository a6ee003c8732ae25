//! One fleet in a test: its file, its folder of state, its simulator.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sluice_document::Source;
use sluice_infra_cloud::{Droplet, DropletId};
use sluice_infra_plan::plan::UserData;
use sluice_infra_plan::{Handover, Outcome, Pace, Plan, Provisioner, Quiet, State};
use sluice_infra_spec::Spec;

use crate::simulated::Simulated;

/// One droplet is router and Redis, `count` run the app.
pub(crate) fn spec(count: u32, size: &str, budget_usd: Option<u32>) -> Spec {
    let budget = budget_usd.map(|usd| format!("[budget]\nmonthly_usd_max = {usd}\n")).unwrap_or_default();
    let text = format!(
        "[fleet]\nname = \"cats\"\n{budget}[pools.edge]\nroles = [\"router\", \"redis\"]\n\
         [pools.app]\nroles = [\"app\"]\napp = \"meow\"\nvariant = \"stable\"\nsize = \"{size}\"\ncount = {count}\n\
         [apps.meow]\nrun = [\"./meow\"]\nhealth = {{ path = \"/\" }}\npipeline.steps = [{{ name = \"test\", run = \"true\" }}]\n[router]\nfolder = \"router\"\n\
         [redis]\npassword = {{ env = \"REDIS\" }}\n"
    );
    sluice_infra_spec::parse(&Source { file: "infra.toml".to_owned(), text }).unwrap()
}

/// A key that nobody has the other half of.
const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPl6xUqxo1EOBFZHGMHXZUmjlwcQLvo5IJZQWfFBv0Yf cats";

/// A fleet with its state on disk.
pub(crate) struct Fleet {
    pub(crate) cloud: Arc<Simulated>,
    pub(crate) folder: tempfile::TempDir,
}

impl Fleet {
    pub(crate) fn new(cloud: Simulated) -> Self {
        Self { cloud: Arc::new(cloud), folder: tempfile::tempdir().unwrap() }
    }

    /// As one process sees it.
    pub(crate) fn provisioner(&self, spec: &Spec) -> Provisioner {
        self.provisioner_with(spec, State::open(self.folder.path()).unwrap())
    }

    pub(crate) fn provisioner_with(&self, spec: &Spec, state: State) -> Provisioner {
        let user_data: UserData =
            spec.pools.iter().map(|pool| (pool.name.clone(), "#cloud-config\n{}".to_owned())).collect();
        let spec = Arc::new(spec.clone());
        let cloud = Arc::new(self.cloud.0.clone());
        let mut made = Provisioner::new(cloud, Arc::new(state), spec, user_data, PUBLIC_KEY, Arc::new(Quiet));
        made.pace = Pace::DIGITALOCEAN;
        made
    }

    /// A whole `apply`, as the command does it.
    pub(crate) async fn apply(&self, spec: &Spec) -> (Plan, Outcome) {
        apply(&self.provisioner(spec)).await
    }

    /// What the cloud would still be asked for.
    pub(crate) async fn plan(&self, spec: &Spec) -> Plan {
        self.provisioner(spec).plan().await.unwrap().1
    }
}

/// Settles, plans, applies.
pub(crate) async fn apply(provisioner: &Provisioner) -> (Plan, Outcome) {
    provisioner.settle().await.unwrap();
    let (observed, plan) = provisioner.plan().await.unwrap();
    let outcome = provisioner.apply(&observed, &plan, &Silent).await;
    (plan, outcome)
}

/// Nothing is done between the halves.
pub(crate) struct Silent;

#[async_trait]
impl Handover for Silent {
    async fn arrived(&self, _droplets: &[Droplet]) -> Result<(), String> {
        Ok(())
    }

    async fn leaving(&self, _id: &DropletId, _name: &str) {}
}

/// Writes down what it is told, and refuses to hand over.
#[derive(Default)]
pub(crate) struct Refusing(pub(crate) Mutex<Vec<String>>);

#[async_trait]
impl Handover for Refusing {
    async fn arrived(&self, droplets: &[Droplet]) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{} arrived", droplets.len()));
        Err("the new ones do not serve".to_owned())
    }

    async fn leaving(&self, _id: &DropletId, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name} leaves"));
    }
}
