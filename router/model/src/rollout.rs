//! Rollouts: the state machine that moves weight between variants.
//!
//! One function, [`Rollout::apply`], is the only way from one state to the next; both stores and every test use it. What is
//! wanted stands in `command`, which state allows it in `transition`, what an older router wrote in `document`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::AlertId;
use crate::audit::Author;
use crate::plan::Position;
use crate::slots::{Share, SlotTable};
use crate::weight::BasisPoints;

pub use self::command::{Begin, Command};
use self::document::RolloutDocument;

mod command;
mod document;
mod transition;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

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
    /// The canary has its weight; steps stand still, analysis and aborts go on.
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
#[serde(from = "RolloutDocument")]
pub struct Rollout {
    /// Where it stands.
    pub state: RolloutState,
    /// The weight the canary has, or returns to by a resume: kept over an abort, 100 % once promoted.
    pub weight_bps: BasisPoints,
    /// Who owns which slots while it serves; the canary's are `weight_bps` of them.
    pub slots: SlotTable,
    /// Where it stands in its plan; `None` = it follows none, or has gone through it.
    pub position: Option<Position>,
    /// What is rolled out, e.g. `v42`; may be empty.
    pub release: String,
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
            slots: SlotTable::canary(weight),
            position: None,
            release: String::new(),
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
    pub fn apply<'a>(
        &self,
        command: &'a Command,
        author: impl Into<Author<'a>>,
        now_ms: u64,
    ) -> Result<Applied, Refused> {
        let author = author.into();
        let Some(next) = self.transition(command, now_ms)? else { return Ok(Applied::Unchanged) };
        let epoch = self.epoch.saturating_add(1);
        let mut seen_aborts = self.seen_aborts.clone();
        if let Command::Abort { id, .. } = command {
            seen_aborts.push(id.clone());
            seen_aborts.drain(..seen_aborts.len().saturating_sub(SEEN_ABORTS_MAX));
        }
        let reason = match command {
            Command::Abort { reason, .. } => reason,
            _ if !author.reason.is_empty() => author.reason,
            _ => command.verb(),
        };
        let release = match command {
            Command::Start(begin) => &begin.release,
            Command::Restart(begin) if !begin.release.is_empty() => &begin.release,
            _ => &self.release,
        };
        let salt = command.begin().and_then(|begin| begin.salt.as_ref()).unwrap_or(&self.salt);
        Ok(Applied::Changed(Self {
            state: next.state,
            weight_bps: next.slots.weight(&Share::Canary),
            slots: next.slots,
            position: next.position,
            release: one_line(release),
            salt: salt.clone(),
            epoch,
            run: if next.new_run { epoch } else { self.run },
            reason: one_line(reason),
            by: one_line(author.by),
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

    /// True if this is what counts where someone holds `other`: the higher epoch does; of two changes that were made at the
    /// same epoch, as on both sides of a split store, an abort.
    #[must_use]
    pub fn counts_over(&self, other: &Self) -> bool {
        let is_aborted = |rollout: &Self| rollout.state == RolloutState::Aborted;
        self.epoch > other.epoch || (self.epoch == other.epoch && (is_aborted(self) || !is_aborted(other)))
    }
}

/// `text` without line breaks, cut at [`LINE_BYTES_MAX`].
fn one_line(text: &str) -> String {
    text[..text.floor_char_boundary(LINE_BYTES_MAX)].replace(char::is_control, " ")
}
