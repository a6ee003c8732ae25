//! The course of one rehearsal, and what came of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use sluice_infra_cloud::simulator::{self, FaultPlan, Simulator, SimulatorSettings};
use sluice_infra_cloud::{Cloud, DigitalOcean, Droplet, DropletId};
use sluice_infra_plan::apply::inventory;
use sluice_infra_plan::{Event, Events, Handover, Happening, Outcome, Pace, Provisioner, State, tags};
use sluice_infra_spec::{Pool, Spec};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::faults::Drill;
use crate::clouds;

/// How much faster than real time a simulator runs: a droplet boots in at most a second.
const SPEED: f64 = 60.0;
/// How often `apply` is run, as somebody would who is told to; `destroy` as often.
const RUNS_MAX: u32 = 5;
/// Longest wait for an answer; a simulated silence is longer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Droplets that the account may have beyond those of the fleet: replacements stand beside what they replace.
const DROPLETS_SPARE: u64 = 25;
/// As the real paces, at the simulator's speed: looks are rarer, since the client keeps to 240 calls a minute.
const PACE: Pace = Pace {
    poll: Duration::from_millis(400),
    active_deadline: Duration::from_secs(6),
    gone_deadline: Duration::from_secs(6),
    settle: Duration::from_secs(1),
    pause: Duration::from_millis(100),
    parallel: 8,
};
/// A key that nobody has the other half of.
const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPl6xUqxo1EOBFZHGMHXZUmjlwcQLvo5IJZQWfFBv0Yf drill";

/// What came of one rehearsal.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Which.
    pub(super) fault: &'static str,
    /// Calls that a fault struck.
    pub(super) struck: u64,
    /// How often `apply` was run.
    pub(super) runs: u32,
    /// Droplets that infra.toml wants.
    pub(super) wanted: usize,
    /// Droplets that stood after the last run.
    pub(super) standing: usize,
    /// Droplets that were ever made under a name that another had.
    pub(super) duplicates: usize,
    /// Droplets that stood after `destroy`.
    pub(super) left: usize,
    /// What the simulator bills.
    pub(super) cost_usd: f64,
    /// True if all is as it should be.
    pub(super) passed: bool,
    /// How it went, for people.
    pub(super) outcome: String,
}

impl Drill {
    /// Plans, applies and destroys the fleet on a fresh simulator.
    pub(super) async fn rehearse(&self, spec: &Arc<Spec>, seed: u64) -> anyhow::Result<Row> {
        let most = |pool: &Pool| pool.scale.as_ref().map_or(pool.count, |scale| scale.max.max(pool.count));
        let droplets: u64 = spec.pools.iter().map(|pool| u64::from(most(pool))).sum();
        let settings = SimulatorSettings {
            seed,
            droplets_max: droplets + DROPLETS_SPARE,
            speed: Some(SPEED),
            ..SimulatorSettings::default()
        };
        let simulator = Simulator::new(&settings);
        simulator
            .set_faults(FaultPlan::parse(self.faults).with_context(|| format!("read the faults of {}", self.name))?);
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for the simulator")?;
        let url = format!("http://{}", listener.local_addr().context("find the simulator's address")?);
        let client = DigitalOcean::simulator(url, "drill".to_owned())?.answer_within(ANSWER_MAX);
        tokio::select! {
            end = simulator::serve(listener, simulator.clone(), CancellationToken::new()) => {
                end.context("serve the simulator")?;
                bail!("the simulator ended")
            }
            row = self.course(spec, Arc::new(client), &simulator) => row,
        }
    }

    async fn course(&self, spec: &Arc<Spec>, cloud: Arc<dyn Cloud>, simulator: &Simulator) -> anyhow::Result<Row> {
        let folder = tempfile::tempdir().context("make a folder for the state")?;
        let state = Arc::new(State::open(folder.path())?);
        let user_data = clouds::user_data(spec, PUBLIC_KEY);
        let tally = Arc::new(Tally::default());
        let (spec_of_run, events) = (Arc::clone(spec), Arc::clone(&tally));
        let mut provisioner = Provisioner::new(cloud, state, spec_of_run, user_data, PUBLIC_KEY, events);
        provisioner.pace = PACE;
        let (runs, applied) = apply(&provisioner).await;
        let standing = standing_in(simulator, &tags::fleet(&spec.fleet));
        let destroyed = destroy(&provisioner).await;
        let left = standing_in(simulator, &tags::fleet(&spec.fleet));
        let bill = simulator.bill();
        let (wanted, troubles) = match &applied {
            Ok(wanted) => (*wanted, Vec::new()),
            Err(reason) => (0, vec![format!("apply: {reason}")]),
        };
        let troubles: Vec<String> =
            troubles.into_iter().chain(destroyed.err().map(|reason| format!("destroy: {reason}"))).collect();
        let duplicates = duplicates(&bill);
        let struck = simulator.faults().hits().iter().sum();
        let passed = troubles.is_empty() && standing == wanted && duplicates == 0 && left == 0;
        Ok(Row {
            fault: self.name,
            struck,
            runs,
            wanted,
            standing,
            duplicates,
            left,
            cost_usd: bill.get("total_usd").and_then(Value::as_f64).unwrap_or_default(),
            passed,
            outcome: if troubles.is_empty() { self.told(runs, struck, &tally) } else { troubles.join("; ") },
        })
    }
}

