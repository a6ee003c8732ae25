//! Each alert adds droplets, once: the rule of the original system, with bounds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_infra_spec::OnAlert;

use super::span_ms;
use crate::observation::Observation;

/// Most alerts whose answer is remembered. Alerts that are up are never forgotten, unless there are more of them.
const ANSWERED_MAX: usize = 4_096;

/// What alerts asked for so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alerts {
    /// How many droplets there shall be because of alerts.
    pub(crate) wanted: u32,
    /// When an alert last added, ms since the Unix epoch.
    added_ms: Option<u64>,
    /// When one was last up, or the last droplet was let go.
    quiet_since_ms: Option<u64>,
    /// When each alert was answered last, and when it was last shown.
    answered: BTreeMap<String, (u64, u64)>,
}

/// How many more droplets there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// There are so many, or they are on their way.
    pub(crate) present: u32,
    /// There may be so many.
    pub(crate) possible: u32,
    /// What stops at it, for people.
    pub(crate) limit: &'static str,
}

impl Alerts {
    /// Answers what is new. Reasons are added to `reasons`.
    pub(crate) fn step(&mut self, rule: &OnAlert, room: Room, observation: &Observation, reasons: &mut Vec<String>) {
        let Some(alerts) = &observation.alerts else {
            reasons
                .push("the store does not say which alerts are up: none is answered, none is taken as over".to_owned());
            return;
        };
        let at_ms = observation.at_ms;
        let mut ours: Vec<_> = alerts.iter().filter(|alert| rule.rules.contains(&alert.rule)).collect();
        ours.sort_by(|one, other| (one.at_ms, &one.id).cmp(&(other.at_ms, &other.id)));
        for alert in &ours {
            let answered = self.answered.get(&alert.id).map(|(answered_ms, _)| *answered_ms);
            let due = match (answered, rule.repeat) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(answered_ms), Some(repeat)) => answered_ms.saturating_add(span_ms(repeat)) <= at_ms,
            };
            let cools = self.added_ms.is_some_and(|added_ms| added_ms.saturating_add(span_ms(rule.cooldown)) > at_ms);
            if due && cools {
                reasons.push(format!(
                    "alert {} of {} waits for the cooldown of {:?}",
                    alert.id, alert.rule, rule.cooldown
                ));
            } else if due {
                self.add(rule.add, room, at_ms, &format!("alert {} of {}", alert.id, alert.rule), reasons);
                self.answered.insert(alert.id.clone(), (at_ms, at_ms));
            }
            if let Some((_, shown_ms)) = self.answered.get_mut(&alert.id) {
                *shown_ms = at_ms;
            }
        }
        if ours.is_empty() {
            self.let_go(rule, at_ms, reasons);
        } else {
            self.quiet_since_ms = Some(at_ms);
        }
        self.forget();
    }

    fn add(&mut self, add: u32, room: Room, at_ms: u64, who: &str, reasons: &mut Vec<String>) {
        let before = self.wanted.max(room.present);
        let after = before.saturating_add(add).min(room.possible).max(before.min(room.possible));
        self.wanted = after;
        if after > before {
            self.added_ms = Some(at_ms);
            reasons.push(format!("{who}: {} more, {after} in all", after - before));
        } else {
            reasons.push(format!("{who} adds none: {}", room.limit));
        }
    }

    fn let_go(&mut self, rule: &OnAlert, at_ms: u64, reasons: &mut Vec<String>) {
        let quiet_since_ms = *self.quiet_since_ms.get_or_insert(at_ms);
        let Some(after) = rule.scale_in_after else { return };
        if self.wanted > 0 && quiet_since_ms.saturating_add(span_ms(after)) <= at_ms {
            self.wanted -= 1;
            self.quiet_since_ms = Some(at_ms);
            reasons.push(format!("no alert for {after:?}: alerts want one less, {} in all", self.wanted));
        }
    }

    /// Drops the answers of the alerts that were shown the longest ago.
    fn forget(&mut self) {
        if self.answered.len() <= ANSWERED_MAX {
            return;
        }
        let mut shown: Vec<_> = self.answered.iter().map(|(id, (_, shown_ms))| (*shown_ms, id.clone())).collect();
        shown.sort();
        for (_, id) in shown.iter().take(self.answered.len() - ANSWERED_MAX) {
            self.answered.remove(id);
        }
    }
}
