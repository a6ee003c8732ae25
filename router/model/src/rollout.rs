//! Rollouts: the state machine that moves weight between variants.
//!
//! One function, [`Rollout::apply`], is the only way from one state to the next; both stores and every test use it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::AlertId;
use crate::weight::BasisPoints;

/// How many abort ids a rollout remembers, newest last, so that a replayed abort is told from a new one.
pub const SEEN_ABORTS_MAX: usize = 16;
/// Longest `reason` and `by` that are kept, in bytes: one line on a dashboard.
pub const LINE_BYTES_MAX: usize = 256;

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

impl RolloutState {
    /// The word that stands in the store, the API and the dashboard.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Aborted => "aborted",
            Self::Promoted => "promoted",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Off, Self::Running, Self::Paused, Self::Aborted, Self::Promoted].into_iter().find(|s| s.as_str() == text)
    }
}

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rollout as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Where it stands.
    pub state: RolloutState,
    /// The weight it has, or returns to by a resume: kept over an abort, 100 % once promoted.
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

/// What someone wants of a rollout. A command that finds its end already reached changes nothing: it may be repeated.
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

impl Command {
    /// The verb, as the admin API names it.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Abort { .. } => "abort",
            Self::Promote => "promote",
            Self::SetWeight(_) => "set weight",
        }
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The rollout after it, one epoch on.
    Changed(Rollout),
    /// Nothing to do: an abort already seen, or a state already reached.
    Unchanged,
}

/// A command that the state of the rollout does not allow; the admin API answers 409.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rollout is {state} and refuses `{verb}`: {hint}")]
pub struct Refused {
    /// What was wanted.
    pub verb: &'static str,
    /// Where the rollout stands.
    pub state: RolloutState,
    /// What to do instead.
    pub hint: &'static str,
}

impl Rollout {
    /// A rollout that never ran before: `off` without weight, else `running`.
    #[must_use]
    pub fn initial(weight: BasisPoints, salt: String, by: &str, now_ms: u64) -> Self {
        Self {
            state: if weight == BasisPoints::ZERO { RolloutState::Off } else { RolloutState::Running },
            weight_bps: weight,
            salt,
            epoch: 1,
            run: 1,
            reason: "created".to_owned(),
            by: one_line(by),
            changed_ms: now_ms,
            seen_aborts: Vec::new(),
        }
    }

    /// The rollout after `command`.
    ///
    /// # Errors
    /// [`Refused`] if the state does not allow it; an abort is never refused.
    pub fn apply(&self, command: &Command, by: &str, now_ms: u64) -> Result<Applied, Refused> {
        let Some(next) = self.transition(command)? else { return Ok(Applied::Unchanged) };
        let epoch = self.epoch + 1;
        let mut seen_aborts = self.seen_aborts.clone();
        if let Command::Abort { id, .. } = command {
            seen_aborts.push(id.clone());
            seen_aborts.drain(..seen_aborts.len().saturating_sub(SEEN_ABORTS_MAX));
        }
        Ok(Applied::Changed(Self {
            state: next.state,
            weight_bps: next.weight,
            salt: self.salt.clone(),
            epoch,
            run: if next.new_run { epoch } else { self.run },
            reason: one_line(next.reason),
            by: one_line(by),
            changed_ms: now_ms,
            seen_aborts,
        }))
    }

    /// The share of traffic that goes to the canary now.
    #[must_use]
    pub const fn effective_weight(&self) -> BasisPoints {
        match self.state {
            RolloutState::Off | RolloutState::Aborted => BasisPoints::ZERO,
            RolloutState::Running | RolloutState::Paused => self.weight_bps,
            RolloutState::Promoted => BasisPoints::FULL,
        }
    }

    /// The table of transitions; `None` = nothing to do.
    fn transition<'a>(&self, command: &'a Command) -> Result<Option<Next<'a>>, Refused> {
        use RolloutState::{Aborted, Off, Paused, Promoted, Running};
        let refused = |hint| Err(Refused { verb: command.verb(), state: self.state, hint });
        let to = |state, new_run| Ok(Some(Next { state, weight: self.weight_bps, new_run, reason: command.verb() }));
        match (command, self.state) {
            (Command::Abort { id, .. }, _) if self.seen_aborts.contains(id) => Ok(None),
            (Command::Abort { reason, .. }, _) => {
                Ok(Some(Next { state: Aborted, weight: self.weight_bps, new_run: false, reason }))
            }
            (Command::Start, Off) => to(Running, true),
            (Command::Resume, Paused | Aborted) => to(Running, true),
            (Command::Start | Command::Resume, Running) => Ok(None),
            (Command::Start, Paused | Aborted) => refused("resume it"),
            (Command::Resume, Off) => refused("start it"),
            (Command::Start | Command::Resume, Promoted) => refused("set a weight to take traffic back"),
            (Command::Pause, Running) => to(Paused, false),
            (Command::Pause, Paused) => Ok(None),
            (Command::Pause, Off | Aborted | Promoted) => refused("only a running rollout can be paused"),
            (Command::Promote, Running | Paused) => {
                Ok(Some(Next { state: Promoted, weight: BasisPoints::FULL, new_run: false, reason: command.verb() }))
            }
            (Command::Promote, Promoted) => Ok(None),
            (Command::Promote, Off) => refused("start it"),
            (Command::Promote, Aborted) => refused("resume it first"),
            (Command::SetWeight(_), Aborted) => refused("resume it first"),
            (Command::SetWeight(weight), Running | Paused) if *weight == self.weight_bps => Ok(None),
            (Command::SetWeight(weight), state) => Ok(Some(Next {
                state: if state == Paused { Paused } else { Running },
                weight: *weight,
                new_run: state == Off,
                reason: command.verb(),
            })),
        }
    }
}

/// What a transition changes.
struct Next<'a> {
    state: RolloutState,
    weight: BasisPoints,
    /// It begins to serve again.
    new_run: bool,
    reason: &'a str,
}

/// `text` without line breaks, cut at [`LINE_BYTES_MAX`].
fn one_line(text: &str) -> String {
    text[..text.floor_char_boundary(LINE_BYTES_MAX)].replace(char::is_control, " ")
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
