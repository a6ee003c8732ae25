//! What was decided is carried out beside the rounds: droplets that come (made, configured, given the release that serves) and droplets
//! that leave (drained, deleted). Each takes the lock of the fleet, like an operator's command.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use sluice_infra_cloud::{Droplet, DropletId};
use sluice_infra_deploy::operator::{self, TargetOutcome};
use sluice_infra_host::converge::Mode;
use sluice_infra_plan::Outcome;
use sluice_infra_scale::{Action, Decision};
use sluice_state::Leadership;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use super::now_ms;
use super::pool::Pool;
use crate::configured::{Configured, Ended};
use crate::context::Context;
use crate::deployment;
use crate::machines;
use crate::session::Session;

/// How long a deed waits for the lock that an operator's command holds.
const LOCK_WAIT: Duration = Duration::from_secs(600);
/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// Longest that deeds under way are waited for at the end.
const END_MAX: Duration = Duration::from_secs(60);

/// Deeds under way, and what is known of droplets through them.
pub(super) struct Deeds {
    context: Arc<Context>,
    tasks: TaskTracker,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    /// Pool -> orders under way: id and since when.
    ordered: HashMap<String, Vec<(String, u64)>>,
    draining: HashSet<String>,
    drained: HashSet<String>,
    /// Being deleted: as good as gone.
    gone: HashSet<String>,
    orders: u64,
}

impl Known {
    /// A drain came to its end. One that was taken back meanwhile did not drain; one that failed may hold requests: it stands as
    /// its lease says, and is not deleted for this.
    fn end_drain(&mut self, name: &str, said_so: bool) {
        if self.draining.remove(name) && said_so {
            self.drained.insert(name.to_owned());
        }
    }
}

impl Deeds {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, tasks: TaskTracker::new(), known: Arc::default() }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_draining(&self, name: &str) -> bool {
        self.known().draining.contains(name)
    }

    pub(super) fn is_drained(&self, name: &str) -> bool {
        self.known().drained.contains(name)
    }

    pub(super) fn is_gone(&self, name: &str) -> bool {
        self.known().gone.contains(name)
    }

    /// Orders of a pool whose droplet the cloud does not list yet.
    pub(super) fn ordered(&self, pool: &str, listed: &[Droplet]) -> impl Iterator<Item = (String, u64)> + use<> {
        let orders = self.known().ordered.get(pool).cloned().unwrap_or_default();
        // Those that were listed since the order began are counted as droplets already.
        let came = |since_ms: u64| listed.iter().filter(|droplet| droplet.created_ms >= since_ms).count();
        let missing = orders.first().map_or(0, |(_, since_ms)| orders.len().saturating_sub(came(*since_ms)));
        orders.into_iter().take(missing)
    }

    /// Forgets what ended.
    pub(super) fn ended(&self) {
        let mut known = self.known();
        known.ordered.retain(|_, orders| !orders.is_empty());
    }

    /// Carries a decision out; returns at once.
    pub(super) fn carry_out(&self, pool: &Pool, decision: &Decision, droplets: &[Droplet], lead: &Leadership) {
        let id_of =
            |name: &String| droplets.iter().find(|droplet| droplet.name == *name).map(|droplet| droplet.id.clone());
        for action in &decision.actions {
            match action {
                Action::Create(count) => self.create(&pool.name, *count, lead.token),
                Action::Drain(names) => names.iter().for_each(|name| self.drain(name)),
                Action::CancelDrain(names) => names.iter().for_each(|name| self.take_back(name)),
                Action::Delete(names) => {
                    names.iter().for_each(|name| self.delete(&pool.name, name, id_of(name), lead.token));
                }
                Action::Replace(names) => {
                    self.create(&pool.name, u32::try_from(names.len()).unwrap_or(u32::MAX), lead.token);
                    names.iter().for_each(|name| self.delete(&pool.name, name, id_of(name), lead.token));
                }
            }
        }
    }

    fn create(&self, pool: &str, count: u32, fence: u64) {
        let ids: Vec<String> = {
            let mut known = self.known();
            (0..count)
                .map(|_| {
                    known.orders += 1;
                    let id = format!("{pool}-order-{}", known.orders);
                    known.ordered.entry(pool.to_owned()).or_default().push((id.clone(), now_ms()));
                    id
                })
                .collect()
        };
        let (context, known, pool) = (Arc::clone(&self.context), Arc::clone(&self.known), pool.to_owned());
        self.tasks.spawn(async move {
            info!(pool, count, "droplets are ordered");
            match bring(&context, &pool, count, fence).await {
                Ok(names) => info!(pool, droplets = names.join(", "), "droplets serve"),
                Err(error) => error!(pool, error = format!("{error:#}"), "droplets did not come to serve"),
            }
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.ordered.entry(pool).or_default().retain(|(id, _)| !ids.contains(id));
        });
    }

    fn drain(&self, name: &str) {
        if !self.known().draining.insert(name.to_owned()) {
            return;
        }
        let (context, known, name) = (Arc::clone(&self.context), Arc::clone(&self.known), name.to_owned());
        self.tasks.spawn(async move {
            info!(droplet = name, "drains");
            let asked = ask(&context, &name, "drain").await;
            known.lock().unwrap_or_else(PoisonError::into_inner).end_drain(&name, asked.is_ok());
            if let Err(error) = asked {
                error!(droplet = name, error = format!("{error:#}"), "it does not say that it drained");
            }
        });
    }

    fn take_back(&self, name: &str) {
        {
            let mut known = self.known();
            known.draining.remove(name);
            known.drained.remove(name);
        }
        let (context, name) = (Arc::clone(&self.context), name.to_owned());
        self.tasks.spawn(async move {
            info!(droplet = name, "is taken back");
            if let Err(error) = ask(&context, &name, "undrain").await {
                error!(droplet = name, error = format!("{error:#}"), "it was not taken back");
            }
        });
    }

    fn delete(&self, pool: &str, name: &str, id: Option<DropletId>, fence: u64) {
        let Some(id) = id else { return };
        {
            let mut known = self.known();
            known.draining.remove(name);
            known.drained.remove(name);
            known.gone.insert(name.to_owned());
        }
        let (context, known) = (Arc::clone(&self.context), Arc::clone(&self.known));
        let (pool, name) = (pool.to_owned(), name.to_owned());
        self.tasks.spawn(async move {
            match remove(&context, &pool, &id, &name, fence).await {
                Ok(()) => info!(droplet = name, "is gone"),
                Err(error) => {
                    error!(droplet = name, error = format!("{error:#}"), "is not gone");
                    known.lock().unwrap_or_else(PoisonError::into_inner).gone.remove(&name);
                }
            }
        });
    }

    /// Waits for what is under way, for a bounded time. What is left is settled by whoever comes next.
    pub(super) async fn end(&self) {
        self.tasks.close();
        if tokio::time::timeout(END_MAX, self.tasks.wait()).await.is_err() {
            error!("left in the middle of a deed; the next command settles it");
        }
    }
}

