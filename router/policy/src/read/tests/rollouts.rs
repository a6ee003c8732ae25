//! Rollouts with overrides, plans and analysis: what is read, and what each fault says.

use sluice_model::analysis::{Analysis, CounterCheck, LatencyCheck, NoData, OnFailure, SuccessRate};
use sluice_model::plan::{Gate, Plan, Step};
use sluice_model::slots::Share;
use sluice_model::weight::BasisPoints;

use super::{only_fault, parse_one};
use crate::Policy;

const FULL: &str = include_str!("../../../fixtures/full.toml");
const DAY_S: u64 = 24 * 60 * 60;

fn weight(percent: f64) -> BasisPoints {
    BasisPoints::from_percent(percent).unwrap()
}

/// A rollout of three variants with `keys`, from line 11 on, and a plugin that may count.
fn rollout(keys: &str) -> String {
    format!(
        "[upstreams.up]\nservers = [\"a:1\"]\n[plugins.p]\nfile = \"p.wasm\"\ngrants.counters = true\n[rollouts.r]\n\
         key = \"cookie:u\"\nvariants = {{ stable = \"up\", next = \"up\", beta = \"up\" }}\nstable = \"stable\"\n\
         canary = \"next\"\n{keys}"
    )
}

fn read(keys: &str) -> Policy {
    parse_one(&rollout(keys)).unwrap_or_else(|faults| panic!("{faults}"))
}

fn fault(keys: &str, expected: &str) {
    assert_eq!(only_fault(&rollout(keys)), expected, "{keys}");
}

/// The place and hint of a fault are those of the first line of `keys`.
fn bounded(good: &str, bad: &str, message: &str) {
    read(good);
    let fault = only_fault(&rollout(bad));
    assert!(fault.contains(message), "{fault}");
}

#[test]
fn a_plan_is_what_is_written() {
    let policy = parse_one(FULL).unwrap_or_else(|faults| panic!("{faults}"));
    let [rollout] = policy.rollouts.as_slice() else { panic!("{:?}", policy.rollouts) };
    let overrides: Vec<String> = rollout.overrides.iter().map(ToString::to_string).collect();
    assert_eq!(overrides, ["header:x-override", "cookie:sluice-override", "query:variant"]);
    let beta = || Share::Other("beta".into());
    let minute_ms = 60_000;
    let step = |weights: &[(Share, f64)]| Step {
        weights: weights.iter().map(|(share, percent)| (share.clone(), weight(*percent))).collect(),
        pause_ms: 0,
        gate: Gate::Auto,
        deadline_ms: None,
    };
    let steps = vec![
        Step { pause_ms: 10 * minute_ms, ..step(&[(Share::Canary, 1.0)]) },
        Step {
            pause_ms: 30 * minute_ms,
            deadline_ms: Some(120 * minute_ms),
            ..step(&[(beta(), 5.5), (Share::Canary, 25.0)])
        },
        Step { gate: Gate::Manual, ..step(&[(Share::Canary, 50.0)]) },
        step(&[(beta(), 0.0), (Share::Canary, 100.0)]),
    ];
    let over_stable_max = Some(1.5);
    let analysis = Analysis {
        interval_ms: minute_ms,
        min_samples: 200,
        no_data: NoData::Fail,
        failures_max: 2,
        on_failure: OnFailure::Pause,
        success_rate: Some(SuccessRate { min_percent: Some(99.5), below_stable_max: Some(0.25) }),
        latency: vec![
            LatencyCheck { quantile: 0.5, max_micros: Some(50_000), over_stable_max: None },
            LatencyCheck { quantile: 99.9 / 100.0, max_micros: Some(500_000), over_stable_max },
        ],
        counters: vec![CounterCheck {
            counter: "gate/oversize".into(),
            per_request_max: Some(0.01),
            over_stable_max: Some(2.0),
        }],
    };
    assert_eq!(rollout.plan, Plan { steps, analysis: Some(analysis) });
}

