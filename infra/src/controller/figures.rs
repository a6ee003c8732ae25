//! The figures of each droplet, over ssh: no port of a machine need be open for who watches it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use sluice_infra_cloud::Droplet;
use sluice_infra_host::{Remote as _, Ssh};
use sluice_infra_monitor::{Measures, Seen};
use sluice_infra_plan::tags;
use sluice_infra_spec::Spec;

use super::now_ms;
use crate::context::Context;
use crate::deployment::reach;
use crate::session::Session;

/// Longest wait for one machine; one that hangs is without data.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// Machines that are asked at a time.
const AT_ONCE_MAX: usize = 32;
/// Most that is read of one answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is kept from round to round: a shared connection to each machine, and its last figures.
#[derive(Default)]
pub(super) struct Figures {
    known: HashMap<String, Known>,
}

struct Known {
    ssh: Option<Ssh>,
    measures: Option<Measures>,
    since_ms: u64,
}

impl Figures {
    /// Asks all of them.
    pub(super) async fn look(&mut self, context: &Context, session: &Session, droplets: &[Droplet]) -> Vec<Seen> {
        self.known.retain(|name, _| droplets.iter().any(|droplet| droplet.name == *name));
        for droplet in droplets {
            let known = self.known.entry(droplet.name.clone());
            let known = known.or_insert_with(|| Known { ssh: None, measures: None, since_ms: now_ms() });
            // One that has no address yet is reached later.
            known.ssh = known.ssh.take().or_else(|| reach(context, session, droplet).ok());
        }
        let asked = self.known.iter().filter_map(|(name, known)| Some((name.clone(), known.ssh.as_ref()?)));
        let answers = asked.map(|(name, ssh)| async move { (name, ask(ssh).await) });
        let answers: Vec<_> = futures_util::stream::iter(answers).buffer_unordered(AT_ONCE_MAX).collect().await;
        for (name, measures) in answers {
            if let (Some(known), Some(measures)) = (self.known.get_mut(&name), measures) {
                known.since_ms = now_ms();
                known.measures = Some(measures);
            }
        }
        droplets.iter().filter_map(|droplet| self.seen(&session.spec, droplet)).collect()
    }

    fn seen(&self, spec: &Spec, droplet: &Droplet) -> Option<Seen> {
        let known = self.known.get(&droplet.name)?;
        let pool = tags::value(&droplet.tags, &spec.fleet, "pool").unwrap_or_default().to_owned();
        Some(Seen { droplet: droplet.name.clone(), pool, measures: known.measures.clone(), since_ms: known.since_ms })
    }
}

/// What its daemon measured last; nothing of it is believed that is not what it should be.
async fn ask(ssh: &Ssh) -> Option<Measures> {
    let program = ssh.layout().programs().join("sluice-infra").display().to_string();
    let words = [program.as_str(), "agent", "measures"];
    let output = tokio::time::timeout(ANSWER_MAX, ssh.run(&words, &[])).await.ok()?.ok()?;
    if output.status != 0 || output.stdout.len() > ANSWER_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&output.stdout).ok()
}
