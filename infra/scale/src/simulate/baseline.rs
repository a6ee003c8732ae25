//! What others do, from their documents: to compare with.

use std::collections::VecDeque;

use super::BASELINE_TARGET;
use crate::controller::{Controller, whole};
use crate::decision::{Action, Decision};
use crate::observation::{DropletState, Observation};

const MINUTE_MS: u64 = 60_000;
/// The alert of the original system: CPU above 20 percent.
const ORIGINAL_ABOVE: f64 = 0.2;
/// Time between two changes of a DigitalOcean autoscale pool.
const COOLDOWN_MS: u64 = 10 * MINUTE_MS;
/// What the HPA calls the stabilisation window for scale-down.
const STABILISATION_MS: u64 = 15 * MINUTE_MS;
/// `--horizontal-pod-autoscaler-tolerance` of Kubernetes.
const TOLERANCE: f64 = 0.1;

/// Whoever decides how many droplets there are.
pub trait Scaler {
    /// Decides.
    fn step(&mut self, observation: &Observation) -> Decision;
}

impl Scaler for Controller {
    fn step(&mut self, observation: &Observation) -> Decision {
        Self::step(self, observation)
    }
}

/// The original system: every alert adds a droplet, none ever leaves. The alert comes once a minute while it is up.
#[derive(Debug, Default)]
pub struct Original {
    added_ms: Option<u64>,
}

/// A DigitalOcean autoscale pool: the mean by the target, in both directions, at most once per cooldown.
#[derive(Debug, Default)]
pub struct Pool {
    changed_ms: Option<u64>,
}

/// The HorizontalPodAutoscaler: the mean by the target with a tolerance; down to the highest wish of the window.
#[derive(Debug, Default)]
pub struct Hpa {
    wishes: VecDeque<(u64, u32)>,
}

impl Scaler for Original {
    fn step(&mut self, observation: &Observation) -> Decision {
        let view = View::of(observation);
        let rests = self.added_ms.is_some_and(|then_ms| then_ms + MINUTE_MS > observation.at_ms);
        let adds = !rests && view.utilisation.is_some_and(|utilisation| utilisation > ORIGINAL_ABOVE);
        if adds {
            self.added_ms = Some(observation.at_ms);
        }
        decide(observation, view.present + u32::from(adds))
    }
}

impl Scaler for Pool {
    fn step(&mut self, observation: &Observation) -> Decision {
        let view = View::of(observation);
        let rests = self.changed_ms.is_some_and(|then_ms| then_ms + COOLDOWN_MS > observation.at_ms);
        let wanted = match view.utilisation {
            Some(utilisation) if !rests => whole(f64::from(view.serving) * utilisation / BASELINE_TARGET).max(1),
            _ => view.present,
        };
        if wanted != view.present {
            self.changed_ms = Some(observation.at_ms);
        }
        decide(observation, wanted)
    }
}

impl Scaler for Hpa {
    fn step(&mut self, observation: &Observation) -> Decision {
        let view = View::of(observation);
        let ratio = view.utilisation.map_or(1.0, |utilisation| utilisation / BASELINE_TARGET);
        let wish =
            if (ratio - 1.0).abs() <= TOLERANCE { view.present } else { whole(f64::from(view.serving) * ratio).max(1) };
        self.wishes.push_back((observation.at_ms, wish));
        while self.wishes.front().is_some_and(|(then_ms, _)| then_ms + STABILISATION_MS <= observation.at_ms) {
            self.wishes.pop_front();
        }
        let highest = self.wishes.iter().map(|(_, wish)| *wish).max().unwrap_or(wish);
        decide(observation, if wish > view.present { wish } else { view.present.min(highest) })
    }
}

/// What a baseline looks at.
struct View {
    serving: u32,
    present: u32,
    utilisation: Option<f64>,
}

impl View {
    fn of(observation: &Observation) -> Self {
        let (mut serving, mut utilisation) = (0, None);
        for droplet in observation.droplets.iter().filter(|droplet| droplet.state == DropletState::Serving) {
            serving += 1;
            // The simulation shares load evenly, so any droplet's figure is the mean.
            utilisation = droplet.cpu.map(|cpu| cpu / 100.0);
        }
        Self { serving, present: u32::try_from(observation.droplets.len()).unwrap_or(u32::MAX), utilisation }
    }
}

/// More at once, or fewer at once, those that boot first: none of them drains.
fn decide(observation: &Observation, wanted: u32) -> Decision {
    let present = u32::try_from(observation.droplets.len()).unwrap_or(u32::MAX);
    let mut actions = Vec::new();
    if wanted > present {
        actions.push(Action::Create(wanted - present));
    } else if wanted < present {
        let count = usize::try_from(present - wanted).unwrap_or(usize::MAX);
        // The youngest stand last, and they are those that boot.
        actions.push(Action::Delete(observation.droplets.iter().rev().take(count).map(|one| one.id.clone()).collect()));
    }
    let reasons = vec![format!("{present} -> {wanted}")];
    Decision { at_ms: observation.at_ms, desired: wanted, present, wishes: Vec::new(), actions, reasons }
}
