//! The figures of each droplet against the rules: which alerts are up, which begin.
//!
//! Pure: figures and time are arguments. An alert that is up stays in what a step returns until its rule lets go of it.

use std::collections::HashMap;

use sluice_alert::rules::{Machine, Phase, Timing};
use sluice_infra_spec::{MetricRule, NodeMetric};

use crate::measures::Measures;

/// Figures that are older than this are none, ms: three rounds of five seconds.
const FRESH_MS: u64 = 15_000;

/// A droplet, as it was seen in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its name.
    pub droplet: String,
    /// Its pool.
    pub pool: String,
    /// Its last figures; `None` = none came yet.
    pub measures: Option<Measures>,
    /// When it was first seen, or its last figures came, ms since the Unix epoch.
    pub since_ms: u64,
}

/// A rule that holds of a droplet.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The rule.
    pub rule: MetricRule,
    /// The droplet.
    pub droplet: String,
    /// Its pool.
    pub pool: String,
    /// What was measured; for [`NodeMetric::Absent`], seconds without data.
    pub measured: f64,
    /// When the alert was raised, ms since the Unix epoch.
    pub since_ms: u64,
}

/// Every rule with every droplet.
#[derive(Debug)]
pub struct Watch {
    rules: Vec<MetricRule>,
    machines: HashMap<(usize, String), Machine>,
}

impl Watch {
    /// With these rules.
    #[must_use]
    pub fn new(rules: &[MetricRule]) -> Self {
        Self { rules: rules.to_vec(), machines: HashMap::new() }
    }

    /// Takes in a round and returns the alerts that are up after it. What is said of a droplet that is not among them any more
    /// is forgotten: it left.
    pub fn step(&mut self, droplets: &[Seen], now_ms: u64) -> Vec<Figure> {
        self.machines.retain(|(_, name), _| droplets.iter().any(|droplet| droplet.droplet == *name));
        let mut up = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            for droplet in droplets.iter().filter(|droplet| concerns(rule, droplet)) {
                let measured = measured(rule.metric, droplet, now_ms);
                let holds = measured.is_some_and(|measured| measured > bound(rule));
                let machine = self.machines.entry((index, droplet.droplet.clone())).or_default();
                // Without figures nothing is said of them: neither that it holds nor that it is over.
                if measured.is_none() && matches!(machine.phase(), Phase::Firing { .. }) {
                    continue;
                }
                machine.step(holds, now_ms, timing(rule));
                if let (Phase::Firing { since_ms, .. }, true) = (machine.phase(), holds) {
                    let (droplet, pool) = (droplet.droplet.clone(), droplet.pool.clone());
                    let measured = measured.unwrap_or_default();
                    up.push(Figure { rule: rule.clone(), droplet, pool, measured, since_ms });
                }
            }
        }
        up
    }
}

fn concerns(rule: &MetricRule, droplet: &Seen) -> bool {
    rule.pools.is_empty() || rule.pools.contains(&droplet.pool)
}

/// An absent one counts seconds itself: it is up once they are more than `for`.
fn timing(rule: &MetricRule) -> Timing {
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let hold_ms = if rule.metric == NodeMetric::Absent { 0 } else { ms(rule.hold) };
    Timing { hold_ms, keep_ms: ms(rule.keep) }
}

fn bound(rule: &MetricRule) -> f64 {
    if rule.metric == NodeMetric::Absent { rule.hold.as_secs_f64() } else { rule.above }
}

#[expect(clippy::cast_precision_loss, reason = "a time without data is far below 2^53 ms")]
fn measured(metric: NodeMetric, droplet: &Seen, now_ms: u64) -> Option<f64> {
    let age_ms = now_ms.saturating_sub(droplet.since_ms);
    if metric == NodeMetric::Absent {
        return Some(age_ms as f64 / 1_000.0);
    }
    let measures = droplet.measures.as_ref().filter(|_| age_ms <= FRESH_MS)?;
    match metric {
        NodeMetric::Cpu => measures.cpu,
        NodeMetric::Memory => Some(measures.memory),
        NodeMetric::Load => Some(measures.load),
        NodeMetric::Disk => Some(measures.disk),
        NodeMetric::CpuPressure => measures.cpu_pressure,
        NodeMetric::MemoryPressure => measures.memory_pressure,
        NodeMetric::Absent => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rule(name: &str, metric: NodeMetric, above: f64) -> MetricRule {
        let hold = Duration::from_secs(10);
        MetricRule { name: name.into(), metric, above, pools: vec!["app".into()], hold, keep: Duration::from_secs(30) }
    }

    fn seen(cpu: Option<f64>, since_ms: u64) -> Seen {
        let measures = cpu.map(|cpu| Measures { cpu: Some(cpu), ..Measures::default() });
        Seen { droplet: "a".into(), pool: "app".into(), measures, since_ms }
    }

    #[test]
    fn above_the_bound_for_long_enough_is_an_alert_and_at_it_is_none() {
        let mut watch = Watch::new(&[rule("cpu-high", NodeMetric::Cpu, 20.0)]);
        assert!(watch.step(&[seen(Some(20.1), 0)], 0).is_empty());
        assert!(watch.step(&[seen(Some(20.1), 9_999)], 9_999).is_empty());
        let up = watch.step(&[seen(Some(21.0), 10_000)], 10_000);
        assert_eq!((up.len(), up[0].measured, up[0].since_ms), (1, 21.0, 10_000));
        assert!(watch.step(&[seen(Some(20.0), 11_000)], 11_000).is_empty(), "not seen, and not over yet");
        assert_eq!(watch.step(&[seen(Some(50.0), 12_000)], 12_000)[0].since_ms, 10_000);
    }

    #[test]
    fn other_pools_and_those_that_left_do_not_count() {
        let mut watch = Watch::new(&[rule("cpu-high", NodeMetric::Cpu, 20.0)]);
        let other = Seen { pool: "edge".into(), ..seen(Some(99.0), 0) };
        assert!(watch.step(std::slice::from_ref(&other), 0).is_empty() && watch.step(&[other], 60_000).is_empty());
        watch.step(&[seen(Some(99.0), 60_000)], 60_000);
        watch.step(&[], 65_000);
        assert!(watch.step(&[seen(Some(99.0), 70_000)], 70_000).is_empty(), "its wait begins anew");
    }

    #[test]
    fn no_data_is_no_zero_and_an_alert_of_its_own() {
        let rules = [rule("cpu-high", NodeMetric::Cpu, 20.0), rule("absent", NodeMetric::Absent, 0.0)];
        let mut watch = Watch::new(&rules);
        watch.step(&[seen(Some(99.0), 0)], 0);
        assert_eq!(watch.step(&[seen(Some(99.0), 10_000)], 10_000).len(), 1);
        let up = watch.step(&[seen(None, 10_000)], 15_000);
        assert!(up.is_empty(), "neither is said to hold: {up:?}");
        assert!(watch.step(&[seen(None, 10_000)], 20_000).is_empty(), "ten seconds are not more than ten");
        let up = watch.step(&[seen(None, 10_000)], 20_001);
        assert_eq!(up.iter().map(|figure| figure.rule.name.as_str()).collect::<Vec<_>>(), ["absent"]);
        let stale = watch.step(&[seen(Some(99.0), 10_000)], 10_000 + FRESH_MS + 1);
        assert!(stale.iter().all(|figure| figure.rule.name == "absent"), "{stale:?}");
    }
}
