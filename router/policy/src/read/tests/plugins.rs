//! What a plugin may do, use and cost, how it fails and how a new file of it takes over.

use std::time::Duration;

use proptest::prelude::*;
use sluice_document::units::{duration_text, size_text};
use sluice_model::plugin::memory_soft;
use sluice_model::weight::BasisPoints;

use super::vocabulary::FULL;
use super::{only_fault, parse_one};
use crate::{
    Budget, FailurePolicy, Grants, Limits, LoadFailure, OnFailure, Plugin, PluginBreaker, Release, TrialMode, TrialSpec,
};

const OPEN: FailurePolicy = FailurePolicy::Open;

const fn closed(status: u16) -> FailurePolicy {
    FailurePolicy::Closed { status }
}

const fn every(cause: FailurePolicy) -> OnFailure {
    OnFailure { trap: cause, deadline: cause, memory: cause, load: LoadFailure::LastGood }
}

fn text(keys: &str) -> String {
    format!("[plugins.p]\nfile = \"p.wasm\"\n{keys}\n")
}

fn plugin(keys: &str) -> Plugin {
    parse_one(&text(keys)).unwrap_or_else(|faults| panic!("{faults}")).plugins.remove(0)
}

#[test]
fn every_setting_is_read() {
    let plugin = parse_one(FULL).unwrap_or_else(|faults| panic!("{faults}")).plugins.remove(0);
    let state = vec!["flag:x".to_owned(), "rollout:demo".to_owned()];
    let all =
        Grants { state, alerts: true, abort: true, counters: true, tags: true, log: true, edits: true, body: true };
    assert_eq!(plugin.grants, all);
    let limits = Limits {
        memory_bytes_max: 8 << 20,
        memory_bytes_soft: 7 << 20,
        call_cpu_max: Duration::from_millis(2),
        state_cpu_max: Duration::from_millis(20),
        init_cpu_max: Duration::from_millis(200),
        body_bytes_max: 64 << 10,
        log_lines_per_second_max: 5,
        alerts_per_minute_max: 6,
    };
    assert_eq!(plugin.limits, limits);
    let load = LoadFailure::Without(OPEN);
    assert_eq!(plugin.on_failure, OnFailure { trap: OPEN, deadline: closed(504), memory: closed(502), load });
    let (open_min, open_max) = (Duration::from_secs(2), Duration::from_secs(30));
    assert_eq!(plugin.breaker, Some(PluginBreaker { failures: 3, open_min, open_max }));
    let trial = TrialSpec {
        mode: TrialMode::Shadow,
        share: BasisPoints::new(1_234).unwrap(),
        duration: Duration::from_mins(10),
        is_automatic: false,
    };
    let budget = Budget {
        calls_min: 50,
        failures: BasisPoints::whole_percent(1),
        errors: BasisPoints::new(50).unwrap(),
        call_p99: Duration::from_millis(2),
        differences: Some(BasisPoints::ZERO),
    };
    assert_eq!(plugin.release, Release { trial: Some(trial), watch: Some(Duration::from_mins(2)), budget });
}

#[test]
fn nothing_is_granted_and_everything_is_bounded_unless_said() {
    let plugin = plugin("");
    assert_eq!((plugin.grants, plugin.limits), (Grants::default(), Limits::DEFAULT));
    assert_eq!(plugin.on_failure, OnFailure::default());
    assert_eq!((plugin.breaker, plugin.release), (Some(PluginBreaker::default()), Release::default()));
    assert_eq!(every(closed(503)), OnFailure::default());
}

#[test]
fn the_soft_limit_follows_the_hard_one() {
    let limits = |keys: &str| plugin(keys).limits;
    assert_eq!(limits("limits.memory = \"8MiB\"").memory_bytes_soft, memory_soft(8 << 20));
    assert_eq!(limits("limits = { memory = \"8MiB\", memory_soft = \"8MiB\" }").memory_bytes_soft, 8 << 20);
}

#[test]
fn failures_differ_by_cause() {
    let default = OnFailure::default();
    for (written, expected) in [
        ("\"open\"", every(OPEN)),
        ("\"closed\"", default),
        ("{}", default),
        ("{ closed = 502 }", every(closed(502))),
        ("{ trap = \"open\" }", OnFailure { trap: OPEN, ..default }),
        ("{ closed = 502, deadline = \"closed\" }", every(closed(502))),
        ("{ closed = 502, deadline = { closed = 504 } }", OnFailure { deadline: closed(504), ..every(closed(502)) }),
        ("{ load = \"last-good\" }", default),
        ("{ load = \"open\" }", OnFailure { load: LoadFailure::Without(OPEN), ..default }),
        ("{ load = \"closed\" }", OnFailure { load: LoadFailure::Without(closed(503)), ..default }),
        ("{ load = { closed = 500 } }", OnFailure { load: LoadFailure::Without(closed(500)), ..default }),
    ] {
        assert_eq!(plugin(&format!("on_failure = {written}")).on_failure, expected, "{written}");
    }
}