#[test]
fn a_rollout_without_a_plan_is_moved_by_hand() {
    assert_eq!(read("").rollouts[0].plan, Plan::default());
    assert!(read("").rollouts[0].overrides.is_empty());
    let Some(analysis) = &read("analysis.success_rate.min = 99").rollouts[0].plan.analysis else { panic!() };
    assert_eq!((analysis.interval_ms, analysis.min_samples, analysis.failures_max), (30_000, 100, 3));
    assert_eq!((analysis.no_data, analysis.on_failure), (NoData::Hold, OnFailure::Abort));
    read("steps = [{ weight = 50, pause = \"1m\" }, { weight = 10 }]");
}

#[test]
fn overrides_stand_where_a_client_can_put_them() {
    assert_eq!(read("override = \"header:x-v\"").rollouts[0].overrides.len(), 1);
    fault(
        "override = [\"client-address\"]",
        "11:13: `client-address` is no place for an override | write header:NAME, cookie:NAME or query:NAME",
    );
    fault("override = [\"header:\"]", "11:13: `header:` is no place for an override | a name follows `header:`");
    fault(
        "override = \"header:X-Sluice-V\"",
        "11:12: `header:X-Sluice-V` is no place for an override | no client can send it: all x-sluice-* are the router's own; write e.g. header:x-override",
    );
    fault("override = [\"query:v\", \"query:v\"]", "11:24: `query:v` is listed twice | remove one of the two");
}

#[test]
fn steps_weigh_variants_that_exist_and_never_stable() {
    let hint = "did you mean `beta`?";
    fault("steps = [{ weights = { beat = 5 } }]", &format!("11:24: `beat` is none of the `variants` | {hint}"));
    fault("steps = [{ weights = { xx = 5 } }]", "11:24: `xx` is none of the `variants` | one of `beta`, `next`");
    fault(
        "steps = [{ weights = { stable = 5 } }]",
        "11:24: `stable` is the stable variant: it has what the others leave | weigh the other variants",
    );
    fault(
        "steps = [{ weight = 5, weights = { beta = 5 } }]",
        "11:34: `weight` and `weights` stand in one step | leave one of them out",
    );
    fault(
        "steps = [{ pause = \"1m\" }]",
        "11:10: a step has a `weight` | write weight = 25, or weights = { canary = 25, other = 5 }",
    );
    fault("steps = [{ wieght = 5 }]", "11:12: unknown key `wieght` | did you mean `weight`?");
}

#[test]
fn the_variants_of_a_step_have_everything_at_most() {
    read("steps = [{ weights = { next = 40, beta = 60 } }, { weights = { beta = 0.01, next = 99.99 } }]");
    let hint = "lower one; variants that a step does not name keep the weight of the step before";
    let message = "the variants of this step have more than 100 percent together";
    fault("steps = [{ weights = { next = 40.01, beta = 60 } }]", &format!("11:10: {message} | {hint}"));
    fault("steps = [{ weights = { beta = 60 } }, { weight = 41 }]", &format!("11:39: {message} | {hint}"));
}

#[test]
fn a_deadline_is_for_what_an_analysis_keeps() {
    let analysis = "analysis.success_rate.min = 99";
    read(&format!("steps = [{{ weight = 5, pause = \"59s\", deadline = \"1m\" }}]\n{analysis}"));
    fault(
        &format!("steps = [{{ weight = 5, pause = \"1m\", deadline = \"1m\" }}]\n{analysis}"),
        "11:49: the deadline of a step is not after its pause | write more than its `pause`",
    );
    fault(
        "steps = [{ weight = 5, deadline = \"1m\" }]",
        "11:35: without an `analysis` nothing keeps a step longer than its pause | remove `deadline`, or write an `analysis`",
    );
    fault(
        "steps = [{ weight = 5, gate = \"manual\", deadline = \"1m\" }]",
        "11:52: nobody can say how long an operator takes | remove `deadline`, or the manual gate",
    );
}

