//! The operator's side: from a commit to a release on every droplet of its app.
//!
//! In order: whose `turn` it is, a clean `checkout`, each `gate`, one `release` commit, and the `rollout` over the droplets,
//! canary first, each by a push that `deliver` makes. `record` keeps what the gates printed; `hook` makes a commit start
//! all this, and shows its outcome to who committed. A release commit lives in the checkout and on droplets: the repository of the sources is only read.

mod checkout;
mod deliver;
mod fleet;
mod gate;
pub mod hook;
mod lines;
mod record;
mod release;
mod rollout;
mod source;
mod turn;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use sluice_infra_host::{DeployKey, RemoteError};
use sluice_infra_spec::App;
use tokio::task::JoinError;

use crate::{GitError, Say, short};

pub use deliver::{Target, TargetOutcome, TargetReport};
pub use fleet::{DropletStatus, promote, roll_back, spread, status};
pub use gate::GateReport;
pub use source::Source;

/// Whom production serves; every other variant is tried first.
pub const PRODUCTION: &str = "stable";

/// Why a commit was not deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A file of ours cannot be read or written.
    #[error("{what}")]
    File {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Git did not do it.
    #[error("git did not do it")]
    Git(#[from] GitError),
    /// Somebody deploys this app already.
    #[error("{who} deploys {app} since {since_seconds} s; try again when that is done")]
    Busy {
        /// The app.
        app: String,
        /// Who, and what.
        who: String,
        /// For how long by now.
        since_seconds: u64,
    },
    /// A gate did not go well.
    #[error("gate `{gate}` {how}; nothing was pushed")]
    Gate {
        /// Which.
        gate: String,
        /// How it ended.
        how: String,
        /// The last lines that it printed.
        last: Vec<String>,
    },
    /// A gate was to make it.
    #[error("the gates did not make `{path}`, which is among the artifacts")]
    Artifact {
        /// Which.
        path: String,
    },
    /// Droplets have releases that do not stand on each other.
    #[error(
        "the releases on {one} and {other} do not stand on each other; destroy the one that is wrong, or its repository"
    )]
    Diverged {
        /// A droplet.
        one: String,
        /// Another one.
        other: String,
    },
    /// Nothing to deploy to.
    #[error("no droplet of {app} is there; `sluice-infra up` makes them")]
    NoDroplets {
        /// The app.
        app: String,
    },
    /// Nothing to deploy.
    #[error("{0}")]
    NoRelease(String),
    /// A machine was not reached.
    #[error("a droplet did not do it")]
    Remote(#[from] RemoteError),
    /// A droplet's answer is none.
    #[error("{droplet} answers nonsense")]
    Answer {
        /// Which.
        droplet: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// We are being shut down.
    #[error("interrupted")]
    Interrupted(#[from] JoinError),
}

/// What is to be deployed, by whom.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The fleet.
    pub fleet: &'a str,
    /// The app.
    pub app: &'a App,
    /// Where its sources are.
    pub source: &'a Source,
    /// The commit, as typed.
    pub revision: &'a str,
    /// The operator's folder of state.
    pub state: &'a Path,
    /// What seals releases.
    pub key: &'a DeployKey,
    /// Environment variables that hold secrets of ours: no gate sees them.
    pub secrets: &'a [String],
    /// Who deploys, for others who want to.
    pub who: &'a str,
    /// Leave production for `promote`.
    pub canary_only: bool,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The app.
    pub app: String,
    /// Source commit.
    pub commit: String,
    /// Release commit.
    pub release: String,
    /// Gates, in order.
    pub gates: Vec<GateReport>,
    /// Droplets, in the order in which they were to be served.
    pub droplets: Vec<TargetReport>,
}

/// Deploys a commit to these droplets.
///
/// # Errors
/// Whatever kept it from every droplet; what one droplet says of it is in the report.
pub async fn run(order: Order<'_>, targets: &[Target], say: Say<'_>) -> Result<Report, DeployError> {
    let commit = order.source.resolve(order.revision).await?;
    let folder = folder(order.state, &order.app.name);
    let _turn = turn::take(&folder, &order.app.name, &format!("{} ({})", order.who, short(&commit)))?;
    if targets.is_empty() {
        return Err(DeployError::NoDroplets { app: order.app.name.clone() });
    }
    let checkout = checkout::Checkout::make(order.source, &commit, &folder).await?;
    say(&format!("{} {} in {}", order.app.name, short(&commit), checkout.app_folder().display()));
    let gates = gate::run_all(&order, &commit, &checkout, &folder, say).await?;
    let tips = deliver::tips(checkout.git(), targets, &order.app.name, say).await?;
    let release = release::make(&order, &commit, &checkout, &tips, say).await?;
    let droplets = rollout::run(checkout.git(), &release, order.app, targets, order.canary_only, say).await;
    Ok(Report { app: order.app.name.clone(), commit, release: release.commit, gates, droplets })
}

/// Where we keep what we need for an app.
fn folder(state: &Path, app: &str) -> PathBuf {
    state.join("deploy").join(app)
}

fn file(what: impl Into<String>, source: io::Error) -> DeployError {
    DeployError::File { what: what.into(), source }
}

/// Seconds, for people.
fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
