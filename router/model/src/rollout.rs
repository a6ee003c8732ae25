//! Rollouts: the state machine that moves weight between variants.
//!
//! One function, [`Rollout::apply`], is the only way from one state to the next; both stores and every test use it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::AlertId;
use crate::audit::Author;
use crate::plan::Position;
use crate::slots::{Share, SlotError, SlotTable};
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
pub struct Rollout {
    /// Where it stands.
    pub state: RolloutState,
    /// The weight the canary has, or returns to by a resume: kept over an abort, 100 % once promoted.
    pub weight_bps: BasisPoints,
    /// Who owns which slots while it serves; the canary's are `weight_bps` of them.
    pub slots: SlotTable,
    /// Where it stands in its plan; `None` = it follows none, or has gone through it.
    #[serde(default)]
    pub position: Option<Position>,
    /// What is rolled out, e.g. `v42`; may be empty.
    #[serde(default)]
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
    /// What is rolled out; empty = not said.
    pub release: String,
}

impl Command {
    /// A new weight of the canary.
    #[must_use]
    pub fn set_weight(weight: BasisPoints) -> Self {
        Self::SetWeights(vec![(Share::Canary, weight)])
    }

    const fn begin(&self) -> Option<&Begin> {
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
        let epoch = self.epoch + 1;
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
        let begin = command.begin();
        Ok(Applied::Changed(Self {
            state: next.state,
            weight_bps: next.slots.weight(&Share::Canary),
            slots: next.slots,
            position: next.position,
            release: begin.map_or_else(|| self.release.clone(), |begin| one_line(&begin.release)),
            salt: begin.and_then(|begin| begin.salt.clone()).unwrap_or_else(|| self.salt.clone()),
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

    /// The table of transitions; `None` = nothing to do.
    fn transition(&self, command: &Command, now_ms: u64) -> Result<Option<Next>, Refused> {
        use RolloutState::{Aborted, Off, Paused, Promoted, Running};
        let refused = |hint| Err(Refused { verb: command.verb(), state: self.state, hint });
        let to = |state| Next { state, slots: self.slots.clone(), position: self.position, new_run: false };
        Ok(Some(match (command, self.state) {
            (Command::Abort { id, .. }, _) if self.seen_aborts.contains(id) => return Ok(None),
            (Command::Abort { .. }, _) => to(Aborted),
            (Command::Start(begin), Off | Promoted) | (Command::Restart(begin), Paused | Aborted) => {
                self.begun(begin, command, now_ms)?
            }
            (Command::Resume, Paused | Aborted) => {
                // Time that an operator took is not the step's; after an abort the step is tried anew.
                let resumed = |position: Position| Position {
                    began_ms: if self.state == Paused {
                        position.began_ms + now_ms.saturating_sub(self.changed_ms)
                    } else {
                        now_ms
                    },
                    ..position
                };
                Next { position: self.position.map(resumed), new_run: true, ..to(Running) }
            }
            (Command::Start(_) | Command::Resume, Running) => return Ok(None),
            (Command::Start(_), Paused | Aborted) => return refused("resume it"),
            (Command::Resume | Command::Restart(_), Off | Promoted) => return refused("start it"),
            (Command::Restart(_), Running) => return refused("pause it first"),
            (Command::Pause, Running) => to(Paused),
            (Command::Pause, Paused) | (Command::Promote, Promoted) => return Ok(None),
            (Command::Pause, _) => return refused("only a running rollout can be paused"),
            (Command::Promote, Running | Paused) => {
                Next { slots: SlotTable::canary(BasisPoints::FULL), position: None, ..to(Promoted) }
            }
            (Command::Promote, Off) => return refused("start it"),
            (Command::Promote | Command::SetWeights(_), Aborted) => return refused("resume it first"),
            (Command::SetWeights(weights), Running | Paused) if self.has(weights) => return Ok(None),
            (Command::SetWeights(weights), state) => Next {
                slots: self.reweighed(self.slots.clone(), weights, command)?,
                position: None,
                new_run: state == Off,
                ..to(if state == Paused { Paused } else { Running })
            },
            (Command::Advance { step, weights }, Running) => {
                if self.position.is_none_or(|position| position.step + 1 != *step) {
                    return refused("it does not stand at the step before");
                }
                Next {
                    slots: self.reweighed(self.slots.clone(), weights, command)?,
                    position: Some(Position { step: *step, began_ms: now_ms }),
                    ..to(Running)
                }
            }
            (Command::Advance { .. }, _) => return refused("only a running rollout goes on"),
        }))
    }

    /// At the first step of `begin`'s plan, or with the weights it had.
    fn begun(&self, begin: &Begin, command: &Command, now_ms: u64) -> Result<Next, Refused> {
        let (slots, position) = match &begin.first {
            Some(weights) => {
                let slots = self.reweighed(SlotTable::stable(), weights, command)?;
                (slots, Some(Position { step: 0, began_ms: now_ms }))
            }
            None => (self.slots.clone(), None),
        };
        Ok(Next { state: RolloutState::Running, slots, position, new_run: true })
    }

    fn reweighed(
        &self,
        slots: SlotTable,
        weights: &[(Share, BasisPoints)],
        command: &Command,
    ) -> Result<SlotTable, Refused> {
        // Those that shrink first: what they give back the others may take.
        let (shrinking, growing): (Vec<_>, Vec<_>) =
            weights.iter().partition(|(share, weight)| *weight < slots.weight(share));
        let changes = shrinking.into_iter().chain(growing);
        let done = changes.into_iter().try_fold(slots, |slots, (share, weight)| slots.with(share, *weight));
        done.map_err(|error| Refused {
            verb: command.verb(),
            state: self.state,
            hint: match error {
                SlotError::Pieces => "its slots are in too many pieces; start it anew",
                SlotError::Above | SlotError::Syntax(_) => "the variants together would have more than 100 percent",
            },
        })
    }

    fn has(&self, weights: &[(Share, BasisPoints)]) -> bool {
        self.position.is_none() && weights.iter().all(|(share, weight)| self.slots.weight(share) == *weight)
    }
}

/// What a transition changes.
struct Next {
    state: RolloutState,
    slots: SlotTable,
    position: Option<Position>,
    /// It begins to serve again.
    new_run: bool,
}

/// `text` without line breaks, cut at [`LINE_BYTES_MAX`].
fn one_line(text: &str) -> String {
    text[..text.floor_char_boundary(LINE_BYTES_MAX)].replace(char::is_control, " ")
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
