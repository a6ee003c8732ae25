//! Rules with a metric: each second every router measures itself and its routes over the last ten, and keeps up in the
//! store the alerts whose condition holds. The store makes one alert of those of many routers, and resolves it.
//!
//! Also says which rules name sinks that this router does not have. Nothing here is on the path of a request.

mod process;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_alert::rules::{Machine, Phase, Timing, fingerprint};
use sluice_model::alert::{Alert, AlertId};
use sluice_model::alert_rule::{AlertRule, Condition, Metric};
use sluice_policy::Policy;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::clock::now_ms;
use crate::fault::{Fault, FaultSource, chain};
use crate::shared::Shared;
use window::{Measured, Sample, Window};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two counts of what is up: as often as metrics are usually read.
const FIRING_EVERY_LOOKS: u64 = 10;
/// Routes that one rule is followed for: as many as people tell apart. Those above its bound first.
const SUBJECTS_MAX: usize = 256;

/// See the module.
pub(crate) struct AlertRules {
    shared: Arc<Shared>,
    alerts: mpsc::Sender<Alert>,
    window: Window,
    /// By rule and subject.
    machines: BTreeMap<(String, String), Machine>,
    /// The policy that the faults were shown for.
    checked: Option<Arc<Policy>>,
}

impl AlertRules {
    pub(crate) fn new(shared: Arc<Shared>, alerts: mpsc::Sender<Alert>) -> Self {
        Self { shared, alerts, window: Window::default(), machines: BTreeMap::new(), checked: None }
    }

    /// Runs until control stops.
    pub(crate) async fn run(mut self) {
        loop {
            self.look();
            sleep(LOOK_EVERY).await;
        }
    }

    fn look(&mut self) {
        let policy = Arc::clone(&self.shared.published.load().1.policy);
        if !self.checked.as_ref().is_some_and(|checked| Arc::ptr_eq(checked, &policy)) {
            let known: Vec<&str> = self.shared.alerting.sinks.iter().map(|sink| sink.name()).collect();
            self.shared.board.replace(&[FaultSource::Alert], unknown_sinks(&policy.alerts, &known));
            self.checked = Some(Arc::clone(&policy));
        }
        let rules: Vec<(&AlertRule, &Condition)> =
            policy.alerts.iter().filter_map(|rule| Some((rule, rule.condition.as_ref()?))).collect();
        if rules.is_empty() {
            self.window = Window::default();
            return self.machines.clear();
        }
        self.window.push(Sample::take(&self.shared.traffic, Instant::now()));
        let now_ms = now_ms();
        let mut followed = BTreeMap::new();
        for (rule, condition) in rules {
            for measured in most_over(self.window.measure(condition), condition) {
                let key = (rule.name.clone(), measured.subject.clone());
                let mut machine = self.machines.remove(&key).unwrap_or_default();
                self.step(rule, condition, &measured, &mut machine, now_ms);
                if machine.phase() != Phase::Inactive {
                    followed.insert(key, machine);
                }
            }
        }
        // What is left belongs to rules and routes that are gone; the store resolves their alerts.
        self.machines = followed;
    }

    fn step(&self, rule: &AlertRule, condition: &Condition, measured: &Measured, machine: &mut Machine, now_ms: u64) {
        let holds = holds(condition, measured);
        // The store keeps it up; here it is enough to know whether it still holds.
        machine.step(holds, now_ms, Timing { hold_ms: rule.for_ms, keep_ms: 0 });
        if let (true, Phase::Firing { since_ms, .. }) = (holds, machine.phase()) {
            let alert = alert(rule, condition, measured, &self.shared.alerting.router, since_ms, now_ms);
            // When the queue is full, the next second says it again.
            let _full = self.alerts.try_send(alert);
        }
    }
}

fn holds(condition: &Condition, measured: &Measured) -> bool {
    let is_share = matches!(condition.metric, Metric::ErrorRate | Metric::LatencyP50 | Metric::LatencyP99);
    (!is_share || measured.samples >= condition.min_samples) && measured.figure > condition.above
}

