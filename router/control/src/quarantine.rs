//! Plugins that their breaker keeps requests from: a fault stands for as long as it does.
//!
//! Workers tell when a quarantine begins; that it is over is looked up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_model::alert::{Alert, AlertId};
use sluice_snapshot::plugin::BreakerState;
use sluice_snapshot::{Plugin, PluginKey, Seat};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::clock::now_ms;
use crate::fault::FaultSource;
use crate::release::ledger::short;
use crate::shared::Shared;

/// Quarantines that wait to be shown. More at a time would be of more plugins than a policy has.
pub(crate) const QUARANTINES_WAITING_MAX: usize = 64;
/// How often those that stand are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Rule of the alert.
const RULE: &str = "plugin-quarantine";

/// Quarantines that stand, with what is said of them.
type Standing = BTreeMap<PluginKey, String>;

/// A plugin that is not called from now on.
#[derive(Debug)]
pub(crate) struct Quarantined {
    pub(crate) plugin: Arc<Plugin>,
    /// What it failed by last.
    pub(crate) reason: String,
}

/// Runs until control stops.
pub(crate) async fn run(shared: Arc<Shared>, mut begun: mpsc::Receiver<Quarantined>) {
    let mut standing = Standing::new();
    loop {
        tokio::select! {
            quarantined = begun.recv() => match quarantined {
                Some(quarantined) => {
                    let key = quarantined.plugin.key.clone();
                    standing.insert(key.clone(), message(&quarantined));
                    show(&shared, &standing, &key.name);
                }
                None => return,
            },
            () = sleep(LOOK), if !standing.is_empty() => {
                for (key, _) in standing.extract_if(.., |key, _| !stands(&shared, key)).collect::<Vec<_>>() {
                    show(&shared, &standing, &key.name);
                }
            }
        }
    }
}

/// Says on the board what stands of this name: the digest that serves and the one on trial may both be kept from requests.
fn show(shared: &Shared, standing: &Standing, name: &str) {
    let messages: Vec<&str> =
        standing.iter().filter(|(key, _)| key.name == name).map(|(_, message)| message.as_str()).collect();
    let message = (!messages.is_empty()).then(|| messages.join("; "));
    shared.board.set(FaultSource::Quarantine, name, message);
}

/// The alert of a quarantine.
pub(crate) fn alert(quarantined: &Quarantined) -> Alert {
    let key = &quarantined.plugin.key;
    let openings = u64::from(quarantined.plugin.breaker.openings());
    let now_ms = now_ms();
    Alert {
        id: AlertId::derive(&[RULE, &key.name, &key.digest, &now_ms.to_string()]),
        rule: RULE.to_owned(),
        fingerprint: format!("{} {}", key.name, short(&key.digest)),
        route: String::new(),
        plugin: key.name.clone(),
        message: message(quarantined),
        observed: openings,
        limit: 0,
        variant: None,
        rollout: None,
        request_id: String::new(),
        at_ms: now_ms,
        ..Alert::default()
    }
}

fn message(quarantined: &Quarantined) -> String {
    let Quarantined { plugin, reason } = quarantined;
    format!("digest {} is not called for now, after failures in a row: {reason}", short(&plugin.key.digest))
}

/// True while the plugin has a seat, and is not called.
fn stands(shared: &Shared, key: &PluginKey) -> bool {
    let snapshot = shared.published.load().1;
    let found = snapshot.seats.iter().flat_map(Seat::occupants).find(|plugin| plugin.key == *key);
    found.is_some_and(|plugin| plugin.breaker.state(now_ms()) != BreakerState::Closed)
}
