//! One command at work on a fleet: its file, state, lock, keys, cloud, and who makes its droplets.

use std::sync::Arc;

use anyhow::Context as _;
use sluice_infra_cloud::Cloud;
use sluice_infra_plan::keys::{self, KeyPair};
use sluice_infra_plan::lock::who;
use sluice_infra_plan::{Events, Lock, ObserveError, Observed, Plan, Provisioner, Quiet, SettleError, State};
use sluice_infra_spec::Spec;

use crate::clouds;
use crate::context::Context;
use crate::{print, progress};

/// One command at work on a fleet.
pub(crate) struct Session {
    /// What is wanted.
    pub(crate) spec: Arc<Spec>,
    /// Journal, memory, audit log.
    pub(crate) state: Arc<State>,
    /// Where droplets come from.
    pub(crate) cloud: Arc<dyn Cloud>,
    /// What the droplets let in.
    pub(crate) keys: KeyPair,
    /// Who makes and ends droplets.
    pub(crate) provisioner: Provisioner,
    command: &'static str,
    /// Held by commands that write, to their end.
    _lock: Option<Lock>,
}

impl Session {
    /// For a command that only reads: it takes no lock.
    pub(crate) async fn to_read(context: &Context, command: &'static str) -> anyhow::Result<Self> {
        Self::open(context, command, None, Arc::new(Quiet)).await
    }

    /// For a command that writes: it takes the lock, and brings what an interrupted run left open to its end.
    pub(crate) async fn to_write(context: &Context, command: &'static str) -> anyhow::Result<Self> {
        let folder = prepare(context)?;
        let lock = Lock::take(&folder, command)?;
        let session = Self::open(context, command, Some(lock), progress::of(context)).await?;
        session.settle(context).await?;
        Ok(session)
    }

    async fn open(
        context: &Context,
        command: &'static str,
        lock: Option<Lock>,
        events: Arc<dyn Events>,
    ) -> anyhow::Result<Self> {
        let spec = Arc::new(context.spec()?);
        let folder = prepare(context)?;
        let state = Arc::new(State::open(&folder)?);
        let keys = keys::ensure(&folder, &spec.fleet).await?;
        let cloud = clouds::open(context, &spec).await?;
        let user_data = clouds::user_data(&spec, &keys.public);
        let (of_cloud, of_state) = (Arc::clone(&cloud), Arc::clone(&state));
        let provisioner = Provisioner::new(of_cloud, of_state, Arc::clone(&spec), user_data, &keys.public, events);
        Ok(Self { spec, state, cloud, keys, provisioner, command, _lock: lock })
    }

    async fn settle(&self, context: &Context) -> anyhow::Result<()> {
        let settled = self.provisioner.settle().await.map_err(unsettled)?;
        for end in &settled {
            if context.json() {
                print::line(&serde_json::json!({ "settled": end }))?;
            }
            context.say(&format!(
                "An interrupted run left {} {} open: {}",
                end.operation.kind, end.operation.name, end.end
            ));
        }
        if !settled.is_empty() {
            let what = format!("{} operations of an interrupted run", settled.len());
            let ends: Vec<&str> = settled.iter().map(|end| end.end.as_str()).collect();
            self.state.audit(&who(), self.command, &what, &ends.join("; "))?;
        }
        Ok(())
    }

    /// Reads the fleet.
    pub(crate) async fn observe(&self) -> anyhow::Result<Observed> {
        self.provisioner.observe().await.map_err(told)
    }

    /// Reads the fleet and plans.
    pub(crate) async fn plan(&self) -> anyhow::Result<(Observed, Plan)> {
        self.provisioner.plan().await.map_err(told)
    }

    /// Runs a deed between its two entries in the audit log. `tell` makes one line of how it ended.
    pub(crate) async fn audited<T>(
        &self,
        what: &str,
        deed: impl Future<Output = anyhow::Result<T>>,
        tell: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<T> {
        let id = self.state.audit_begin(&who(), self.command, what)?;
        let end = deed.await;
        let outcome = match &end {
            Ok(done) => tell(done),
            Err(error) => format!("failed: {error:#}"),
        };
        self.state.audit_end(id, &outcome)?;
        end
    }
}

/// The folder of state, for this user only: it holds the private key.
fn prepare(context: &Context) -> anyhow::Result<std::path::PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let folder = context.state_folder();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// The fault of the cloud stays visible to who chooses the exit code.
fn told(error: ObserveError) -> anyhow::Error {
    match error {
        ObserveError::Cloud { cloud, source } => {
            anyhow::Error::new(source).context(format!("read the fleet from {cloud}"))
        }
        ObserveError::State(source) => source.into(),
    }
}

fn unsettled(error: SettleError) -> anyhow::Error {
    match error {
        SettleError::Cloud { kind, name, source } => {
            anyhow::Error::new(source).context(format!("finish `{kind} {name}`, which an interrupted run left open"))
        }
        SettleError::Late { .. } | SettleError::State(_) => error.into(),
    }
}
