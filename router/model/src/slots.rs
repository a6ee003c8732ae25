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

impl Share {
    /// True for what can have a weight of its own. Names of variants have no white space, as the text of a table must.
    fn is_weighable(&self) -> bool {
        match self {
            Self::Stable => false,
            Self::Canary => true,
            Self::Other(name) => !name.is_empty() && !name.starts_with('@') && !name.contains(char::is_whitespace),
        }
    }
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
    /// Stable, which has what the others leave, or a name that no variant can have.
    #[error("`{0}` cannot be given a weight")]
    Unweighable(Share),
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

    /// `slots`, if the canary has `weight` of them; else a table of one canary with that weight. So whoever sets a weight
    /// need not know of slots: a router of the version before, or an operator by hand.
    #[must_use]
    pub fn agreeing(slots: Option<Self>, weight: BasisPoints) -> Self {
        slots.filter(|slots| slots.weight(&Share::Canary) == weight).unwrap_or_else(|| Self::canary(weight))
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
    /// [`SlotError::Above`] if stable has not enough left, [`SlotError::Pieces`] past [`SLOT_RUNS_MAX`],
    /// [`SlotError::Unweighable`] for stable itself.
    pub fn with(&self, share: &Share, weight: BasisPoints) -> Result<Self, SlotError> {
        if !share.is_weighable() {
            return Err(SlotError::Unweighable(share.clone()));
        }
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
            let is_owner = share == Share::Stable || share.is_weighable();
            if slots == 0 || !is_owner || is_repeated || runs.len() == SLOT_RUNS_MAX {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn points(weight: u16) -> BasisPoints {
        BasisPoints::new(weight).unwrap()
    }

    fn beta() -> Share {
        Share::Other("beta".into())
    }

    #[test]
    fn a_variant_grows_into_stable_and_gives_its_newest_slots_back() {
        let table = SlotTable::canary(points(100)).with(&beta(), points(50)).unwrap();
        assert_eq!(table.to_string(), "@canary*100 beta*50 @stable*9850");
        let grown = table.with(&Share::Canary, points(200)).unwrap();
        assert_eq!(grown.to_string(), "@canary*100 beta*50 @canary*100 @stable*9750");
        assert_eq!(grown.with(&Share::Canary, points(100)).unwrap(), table);
        assert_eq!(
            grown.with(&Share::Canary, points(50)).unwrap().to_string(),
            "@canary*50 @stable*50 beta*50 @stable*9850"
        );
        let owners = [0, 99, 100, 149, 150, 249, 250, 9_999, 10_000].map(|slot| grown.owner(slot).to_string());
        let expected = ["@canary", "@canary", "beta", "beta", "@canary", "@canary", "@stable", "@stable", "@stable"];
        assert_eq!(owners, expected);
    }

    #[test]
    fn all_the_variants_have_100_percent_and_no_more() {
        let table = SlotTable::canary(points(4_000));
        assert_eq!(table.with(&beta(), points(6_000)).unwrap().weight(&Share::Stable), BasisPoints::ZERO);
        assert_eq!(table.with(&beta(), points(6_001)), Err(SlotError::Above));
        assert_eq!(SlotTable::stable().with(&Share::Canary, BasisPoints::FULL).unwrap().to_string(), "@canary*10000");
        assert_eq!(SlotTable::canary(BasisPoints::ZERO), SlotTable::stable());
    }

    #[test]
    fn stable_and_what_is_no_name_have_no_weight() {
        let shares =
            [Share::Stable, Share::Other(String::new()), Share::Other("a b".into()), Share::Other("@x".into())];
        for share in shares {
            let refused = SlotTable::stable().with(&share, points(1));
            assert_eq!(refused, Err(SlotError::Unweighable(share)));
        }
    }

    #[test]
    fn a_text_that_is_no_table_is_refused() {
        for text in [
            "",
            "@stable*9999",
            "@stable*10001",
            "@stable*5000 @stable*5000",
            "@stable*10000 @canary*0",
            "@stable*-1",
            "@stable",
            "*10000",
            "@other*10000",
            "@canary*1  @stable*9999",
            "@canary*65535 @stable*65535",
        ] {
            assert!(text.parse::<SlotTable>().is_err(), "{text:?}");
        }
        let odd = "a*b*10000";
        assert_eq!(odd.parse::<SlotTable>().unwrap().to_string(), odd, "an asterisk may stand in a name");
    }

    #[test]
    fn pieces_are_bounded() {
        let pieces = |count: u16| {
            let parts = (0..count).map(|at| if at % 2 == 0 { "a*1" } else { "b*1" });
            parts.chain([format!("@stable*{}", SLOTS - count).as_str()]).collect::<Vec<_>>().join(" ")
        };
        let most = u16::try_from(SLOT_RUNS_MAX).unwrap() - 1;
        let table: SlotTable = pieces(most).parse().unwrap();
        assert_eq!(table.runs().len(), SLOT_RUNS_MAX);
        assert!(pieces(most + 1).parse::<SlotTable>().is_err());
        assert_eq!(table.with(&Share::Canary, points(1)), Err(SlotError::Pieces));
    }

    #[test]
    fn the_weight_counts_where_slots_say_otherwise() {
        let table = SlotTable::canary(points(100)).with(&beta(), points(50)).unwrap();
        assert_eq!(SlotTable::agreeing(Some(table.clone()), points(100)), table);
        assert_eq!(SlotTable::agreeing(Some(table), points(101)), SlotTable::canary(points(101)));
        assert_eq!(SlotTable::agreeing(None, points(7)), SlotTable::canary(points(7)));
    }
}