#[test]
fn an_analysis_has_a_check_and_a_check_a_bound() {
    fault(
        "analysis.interval = \"1m\"",
        "11:1: an analysis without a check lets everything pass | write what the canary is held to, e.g. success_rate = { min = 99.0 }",
    );
    fault(
        "analysis.success_rate = {}",
        "11:25: a check without a bound lets everything pass | write min = 99.0 or below_stable_max = 0.5",
    );
    fault(
        "analysis.latency = [{ quantile = 99 }]",
        "11:21: a check without a bound lets everything pass | write max = \"500ms\" or over_stable_max = 1.5",
    );
    fault("analysis.latency = [{ max = \"1s\" }]", "11:21: `quantile` is missing | write quantile = 99");
    fault(
        "analysis.latency = [{ quantile = 99, max = \"1s\" }, { quantile = 99.0, over_stable_max = 2 }]",
        "11:65: `99` is listed twice | remove one of the two",
    );
    fault("analysis.latency = []", "11:20: empty list | write one entry at least, or leave the key out");
    fault("analysis.sucess_rate.min = 99", "11:10: unknown key `sucess_rate` | did you mean `success_rate`?");
    fault(
        "analysis = { no_data = \"wait\", success_rate.min = 99 }",
        "11:24: `wait` is no way to take an interval without data | one of `hold`, `pass`, `fail`",
    );
}

#[test]
fn counters_are_of_plugins_that_may_count() {
    let counter = |name: &str| format!("analysis.counters = [{{ counter = \"{name}\", per_request_max = 1 }}]");
    read(&counter("p/a/b"));
    fault(&counter("x/a"), "11:34: no plugin is named `x` | write `p`");
    fault(&counter("p"), "11:34: `p` is no counter of a plugin | write \"PLUGIN/COUNTER\"");
    let mute = rollout(&counter("p/a")).replace("grants.counters = true", "grants.log = true");
    assert_eq!(only_fault(&mute), "11:34: plugin `p` may not count | write grants = { counters = true } for it");
}

#[test]
fn quantities_are_bounded() {
    let check = |keys: &str| format!("analysis = {{ {keys}, success_rate.min = 99 }}");
    let latency = |keys: &str| format!("analysis.latency = [{{ {keys} }}]");
    let out = "is out of range | from";
    bounded(&check("interval = \"10s\""), &check("interval = \"9999ms\""), &format!("{out} 10s to 1h"));
    bounded(&check("interval = \"1h\""), &check("interval = \"3601s\""), out);
    bounded(&check("min_samples = 1"), &check("min_samples = 0"), out);
    bounded(&check("failures_max = 100"), &check("failures_max = 101"), &format!("{out} 1 to 100"));
    bounded(&latency("quantile = 99.99, max = \"10s\""), &latency("quantile = 100, max = \"10s\""), out);
    bounded(&latency("quantile = 1, max = \"1ms\""), &latency("quantile = 0.9, max = \"1ms\""), out);
    bounded(&latency("quantile = 1, max = \"10s\""), &latency("quantile = 1, max = \"10001ms\""), out);
    bounded(&latency("quantile = 1, over_stable_max = 1000"), &latency("quantile = 1, over_stable_max = 1e4"), out);
    bounded(&latency("quantile = 1, over_stable_max = 0"), &latency("quantile = 1, over_stable_max = nan"), out);
    let pause = |seconds: u64| format!("steps = [{{ weight = 1, pause = \"{seconds}s\" }}]");
    bounded(&pause(30 * DAY_S), &pause(30 * DAY_S + 1), out);
    bounded("steps = [{ weight = 100.0 }]", "steps = [{ weight = 100.01 }]", "between 0 and 100");
    fault(
        "steps = [{ weight = \"5\" }]",
        "11:21: expected a percentage such as 25.0, found a string | write a percentage such as 25.0",
    );
}