#[test]
fn breaker_and_watch_can_be_switched_off() {
    assert_eq!(plugin("breaker = false").breaker, None);
    assert_eq!(plugin("breaker = {}").breaker, Some(PluginBreaker::default()));
    assert_eq!(plugin("release.watch = false").release, Release { watch: None, ..Release::default() });
    let trial = TrialSpec {
        mode: TrialMode::Canary,
        share: BasisPoints::whole_percent(10),
        duration: Duration::from_mins(5),
        is_automatic: true,
    };
    assert_eq!(plugin("release.trial = \"canary\"").release, Release { trial: Some(trial), ..Release::default() });
}

#[test]
fn what_contradicts_itself_says_what_to_write() {
    let mut others = String::new();
    for (keys, expected) in [
        (
            "limits = { memory = \"1MiB\", memory_soft = \"2MiB\" }",
            "3:43: `memory_soft` is more than `memory` | at most 1MiB",
        ),
        ("limits = { momory = \"1MiB\" }", "3:12: unknown key `momory` | did you mean `memory`?"),
        ("limits.log_lines = \"20\"", "3:20: expected an integer, found a string"),
        ("on_failure = { load = \"lastgood\" }", "3:23: `lastgood` is no failure policy | did you mean `last-good`?"),
        ("on_failure = { trap = \"last-good\" }", "3:23: `last-good` is no failure policy | one of `open`, `closed`"),
        ("on_failure = { dedline = \"open\" }", "3:16: unknown key `dedline` | did you mean `deadline`?"),
        ("on_failure = { memory = { closed = 200 } }", "3:36: `200` is out of range | from 400 to 599"),
        ("on_failure = true", "3:14: expected a table, found a boolean"),
        ("breaker = true", "3:11: only `false` stands here by itself"),
        ("breaker = \"off\"", "3:11: expected a table, found a string"),
        ("breaker = { open = \"2m\" }", "3:20: `open` is longer than `open_max` | the first quarantine"),
        ("breaker = { open_max = \"500ms\" }", "3:24: `open` is longer than `open_max`"),
        ("release.trial = \"cannary\"", "3:17: `cannary` is no kind of trial | did you mean `canary`?"),
        ("release = { percent = 5.0 }", "3:23: `percent` without a `trial` | write trial = \"canary\" or \"shadow\""),
        ("release = { for = \"1m\" }", "3:19: `for` without a `trial`"),
        ("release = { promote = \"manual\" }", "3:23: `promote` without a `trial`"),
        ("release = { trial = \"canary\", percent = 0 }", "3:41: a trial of no request shows nothing | write 0.01"),
        ("release = { trial = \"canary\", percent = 0.005 }", "3:41: `0.005`: a weight has at most two decimals"),
        ("release = { trial = \"canary\", percent = 101 }", "3:41: `101`: a weight lies between 0 and 100"),
        ("release = { trial = \"canary\", for = \"0s\" }", "3:37: no time at all | a trial of no time"),
        ("release = { trial = \"canary\", promote = \"auto\" }", "3:41: `auto` is no way to promote"),
        ("release.watch = \"0s\"", "3:17: no time at all | write watch = false"),
        ("release.watch = 60", "3:17: a bare number has no unit"),
        ("release.watch = true", "3:17: only `false` stands here by itself"),
        ("release.budget = { failres = 1.0 }", "3:20: unknown key `failres` | did you mean `failures`?"),
        ("release.budget = { differences = 1.0 }", "3:34: `differences` are counted in a shadow trial | write trial"),
        (
            "release = { trial = \"canary\", budget = { differences = 1.0 } }",
            "3:56: `differences` are counted in a shadow trial",
        ),
        ("release = { watch = false, budget = {} }", "3:37: nothing is judged by this budget | write a `trial`"),
        ("release.budget.failures = 0.125", "3:27: `0.125`: a weight has at most two decimals"),
    ] {
        let fault = only_fault(&text(keys));
        if !fault.starts_with(expected) {
            others += &format!("{keys}\ncame:     {fault}\nexpected: {expected}\n\n");
        }
    }
    assert!(others.is_empty(), "\n{others}");
}

