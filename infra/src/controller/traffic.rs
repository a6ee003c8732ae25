//! What the routers count, over ssh from round to round: how many requests a pool gets, and how long they take.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use sluice_infra_cloud::Droplet;
use sluice_infra_host::{Remote as _, Ssh};
use sluice_infra_monitor::traffic::{RouterTraffic, rates, together};
use sluice_infra_plan::tags;
use sluice_infra_scale::Traffic;
use sluice_infra_spec::{Role, Spec};

use crate::context::Context;
use crate::deployment::reach;
use crate::session::Session;

/// Longest wait for one router.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// Routers that are asked at a time.
const AT_ONCE_MAX: usize = 32;
/// Most that is read of one answer, in bytes: some hundred variants of apps.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What is kept of each router from round to round.
#[derive(Default)]
pub(super) struct Routers {
    known: HashMap<String, Router>,
}

/// A shared connection to a router, and its last two looks.
#[derive(Default)]
struct Router {
    ssh: Option<Ssh>,
    before: Option<RouterTraffic>,
    now: Option<RouterTraffic>,
}

impl Routers {
    /// Asks all of them, if a pool goes by what they say.
    pub(super) async fn look(&mut self, context: &Context, session: &Session, droplets: &[Droplet]) {
        if !session.spec.pools.iter().any(follows) {
            return;
        }
        let tag = tags::role(&session.spec.fleet, Role::Router);
        let routers = || droplets.iter().filter(|droplet| droplet.tags.contains(&tag));
        self.known.retain(|name, _| routers().any(|droplet| droplet.name == *name));
        for droplet in routers() {
            let router = self.known.entry(droplet.name.clone()).or_default();
            // One that has no address yet is reached later.
            router.ssh = router.ssh.take().or_else(|| reach(context, session, droplet).ok());
            router.before = router.now.take().or_else(|| router.before.take());
        }
        let asked = self.known.iter().filter_map(|(name, router)| Some((name.clone(), router.ssh.as_ref()?)));
        let answers = asked.map(|(name, ssh)| async move { (name, ask(ssh).await) });
        let answers: Vec<_> = futures_util::stream::iter(answers).buffer_unordered(AT_ONCE_MAX).collect().await;
        for (name, counted) in answers {
            if let Some(router) = self.known.get_mut(&name) {
                router.now = counted;
            }
        }
    }

    /// What they did for a pool since the last look, all together; unknown if one of them does not say.
    pub(super) fn traffic(&self, spec: &Spec, pool: &str) -> Traffic {
        let Some((app, variant)) =
            spec.pool(pool).and_then(|pool| Some((pool.app.as_deref()?, pool.variant.as_deref()?)))
        else {
            return Traffic::default();
        };
        // Several pools with one variant of an app share its requests as they share its droplets: not told apart here.
        let alone =
            spec.pools.iter().filter(|of| of.app.as_deref() == Some(app) && of.variant.as_deref() == Some(variant));
        if alone.count() != 1 {
            return Traffic::default();
        }
        let each = self.known.values().map(|router| rates(router.before.as_ref()?, router.now.as_ref()?, app, variant));
        match together(each) {
            Some(rates) => Traffic { rps: Some(rates.rps), p95_ms: rates.p95_ms() },
            None => Traffic::default(),
        }
    }
}

/// True if a pool's policy names what routers measure.
fn follows(pool: &sluice_infra_spec::Pool) -> bool {
    let target = pool.scale.as_ref().and_then(|scale| scale.target.as_ref());
    target.is_some_and(|target| target.rps_per_droplet.is_some() || target.p95.is_some())
}

/// What a router counted; nothing of it is believed that is not what it should be.
async fn ask(ssh: &Ssh) -> Option<RouterTraffic> {
    let program = ssh.layout().programs().join("sluice-infra").display().to_string();
    let words = [program.as_str(), "agent", "traffic"];
    let output = tokio::time::timeout(ANSWER_MAX, ssh.run(&words, &[])).await.ok()?.ok()?;
    if output.status != 0 || output.stdout.len() > ANSWER_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&output.stdout).ok()
}
