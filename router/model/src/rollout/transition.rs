//! The table of transitions: which command leads from which state to which.

use super::{Begin, Command, Refused, Rollout, RolloutState};
use crate::plan::Position;
use crate::slots::{Share, SlotError, SlotTable};
use crate::weight::BasisPoints;

impl Rollout {
    /// The table of transitions; `None` = nothing to do.
    pub(super) fn transition(&self, command: &Command, now_ms: u64) -> Result<Option<Next>, Refused> {
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
                        position.began_ms.saturating_add(now_ms.saturating_sub(self.changed_ms))
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
                if self.position.and_then(|position| position.step.checked_add(1)) != Some(*step) {
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
                SlotError::Unweighable(_) => "stable has what the others leave",
                SlotError::Above | SlotError::Syntax(_) => "the variants together would have more than 100 percent",
            },
        })
    }

    fn has(&self, weights: &[(Share, BasisPoints)]) -> bool {
        self.position.is_none() && weights.iter().all(|(share, weight)| self.slots.weight(share) == *weight)
    }
}

/// What a transition changes.
pub(super) struct Next {
    pub(super) state: RolloutState,
    pub(super) slots: SlotTable,
    pub(super) position: Option<Position>,
    /// It begins to serve again.
    pub(super) new_run: bool,
}