impl Drill {
    fn told(&self, runs: u32, struck: u64, tally: &Tally) -> String {
        let mut text = "as wanted".to_owned();
        if struck == 0 && !self.faults.is_empty() {
            text.push_str("; no call of ours can meet it");
        }
        if runs > 1 {
            text.push_str(&format!(" after {runs} runs of apply"));
        }
        let counts = [(&tally.adopted, "found by tag"), (&tally.again, "sent again"), (&tally.anew, "made anew")];
        for (count, word) in counts {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                text.push_str(&format!("; {count} {word}"));
            }
        }
        text.push_str(self.remark);
        text
    }
}

/// Applies until nothing is left to do; how often, and how many droplets are wanted.
async fn apply(provisioner: &Provisioner) -> (u32, Result<usize, String>) {
    let mut reason = String::new();
    for run in 1..=RUNS_MAX {
        match apply_once(provisioner).await {
            Ok(Some(wanted)) => return (run, Ok(wanted)),
            Ok(None) => "something waits for the next run".clone_into(&mut reason),
            Err(failed) => reason = failed,
        }
    }
    (RUNS_MAX, Err(reason))
}

/// One run; how many droplets are wanted, if all of them stand.
async fn apply_once(provisioner: &Provisioner) -> Result<Option<usize>, String> {
    provisioner.settle().await.map_err(|error| causes(&error))?;
    let (observed, plan) = provisioner.plan().await.map_err(|error| causes(&error))?;
    done(&provisioner.apply(&observed, &plan, &NothingServes).await)?;
    let (_, plan) = provisioner.plan().await.map_err(|error| causes(&error))?;
    let stands = plan.is_empty() && plan.keeps.iter().all(|keep| !keep.waiting);
    Ok(stands.then_some(plan.keeps.len()))
}

/// Destroys until nothing is left.
async fn destroy(provisioner: &Provisioner) -> Result<(), String> {
    let mut reason = String::new();
    for _run in 0..RUNS_MAX {
        match destroy_once(provisioner).await {
            Ok(true) => return Ok(()),
            Ok(false) => "something is left".clone_into(&mut reason),
            Err(failed) => reason = failed,
        }
    }
    Err(reason)
}

/// One run; true if there was nothing left to destroy.
async fn destroy_once(provisioner: &Provisioner) -> Result<bool, String> {
    provisioner.settle().await.map_err(|error| causes(&error))?;
    let observed = provisioner.observe().await.map_err(|error| causes(&error))?;
    let everything = inventory(&observed, &provisioner.state).map_err(|error| causes(&error))?;
    if everything.is_empty() {
        return Ok(true);
    }
    done(&provisioner.destroy(&observed, &everything).await)?;
    Ok(false)
}

fn done(outcome: &Outcome) -> Result<(), String> {
    outcome.failures.first().map_or(Ok(()), |failure| Err(format!("{}: {}", failure.subject, failure.reason)))
}

/// An error with its causes, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// The droplets of the fleet, as the simulator itself knows them: no listing lags in here.
fn standing_in(simulator: &Simulator, tag: &str) -> usize {
    let state = simulator.state();
    let droplets = state.get("droplets").and_then(Value::as_object).into_iter().flatten();
    let has_tag = |droplet: &Value| {
        droplet.get("tags").and_then(Value::as_array).is_some_and(|tags| tags.iter().any(|own| own == tag))
    };
    droplets.filter(|(_, droplet)| has_tag(droplet)).count()
}

/// Droplets beyond the first of each name, of all that were ever billed: a name is that of one intent.
fn duplicates(bill: &Value) -> usize {
    let charges = bill.get("charges").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names: BTreeSet<&str> =
        charges.iter().filter_map(|charge| charge.get("name").and_then(Value::as_str)).collect();
    charges.len() - names.len()
}

/// How often an apply had to help itself.
#[derive(Debug, Default)]
struct Tally {
    adopted: AtomicU32,
    again: AtomicU32,
    anew: AtomicU32,
}

impl Events for Tally {
    fn event(&self, event: &Event) {
        let counted = match event.happening {
            Happening::Adopted { .. } => &self.adopted,
            Happening::Again { .. } => &self.again,
            Happening::Anew { .. } => &self.anew,
            Happening::Sent
            | Happening::Accepted { .. }
            | Happening::Looking { .. }
            | Happening::Done
            | Happening::Failed { .. } => return,
        };
        counted.fetch_add(1, Ordering::Relaxed);
    }
}

/// Nothing runs on simulated droplets, so nothing is handed over.
struct NothingServes;

#[async_trait]
impl Handover for NothingServes {
    async fn arrived(&self, _droplets: &[Droplet]) -> Result<(), String> {
        Ok(())
    }

    async fn leaving(&self, _droplet: &DropletId, _name: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_billed_twice_is_a_duplicate() {
        let bill = serde_json::json!({ "charges": [{ "name": "a" }, { "name": "b" }, { "name": "a" }] });
        assert_eq!(duplicates(&bill), 1);
    }
}
