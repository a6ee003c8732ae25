//! A rollout as it was written, perhaps by the version before: one canary without slots, steps or a release. Fields of a
//! later version are ignored.

use serde::Deserialize;

use super::{Rollout, RolloutState};
use crate::alert::AlertId;
use crate::plan::Position;
use crate::slots::SlotTable;
use crate::weight::BasisPoints;

#[derive(Deserialize)]
pub(super) struct RolloutDocument {
    state: RolloutState,
    weight_bps: BasisPoints,
    slots: Option<SlotTable>,
    position: Option<Position>,
    #[serde(default)]
    release: String,
    salt: String,
    epoch: u64,
    run: u64,
    reason: String,
    by: String,
    changed_ms: u64,
    seen_aborts: Vec<AlertId>,
}

impl From<RolloutDocument> for Rollout {
    fn from(document: RolloutDocument) -> Self {
        let RolloutDocument {
            state,
            weight_bps,
            slots,
            position,
            release,
            salt,
            epoch,
            run,
            reason,
            by,
            changed_ms,
            seen_aborts,
        } = document;
        let slots = SlotTable::agreeing(slots, weight_bps);
        Self { state, weight_bps, slots, position, release, salt, epoch, run, reason, by, changed_ms, seen_aborts }
    }
}