/// A session that may write; waits for an operator's command to end.
async fn session(context: &Context) -> anyhow::Result<Session> {
    let until = tokio::time::Instant::now() + LOCK_WAIT;
    loop {
        match Session::to_write(context, "controller").await {
            Err(error) if error.is::<sluice_infra_plan::LockError>() && tokio::time::Instant::now() < until => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// Makes droplets, configures them, and has them serve what their pool serves.
async fn bring(context: &Context, pool: &str, count: u32, fence: u64) -> anyhow::Result<Vec<String>> {
    let session = session(context).await?;
    let what = format!("{count} droplets more in {pool}");
    let deed = async { Ok(session.provisioner.fenced(fence).grow(pool, count).await) };
    let grown: Outcome = session.audited(&what, deed, |end| format!("{} created", end.created.len())).await?;
    let configured = Configured::new(context, &session);
    let files = configured.files()?;
    let ended = configured.machines(&files, &grown.created, Mode::Apply, |_| {}).await?;
    ensure!(ended.iter().all(Ended::is_good), "not configured: {ended:?}");
    for droplet in &grown.created {
        release(context, &session, pool, droplet).await.with_context(|| format!("release on {}", droplet.name))?;
    }
    if let Some(failure) = grown.failures.first() {
        bail!("{}: {}", failure.action, failure.reason);
    }
    Ok(grown.created.iter().map(|droplet| droplet.name.clone()).collect())
}

/// What others of the pool serve; nothing, if there was no deploy yet.
async fn release(context: &Context, session: &Session, pool: &str, droplet: &Droplet) -> anyhow::Result<()> {
    let Some(app) = session.spec.pool(pool).and_then(|pool| pool.app.as_deref()) else { return Ok(()) };
    let app = session.spec.app(app).context("the pool's app is in the file")?;
    let mut targets = deployment::targets(context, session, app, Some(pool)).await?;
    let place = targets.iter().position(|target| target.name() == droplet.name).context("it is in its pool")?;
    let to = targets.remove(place);
    let mut fault = None;
    for from in &targets {
        match operator::spread(app, from, &to, &|_| {}).await {
            Ok(report) => match report.outcome {
                TargetOutcome::Serves | TargetOutcome::ServedAlready => return Ok(()),
                TargetOutcome::Failed { reason } => bail!("{reason}"),
                TargetOutcome::Skipped => {}
            },
            Err(error) => fault = Some(error),
        }
    }
    match fault {
        Some(error) => Err(error).context("no other droplet of the pool gave its release"),
        None => Ok(()),
    }
}

async fn remove(context: &Context, pool: &str, id: &DropletId, name: &str, fence: u64) -> anyhow::Result<()> {
    let session = session(context).await?;
    let leaving = [(id.clone(), name.to_owned())];
    let deed = async { Ok(session.provisioner.fenced(fence).shrink(&leaving, pool).await) };
    let gone = session.audited(&format!("delete {name}"), deed, |end| format!("{} deleted", end.deleted.len())).await?;
    match gone.failures.first() {
        None => Ok(()),
        Some(failure) => bail!("{}: {}", failure.action, failure.reason),
    }
}

/// Asks the agent of a droplet.
async fn ask(context: &Context, name: &str, word: &str) -> anyhow::Result<()> {
    let session = Session::to_read(context, "controller").await?;
    let droplet = machines::named(&session, name).await?;
    machines::ask(context, &session, &droplet, word).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_drain_that_came_to_its_end_is_one() {
        for (said_so, taken_back, drained) in
            [(true, false, true), (false, false, false), (true, true, false), (false, true, false)]
        {
            let mut known = Known::default();
            known.draining.insert("cats-app-1".to_owned());
            if taken_back {
                known.draining.remove("cats-app-1");
            }
            known.end_drain("cats-app-1", said_so);
            assert_eq!(known.drained.contains("cats-app-1"), drained, "said so: {said_so}, taken back: {taken_back}");
            assert!(known.draining.is_empty());
        }
    }
}
