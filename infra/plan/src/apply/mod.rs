//! Carries a plan out. Each call is in the journal before it is sent, and what is unclear is settled by looking.
//!
//! In order of reading: `run` (the order of steps), `create`, `delete`, `idempotent` (firewalls and keys), `settle`
//! (what an interrupted run left open), `stock` (what is remembered of the fleet), `fleet` (what the controller asks
//! for), `destroy`.

mod create;
mod delete;
mod destroy;
mod events;
mod fleet;
mod idempotent;
mod pace;
mod run;
mod settle;
mod stock;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use sluice_infra_cloud::{Cloud, CloudError, Droplet, DropletId};
use sluice_infra_spec::Spec;

pub use destroy::{Inventory, inventory};
pub use events::{Event, Events, Happening, Quiet, Subject};
pub use pace::Pace;
pub use settle::{SettleError, Settled};

use crate::observe::{ObserveError, Observed, observe};
use crate::plan::{Plan, UserData, plan};
use crate::state::{State, StateError};

/// Makes and ends droplets of one fleet, through its journal. Cheap to clone.
#[derive(Clone)]
pub struct Provisioner {
    /// Where droplets come from.
    pub cloud: Arc<dyn Cloud>,
    /// Journal and memory.
    pub state: Arc<State>,
    /// What is wanted.
    pub spec: Arc<Spec>,
    /// User-data of each pool.
    pub user_data: Arc<UserData>,
    /// Public key that may log in, as one line of OpenSSH.
    pub public_key: Arc<str>,
    /// How long things may take.
    pub pace: Pace,
    /// Who is told.
    pub events: Arc<dyn Events>,
    /// Token of the leader that asks, if a controller does.
    fence: Option<u64>,
}

/// What is done by others at two moments of an apply.
#[async_trait]
pub trait Handover: Send + Sync {
    /// What was to come stands, and nothing has left yet: make it serve. If it fails, nothing leaves.
    ///
    /// # Errors
    /// Why it does not serve, for people.
    async fn arrived(&self, droplets: &[Droplet]) -> Result<(), String>;

    /// A droplet leaves now: take its requests off it. It leaves in any case.
    async fn leaving(&self, droplet: &DropletId, name: &str);
}

/// What an apply came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// Droplets that came.
    pub created: Vec<Droplet>,
    /// Droplets that left.
    pub deleted: Vec<DropletId>,
    /// Firewalls that were put or deleted, by name.
    pub firewalls: Vec<String>,
    /// What did not come to be.
    pub failures: Vec<Failure>,
}

/// One thing that did not come to be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// Of what: a droplet, a firewall, a pool.
    pub subject: String,
    /// What was tried.
    pub action: &'static str,
    /// Which kind of fault.
    pub fault: FaultKind,
    /// Why, for people.
    pub reason: String,
    /// What to do about it.
    pub advice: &'static str,
}

/// Kinds of faults, by what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The budget is in the way.
    Budget,
    /// A limit of the account is.
    Quota,
    /// The cloud does not answer, or not clearly.
    Away,
    /// The cloud refuses.
    Refused,
    /// It did not get ready in time.
    Late,
    /// It stands and does not serve.
    NotServing,
    /// It was left alone, because something before it failed.
    Skipped,
    /// Our own state or machine is at fault.
    Ours,
}

/// Why one step did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The cloud did not.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The journal could not be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A droplet did not get ready, again and again.
    #[error("{0}")]
    Late(String),
    /// Droplets stand and do not serve.
    #[error("{0}")]
    NotServing(String),
    /// The budget has no room.
    #[error("{0}")]
    Budget(String),
    /// Something before it failed.
    #[error("{0}")]
    Skipped(&'static str),
}

