//! The state document `rollout:NAME` of the plugin contract: who serves which slots now, by the names of the policy.

use serde::Serialize;
use sluice_model::rollout::{Rollout, RolloutState};
use sluice_model::slots::{Share, SlotTable};
use sluice_model::weight::BasisPoints;

/// Names of a rollout's variants, as its policy has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variants {
    /// Who takes what no other variant has.
    pub stable: String,
    /// Who steps, analysis and aborts are about.
    pub canary: String,
    /// All others.
    pub others: Vec<String>,
}

impl Variants {
    /// A rollout between two.
    #[must_use]
    pub fn two(stable: &str, canary: &str) -> Self {
        Self { stable: stable.to_owned(), canary: canary.to_owned(), others: Vec::new() }
    }

    /// Whose name a share has. A variant that the policy does not have any more, or not yet, is stable's.
    fn owner(&self, share: &Share) -> &str {
        match share {
            Share::Stable => &self.stable,
            Share::Canary => &self.canary,
            Share::Other(wanted) => self.others.iter().find(|name| *name == wanted).unwrap_or(&self.stable),
        }
    }
}

impl From<&sluice_policy::Rollout> for Variants {
    fn from(rollout: &sluice_policy::Rollout) -> Self {
        let (stable, canary) = (rollout.stable.clone(), rollout.canary.clone());
        let others = rollout.variants.iter().map(|(name, _)| name).filter(|name| **name != stable && **name != canary);
        Self { others: others.cloned().collect(), stable, canary }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    state: RolloutState,
    /// Of the canary.
    weight_bps: BasisPoints,
    salt: &'a str,
    epoch: u64,
    stable: &'a str,
    canary: &'a str,
    /// Runs of slots from 0 on: variant and count.
    slots: Vec<(&'a str, u16)>,
}

fn state(rollout: &Rollout, is_aborted: bool) -> RolloutState {
    if is_aborted { RolloutState::Aborted } else { rollout.state }
}

/// Who owns which slots now. Nothing but stable serves while the rollout is aborted, by the store or by a worker.
fn table(rollout: &Rollout, is_aborted: bool) -> SlotTable {
    match state(rollout, is_aborted) {
        RolloutState::Off | RolloutState::Aborted => SlotTable::stable(),
        RolloutState::Running | RolloutState::Paused => rollout.slots.clone(),
        RolloutState::Promoted => SlotTable::canary(BasisPoints::FULL),
    }
}

/// Who owns `slot` now.
pub(super) fn owner<'a>(variants: &'a Variants, rollout: &Rollout, is_aborted: bool, slot: u16) -> &'a str {
    variants.owner(table(rollout, is_aborted).owner(slot))
}

/// The document of `rollout`.
pub(super) fn write(variants: &Variants, rollout: &Rollout, is_aborted: bool) -> String {
    let table = table(rollout, is_aborted);
    let mut slots: Vec<(&str, u16)> = Vec::with_capacity(table.runs().len());
    for run in table.runs() {
        let owner = variants.owner(&run.share);
        match slots.last_mut() {
            Some((last, count)) if *last == owner => *count += run.slots,
            _ => slots.push((owner, run.slots)),
        }
    }
    let document = Document {
        state: state(rollout, is_aborted),
        weight_bps: table.weight(&Share::Canary),
        salt: &rollout.salt,
        epoch: rollout.epoch,
        stable: &variants.stable,
        canary: &variants.canary,
        slots,
    };
    serde_json::to_string(&document).expect("invariant: texts and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn basis_points(points: u16) -> BasisPoints {
        BasisPoints::new(points).unwrap()
    }

    fn rollout() -> Rollout {
        let mut rollout = Rollout::initial(basis_points(2_500), "salt".to_owned(), "test", 0);
        rollout.slots = rollout.slots.with(&Share::Other("beta".to_owned()), basis_points(1_000)).unwrap();
        rollout
    }

    fn variants() -> Variants {
        Variants { others: vec!["beta".to_owned()], ..Variants::two("blue", "green") }
    }

    fn document(variants: &Variants, rollout: &Rollout, is_aborted: bool) -> Value {
        serde_json::from_str(&write(variants, rollout, is_aborted)).unwrap()
    }

    #[test]
    fn slots_have_the_names_of_the_policy() {
        let owner = |slot| owner(&variants(), &rollout(), false, slot).to_owned();
        assert_eq!([owner(2_499), owner(2_500), owner(3_500)], ["green", "beta", "blue"]);
        let document = document(&variants(), &rollout(), false);
        assert_eq!(document["slots"], json!([["green", 2_500], ["beta", 1_000], ["blue", 6_500]]));
        assert_eq!((&document["state"], &document["weight_bps"]), (&json!("running"), &json!(2_500)));
        assert_eq!((&document["stable"], &document["canary"]), (&json!("blue"), &json!("green")));
    }

    #[test]
    fn slots_of_a_variant_without_a_name_are_stables() {
        let document = document(&Variants::two("blue", "green"), &rollout(), false);
        assert_eq!(document["slots"], json!([["green", 2_500], ["blue", 7_500]]));
    }

    #[test]
    fn what_is_off_or_aborted_is_all_stables_and_what_is_promoted_all_the_canarys() {
        let in_state = |state| Rollout { state, ..rollout() };
        let all = |name: &str| json!([[name, 10_000]]);
        for (rollout, is_aborted, owner, weight) in [
            (in_state(RolloutState::Off), false, "blue", 0),
            (in_state(RolloutState::Aborted), true, "blue", 0),
            (in_state(RolloutState::Running), true, "blue", 0),
            (in_state(RolloutState::Promoted), true, "blue", 0),
            (in_state(RolloutState::Promoted), false, "green", 10_000),
        ] {
            let document = document(&variants(), &rollout, is_aborted);
            assert_eq!((&document["slots"], &document["weight_bps"]), (&all(owner), &json!(weight)), "{rollout:?}");
        }
    }
}
