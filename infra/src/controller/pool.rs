//! One scaled pool: what is shown to its pure controller, and what that decided.

use std::collections::HashMap;
use std::path::PathBuf;

use sluice_infra_cloud::{Droplet, DropletStatus};
use sluice_infra_monitor::Seen;
use sluice_infra_scale::{Alert, Controller, Decision, DropletState, Observation, Traffic};
use sluice_infra_spec::ScaleSpec;
use sluice_model::lease::{Lease, Server};
use tracing::{error, info};

use super::deeds::Deeds;
use super::memory::{Memory, fixed};
use super::now_ms;
use crate::context::Context;

/// Figures that are older than this are none, ms: three rounds.
const FRESH_MS: u64 = 15_000;

/// One scaled pool.
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) size: String,
    folder: PathBuf,
    controller: Controller,
    memory: Memory,
    standing: HashMap<String, Standing>,
}

/// How a droplet was seen, and since when.
#[derive(Clone, Copy, Debug)]
struct Standing {
    state: DropletState,
    since_ms: u64,
    served: bool,
}

impl Pool {
    /// Of a pool that is scaled. What was remembered of it and cannot be read is said, and begun anew.
    pub(super) fn open(context: &Context, pool: &sluice_infra_spec::Pool) -> Option<Self> {
        let spec: &ScaleSpec = pool.scale.as_ref()?;
        let folder = context.state_folder();
        let memory = Memory::read(&folder, &pool.name).unwrap_or_else(|error| {
            error!(pool = pool.name, error = format!("{error:#}"), "its memory is lost");
            Memory::default()
        });
        let controller = Controller::restore(spec, memory.state.clone());
        let (name, size) = (pool.name.clone(), pool.size.clone());
        Some(Self { name, size, folder, controller, memory, standing: HashMap::new() })
    }

    /// What is known of it now.
    ///
    /// # Errors
    /// If an operator's word cannot be read: nobody knows what it is, so nothing is to change.
    pub(super) fn observe(
        &mut self,
        droplets: &[Droplet],
        seen: &[Seen],
        servers: Option<&[Lease]>,
        alerts: Option<Vec<Alert>>,
        affordable: Option<u32>,
        deeds: &Deeds,
    ) -> anyhow::Result<Observation> {
        let fixed = fixed(&self.folder, &self.name)?;
        let at_ms = now_ms();
        self.standing.retain(|name, _| droplets.iter().any(|droplet| droplet.name == *name));
        let leaving = |name: &str| deeds.is_gone(name);
        let mut shown: Vec<_> = droplets
            .iter()
            .filter(|droplet| !leaving(&droplet.name))
            .map(|droplet| {
                let standing = self.stand(droplet, servers, deeds, at_ms);
                let measures = seen.iter().find(|seen| seen.droplet == droplet.name);
                let fresh = measures.filter(|seen| at_ms.saturating_sub(seen.since_ms) <= FRESH_MS);
                let measures = fresh.and_then(|seen| seen.measures.as_ref());
                sluice_infra_scale::Droplet {
                    id: droplet.name.clone(),
                    state: standing.state,
                    since_ms: standing.since_ms,
                    cpu: measures.and_then(|measures| measures.cpu),
                    memory: measures.map(|measures| measures.memory),
                }
            })
            .collect();
        // What was ordered counts from the order on.
        shown.extend(deeds.ordered(&self.name, droplets).map(|(id, since_ms)| sluice_infra_scale::Droplet {
            id,
            state: DropletState::Booting,
            since_ms,
            cpu: None,
            memory: None,
        }));
        Ok(Observation { at_ms, droplets: shown, traffic: Traffic::default(), alerts, affordable, fixed })
    }

    /// How a droplet stands: by its leases; while the store is away, as it stood.
    fn stand(&mut self, droplet: &Droplet, servers: Option<&[Lease]>, deeds: &Deeds, at_ms: u64) -> Standing {
        let prefix = format!("{}-", droplet.name);
        let lease = servers.map(|servers| servers.iter().find(|lease| lease.server.id.starts_with(&prefix)));
        let begun = Standing { state: DropletState::Booting, since_ms: at_ms, served: false };
        let before = self.standing.get(&droplet.name).copied();
        let before = before.unwrap_or_else(|| lease.flatten().map_or(begun, |lease| found(&lease.server, at_ms)));
        let off = droplet.status == DropletStatus::Off;
        let state = match lease {
            _ if deeds.is_drained(&droplet.name) => DropletState::Drained,
            _ if deeds.is_draining(&droplet.name) => DropletState::Draining,
            None => before.state,
            Some(Some(lease)) if lease.server.draining => DropletState::Draining,
            Some(Some(_)) => DropletState::Serving,
            Some(None) if before.served || off => DropletState::Unhealthy,
            Some(None) => DropletState::Booting,
        };
        let since_ms = if state == before.state { before.since_ms } else { at_ms };
        let standing = Standing { state, since_ms, served: before.served || state == DropletState::Serving };
        self.standing.insert(droplet.name.clone(), standing);
        standing
    }

    /// Decides, and remembers before anything is done.
    ///
    /// # Errors
    /// If what is decided cannot be kept: then it is not done, since a next leader would do it again.
    pub(super) fn step(&mut self, observation: &Observation) -> anyhow::Result<Decision> {
        let decision = self.controller.step(observation);
        self.memory.state = self.controller.state().clone();
        if self.memory.add(&decision) {
            info!(
                pool = self.name,
                desired = decision.desired,
                present = decision.present,
                why = decision.reasons.join("; "),
                "decided"
            );
        }
        self.memory.write(&self.folder, &self.name)?;
        Ok(decision)
    }
}

/// How one that serves already was found, by a controller that has just begun to lead: since its release was started, so that the
/// one which served longest is known.
fn found(server: &Server, at_ms: u64) -> Standing {
    Standing { state: DropletState::Serving, since_ms: server.started_ms.min(at_ms), served: true }
}