impl Fault {
    const fn kind(&self) -> FaultKind {
        match self {
            Self::Cloud(error) => match error {
                CloudError::Quota { .. } => FaultKind::Quota,
                CloudError::RateLimited { .. } | CloudError::Transient { .. } | CloudError::Unclear { .. } => {
                    FaultKind::Away
                }
                CloudError::Unauthorized { .. } | CloudError::Invalid { .. } | CloudError::Answer { .. } => {
                    FaultKind::Refused
                }
                CloudError::Machine { .. } => FaultKind::Ours,
            },
            Self::State(_) => FaultKind::Ours,
            Self::Late(_) => FaultKind::Late,
            Self::NotServing(_) => FaultKind::NotServing,
            Self::Budget(_) => FaultKind::Budget,
            Self::Skipped(_) => FaultKind::Skipped,
        }
    }
}

impl FaultKind {
    /// What to do about it.
    const fn advice(self) -> &'static str {
        match self {
            Self::Budget => "raise budget.monthly_usd_max, or lower a count or size",
            Self::Quota => "ask the cloud for a higher limit, or lower a count; then apply again",
            Self::Away => "apply again: what was asked for and may exist is found by its tag",
            Self::Refused => "put infra.toml or the token right; then apply again",
            Self::Late => "apply again; if it stays so, try another size or region",
            Self::NotServing => "put it right and run it again: nothing left, the droplets of before serve on",
            Self::Skipped => "apply again once the rest is put right",
            Self::Ours => "put this machine right; then apply again",
        }
    }
}

impl Failure {
    pub(crate) fn new(subject: &str, action: &'static str, fault: &Fault) -> Self {
        let kind = fault.kind();
        let mut reason = fault.to_string();
        let mut source = std::error::Error::source(fault);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !reason.ends_with(&text) {
                reason = format!("{reason}: {text}");
            }
            source = cause.source();
        }
        Self { subject: subject.to_owned(), action, fault: kind, reason, advice: kind.advice() }
    }
}

impl Outcome {
    /// True if something was done.
    #[must_use]
    pub const fn did_something(&self) -> bool {
        !(self.created.is_empty() && self.deleted.is_empty() && self.firewalls.is_empty())
    }

    /// Adds what another part came to.
    fn merge(&mut self, other: Self) {
        self.created.extend(other.created);
        self.deleted.extend(other.deleted);
        self.firewalls.extend(other.firewalls);
        self.failures.extend(other.failures);
    }
}

impl Provisioner {
    /// Of a fleet.
    #[must_use]
    pub fn new(
        cloud: Arc<dyn Cloud>,
        state: Arc<State>,
        spec: Arc<Spec>,
        user_data: UserData,
        public_key: &str,
        events: Arc<dyn Events>,
    ) -> Self {
        let pace = Pace::of(cloud.name());
        let (user_data, public_key) = (Arc::new(user_data), Arc::from(public_key));
        Self { cloud, state, spec, user_data, public_key, pace, events, fence: None }
    }

    /// The same for the leader with this token: what it intends carries the token, and is refused once a newer leader
    /// has acted.
    #[must_use]
    pub fn fenced(&self, fence: u64) -> Self {
        Self { fence: Some(fence), ..self.clone() }
    }

    /// Reads the fleet.
    ///
    /// # Errors
    /// [`ObserveError`]
    pub async fn observe(&self) -> Result<Observed, ObserveError> {
        observe(&*self.cloud, &self.spec, &self.state).await
    }

    /// Reads the fleet and the prices, and plans.
    ///
    /// # Errors
    /// [`ObserveError`]
    pub async fn plan(&self) -> Result<(Observed, Plan), ObserveError> {
        let failed = |source| ObserveError::Cloud { cloud: self.cloud.name(), source };
        let sizes = self.cloud.sizes().await.map_err(failed)?;
        let observed = self.observe().await?;
        let made = plan(&self.spec, &self.user_data, &observed, &sizes);
        Ok((observed, made))
    }

    fn tell(&self, subject: &Subject, happening: Happening) {
        self.events.event(&Event { subject: subject.clone(), happening });
    }
}

impl fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioner")
            .field("fleet", &self.spec.fleet)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}
