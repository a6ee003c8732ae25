//! One pool's controller: an observation in, a decision out. Nothing here knows a clock, a cloud or a store.
//!
//! A step: `need` says what the load needs, `trend` what it will need, `alerts` what alerts ask for; the largest counts. Out
//! at once; in only by the largest need of the last `window`, and never without data. `repair` replaces what is unfit, and
//! `act` turns the number into deeds.

mod act;
mod alerts;
mod need;
mod repair;
#[cfg(test)]
mod tests;
mod trend;
mod window;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_infra_spec::{ScaleSpec, TargetSpec};

use self::alerts::{Alerts, Room};
pub(crate) use self::need::whole;
use self::repair::Repair;
use self::trend::Trend;
use self::window::Window;
use crate::decision::{Decision, Wish};
use crate::observation::{DropletState, Observation};

/// Least time between two steps in, however often [`Controller::step`] is called.
const PACE_IN_MS: u64 = 60_000;

/// Decides how many droplets a pool has.
#[derive(Clone, Debug)]
pub struct Controller {
    spec: ScaleSpec,
    state: State,
}

/// What a controller remembers from step to step. A new leader goes on from it; without it, it takes in nothing before it
/// has watched for a whole window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// False before the first step.
    begun: bool,
    window: Window,
    trend: Trend,
    alerts: Alerts,
    repair: Repair,
    /// When droplets were last sent away, ms since the Unix epoch.
    went_in_ms: Option<u64>,
}

impl Controller {
    /// Starts without a past.
    #[must_use]
    pub fn new(spec: &ScaleSpec) -> Self {
        Self::restore(spec, State::default())
    }

    /// Goes on where another one stopped, perhaps under a changed spec.
    #[must_use]
    pub fn restore(spec: &ScaleSpec, state: State) -> Self {
        Self { spec: spec.clone(), state }
    }

    /// What [`Controller::restore`] needs. Bounded; to be kept after each step that acted, and now and then.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Decides. To be called with growing times, every few seconds.
    pub fn step(&mut self, observation: &Observation) -> Decision {
        let present = count(observation, |state| !leaves(state));
        let (min, max) = (self.spec.min.min(self.spec.max), self.spec.max);
        let mut reasons = Vec::new();
        let mut wishes = Vec::new();
        if !std::mem::replace(&mut self.state.begun, true) && self.spec.target.is_none() {
            // What alerts made before this controller began is not sent away because it does not remember them.
            self.state.alerts.wanted = present.min(max);
        }
        if let Some(rule) = &self.spec.on_alert {
            let room = room(observation, present, max);
            self.state.alerts.step(rule, room, observation, &mut reasons);
            self.state.alerts.wanted = self.state.alerts.wanted.clamp(min, max);
        }
        let by_target = match self.spec.target.clone() {
            Some(target) => self.by_target(&target, observation, present, &mut wishes, &mut reasons),
            None => min,
        };
        let by_alerts = if self.spec.on_alert.is_some() { self.state.alerts.wanted } else { 0 };
        let mut wanted = by_target.max(by_alerts).max(min);
        if let Some(fixed) = observation.fixed {
            wanted = fixed.clamp(min, max);
            reasons.push(format!("an operator set {fixed}: {wanted} within {min} to {max}"));
        } else if wanted > max && wanted > present {
            reasons.push(format!("{wanted} would be needed, and {max} is the most"));
            wanted = max.max(present);
        }
        let unfit = self.state.repair.step(&self.spec, observation, &mut reasons);
        if wanted < present {
            self.state.went_in_ms = Some(observation.at_ms);
        }
        let actions = act::actions(&self.spec, observation, present, wanted, unfit, &mut reasons);
        let desired = wanted.clamp(min, max);
        reasons.push(match present {
            _ if wanted > present => format!("out: {present} -> {wanted}"),
            _ if wanted < present => format!("in: {present} -> {wanted}"),
            _ => format!("stays at {present}"),
        });
        Decision { at_ms: observation.at_ms, desired, present, wishes, actions, reasons }
    }

