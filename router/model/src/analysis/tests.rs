//! Tests of the analysis: each kind of check at its bound and beyond it, and what too few requests mean.

use std::collections::BTreeMap;

use super::*;
use crate::stats::VariantStats;

const AT_MS: u64 = 9;

fn analysis() -> Analysis {
    Analysis {
        interval_ms: 30_000,
        min_samples: 100,
        no_data: NoData::Hold,
        failures_max: 3,
        on_failure: OnFailure::Abort,
        success_rate: None,
        latency: Vec::new(),
        counters: Vec::new(),
    }
}

/// `requests`, of which `errors` failed, all of them in one bucket of latency.
fn stats(requests: u64, errors: u64, bucket: usize) -> VariantStats {
    let mut stats = VariantStats { requests, errors, ..VariantStats::default() };
    stats.latency[bucket] = requests;
    stats
}

fn with_counter(requests: u64, count: u64) -> VariantStats {
    VariantStats { counters: BTreeMap::from([("upload-alert/oversize".to_owned(), count)]), ..stats(requests, 0, 0) }
}

fn success(min_percent: Option<f64>, below_stable_max: Option<f64>) -> Analysis {
    Analysis { success_rate: Some(SuccessRate { min_percent, below_stable_max }), ..analysis() }
}

fn latency(max_micros: Option<u64>, over_stable_max: Option<f64>) -> Analysis {
    Analysis { latency: vec![LatencyCheck { quantile: 0.99, max_micros, over_stable_max }], ..analysis() }
}

fn counter(per_request_max: Option<f64>, over_stable_max: Option<f64>) -> Analysis {
    let counter = "upload-alert/oversize".to_owned();
    Analysis { counters: vec![CounterCheck { counter, per_request_max, over_stable_max }], ..analysis() }
}

fn outcome(analysis: &Analysis, canary: &VariantStats, stable: &VariantStats) -> Outcome {
    analysis.judge(canary, stable, AT_MS).outcome
}

#[test]
fn a_success_rate_is_held_to_its_floor_and_to_stable() {
    let stable = stats(1_000, 10, 0);
    for (errors, expected) in [(10, Outcome::Pass), (11, Outcome::Fail)] {
        assert_eq!(outcome(&success(Some(99.0), None), &stats(1_000, errors, 0), &stable), expected, "{errors}");
    }
    for (errors, expected) in [(15, Outcome::Pass), (16, Outcome::Fail)] {
        assert_eq!(outcome(&success(None, Some(0.5)), &stats(1_000, errors, 0), &stable), expected, "{errors}");
    }
    let better = outcome(&success(None, Some(0.0)), &stats(1_000, 9, 0), &stable);
    assert_eq!(better, Outcome::Pass, "better than stable is no fault");
}

#[test]
fn a_quantile_of_latency_is_held_to_its_ceiling_and_to_stable() {
    // Bucket 9 ends at 500 ms, bucket 8 at 250 ms.
    let fast = stats(100, 0, 8);
    assert_eq!(outcome(&latency(Some(500_000), None), &stats(100, 0, 9), &fast), Outcome::Pass);
    assert_eq!(outcome(&latency(Some(500_000), None), &stats(100, 0, 10), &fast), Outcome::Fail);
    assert_eq!(outcome(&latency(None, Some(2.5)), &stats(100, 0, 9), &fast), Outcome::Pass);
    assert_eq!(outcome(&latency(None, Some(1.5)), &stats(100, 0, 9), &fast), Outcome::Fail);
    let slowest = stats(100, 0, 14);
    assert_eq!(outcome(&latency(Some(10_000_000), None), &slowest, &fast), Outcome::Fail, "above the last bucket");
    assert_eq!(outcome(&latency(None, Some(1.0)), &slowest, &slowest), Outcome::Pass, "both above the last bucket");
}

#[test]
fn a_counter_is_held_to_its_ceiling_per_request_and_to_stable() {
    let stable = with_counter(1_000, 10);
    for (count, expected) in [(20, Outcome::Pass), (21, Outcome::Fail)] {
        assert_eq!(outcome(&counter(Some(0.02), None), &with_counter(1_000, count), &stable), expected, "{count}");
        assert_eq!(outcome(&counter(None, Some(2.0)), &with_counter(1_000, count), &stable), expected, "{count}");
    }
    let never = stats(1_000, 0, 0);
    assert_eq!(outcome(&counter(None, Some(2.0)), &never, &never), Outcome::Pass, "neither counted any");
    assert_eq!(outcome(&counter(None, Some(2.0)), &with_counter(1_000, 1), &never), Outcome::Fail, "stable had none");
}