#[test]
fn what_changes_is_told_field_by_field() {
    let (old, new) = (
        text("release = { trial = \"canary\", percent = 5.0 }"),
        text(
            "release = { trial = \"canary\", percent = 7.5, watch = false }\nbreaker = false\non_failure = { deadline = \"open\" }",
        ),
    );
    let diff = crate::Diff::between(&parse_one(&old).unwrap(), &parse_one(&new).unwrap());
    let [item] = diff.items.as_slice() else { panic!("{diff:?}") };
    let mut told: Vec<String> = Vec::new();
    for field in &item.fields {
        told.push(format!(
            "{}: {} -> {}",
            field.field,
            field.old.as_deref().unwrap_or("-"),
            field.new.as_deref().unwrap_or("-")
        ));
    }
    assert_eq!(
        told,
        [
            "breaker: - -> false",
            "breaker.failures: 5 -> -",
            "breaker.open: 1s -> -",
            "breaker.open_max: 1m -> -",
            "on_failure.deadline: closed with 503 -> open",
            "release.trial.percent: 5.0 -> 7.5",
            "release.watch: 1m -> false",
        ]
    );
}

/// A release, and how it is written.
fn releases() -> impl Strategy<Value = (Release, String)> {
    let percent = |range: std::ops::RangeInclusive<u16>| range.prop_map(|points| BasisPoints::new(points).unwrap());
    let span = 100_u64..=7 * 24 * 60 * 60 * 1_000;
    let trial = prop::option::of((any::<bool>(), percent(1..=10_000), span.clone(), any::<bool>()));
    let budget = (percent(0..=10_000), percent(0..=10_000), 1_u64..=60_000, percent(0..=10_000), 1_u32..=1_000_000);
    (trial, prop::option::of(span), budget).prop_map(
        |(trial, watch, (failures, errors, p99, differences, calls_min))| {
            let trial = trial.map(|(is_shadow, share, millis, is_automatic)| TrialSpec {
                mode: if is_shadow { TrialMode::Shadow } else { TrialMode::Canary },
                share,
                duration: Duration::from_millis(millis),
                is_automatic,
            });
            let is_shadow = trial.is_some_and(|trial| trial.mode == TrialMode::Shadow);
            let call_p99 = Duration::from_millis(p99);
            let differences = is_shadow.then_some(differences);
            let budget = Budget { calls_min, failures, errors, call_p99, differences };
            let release = Release { trial, watch: watch.map(Duration::from_millis), budget };
            (release, written(&release))
        },
    )
}

fn written(release: &Release) -> String {
    let Release { trial, watch, budget } = release;
    let mut keys = vec![match watch {
        Some(watch) => format!("watch = \"{}\"", duration_text(*watch)),
        None => "watch = false".to_owned(),
    }];
    if let Some(TrialSpec { mode, share, duration, is_automatic }) = trial {
        let mode = if *mode == TrialMode::Shadow { "shadow" } else { "canary" };
        let promote = if *is_automatic { "automatic" } else { "manual" };
        keys.push(format!("trial = \"{mode}\", percent = {:?}", share.as_percent()));
        keys.push(format!("for = \"{}\", promote = \"{promote}\"", duration_text(*duration)));
    }
    if trial.is_some() || watch.is_some() {
        let Budget { calls_min, failures, errors, call_p99, differences } = budget;
        let differences = differences.map(|share| format!(", differences = {:?}", share.as_percent()));
        keys.push(format!(
            "budget = {{ calls_min = {calls_min}, failures = {:?}, errors = {:?}, call_p99 = \"{}\"{} }}",
            failures.as_percent(),
            errors.as_percent(),
            duration_text(*call_p99),
            differences.unwrap_or_default()
        ));
    }
    format!("release = {{ {} }}", keys.join(", "))
}

proptest! {
    #[test]
    fn every_release_reads_as_it_was_meant((release, written) in releases()) {
        let judged = if release.trial.is_none() && release.watch.is_none() {
            Release { budget: Budget::default(), ..release }
        } else {
            release
        };
        prop_assert_eq!(plugin(&written).release, judged, "{}", written);
    }

    #[test]
    fn every_size_and_rate_reads_as_it_was_meant(
        memory in (64_u64 << 10)..=(4 << 30),
        soft_percent in 0_u64..=100,
        body in 1_u64..=(1 << 40),
        lines in 0_u32..=1_000,
        alerts in 0_u32..=600,
    ) {
        let soft = (memory / 100 * soft_percent).max(64 << 10);
        let written = format!(
            "limits = {{ memory = \"{}\", memory_soft = \"{}\", body = \"{}\", log_lines = {lines}, alerts = {alerts} }}",
            size_text(memory), size_text(soft), size_text(body)
        );
        let expected = Limits {
            memory_bytes_max: memory,
            memory_bytes_soft: soft,
            body_bytes_max: body,
            log_lines_per_second_max: lines,
            alerts_per_minute_max: alerts,
            ..Limits::DEFAULT
        };
        prop_assert_eq!(plugin(&written).limits, expected, "{}", written);
    }
}