    /// How many the targets want: never fewer than `present` unless all of the window says so. May be above `max`.
    fn by_target(
        &mut self,
        target: &TargetSpec,
        observation: &Observation,
        present: u32,
        wishes: &mut Vec<Wish>,
        reasons: &mut Vec<String>,
    ) -> u32 {
        let at_ms = observation.at_ms;
        let (window_ms, ahead_ms) = (span_ms(target.scale_in_window), span_ms(target.forecast));
        let need = need::of(&self.spec, target, observation);
        // Without data the need of this moment is what there is: it takes a whole window with data to go in.
        let inward = need.inward.unwrap_or_else(|| f64::from(present));
        self.state.window.note(at_ms, inward, window_ms);
        for metric in &need.unknown {
            reasons.push(format!("{} is not known: nothing leaves", metric.as_str()));
        }
        reasons.extend(need.wishes.iter().map(said));
        wishes.extend(need.wishes);
        let Some(now) = need.out else { return present };
        let mut out = now;
        if let Some(load) = need.load {
            self.state.trend.note(at_ms, load, ahead_ms);
            let growth = self.state.trend.growth(at_ms, ahead_ms);
            if growth > 0.0 && whole(load + growth) > whole(now) {
                out = now.max(load + growth);
                reasons.push(format!("load grows: {} droplets in {:?}", whole(out), target.forecast));
            }
        }
        let here = f64::from(present);
        if out > here * (1.0 + target.tolerance) {
            return whole(out);
        }
        if need.inward.is_none() {
            return present;
        }
        let Some(largest) = self.state.window.largest(at_ms, window_ms) else {
            reasons.push(format!("watched for less than {:?}: nothing leaves yet", target.scale_in_window));
            return present;
        };
        let largest = largest.max(out);
        if largest >= here * (1.0 - target.tolerance) {
            return present.min(self.spec.max);
        }
        self.inward(target, largest, observation, present, reasons)
    }

    /// One step in, with room for the tolerance, so that it is not taken back by the next noise.
    fn inward(
        &self,
        target: &TargetSpec,
        largest: f64,
        observation: &Observation,
        present: u32,
        reasons: &mut Vec<String>,
    ) -> u32 {
        let wanted = whole(largest * (1.0 + target.tolerance))
            .clamp(self.spec.min.min(self.spec.max), self.spec.max)
            .min(present);
        if wanted == present {
            return present;
        }
        if self.state.went_in_ms.is_some_and(|then_ms| then_ms.saturating_add(PACE_IN_MS) > observation.at_ms) {
            reasons.push("the last step in is less than a minute ago".to_owned());
            return present;
        }
        let serving = count(observation, |state| state == DropletState::Serving);
        let step = whole((f64::from(serving) * target.scale_in_step_max).floor()).max(1);
        reasons.push(format!(
            "no more than {largest:.1} droplets were needed in the last {:?}; {step} may leave at once",
            target.scale_in_window
        ));
        wanted.max(present.saturating_sub(step))
    }
}

/// How many droplets alerts may ask for.
fn room(observation: &Observation, present: u32, max: u32) -> Room {
    let back = count(observation, leaves);
    let payable = observation.affordable.map_or(u32::MAX, |more| present.saturating_add(back).saturating_add(more));
    let limit = if payable < max { "the budget allows no more" } else { "`max` is reached" };
    Room { present, possible: payable.min(max), limit }
}

const fn leaves(state: DropletState) -> bool {
    matches!(state, DropletState::Draining | DropletState::Drained)
}

fn count(observation: &Observation, of: impl Fn(DropletState) -> bool) -> u32 {
    let count = observation.droplets.iter().filter(|droplet| of(droplet.state)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn said(wish: &Wish) -> String {
    let Wish { by, measured, target, droplets } = wish;
    format!("{} {measured:.1}, target {target:.1}: {droplets} droplets", by.as_str())
}

/// A span in ms; what is longer than all time is all time.
pub(crate) fn span_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