#[test]
fn too_few_requests_of_the_canary_are_no_data() {
    let stable = stats(1_000, 0, 0);
    let check = success(Some(99.0), None);
    assert_eq!(outcome(&check, &stats(100, 100, 0), &stable), Outcome::Fail, "exactly enough");
    let judged = check.judge(&stats(99, 99, 0), &stable, AT_MS);
    assert_eq!((judged.outcome, judged.checks[0].outcome), (Outcome::NoData, Outcome::NoData));
    assert_eq!(judged.summary, "too few requests: 99 of 100");
    assert_eq!(judged.checks[0].canary, "99 of 100 requests");
}

#[test]
fn too_few_requests_of_stable_are_no_data_where_it_is_compared_with() {
    let canary = stats(1_000, 0, 0);
    let few = stats(99, 0, 0);
    assert_eq!(outcome(&success(Some(99.0), None), &canary, &few), Outcome::Pass, "it is not compared with");
    let judged = success(Some(99.0), Some(1.0)).judge(&canary, &few, AT_MS);
    assert_eq!(judged.outcome, Outcome::NoData);
    assert_eq!(judged.checks.iter().map(|check| check.outcome).collect::<Vec<_>>(), [Outcome::Pass, Outcome::NoData]);
    assert_eq!(judged.summary, "too few requests of stable to compare with: 99 of 100");
    let failing = success(Some(99.0), Some(1.0)).judge(&stats(1_000, 500, 0), &few, AT_MS);
    assert_eq!(failing.outcome, Outcome::Fail, "a failed check counts without the others");
}

#[test]
fn requests_without_an_answer_have_no_latency() {
    let unanswered = VariantStats { requests: 100, errors: 100, ..VariantStats::default() };
    let judged = latency(Some(1), None).judge(&unanswered, &unanswered, AT_MS);
    assert_eq!((judged.outcome, judged.checks[0].canary.as_str()), (Outcome::NoData, "nothing counted"));
    assert_eq!(judged.summary, "nothing was counted that could be judged");
}

#[test]
fn without_checks_data_alone_passes() {
    assert_eq!(outcome(&analysis(), &stats(100, 100, 14), &VariantStats::default()), Outcome::Pass);
    assert_eq!(outcome(&analysis(), &stats(99, 0, 0), &VariantStats::default()), Outcome::NoData);
    assert_eq!(outcome(&Analysis { min_samples: 0, ..analysis() }, &stats(0, 0, 0), &stats(0, 0, 0)), Outcome::Pass);
}

#[test]
fn a_judgement_explains_itself() {
    let all = Analysis {
        latency: latency(Some(500_000), Some(1.5)).latency,
        counters: counter(Some(0.01), Some(2.0)).counters,
        ..success(Some(99.0), Some(0.5))
    };
    let stable = VariantStats { counters: with_counter(1_000, 1).counters, ..stats(1_000, 1, 8) };
    let good = all.judge(&stable, &stable, AT_MS);
    assert_eq!(good.summary, "passed all 6 checks on 1000 requests");
    let bad = VariantStats { counters: with_counter(1_000, 90).counters, ..stats(1_000, 100, 10) };
    let judged = all.judge(&bad, &stable, AT_MS);
    assert_eq!((judged.samples, judged.at_ms, judged.checks.len()), (1_000, AT_MS, 6));
    let told = "success rate is 90 %, must be at least 99 %; success rate is 90 %, must be at most 0.5 points below stable \
                (stable 99.9 %); p99 latency is 995 ms, must be at most 500 ms; 3 more";
    assert_eq!(judged.summary, told);
    let last = judged.checks.last().unwrap();
    assert_eq!((last.check.as_str(), last.canary.as_str()), ("upload-alert/oversize per request", "0.09"));
    assert_eq!((last.stable.as_deref(), last.bound.as_str()), (Some("0.001"), "at most 2 times stable's"));
}
