//! What must hold of every step, whatever is observed.

use std::time::Duration;

use proptest::prelude::*;
use sluice_infra_spec::{OnAlert, ScaleSpec, TargetSpec};

use super::Controller;
use crate::decision::Action;
use crate::observation::{Alert, Droplet, DropletState, Observation, Traffic};

const MINUTE_MS: u64 = 60_000;

fn spec(min: u32, max: u32) -> ScaleSpec {
    ScaleSpec {
        min,
        max,
        on_alert: None,
        target: Some(TargetSpec {
            rps_per_droplet: Some(50.0),
            cpu: None,
            memory: None,
            p95: None,
            scale_in_window: Duration::from_secs(900),
            forecast: Duration::from_secs(240),
            tolerance: 0.1,
            scale_in_step_max: 0.25,
        }),
        boot_deadline: Duration::from_secs(600),
        warm_up: Duration::from_secs(60),
        drain: Duration::from_secs(30),
        unhealthy_after: Duration::from_secs(60),
        replacements_per_hour_max: 4,
    }
}

fn on_alert() -> OnAlert {
    let rules = vec!["cpu-high".to_owned()];
    OnAlert {
        rules,
        add: 1,
        repeat: None,
        cooldown: Duration::from_secs(120),
        scale_in_after: Some(Duration::from_secs(600)),
    }
}

fn droplet(id: usize, state: DropletState) -> Droplet {
    Droplet { id: format!("d{id:03}"), state, since_ms: 0, cpu: None, memory: None }
}

fn seen(minute: u64, serving: usize, rps: Option<f64>) -> Observation {
    Observation {
        at_ms: minute * MINUTE_MS,
        droplets: (0..serving).map(|id| droplet(id, DropletState::Serving)).collect(),
        traffic: Traffic { rps, p95_ms: None },
        alerts: Some(Vec::new()),
        affordable: None,
        fixed: None,
    }
}

fn alert(id: &str) -> Alert {
    Alert { id: id.to_owned(), rule: "cpu-high".to_owned(), at_ms: 0 }
}

/// How many are made, and how many leave.
fn moved(actions: &[Action]) -> (usize, usize) {
    actions.iter().fold((0, 0), |(out, inward), action| match action {
        Action::Create(count) => (out + *count as usize, inward),
        Action::Drain(ids) => (out, inward + ids.len()),
        Action::CancelDrain(_) | Action::Replace(_) | Action::Delete(_) => (out, inward),
    })
}

#[test]
fn out_at_once_and_in_after_a_whole_window() {
    let mut controller = Controller::new(&spec(2, 20));
    assert_eq!(controller.step(&seen(0, 4, Some(490.0))).actions, [Action::Create(6)]);
    for minute in 1..=14 {
        assert!(controller.step(&seen(minute, 10, Some(100.0))).actions.is_empty(), "minute {minute}");
    }
    let gone = controller.step(&seen(15, 10, Some(100.0)));
    assert_eq!(gone.actions, [Action::Drain(vec!["d009".to_owned(), "d008".to_owned()])], "a quarter, the last ones");
}

#[test]
fn metrics_that_are_lost_hold_everything_for_a_window_more() {
    let mut controller = Controller::new(&spec(2, 20));
    for minute in 0..60 {
        let rps = if minute < 20 { Some(500.0) } else { None };
        assert!(controller.step(&seen(minute, 10, rps)).actions.is_empty());
    }
    for minute in 60..74 {
        assert!(controller.step(&seen(minute, 10, Some(50.0))).actions.is_empty());
    }
    assert_eq!(moved(&controller.step(&seen(75, 10, Some(50.0))).actions).1, 2);
}

#[test]
fn an_alert_adds_once_whoever_leads_and_even_without_metrics() {
    let mut spec = spec(1, 10);
    spec.on_alert = Some(on_alert());
    let mut controller = Controller::new(&spec);
    let with = |minute, serving, ids: &[&str]| Observation {
        alerts: Some(ids.iter().map(|id| alert(id)).collect()),
        ..seen(minute, serving, None)
    };
    assert_eq!(controller.step(&with(0, 3, &["a"])).actions, [Action::Create(1)]);
    let kept = serde_json::to_string(controller.state()).unwrap();
    let mut next = Controller::restore(&spec, serde_json::from_str(&kept).unwrap());
    assert!(next.step(&with(1, 4, &["a", "b"])).actions.is_empty(), "a is answered, b waits for the cooldown");
    assert_eq!(next.step(&with(2, 4, &["a", "b"])).actions, [Action::Create(1)]);
    assert!(next.step(&with(60, 5, &["a", "b"])).actions.is_empty());
}

#[test]
fn what_alerts_added_leaves_one_by_one_once_they_are_over() {
    let mut spec = spec(1, 10);
    spec.on_alert = Some(on_alert());
    spec.target = None;
    let mut controller = Controller::new(&spec);
    let up = Observation { alerts: Some(vec![alert("a")]), ..seen(0, 3, None) };
    assert_eq!(controller.step(&up).actions, [Action::Create(1)]);
    let unsure = Observation { alerts: None, ..seen(500, 4, None) };
    assert!(controller.step(&unsure).actions.is_empty(), "a store that is away does not end an alert");
    assert!(controller.step(&seen(9, 4, None)).actions.is_empty());
    assert_eq!(moved(&controller.step(&seen(10, 4, None)).actions), (0, 1));
    assert!(controller.step(&seen(11, 3, None)).actions.is_empty());
    assert_eq!(moved(&controller.step(&seen(20, 3, None)).actions), (0, 1));
}