/// Those above the bound first, and no more than [`SUBJECTS_MAX`].
fn most_over(mut measured: Vec<Measured>, condition: &Condition) -> Vec<Measured> {
    if measured.len() > SUBJECTS_MAX {
        measured.sort_by(|a, b| {
            let rank = |one: &Measured| (!holds(condition, one), -one.figure);
            rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        measured.truncate(SUBJECTS_MAX);
    }
    measured
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded for people; `as` saturates")]
fn alert(
    rule: &AlertRule,
    condition: &Condition,
    measured: &Measured,
    router: &str,
    since_ms: u64,
    now_ms: u64,
) -> Alert {
    let Measured { subject, figure, samples } = measured;
    let is_of_router = condition.metric.is_of_router();
    // One alert for a route, whichever routers see it; one for each router of what is its own.
    let about = if is_of_router { router } else { subject };
    let fingerprint = fingerprint(&rule.name, about);
    let (metric, unit, above) = (condition.metric.as_str(), condition.metric.unit(), condition.above);
    let of = if is_of_router { format!("router {router}") } else { format!("route {subject}") };
    let counted = if is_of_router { String::new() } else { format!(", {samples} requests in 10 s") };
    Alert {
        id: AlertId::derive(&[&rule.name, &fingerprint, router, &since_ms.to_string()]),
        rule: rule.name.clone(),
        fingerprint,
        route: if is_of_router { String::new() } else { subject.clone() },
        message: format!("{metric} of {of} is {figure:.1} {unit}, above {above} {unit}{counted}"),
        observed: figure.round() as u64,
        limit: above.round() as u64,
        at_ms: now_ms,
        router: router.to_owned(),
        ..Alert::default()
    }
}

/// Rules whose alerts reach fewer people than they say.
fn unknown_sinks(rules: &[AlertRule], known: &[&str]) -> Vec<Fault> {
    let unknown = |rule: &AlertRule| -> Vec<String> {
        let named = rule.sinks.iter().flatten();
        named.filter(|name| !known.contains(&name.as_str())).map(|name| format!("`{name}`")).collect()
    };
    let fault = |rule: &AlertRule| {
        let names = unknown(rule);
        let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("names sinks that sluice.toml does not have: {}", names.join(", "));
        let hint = format!("add [alerts.sinks.NAME] to sluice.toml and start the router anew; it has: {has}");
        let fault = Fault { hint: Some(hint), ..Fault::new(FaultSource::Alert, rule.name.clone(), message) };
        (!names.is_empty()).then_some(fault)
    };
    rules.iter().filter_map(fault).collect()
}

/// Resolves what is over, each second, until control stops: one router of the fleet does. Counts what is up, now and then.
pub(crate) async fn resolve(shared: Arc<Shared>) {
    for look in 0_u64.. {
        sleep(LOOK_EVERY).await;
        if look % FIRING_EVERY_LOOKS == 0
            && let Ok(firing) = shared.store.firing().await
        {
            shared.alerting.firing.store(firing.len() as u64, Ordering::Relaxed);
        }
        match shared.store.resolve_alerts(now_ms()).await {
            Ok(resolved) => {
                for Alert { id, rule, route, .. } in resolved {
                    tracing::info!(%id, rule, route, "alert resolved");
                }
            }
            Err(error) => tracing::debug!(reason = chain(&error), "no alert resolved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(sinks: Option<&[&str]>) -> AlertRule {
        AlertRule {
            name: "errors".to_owned(),
            condition: None,
            for_ms: 0,
            keep_firing_ms: 0,
            cooldown_ms: 0,
            sinks: sinks.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            labels: BTreeMap::new(),
        }
    }

    fn condition(metric: Metric) -> Condition {
        Condition { metric, route: None, above: 5.0, min_samples: 20 }
    }

    #[test]
    fn a_condition_holds_above_its_bound_with_enough_requests() {
        let measured = |figure, samples| Measured { subject: "app".to_owned(), figure, samples };
        let errors = condition(Metric::ErrorRate);
        assert!(holds(&errors, &measured(5.1, 20)));
        assert!(!holds(&errors, &measured(5.0, 20)) && !holds(&errors, &measured(5.1, 19)));
        assert!(holds(&condition(Metric::Cpu), &measured(5.1, 0)));
        assert!(holds(&condition(Metric::RequestRate), &measured(5.1, 1)));
    }

    #[test]
    fn routers_speak_of_a_route_as_one_and_of_themselves_apart() {
        let measured = Measured { subject: "app".to_owned(), figure: 12.34, samples: 100 };
        let told = |metric, router| alert(&rule(None), &condition(metric), &measured, router, 1, 2);
        let (a, b) = (told(Metric::ErrorRate, "a"), told(Metric::ErrorRate, "b"));
        assert_eq!((&a.fingerprint, &*a.route), (&b.fingerprint, "app"));
        assert_eq!(a.message, "error_rate of route app is 12.3 %, above 5 %, 100 requests in 10 s");
        assert_ne!(told(Metric::Cpu, "a").fingerprint, told(Metric::Cpu, "b").fingerprint);
        assert_eq!(told(Metric::ErrorRate, "a").id, a.id);
    }

    #[test]
    fn a_rule_that_names_no_sink_of_ours_is_told() {
        let rules = [rule(Some(&["mail", "pager"])), rule(Some(&["mail"])), rule(None)];
        let faults = unknown_sinks(&rules, &["mail"]);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].message.ends_with("does not have: `pager`"), "{faults:?}");
    }

    #[test]
    fn as_many_subjects_are_followed_as_the_bound_says() {
        let all = (0..=SUBJECTS_MAX).map(|index| Measured { subject: index.to_string(), figure: 0.0, samples: 99 });
        let mut all: Vec<Measured> = all.collect();
        all[SUBJECTS_MAX].figure = 50.0;
        let kept = most_over(all, &condition(Metric::ErrorRate));
        assert_eq!((kept.len(), &*kept[0].subject), (SUBJECTS_MAX, SUBJECTS_MAX.to_string().as_str()));
    }
}
