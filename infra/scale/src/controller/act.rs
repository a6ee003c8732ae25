//! From a number to deeds: who comes back, who is made, who leaves.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use sluice_infra_spec::ScaleSpec;

use super::span_ms;
use crate::decision::Action;
use crate::observation::{Droplet, DropletState, Observation};

/// Goes from what there is to what is desired.
pub(crate) fn actions(
    spec: &ScaleSpec,
    observation: &Observation,
    present: u32,
    wanted: u32,
    unfit: Vec<String>,
    reasons: &mut Vec<String>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut back = Vec::new();
    if wanted > present {
        let missing = wanted - present;
        back = come_back(observation, missing);
        let missing = missing - u32::try_from(back.len()).unwrap_or(missing);
        if !back.is_empty() {
            reasons.push(format!("{} leave no more: they were only draining", back.len()));
            actions.push(Action::CancelDrain(back.clone()));
        }
        let made = missing.min(observation.affordable.unwrap_or(u32::MAX));
        if made < missing {
            reasons.push(format!("the budget allows {made} of {missing} more droplets"));
        }
        if made > 0 {
            actions.push(Action::Create(made));
        }
    }
    let mut delete = ended(spec, observation, &back);
    let mut replace = unfit;
    if wanted < present {
        let (deleted, drained) = leave(observation, present - wanted);
        replace.retain(|id| !deleted.contains(id));
        delete.extend(deleted);
        if !drained.is_empty() {
            actions.push(Action::Drain(drained));
        }
    }
    if !replace.is_empty() {
        actions.push(Action::Replace(replace));
    }
    if !delete.is_empty() {
        reasons.push(format!("{} deleted: they hold no request, or their time to drain is over", delete.len()));
        actions.push(Action::Delete(delete));
    }
    actions
}

/// Those that are leaving and are taken back, the last to leave first.
fn come_back(observation: &Observation, count: u32) -> Vec<String> {
    let leaves = |state| matches!(state, DropletState::Draining | DropletState::Drained);
    let mut leaving: Vec<_> = observation.droplets.iter().filter(|droplet| leaves(droplet.state)).collect();
    leaving.sort_by_key(|droplet| (droplet.state == DropletState::Drained, Reverse(droplet.since_ms), &droplet.id));
    first(leaving, count)
}

/// Those that have left.
fn ended(spec: &ScaleSpec, observation: &Observation, back: &[String]) -> Vec<String> {
    let back: BTreeSet<_> = back.iter().collect();
    let over = |droplet: &&Droplet| match droplet.state {
        DropletState::Drained => true,
        DropletState::Draining => droplet.since_ms.saturating_add(span_ms(spec.drain)) <= observation.at_ms,
        DropletState::Booting | DropletState::Serving | DropletState::Unhealthy => false,
    };
    let over = observation.droplets.iter().filter(over).filter(|droplet| !back.contains(&droplet.id));
    over.map(|droplet| droplet.id.clone()).collect()
}

/// Who leaves: deleted, and drained. Those that carry nothing first, then the youngest: what serves longest is proven.
fn leave(observation: &Observation, count: u32) -> (Vec<String>, Vec<String>) {
    let order = |state| match state {
        DropletState::Unhealthy => Some(0_u8),
        DropletState::Booting => Some(1),
        DropletState::Serving => Some(2),
        DropletState::Draining | DropletState::Drained => None,
    };
    let mut stay: Vec<_> = observation.droplets.iter().filter(|droplet| order(droplet.state).is_some()).collect();
    stay.sort_by_key(|droplet| (order(droplet.state), Reverse(droplet.since_ms), Reverse(&droplet.id)));
    stay.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let (serving, idle): (Vec<_>, Vec<_>) =
        stay.into_iter().partition(|droplet| droplet.state == DropletState::Serving);
    (first(idle, count), first(serving, count))
}

fn first(droplets: Vec<&Droplet>, count: u32) -> Vec<String> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    droplets.into_iter().take(count).map(|droplet| droplet.id.clone()).collect()
}