#[test]
fn the_budget_stops_what_would_be_made_but_not_what_comes_back() {
    let mut controller = Controller::new(&spec(1, 20));
    let mut poor = Observation { affordable: Some(2), ..seen(0, 4, Some(490.0)) };
    poor.droplets.push(Droplet { since_ms: 0, ..droplet(9, DropletState::Draining) });
    let decision = controller.step(&poor);
    assert_eq!(decision.actions, [Action::CancelDrain(vec!["d009".to_owned()]), Action::Create(2)]);
    assert_eq!(decision.desired, 10);
}

#[test]
fn unfit_droplets_are_replaced_up_to_the_cap_of_the_hour() {
    let mut controller = Controller::new(&spec(1, 20));
    let broken = |minute| {
        let mut observation = seen(minute, 10, Some(500.0));
        for droplet in observation.droplets.iter_mut().take(6) {
            droplet.state = DropletState::Unhealthy;
        }
        observation
    };
    let replaced = |decision: &crate::Decision| {
        decision
            .actions
            .iter()
            .map(|action| if let Action::Replace(ids) = action { ids.len() } else { 0 })
            .sum::<usize>()
    };
    assert_eq!(replaced(&controller.step(&broken(1))), 4);
    assert_eq!(replaced(&controller.step(&broken(60))), 0, "the cap, and it says so");
    assert_eq!(replaced(&controller.step(&broken(61))), 4);
}

#[test]
fn drained_droplets_are_deleted_and_a_slow_one_at_its_deadline() {
    let mut controller = Controller::new(&spec(1, 20));
    let mut observation = seen(1, 4, Some(200.0));
    observation.droplets.push(droplet(7, DropletState::Drained));
    observation.droplets.push(Droplet { since_ms: MINUTE_MS - 29_999, ..droplet(8, DropletState::Draining) });
    observation.droplets.push(Droplet { since_ms: MINUTE_MS - 30_000, ..droplet(9, DropletState::Draining) });
    let decision = controller.step(&observation);
    assert_eq!(decision.actions, [Action::Delete(vec!["d007".to_owned(), "d009".to_owned()])]);
}

#[test]
fn an_operator_who_fixes_the_number_is_obeyed_within_the_bounds() {
    let mut controller = Controller::new(&spec(2, 6));
    let fixed = Observation { fixed: Some(1), ..seen(0, 4, None) };
    assert_eq!(moved(&controller.step(&fixed).actions), (0, 2));
    let fixed = Observation { fixed: Some(99), ..seen(1, 4, None) };
    assert_eq!(moved(&controller.step(&fixed).actions), (2, 0));
}

fn states() -> impl Strategy<Value = Vec<DropletState>> {
    use DropletState::{Booting, Drained, Draining, Serving, Unhealthy};
    proptest::collection::vec(
        proptest::sample::select(vec![Serving, Serving, Booting, Draining, Drained, Unhealthy]),
        0..30,
    )
}

proptest! {
    #[test]
    fn never_past_the_bounds_or_the_budget_and_never_in_without_data(
        steps in proptest::collection::vec(
            (1_u64..20, states(), proptest::option::of(0.0..3_000.0), proptest::option::of(0_u32..5), 0_u64..4),
            1..30,
        ),
    ) {
        let mut spec = spec(2, 12);
        spec.on_alert = Some(on_alert());
        let (mut one, mut other) = (Controller::new(&spec), Controller::new(&spec));
        let mut minute = 0;
        for (later, states, rps, affordable, alerts) in steps {
            minute += later;
            let mut observation = seen(minute, 0, rps);
            observation.droplets = states.iter().enumerate().map(|(id, state)| droplet(id, *state)).collect();
            observation.affordable = affordable;
            observation.alerts = Some((0..alerts).map(|id| alert(&format!("{}", minute / 10 + id))).collect());
            let decision = one.step(&observation);
            prop_assert_eq!(&decision, &other.step(&observation), "the same observations, the same decisions");
            prop_assert!((2..=12).contains(&decision.desired));
            prop_assert!(!decision.reasons.is_empty());
            let (made, drained) = moved(&decision.actions);
            prop_assert!(made <= affordable.map_or(usize::MAX, |more| more as usize));
            prop_assert!(made == 0 || made + decision.present as usize <= 12);
            prop_assert!(rps.is_some() || drained == 0);
        }
    }

    #[test]
    fn constant_load_ends_in_rest(rps in 0.0..5_000.0_f64, start in 1_usize..40) {
        let mut controller = Controller::new(&spec(1, 200));
        let mut present = start;
        let mut last_change = 0;
        for minute in 0..120 {
            let (made, drained) = moved(&controller.step(&seen(minute, present, Some(rps))).actions);
            if made + drained > 0 {
                last_change = minute;
            }
            present = present + made - drained;
        }
        prop_assert!(last_change < 60, "moved in minute {last_change}");
        prop_assert!((present as f64) * 50.0 * 1.1 >= rps);
    }

    #[test]
    fn more_load_never_wants_fewer(
        past in proptest::collection::vec(0.0..2_000.0_f64, 0..30), low in 0.0..2_000.0_f64, more in 0.0..2_000.0_f64,
    ) {
        let mut controller = Controller::new(&spec(1, 60));
        for (minute, rps) in (0..).zip(&past) {
            controller.step(&seen(minute, 20, Some(*rps)));
        }
        let now = past.len() as u64;
        let desired = |rps| controller.clone().step(&seen(now, 20, Some(rps))).desired;
        prop_assert!(desired(low) <= desired(low + more));
    }
}
