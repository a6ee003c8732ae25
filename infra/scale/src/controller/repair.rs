//! Droplets that do not come up or are not fit any more are replaced, with a back-off and a cap: a fault of the release
//! makes each new droplet unfit too, and is not healed by more of them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sluice_infra_spec::ScaleSpec;

use super::span_ms;
use crate::observation::{Droplet, DropletState, Observation};

/// What the cap counts in.
const HOUR_MS: u64 = 3_600_000;
/// Wait after the first replacements of an hour; each further batch doubles it.
const BACK_OFF_MS: u64 = 60_000;
/// Doublings of it: the longest wait is about half an hour.
const DOUBLINGS_MAX: u32 = 5;

/// What was replaced in the last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repair {
    /// When, ms since the Unix epoch, and how many.
    batches: VecDeque<(u64, u32)>,
}

impl Repair {
    /// Who is replaced now.
    pub(crate) fn step(
        &mut self,
        spec: &ScaleSpec,
        observation: &Observation,
        reasons: &mut Vec<String>,
    ) -> Vec<String> {
        let at_ms = observation.at_ms;
        while self.batches.front().is_some_and(|(then_ms, _)| then_ms.saturating_add(HOUR_MS) <= at_ms) {
            self.batches.pop_front();
        }
        let mut unfit: Vec<_> = observation.droplets.iter().filter(|droplet| is_unfit(spec, droplet, at_ms)).collect();
        if unfit.is_empty() {
            return Vec::new();
        }
        unfit.sort_by(|one, other| (one.since_ms, &one.id).cmp(&(other.since_ms, &other.id)));
        let recently: u32 = self.batches.iter().map(|(_, count)| count).sum();
        let left = spec.replacements_per_hour_max.saturating_sub(recently);
        if left == 0 {
            reasons.push(format!(
                "{} unfit droplets stay: {recently} were replaced within the hour, and that is the cap; look at the release",
                unfit.len()
            ));
            return Vec::new();
        }
        let doublings = u32::try_from(self.batches.len().saturating_sub(1)).unwrap_or(u32::MAX).min(DOUBLINGS_MAX);
        let wait_ms = BACK_OFF_MS << doublings;
        if self.batches.back().is_some_and(|(then_ms, _)| then_ms.saturating_add(wait_ms) > at_ms) {
            reasons.push(format!(
                "{} unfit droplets wait: {} s between replacements by now",
                unfit.len(),
                wait_ms / 1_000
            ));
            return Vec::new();
        }
        unfit.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.batches.push_back((at_ms, u32::try_from(unfit.len()).unwrap_or(left)));
        for droplet in &unfit {
            let what = match droplet.state {
                DropletState::Booting => format!("does not serve after {:?}", spec.boot_deadline),
                _ => format!("is unhealthy for {:?}", spec.unhealthy_after),
            };
            reasons.push(format!("{} {what}: replaced", droplet.id));
        }
        unfit.into_iter().map(|droplet| droplet.id.clone()).collect()
    }
}

fn is_unfit(spec: &ScaleSpec, droplet: &Droplet, at_ms: u64) -> bool {
    let limit = match droplet.state {
        DropletState::Booting => spec.boot_deadline,
        DropletState::Unhealthy => spec.unhealthy_after,
        DropletState::Serving | DropletState::Draining | DropletState::Drained => return false,
    };
    droplet.since_ms.saturating_add(span_ms(limit)) <= at_ms
}
