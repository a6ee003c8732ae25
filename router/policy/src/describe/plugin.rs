//! A plugin as data.

use serde_json::{Value, json};
use sluice_document::units::{duration_text, size_text};
use sluice_model::weight::BasisPoints;

use crate::plugin::{
    Budget, FailurePolicy, Grants, Limits, LoadFailure, OnFailure, Plugin, PluginBreaker, Release, TrialMode, TrialSpec,
};

pub(super) fn describe(plugin: &Plugin) -> Value {
    let Plugin { name: _, file, config, grants, limits, on_failure, breaker, release } = plugin;
    json!({
        "file": file,
        "config": config,
        "grants": grants_of(grants),
        "limits": limits_of(limits),
        "on_failure": on_failure_of(on_failure),
        "breaker": breaker.as_ref().map_or(json!(false), breaker_of),
        "release": release_of(release),
    })
}

fn grants_of(grants: &Grants) -> Value {
    let Grants { state, alerts, abort, counters, tags, log, edits, body } = grants;
    json!({
        "state": state,
        "alerts": alerts,
        "abort": abort,
        "counters": counters,
        "tags": tags,
        "log": log,
        "edits": edits,
        "body": body,
    })
}

fn limits_of(limits: &Limits) -> Value {
    let Limits {
        memory_bytes_max,
        memory_bytes_soft,
        call_cpu_max,
        state_cpu_max,
        init_cpu_max,
        body_bytes_max,
        log_lines_per_second_max,
        alerts_per_minute_max,
    } = limits;
    json!({
        "memory": size_text(*memory_bytes_max),
        "memory_soft": size_text(*memory_bytes_soft),
        "cpu": duration_text(*call_cpu_max),
        "state_cpu": duration_text(*state_cpu_max),
        "init_cpu": duration_text(*init_cpu_max),
        "body": size_text(*body_bytes_max),
        "log_lines": log_lines_per_second_max,
        "alerts": alerts_per_minute_max,
    })
}

fn on_failure_of(on_failure: &OnFailure) -> Value {
    let OnFailure { trap, deadline, memory, load } = on_failure;
    json!({
        "trap": policy(*trap),
        "deadline": policy(*deadline),
        "memory": policy(*memory),
        "load": match load {
            LoadFailure::LastGood => "last-good".to_owned(),
            LoadFailure::Without(without) => policy(*without),
        },
    })
}

fn policy(policy: FailurePolicy) -> String {
    match policy {
        FailurePolicy::Closed { status } => format!("closed with {status}"),
        FailurePolicy::Open => "open".to_owned(),
    }
}

fn breaker_of(breaker: &PluginBreaker) -> Value {
    let PluginBreaker { failures, open_min, open_max } = breaker;
    json!({ "failures": failures, "open": duration_text(*open_min), "open_max": duration_text(*open_max) })
}

fn release_of(release: &Release) -> Value {
    let Release { trial, watch, budget } = release;
    json!({
        "trial": trial.as_ref().map(trial_of),
        "watch": watch.map_or(json!(false), |watch| json!(duration_text(watch))),
        "budget": budget_of(budget),
    })
}

fn trial_of(trial: &TrialSpec) -> Value {
    let TrialSpec { mode, share, duration, is_automatic } = trial;
    json!({
        "mode": match mode {
            TrialMode::Canary => "canary",
            TrialMode::Shadow => "shadow",
        },
        "percent": share.as_percent(),
        "for": duration_text(*duration),
        "promote": if *is_automatic { "automatic" } else { "manual" },
    })
}

fn budget_of(budget: &Budget) -> Value {
    let Budget { calls_min, failures, errors, call_p99, differences } = budget;
    json!({
        "failures": failures.as_percent(),
        "errors": errors.as_percent(),
        "call_p99": duration_text(*call_p99),
        "differences": differences.map(BasisPoints::as_percent),
        "calls_min": calls_min,
    })
}
