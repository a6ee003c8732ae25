//! The controller: watches the droplets of a fleet, raises alerts from their figures, and changes how many there are.
//!
//! One of a fleet leads, by a lease in the store; what it asks the cloud for carries its fencing token. A round: `figures` of
//! machines and what routers counted (`traffic`) come over ssh, `watched` holds the figures against the rules and tells the
//! store, `pool` shows each scaled pool to its pure controller (`sluice-infra-scale`), and `deeds` carry out what it decides,
//! beside the rounds. Without the store, or without figures, nothing leaves.

mod budget;
mod deeds;
mod figures;
mod memory;
mod pool;
mod store;
mod traffic;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sluice_infra_cloud::Droplet;
use sluice_infra_plan::tags;
use sluice_infra_scale::Observation;
use sluice_state::Leadership;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use self::budget::Budget;
use self::deeds::Deeds;
use self::figures::Figures;
pub(crate) use self::memory::{Memory, Record, fix};
use self::pool::Pool;
use self::store::Store;
use self::traffic::Routers;
use self::watched::Watched;
use crate::context::Context;
use crate::session::Session;

/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(5);
/// The job that one controller leads.
const JOB: &str = "scale";
/// How long it leads without a renewal: three rounds. It stops acting at two thirds of it.
const LEAD: Duration = Duration::from_secs(15);

/// Watches and scales until `stop`.
///
/// # Errors
/// If the fleet cannot be read at all, or the store is not one.
pub(crate) async fn run(context: Arc<Context>, stop: tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
    let session = Session::to_read(&context, "controller").await?;
    let store = Store::open(&context, &session).await.context("reach the store of the fleet")?;
    let mut controller = Controller {
        figures: Figures::default(),
        routers: Routers::default(),
        watched: Watched::new(&session.spec),
        pools: open_pools(&context, &session),
        deeds: Deeds::new(Arc::clone(&context)),
        holder: format!("{}-{:08x}", sluice_infra_plan::lock::who(), rand::random::<u32>()),
        context,
        session,
        store,
    };
    let ended = controller.rounds(&stop).await;
    controller.deeds.end().await;
    controller.store.close(&controller.holder).await;
    ended
}

struct Controller {
    context: Arc<Context>,
    session: Session,
    store: Store,
    figures: Figures,
    routers: Routers,
    watched: Watched,
    pools: Vec<Pool>,
    deeds: Deeds,
    /// Who we are among controllers.
    holder: String,
}

impl Controller {
    async fn rounds(&mut self, stop: &tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
        let mut pace = interval(ROUND);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut led = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _tick = pace.tick() => {}
            }
            let leads = self.lead().await;
            if leads.as_ref().map(|lead| lead.token) != led {
                led = leads.as_ref().map(|lead| lead.token);
                match &leads {
                    Some(lead) => {
                        info!(token = lead.token, "leads");
                        // Whoever led until now has decided since we began.
                        self.pools = open_pools(&self.context, &self.session);
                    }
                    None => info!("another controller leads, or the store is away"),
                }
            }
            let round = self.round(leads.as_ref());
            // What takes longer than the lead lasts must not act on it.
            match tokio::time::timeout(LEAD * 2 / 3, round).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(error = format!("{error:#}"), "a round broke off"),
                Err(_elapsed) => warn!("a round took too long and was given up"),
            }
        }
    }

    /// Leads, if nobody else does.
    async fn lead(&mut self) -> Option<Leadership> {
        match self.store.reached(&self.context, &self.session).await.lead(JOB, &self.holder, LEAD).await {
            Ok(lead) => lead,
            Err(error) => {
                warn!(%error, "the store does not say who leads: nothing is done");
                None
            }
        }
    }

    async fn round(&mut self, lead: Option<&Leadership>) -> anyhow::Result<()> {
        let droplets = self.session.cloud.droplets(&tags::fleet(&self.session.spec.fleet)).await?;
        let figures = self.figures.look(&self.context, &self.session, &droplets);
        let routers = self.routers.look(&self.context, &self.session, &droplets);
        let (seen, ()) = tokio::join!(figures, routers);
        // Whoever does not lead watches all the same: it goes on from there when it does.
        let up = self.watched.step(&seen);
        let Some(lead) = lead else { return Ok(()) };
        self.watched.tell(self.store.store(), &up).await;
        let alerts = self.watched.alerts(self.store.store(), &self.holder).await;
        let servers = self.store.servers();
        self.deeds.ended();
        let mut budget = Budget::read(&self.session, &droplets).await;
        let of_pool = |name: &str| -> Vec<Droplet> {
            droplets.iter().filter(|droplet| is_of(&self.session, name, droplet)).cloned().collect()
        };
        for pool in &self.pools {
            budget.take(&pool.size, self.deeds.ordered(&pool.name, &of_pool(&pool.name)).count());
        }
        let mut all_decided = true;
        for pool in &mut self.pools {
            let of_pool = of_pool(&pool.name);
            let affordable = budget.affordable(&pool.size);
            let observed = pool.observe(&of_pool, &seen, servers.as_deref(), alerts.clone(), affordable, &self.deeds);
            let traffic = self.routers.traffic(&self.session.spec, &pool.name);
            match observed.and_then(|observation| pool.step(&Observation { traffic, ..observation })) {
                Ok(decision) => {
                    budget.take_for(&pool.size, &decision);
                    self.deeds.carry_out(pool, &decision, &of_pool, lead);
                }
                Err(error) => {
                    all_decided = false;
                    warn!(pool = pool.name, error = format!("{error:#}"), "nothing is decided, nothing changes");
                }
            }
        }
        if alerts.is_some() && all_decided {
            self.watched.finish(self.store.store()).await;
        }
        Ok(())
    }
}

fn open_pools(context: &Context, session: &Session) -> Vec<Pool> {
    session.spec.pools.iter().filter_map(|pool| Pool::open(context, pool)).collect()
}

fn is_of(session: &Session, pool: &str, droplet: &Droplet) -> bool {
    droplet.tags.contains(&tags::pool(&session.spec.fleet, pool))
}

/// Ms since the Unix epoch.
fn now_ms() -> u64 {
    sluice_infra_plan::state::now_ms()
}
