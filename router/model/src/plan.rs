//! Plans: the steps that a rollout goes through, and when it goes on. Pure: where it stands and what was seen in, what to do
//! and why out (`decide`).

use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, Judgement};
use crate::rollout::Command;
use crate::slots::Share;
use crate::weight::BasisPoints;

mod decide;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// Most steps of a plan.
pub const STEPS_MAX: usize = 64;

/// The plan of a rollout, as its policy declares it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps, in order; none = an operator moves the weight.
    pub steps: Vec<Step>,
    /// What the canary is held to in every step.
    pub analysis: Option<Analysis>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The weights that it sets; variants that are not named keep theirs.
    pub weights: Vec<(Share, BasisPoints)>,
    /// How long it lasts at least, ms.
    pub pause_ms: u64,
    /// Whether it ends by itself.
    pub gate: Gate,
    /// How long it may last before the rollout is ended as it is by a failed analysis, ms; a manual gate has none, since
    /// nobody can say how long an operator takes.
    pub deadline_ms: Option<u64>,
}

/// Whether a step ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Once its pause is over and the analysis has passed.
    #[default]
    Auto,
    /// When an operator says `advance`.
    Manual,
}

/// Where a rollout stands in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Index of the step.
    pub step: u16,
    /// When it began, ms since the Unix epoch; a pause by an operator moves it on.
    pub began_ms: u64,
}

/// What is to be done with a rollout now.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing; the text says what it waits for.
    Wait(String),
    /// This, because; the text stands as the reason in the rollout.
    Do(Command, String),
}

/// What was seen of a rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The newest judgements, oldest first, at most [`crate::analysis::FAILURES_MAX`]. One counts once its whole interval
    /// lies behind the rollout's last change: figures of another weight or of a run that was ended say nothing.
    pub judgements: Vec<Judgement>,
}
