//! Rollouts: the state machine that moves weight between variants.
//!
//! One function, [`Rollout::apply`], is the only way from one state to the next; both stores and every test use it.

use serde::{Deserialize, Serialize};

use crate::alert::AlertId;
use crate::weight::BasisPoints;

/// How many abort ids a rollout remembers, newest last, so that a replayed abort is told from a new one.
pub const SEEN_ABORTS_MAX: usize = 16;

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// Nothing goes to the canary.
    Off,
    /// The canary has its weight.
    Running,
    /// The canary has its weight; steps and analysis stand still.
    Paused,
    /// Nothing goes to the canary until an operator resumes.
    Aborted,
    /// Everything goes to the canary.
    Promoted,
}

/// A rollout as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Where it stands.
    pub state: RolloutState,
    /// The weight while running or paused; kept over an abort, so that a resume returns to it.
    pub weight_bps: BasisPoints,
    /// Mixed into the bucket hash; a new release gets a new one.
    pub salt: String,
    /// Raised by each change; the higher one wins.
    pub epoch: u64,
    /// The epoch at which it last began to serve (created, started or resumed): one alert per rule and run.
    pub run: u64,
    /// Why it stands there, one line.
    pub reason: String,
    /// Who made the last change.
    pub by: String,
    /// When, ms since the Unix epoch.
    pub changed_ms: u64,
    /// Ids of the aborts already applied, newest last, at most [`SEEN_ABORTS_MAX`].
    pub seen_aborts: Vec<AlertId>,
}

/// What someone wants of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `off` -> `running`.
    Start,
    /// `running` -> `paused`.
    Pause,
    /// `paused` or `aborted` -> `running`, with the weight before.
    Resume,
    /// Any state -> `aborted`, unless this id was applied before.
    Abort {
        /// The alert (or the operator's command) behind it.
        id: AlertId,
        /// One line for people.
        reason: String,
    },
    /// `running` or `paused` -> `promoted`.
    Promote,
    /// A new weight; the state stays, but `off` and `promoted` become `running`. Refused while aborted.
    SetWeight(BasisPoints),
}
