//! Droplets that exist only as numbers: they boot, share the load evenly, drain and go.

use std::collections::HashSet;

use super::Model;
use crate::controller::span_ms;
use crate::decision::Action;
use crate::observation::{Alert, Droplet, DropletState, Observation};

/// Mean CPU above which the alert is up: the rule of the original system.
const ALERT_ABOVE_PERCENT: f64 = 20.0;
/// Its rule, as a fleet has it by default.
const ALERT_RULE: &str = "cpu-high";

/// Droplets that exist only as numbers.
pub(super) struct World {
    pub(super) observation: Observation,
    /// Droplets started and stopped.
    pub(super) churn: u64,
    capacity_rps: f64,
    boot_ms: u64,
    made: u64,
}

impl World {
    pub(super) fn new(model: &Model) -> Self {
        let mut world = Self {
            observation: Observation { alerts: Some(Vec::new()), ..Observation::default() },
            churn: 0,
            capacity_rps: model.capacity_rps,
            boot_ms: span_ms(model.boot),
            made: 0,
        };
        world.add(model.start, DropletState::Serving);
        world
    }

    /// How many are paid for.
    pub(super) fn droplets(&self) -> u32 {
        u32::try_from(self.observation.droplets.len()).unwrap_or(u32::MAX)
    }

    /// Lets the time come, and the load; answers the capacity of those that serve. CPU is the load by the capacity, so it
    /// goes above 100 percent: what waits is visible, as in the figures of the baselines.
    pub(super) fn advance(&mut self, at_ms: u64, rps: f64, is_known: bool) -> f64 {
        self.observation.at_ms = at_ms;
        let mut serving = 0_u32;
        for droplet in &mut self.observation.droplets {
            match droplet.state {
                DropletState::Booting if droplet.since_ms + self.boot_ms <= at_ms => {
                    (droplet.state, droplet.since_ms) = (DropletState::Serving, at_ms);
                }
                DropletState::Draining => (droplet.state, droplet.since_ms) = (DropletState::Drained, at_ms),
                _ => {}
            }
            serving += u32::from(droplet.state == DropletState::Serving);
        }
        let capacity = f64::from(serving) * self.capacity_rps;
        let cpu = rps / capacity * 100.0;
        let shown = (is_known && serving > 0).then_some(cpu);
        for droplet in &mut self.observation.droplets {
            droplet.cpu = shown.filter(|_| droplet.state == DropletState::Serving);
        }
        self.observation.traffic.rps = is_known.then_some(rps);
        self.raise(at_ms, shown);
        capacity
    }

    /// One alert as long as the CPU is above the bound.
    fn raise(&mut self, at_ms: u64, cpu: Option<f64>) {
        let alerts = self.observation.alerts.get_or_insert_default();
        if cpu.is_none_or(|cpu| cpu <= ALERT_ABOVE_PERCENT) {
            alerts.clear();
        } else if alerts.is_empty() {
            alerts.push(Alert { id: format!("{ALERT_RULE}-{at_ms}"), rule: ALERT_RULE.to_owned(), at_ms });
        }
    }

    /// Does what was decided.
    pub(super) fn carry_out(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Create(count) => {
                    self.churn += u64::from(*count);
                    self.add(*count, DropletState::Booting);
                }
                Action::Drain(ids) => {
                    self.churn += ids.len() as u64;
                    self.turn(ids, DropletState::Draining);
                }
                Action::CancelDrain(ids) => {
                    self.churn -= ids.len() as u64;
                    self.turn(ids, DropletState::Serving);
                }
                Action::Delete(ids) => self.remove(ids),
                Action::Replace(ids) => {
                    self.remove(ids);
                    self.churn += ids.len() as u64;
                    self.add(u32::try_from(ids.len()).unwrap_or(u32::MAX), DropletState::Booting);
                }
            }
        }
    }

    fn add(&mut self, count: u32, state: DropletState) {
        for _ in 0..count {
            let id = format!("d{:08}", self.made);
            let since_ms = self.observation.at_ms;
            self.observation.droplets.push(Droplet { id, state, since_ms, cpu: None, memory: None });
            self.made += 1;
        }
    }

    fn turn(&mut self, ids: &[String], state: DropletState) {
        let ids: HashSet<_> = ids.iter().collect();
        let at_ms = self.observation.at_ms;
        for droplet in self.observation.droplets.iter_mut().filter(|droplet| ids.contains(&droplet.id)) {
            (droplet.state, droplet.since_ms) = (state, at_ms);
        }
    }

    /// Stops them. One that drained was counted when that began.
    fn remove(&mut self, ids: &[String]) {
        let ids: HashSet<_> = ids.iter().collect();
        let mut stopped = 0;
        self.observation.droplets.retain(|droplet| {
            let goes = ids.contains(&droplet.id);
            let counted = matches!(droplet.state, DropletState::Draining | DropletState::Drained);
            stopped += u64::from(goes && !counted);
            !goes
        });
        self.churn += stopped;
    }
}
