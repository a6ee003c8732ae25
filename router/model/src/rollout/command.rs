//! What is wanted of a rollout.

use crate::alert::AlertId;
use crate::slots::Share;
use crate::weight::BasisPoints;

/// What someone wants of a rollout. A command that finds its end already reached changes nothing: it may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `off` or `promoted` -> `running`: a new release begins.
    Start(Begin),
    /// `running` -> `paused`.
    Pause,
    /// `paused` or `aborted` -> `running`, with the weight before.
    Resume,
    /// `paused` or `aborted` -> `running`, from the first step on.
    Restart(Begin),
    /// Any state -> `aborted`, unless this id was applied before.
    Abort {
        /// The alert (or the operator's command) behind it.
        id: AlertId,
        /// One line for people.
        reason: String,
    },
    /// `running` or `paused` -> `promoted`.
    Promote,
    /// New weights of these variants; the state stays, but `off` and `promoted` become `running`. Ends its plan. Refused while
    /// aborted.
    SetWeights(Vec<(Share, BasisPoints)>),
    /// The plan goes on: to the step of this index, with its weights. Only while `running`, and only from the step before.
    Advance {
        /// Index of the step.
        step: u16,
        /// Its weights.
        weights: Vec<(Share, BasisPoints)>,
    },
}

/// How a release begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// Salt of the release: deals all users anew. `None` = it keeps the one it has.
    pub salt: Option<String>,
    /// Weights of the first step of its plan; `None` = it has no plan and keeps its weights.
    pub first: Option<Vec<(Share, BasisPoints)>>,
    /// What is rolled out; empty = not said, and a restart keeps what was.
    pub release: String,
}

impl Command {
    /// A new weight of the canary.
    #[must_use]
    pub fn set_weight(weight: BasisPoints) -> Self {
        Self::SetWeights(vec![(Share::Canary, weight)])
    }

    pub(super) const fn begin(&self) -> Option<&Begin> {
        match self {
            Self::Start(begin) | Self::Restart(begin) => Some(begin),
            _ => None,
        }
    }

    /// The verb, as the admin API names it.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Restart(_) => "resume from the start",
            Self::Abort { .. } => "abort",
            Self::Promote => "promote",
            Self::SetWeights(_) => "set weight",
            Self::Advance { .. } => "advance",
        }
    }
}
