//! Slots: which variant owns which of the 10,000 slots that users fall into.
//!
//! A variant that grows takes the lowest slots that stable still has; one that shrinks gives its highest back. So with one
//! canary the canary's slots are always the lowest ones, and however many variants there are, raising one variant's weight
//! moves users from stable to it and nobody else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::weight::{BasisPoints, SLOTS};

/// Most runs of slots that a table is made of; each change of a weight adds one at most.
pub const SLOT_RUNS_MAX: usize = 256;

/// Whose slots: of the policy's `stable`, of its `canary`, or of another variant by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Share {
    /// What no other variant has.
    Stable,
    /// The variant that steps, analysis and aborts are about.
    Canary,
    /// One more variant.
    Other(String),
}

const STABLE: &str = "@stable";
const CANARY: &str = "@canary";

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => STABLE,
            Self::Canary => CANARY,
            Self::Other(name) => name,
        })
    }
}

impl From<String> for Share {
    fn from(text: String) -> Self {
        match text.as_str() {
            STABLE => Self::Stable,
            CANARY => Self::Canary,
            _ => Self::Other(text),
        }
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

/// Slots in a row that one variant owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Who owns them.
    pub share: Share,
    /// How many, at least one.
    pub slots: u16,
}

/// The owners of all slots, in order. Always exactly 10,000 slots, and no two neighbouring runs of one owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlotTable(Vec<Run>);

/// A text that is no table, or a change that a table cannot take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// Not `OWNER*COUNT OWNER*COUNT ...` with 10,000 slots.
    #[error("`{0}` is no table of slots")]
    Syntax(String),
    /// The weights of all variants are above 100 %.
    #[error("the variants together would have more than 100 percent")]
    Above,
    /// Too many changes; a new release begins a new table.
    #[error("the table of slots is in too many pieces: begin anew with `start`")]
    Pieces,
}

impl SlotTable {
    /// Everything is stable's.
    #[must_use]
    pub fn stable() -> Self {
        Self(vec![Run { share: Share::Stable, slots: SLOTS }])
    }

    /// One canary with `weight`.
    #[must_use]
    pub fn canary(weight: BasisPoints) -> Self {
        let runs = [
            Run { share: Share::Canary, slots: weight.get() },
            Run { share: Share::Stable, slots: SLOTS - weight.get() },
        ];
        Self(runs.into_iter().filter(|run| run.slots > 0).collect())
    }

    /// The runs, from slot 0 on.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.0
    }

    /// How much `share` owns.
    #[must_use]
    pub fn weight(&self, share: &Share) -> BasisPoints {
        let slots = self.0.iter().filter(|run| run.share == *share).map(|run| run.slots).sum();
        BasisPoints::new(slots).unwrap_or(BasisPoints::FULL)
    }

    /// Who owns `slot`; stable beyond the last.
    #[must_use]
    pub fn owner(&self, slot: u16) -> &Share {
        let mut end = 0;
        let found = self.0.iter().find(|run| {
            end += run.slots;
            slot < end
        });
        found.map_or(&Share::Stable, |run| &run.share)
    }

    /// The table after `share` has `weight`: growing takes slots from stable only, shrinking gives them back to it.
    ///
    /// # Errors
    /// [`SlotError::Above`] if stable has not enough left, [`SlotError::Pieces`] past [`SLOT_RUNS_MAX`].
    pub fn with(&self, share: &Share, weight: BasisPoints) -> Result<Self, SlotError> {
        let has = self.weight(share).get();
        let runs = if weight.get() >= has {
            hand_over(self.0.iter().cloned(), &Share::Stable, share, weight.get() - has)?
        } else {
            let mut runs = hand_over(self.0.iter().rev().cloned(), share, &Share::Stable, has - weight.get())?;
            runs.reverse();
            runs
        };
        if runs.len() > SLOT_RUNS_MAX { Err(SlotError::Pieces) } else { Ok(Self(runs)) }
    }
}

/// `count` slots of `from` become those of `to`, the first ones in the order given.
fn hand_over(runs: impl Iterator<Item = Run>, from: &Share, to: &Share, count: u16) -> Result<Vec<Run>, SlotError> {
    let mut left = count;
    let mut after: Vec<Run> = Vec::new();
    let mut push = |share: Share, slots: u16| match after.last_mut() {
        _ if slots == 0 => {}
        Some(last) if last.share == share => last.slots += slots,
        _ => after.push(Run { share, slots }),
    };
    for Run { share, slots } in runs {
        let given = if share == *from { slots.min(left) } else { 0 };
        left -= given;
        push(to.clone(), given);
        push(share, slots - given);
    }
    if left > 0 { Err(SlotError::Above) } else { Ok(after) }
}

impl fmt::Display for SlotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Run { share, slots }) in self.0.iter().enumerate() {
            write!(f, "{}{share}*{slots}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl FromStr for SlotTable {
    type Err = SlotError;

    fn from_str(text: &str) -> Result<Self, SlotError> {
        let syntax = || SlotError::Syntax(text.chars().take(64).collect());
        let mut runs: Vec<Run> = Vec::new();
        let mut sum = 0_u32;
        for part in text.split(' ') {
            let (share, slots) = part.rsplit_once('*').ok_or_else(syntax)?;
            let slots: u16 = slots.parse().map_err(|_| syntax())?;
            let share = Share::from(share.to_owned());
            sum += u32::from(slots);
            let is_repeated = runs.last().is_some_and(|last| last.share == share);
            if slots == 0 || is_repeated || runs.len() == SLOT_RUNS_MAX {
                return Err(syntax());
            }
            runs.push(Run { share, slots });
        }
        if sum == u32::from(SLOTS) { Ok(Self(runs)) } else { Err(syntax()) }
    }
}

impl TryFrom<String> for SlotTable {
    type Error = SlotError;
    fn try_from(text: String) -> Result<Self, SlotError> {
        text.parse()
    }
}

impl From<SlotTable> for String {
    fn from(table: SlotTable) -> Self {
        table.to_string()
    }
}
