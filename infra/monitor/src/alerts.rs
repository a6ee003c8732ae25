//! An alert of a rule and a droplet, as the store keeps it and people are told.

use std::collections::BTreeMap;

use sluice_alert::rules::fingerprint;
use sluice_infra_spec::NodeMetric;
use sluice_model::alert::{Alert, AlertId};

use crate::watch::Figure;

/// Who raises it, in the place of a router's name.
const RAISED_BY: &str = "sluice-infra";
/// The label that says whose alert it is.
pub const DROPLET: &str = "droplet";
/// The label that says of which pool.
pub const POOL: &str = "pool";

/// The alert of this figure. Its id is the same as long as it is up.
#[must_use]
pub fn alert(fleet: &str, figure: &Figure, now_ms: u64) -> Alert {
    let Figure { rule, droplet, pool, measured, since_ms } = figure;
    let fingerprint = fingerprint(&rule.name, droplet);
    let metric = NodeMetric::WORDS.iter().find(|(_, known)| *known == rule.metric).map_or("", |(word, _)| *word);
    let message = match rule.metric {
        NodeMetric::Absent => format!("no data from {droplet} for {measured:.0} s"),
        metric_of => format!("{metric} of {droplet} is {measured:.1} {}, above {}", metric_of.unit(), rule.above),
    };
    let labels = [(DROPLET, droplet.as_str()), (POOL, pool), ("metric", metric), ("fleet", fleet)];
    Alert {
        id: AlertId::derive(&[fleet, &rule.name, &fingerprint, &since_ms.to_string()]),
        rule: rule.name.clone(),
        fingerprint,
        message,
        observed: whole(*measured),
        limit: whole(rule.above),
        at_ms: now_ms,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect::<BTreeMap<_, _>>(),
        router: RAISED_BY.to_owned(),
        ..Alert::default()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what an alert shows")]
fn whole(number: f64) -> u64 {
    number.round().clamp(0.0, 1e15) as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sluice_infra_spec::MetricRule;

    use super::*;

    #[test]
    fn an_alert_says_what_where_and_how_much() {
        let rule = MetricRule {
            name: "cpu-high".into(),
            metric: NodeMetric::Cpu,
            above: 20.0,
            pools: Vec::new(),
            hold: Duration::ZERO,
            keep: Duration::ZERO,
        };
        let figure = Figure { rule, droplet: "f-app-1".into(), pool: "app".into(), measured: 93.26, since_ms: 7 };
        let first = alert("f", &figure, 10);
        assert_eq!(first.message, "cpu of f-app-1 is 93.3 %, above 20");
        assert_eq!((first.observed, first.limit, first.labels["pool"].as_str()), (93, 20, "app"));
        assert_eq!(alert("f", &figure, 99).id, first.id, "as long as it is up");
        assert_ne!(alert("f", &Figure { since_ms: 8, ..figure }, 99).id, first.id);
    }
}
