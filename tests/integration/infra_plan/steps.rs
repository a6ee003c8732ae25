//! `kill -9` at every step of the journal, with real processes: a child of the test applies through the library and kills itself
//! once its n-th step is on disk; then the program applies again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use sluice_document::Source;
use sluice_infra_cloud::{Cloud, DigitalOcean, Droplet, DropletId, LocalCloud, LocalNetwork, LocalSettings};
use sluice_infra_plan::plan::UserData;
use sluice_infra_plan::state::JournalStep;
use sluice_infra_plan::{Handover, Lock, Provisioner, Quiet, State, keys};
use sluice_infra_spec::{CloudSpec, Spec};
use sluice_tests::process::binary;
use tokio::process::Command;

/// Nothing is done between the halves of an apply.
struct Untouched;

#[async_trait]
impl Handover for Untouched {
    async fn arrived(&self, _droplets: &[Droplet]) -> Result<(), String> {
        Ok(())
    }

    async fn leaving(&self, _id: &DropletId, _name: &str) {}
}

/// Tells the child where the fleet is; without it the child's test does nothing.
const FOLDER: &str = "SLUICE_TEST_FOLDER";
/// Tells the child after which step it dies.
const STEP: &str = "SLUICE_TEST_STEP";
/// The test that is the child.
const CHILD: &str = "infra_plan::steps::infra_plan_child_that_kills_itself";

/// Applies the fleet of this folder until so many steps are in the journal. True if it was killed, false if it came to its end.
pub(crate) async fn apply_until(folder: &Path, step: usize) -> Result<bool> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--exact", CHILD, "--nocapture"]).env(FOLDER, folder).env(STEP, step.to_string()).kill_on_drop(true);
    let output = child.output().await.context("run the child")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("running 1 test"), "the child is no test of this binary: {said}");
    match output.status.code() {
        None => Ok(true),
        Some(code) => {
            ensure!(code == 0, "the child failed: {said}");
            Ok(false)
        }
    }
}

#[tokio::test]
async fn infra_plan_child_that_kills_itself() -> Result<()> {
    let (Some(folder), Ok(step)) = (std::env::var_os(FOLDER), std::env::var(STEP)) else { return Ok(()) };
    let (folder, step) = (PathBuf::from(folder), step.parse::<usize>()?);
    let file = folder.join("infra.toml").display().to_string();
    let text = std::fs::read_to_string(&file)?;
    let spec = sluice_infra_spec::parse(&Source { file, text })?;
    let state_folder = folder.join(".sluice-infra");
    std::fs::create_dir_all(&state_folder)?;
    let _lock = Lock::take(&state_folder, "apply")?;
    let keys = keys::ensure(&state_folder, &spec.fleet).await?;
    let cloud = cloud(&spec, &state_folder).await?;
    let state = State::open(&state_folder)?.observed_by(die_after(step));
    let user_data = user_data(&spec, &keys.public);
    let provisioner =
        Provisioner::new(cloud, Arc::new(state), Arc::new(spec), user_data, &keys.public, Arc::new(Quiet));
    provisioner.settle().await?;
    let (observed, plan) = provisioner.plan().await?;
    let outcome = provisioner.apply(&observed, &plan, &Untouched).await;
    ensure!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    Ok(())
}

async fn cloud(spec: &Spec, state_folder: &Path) -> Result<Arc<dyn Cloud>> {
    Ok(match &spec.cloud {
        CloudSpec::Local => {
            let (folder, program) = (state_folder.join("local"), binary("sluice-infra")?);
            Arc::new(LocalCloud::open(LocalSettings { folder, program, network: LocalNetwork::Auto }).await?)
        }
        CloudSpec::Simulator { url } | CloudSpec::DigitalOcean { url, .. } => {
            Arc::new(DigitalOcean::simulator(url.clone(), "simulator".to_owned())?)
        }
    })
}

/// As the program has it, so that a resumed apply finds nothing to replace.
fn user_data(spec: &Spec, public_key: &str) -> UserData {
    let users = serde_json::json!({ "users": [{ "name": "root", "ssh_authorized_keys": [public_key] }] });
    let text = format!("#cloud-config\n{users}\n");
    spec.pools.iter().map(|pool| (pool.name.clone(), text.clone())).collect()
}

fn die_after(step: usize) -> Box<dyn Fn(&JournalStep) + Send + Sync> {
    let seen = AtomicUsize::new(0);
    Box::new(move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) + 1 == step {
            let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            assert!(killed.is_err(), "this line is not reached");
        }
    })
}
